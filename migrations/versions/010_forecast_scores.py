"""Forecast scores: what a forecast said in full, how it came out by horizon, and what has changed since.

Adds forecast_quantiles (of each hour's count and of the running total), forecast_scores (one row for each horizon
that was observed) and notices (of drift). Forecasts made before have no quantiles and are not scored by horizon.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "010"
down_revision = "009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "forecast_quantiles",
        sa.Column("forecast_total_id", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("forecast_total_id"),
        sa.ForeignKeyConstraint(
            ["forecast_total_id"],
            ["forecast_totals.id"],
            name="fk_forecast_quantiles_forecast_total_id",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "forecast_scores",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("model_metadata_id", sa.Integer(), nullable=False),
        sa.Column("forecast_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("horizon_hours", sa.Integer(), nullable=False),
        sa.Column("counting", sa.String(32), nullable=False),
        sa.Column("actual", sa.Integer(), nullable=False),
        sa.Column("predicted", sa.Float(), nullable=False),
        sa.Column("crps", sa.Float(), nullable=False),
        sa.Column("reference_crps", sa.Float(), nullable=True),
        sa.Column("log_score", sa.Float(), nullable=True),
        sa.Column("pit", sa.Float(), nullable=False),
        sa.Column("inside_50", sa.Boolean(), nullable=False),
        sa.Column("inside_80", sa.Boolean(), nullable=False),
        sa.Column("inside_95", sa.Boolean(), nullable=False),
        sa.Column("above_95", sa.Boolean(), nullable=False),
        sa.Column("below_95", sa.Boolean(), nullable=False),
        sa.Column("scored_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_metadata_id"], ["model_metadata.id"], name="fk_forecast_scores_model_metadata_id"
        ),
        sa.UniqueConstraint("model_metadata_id", "forecast_time", "horizon_hours", name="uq_forecast_scores"),
        sa.CheckConstraint("horizon_hours > 0", name="ck_forecast_scores_horizon"),
    )
    op.create_index("ix_forecast_scores_forecast_time", "forecast_scores", ["forecast_time"])
    op.create_table(
        "notices",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
    )
    op.create_index("ix_notices_found_at", "notices", ["found_at"])
    unresolved = sa.text("resolved_at IS NULL")
    op.create_index(
        "uq_notices_open", "notices", ["kind"], unique=True, sqlite_where=unresolved, postgresql_where=unresolved
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("notices")
    op.drop_table("forecast_scores")
    op.drop_table("forecast_quantiles")
