"""The snapshot that the conditions of alerts look at, read from the database."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Select, select

from musktracker.db import settings, stored
from musktracker.db.engines import reading
from musktracker.db.queries.coverage import covered_of
from musktracker.db.tables import (
    ForecastTotal,
    ModelMetadata,
    RawTweet,
    RunRow,
    TimeBucket,
    WindowForecast,
)
from musktracker.pipeline.alert_conditions import LEARNED_FROM, Ended, Snapshot, Total, WindowTotal
from musktracker.run_info import ACTIVE, STALE
from musktracker.timeline import DAY, HOUR, Span, parse_time

POSTS_FROM = 35 * DAY  # a month, and what it takes to learn before it
FORECASTS_FROM = 2 * DAY
SCORED = 2000  # totals looked through for those that do not overlap
ENDLESS = ("service", "ingest")  # kinds that are as good as done once they go on again
LOOKED_SETTING = "alerts_looked_at"


def read(engine: Engine, moment: datetime) -> Snapshot:
    """How things stand at a moment."""
    with reading(engine) as connection:
        counting = settings.counting(connection)
        looked = settings.get(connection, LOOKED_SETTING)
        return Snapshot(
            moment=moment,
            ingesting_since=_ingesting_since(connection),
            observed=_observed(connection, moment),
            posts=_posts(connection, moment, counting),
            hours=_hours(connection, moment),
            totals=_totals(connection, _all_totals().where(ForecastTotal.forecast_time >= moment - FORECASTS_FROM)),
            scored=_totals(connection, _all_totals().where(ForecastTotal.actual_total.is_not(None)).limit(SCORED)),
            windows=_windows(connection, moment),
            ended=_ended(connection, moment),
            looked_at=parse_time(looked) if looked else None,
        )


def _ingesting_since(connection: Connection) -> datetime | None:
    """When the first of those began who are there to follow: a service, or a follower that nobody keeps."""
    columns = (RunRow.kind, RunRow.parameters, RunRow.started_at, RunRow.created_at)
    query = select(*columns).where(RunRow.kind.in_(("ingest", "service")), RunRow.status.in_(ACTIVE))
    found = []
    for row in connection.execute(query):
        parameters = stored.mapping(row.parameters)
        keeps = parameters.get("ingest", True) and not parameters.get("once")
        if parameters.get("follow") if row.kind == "ingest" else keeps:
            found.append(row.started_at or row.created_at)
    return min(found, default=None)


def _observed(connection: Connection, moment: datetime) -> tuple[Span, ...]:
    spans = covered_of(connection, settings.counting(connection))
    return tuple(Span(span.start, min(span.end, moment)) for span in spans if span.start < moment)


def _posts(connection: Connection, moment: datetime, counting: str) -> tuple[datetime, ...]:
    query = select(RawTweet.created_at).where(
        RawTweet.is_deleted.is_(False),
        RawTweet.created_at >= moment - POSTS_FROM,
        RawTweet.created_at <= moment,
        settings.counting_condition(counting),
    )
    return tuple(connection.scalars(query.order_by(RawTweet.created_at)))


def _hours(connection: Connection, moment: datetime) -> dict[datetime, int]:
    query = select(TimeBucket.bucket_start, TimeBucket.tweet_count).where(
        TimeBucket.granularity == "hourly", TimeBucket.bucket_start >= moment - LEARNED_FROM - HOUR
    )
    return {start: count for start, count in connection.execute(query)}  # noqa: C416


def _all_totals() -> Select[Any]:
    return (
        select(ForecastTotal.__table__, ModelMetadata.model_name)
        .join(ModelMetadata, ModelMetadata.id == ForecastTotal.model_metadata_id)
        .order_by(ForecastTotal.forecast_time.desc(), ForecastTotal.id.desc())
    )


def _totals(connection: Connection, query: Select[Any]) -> tuple[Total, ...]:
    return tuple(
        Total(
            row.model_name,
            row.forecast_time,
            row.horizon_hours,
            row.counting,
            row.predicted_total,
            _quantiles(row.quantiles),
            row.actual_total,
        )
        for row in connection.execute(query)
    )


def _windows(connection: Connection, moment: datetime) -> tuple[WindowTotal, ...]:
    query = (
        select(WindowForecast.__table__, ModelMetadata.model_name)
        .join(ModelMetadata, ModelMetadata.id == WindowForecast.model_metadata_id)
        .where(
            WindowForecast.preset.is_not(None),
            WindowForecast.window_end > moment,
            WindowForecast.made_at >= moment - FORECASTS_FROM,
        )
        .order_by(WindowForecast.made_at.desc(), WindowForecast.id.desc())
    )
    return tuple(
        WindowTotal(
            row.model_name,
            row.preset,
            row.made_at,
            Span(row.window_start, row.window_end),
            row.counting,
            row.predicted_total,
            _quantiles(row.quantiles),
            tuple(
                (first, last, p)
                for (first, last), p in zip(
                    json.loads(row.brackets), json.loads(row.bracket_probabilities), strict=True
                )
            ),
        )
        for row in connection.execute(query)
    )


def _ended(connection: Connection, moment: datetime) -> tuple[Ended, ...]:
    columns = (RunRow.id, RunRow.kind, RunRow.status, RunRow.parameters, RunRow.finished_at, RunRow.error)
    beating = RunRow.heartbeat_at >= moment - STALE
    over = RunRow.status.in_(("succeeded", "failed")) & (RunRow.finished_at >= moment - timedelta(days=7))
    lost = RunRow.status.in_(ACTIVE) & (RunRow.heartbeat_at < moment - STALE)
    lives = (RunRow.status == "running") & beating & RunRow.kind.in_(ENDLESS)
    query = select(*columns, RunRow.started_at, RunRow.heartbeat_at).where(over | lost | lives)
    found = []
    for row in connection.execute(query):
        label = _label(row.kind, stored.mapping(row.parameters))
        if row.status not in ACTIVE:
            found.append(Ended(row.id, label, row.status == "failed", row.finished_at, row.error))
        elif row.heartbeat_at < moment - STALE:
            found.append(Ended(row.id, label, True, row.heartbeat_at, "it gives no sign of life"))
        else:
            found.append(Ended(row.id, label, False, row.started_at or row.heartbeat_at))
    return tuple(sorted(found, key=lambda one: (one.at, one.id), reverse=True))


def _label(kind: str, parameters: dict[str, Any]) -> str:
    """The kind of a run, and what tells it from others of its kind."""
    about = parameters.get("preset") or parameters.get("model")
    return f"{kind} {about}" if about else kind


def _quantiles(text: str) -> dict[float, float]:
    return {float(p): float(count) for p, count in json.loads(text).items()}
