"""The demo: a simulated account goes through every stage, goes on when opened again, and touches nothing real."""

from __future__ import annotations

import argparse
import inspect
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, func, insert, select
from stored_versions import store_version

from musktracker import recorder, run_log, runs
from musktracker.cli import console
from musktracker.cli import demo as command
from musktracker.cli.command import open_database
from musktracker.cli.main import main
from musktracker.config import Settings, for_demo
from musktracker.db.engines import connect, reading, writing
from musktracker.db.queries import coverage, overview
from musktracker.db.tables import ForecastTotal, ModelMetadata, RawTweet, TimeBucket, WindowForecast
from musktracker.errors import Cancelled, MuskTrackerError, UsageError
from musktracker.models.simulation import simulate_account
from musktracker.pipeline import aliases, demo, events
from musktracker.pipeline.window import window
from musktracker.reporting import Run
from musktracker.timeline import EPOCH, HOUR, floor_hour, iso, now

YEARS = 0.3
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def posts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what follows once posts and events are stored."""
    monkeypatch.setattr(demo._Stages, "__call__", lambda *_, **__: {})


def stored_ids(engine: Engine) -> list[int]:
    with reading(engine) as connection:
        return sorted(map(int, connection.scalars(select(RawTweet.tweet_id))))


@dataclass(frozen=True)
class Prepared:
    """A demo's database, what was told of it, and when it was begun."""

    engine: Engine
    begin: datetime
    result: Mapping[str, Any]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def prepared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """A whole demo, once for each kind of database: tests only look at it."""
    folder = tmp_path_factory.mktemp("demo")
    with ExitStack() as held:
        if request.param == "sqlite":
            path = shutil.copy(request.getfixturevalue("sqlite_template"), folder / "demo.db")
            engine = connect(f"sqlite:///{path}")
        else:
            engine = connect(held.enter_context(request.getfixturevalue("postgres_databases")()))
        held.callback(engine.dispose)
        begin = now()
        yield Prepared(engine, begin, demo.prepare(engine, Run(), artifact_dir=str(folder), years=YEARS))


def test_every_stage_has_its_run_and_every_screen_its_data(prepared: Prepared) -> None:
    engine, begin, result = prepared.engine, prepared.begin, prepared.result
    found = runs.recent(engine, limit=100)
    assert {info.status for info in found} == {"succeeded"}
    assert set(Counter(info.kind for info in found)) == {
        *("refresh", "train", "forecast", "window", "score", "backtest")
    }
    assert all(run_log.lines_after(engine, info.id) for info in found if info.kind == "train")
    last = coverage.last_post(engine)
    assert last is not None
    assert begin - last < 24 * HOUR
    with reading(engine) as connection:
        counted = connection.scalar(
            select(func.sum(TimeBucket.tweet_count)).where(TimeBucket.granularity == "hourly")
        )
        totals = connection.execute(select(ForecastTotal.forecast_time, ForecastTotal.actual_total)).all()
        models = set(connection.scalars(select(ModelMetadata.model_name)))
    assert 0.95 * result["posts"] <= (counted or 0) <= result["posts"]
    assert models == {"seasonal_naive", "har_bootstrap"}
    assert {actual is not None for moment, actual in totals if moment < begin - 169 * HOUR} == {True}
    assert [actual for moment, actual in totals if moment > begin - 2 * HOUR] == [None, None]
    known = events.listed(engine)
    assert len(known) == result["events"] >= 2
    assert all(event.created_at <= now() for event in known)


def test_the_overview_is_filled_the_champions_forecast_and_windows_too(prepared: Prepared) -> None:
    found = overview.read(prepared.engine, ZoneInfo("UTC"))
    assert found.next_step is None
    assert found.forecast is not None
    assert found.champion == (found.forecast.model, found.forecast.version)
    assert found.forecast.so_far is not None
    assert set(found.forecast.so_far.intervals) == {0.5, 0.8, 0.95}
    assert all(market.forecast is not None and not market.missed_hours for market in found.markets)
    assert found.week.observed == found.week.possible
    [change] = aliases.history(prepared.engine)
    assert change.reason == demo.WHY_CHAMPION


def test_a_forecast_of_the_same_windows_asked_for_anew_is_the_same(prepared: Prepared) -> None:
    with reading(prepared.engine) as connection:
        asked = connection.execute(select(WindowForecast.n_paths, WindowForecast.seed).distinct()).all()
    usual = inspect.signature(window).parameters
    assert asked == [(usual["n_paths"].default, usual["seed"].default)]


