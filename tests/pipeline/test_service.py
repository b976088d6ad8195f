"""The service on a database: it starts what is due as runs, adopts, waits, tells, and leaves nothing running."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, update
from sqlalchemy.exc import OperationalError

from musktracker import leases, reporting, run_info, runs
from musktracker.config import Settings
from musktracker.db import settings as database_settings
from musktracker.db.engines import writing
from musktracker.db.tables import Coverage, ModelMetadata, RunRow, TimeBucket
from musktracker.errors import Cancelled, DataError, MuskTrackerError
from musktracker.pipeline import agenda, alerts, attempts, service, stages, upkeep
from musktracker.pipeline.alert_delivery import Courier
from musktracker.pipeline.service import Service, Surroundings
from musktracker.reporting import Run
from musktracker.run_info import ACTIVE
from musktracker.timeline import DAY, HOUR

BEGIN = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOURLY = ["refresh", "score", "forecast", "forecast", "window", "window"]


class World:
    """A service with a clock of its own, whose launched runs are rows that the test ends."""

    def __init__(self, engine: Engine, directory: Path, **options: Any) -> None:
        self.engine = engine
        self.moment = BEGIN
        self.run = Run()
        self.launched: list[tuple[str, Mapping[str, Any]]] = []
        self.broken: Callable[[str], bool] = lambda kind: False
        settings = Settings(data_dir=directory, database_url="sqlite:///unused")
        self.around = Surroundings(
            self.launch, "/artifacts", "UTC", Courier(engine, self.run, settings), lambda: self.moment, self.sleep
        )
        self.service = Service(engine, self.run, self.around, **options)

    def launch(self, kind: str, parameters: Mapping[str, Any]) -> int:
        run_id = runs.create(self.engine, kind, parameters, lease=stages.lease(kind, parameters))
        self.launched.append((kind, parameters))
        self.set(run_id, status="running", started_at=self.moment)
        return run_id

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)
        self.beat()

    def set(self, run_id: int, **values: Any) -> None:
        with writing(self.engine) as connection:
            connection.execute(update(RunRow).where(RunRow.id == run_id).values(**values))

    def beat(self) -> None:
        with writing(self.engine) as connection:
            going = RunRow.status.in_(ACTIVE)
            connection.execute(update(RunRow).where(going).values(heartbeat_at=self.moment))

    def going(self, *kinds: str) -> list[int]:
        found = runs.recent(self.engine, active=True)
        return [info.id for info in found if not kinds or info.kind in kinds]

    def end(self, *kinds: str, status: str = "succeeded", **values: Any) -> None:
        for run_id in self.going(*kinds):
            self.set(run_id, status=status, finished_at=self.moment, lease=None, **values)

    def turn(self, forward: timedelta = timedelta(seconds=2)) -> list[str]:
        """Time passes; the service takes a turn; the kinds that it started."""
        self.moment += forward
        self.beat()
        before = len(self.launched)
        self.service.turn()
        return [kind for kind, _ in self.launched[before:]]

    def until_quiet(self) -> list[str]:
        """Turns until nothing is started any more, each run ending well before the next turn."""
        found: list[str] = []
        while started := self.turn():
            found += started
            self.end(*agenda.KINDS[len(upkeep.KINDS) :])
        return found

    def said(self) -> str:
        return "\n".join(f"{line.level}: {line.message}" for line in self.run.lines)


@pytest.fixture
def world(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A service on a database where a model has been trained and the data reach to the last hour."""
    made = World(engine, tmp_path)
    for module in (database_settings, leases, reporting, run_info, runs):
        monkeypatch.setattr(module, "now", lambda: made.moment)
    with writing(engine) as connection:
        span = {"source": "x", "span_start": BEGIN - DAY, "span_end": BEGIN, "created_at": BEGIN - HOUR}
        connection.execute(insert(Coverage).values(span))
        hour = {"bucket_start": BEGIN - 90 * MINUTE, "bucket_end": BEGIN - 30 * MINUTE, "granularity": "hourly"}
        connection.execute(insert(TimeBucket).values(tweet_count=0, computed_at=BEGIN, **hour))
        connection.execute(
            insert(ModelMetadata).values(
                model_name="seasonal_naive",
                model_version="v1",
                trained_at=BEGIN - DAY,
                training_start_date=BEGIN - 30 * DAY,
                training_end_date=BEGIN - DAY,
            )
        )
    return made


