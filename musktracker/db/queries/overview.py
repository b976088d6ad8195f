"""How things stand: what the console's header and its overview show, and what to do next."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, func, select

from musktracker import timeline
from musktracker.db import settings
from musktracker.db.engines import reading
from musktracker.db.tables import (
    Coverage,
    Feature,
    Forecast,
    ForecastTotal,
    ModelMetadata,
    RawTweet,
    RunRow,
    TimeBucket,
)
from musktracker.timeline import DAY, HOUR, Span, floor_hour, now

CHART_HOURS = 96
USUAL_DAYS = 28  # what is usual is the mean of these days
SCORED_DAYS = 30  # older forecasts without an outcome are for hours that nobody observed
LATE = {  # how old each stage may be before it is late
    "posts": 2 * HOUR,
    "buckets": 2 * HOUR,
    "features": 2 * HOUR,
    "model": 7 * DAY,
    "forecast": DAY,
}


@dataclass(frozen=True, slots=True)
class ActiveRun:
    """A run that is queued or going on."""

    id: int
    kind: str
    progress: float | None
    heartbeat_at: datetime | None


@dataclass(frozen=True, slots=True)
class Status:
    """The header: the newest post, the end of the last counted hour, and what runs."""

    last_post: datetime | None
    last_bucket_end: datetime | None
    active: tuple[ActiveRun, ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """How fresh a stage of the flow is. `state` is good, late or missing; `due` is how much waits for it."""

    name: str
    state: str
    until: datetime | None
    due: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """How many posts since `start`; `usual` is the mean at this point, None where too little is known.

    `observed` is the share (0..1) of the window that was observed: below 1 the count is a lower bound.
    """

    name: str
    start: datetime
    count: int
    observed: float
    usual: float | None


@dataclass(frozen=True, slots=True)
class NewestForecast:
    """The total of the newest forecast; `quantiles` maps probabilities to counts."""

    model: str
    version: str
    origin: datetime
    horizon_hours: int
    total: float
    quantiles: Mapping[float, float]
    warnings: tuple[str, ...]

    def interval(self, share: float) -> tuple[float, float] | None:
        """The central interval that holds this share of the paths, where its ends were stored."""
        low, high = (round(p, 6) for p in ((1 - share) / 2, (1 + share) / 2))
        found = {round(p, 6): value for p, value in self.quantiles.items()}
        return (found[low], found[high]) if low in found and high in found else None


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that the first screen shows but the runs.

    `hours[i]` is the count of the hour `hours_start + i`, None where it was not observed. `model` is the newest
    version as (name, version).
    """

    counting: str
    counting_meaning: str
    posts: int
    first_post: datetime | None
    last_post: datetime | None
    observed_until: datetime | None
    stages: tuple[Stage, ...]
    windows: tuple[Window, ...]
    hours_start: datetime
    hours: tuple[int | None, ...]
    model: tuple[str, str] | None
    forecast: NewestForecast | None

    @property
    def next_step(self) -> str | None:
        """What to do next: import, refresh, train, forecast or score; None where everything is fresh."""
        stages = {stage.name: stage for stage in self.stages}
        if not self.posts:
            return "import"
        if stages["buckets"].due or stages["features"].due:
            return "refresh"
        if stages["score"].due:
            return "score"
        if stages["model"].state == "missing":
            return "train"
        if stages["posts"].state != "good":
            return "import"
        if stages["model"].state != "good":
            return "train"
        return "forecast" if stages["forecast"].state != "good" else None


def status(engine: Engine) -> Status:
    """Read what the header shows; well under a millisecond of database time."""
    running = (
        select(RunRow.id, RunRow.kind, RunRow.progress, RunRow.heartbeat_at)
        .where(RunRow.status.in_(("queued", "running")))
        .order_by(RunRow.id)
    )
    with reading(engine) as connection:
        active = tuple(ActiveRun(*row) for row in connection.execute(running))
        return Status(_end_post(connection, newest=True), _last_bucket_end(connection), active)


