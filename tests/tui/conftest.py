"""A console on a database of deterministic rows, at a moment that never changes, and snapshots of what it shows."""

from __future__ import annotations

import asyncio
import json
import random
import re
import shutil
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import made_backtests as made
import pytest
from places import shown
from sqlalchemy import Engine, insert
from textual._context import active_app
from textual.app import App
from textual.cache import LRUCache
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet
from textual.css.tokenize import tokenize_values
from textual.css.tokenizer import Token
from textual.pilot import Pilot
from textual.screen import Screen
from textual.timer import Timer
from textual.worker import Worker, WorkerCancelled

from musktracker import launching, timeline
from musktracker.config import Settings
from musktracker.db import engines, tables
from musktracker.db.upsert import upsert
from musktracker.timeline import HOUR, snowflake_floor
from tui.app import Console

NOW = datetime(2026, 1, 15, 18, 7, tzinfo=UTC)
START = datetime(2025, 1, 15, tzinfo=UTC)
LAST_HOUR = NOW.replace(minute=0) - HOUR
SNAPSHOTS = Path(__file__).parent / "snapshots"
WHO = "ada@tower"
SOON = 0.5  # seconds; what comes later, as the end of a notice, is not waited for
PARSED: dict[frozenset[tuple[str, str]], Parsed] = {}  # by variables: what was parsed with them never changes
TURNS = 3  # of the event loop between looks at whether a message is left
ALERTS = [
    ("run_failed", "error", 12, "Run 3 (train negative_binomial) failed: The fit did not converge [b]as text[/b]"),
    ("silence", "warning", 95, "Silent for 5.2 h, since 01-15 12:50 UTC: longer than 99% of the silences that began"),
    ("bracket", "info", 30, "fri-noon to 01-16 17:00 UTC: 260-279 went from 46% to 53%"),
]


@dataclass(frozen=True)
class Parsed:
    """What was parsed with some variables: they themselves, and rules."""

    variables: dict[str, list[Token]]
    rules: LRUCache[Any, list[RuleSet]]


class Clock:
    """A clock that can be stopped; modules that imported it while it stood still have it go on with the others."""

    real = staticmethod(timeline.now)
    stopped = False

    def __call__(self) -> datetime:
        return NOW if self.stopped else self.real()


CLOCK = Clock()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--snapshot-update", action="store_true", help="write the snapshots anew")


@pytest.fixture(autouse=True)
def short_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Headers name the file of a database alone: where a test's own is differs from run to run."""
    monkeypatch.setattr("tui.widgets.header._database_name", lambda url, room: f"…/{url.rpartition('/')[2]}"[:room])


@pytest.fixture
def frozen() -> Iterator[datetime]:
    """The moment that every clock shows until the test ends, in whatever module and whenever that was imported."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ("musktracker", "tui") and vars(module).get("now") is CLOCK.real:
            vars(module)["now"] = CLOCK
    CLOCK.stopped = True
    yield NOW
    CLOCK.stopped = False


@pytest.fixture(scope="session")
def populated_template(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a SQLite database with a year of posts and one of everything else."""
    path = tmp_path_factory.mktemp("populated") / "populated.db"
    shutil.copy(sqlite_template, path)
    with _filled(path) as engine:
        populate(engine)
    return path


@pytest.fixture
def populated(populated_template: Path, tmp_path: Path, frozen: datetime) -> Settings:
    """Settings on a SQLite database with a year of posts, events, two model versions, forecasts and runs."""
    path = tmp_path / "populated.db"
    shutil.copy(populated_template, path)
    return Settings(data_dir=tmp_path / "data", database_url=f"sqlite:///{path}").with_data_dir_made()


@pytest.fixture
def empty(sqlite_template: Path, tmp_path: Path, frozen: datetime) -> Settings:
    """Settings of a console that is started for the first time."""
    data_dir = tmp_path / "data"
    return Settings(data_dir=data_dir, database_url=f"sqlite:///{data_dir / 'musktracker.db'}")