def test_at_the_start_it_follows_and_does_what_is_due_in_order(world: World) -> None:
    started = world.until_quiet()
    assert [kind for kind in started if kind in HOURLY] == HOURLY
    assert sorted(set(started) - set(HOURLY)) == ["ingest", "retention", "train"]
    assert ("ingest", {"follow": True}) in world.launched
    assert (
        "train",
        {"model": "har_bootstrap", "artifact_dir": "/artifacts", "backtest_origins": 20},
    ) in world.launched
    assert [p["preset"] for kind, p in world.launched if kind == "window"] == ["fri-noon", "tue-noon"]
    assert [p["horizon"] for kind, p in world.launched if kind == "forecast"] == [24, 168]
    assert world.turn(MINUTE) == []


def test_another_service_on_the_same_database_does_not_repeat_it(
    world: World, engine: Engine, tmp_path: Path
) -> None:
    world.until_quiet()
    again = World(engine, tmp_path)
    again.moment = world.moment
    assert again.until_quiet() == []
    assert "follows the account" in again.said()


def test_without_ingest_it_starts_no_follower_and_waits_for_no_hour(
    engine: Engine, world: World, tmp_path: Path
) -> None:
    files = World(engine, tmp_path, ingest=False)
    assert "ingest" not in files.until_quiet()
    world.moment = files.moment = BEGIN + HOUR
    assert files.turn()[0] == "refresh"


def test_the_hours_refresh_waits_a_while_for_the_follower(world: World, engine: Engine) -> None:
    world.until_quiet()
    world.moment = BEGIN + 31 * MINUTE
    assert world.turn() == []
    with writing(engine) as connection:
        connection.execute(update(Coverage).values(span_end=BEGIN + 31 * MINUTE))
    assert world.turn() == ["refresh"]
    world.end("refresh")
    world.until_quiet()
    world.moment = BEGIN + 91 * MINUTE
    assert world.turn() == []
    world.moment += service.HOUR_PATIENCE
    assert world.turn() == ["refresh"]


def test_between_the_hours_it_counts_when_something_changed(world: World, engine: Engine) -> None:
    world.until_quiet()
    with writing(engine) as connection:
        connection.execute(update(Coverage).values(created_at=BEGIN - DAY))
    assert world.turn(6 * MINUTE) == []
    database_settings.set(engine, "counting", "without_replies")
    assert world.turn(service.ASK_AGAIN) == ["refresh"]
    world.end("refresh")
    assert world.turn(6 * MINUTE) == []


def test_a_failed_step_is_told_and_tried_again_and_stops_no_other(world: World) -> None:
    world.turn()
    world.end("refresh", status="failed", error="Disk full")
    started = world.turn()
    assert {"score", "train"} <= set(started)
    assert "refresh: run 1 failed: Disk full" in world.said()
    assert re.search(r"refresh is tried again at [-\d]+ [:\d]+ UTC.*; next at [-\d]+ [:\d]+ UTC$", world.run.message)
    assert world.turn(MINUTE) == ["refresh"]


def test_a_run_that_ends_while_the_runs_are_read_is_followed_up_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.turn()
    read = attempts.newest

    def newest(engine: Engine, kinds: Iterable[str]) -> list[attempts.Attempt]:
        world.moment += timedelta(seconds=1)
        world.end("refresh")
        return read(engine, kinds)

    monkeypatch.setattr(attempts, "newest", newest)
    assert "score" in world.turn()


def test_a_run_that_dies_silently_is_closed_and_started_again(world: World, engine: Engine) -> None:
    world.turn()
    [refresh] = world.going("refresh")
    world.moment += 5 * MINUTE
    with writing(engine) as connection:
        connection.execute(update(RunRow).where(RunRow.id != refresh).values(heartbeat_at=world.moment))
    before = len(world.launched)
    world.service.turn()
    assert runs.get(engine, refresh).status == "failed"
    world.turn(MINUTE)
    assert "refresh" in [kind for kind, _ in world.launched[before:]]


