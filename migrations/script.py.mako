"""${message}.

Say here, for the operators who read it before they apply it, what changes and what becomes of the rows.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = "${up_revision}"
down_revision = ${'"%s"' % down_revision if down_revision else None}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to ${up_revision}."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Take it back${" to " + down_revision if down_revision else ""}."""
    ${downgrades if downgrades else "pass"}
