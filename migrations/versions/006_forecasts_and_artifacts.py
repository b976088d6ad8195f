"""Forecasts and artifacts: more bounds, totals of a horizon, and what a fit was made of.

Adds the 50% and 80% bounds to forecasts, diagnostics and counting to model_metadata (empty in the rows that are
there), forecast_totals (the total of each forecast's horizon) and model_artifacts (a fit's numbers, so that any
machine on the database can forecast with it).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "006"
down_revision = "005"
branch_labels = None
depends_on = None

BOUNDS = ("lower_bound_50", "upper_bound_50", "lower_bound_80", "upper_bound_80")


def upgrade() -> None:
    """Add the columns and tables."""
    for bound in BOUNDS:
        op.add_column("forecasts", sa.Column(bound, sa.Float(), nullable=True))
    op.add_column("model_metadata", sa.Column("diagnostics", sa.Text(), nullable=True))
    op.add_column("model_metadata", sa.Column("counting", sa.String(32), nullable=True))
    op.create_table(
        "forecast_totals",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("model_metadata_id", sa.Integer(), nullable=False),
        sa.Column("forecast_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("horizon_hours", sa.Integer(), nullable=False),
        sa.Column("n_paths", sa.Integer(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("counting", sa.String(32), nullable=False),
        sa.Column("predicted_total", sa.Float(), nullable=False),
        sa.Column("quantiles", sa.Text(), nullable=False),
        sa.Column("warnings", sa.Text(), nullable=False),
        sa.Column("actual_total", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_metadata_id"], ["model_metadata.id"], name="fk_forecast_totals_model_metadata_id"
        ),
        sa.UniqueConstraint("model_metadata_id", "forecast_time", "horizon_hours", name="uq_forecast_totals"),
    )
    op.create_index("ix_forecast_totals_model_metadata_id", "forecast_totals", ["model_metadata_id"])
    op.create_index("ix_forecast_totals_forecast_time", "forecast_totals", ["forecast_time"])
    op.create_table(
        "model_artifacts",
        sa.Column("model_metadata_id", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("model_metadata_id"),
        sa.ForeignKeyConstraint(
            ["model_metadata_id"], ["model_metadata.id"], name="fk_model_artifacts_model_metadata_id"
        ),
    )


def downgrade() -> None:
    """Drop them; forecasts and fits stay with the columns that they had before."""
    op.drop_table("model_artifacts")
    op.drop_table("forecast_totals")
    op.drop_column("model_metadata", "counting")
    op.drop_column("model_metadata", "diagnostics")
    for bound in reversed(BOUNDS):
        op.drop_column("forecasts", bound)
