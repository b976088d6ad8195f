"""Posts and coverage: kinds of posts, when one was deleted, and which time was observed.

Adds raw_tweets.kind and deleted_at (empty in the rows that are there), coverage (spans in which every post was seen)
and database_settings (which posts are counted, for one).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "004"
down_revision = "003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and tables."""
    op.add_column("raw_tweets", sa.Column("kind", sa.String(16), nullable=True))
    op.add_column("raw_tweets", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "coverage",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("span_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("span_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("span_end > span_start", name="ck_coverage_order"),
    )
    op.create_table(
        "database_settings",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Drop them; posts stay, their kinds and the coverage go."""
    op.drop_table("database_settings")
    op.drop_table("coverage")
    op.drop_column("raw_tweets", "deleted_at")
    op.drop_column("raw_tweets", "kind")
