"""The schedule: each step as often as it should; one that fails is tried later each time, and stops no other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from musktracker.errors import UsageError
from musktracker.pipeline import schedule
from musktracker.pipeline.attempts import Attempt
from musktracker.pipeline.schedule import Plan, Standing, Step, backoff
from musktracker.timeline import DAY, HOUR

BEGIN = datetime(2026, 3, 2, 0, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LENGTHS = {"train": timedelta(minutes=4)}  # others take five seconds
HOURLY = ("refresh", "score", "forecast 24 h", "forecast 168 h", "window fri-noon", "window tue-noon")
PLAN = Plan()
KEPT = 20  # of a kind, as the service reads only the newest


class World:
    """Runs that take their time by a clock that jumps to whatever comes next; `fails` says which end badly."""

    def __init__(
        self, plan: Plan = PLAN, fails: Callable[[Step, datetime], bool] = lambda step, moment: False
    ) -> None:
        self.plan = plan
        self.fails = fails
        self.moment = self.begun = BEGIN
        self.trained = False
        self.past: list[Attempt] = []
        self.names: dict[int, Step] = {}
        self.started: list[tuple[str, datetime]] = []

    def run_until(self, end: datetime) -> None:
        while self.moment < end:
            self.finish()
            standings = self.standings()
            for step in schedule.due(standings, self.moment):
                self.start(step)
            self.moment = min([end, *self.coming(standings)])

    def standings(self) -> dict[str, Standing]:
        self.trained |= any(one.kind == "train" and one.status == "succeeded" for one in self.past)
        steps = schedule.steps(self.plan, self.moment, artifact_dir="/a", timezone="UTC", trained=self.trained)
        return schedule.judge(steps, self.past, self.moment, self.begun)

    def start(self, step: Step) -> None:
        number = len(self.names) + 1
        attempt = Attempt(number, step.kind, "running", step.parameters, *[self.moment] * 2, None, self.moment, None)
        self.past.insert(0, attempt)
        same = [one for one in self.past if one.kind == step.kind]
        for one in same[KEPT:]:
            self.past.remove(one)
        self.names[number] = step
        self.started.append((step.name, self.moment))

    def finish(self) -> None:
        for i, one in enumerate(self.past):
            step = self.names[one.id]
            if one.status == "running":
                over = one.begun + self.length(one) <= self.moment
                status = "failed" if self.fails(step, one.begun) else "succeeded"
                ended = replace(one, status=status, finished_at=self.moment) if over else one
                self.past[i] = replace(ended, heartbeat_at=self.moment)

    def coming(self, standings: dict[str, Standing]) -> list[datetime]:
        ends = [one.begun + self.length(one) for one in self.past if one.status == "running"]
        again = [one.due_at for one in standings.values()]
        slots = [one.step.slot + one.step.period for one in standings.values()]
        return [one for one in (*ends, *again, *slots) if one > self.moment]

    def length(self, one: Attempt) -> timedelta:
        return LENGTHS.get(one.kind, timedelta(seconds=5))

    def counts(self) -> Counter[str]:
        return Counter(name for name, _ in self.started)

    def times(self, name: str) -> list[datetime]:
        return [moment for one, moment in self.started if one == name]


def test_in_a_week_each_step_runs_as_often_as_it_should() -> None:
    world = World()
    world.run_until(BEGIN + 7 * DAY)
    counts = world.counts()
    assert {name: counts[name] for name in HOURLY} == dict.fromkeys(HOURLY, 168)
    # once at the start, since nothing was done since the day before, and at its time on each of seven days
    assert (counts["train har_bootstrap"], counts["retention"]) == (8, 8)
    assert set(counts) == {*HOURLY, "train har_bootstrap", "retention"}


def test_the_hourly_steps_follow_one_another_within_a_minute_of_the_hour() -> None:
    world = World()
    world.run_until(BEGIN + 12 * HOUR)
    for hour in range(1, 12):
        slot = BEGIN + hour * HOUR
        begins = [next(at for at in world.times(name) if at >= slot) for name in HOURLY]
        assert begins[0] == slot
        assert begins == sorted(begins)
        assert begins[4] - slot <= MINUTE


def test_training_is_at_its_time_of_day() -> None:
    world = World(Plan(train_at="05:45"))
    world.run_until(BEGIN + 3 * DAY)
    assert [f"{at:%d %H:%M}" for at in world.times("train har_bootstrap")[1:]] == ["02 05:45", "03 05:45", "04 05:45"]


@pytest.mark.parametrize("name", [*HOURLY, "train har_bootstrap", "retention"])
def test_a_step_that_always_fails_stops_no_other(name: str) -> None:
    world = World(fails=lambda step, moment: step.name == name and moment > BEGIN + 2 * HOUR)
    world.run_until(BEGIN + 2 * DAY)
    counts = world.counts()
    for other in HOURLY:
        assert counts[other] == 48 or other == name, other
    assert counts["train har_bootstrap"] == 3 or name.startswith("train")
    assert counts[name] > 48 * (name in HOURLY) + 3


def test_a_failing_step_is_tried_again_later_each_time_and_anew_at_its_regular_time() -> None:
    world = World(fails=lambda step, moment: step.name == "score" and moment > BEGIN + HOUR)
    world.run_until(BEGIN + 3 * HOUR)
    second = [at for at in world.times("score") if BEGIN + HOUR <= at < BEGIN + 2 * HOUR]
    waits = [after - before for before, after in pairwise(second)]
    assert 4 <= len(second) <= 10
    assert waits[0] < 2 * MINUTE
    assert waits[2] > 2 * waits[0]
    assert max(waits) <= timedelta(minutes=16)
    assert any(BEGIN + 2 * HOUR <= at <= BEGIN + 2 * HOUR + MINUTE for at in world.times("score"))


def test_what_was_forecast_of_old_counts_is_forecast_again_once_they_are_counted() -> None:
    late = BEGIN + HOUR + 2 * MINUTE
    world = World(fails=lambda step, moment: step.name == "refresh" and BEGIN + HOUR <= moment < late)
    world.run_until(BEGIN + 2 * HOUR)
    counted = next(at for at in world.times("refresh") if at >= late)
    forecasts = [at for at in world.times("forecast 168 h") if at >= BEGIN + HOUR]
    assert len(forecasts) == 2
    assert forecasts[0] < counted < forecasts[1] <= counted + MINUTE


def test_what_a_machine_whose_clock_is_ahead_counted_is_scored_once() -> None:
    world = World()
    world.run_until(BEGIN + HOUR + timedelta(seconds=1))
    world.past[0] = replace(world.past[0], status="succeeded", finished_at=world.moment + MINUTE)
    world.run_until(BEGIN + HOUR + 10 * MINUTE)
    assert len([at for at in world.times("score") if at >= BEGIN + HOUR]) == 1


def test_after_a_long_sleep_only_the_latest_hour_is_made_up() -> None:
    world = World()
    world.run_until(BEGIN + 2 * HOUR)
    before = world.counts()
    world.moment += 3 * DAY
    world.run_until(world.moment + 10 * MINUTE)
    assert {name: world.counts()[name] - before[name] for name in before} == dict.fromkeys(before, 1)


def test_a_service_that_starts_anew_neither_repeats_nor_skips() -> None:
    world = World()
    world.run_until(BEGIN + 90 * MINUTE)
    before = world.counts()
    world.begun = world.moment
    world.run_until(BEGIN + 2 * HOUR)
    assert world.counts() == before
    world.run_until(BEGIN + 2 * HOUR + 5 * MINUTE)
    assert world.counts()["forecast 168 h"] == before["forecast 168 h"] + 1


def test_without_any_model_the_forecast_waits_for_the_first_training() -> None:
    world = World()
    world.run_until(BEGIN + 20 * MINUTE)
    assert world.times("forecast 24 h")[0] >= world.times("train har_bootstrap")[0] + LENGTHS["train"]


def test_without_any_model_nothing_is_forecast() -> None:
    world = World(fails=lambda step, moment: step.kind == "train")
    world.run_until(BEGIN + 3 * HOUR)
    assert set(world.counts()) == {"refresh", "score", "train har_bootstrap", "retention"}


def test_before_an_hour_is_counted_nothing_is_trained() -> None:
    steps = schedule.steps(Plan(), BEGIN, artifact_dir="/a", timezone="UTC", counted=False)
    assert [step.name for step in steps] == ["refresh", "score", "retention"]


def test_what_others_started_counts() -> None:
    world = World()
    world.run_until(BEGIN + HOUR + timedelta(seconds=7))  # counted, and being scored
    by_hand = replace(world.standings()["forecast 168 h"].step, parameters={"horizon": 168, "model": None, "seed": 1})
    world.start(by_hand)
    world.run_until(BEGIN + HOUR + 30 * MINUTE)
    assert len([at for at in world.times("forecast 168 h") if at >= BEGIN + HOUR]) == 1


@pytest.mark.parametrize(
    "other",
    [{"horizon": 48}, {"horizon": 168, "model": "hawkes"}, {"horizon": 168, "as_of": "2026-01-01T00:00Z"}],
)
def test_what_others_started_with_other_parameters_does_not(other: dict[str, Any]) -> None:
    steps = schedule.steps(Plan(), BEGIN, artifact_dir="/a", timezone="UTC")
    step = next(step for step in steps if step.name == "forecast 168 h")
    attempt = Attempt(1, "forecast", "succeeded", other, BEGIN, BEGIN, BEGIN, BEGIN, None)
    assert not step.is_of(attempt)
    assert step.is_of(replace(attempt, parameters={"horizon": 168, "model": None, "version": None}))


def test_a_run_that_an_operator_called_off_waits_for_its_next_regular_time() -> None:
    world = World()
    world.run_until(BEGIN + HOUR)
    world.moment = BEGIN + HOUR
    world.finish()
    [step] = [one.step for one in world.standings().values() if one.step.name == "refresh"]
    world.start(step)
    world.past[0] = replace(world.past[0], status="cancelled", cancel_requested_at=world.moment)
    world.run_until(BEGIN + 2 * HOUR)
    assert len([at for at in world.times("refresh") if at >= BEGIN + HOUR]) == 1
    assert len([at for at in world.times("forecast 24 h") if at >= BEGIN + HOUR]) == 1  # the others do not wait


def test_a_run_that_the_last_service_ended_is_done_by_the_next() -> None:
    world = World()
    world.start(world.standings()["train har_bootstrap"].step)
    world.past[0] = replace(world.past[0], status="cancelled", cancel_requested_at=world.moment)
    world.begun = world.moment = BEGIN + MINUTE
    world.run_until(BEGIN + 3 * MINUTE)
    assert world.counts()["train har_bootstrap"] == 2


def test_a_lost_run_is_tried_again() -> None:
    world = World()
    world.start(world.standings()["refresh"].step)
    world.moment = BEGIN + 5 * MINUTE
    assert world.standings()["refresh"].failures == 1
    assert world.standings()["refresh"].open(world.moment)


def test_once_takes_no_account_of_failures_before_it_and_tries_a_step_one_time() -> None:
    [step, *_] = schedule.steps(Plan(), BEGIN, artifact_dir="/a", timezone="UTC")
    failed = Attempt(1, "refresh", "failed", {}, BEGIN, BEGIN, BEGIN, BEGIN, None)
    moment = BEGIN + timedelta(seconds=10)
    assert not schedule.judge([step], [failed], moment, BEGIN)["refresh"].open(moment)
    assert schedule.judge([step], [failed], moment, moment, once=True)["refresh"].open(moment)
    assert not schedule.judge([step], [failed], moment + 30 * MINUTE, BEGIN, once=True)["refresh"].open(
        moment + 30 * MINUTE
    )


@given(st.integers(1, 200), st.integers(0, 2**31))
def test_a_wait_is_at_least_half_of_what_doubling_gives_and_never_longer(failures: int, seed: int) -> None:
    longest = timedelta(minutes=15)
    whole = min(MINUTE * 2 ** min(failures - 1, 30), longest)
    wait = backoff(failures, longest, seed)
    assert whole / 2 <= wait <= whole
    assert wait == backoff(failures, longest, seed)


def test_the_plan_is_kept_in_the_database(engine: Engine) -> None:
    assert schedule.read(engine) == Plan()
    texts = {
        "train_at": "4:05".zfill(5),
        "train_models": "hawkes, seasonal_naive",
        "windows": "",
        "horizons": "168,24",
    }
    changed = schedule.change(engine, texts)
    assert changed == Plan(
        train_at="04:05", train_models=("hawkes", "seasonal_naive"), windows=(), horizons=(24, 168)
    )
    assert schedule.change(engine, {"minute": "5"}) == replace(changed, minute=5) == schedule.read(engine)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("train_at", "25:00"),
        ("minute", "60"),
        ("refresh_minutes", "0"),
        ("horizons", "0"),
        ("windows", "someday"),
        ("train_models", "oracle"),
        ("model", "hawkes,pool"),
        ("colour", "red"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(engine: Engine, name: str, value: str) -> None:
    with pytest.raises(UsageError, match=name):
        schedule.change(engine, {name: value})
    assert schedule.read(engine) == Plan()


def test_every_part_says_what_is_wrong_with_it(engine: Engine) -> None:
    texts = schedule.texts(Plan()) | {"minute": "60", "train_at": "noon", "horizons": "24"}
    assert schedule.problems(texts) == {
        "minute": "it must be a whole number from 0 to 59",
        "train_at": "it must be a time of day, such as 03:30",
    }


def test_a_plan_can_be_stored_from_its_own_texts(engine: Engine) -> None:
    plan = schedule.change(engine, {"model": "hawkes", "windows": "none", "train_models": ""})
    assert (plan.windows, plan.train_models) == ((), ())
    assert schedule.change(engine, schedule.texts(plan)) == plan
    assert schedule.change(engine, {"model": "none"}).model is None


def test_a_new_version_is_considered_once() -> None:
    step = schedule.promotion("hawkes", "v3", BEGIN)
    done = Attempt(1, "promote", "succeeded", {"model": "hawkes", "version": "v3"}, BEGIN, BEGIN, BEGIN, BEGIN, None)
    moment = BEGIN + HOUR
    assert schedule.judge([step], [done], moment, BEGIN)[step.name].done
    assert not schedule.judge(
        [step], [replace(done, parameters={"model": "hawkes", "version": "v2"})], moment, BEGIN
    )[step.name].done