def read(engine: Engine, zone: ZoneInfo, moment: datetime | None = None) -> Overview:
    """How things stand at a moment (now, by default); days and weeks are those of `zone`."""
    moment = moment or now()
    with reading(engine) as connection:
        counting = settings.COUNTINGS[settings.counting(connection)]
        spans = timeline.union(
            Span(*row) for row in connection.execute(select(Coverage.span_start, Coverage.span_end))
        )
        counted_until = _last_bucket_end(connection)
        buckets = _hourly(connection, min(moment, counted_until or moment) - (USUAL_DAYS + 8) * DAY)
        chart_end = min(floor_hour(moment), counted_until or floor_hour(moment))
        chart_start = chart_end - CHART_HOURS * HOUR
        model = _newest_model(connection)
        forecast = _newest_forecast(connection)
        last_post = _end_post(connection, newest=True)
        return Overview(
            counting=counting.name,
            counting_meaning=counting.meaning,
            posts=int(
                connection.scalar(select(func.count()).select_from(RawTweet).where(RawTweet.is_deleted.is_(False)))
                or 0
            ),
            first_post=_end_post(connection, newest=False),
            last_post=last_post,
            observed_until=spans[-1].end if spans else None,
            stages=_stages(connection, moment, spans, counted_until, model, forecast),
            windows=tuple(
                _window(connection, name, start, moment, spans, buckets, counting.name)
                for name, start in _window_starts(moment, zone)
            ),
            hours_start=chart_start,
            hours=tuple(buckets.get(chart_start + i * HOUR) for i in range(CHART_HOURS)),
            model=None if model is None else (model.model_name, model.model_version),
            forecast=forecast,
        )


def _end_post(connection: Connection, *, newest: bool) -> datetime | None:
    order = RawTweet.created_at.desc() if newest else RawTweet.created_at
    query = select(RawTweet.created_at).where(RawTweet.is_deleted.is_(False)).order_by(order).limit(1)
    return connection.scalar(query)


def _last_bucket_end(connection: Connection) -> datetime | None:
    start = connection.scalar(select(func.max(TimeBucket.bucket_start)).where(TimeBucket.granularity == "hourly"))
    return None if start is None else start + HOUR


def _hourly(connection: Connection, since: datetime) -> dict[datetime, int]:
    query = select(TimeBucket.bucket_start, TimeBucket.tweet_count).where(
        TimeBucket.granularity == "hourly", TimeBucket.bucket_start >= since
    )
    return {row.bucket_start: row.tweet_count for row in connection.execute(query)}


def _newest_model(connection: Connection) -> Any:
    query = select(ModelMetadata.model_name, ModelMetadata.model_version, ModelMetadata.trained_at)
    return connection.execute(
        query.order_by(ModelMetadata.trained_at.desc(), ModelMetadata.id.desc()).limit(1)
    ).first()


