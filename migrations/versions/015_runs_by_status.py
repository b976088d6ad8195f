"""Runs by status: those that go on are found at once among all.

Every screen asks for them again and again, and a service adds a hundred thousand runs a year.
"""

from __future__ import annotations

from alembic import op

revision = "015"
down_revision = "014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index."""
    op.create_index("ix_runs_status_id", "runs", ["status", "id"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_runs_status_id", table_name="runs")