def test_a_follower_that_somebody_started_is_adopted(world: World, engine: Engine) -> None:
    other = runs.create(engine, "ingest", {"follow": True}, lease="ingest")
    assert "ingest" not in world.until_quiet()
    assert other not in world.service.mine
    assert f"run {other} follows the account" in world.said()


def test_a_follower_that_failed_is_started_again_after_a_while(world: World) -> None:
    world.turn()
    world.end("ingest", status="failed", error="The API refuses the bearer token")
    assert "ingest" not in world.turn()
    assert "the follower failed" in world.said()
    world.moment += 15 * timedelta(seconds=1)
    assert "ingest" in world.turn()


def test_a_follower_that_an_operator_called_off_stays_so_until_somebody_starts_one(
    world: World, engine: Engine
) -> None:
    world.until_quiet()
    [follower] = world.going("ingest")
    runs.request_cancel(engine, follower)
    world.end("ingest", status="cancelled")
    assert "ingest" not in world.turn(5 * MINUTE)
    assert f"warning: Ingestion: run {follower} was called off" in world.said()
    started = runs.create(engine, "ingest", {"follow": True}, lease="ingest")
    world.turn()
    assert f"run {started} follows the account" in world.said()
    world.end("ingest", status="failed")
    assert "ingest" in world.turn(MINUTE)


def test_a_lease_that_another_holds_is_waited_for(world: World, engine: Engine) -> None:
    other = runs.create(
        engine, "train", {"model": "har_bootstrap", "hyperparameters": {"x": 1}}, lease="train:har_bootstrap"
    )
    world.turn()
    world.end("refresh")
    assert "train" not in world.turn()
    world.set(other, status="succeeded", finished_at=world.moment, lease=None)
    assert "train" in world.turn()


def test_what_stops_it_ends_its_follower_and_lets_short_runs_end(world: World, engine: Engine) -> None:
    def sleep(seconds: float) -> None:
        World.sleep(world, seconds)
        for run_id in world.going():
            info = runs.get(engine, run_id)
            if info.cancel_requested_at is not None:
                world.set(run_id, status="cancelled", finished_at=world.moment, lease=None)
            elif info.kind not in ("train", "ingest") and world.moment - info.created_at > timedelta(seconds=5):
                world.set(run_id, status="succeeded", finished_at=world.moment, lease=None)
        if world.moment > BEGIN + MINUTE and world.going("ingest"):
            raise KeyboardInterrupt

    world.service.around = replace(world.around, sleep=sleep)
    with pytest.raises(KeyboardInterrupt):
        world.service.go_on()
    assert world.going() == []
    ended = {info.kind: info.status for info in runs.recent(engine)}
    assert (ended["ingest"], ended["train"], ended["refresh"]) == ("cancelled", "cancelled", "succeeded")


def test_what_others_started_goes_on_when_it_stops(world: World, engine: Engine) -> None:
    other = runs.create(engine, "ingest", {"follow": True}, lease="ingest")
    world.until_quiet()
    world.service._stop()
    assert world.going() == [other]
    assert runs.get(engine, other).cancel_requested_at is None


def test_the_follower_of_a_service_that_was_killed_is_its_successors(
    world: World, engine: Engine, tmp_path: Path
) -> None:
    world.until_quiet()
    [follower] = world.going("ingest")
    successor = World(engine, tmp_path)
    successor.moment = world.moment
    successor.turn()
    successor.service._ask(successor.service._still_going())
    assert runs.get(engine, follower).cancel_requested_at is not None


def test_a_database_that_is_away_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([OperationalError("", None, Exception("gone"))] * 3)

    def away() -> bool:
        for error in answers:
            raise error
        return True

    monkeypatch.setattr(world.service, "turn", away)
    assert world.service._turn_through_outages()
    assert world.said().count("warning: The database does not answer") == 1
    assert "info: The database answers again" in world.said()