def test_a_champion_that_people_chose_stays(engine: Engine) -> None:
    store_version(engine, 1, demo.CHAMPION_MODEL)
    store_version(engine, 2, "seasonal_naive")
    demo._name_champion(engine, demo.CHAMPION_MODEL)
    with writing(engine) as connection:
        naive = aliases.find(connection, "seasonal_naive")
        aliases.point(connection, "champion", naive, before=aliases.champion(connection))
    demo._name_champion(engine, demo.CHAMPION_MODEL)
    with reading(engine) as connection:
        assert aliases.champion(connection) == naive


def test_opened_again_the_same_account_has_gone_on(engine: Engine, tmp_path: Path, posts_alone: None) -> None:
    end = now().replace(microsecond=0)
    for until in (end - 50 * HOUR, end - 49 * HOUR, end):
        demo.prepare(engine, Run(), artifact_dir=str(tmp_path), seed=5, years=YEARS, until=iso(until))
    [span] = coverage.covered(engine)
    assert span.end == end
    expected = simulate_account((span.start - EPOCH) // MICROSECOND, (end - EPOCH) // MICROSECOND, 5)
    assert stored_ids(engine) == expected.ids.tolist()
    again = demo.prepare(engine, Run(), artifact_dir=str(tmp_path), until=iso(end))
    assert (again["posts"], again["events"], again["seed"]) == (0, 0, 5)


def test_what_people_did_to_its_events_stays(engine: Engine, tmp_path: Path, posts_alone: None) -> None:
    demo.prepare(engine, Run(), artifact_dir=str(tmp_path), years=YEARS, until=iso(now() - 10 * HOUR))
    before = len(events.listed(engine))
    events.remove(engine, events.listed(engine)[0].id)
    demo.prepare(engine, Run(), artifact_dir=str(tmp_path))
    assert len(events.listed(engine)) == before - 1


def test_a_start_that_was_cut_short_is_made_good(
    engine: Engine, tmp_path: Path, posts_alone: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "BATCH", 500)
    end = now().replace(microsecond=0)

    class Stopped(Run):
        def check(self) -> None:
            if (self.fraction or 0) > 0.05:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        demo.prepare(engine, Stopped(), artifact_dir=str(tmp_path), years=YEARS, until=iso(end))
    assert coverage.covered(engine) == []
    partly = len(stored_ids(engine))
    demo.prepare(engine, Run(), artifact_dir=str(tmp_path), years=YEARS, until=iso(end))
    start = floor_hour(end - timedelta(hours=YEARS * demo.HOURS_PER_YEAR))
    expected = simulate_account((start - EPOCH) // MICROSECOND, (end - EPOCH) // MICROSECOND, demo.SEED)
    assert 0 < partly < len(expected.ids)
    assert stored_ids(engine) == expected.ids.tolist()


def test_a_database_with_real_posts_is_refused_untouched(engine: Engine, tmp_path: Path) -> None:
    with writing(engine) as connection:
        values = {"tweet_id": "1", "created_at": now(), "source": "csv", "ingest_time": now()}
        connection.execute(insert(RawTweet).values(values))
    with pytest.raises(UsageError, match="not simulated"):
        demo.prepare(engine, Run(), artifact_dir=str(tmp_path))
    assert stored_ids(engine) == [1]
    assert coverage.covered(engine) == []


def test_another_seed_needs_a_new_demo(engine: Engine, settings: Settings, tmp_path: Path, posts_alone: None) -> None:
    demo.prepare(engine, Run(), artifact_dir=str(tmp_path), seed=3, years=0.01)
    with pytest.raises(UsageError, match="--reset --seed 4"):
        demo.prepare(engine, Run(), artifact_dir=str(tmp_path), seed=4)
    with pytest.raises(UsageError, match="seed 3"):
        demo.start(settings, seed=4)


def test_a_cancelled_demo_stops_in_the_stage_it_is_in(engine: Engine, tmp_path: Path) -> None:
    class CancelledInTraining(Run):
        def check(self) -> None:
            if self.stage == "train":
                raise Cancelled("Cancelled on request")

    with pytest.raises(Cancelled):
        demo.prepare(engine, CancelledInTraining(), artifact_dir=str(tmp_path), years=YEARS)
    assert all(not info.active for info in runs.recent(engine))


def test_a_second_start_leaves_the_first_alone(engine: Engine, settings: Settings) -> None:
    runs.create(engine, "demo", {}, lease="ingest")
    assert demo.start(settings) is None


# The commands


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a user who has nothing but a data directory."""
    for name in ("MUSKTRACKER_DATABASE_URL", "MUSKTRACKER_CONFIG", "X_BEARER_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MUSKTRACKER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    data_dir = tmp_path / "data"
    return Settings(data_dir=data_dir, database_url=f"sqlite:///{data_dir / 'musktracker.db'}")


def test_without_a_terminal_the_console_says_what_else_there_is(
    home: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["console"]) == 2
    assert "needs a terminal" in capsys.readouterr().err
    assert main(["demo"]) == 2
    assert "--no-console" in capsys.readouterr().err
    assert not home.data_dir.exists()


def test_the_demo_command_prepares_beside_the_users_own_database(
    home: Settings, capsys: pytest.CaptureFixture[str], posts_alone: None
) -> None:
    assert main(["demo", "--no-console", "--seed", "2"]) == 0
    shown = capsys.readouterr().out
    assert "The demo is ready" in shown
    assert "musktracker demo" in shown
    assert not (home.data_dir / "musktracker.db").exists()
    assert home.data_dir.stat().st_mode & 0o777 == 0o700
    assert main(["demo", "--no-console", "--seed", "3"]) == 2
    assert main(["demo", "--no-console", "--seed", "3", "--reset"]) == 0


def test_a_reset_waits_for_runs_that_go_on(home: Settings) -> None:
    mine = for_demo(home.with_data_dir_made())
    with open_database(mine) as engine:
        run_id = runs.create(engine, "train", {})
        with pytest.raises(MuskTrackerError, match=f"run {run_id}"):
            demo.forget(mine)
        recorder.execute(engine, "train", lambda *_: {}, {}, run_id=run_id)
    demo.forget(mine)
    assert list(mine.data_dir.glob("musktracker.db*")) == []


def test_a_damaged_demo_can_be_reset_and_a_real_database_cannot(home: Settings) -> None:
    mine = for_demo(home.with_data_dir_made()).with_data_dir_made()
    path = mine.data_dir / "musktracker.db"
    path.write_bytes(b"no database" * 1000)
    demo.forget(mine)
    assert not path.exists()
    with open_database(home) as real, writing(real) as connection:
        values = {"tweet_id": "1", "created_at": now(), "source": "csv", "ingest_time": now()}
        connection.execute(insert(RawTweet).values(values))
    with pytest.raises(UsageError, match="not simulated"):
        demo.forget(home)
    assert (home.data_dir / "musktracker.db").exists()


def test_with_a_terminal_the_demo_starts_its_run_and_opens_the_console_on_it(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)

    def open_console(settings: Settings, *, mouse: bool) -> int:
        calls.extend((settings.account, mouse))
        return 143

    monkeypatch.setattr(command, "open_console", open_console)
    monkeypatch.setattr(demo, "start", lambda settings, *, seed: calls.append(seed))
    assert main(["demo", "--seed", "7", "--mouse"]) == 143
    assert calls == [7, "demo", True]


def test_read_only_is_passed_on_to_the_console(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "require_terminal", lambda _: None)
    passed: list[bool] = []
    monkeypatch.setattr(console, "open_console", lambda settings, *, read_only, mouse: passed.append(read_only))
    parser = argparse.ArgumentParser()
    console.configure(parser)
    console.run(parser.parse_args(["--read-only"]), home)
    assert passed == [True]


def test_a_launched_demo_is_a_process_of_its_own_that_can_be_cancelled(home: Settings) -> None:
    mine = for_demo(home.with_data_dir_made())
    run_id = demo.start(mine, seed=1)
    assert run_id is not None
    with open_database(mine) as engine:
        deadline = time.monotonic() + 60
        while coverage.post_count(engine) == 0 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert runs.get(engine, run_id).pid not in (None, os.getpid())
        runs.request_cancel(engine, run_id)
        while runs.get(engine, run_id).active and time.monotonic() < deadline:
            time.sleep(0.02)
        assert runs.get(engine, run_id).status == "cancelled"
