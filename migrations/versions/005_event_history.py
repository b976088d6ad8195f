"""Event history: soft removal, and a log of every change that can be undone.

Adds exogenous_events.updated_at and removed_at (empty in the rows that are there) and event_changes (who changed
what and when, before and after).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "005"
down_revision = "004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the log."""
    op.add_column("exogenous_events", sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("exogenous_events", sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "event_changes",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("event_id", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.String(255), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.Column("undoes", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["exogenous_events.id"], name="fk_event_changes_event_id"),
        sa.ForeignKeyConstraint(["undoes"], ["event_changes.id"], name="fk_event_changes_undoes"),
        sa.UniqueConstraint("undoes", name="uq_event_changes_undoes"),
    )
    op.create_index("ix_event_changes_event_id", "event_changes", ["event_id"])


def downgrade() -> None:
    """Drop them. Removed events are removed for good, lest they count again."""
    op.drop_table("event_changes")
    op.execute("DELETE FROM exogenous_events WHERE removed_at IS NOT NULL")
    op.drop_column("exogenous_events", "removed_at")
    op.drop_column("exogenous_events", "updated_at")
