"""How things stand: what the console's header and its overview show, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, func, select

from musktracker import timeline
from musktracker.db import settings
from musktracker.db.engines import reading
from musktracker.db.queries import newest_forecast, week_pattern, windows
from musktracker.db.queries.coverage import covered_of
from musktracker.db.queries.newest_forecast import NewestForecast
from musktracker.db.queries.week_pattern import WeekPattern
from musktracker.db.queries.windows import MarketWindow
from musktracker.db.tables import (
    ExogenousEvent,
    Feature,
    Forecast,
    ModelMetadata,
    RawTweet,
    RunRow,
    TimeBucket,
)
from musktracker.timeline import DAY, HOUR, Span, floor_hour, now

CHART_HOURS = 96
USUAL_DAYS = 28  # what is usual is the median of these days
KNOWN_DAYS = 7 * week_pattern.WEEKS + 1  # of hours that are read
EVENTS = 6
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
    created_at: datetime
    heartbeat_at: datetime | None


@dataclass(frozen=True, slots=True)
class Status:
    """The header: the newest post, the end of the last counted hour, and what runs."""

    last_post: datetime | None
    last_bucket_end: datetime | None
    active: tuple[ActiveRun, ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """How fresh a stage of the flow is. `state` is good, late or missing; `due` is how much waits for it.

    `limit_hours` is how old it may become before it is late; None for scores, which are late as soon as one is due.
    """

    name: str
    state: str
    until: datetime | None
    due: int = 0
    limit_hours: float | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """How many posts since `start`; `usual` is the median at this point, None where too little is known.

    `observed` is the share (0..1) of the window that was observed: below 1 the count is a lower bound.
    """

    name: str
    start: datetime
    count: int
    observed: float
    usual: float | None


@dataclass(frozen=True, slots=True)
class ComingEvent:
    """An event that is not over."""

    name: str
    start: datetime
    end: datetime
    intensity: float


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that the first screen shows but the runs.

    `hours[i]` is the count of the hour `hours_start + i`, None where it was not observed. `model` is the newest
    version and `champion` the one that forecasts, as (name, version). `week` is of the display zone's clocks.
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
    champion: tuple[str, str] | None
    forecast: NewestForecast | None
    markets: tuple[MarketWindow, ...]
    week: WeekPattern
    events: tuple[ComingEvent, ...]

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
        if stages["buckets"].state == "missing":  # not one whole hour was observed: an import broke off
            return "import"
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
        select(RunRow.id, RunRow.kind, RunRow.progress, RunRow.created_at, RunRow.heartbeat_at)
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
        spans = covered_of(connection, counting.name)
        counted_until = _last_bucket_end(connection)
        buckets = _hourly(connection, min(moment, counted_until or moment) - KNOWN_DAYS * DAY)
        chart_end = min(floor_hour(moment), counted_until or floor_hour(moment))
        chart_start = chart_end - CHART_HOURS * HOUR
        model = _newest_model(connection)
        champion = newest_forecast.champion(connection)
        champion_id = None if champion is None else champion.id
        forecast = newest_forecast.read(connection, counting.name, champion_id, counted_until)
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
                _window(connection, name, start, moment, spans, buckets, counting.name, zone)
                for name, start in _window_starts(moment, zone)
            ),
            hours_start=chart_start,
            hours=tuple(buckets.get(chart_start + i * HOUR) for i in range(CHART_HOURS)),
            model=None if model is None else (model.model_name, model.model_version),
            champion=None if champion is None else (champion.model_name, champion.model_version),
            forecast=forecast,
            markets=windows.current(connection, moment, spans, counting.name),
            week=week_pattern.of_week(buckets, zone, chart_end),
            events=_coming(connection, moment),
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
    return {start: count for start, count in connection.execute(query)}  # noqa: C416


def _newest_model(connection: Connection) -> Any:
    query = select(ModelMetadata.model_name, ModelMetadata.model_version, ModelMetadata.trained_at)
    return connection.execute(
        query.order_by(ModelMetadata.trained_at.desc(), ModelMetadata.id.desc()).limit(1)
    ).first()


def _coming(connection: Connection, moment: datetime) -> tuple[ComingEvent, ...]:
    event = ExogenousEvent
    query = (
        select(event.name, event.event_start, event.event_end, event.intensity)
        .where(event.removed_at.is_(None), event.event_end > moment)
        .order_by(event.event_start, event.id)
        .limit(EVENTS)
    )
    return tuple(ComingEvent(*row) for row in connection.execute(query))


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
        _stage("buckets", moment, counted_until, _uncounted(connection, spans, moment)),
        _stage("features", moment, features_until, _behind(features_until, counted_until)),
        _stage("model", moment, trained_at),
        _stage("forecast", moment, origin),
        _scores(connection, moment, counted_until),
    )


def _stage(name: str, moment: datetime, until: datetime | None, due: int = 0) -> Stage:
    late = until is not None and (due > 0 or moment - until > LATE[name])
    state = "missing" if until is None else "late" if late else "good"
    return Stage(name, state, until, due, LATE[name] / HOUR)


def _uncounted(connection: Connection, spans: Sequence[Span], moment: datetime) -> int:
    """Whole observed hours, over by now, that no bucket counts: new ones, and those of a hole that was filled."""
    hours = 0
    for span in spans:
        whole = Span(span.start, min(span.end, moment)).whole_hours()
        hours += max(0, int((whole.end - whole.start) / HOUR))
    counted = select(func.count()).select_from(TimeBucket).where(TimeBucket.granularity == "hourly")
    return max(0, hours - (connection.scalar(counted) or 0))


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
    zone: ZoneInfo,
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
    return Window(name, start, count, 1 - missing / length, _usual(buckets, start, moment, zone))


def _usual(buckets: Mapping[datetime, int], start: datetime, moment: datetime, zone: ZoneInfo) -> float | None:
    """The median count of the same stretch of the day (or of the week, where it is longer) before, by the clock."""
    period = DAY if moment - start <= DAY + HOUR else 7 * DAY
    back = [k * period for k in range(1, USUAL_DAYS * DAY // period + 1)]
    counts = [_between(buckets, _earlier(start, by, zone), _earlier(moment, by, zone)) for by in back]
    known = sorted(count for count in counts if count is not None)
    if 2 * len(known) <= len(counts):
        return None
    return (known[len(known) // 2] + known[(len(known) - 1) // 2]) / 2


def _earlier(moment: datetime, by: timedelta, zone: ZoneInfo) -> datetime:
    """The moment at which the zone's clocks showed the same time some days before."""
    return (moment.astimezone(zone) - by).astimezone(UTC)


def _between(buckets: Mapping[datetime, int], start: datetime, end: datetime) -> float | None:
    """The posts between two moments, parts of hours by their share; None where an hour was not counted."""
    total, hour = 0.0, floor_hour(start)
    while hour < end:
        count = buckets.get(hour)
        if count is None:
            return None
        after = hour + HOUR
        whole = hour >= start and after <= end
        total += count if whole else count * ((min(after, end) - max(hour, start)) / HOUR)
        hour = after
    return total
