"""Runs beside each other: until when one waits, and what it may be spending.

Adds runs.waits_until and runs.reserved, and forgets the open rechecks: what a check found to be fetched again is
found anew by the next.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "013"
down_revision = "012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, and forget the rechecks."""
    op.add_column("runs", sa.Column("waits_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("runs", sa.Column("reserved", sa.Integer(), nullable=True))
    op.execute("DELETE FROM fetch_ranges WHERE purpose = 'recheck'")


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("runs", "reserved")
    op.drop_column("runs", "waits_until")
