"""The demo: a simulated account brought up to this minute, then everything that a real one goes through.

Each stage is a run of its own kind, so that the console shows what it would of a real account. Everything begins from
the account's seed and the calendar: opening the demo again adds what has been posted since, and nothing else.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from musktracker import launching, leases, recorder, runs
from musktracker.config import Settings
from musktracker.db import engines, migrate
from musktracker.db import settings as database_settings
from musktracker.db.engines import reading, writing
from musktracker.db.queries import windows
from musktracker.db.tables import Coverage, ModelMetadata, RawTweet
from musktracker.db.upsert import upsert
from musktracker.errors import MuskTrackerError, UsageError
from musktracker.pipeline import aliases, event_merge, events, stages
from musktracker.pipeline.event_fields import EventFields
from musktracker.reporting import Run
from musktracker.run_log import LogLine
from musktracker.timeline import (
    HOUR,
    Span,
    floor_hour,
    from_microseconds,
    iso,
    microseconds,
    now,
    parse_time,
    utc_text,
)

if TYPE_CHECKING:
    from musktracker.models.simulation import SimulatedPosts

SOURCE = "demo"
SEED = 1
SEED_SETTING = "demo_seed"
HOURS_PER_YEAR = 8_766
AHEAD = timedelta(days=120)  # how far ahead events are announced at most
WEEK = 168  # hours that are forecast
BATCH = 5_000  # posts in a transaction
TRAINED_FOR = timedelta(days=1)  # after which the demo trains its models anew
LOOKING_BACK = 5  # weeks before now from which forecasts are made, so that they can be scored
CHAMPION_MODEL = "har_bootstrap"
WHY_CHAMPION = "The demo's own choice: the gate is passed over, which takes minutes"
BACKTEST_ORIGINS = 20
BACKTEST_NAME, BACKTEST_WEEKS, BACKTEST_PATHS = "eight weeks", 8, 500

THEMES = (
    ("Rocket test flight", "launch"),
    ("Quarterly earnings call", "market"),
    ("Product unveiling", "product"),
    ("Televised debate", "politics"),
    ("Shareholder meeting", "market"),
    ("Live interview", "platform"),
    ("Platform outage", "platform"),
    ("Court hearing", "regulatory"),
)


def prepare(
    engine: Engine,
    run: Run,
    *,
    artifact_dir: str,
    seed: int | None = None,
    years: float = 3.0,
    until: str | None = None,
    timezone: str = "UTC",
) -> dict[str, Any]:
    """Bring the demo's database up to now: posts, coverage, events, counts, features, models, forecasts, scores.

    `years` is how much history a new demo begins with; `until` is a time to stop at before now; `timezone` is whose
    days the forecasts are summed by. Without `seed` the account goes on with the one it has. Raises UsageError where
    the database holds posts that are not simulated, or those of another seed.
    """
    moment = parse_time(until) if until else now()
    run.progress(0.0, stage="posts", message="Simulating the account")
    seed = _seed(engine, seed)
    span = _missing(engine, moment, years)
    posts = _store_posts(engine, run, span, seed)
    announced = _store_events(engine, span, seed)
    run.info(f"{posts:,} posts and {announced} events simulated until {utc_text(span.end)}", seed=seed)
    stage = _Stages(engine, run, timezone)
    stage("refresh", {}, until=0.25)
    for model, end in (("seasonal_naive", 0.45), (CHAMPION_MODEL, 0.9)):
        _keep_trained(stage, model, moment, artifact_dir, end)
        stage("forecast", {"horizon": WEEK, "model": model, "timezone": timezone}, until=end + 0.03)
    _name_champion(engine, CHAMPION_MODEL)
    for preset in windows.SHOWN:
        stage("window", {"preset": preset}, until=stage.reached)
    stage("score", {}, until=0.97)
    _keep_backtest(stage, moment)
    run.progress(1.0, stage="ready", message=f"The account is simulated until {utc_text(span.end)}")
    return {"posts": posts, "events": announced, "seed": seed, "until": iso(span.end)}


def start(settings: Settings, *, seed: int | None = None) -> int | None:
    """Make the demo's database where there is none, and begin to prepare it in a process of its own.

    `settings` are the demo's. Returns the run, None where another is at it already. Raises UsageError as `prepare`.
    """
    engine = engines.connect(settings.with_data_dir_made().database_url)
    try:
        migrate.ensure_current(engine)
        parameters = {
            "artifact_dir": str(settings.artifact_dir),
            "seed": _seed(engine, seed),
            "timezone": settings.timezone,
        }
        return launching.launch(settings, engine, "demo", parameters, lease=stages.lease("demo", parameters))
    except leases.LeaseHeld:
        return None
    finally:
        engine.dispose()


def forget(settings: Settings) -> None:
    """Delete the demo's database and models, if there are any.

    `settings` are the demo's. Raises MuskTrackerError while a run of it goes on, UsageError where the database holds
    posts that are not simulated.
    """
    engine = engines.connect(settings.database_url)
    try:
        with suppress(SQLAlchemyError):  # a database that cannot be read has nothing to keep
            _refuse_while_busy(engine)
            _refuse_real_posts(engine)
        path = engines.sqlite_path(engine)
    finally:
        engine.dispose()
    for file in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        file.unlink(missing_ok=True)
    shutil.rmtree(settings.artifact_dir, ignore_errors=True)


def _keep_trained(stage: _Stages, model: str, moment: datetime, artifact_dir: str, end: float) -> None:
    """A version that knows all there is; before the first, forecasts of past weeks by one that knew none of them."""
    latest = _trained_at(stage.engine, model)
    begin = stage.reached
    if latest is None:
        origins = [floor_hour(moment) - weeks * WEEK * HOUR for weeks in range(LOOKING_BACK, 0, -1)]
        earlier = {"model": model, "artifact_dir": artifact_dir, "until": iso(origins[0]), "backtest_origins": 0}
        stage("train", earlier, until=begin + 0.2 * (end - begin))
        for i, origin in enumerate(origins, 1):
            past = {"model": model, "horizon": WEEK, "as_of": iso(origin), "timezone": stage.timezone}
            stage("forecast", past, until=begin + (0.2 + 0.3 * i / len(origins)) * (end - begin))
        stage("score", {}, until=stage.reached)
    if latest is None or latest < moment - TRAINED_FOR:
        parameters = {"model": model, "artifact_dir": artifact_dir, "backtest_origins": BACKTEST_ORIGINS}
        stage("train", parameters, until=end)


def _keep_backtest(stage: _Stages, moment: datetime) -> None:
    """A backtest of the last weeks, where there is none yet."""
    if runs.recent(stage.engine, kinds=["backtest"], limit=1):
        return
    end = floor_hour(moment)
    span = {"begin": iso(end - BACKTEST_WEEKS * WEEK * HOUR), "end": iso(end), "name": BACKTEST_NAME}
    models = ["seasonal_naive", CHAMPION_MODEL]
    stage("backtest", {"models": models, "n_paths": BACKTEST_PATHS, "jobs": 1, **span}, until=1.0)


def _name_champion(engine: Engine, model: str) -> None:
    """The newest version of a model becomes the champion, unless somebody has named another model's."""
    with writing(engine) as connection:
        before = aliases.champion(connection)
        for newest in aliases.trained(connection, model)[:1]:
            if before is None or (before.name == model and before.id != newest.id):
                aliases.point(connection, aliases.CHAMPION, newest, before=before, reason=WHY_CHAMPION)


