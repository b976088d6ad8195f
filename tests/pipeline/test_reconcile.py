"""Reconciling: deleted posts are marked, returned ones unmarked, hours that lack posts are fetched and named."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fake_x import NOON, Clock, FakeX
from sqlalchemy import Engine, select

from musktracker.db.engines import reading, writing
from musktracker.db.queries import ingestion
from musktracker.db.tables import FetchRange, RawTweet
from musktracker.errors import UsageError
from musktracker.pipeline import reconcile as stage
from musktracker.pipeline import spending, store
from musktracker.pipeline.account import Account
from musktracker.pipeline.reconcile import Reconciler
from musktracker.pipeline.walk import Walker
from musktracker.reporting import Run
from musktracker.sources.x_errors import Unavailable
from musktracker.timeline import DAY, HOUR, Span, iso, snowflake_time

MINUTE = timedelta(minutes=1)
HOUR_START = NOON - 5 * HOUR


@pytest.fixture
def run() -> Run:
    return Run()


@pytest.fixture
def reconciler(engine: Engine, run: Run, api: FakeX, clock: Clock, account: Account) -> Reconciler:
    walker = Walker(engine, run, api, account, clock=clock, sleep=clock.sleep)
    return Reconciler(engine, run, api, account, walker)


def hold(engine: Engine, api: FakeX, ids: list[int], span: Span) -> None:
    """Store these posts, and that a span is covered."""
    posts = [store.NewPost(number, snowflake_time(number), api.posts.get(number)) for number in ids]
    with writing(engine) as connection:
        store.store_posts(connection, "x_api", posts, NOON)
        store.cover(connection, "x_api", [span], moment=NOON)


def deleted(engine: Engine) -> dict[int, Any]:
    query = select(RawTweet.tweet_id, RawTweet.deleted_at).where(RawTweet.is_deleted.is_(True))
    with reading(engine) as connection:
        return {int(number): moment for number, moment in connection.execute(query)}


def stored(engine: Engine) -> set[int]:
    with reading(engine) as connection:
        return {int(text) for text in connection.scalars(select(RawTweet.tweet_id))}


async def test_a_deleted_post_is_marked_once_and_stays(engine: Engine, api: FakeX, reconciler: Reconciler) -> None:
    ids = api.add(*(NOON - HOUR * i for i in range(1, 6)))
    hold(engine, api, ids, Span(NOON - DAY, NOON))
    api.deleted = {ids[1]}
    found = await reconciler.look_up(NOON - DAY)
    assert found == {"looked_up": 5, "deleted": 1, "returned": 0, "unknown": 0}
    assert deleted(engine) == {ids[1]: NOON}
    api.now += HOUR
    assert (await reconciler.look_up(NOON - DAY))["deleted"] == 0
    assert deleted(engine) == {ids[1]: NOON}
    assert stored(engine) == set(ids)


async def test_a_post_that_is_back_is_unmarked(engine: Engine, api: FakeX, reconciler: Reconciler) -> None:
    ids = api.add(NOON - HOUR)
    hold(engine, api, ids, Span(NOON - DAY, NOON))
    api.deleted = set(ids)
    await reconciler.look_up(NOON - DAY)
    api.deleted = set()
    assert (await reconciler.look_up(NOON - DAY))["returned"] == 1
    assert deleted(engine) == {}


async def test_a_post_of_which_the_api_says_nothing_stays_as_it_is(
    engine: Engine, api: FakeX, reconciler: Reconciler
) -> None:
    ids = api.add(NOON - HOUR, NOON - 2 * HOUR)
    hold(engine, api, ids, Span(NOON - DAY, NOON))
    api.withheld = {ids[0]}
    assert (await reconciler.look_up(NOON - DAY))["unknown"] == 1
    assert deleted(engine) == {}


async def test_an_edited_post_is_not_gone(engine: Engine, api: FakeX, reconciler: Reconciler) -> None:
    ids = api.add(NOON - HOUR)
    hold(engine, api, ids, Span(NOON - DAY, NOON))
    api.edit(ids[0], NOON - HOUR + MINUTE)
    assert (await reconciler.look_up(NOON - DAY))["deleted"] == 0


async def test_only_posts_of_the_days_asked_for_are_looked_up_a_hundred_at_once(
    engine: Engine, api: FakeX, reconciler: Reconciler
) -> None:
    recent = api.add(*(NOON - MINUTE * i for i in range(1, 251)))
    old = api.add(NOON - 3 * DAY)
    hold(engine, api, recent + old, Span(NOON - 4 * DAY, NOON))
    assert (await reconciler.look_up(NOON - DAY))["looked_up"] == 250
    assert api.requests.count("lookup") == 3
    assert spending.spent(engine, NOON.date()).posts == 250 == api.billed


async def test_looking_up_stops_at_the_day_s_limit(engine: Engine, api: FakeX, reconciler: Reconciler) -> None:
    ids = api.add(*(NOON - MINUTE * i for i in range(1, 251)))
    hold(engine, api, ids, Span(NOON - DAY, NOON))
    spending.set_limit(engine, "1.10")
    with pytest.raises(spending.SpendingLimitReached):
        await reconciler.look_up(NOON - DAY)
    assert api.billed == 200


async def test_when_much_is_gone_at_once_it_says_what_that_may_mean(
    engine: Engine, api: FakeX, reconciler: Reconciler, run: Run
) -> None:
    ids = api.add(*(NOON - MINUTE * i for i in range(1, 101)))
    hold(engine, api, ids, Span(NOON - DAY, NOON))
    api.deleted = set(ids)
    await reconciler.look_up(NOON - DAY)
    assert any("reconcile again once it is back" in line.message for line in run.lines if line.level == "warning")


async def test_an_hour_that_lacks_posts_is_fetched_again(engine: Engine, api: FakeX, reconciler: Reconciler) -> None:
    ids = api.add(*(HOUR_START + MINUTE * i for i in range(10)), HOUR_START - HOUR)
    hold(engine, api, ids[3:], Span(NOON - DAY, NOON))
    found = await reconciler.compare(Span(NOON - DAY, NOON))
    assert (found["lacking"], found["found"], found["still_lacking"]) == (1, 3, [])
    assert found["hours"] == 23
    assert stored(engine) == set(ids)
    assert reconciler.microdollars == 10 * spending.POST + spending.COUNTS["recent"]


@pytest.mark.parametrize("days", [5, 40])
async def test_what_still_differs_is_a_line_and_in_the_result(
    engine: Engine, api: FakeX, reconciler: Reconciler, run: Run, days: int
) -> None:
    hour = NOON - days * DAY
    ids = api.add(hour, hour + MINUTE)
    hold(engine, api, ids[:1], Span(NOON - days * DAY, NOON))
    api.hidden = set(ids[1:])
    found = await reconciler.compare(Span(NOON - days * DAY, NOON))
    assert found["still_lacking"] == [[iso(hour), 1, 2]]
    assert f"{iso(hour)}: 1 posts stored, 2 counted by the API" in [line.message for line in run.lines]
    assert api.requests[-1] == ("all" if days > 7 else "recent")
    with reading(engine) as connection:
        assert connection.execute(select(FetchRange.id)).all() == []


async def test_more_stored_than_counted_is_said_and_nothing_is_bought(
    engine: Engine, api: FakeX, reconciler: Reconciler, run: Run
) -> None:
    ids = api.add(HOUR_START)
    hold(engine, api, ids, Span(NOON - DAY, NOON))
    api.posts.clear()
    assert (await reconciler.compare(Span(NOON - DAY, NOON)))["lacking"] == 0
    assert f"{iso(HOUR_START)}: 1 posts stored, 0 counted by the API" in [line.message for line in run.lines]
    assert api.requests == ["counts/recent"]


async def test_hours_that_nobody_observed_are_not_compared(
    engine: Engine, api: FakeX, reconciler: Reconciler
) -> None:
    api.add(HOUR_START)
    hold(engine, api, [], Span(HOUR_START + HOUR, NOON))
    found = await reconciler.compare(Span(NOON - DAY, NOON))
    assert (found["hours"], found["lacking"]) == (3, 0)


async def test_without_counts_of_all_posts_the_last_week_is_compared(
    engine: Engine, api: FakeX, reconciler: Reconciler
) -> None:
    api.archive = False
    ids = api.add(HOUR_START, HOUR_START + MINUTE)
    hold(engine, api, ids[:1], Span(NOON - 30 * DAY, NOON))
    found = await reconciler.compare(Span(NOON - 30 * DAY, NOON))
    assert found["found"] == 1
    assert 160 < found["hours"] < 168


async def test_a_recheck_that_is_cut_off_is_nobody_s_to_finish_and_made_good_by_the_next_comparison(
    engine: Engine, api: FakeX, reconciler: Reconciler
) -> None:
    ids = api.fill(Span(HOUR_START, HOUR_START + HOUR), 600)
    hold(engine, api, [], Span(NOON - DAY, NOON))
    asked = 0

    def fail(_: str) -> None:
        nonlocal asked
        asked += 1
        if asked > 5:
            raise Unavailable("The API is down")

    api.before_request = fail
    with pytest.raises(Unavailable):
        await reconciler.compare(Span(NOON - DAY, NOON))
    assert 0 < len(stored(engine)) < 600
    assert ingestion.state(engine, NOON).open_ranges == ()
    api.before_request = lambda _: None
    await reconciler.compare(Span(NOON - DAY, NOON))
    assert stored(engine) == set(ids)


@pytest.mark.parametrize("days", [0, -1, 20_000])
def test_days_that_cannot_be_are_refused(engine: Engine, days: int) -> None:
    with pytest.raises(UsageError):
        stage.reconcile(engine, Run(), days=days)
