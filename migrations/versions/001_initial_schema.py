"""The initial schema: six tables and their indexes.

Posts without their content (raw_tweets), counts of hours and days (time_buckets), outside events
(exogenous_events), features, fitted models (model_metadata) and what they forecast (forecasts).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, what others refer to first."""
    _create_raw_tweets()
    _create_time_buckets()
    _create_exogenous_events()
    _create_features()
    _create_model_metadata()
    _create_forecasts()


def downgrade() -> None:
    """Drop them; all rows go."""
    for table in (
        "forecasts",
        "model_metadata",
        "features",
        "exogenous_events",
        "time_buckets",
        "raw_tweets",
    ):
        op.drop_table(table)


def _create_raw_tweets() -> None:
    op.create_table(
        "raw_tweets",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("tweet_id", sa.String(64), nullable=False),
        _time("created_at"),
        sa.Column("source", sa.String(32), nullable=False),
        _time("ingest_time"),
        sa.Column("is_deleted", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.create_index("ix_raw_tweets_tweet_id", "raw_tweets", ["tweet_id"], unique=True)
    op.create_index("ix_raw_tweets_created_at", "raw_tweets", ["created_at"])
    op.create_index("idx_created_at_not_deleted", "raw_tweets", ["created_at", "is_deleted"])


def _create_time_buckets() -> None:
    op.create_table(
        "time_buckets",
        sa.Column("id", sa.Integer(), primary_key=True),
        _time("bucket_start"),
        _time("bucket_end"),
        sa.Column("granularity", sa.String(16), nullable=False),
        sa.Column("tweet_count", sa.Integer(), nullable=False),
        _time("computed_at"),
        sa.UniqueConstraint("bucket_start", "granularity", name="uq_bucket_granularity"),
    )
    op.create_index("idx_bucket_start_granularity", "time_buckets", ["bucket_start", "granularity"])


def _create_exogenous_events() -> None:
    op.create_table(
        "exogenous_events",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("category", sa.String(64), nullable=True),
        _time("event_start"),
        _time("event_end"),
        sa.Column("intensity", sa.Float(), nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        _time("created_at"),
    )
    op.create_index("ix_exogenous_events_event_start", "exogenous_events", ["event_start"])
    op.create_index("ix_exogenous_events_event_end", "exogenous_events", ["event_end"])
    op.create_index("idx_event_time_range", "exogenous_events", ["event_start", "event_end"])


def _create_features() -> None:
    op.create_table(
        "features",
        sa.Column("id", sa.Integer(), primary_key=True),
        _time("reference_time"),
        sa.Column("lag_1h", sa.Integer(), nullable=True),
        sa.Column("lag_6h", sa.Integer(), nullable=True),
        sa.Column("lag_12h", sa.Integer(), nullable=True),
        sa.Column("lag_24h", sa.Integer(), nullable=True),
        sa.Column("lag_7d", sa.Integer(), nullable=True),
        sa.Column("rolling_mean_24h", sa.Float(), nullable=True),
        sa.Column("rolling_std_24h", sa.Float(), nullable=True),
        sa.Column("rolling_mean_7d", sa.Float(), nullable=True),
        sa.Column("rolling_std_7d", sa.Float(), nullable=True),
        sa.Column("hour_of_day", sa.Integer(), nullable=False),
        sa.Column("day_of_week", sa.Integer(), nullable=False),
        sa.Column("is_weekend", sa.Boolean(), nullable=False),
        sa.Column("event_intensity", sa.Float(), nullable=False),
        sa.Column("events_in_window", sa.Integer(), nullable=False),
        _time("computed_at"),
    )
    op.create_index("ix_features_reference_time", "features", ["reference_time"])
    op.create_index("idx_reference_time", "features", ["reference_time"])


def _create_model_metadata() -> None:
    op.create_table(
        "model_metadata",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("model_name", sa.String(64), nullable=False),
        sa.Column("model_version", sa.String(32), nullable=False),
        _time("trained_at"),
        _time("training_start_date"),
        _time("training_end_date"),
        sa.Column("hyperparameters", sa.Text(), nullable=True),
        sa.Column("rmse", sa.Float(), nullable=True),
        sa.Column("mae", sa.Float(), nullable=True),
        sa.Column("mape", sa.Float(), nullable=True),
        sa.Column("log_likelihood", sa.Float(), nullable=True),
        sa.Column("artifact_path", sa.String(512), nullable=True),
    )
    op.create_index("ix_model_metadata_model_name", "model_metadata", ["model_name"])
    op.create_index("idx_model_name_version", "model_metadata", ["model_name", "model_version"])


def _create_forecasts() -> None:
    op.create_table(
        "forecasts",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("model_metadata_id", sa.Integer(), nullable=False),
        _time("forecast_time"),
        _time("target_time"),
        sa.Column("predicted_count", sa.Float(), nullable=False),
        sa.Column("lower_bound_95", sa.Float(), nullable=True),
        sa.Column("upper_bound_95", sa.Float(), nullable=True),
        sa.Column("actual_count", sa.Integer(), nullable=True),
        _time("created_at"),
        sa.ForeignKeyConstraint(["model_metadata_id"], ["model_metadata.id"], name="fk_forecasts_model_metadata_id"),
    )
    op.create_index("ix_forecasts_model_metadata_id", "forecasts", ["model_metadata_id"])
    op.create_index("ix_forecasts_target_time", "forecasts", ["target_time"])
    op.create_index("idx_forecast_target", "forecasts", ["forecast_time", "target_time"])


def _time(name: str) -> sa.Column[sa.DateTime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)
