"""Window forecasts: what was forecast of a window, its brackets, and what came.

Adds window_forecasts. Brackets can be longer than an index entry may be, so their SHA-256 stands for them in the key.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "009"
down_revision = "008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "window_forecasts",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("model_metadata_id", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("forecast_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("window_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("window_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("preset", sa.String(32), nullable=True),
        sa.Column("timezone", sa.String(64), nullable=False),
        sa.Column("brackets", sa.Text(), nullable=False),
        sa.Column("brackets_sha256", sa.String(64), nullable=False),
        sa.Column("counting", sa.String(32), nullable=False),
        sa.Column("n_paths", sa.Integer(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("counted_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count_so_far", sa.Integer(), nullable=False),
        sa.Column("lower_bound", sa.Boolean(), nullable=False),
        sa.Column("hours_to_come", sa.Float(), nullable=False),
        sa.Column("predicted_total", sa.Float(), nullable=False),
        sa.Column("quantiles", sa.Text(), nullable=False),
        sa.Column("bracket_probabilities", sa.Text(), nullable=False),
        sa.Column("warnings", sa.Text(), nullable=False),
        sa.Column("actual_total", sa.Integer(), nullable=True),
        sa.Column("scored_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_metadata_id"], ["model_metadata.id"], name="fk_window_forecasts_model_metadata_id"
        ),
        sa.UniqueConstraint(
            "model_metadata_id",
            "made_at",
            "window_start",
            "window_end",
            "brackets_sha256",
            name="uq_window_forecasts",
        ),
    )
    op.create_index("ix_window_forecasts_model_metadata_id", "window_forecasts", ["model_metadata_id"])
    op.create_index("ix_window_forecasts_made_at", "window_forecasts", ["made_at"])
    op.create_index("ix_window_forecasts_window_end", "window_forecasts", ["window_end"])


def downgrade() -> None:
    """Drop it, with the window forecasts."""
    op.drop_table("window_forecasts")
