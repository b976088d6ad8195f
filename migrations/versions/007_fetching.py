"""Fetching: what is still to fetch, what could not be observed, and what was spent.

Adds fetch_ranges (post ids still to fetch), high_water_marks (up to where a source is complete), coverage_holes
(time that could not be observed, and why), spending (by UTC day), bought_posts (so that no post is counted as paid
for twice in a day) and api_limits (budgets as the API last told them).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "007"
down_revision = "006"
branch_labels = None
depends_on = None

POST_ID = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "fetch_ranges",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("endpoint", sa.String(16), nullable=False),
        sa.Column("low_id", POST_ID, nullable=False),
        sa.Column("high_id", POST_ID, nullable=False),
        sa.Column("top_id", POST_ID, nullable=False),
        sa.Column("span_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("span_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("low_id <= high_id AND high_id <= top_id", name="ck_fetch_ranges_order"),
        sa.CheckConstraint("purpose IN ('follow', 'backfill', 'recheck')", name="ck_fetch_ranges_purpose"),
        sa.CheckConstraint("endpoint IN ('timeline', 'recent', 'all')", name="ck_fetch_ranges_endpoint"),
    )
    op.create_table(
        "high_water_marks",
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("post_id", POST_ID, nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("source"),
    )
    op.create_table(
        "coverage_holes",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("span_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("span_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(255), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("span_end > span_start", name="ck_coverage_holes_order"),
    )
    op.create_table(
        "spending",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("posts", sa.Integer(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("microdollars", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day"),
    )
    op.create_table(
        "bought_posts",
        sa.Column("post_id", POST_ID, autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("post_id"),
    )
    op.create_table(
        "api_limits",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("budget", sa.Integer(), nullable=False),
        sa.Column("remaining", sa.Integer(), nullable=False),
        sa.Column("reset_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def downgrade() -> None:
    """Drop them; posts and coverage stay, open ranges and the record of spending go."""
    for table in ("api_limits", "bought_posts", "spending", "coverage_holes", "high_water_marks", "fetch_ranges"):
        op.drop_table(table)