def _newest_forecast(connection: Connection) -> NewestForecast | None:
    query = (
        select(
            ModelMetadata.model_name,
            ModelMetadata.model_version,
            ForecastTotal.forecast_time,
            ForecastTotal.horizon_hours,
            ForecastTotal.predicted_total,
            ForecastTotal.quantiles,
            ForecastTotal.warnings,
        )
        .join(ModelMetadata, ModelMetadata.id == ForecastTotal.model_metadata_id)
        .order_by(ForecastTotal.forecast_time.desc(), ForecastTotal.id.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    quantiles = {float(p): float(value) for p, value in json.loads(row.quantiles).items()}
    return NewestForecast(*row[:5], quantiles, tuple(json.loads(row.warnings)))


def _stages(
    connection: Connection,
    moment: datetime,
    spans: Sequence[Span],
    counted_until: datetime | None,
    model: Any,
    forecast: NewestForecast | None,
) -> tuple[Stage, ...]:
    observed_until = spans[-1].end if spans else None
    features_until = connection.scalar(select(func.max(Feature.reference_time)))
    trained_at = None if model is None else model.trained_at
    origin = None if forecast is None else forecast.origin
    return (
        _stage("posts", moment, observed_until),
        _stage("buckets", moment, counted_until, _uncounted(spans, moment, counted_until)),
        _stage("features", moment, features_until, _behind(features_until, counted_until)),
        _stage("model", moment, trained_at),
        _stage("forecast", moment, origin),
        _scores(connection, moment, counted_until),
    )


def _stage(name: str, moment: datetime, until: datetime | None, due: int = 0) -> Stage:
    if until is None:
        return Stage(name, "missing", None, due)
    late = due > 0 or moment - until > LATE[name]
    return Stage(name, "late" if late else "good", until, due)


def _uncounted(spans: Sequence[Span], moment: datetime, counted_until: datetime | None) -> int:
    """Whole observed hours, over by now, that no bucket counts; only those after the last bucket are looked for."""
    hours = 0
    for span in spans:
        whole = Span(max(span.start, counted_until or span.start), min(span.end, moment)).whole_hours()
        hours += max(0, int((whole.end - whole.start) / HOUR))
    return hours


def _behind(until: datetime | None, expected: datetime | None) -> int:
    if expected is None:
        return 0
    return 1 if until is None else max(0, int((expected - until) / HOUR))


def _scores(connection: Connection, moment: datetime, counted_until: datetime | None) -> Stage:
    known = moment if counted_until is None else counted_until
    targets = (Forecast.target_time >= moment - SCORED_DAYS * DAY, Forecast.target_time < known)
    due = connection.scalar(
        select(func.count()).select_from(Forecast).where(*targets, Forecast.actual_count.is_(None))
    )
    last = connection.scalar(select(func.max(Forecast.target_time)).where(Forecast.actual_count.is_not(None)))
    if last is None and not due:
        return Stage("score", "missing", None)
    return Stage("score", "late" if due else "good", None if last is None else last + HOUR, int(due or 0))


def _window_starts(moment: datetime, zone: ZoneInfo) -> list[tuple[str, datetime]]:
    midnight = moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    monday = (midnight - timedelta(days=midnight.weekday())).astimezone(UTC)
    return [
        ("today", midnight.astimezone(UTC)),
        ("24 hours", moment - DAY),
        ("7 days", moment - 7 * DAY),
        ("week", monday),
    ]


def _window(
    connection: Connection,
    name: str,
    start: datetime,
    moment: datetime,
    spans: Sequence[Span],
    buckets: Mapping[datetime, int],
    counting: str,
) -> Window:
    query = (
        select(func.count())
        .select_from(RawTweet)
        .where(
            RawTweet.is_deleted.is_(False),
            RawTweet.created_at >= start,
            RawTweet.created_at < moment,
            settings.counting_condition(counting),
        )
    )
    count = int(connection.scalar(query) or 0)
    missing = sum(hole.hours() for hole in timeline.holes(spans, Span(start, moment)))
    length = max((moment - start) / HOUR, 1e-9)
    return Window(name, start, count, 1 - missing / length, _usual(buckets, start, moment))


def _usual(buckets: Mapping[datetime, int], start: datetime, moment: datetime) -> float | None:
    """The mean count of the same stretch of the day (or of the week, where it is longer) before."""
    period = DAY if moment - start <= DAY else 7 * DAY
    counts = [
        _between(buckets, start - k * period, moment - k * period) for k in range(1, USUAL_DAYS * DAY // period + 1)
    ]
    known = [count for count in counts if count is not None]
    return sum(known) / len(known) if 2 * len(known) > len(counts) else None


def _between(buckets: Mapping[datetime, int], start: datetime, end: datetime) -> float | None:
    """The posts between two moments, parts of hours by their share; None where an hour was not counted."""
    total, hour = 0.0, floor_hour(start)
    while hour < end:
        count = buckets.get(hour)
        if count is None:
            return None
        total += count * ((min(hour + HOUR, end) - max(hour, start)) / HOUR)
        hour += HOUR
    return total