def test_one_that_was_taken_for_lost_ends_without_a_word_to_the_others(world: World, engine: Engine) -> None:
    world.run.id = runs.create(engine, "service", {}, lease="service")
    world.until_quiet()
    world.set(world.run.id, lease=None)
    with pytest.raises(leases.LeaseLost):
        world.service.go_on()
    assert world.going("ingest")


def test_a_cancelled_service_stops(world: World, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    world.until_quiet()
    world.end()  # what goes on would be waited for

    def check() -> None:
        raise Cancelled("Cancelled on request")

    monkeypatch.setattr(world.run, "check", check)
    with pytest.raises(Cancelled):
        world.service.go_on()


def test_once_does_each_due_step_and_ends(engine: Engine, world: World, tmp_path: Path) -> None:
    once = World(engine, tmp_path, once=True)

    def sleep(seconds: float) -> None:
        once.moment += timedelta(seconds=seconds)
        once.beat()
        once.end()

    once.service.around = replace(once.around, sleep=sleep)
    assert once.service.once() == {"steps": 9}
    assert [kind for kind, _ in once.launched if kind in ("ingest", "refresh")] == ["ingest", "refresh"]
    assert once.launched[0] == ("ingest", {})
    again = World(engine, tmp_path, once=True, ingest=False)
    again.moment = once.moment
    assert again.service.once() == {"steps": 0}


def test_once_leaves_the_fetching_to_a_follower_that_is_there(engine: Engine, world: World, tmp_path: Path) -> None:
    runs.create(engine, "ingest", {"follow": True}, lease="ingest")
    once = World(engine, tmp_path, once=True)
    assert "ingest" not in once.turn()
    assert [kind for kind, _ in once.launched] == ["refresh", "retention"]


def test_once_tries_the_rest_and_says_what_failed(engine: Engine, world: World, tmp_path: Path) -> None:
    once = World(engine, tmp_path, once=True, ingest=False)

    def sleep(seconds: float) -> None:
        once.moment += timedelta(seconds=seconds)
        once.beat()
        once.end("refresh", status="failed", error="Disk full")
        once.end()

    once.service.around = replace(once.around, sleep=sleep)
    with pytest.raises(MuskTrackerError, match="1 of 8 steps failed: refresh") as failed:
        once.service.once()
    assert failed.value.exit_code == 1


def test_once_says_that_data_are_missing_where_that_is_all_that_failed(
    engine: Engine, world: World, tmp_path: Path
) -> None:
    once = World(engine, tmp_path, once=True, ingest=False)

    def sleep(seconds: float) -> None:
        once.moment += timedelta(seconds=seconds)
        once.beat()
        once.end("train", "forecast", status="failed", error="Too little history", result='{"exit_code": 3}')
        once.end()

    once.service.around = replace(once.around, sleep=sleep)
    with pytest.raises(DataError, match="3 of 8 steps failed"):
        once.service.once()


def test_alerts_that_cannot_be_looked_at_stop_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ValueError("odd rows")

    monkeypatch.setattr(alerts, "look", broken)
    assert "refresh" in world.turn()
    assert "error: The alerts cannot be looked at: ValueError: odd rows" in world.said()


def test_a_service_that_is_ended_while_it_looks_at_the_alerts_stops(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(*_: Any) -> None:
        raise Cancelled("Ended by SIGTERM")

    monkeypatch.setattr(alerts, "look", ended)
    with pytest.raises(Cancelled):
        world.turn()


def test_a_raised_alert_is_a_warning_in_its_log(world: World, engine: Engine) -> None:
    runs.create(engine, "backtest", {})
    world.set(1, status="failed", finished_at=world.moment, error="No memory")
    world.turn()
    assert "warning: Alert 1: Run 1 (backtest) failed: No memory" in world.said()


def test_a_trained_version_is_considered_for_its_place_and_a_failed_gate_is_no_failure(world: World) -> None:
    world.turn()
    world.end("refresh")
    world.turn()
    world.end("train", result='{"model": "har_bootstrap", "version": "v4"}')
    assert "promote" in world.turn()
    assert ("promote", {"model": "har_bootstrap", "version": "v4", "or_fail": False}) in world.launched
    world.end("promote")
    assert "promote" not in world.turn()
