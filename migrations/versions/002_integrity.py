"""Integrity: what must not be there twice, and values that cannot be.

Makes unique: features by reference_time, model_metadata by name and version, forecasts by model, forecast_time and
target_time. Checks the granularity, order and count of buckets, the intensity and order of events.

Rows that break these rules are put right first. Of features and forecasts that are there twice, the newest stays.
Of two fits with one version, the newest keeps it and the others are renamed version~id, so that their forecasts
stay theirs. Buckets that cannot be are dropped: they are counted anew from the posts. Events are kept: an intensity
outside 0..1 moves to the nearer end, and an end before the start changes places with it. Forecasts of a model that
is not there are dropped.
"""

from __future__ import annotations

from alembic import op

revision = "002"
down_revision = "001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Put the rows right, then add the constraints."""
    for statement in _REPAIRS:
        op.execute(statement)
    with op.batch_alter_table("features") as table:
        table.create_unique_constraint("uq_features_reference_time", ["reference_time"])
    with op.batch_alter_table("model_metadata") as table:
        table.create_unique_constraint("uq_model_metadata_name_version", ["model_name", "model_version"])
    with op.batch_alter_table("forecasts") as table:
        table.create_unique_constraint("uq_forecasts_target", ["model_metadata_id", "forecast_time", "target_time"])
    with op.batch_alter_table("time_buckets") as table:
        table.create_check_constraint("ck_time_buckets_granularity", "granularity IN ('hourly', 'daily')")
        table.create_check_constraint("ck_time_buckets_order", "bucket_end > bucket_start")
        table.create_check_constraint("ck_time_buckets_count", "tweet_count >= 0")
    with op.batch_alter_table("exogenous_events") as table:
        table.create_check_constraint("ck_exogenous_events_intensity", "intensity >= 0 AND intensity <= 1")
        table.create_check_constraint("ck_exogenous_events_order", "event_end >= event_start")


def downgrade() -> None:
    """Drop the constraints; no row changes."""
    with op.batch_alter_table("exogenous_events") as table:
        table.drop_constraint("ck_exogenous_events_order", type_="check")
        table.drop_constraint("ck_exogenous_events_intensity", type_="check")
    with op.batch_alter_table("time_buckets") as table:
        table.drop_constraint("ck_time_buckets_count", type_="check")
        table.drop_constraint("ck_time_buckets_order", type_="check")
        table.drop_constraint("ck_time_buckets_granularity", type_="check")
    with op.batch_alter_table("forecasts") as table:
        table.drop_constraint("uq_forecasts_target", type_="unique")
    with op.batch_alter_table("model_metadata") as table:
        table.drop_constraint("uq_model_metadata_name_version", type_="unique")
    with op.batch_alter_table("features") as table:
        table.drop_constraint("uq_features_reference_time", type_="unique")


_REPAIRS = (
    "DELETE FROM forecasts WHERE model_metadata_id NOT IN (SELECT id FROM model_metadata)",
    """
    DELETE FROM features WHERE id IN (
        SELECT id FROM (
            SELECT id, row_number() OVER (PARTITION BY reference_time ORDER BY computed_at DESC, id DESC) AS place
            FROM features
        ) AS ranked WHERE place > 1
    )
    """,
    """
    DELETE FROM forecasts WHERE id IN (
        SELECT id FROM (
            SELECT id, row_number() OVER (
                PARTITION BY model_metadata_id, forecast_time, target_time ORDER BY created_at DESC, id DESC
            ) AS place
            FROM forecasts
        ) AS ranked WHERE place > 1
    )
    """,
    """
    UPDATE model_metadata
    SET model_version = substr(model_version, 1, 31 - length(CAST(id AS VARCHAR(16)))) || '~' || id
    WHERE id IN (
        SELECT id FROM (
            SELECT id, row_number() OVER (
                PARTITION BY model_name, model_version ORDER BY trained_at DESC, id DESC
            ) AS place
            FROM model_metadata
        ) AS ranked WHERE place > 1
    )
    """,
    """
    DELETE FROM time_buckets
    WHERE granularity NOT IN ('hourly', 'daily') OR bucket_end <= bucket_start OR tweet_count < 0
    """,
    """
    UPDATE exogenous_events SET intensity = CASE WHEN intensity > 1 THEN 1 ELSE 0 END
    WHERE NOT (intensity >= 0 AND intensity <= 1)
    """,
    """
    UPDATE exogenous_events SET event_start = event_end, event_end = event_start
    WHERE event_end < event_start
    """,
)
