"""Coverage of kinds: of which posts a source saw every one, all of them or those of a definition alone.

Adds coverage.counting. What is there was of every kind: files and the API hold replies as well.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "014"
down_revision = "013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("coverage", sa.Column("counting", sa.String(32), nullable=False, server_default="all"))


def downgrade() -> None:
    """Drop it, and the spans that say nothing of all posts."""
    op.execute("DELETE FROM coverage WHERE counting <> 'all'")
    op.drop_column("coverage", "counting")
