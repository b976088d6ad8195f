"""Backtests: how models would have forecast, origin by origin.

Adds backtests (what was asked, of which data) and backtest_scores (what came of each model at each origin), so that
two of them can be compared later and one that was cut off can go on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "008"
down_revision = "007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "backtests",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("span_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("span_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("counting", sa.String(32), nullable=False),
        sa.Column("data_digest", sa.String(64), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.UniqueConstraint("name", name="uq_backtests_name"),
        sa.CheckConstraint("span_end > span_start", name="ck_backtests_order"),
    )
    op.create_table(
        "backtest_scores",
        sa.Column("backtest_id", sa.Integer(), nullable=False),
        sa.Column("model_name", sa.String(64), nullable=False),
        sa.Column("origin", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("scores", sa.Text(), nullable=True),
        sa.Column("hourly_crps", sa.Text(), nullable=True),
        sa.Column("hourly_pit", sa.Text(), nullable=True),
        sa.Column("refused", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("backtest_id", "model_name", "origin"),
        sa.ForeignKeyConstraint(
            ["backtest_id"], ["backtests.id"], name="fk_backtest_scores_backtest_id", ondelete="CASCADE"
        ),
        sa.CheckConstraint("(scores IS NULL) <> (refused IS NULL)", name="ck_backtest_scores_outcome"),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("backtest_scores")
    op.drop_table("backtests")