@dataclass
class _Stages:
    """Carries stages out as runs of their own, whose progress becomes a part of the demo's."""

    engine: Engine
    run: Run
    timezone: str
    reached: float = 0.15

    def __call__(self, kind: str, parameters: Mapping[str, Any], *, until: float) -> Mapping[str, Any]:
        self.run.progress(self.reached, stage=kind, message="")
        result = recorder.execute(
            self.engine,
            kind,
            stages.stage(kind),
            parameters,
            lease=stages.lease(kind, parameters),
            listener=_Part(self.run, self.reached, until),
        )
        self.reached = until
        return result


@dataclass(frozen=True)
class _Part:
    """Passes a stage's progress on to the demo's run, as the part between two fractions of it."""

    whole: Run
    begin: float
    end: float

    def logged(self, line: LogLine) -> None:
        self.whole.log(line.level, line.message, **line.fields)

    def progressed(self, run: Run) -> None:
        fraction = self.begin + (self.end - self.begin) * (run.fraction or 0.0)
        self.whole.progress(fraction, message=": ".join(filter(None, (run.stage, run.message))))


def _refuse_while_busy(engine: Engine) -> None:
    for info in runs.recent(engine, active=True):
        if not info.lost:
            raise MuskTrackerError(
                f"The demo is busy: run {info.id} ({info.kind}) goes on, process {info.pid} on {info.host}",
                "Wait until it ends, then repeat musktracker demo --reset",
            )


