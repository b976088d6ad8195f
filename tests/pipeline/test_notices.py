"""A change is told once, in words, with since when; it is kept up to date, and closed when it is over."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import IntegrityError
from stored_hours import store_hours

from musktracker.db.engines import reading, writing
from musktracker.db.tables import Notice
from musktracker.evaluation.drift import Expected, LevelDrift, ProfileDrift
from musktracker.models.base import History
from musktracker.pipeline import notices
from musktracker.pipeline.history import Known
from musktracker.pipeline.monitor import score
from musktracker.reporting import Run
from musktracker.timeline import from_hour_index

UNTIL = 24 * 20_000
START = UNTIL - 24 * 400
SHAPE = 1 + 0.8 * np.sin(np.arange(24) / 24 * 2 * np.pi)
RNG = np.random.default_rng(1)
STEADY = RNG.poisson(np.tile(3 * SHAPE, 400)).astype(float)


def rows(engine: Engine) -> list[Any]:
    with reading(engine) as connection:
        return list(connection.execute(select(Notice.__table__).order_by(Notice.id)))


def with_last(days: int, counts: Any) -> History:
    return History(START, np.concatenate([STEADY[: -24 * days], counts]))


def tripled(days: int = 10) -> History:
    return with_last(days, 3 * STEADY[-24 * days :])


def moved() -> History:
    return with_last(28, np.roll(STEADY[-24 * 28 :], 6))


def check(engine: Engine, history: History, run: Run | None = None, counting: str = "all") -> list[notices.Verdict]:
    return notices.check(engine, run or Run(), Known(history, counting))


def test_an_account_as_ever_gives_no_notice(engine: Engine) -> None:
    found = check(engine, History(START, STEADY))
    assert [verdict.kind for verdict in found] == ["level_drift", "profile_drift"]
    assert rows(engine) == []


def test_a_level_that_rose_is_told_with_how_much_and_since_when(engine: Engine) -> None:
    run = Run()
    check(engine, tripled(), run)
    (row,) = rows(engine)
    since = from_hour_index(UNTIL - 240)
    assert (row.kind, row.since, row.resolved_at) == ("level_drift", since, None)
    by = 100 * (3 * STEADY[-240:].mean() / STEADY[-240 - 24 * 28 : -240].mean() - 1)
    assert row.message == f"the level rose by about {5 * round(by / 5)}% around {since:%Y-%m-%d}"
    assert [(line.level, line.message) for line in run.lines] == [("warning", row.message)]


def test_hours_of_posting_that_moved_are_told_with_where_to(engine: Engine) -> None:
    check(engine, moved())
    (row,) = rows(engine)
    assert (row.kind, row.since) == ("profile_drift", from_hour_index(UNTIL - 28 * 24))
    assert row.message.startswith(f"the hours of posting changed around {row.since:%Y-%m-%d}: more at ")


def test_a_second_time_changes_nothing_and_says_nothing(engine: Engine) -> None:
    check(engine, tripled())
    before, again = rows(engine), Run()
    check(engine, tripled(), again)
    assert rows(engine) == before
    assert again.lines == []


def test_a_change_that_goes_on_stays_the_same_notice(engine: Engine) -> None:
    check(engine, tripled())
    (before,) = rows(engine)
    longer = tripled()
    check(engine, History(START, np.concatenate([longer.counts, 3 * STEADY[:24]])))
    (after,) = rows(engine)
    assert (after.id, after.found_at, after.since) == (before.id, before.found_at, before.since)
    assert after.details != before.details


def test_a_change_that_is_over_is_resolved_and_a_new_one_is_another_notice(engine: Engine) -> None:
    check(engine, tripled())
    run = Run()
    check(engine, History(START, STEADY), run)
    (row,) = rows(engine)
    assert row.resolved_at is not None
    assert run.lines[0].message == f"No longer so: {row.message}"
    check(engine, tripled())
    assert [row.resolved_at is None for row in rows(engine)] == [False, True]


def test_a_change_that_is_only_less_certain_is_not_over(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    check(engine, moved())
    before = rows(engine)
    shape = np.ones(24)
    for p_value, kept in ((0.05, True), (0.5, False)):
        unsure = ProfileDrift(UNTIL, 1.0, p_value, None, shape, shape)
        monkeypatch.setattr(notices.drift, "profile", lambda *_, unsure=unsure: unsure)
        check(engine, History(START, STEADY))
        assert (rows(engine) == before) is kept
    assert rows(engine)[0].resolved_at is not None


def test_a_change_the_other_way_is_another_notice(engine: Engine) -> None:
    check(engine, tripled())
    check(engine, with_last(10, np.floor(STEADY[-240:] / 4)))
    first, second = rows(engine)
    assert first.resolved_at is not None
    assert second.resolved_at is None
    assert "fell by about" in second.message


def test_a_change_of_other_posts_that_count_is_another_notice(engine: Engine) -> None:
    check(engine, tripled())
    check(engine, tripled(), counting="without_replies")
    first, second = rows(engine)
    assert first.resolved_at is not None
    assert (second.resolved_at, json.loads(second.details)["counting"]) == (None, "without_replies")


def test_where_too_little_is_known_a_notice_stays_as_it_is(engine: Engine) -> None:
    check(engine, tripled())
    before = rows(engine)
    assert check(engine, History(0, np.empty(0))) == []
    assert rows(engine) == before


def test_no_two_notices_of_a_kind_are_open(engine: Engine) -> None:
    check(engine, tripled())
    values = {"kind": "level_drift", "message": "m", "details": "{}", "since": datetime(2025, 1, 1, tzinfo=UTC)}
    with pytest.raises(IntegrityError), writing(engine) as connection:
        connection.execute(insert(Notice).values(**values, found_at=values["since"]))


def test_a_change_whose_size_contradicts_its_direction_is_told_without_it() -> None:
    windows = (Expected(7, 50.0, 40.0, 20.0, 80.0),)
    contrary = notices._of_level(LevelDrift(UNTIL, 9.0, 8.0, True, UNTIL - 48, 0.9, windows))
    unknown = notices._of_level(LevelDrift(UNTIL, 9.0, 8.0, False, UNTIL - 48, None, windows))
    assert contrary.message == f"the level rose around {from_hour_index(UNTIL - 48):%Y-%m-%d}"
    assert unknown.message == f"the level fell around {from_hour_index(UNTIL - 48):%Y-%m-%d}"


def test_the_hours_named_are_those_that_changed_most_across_midnight_too() -> None:
    before = np.ones(24)
    recent = before.copy()
    recent[[22, 23, 0, 1]] += 0.5
    recent[[8, 9, 10, 11]] -= 0.5
    found = notices._of_profile(ProfileDrift(UNTIL, 9.0, 0.001, UNTIL - 168, recent, before))
    assert found.message.endswith("more at 22-02, fewer at 08-12 (ET)")


def test_scoring_looks_for_change_and_says_what_it_found(engine: Engine) -> None:
    store_hours(engine, tripled().counts.astype(int), from_hour_index(START))
    (message,) = score(engine, Run())["changes"]
    assert [row.message for row in rows(engine)] == [message]
    assert score(engine, Run())["changes"] == [message]
    assert len(rows(engine)) == 1