@pytest.fixture
def populated_engine(populated: Settings) -> Iterator[Engine]:
    """An engine on the populated database, beside the console's own."""
    engine = engines.connect(populated.database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def press(settled: Any) -> Callable[..., Any]:
    """Presses keys one after the other, each once everything asked before is shown."""

    async def press_all(pilot: Any, *keys: str) -> None:
        for key in keys:
            await pilot.press(key)
            await settled(pilot)

    return press_all


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """The runs that were asked for, instead of processes."""
    asked: list[tuple[str, dict[str, Any]]] = []

    def launch(settings: Settings, engine: Engine, kind: str, parameters: dict[str, Any], **_: Any) -> int:
        asked.append((kind, parameters))
        return 8

    monkeypatch.setattr(launching, "launch", launch)
    return asked


class Held:
    """Calls that have done what they do, and keep the answer in their threads until they are released."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._done = threading.Semaphore(0)
        self._gate = threading.Event()

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        try:
            return self._function(*arguments, **named)
        finally:
            self._done.release()
            self._gate.wait()

    async def reached(self) -> None:
        """Wait until another call is held."""
        while not self._done.acquire(blocking=False):
            await asyncio.sleep(0.001)

    def release(self) -> None:
        """Let all answer, those to come too."""
        self._gate.set()


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any, str], Held]]:
    """Holds the answers of what threads call: `held = hold(runs, "recent")`, until `held.release()`."""
    made: list[Held] = []

    def held(owner: Any, name: str) -> Held:
        made.append(Held(getattr(owner, name)))
        monkeypatch.setattr(owner, name, made[-1])
        return made[-1]

    yield held
    for one in made:
        one.release()


@pytest.fixture
def alarmed(populated_engine: Engine, frozen: datetime) -> Engine:
    """The populated database with three open alerts, one that was acknowledged and one that is over."""
    common = {"key": "x", "details": "{}", "last_seen_at": frozen}
    rows: list[dict[str, Any]] = [
        {"rule": rule, "severity": severity, "raised_at": frozen - timedelta(minutes=ago), "message": text, **common}
        for rule, severity, ago, text in ALERTS
    ]
    seen = rows[0] | {"message": "Seen", "acknowledged_at": frozen, "acknowledged_by": "ada@tower"}
    over = rows[0] | {"message": "Over", "resolved_at": frozen}
    with engines.writing(populated_engine) as connection:
        for row in (*rows, seen, over):
            connection.execute(insert(tables.Alert).values(row))
    return populated_engine


@pytest.fixture(scope="session")
def backtested_template(populated_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the populated database with three backtests."""
    path = tmp_path_factory.mktemp("backtested") / "backtested.db"
    shutil.copy(populated_template, path)
    with _filled(path) as engine:
        begin, moment = made.BEGIN, made.MADE
        made.store(engine, "autumn", begin, made=moment)
        made.store(
            engine,
            "fewer paths",
            begin + 73 * HOUR,
            made=moment - timedelta(days=1),
            models=("hawkes", "seasonal_naive"),
            origins=20,
            seed=2,
            n_paths=500,
        )
        made.store(engine, "cut off", begin, made=moment - timedelta(days=2), models=("pool",), done=9)
        made.intervals(engine, "autumn", made.ORIGINS * len(made.LEVELS))
    return path


@pytest.fixture
def backtested(backtested_template: Path, populated: Settings) -> Settings:
    """Three backtests: a whole one with intervals, one of the same period by fewer paths, and an unfinished one."""
    shutil.copy(backtested_template, populated.database_url.removeprefix("sqlite:///"))
    return populated


@pytest.fixture
def console(frozen: datetime) -> Callable[..., Console]:
    """Makes a console whose clock stands still: `console(settings)`."""

    def make(settings: Settings, **options: Any) -> Console:
        return Console(settings, clock=lambda: NOW, **options)

    return make


@pytest.fixture
def snapshot(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., None]:
    """Compares what an app shows with the picture of the same name: `snapshot(app, "overview-80x24")`."""

    def compare(app: App[Any], name: str) -> None:
        found = _normalised(app.export_screenshot(title=name))
        _compare(request, tmp_path, SNAPSHOTS / f"{name}.svg", found)

    return compare


@pytest.fixture
def text_snapshot(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., None]:
    """The same for what an app shows as plain text, where colours do not matter."""

    def compare(app: App[Any], name: str) -> None:
        _compare(request, tmp_path, SNAPSHOTS / "text" / f"{name}.txt", shown(app))

    return compare


@pytest.fixture
def settled() -> Callable[[Pilot[Any]], Awaitable[None]]:
    """Waits until the database is open and everything asked of it is shown: `await settled(pilot)`."""

    async def wait(pilot: Pilot[Any]) -> None:
        await pilot.pause()
        while _awaited(pilot.app):
            await asyncio.sleep(0.001)
            await asyncio.gather(*(_end(worker) for worker in pilot.app.workers if worker.is_running))
            await pilot.pause()

    return wait


@pytest.fixture(autouse=True)
def wait_for_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pilots wait until no message is left: Textual's wait until the process idles, which a busy machine feigns."""
    for module in ("app", "pilot"):
        monkeypatch.setattr(f"textual.{module}.wait_for_idle", _all_is_heard)


@pytest.fixture(autouse=True)
def styles_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every console of a process finds the styles parsed that an earlier one had, with the same theme."""
    create, set_variables = Stylesheet.__init__, Stylesheet.set_variables

    def created(self: Stylesheet, *, variables: dict[str, str] | None = None) -> None:
        create(self, variables=variables)
        _give_what_is_parsed(self)

    def changed(self: Stylesheet, variables: dict[str, str]) -> None:
        self._parse_cache = LRUCache(1)  # this is the one that is emptied
        set_variables(self, variables)
        _give_what_is_parsed(self)

    monkeypatch.setattr(Stylesheet, "__init__", created)
    monkeypatch.setattr(Stylesheet, "set_variables", changed)


@contextmanager
def _filled(path: Path) -> Iterator[Engine]:
    """An engine to fill a database with, whose file holds everything when the block ends."""
    engine = engines.connect(f"sqlite:///{path}")
    yield engine
    with engine.connect() as connection:
        connection.rollback()
        connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
    engine.dispose()


def _give_what_is_parsed(sheet: Stylesheet) -> None:
    key = frozenset(sheet._variables.items())
    if key not in PARSED:
        PARSED[key] = Parsed(tokenize_values(sheet._variables), LRUCache(512))
    vars(sheet)["_Stylesheet__variable_tokens"] = PARSED[key].variables
    sheet._parse_cache = PARSED[key].rules


async def _all_is_heard(*_: float) -> None:
    """Let messages be heard until there is none, and what they change be drawn until nothing changes."""
    app, calm = active_app.get(), 0
    while calm < 2 and app.is_running:
        for _turn in range(TURNS):
            await asyncio.sleep(0)
        calm += 1
        if any(heard.message_queue_size for heard in (app, *app.screen.walk_children(with_self=True))):
            calm = 0
        elif app._batch_count or app._resize_timer is not None:
            await asyncio.sleep(0.001)
            calm = 0
        elif _is_to_be_drawn(app.screen):
            app.screen._on_timer_update()
            calm = 0


def _is_to_be_drawn(screen: Screen[Any]) -> bool:
    left = (screen._layout_required, screen._scroll_required, screen._repaint_required, screen._recompose_required)
    return screen.is_current and bool(any(left) or screen._dirty_widgets or screen._callbacks)


def _awaited(app: App[Any]) -> bool:
    """Whether anything will yet be shown: by a worker that goes on, or after a moment that a form or a list waits."""
    shown = (node for screen in app.screen_stack for node in screen.walk_children(with_self=True))
    timers = (timer for node in shown for timer in node._timers)
    return any(map(_comes_soon, timers)) or not all(worker.is_finished for worker in app.workers)


async def _end(worker: Worker[Any]) -> None:
    """Wait for a worker; that a place which is left takes its own with it is no failure."""
    with suppress(WorkerCancelled):
        await worker.wait()


def _comes_soon(timer: Timer) -> bool:
    return timer._repeat == 0 and timer._interval <= SOON and timer._task is not None and not timer._task.done()


def _compare(request: pytest.FixtureRequest, tmp_path: Path, path: Path, found: str) -> None:
    if request.config.getoption("--snapshot-update", default=False):
        path.parent.mkdir(exist_ok=True)
        path.write_text(found, "utf-8")
        return
    assert path.exists(), f"There is no {path.name} yet: pytest tests/tui --snapshot-update"
    if path.read_text("utf-8") != found:
        other = tmp_path / path.name
        other.write_text(found, "utf-8")
        pytest.fail(f"The screen is not {path}; what it is: {other}")


def populate(engine: Engine) -> None:
    """Write the deterministic rows."""
    chance = random.Random(20260115)
    counts = [(START + i * HOUR, _count(chance, i)) for i in range(int((LAST_HOUR - START) / HOUR) + 1)]
    with engines.writing(engine) as connection:
        _posts(connection, counts)
        _buckets(connection, counts)
        _features(connection, [start for start, _ in counts[-72:]])
        _events(connection)
        _models_and_forecasts(connection, counts)
        _runs(connection)


def _count(chance: random.Random, i: int) -> int:
    daily = (1, 0, 0, 0, 1, 2, 4, 5, 3, 2, 1, 1, 2, 3, 4, 5, 6, 5, 4, 3, 3, 2, 2, 1)[i % 24]
    return max(0, daily + chance.choice((-2, -1, -1, 0, 0, 0, 1, 1, 2, 4)))


def _posts(connection: Any, counts: list[tuple[datetime, int]]) -> None:
    kinds = ("reply", "reply", "original", "repost", "quote")
    times = [start + (k + 1) * HOUR / (n + 1) for start, n in counts for k in range(n)]
    times.append(NOW - timedelta(minutes=4))
    rows = [
        (str(snowflake_floor(moment) + i % 4096), moment, "file", NOW - HOUR, False, kinds[i % 5])
        for i, moment in enumerate(times)
    ]
    columns = ("tweet_id", "created_at", "source", "ingest_time", "is_deleted", "kind")
    upsert(connection, tables.RawTweet.__table__, columns, rows, conflict=["tweet_id"])
    spans = [{"source": "file", "span_start": START, "span_end": NOW, "created_at": NOW - HOUR}]
    connection.execute(insert(tables.Coverage), spans)


def _buckets(connection: Any, counts: list[tuple[datetime, int]]) -> None:
    rows = [(start, start + HOUR, "hourly", n, NOW - timedelta(minutes=6)) for start, n in counts]
    for day in range((LAST_HOUR - START).days):
        start = START + timedelta(days=day)
        total = sum(n for _, n in counts[day * 24 : day * 24 + 24])
        rows.append((start, start + timedelta(days=1), "daily", total, NOW - timedelta(minutes=6)))
    columns = ("bucket_start", "bucket_end", "granularity", "tweet_count", "computed_at")
    upsert(connection, tables.TimeBucket.__table__, columns, rows, conflict=["bucket_start", "granularity"])


def _features(connection: Any, hours: list[datetime]) -> None:
    values = [
        {
            "reference_time": hour + HOUR,
            "lag_1h": 3,
            "lag_24h": 2,
            "rolling_mean_24h": 2.5,
            "rolling_std_24h": 1.75,
            "hour_of_day": (hour + HOUR).hour,
            "day_of_week": (hour + HOUR).weekday(),
            "is_weekend": (hour + HOUR).weekday() >= 5,
            "event_intensity": 0.0,
            "events_in_window": 0,
            "computed_at": NOW - timedelta(minutes=6),
        }
        for hour in hours
    ]
    connection.execute(insert(tables.Feature), values)


def _events(connection: Any) -> None:
    events = [
        ("Starship flight test", "launch", -30, 6, 0.8, "Lift-off at dawn"),
        ("Earnings call", "market", -12, 2, 0.6, None),
        ("Holiday", "calendar", -21, 24, 0.3, "Public holiday"),
        ("Court hearing [bold]not markup[/bold]", "regulatory", -3, 8, 0.5, "Name with brackets"),
        ("Product launch", "launch", 2, 4, 0.9, "Still to come"),
    ]
    rows = [
        {
            "name": name,
            "description": description,
            "category": category,
            "event_start": NOW.replace(minute=0) + timedelta(days=day),
            "event_end": NOW.replace(minute=0) + timedelta(days=day, hours=hours),
            "intensity": intensity,
            "source": "manual",
            "created_at": NOW + timedelta(days=day - 1),
        }
        for name, category, day, hours, intensity, description in events
    ]
    connection.execute(insert(tables.ExogenousEvent), rows)


def _models_and_forecasts(connection: Any, counts: list[tuple[datetime, int]]) -> None:
    models = (("seasonal_naive", "1", 2.31, 1.62, None), ("negative_binomial", "1", 2.04, 1.44, -17321.5))
    for model_id, (name, version, rmse, mae, likelihood) in enumerate(models, 1):
        connection.execute(
            insert(tables.ModelMetadata).values(
                id=model_id,
                model_name=name,
                model_version=version,
                trained_at=NOW - timedelta(hours=20 - model_id),
                training_start_date=START,
                training_end_date=LAST_HOUR - timedelta(hours=19),
                hyperparameters=json.dumps({"days": 28} if model_id == 1 else {"alpha": 0.4}),
                rmse=rmse,
                mae=mae,
                mape=61.5,
                log_likelihood=likelihood,
                diagnostics=json.dumps({"converged": True, "warnings": [], "values": {"dispersion": 0.42}}),
                counting="all",
            )
        )
        for origin in (LAST_HOUR + HOUR - timedelta(hours=24), LAST_HOUR + HOUR):
            _forecast(connection, model_id, origin, dict(counts))


def _forecast(connection: Any, model_id: int, origin: datetime, actual: dict[datetime, int]) -> None:
    rows, total, known = [], 0.0, 0
    for k in range(24):
        target = origin + k * HOUR
        mean = 2.5 + 0.1 * model_id + (0, 1, 2, 1)[k // 6]
        happened = actual.get(target)
        total, known = total + mean, known + (happened or 0)
        rows.append(
            {
                "model_metadata_id": model_id,
                "forecast_time": origin,
                "target_time": target,
                "predicted_count": mean,
                "lower_bound_95": max(0.0, mean - 3),
                "upper_bound_95": mean + 6,
                "lower_bound_80": max(0.0, mean - 2),
                "upper_bound_80": mean + 4,
                "lower_bound_50": max(0.0, mean - 1),
                "upper_bound_50": mean + 2,
                "actual_count": happened,
                "created_at": origin + timedelta(minutes=2),
            }
        )
    connection.execute(insert(tables.Forecast), rows)
    spread = {"0.025": -28, "0.1": -19, "0.25": -9, "0.5": -1, "0.75": 9, "0.9": 21, "0.975": 34}
    connection.execute(
        insert(tables.ForecastTotal).values(
            model_metadata_id=model_id,
            forecast_time=origin,
            horizon_hours=24,
            n_paths=2000,
            seed=1,
            counting="all",
            predicted_total=total,
            quantiles=json.dumps({p: round(total) + d for p, d in spread.items()}),
            warnings=json.dumps([] if model_id == 2 else ["Only 12 months of history"]),
            actual_total=known if origin + 24 * HOUR <= LAST_HOUR + HOUR else None,
            created_at=origin + timedelta(minutes=2),
        )
    )


def _runs(connection: Any) -> None:
    ended = [
        ("import", "succeeded", 26.0, 41, {"paths": ["posts.csv.gz"]}, {"inserted": 26_310, "known": 0}, None),
        ("refresh", "succeeded", 25.8, 2, {}, {"hours": 8779}, None),
        ("train", "failed", 21.0, 3, {"model": "negative_binomial"}, None, "The fit did not converge. Try more data"),
        ("train", "succeeded", 18.0, 12, {"model": "negative_binomial"}, {"version": "1"}, None),
        ("forecast", "succeeded", 1.1, 3, {"model": "negative_binomial", "horizon": 24}, {"total": 88.8}, None),
        ("score", "cancelled", 0.9, 1, {}, None, "Cancelled on request"),
    ]
    for run_id, (kind, status, hours_ago, seconds, parameters, result, error) in enumerate(ended, 1):
        started = NOW - timedelta(hours=hours_ago)
        finished = started + timedelta(seconds=seconds)
        connection.execute(
            insert(tables.RunRow).values(
                id=run_id,
                kind=kind,
                status=status,
                parameters=json.dumps(parameters),
                stage="done",
                progress=1.0 if status == "succeeded" else 0.4,
                message=None,
                result=json.dumps(result) if result else None,
                error=error,
                created_at=started,
                started_at=started,
                finished_at=finished,
                heartbeat_at=finished,
                host="tower",
                pid=4000 + run_id,
                who=WHO,
            )
        )
        _log(connection, run_id, started, seconds, error)
    started = NOW - timedelta(minutes=2)
    connection.execute(
        insert(tables.RunRow).values(
            id=7,
            kind="train",
            status="running",
            parameters=json.dumps({"model": "seasonal_naive"}),
            stage="backtest",
            progress=0.62,
            message="origin 31 of 50",
            created_at=started,
            started_at=started,
            heartbeat_at=NOW,
            host="tower",
            pid=4007,
            who=WHO,
            lease="train:seasonal_naive",
        )
    )
    _log(connection, 7, started, 100, None)


def _log(connection: Any, run_id: int, started: datetime, seconds: int, error: str | None) -> None:
    lines = [("info", f"step {k} of 20", {"step": k}) for k in range(1, 21)]
    lines.append(("warning", "3 rows could not be read [red]as text[/red]", {"rows": 3}))
    if error:
        lines.append(("error", error, {}))
    values = [
        {
            "run_id": run_id,
            "time": started + k * timedelta(seconds=seconds) / len(lines),
            "level": level,
            "message": message,
            "fields": json.dumps(fields) if fields else None,
        }
        for k, (level, message, fields) in enumerate(lines)
    ]
    connection.execute(insert(tables.RunLogLine), values)


def _normalised(svg: str) -> str:
    svg = re.sub(r"\s*@font-face \{[^}]*\}", "", svg)
    return re.sub(r"terminal-\d+", "terminal", svg)