def _refuse_real_posts(engine: Engine) -> None:
    with reading(engine) as connection:
        real = connection.scalar(select(RawTweet.source).where(RawTweet.source != SOURCE).limit(1))
    if real is not None:
        raise UsageError(
            "This database holds posts that are not simulated, so it is no place for the demo",
            "musktracker demo uses a database of its own",
        )


def _seed(engine: Engine, wanted: int | None) -> int:
    _refuse_real_posts(engine)
    stored = database_settings.get(engine, SEED_SETTING)
    if stored is None:
        database_settings.set(engine, SEED_SETTING, str(SEED if wanted is None else wanted))
        return SEED if wanted is None else wanted
    if wanted is not None and wanted != int(stored):
        raise UsageError(
            f"The demo is the account of seed {stored}", f"Start anew: musktracker demo --reset --seed {wanted}"
        )
    return int(stored)


def _missing(engine: Engine, moment: datetime, years: float) -> Span:
    """From where the account is known until now, in whole seconds."""
    end = moment.replace(microsecond=0)
    with reading(engine) as connection:
        known = connection.scalar(select(func.max(Coverage.span_end)).where(Coverage.source == SOURCE))
    return Span(known or floor_hour(end - timedelta(hours=years * HOURS_PER_YEAR)), end)


def _store_posts(engine: Engine, run: Run, span: Span, seed: int) -> int:
    """Store a span's posts, then that it was observed: a start that was cut short is made good by the next."""
    from musktracker.models.simulation import simulate_account

    if span.end <= span.start:
        return 0
    posts = simulate_account(microseconds(span.start), microseconds(span.end), seed)
    table = RawTweet.__table__
    rows = _rows(posts, span.end)
    stored = 0
    for first in range(0, len(rows), BATCH):
        run.progress(0.15 * first / len(rows), message=f"Storing posts: {first:,} of {len(rows):,}")
        with writing(engine) as connection:
            stored += upsert(connection, table, _COLUMNS, rows[first : first + BATCH], conflict=("tweet_id",))
    with writing(engine) as connection:
        later = update(Coverage).where(Coverage.source == SOURCE).values(span_end=span.end)
        if not connection.execute(later).rowcount:
            values = {"source": SOURCE, "span_start": span.start, "span_end": span.end, "created_at": span.end}
            connection.execute(insert(Coverage).values(values))
    return stored


_COLUMNS = ("tweet_id", "created_at", "source", "ingest_time", "kind")


def _rows(posts: SimulatedPosts, ingest_time: datetime) -> list[tuple[Any, ...]]:
    from musktracker.models.simulation import KINDS

    columns = zip(posts.ids.tolist(), posts.times.tolist(), posts.kinds.tolist(), strict=True)
    return [
        (str(post_id), from_microseconds(time), SOURCE, ingest_time, KINDS[kind]) for post_id, time, kind in columns
    ]


def _store_events(engine: Engine, span: Span, seed: int) -> int:
    """Add the events announced in the span (a new demo: until its end), whatever people did to earlier ones."""
    from musktracker.models.simulation import simulate_events

    found = simulate_events(microseconds(span.start), microseconds(span.end + AHEAD), seed)
    is_new = events.listed(engine, include_removed=True) == []
    entries = []
    for start, end, known, intensity, theme in zip(
        *(getattr(found, name).tolist() for name in ("start", "end", "known", "intensity", "theme")), strict=True
    ):
        announced = from_microseconds(known)
        if announced < span.end and (is_new or announced >= span.start):
            name, category = THEMES[theme % len(THEMES)]
            begin = from_microseconds(start)
            fields = EventFields(
                name=f"{name}, {begin.day} {begin:%B %Y}",
                event_start=begin,
                event_end=from_microseconds(end),
                intensity=intensity,
                category=category,
                description="Simulated",
                source=SOURCE,
            )
            entries.append((fields, announced))
    return event_merge.merge(engine, entries, who=SOURCE).added if entries else 0


def _trained_at(engine: Engine, model: str) -> datetime | None:
    query = select(func.max(ModelMetadata.trained_at)).where(ModelMetadata.model_name == model)
    with reading(engine) as connection:
        latest: datetime | None = connection.scalar(query)
    return latest
