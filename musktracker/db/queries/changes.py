"""Whether there is anything to count that was not counted: new, deleted or covered posts, changed events."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Engine, func, or_, select

from musktracker.db import settings
from musktracker.db.engines import reading
from musktracker.db.tables import Coverage, DatabaseSetting, EventChange, ModelMetadata, RawTweet, TimeBucket
from musktracker.timeline import floor_hour


def to_count(engine: Engine, since: datetime, moment: datetime) -> bool:
    """Whether a refresh at a moment could find something that one at `since` did not."""
    later = (
        select(RawTweet.id).where(or_(RawTweet.ingest_time >= since, RawTweet.deleted_at >= since)),
        select(EventChange.id).where(EventChange.changed_at >= since),
        select(Coverage.id).where(Coverage.created_at >= since),
        select(DatabaseSetting.name).where(
            DatabaseSetting.name == settings.COUNTING, DatabaseSetting.updated_at >= since
        ),
    )
    counted = select(func.max(TimeBucket.bucket_end)).where(TimeBucket.granularity == "hourly")
    with reading(engine) as connection:
        if any(connection.scalar(query.limit(1)) is not None for query in later):
            return True
        end, known = _observed_until(connection), connection.scalar(counted)
    return end is not None and (known is None or floor_hour(min(end, moment)) > known)


def observed_until(engine: Engine) -> datetime | None:
    """The end of the time of which some source saw every post that counts."""
    with reading(engine) as connection:
        return _observed_until(connection)


def any_hour(engine: Engine) -> bool:
    """Whether any hour was counted."""
    with reading(engine) as connection:
        return connection.scalar(select(TimeBucket.id).limit(1)) is not None


def any_model(engine: Engine) -> bool:
    """Whether any version of a model has been trained."""
    with reading(engine) as connection:
        return connection.scalar(select(ModelMetadata.id).limit(1)) is not None


def _observed_until(connection: Connection) -> datetime | None:
    condition = settings.coverage_condition(settings.counting(connection))
    return connection.scalar(select(func.max(Coverage.span_end)).where(condition))
