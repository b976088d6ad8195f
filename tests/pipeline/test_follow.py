"""Following an account, and going back: every post once and none lost, whatever the API does, whenever it ends."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from fake_x import NOON, Clock, FakeX
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, func, select, update
from sqlalchemy.exc import OperationalError

from musktracker import leases, runs, timeline
from musktracker.db.engines import reading, writing
from musktracker.db.queries import coverage
from musktracker.db.tables import (
    ApiLimit,
    BoughtPost,
    Coverage,
    CoverageHole,
    DatabaseSetting,
    FetchRange,
    HighWaterMark,
    RawTweet,
    RunLogLine,
    RunRow,
    Spending,
)
from musktracker.errors import UsageError
from musktracker.pipeline import backfill, fetch_price, ranges, spending, store, walk
from musktracker.pipeline.account import Account
from musktracker.pipeline.backfill import Backfill
from musktracker.pipeline.follow import REREAD, Follower
from musktracker.pipeline.observed import SETTLE, UNREADABLE
from musktracker.pipeline.passed import LAG, STRAYS
from musktracker.pipeline.walk import Walker
from musktracker.reporting import Run
from musktracker.run_info import STALE
from musktracker.sources.x_errors import CreditsDepleted, Forbidden, Unauthorized, Unavailable, XApiError
from musktracker.sources.x_pages import Usage
from musktracker.timeline import DAY, HOUR, Span, floor_hour, snowflake_time

MINUTE = timedelta(minutes=1)
TABLES = (RawTweet, Coverage, CoverageHole, FetchRange, HighWaterMark, Spending, BoughtPost, DatabaseSetting)


class Killed(BaseException):
    """The process is gone; nothing may catch this."""


Make = Callable[..., Follower]


@pytest.fixture
def follower(engine: Engine, api: FakeX, clock: Clock, account: Account) -> Make:
    def make(run: Run | None = None) -> Follower:
        return Follower(engine, run or Run(), api, account, clock=clock, sleep=clock.sleep)

    return make


@pytest.fixture
def go_back(engine: Engine, api: FakeX, clock: Clock, account: Account) -> Callable[..., Any]:
    async def backfill(start: datetime, end: datetime | None = None, via: Any = "auto", **options: Any) -> Walker:
        run = options.pop("run", None) or Run()
        walker = Walker(engine, run, api, account, escalate=via == "auto", clock=clock, sleep=clock.sleep)
        again = options.pop("again", False)
        await Backfill(engine, run, api, account, walker).carry_out(Span(start, end or api.now), via, again=again)
        return walker

    return backfill


def stored(engine: Engine) -> set[int]:
    with reading(engine) as connection:
        return {int(text) for text in connection.scalars(select(RawTweet.tweet_id))}


def covered(engine: Engine) -> list[Span]:
    return [Span(span.start, span.end) for span in coverage.spans(engine, source="x_api")]


def holes(engine: Engine) -> list[tuple[Span, str]]:
    with reading(engine) as connection:
        rows = connection.execute(select(CoverageHole.__table__).order_by(CoverageHole.span_start)).all()
    return [(Span(row.span_start, row.span_end), row.reason) for row in rows]


def count(engine: Engine, table: Any) -> int:
    with reading(engine) as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def emptied(engine: Engine) -> None:
    with writing(engine) as connection:
        for table in TABLES:
            connection.execute(delete(table))


async def test_a_first_poll_looks_a_day_back(engine: Engine, api: FakeX, follower: Make) -> None:
    api.fill(Span(NOON - 3 * DAY, NOON), 100)
    await follower().poll()
    start = NOON - SETTLE - DAY - REREAD
    assert stored(engine) == {n for n in api.truth if snowflake_time(n) >= start}
    assert covered(engine) == [Span(start, NOON - SETTLE)]


async def test_a_first_poll_goes_on_where_a_file_ended(engine: Engine, api: FakeX, follower: Make) -> None:
    api.fill(Span(NOON - 6 * DAY, NOON), 100)
    file = Span(NOON - 30 * DAY, NOON - 5 * DAY)
    with writing(engine) as connection:
        store.cover(connection, "file", [file], moment=NOON)
    await follower().poll()
    assert covered(engine) == [Span(file.end - REREAD, NOON - SETTLE)]
    assert coverage.holes(engine, Span(file.start, NOON - SETTLE)) == []


async def test_kinds_are_stored(engine: Engine, api: FakeX, follower: Make) -> None:
    made = {api.add(NOON - HOUR, kind=kind)[0]: kind for kind in ("original", "reply", "quote", "repost")}
    await follower().poll()
    with reading(engine) as connection:
        rows = connection.execute(select(RawTweet.tweet_id, RawTweet.kind, RawTweet.source)).all()
    assert {int(number): kind for number, kind, _ in rows} == made
    assert {source for _, _, source in rows} == {"x_api"}


async def test_a_clock_that_is_fast_makes_no_time_observed_that_was_not(
    engine: Engine, api: FakeX, clock: Clock, follower: Make
) -> None:
    api.ahead = 10 * MINUTE  # what the client takes the API's time to be until an answer tells
    await follower().poll()
    assert covered(engine)[0].end == NOON - SETTLE
    assert snowflake_time((ranges.high_water_mark(engine) or 0) + 1) == NOON - SETTLE


async def test_an_api_whose_clock_is_fast_makes_no_time_observed_that_was_not(
    engine: Engine, api: FakeX, clock: Clock, follower: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    poller = follower()
    await poller.poll()
    monkeypatch.setattr(api, "server_now", lambda: api.now + 3 * DAY)
    await poller.poll()
    assert covered(engine)[0].end == NOON - SETTLE
    assert snowflake_time((ranges.high_water_mark(engine) or 0) + 1) == NOON - SETTLE


async def test_a_backfill_makes_no_time_observed_that_was_not(
    engine: Engine, api: FakeX, go_back: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.add(NOON - 2 * DAY)
    monkeypatch.setattr(api, "server_now", lambda: api.now + 3 * DAY)
    await go_back(NOON - DAY, NOON + DAY, via="timeline")
    assert covered(engine) == [Span(NOON - DAY, NOON - SETTLE)]


async def test_a_post_of_a_time_to_come_is_left_out_and_said(
    engine: Engine, api: FakeX, follower: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    [there] = api.add(NOON - HOUR)
    [never] = api.add(NOON + 3_650 * DAY)
    monkeypatch.setattr(api, "_there", lambda: [there, never])
    run = Run()
    await follower(run).poll()
    assert stored(engine) == {there}
    assert [line.message for line in run.lines if line.level == "warning"] == [
        "1 posts have ids of a time to come, and are left out"
    ]


async def test_a_post_of_the_hours_to_come_is_left_out_until_they_are_there_and_said_once(
    engine: Engine, api: FakeX, follower: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon, later = api.add(NOON + 4 * MINUTE, NOON + 20 * HOUR)
    monkeypatch.setattr(api, "_there", lambda: [soon, later])
    run = Run()
    poller = follower(run)
    for _ in range(3):
        await poller.poll()
    assert stored(engine) == {soon}
    assert [line.fields for line in run.lines if line.level == "warning"] == [{"first": str(later)}]
    api.now += 20 * HOUR
    await poller.poll()
    assert stored(engine) == {soon, later}


@pytest.mark.parametrize(("ahead", "days"), [(-3 * DAY, 0), (-DAY, 0), (DAY, 1), (20 * DAY, 0)])
async def test_an_api_whose_clock_is_wrong_opens_no_other_day_s_budget(
    engine: Engine, api: FakeX, follower: Make, monkeypatch: pytest.MonkeyPatch, ahead: timedelta, days: int
) -> None:
    api.fill(Span(NOON - HOUR, NOON), 30)
    monkeypatch.setattr(api, "server_now", lambda: api.now + ahead)
    poller = follower()
    await poller.walker.walk(ranges.of_span(Span(NOON - HOUR, NOON), "follow", "timeline"))
    assert spending.spent(engine, (NOON + days * DAY).date()).posts == 30


async def test_a_clock_that_is_put_back_makes_no_poll_late(
    engine: Engine, api: FakeX, clock: Clock, follower: Make
) -> None:
    def put_back(asked: str) -> None:
        api.now -= HOUR

    api.before_request = put_back

    class Enough(Exception):
        pass

    def stop() -> None:
        raise Enough

    clock.at_sleep = stop
    with pytest.raises(Enough):
        await follower().follow(10.0)
    assert clock.slept == [10.0]


async def test_polling_again_changes_nothing_but_how_far_it_saw(engine: Engine, api: FakeX, follower: Make) -> None:
    api.fill(Span(NOON - DAY, NOON), 50)
    await follower().poll()
    before = stored(engine)
    api.now += MINUTE
    again = follower()
    assert await again.poll() == 0
    assert stored(engine) == before
    assert covered(engine) == [Span(NOON - SETTLE - DAY - REREAD, api.now - SETTLE)]
    assert again.walker.tally.microdollars == 0


async def test_a_post_that_shows_late_is_found_within_two_hours(engine: Engine, api: FakeX, follower: Make) -> None:
    [late] = api.add(NOON - MINUTE)
    api.hidden.add(late)
    poller = follower()
    await poller.poll()
    assert stored(engine) == set()
    api.hidden.clear()
    api.now += timedelta(minutes=110)
    await poller.poll()
    assert stored(engine) == {late}


async def test_after_a_week_down_nothing_is_missing(engine: Engine, api: FakeX, follower: Make) -> None:
    await follower().poll()
    [late] = api.add(NOON - HOUR)
    api.fill(Span(NOON, NOON + 7 * DAY), 1_000)
    api.now += 7 * DAY
    await follower().poll()
    assert stored(engine) == api.truth
    assert late in stored(engine)
    assert len(covered(engine)) == 1


async def test_an_edited_post_counts_once(engine: Engine, api: FakeX, follower: Make) -> None:
    [first] = api.add(NOON - HOUR)
    await follower().poll()
    for minutes in (10, 20):
        api.now += 10 * MINUTE
        latest = max(api.posts)
        api.edit(latest, NOON + timedelta(minutes=minutes - 5))
        await follower().poll()
    assert stored(engine) == {first} == api.truth


async def test_a_deleted_post_that_is_seen_again_is_not_deleted(engine: Engine, api: FakeX, follower: Make) -> None:
    [number] = api.add(NOON - HOUR)
    await follower().poll()
    with writing(engine) as connection:
        store.mark_deleted(connection, [str(number)], NOON)
    api.now += MINUTE
    await follower().poll()
    with reading(engine) as connection:
        assert connection.execute(select(RawTweet.is_deleted, RawTweet.deleted_at)).one() == (False, None)


async def test_a_walk_that_is_cut_off_leaves_what_lies_below_and_moves_no_mark(
    engine: Engine, api: FakeX, follower: Make
) -> None:
    api.fill(Span(NOON - DAY, NOON), 1_000)
    await_pages(api, 6)
    with pytest.raises(Unavailable):
        await follower().poll()
    [left] = ranges.still_to_fetch(engine, "follow")
    assert left.low < left.high < left.top
    assert {n for n in api.truth if n > left.high} <= stored(engine)
    assert (covered(engine), ranges.high_water_mark(engine)) == ([], None)
    api.before_request = lambda _: None
    await follower().poll()
    assert stored(engine) == api.truth
    assert ranges.still_to_fetch(engine, "follow") == []
    assert ranges.high_water_mark(engine) is not None


def await_pages(api: FakeX, n: int, error: BaseException | None = None) -> None:
    """Let so many requests succeed, then none."""
    left = n

    def count(_asked: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise error or Unavailable("The API is down")

    api.before_request = count


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    oddities=st.dictionaries(
        st.sampled_from(["swap", "overlap", "repeat", "empty", "loop"]), st.floats(0.05, 0.3), max_size=5
    ),
    kills=st.lists(st.integers(0, 12), max_size=12),
)
async def test_whatever_order_pages_come_in_and_whenever_it_is_killed_every_post_is_stored_once(
    engine: Engine, account: Account, seed: int, oddities: dict[str, float], kills: list[int]
) -> None:
    emptied(engine)
    api = FakeX()
    api.page_size = 20
    api.oddities = oddities
    clock = Clock(api)
    api.fill(Span(NOON - 20 * DAY, NOON - REREAD), 400, seed)
    span = Span(NOON - 20 * DAY, NOON)

    async def carry_out() -> None:
        walker = Walker(engine, Run(), api, account, clock=clock, sleep=clock.sleep)
        await Backfill(engine, Run(), api, account, walker).carry_out(span, "timeline", again=False)

    for requests in kills:
        await_pages(api, requests, Killed())
        try:
            await carry_out()
        except Killed:
            continue
    api.before_request = lambda _: None
    await carry_out()
    assert stored(engine) == api.truth
    assert covered(engine) == [Span(span.start, NOON - REREAD)]
    assert ranges.still_to_fetch(engine, "backfill") == []


async def test_what_a_killed_backfill_passed_over_is_found_by_the_counts_of_the_next(
    engine: Engine, api: FakeX, go_back: Any
) -> None:
    api.page_size = 20
    ids = api.fill(Span(NOON - 5 * DAY, NOON - REREAD), 200)
    api.hidden = {max(ids), sorted(ids)[-30]}  # by pages that come early, and are not asked for again
    await_pages(api, 6, Killed())
    with pytest.raises(Killed):
        await go_back(NOON - 5 * DAY)
    api.hidden = set()
    api.before_request = lambda _: None
    await go_back(NOON - 5 * DAY)
    assert stored(engine) == api.truth
    assert covered(engine) == [Span(NOON - 5 * DAY, NOON - REREAD)]


async def test_pages_that_always_lead_in_a_circle_are_walked_around(engine: Engine, api: FakeX, go_back: Any) -> None:
    api.page_size = 20
    api.fill(Span(NOON - 5 * DAY, NOON - REREAD), 100)
    api.oddities = {"loop": 1.0}
    await go_back(NOON - 5 * DAY)
    assert stored(engine) == api.truth
    assert covered(engine) == [Span(NOON - 5 * DAY, NOON - REREAD)]


async def test_what_leads_in_a_circle_however_it_is_asked_is_a_failure_that_resumes(
    engine: Engine, api: FakeX, go_back: Any
) -> None:
    api.fill(Span(NOON - 5 * DAY, NOON - REREAD), 100)
    api.always_loops = True
    with pytest.raises(Unavailable, match="leads in a circle"):
        await go_back(NOON - 5 * DAY)
    assert covered(engine) == []
    api.always_loops = False
    await go_back(NOON - 5 * DAY)
    assert stored(engine) == api.truth
    assert covered(engine) == [Span(NOON - 5 * DAY, NOON - REREAD)]


@pytest.mark.parametrize("stray", [NOON - 1_500 * DAY, NOON + 8 * HOUR, NOON + 69 * HOUR])
@pytest.mark.parametrize("page", [0, 1, 10])
async def test_a_post_out_of_its_place_hides_nothing_of_what_a_day_s_limit_left(
    engine: Engine, api: FakeX, follower: Make, stray: datetime, page: int
) -> None:
    await follower().poll()
    api.fill(Span(NOON, NOON + 70 * HOUR), 1_500)
    api.strays = {page: api.add(stray)}
    api.now += 70 * HOUR
    spending.set_limit(engine, "5.60")
    with pytest.raises(spending.SpendingLimitReached):
        await follower().poll()
    assert len(ranges.still_to_fetch(engine, "follow")) == 1
    assert len(covered(engine)) == 1
    spending.set_limit(engine, "none")
    api.now += DAY
    api.strays = {}
    await follower().poll()
    assert stored(engine) | {min(api.posts)} == api.truth
    assert len(covered(engine)) == 1
    assert api.billed <= len(api.posts) + 100 + STRAYS


@pytest.mark.parametrize("stray", [NOON - 1_500 * DAY, NOON - 65 * HOUR])
async def test_a_post_out_of_its_place_hides_nothing_of_what_a_failed_walk_left(
    engine: Engine, api: FakeX, go_back: Any, stray: datetime
) -> None:
    api.fill(Span(NOON - 70 * HOUR, NOON - REREAD), 1_500)
    api.strays = {1: api.add(stray)}
    await_pages(api, 8, Unauthorized("No token"))
    with pytest.raises(Unauthorized):
        await go_back(NOON - 70 * HOUR)
    [left] = ranges.still_to_fetch(engine, "backfill")
    assert left.low < left.high
    assert len({n for n in api.posts if left.low < n <= left.high} & stored(engine)) <= LAG * 100 + 1
    refuse_counts(api)
    await go_back(NOON - 70 * HOUR)
    assert stored(engine) == api.truth


async def test_a_post_out_of_its_place_hides_no_hole_below_the_end_of_a_timeline(
    engine: Engine, api: FakeX, follower: Make
) -> None:
    await follower().poll()
    known = covered(engine)[0]
    api.strays = {1: api.add(NOON - 1_500 * DAY)}
    api.fill(Span(NOON, NOON + 30 * DAY), 4_000)
    api.now += 30 * DAY
    await follower().poll()
    reached = snowflake_time(sorted(api.posts, reverse=True)[3_199])
    assert covered(engine) == [known, Span(reached, api.now - SETTLE)]


@pytest.mark.parametrize("page", [None, 1, 2, 5, 12])
async def test_a_walk_that_seems_to_end_too_early_goes_on_below(
    engine: Engine, api: FakeX, follower: Make, page: int | None
) -> None:
    """Where pages lose their tokens, and where one comes empty, the first one too."""
    await follower().poll()
    api.fill(Span(NOON, NOON + 70 * HOUR), 1_500)
    api.now += 70 * HOUR
    api.oddities = {"cut": 0.3} if page is None else {}
    api.emptied = set() if page is None else {len(api.requests) + page}
    await follower().poll()
    assert stored(engine) == api.truth
    assert len(covered(engine)) == 1
    assert api.billed == 1_500


async def test_a_poll_of_one_page_that_is_not_full_is_one_request(api: FakeX, follower: Make) -> None:
    await follower().poll()
    api.fill(Span(NOON, NOON + HOUR), 50)
    api.now += HOUR
    before = len(api.requests)
    await follower().poll()
    assert len(api.requests) == before + 1


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    oddities=st.dictionaries(
        st.sampled_from(["overlap", "repeat", "empty", "stray", "cut"]), st.floats(0.05, 0.3), max_size=5
    ),
    kills=st.lists(st.integers(0, 12), max_size=12),
)
async def test_strays_and_wrong_ends_lose_no_post_even_where_no_counts_tell(
    engine: Engine, account: Account, pages_of_20: None, seed: int, oddities: dict[str, float], kills: list[int]
) -> None:
    emptied(engine)
    api = FakeX()
    clock = Clock(api)
    poller = Follower(engine, Run(), api, account, clock=clock, sleep=clock.sleep)
    await poller.poll()
    api.oddities = oddities
    api.fill(Span(NOON, NOON + 20 * DAY), 400, seed)
    api.now += 20 * DAY
    for requests in kills:
        await_pages(api, requests, Killed())
        with suppress(Killed):
            await Follower(engine, Run(), api, account, clock=clock, sleep=clock.sleep).poll()
    api.before_request = lambda _: None
    await poller.poll()
    assert stored(engine) == api.truth
    assert len(covered(engine)) == 1
    assert ranges.still_to_fetch(engine, "follow") == []


@pytest.fixture
def pages_of_20(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "PAGE", dict.fromkeys(walk.PAGE, 20))


def refuse_counts(api: FakeX) -> None:
    """No counts are there to find what is missing."""

    def refuse(asked: str) -> None:
        if asked.startswith("counts"):
            raise Forbidden("The plan does not include this")

    api.before_request = refuse


async def test_a_post_that_cannot_be_read_costs_the_time_between_its_neighbours(
    engine: Engine, api: FakeX, follower: Make
) -> None:
    await follower().poll()
    known = covered(engine)[0]
    ids = sorted(api.fill(Span(NOON, NOON + 70 * HOUR), 350))
    api.unreadable = {ids[200]}
    api.now += 70 * HOUR
    run = Run()
    await follower(run).poll()
    hole = Span(snowflake_time(ids[199]), snowflake_time(ids[201]))
    assert stored(engine) == api.truth - api.unreadable
    assert holes(engine) == [(hole, UNREADABLE)]
    assert covered(engine) == [Span(known.start, hole.start), Span(hole.end, api.now - SETTLE)]
    assert ranges.still_to_fetch(engine, "follow") == []
    api.unreadable = set()
    api.now += DAY
    walker = Walker(engine, Run(), api, Account("simulated", 4_242), clock=lambda: api.now)
    await walker.walk(ranges.of_span(hole, "backfill", "timeline"))
    assert (stored(engine), holes(engine)) == (api.truth, [])


@pytest.mark.parametrize("place", [0, 99, 100, 249])
async def test_whenever_it_is_killed_a_post_that_cannot_be_read_stays_a_hole(
    engine: Engine, api: FakeX, follower: Make, place: int
) -> None:
    ids = sorted(api.fill(Span(NOON - DAY, NOON - HOUR), 250), reverse=True)
    api.unreadable = {ids[place]}
    for requests in range(6):
        await_pages(api, requests, Killed())
        with suppress(Killed):
            await follower().poll()
    api.add(NOON + MINUTE)
    api.now += HOUR
    await follower().poll()
    assert stored(engine) == api.truth - api.unreadable
    assert not any(span.start <= snowflake_time(ids[place]) < span.end for span in covered(engine))
    assert sum(span.hours() for span in covered(engine)) > 20


async def test_a_newest_post_that_cannot_be_read_is_looked_at_again_until_another_comes(
    engine: Engine, api: FakeX, follower: Make
) -> None:
    before, bad = api.add(NOON - HOUR, NOON - MINUTE)
    api.unreadable = {bad}
    run = Run()
    poller = follower(run)
    for _ in range(20):
        await poller.poll()
        api.now += MINUTE
    assert (holes(engine), covered(engine)[-1].end) == ([], snowflake_time(before))
    [after] = api.add(api.now - MINUTE)
    await poller.poll()
    assert [hole for hole, _ in holes(engine)] == [Span(snowflake_time(before), snowflake_time(after))]
    assert covered(engine)[-1] == Span(snowflake_time(after), api.now - SETTLE)
    assert len([line for line in run.lines if line.level == "warning"]) == 1
    api.unreadable = set()
    await poller.poll()
    assert holes(engine) == []
    assert len(covered(engine)) == 1


async def test_of_a_page_that_holds_less_than_it_says_the_posts_are_stored_and_its_time_is_not_observed(
    engine: Engine, api: FakeX, follower: Make
) -> None:
    api.fill(Span(NOON - DAY, NOON), 50)
    api.uncounted = 1
    run = Run()
    poller = follower(run)
    for _ in range(3):
        await poller.poll()
        api.now += MINUTE
    assert (stored(engine), covered(engine), holes(engine)) == (api.truth, [], [])
    api.uncounted = 0
    await poller.poll()
    assert len(covered(engine)) == 1
    assert covered(engine)[0].end == api.now - SETTLE


async def test_where_a_followed_timeline_ends_a_hole_is_recorded(engine: Engine, api: FakeX, follower: Make) -> None:
    await follower().poll()
    known = covered(engine)[0]
    api.fill(Span(NOON, NOON + 30 * DAY), 4_000)
    api.now += 30 * DAY
    poller = follower()
    await poller.poll()
    reached = snowflake_time(sorted(api.posts, reverse=True)[3_199])
    assert holes(engine) == [(Span(known.end, reached), "the timeline reaches back 3,200 posts")]
    assert covered(engine) == [known, Span(reached, api.now - SETTLE)]
    assert len(stored(engine)) == 3_200
    api.now += MINUTE
    await poller.poll()
    assert len(holes(engine)) == 1


async def test_a_long_walk_that_the_timeline_held_leaves_no_hole(engine: Engine, api: FakeX, follower: Make) -> None:
    api.add(NOON - 2 * DAY)
    await follower().poll()
    api.fill(Span(NOON, NOON + 30 * DAY), 3_100)
    api.now += 30 * DAY
    await follower().poll()
    assert holes(engine) == []
    assert len(covered(engine)) == 1


async def test_a_backfill_searches_where_the_timeline_does_not_reach(
    engine: Engine, api: FakeX, go_back: Any
) -> None:
    api.fill(Span(NOON - 300 * DAY, NOON - REREAD), 5_000)
    await go_back(NOON - 300 * DAY)
    assert stored(engine) == api.truth
    assert covered(engine) == [Span(NOON - 300 * DAY, NOON - REREAD)]
    assert {"timeline", "all", "counts/all"} == set(api.requests)


async def test_without_a_search_of_all_posts_the_rest_stays_a_hole(engine: Engine, api: FakeX, go_back: Any) -> None:
    api.fill(Span(NOON - 300 * DAY, NOON - REREAD), 5_000)
    api.archive = False
    await go_back(NOON - 300 * DAY)
    reached = snowflake_time(sorted(api.posts, reverse=True)[3_199])
    assert covered(engine) == [Span(reached, NOON - REREAD)]
    assert {reason for _, reason in holes(engine)} == {"the timeline reaches back 3,200 posts"}
    assert coverage.holes(engine, Span(NOON - 300 * DAY, NOON - REREAD)) == [Span(NOON - 300 * DAY, reached)]
    api.archive = True
    await go_back(NOON - 300 * DAY)
    assert (stored(engine), holes(engine)) == (api.truth, [])


async def test_a_search_of_recent_posts_says_that_it_reaches_back_seven_days(
    engine: Engine, api: FakeX, go_back: Any
) -> None:
    api.fill(Span(NOON - 20 * DAY, NOON - REREAD), 300)
    await go_back(NOON - 20 * DAY, via="recent")
    [span] = covered(engine)
    assert abs(span.start - (NOON - 7 * DAY)) < HOUR
    assert {reason for _, reason in holes(engine)} == {"the search of recent posts reaches back 7 days"}
    assert stored(engine) == {n for n in api.truth if snowflake_time(n) >= span.start}


async def test_a_backfill_buys_only_what_is_not_covered(engine: Engine, api: FakeX, go_back: Any) -> None:
    api.fill(Span(NOON - 20 * DAY, NOON - REREAD), 400)
    with writing(engine) as connection:
        store.cover(connection, "file", [Span(NOON - 15 * DAY, NOON - 5 * DAY)], moment=NOON)
    walker = await go_back(NOON - 20 * DAY)
    outside = [n for n in api.posts if not NOON - 15 * DAY <= snowflake_time(n) < NOON - 5 * DAY]
    assert set(outside) <= stored(engine)
    assert walker.tally.microdollars <= (len(outside) + 10) * spending.POST
    assert coverage.holes(engine, Span(NOON - 20 * DAY, NOON - REREAD)) == []
    assert (await go_back(NOON - 20 * DAY)).tally.pages == 0
    assert (await go_back(NOON - 20 * DAY, again=True)).tally.new == len(api.posts) - len(outside)


async def test_what_a_post_costs_is_counted_once_a_utc_day(engine: Engine, api: FakeX, follower: Make) -> None:
    api.fill(Span(NOON - HOUR, NOON), 30)
    poller = follower()
    for _ in range(5):
        await poller.poll()
        api.now += MINUTE
    assert spending.spent(engine, NOON.date()) == spending.Spent(NOON.date(), 30, 0, 30 * spending.POST)
    for _ in range(12):
        api.now = floor_hour(api.now) + HOUR
        await poller.poll()
    api.add(api.now - HOUR)
    await poller.poll()
    assert spending.spent(engine, api.now.date()).posts == 1
    assert api.billed == 31


@pytest.mark.parametrize("limit", ["0.02", "0.37", "1.00"])
async def test_a_day_never_costs_more_than_its_limit(engine: Engine, api: FakeX, go_back: Any, limit: str) -> None:
    api.fill(Span(NOON - 5 * DAY, NOON - REREAD), 700)
    allowed = spending.set_limit(engine, limit) or 0
    for _ in range(30):
        try:
            await go_back(NOON - 5 * DAY)
            break
        except spending.SpendingLimitReached as reached:
            told = str(reached)
            api.now = reached.until
        spent = spending.spent(engine, (api.now - DAY).date()).microdollars
        assert allowed - 5 * spending.POST < spent <= allowed
        assert f"${float(limit):.2f} a day is reached" in told
        if limit == "0.02":
            break
    assert all(len(ids) * spending.POST <= allowed for ids in api.read.values())
    assert (stored(engine) == api.truth) == (limit != "0.02")


async def test_a_follower_waits_at_its_limit_for_the_next_day(
    engine: Engine, api: FakeX, clock: Clock, follower: Make
) -> None:
    spending.set_limit(engine, "0.50")
    api.fill(Span(NOON - 20 * HOUR, NOON), 150)
    run = Run()
    stages = []

    def look() -> None:
        stages.append(run.stage)
        if api.now > NOON + 12 * HOUR + MINUTE:
            raise Killed

    clock.at_sleep = look
    with pytest.raises(Killed):
        await follower(run).follow(10.0)
    assert stages.count("waiting") > 100
    assert stored(engine) == api.truth
    assert sum("limit" in line.message for line in run.lines) < 5
    assert len(covered(engine)) == 1


async def test_a_raised_limit_is_heard_within_a_minute(
    engine: Engine, api: FakeX, clock: Clock, follower: Make
) -> None:
    spending.set_limit(engine, "0.10")
    api.fill(Span(NOON - 20 * HOUR, NOON), 150)

    def raise_it() -> None:
        if len(clock.slept) == 3:
            spending.set_limit(engine, "none")
        if len(clock.slept) == 6:
            raise Killed

    clock.at_sleep = raise_it
    with pytest.raises(Killed):
        await follower().follow(10.0)
    assert stored(engine) == api.truth


async def test_a_follower_goes_on_through_what_passes(
    engine: Engine, api: FakeX, clock: Clock, follower: Make
) -> None:
    run = Run()
    turns = 0

    def look() -> None:
        nonlocal turns
        turns += 1
        api.add(api.now - MINUTE)
        await_pages(api, 0) if turns in range(3, 7) else await_pages(api, 10**9)
        if turns == 12:
            raise Killed

    clock.at_sleep = look
    with pytest.raises(Killed):
        await follower(run).follow(10.0)
    assert len(api.truth - stored(engine)) == 1  # the one that came as it was killed
    warnings = [line.message for line in run.lines if line.level == "warning"]
    assert warnings == ["The API is down"]
    assert "It works again" in [line.message for line in run.lines]
    assert clock.slept[3:7] == [15.0, 30.0, 60.0, 120.0]


@pytest.mark.parametrize("error", [Unauthorized("No token"), CreditsDepleted("No credits")])
async def test_a_follower_stops_with_words_at_what_does_not_pass(
    api: FakeX, follower: Make, error: Exception
) -> None:
    await_pages(api, 0, error)
    with pytest.raises(type(error)):
        await follower().follow(10.0)


async def test_a_page_is_stored_once_the_database_is_back(
    engine: Engine, api: FakeX, follower: Make, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.fill(Span(NOON - HOUR, NOON), 30)
    real, failures = store.store_posts, iter([OperationalError("", {}, Exception("database is locked"))] * 2)

    def away(*arguments: Any) -> Any:
        for failure in failures:
            raise failure
        return real(*arguments)

    monkeypatch.setattr(store, "store_posts", away)
    run = Run()
    poller = follower(run)
    await poller.poll()
    assert stored(engine) == api.truth
    assert poller.walker.tally.new == 30
    assert spending.spent(engine, NOON.date()).posts == 30
    assert [line.level for line in run.lines][:2] == ["warning", "warning"]
    assert clock.slept[:2] == [0.2, 1.0]


async def test_a_run_that_lost_its_lease_stores_no_more(engine: Engine, api: FakeX, follower: Make) -> None:
    api.fill(Span(NOON - HOUR, NOON), 30)
    run = Run()
    run.id = runs.create(engine, "ingest", {}, lease="ingest")
    with writing(engine) as connection:
        connection.execute(update(RunRow).values(heartbeat_at=timeline.now() - 2 * STALE))
    successor = Run()
    successor.id = runs.create(engine, "ingest", {}, lease="ingest")
    with pytest.raises(leases.LeaseLost):
        await follower(run).poll()
    assert stored(engine) == set()
    await follower(successor).poll()
    assert stored(engine) == api.truth


async def test_a_day_s_check_finds_hours_that_lack_posts(engine: Engine, api: FakeX, follower: Make) -> None:
    hour = NOON - 9 * HOUR
    ids = api.add(*(hour + i * MINUTE for i in range(6)))
    api.hidden = set(ids[:2])
    poller = follower()
    await poller.poll()
    api.hidden.clear()
    await poller.daily()
    assert stored(engine) == api.truth
    assert api.count_requests == 1
    await poller.daily()
    await follower().daily()
    assert api.count_requests == 1
    api.now += DAY
    await poller.daily()
    assert api.count_requests == 2


async def test_a_check_that_fails_keeps_nobody_from_polling(engine: Engine, api: FakeX, follower: Make) -> None:
    def refuse(asked: str) -> None:
        if asked.startswith("counts"):
            raise Unavailable("No counts")

    api.before_request = refuse
    run = Run()
    poller = follower(run)
    for _ in range(3):
        await poller.poll()
        await poller.daily()
        api.now += MINUTE
    assert [line.message for line in run.lines if line.level == "warning"] == [
        "The day's check has to wait an hour: No counts"
    ]
    api.before_request = lambda _: None
    api.now += HOUR
    await poller.daily()
    assert api.count_requests == 1


@pytest.mark.parametrize("error", [XApiError("Gone (410)"), Unavailable("No usage")])
async def test_a_usage_that_is_not_told_keeps_no_counts_from_being_compared(
    engine: Engine, api: FakeX, follower: Make, monkeypatch: pytest.MonkeyPatch, error: XApiError
) -> None:
    async def refuse() -> Usage:
        raise error

    monkeypatch.setattr(api, "usage", refuse)
    poller = follower()
    await poller.poll()
    await poller.daily()
    assert api.count_requests == 1


async def test_counts_that_are_no_more_keep_nobody_from_polling(engine: Engine, api: FakeX, follower: Make) -> None:
    def refuse(asked: str) -> None:
        if asked.startswith("counts"):
            raise XApiError("Gone (410)")

    api.before_request = refuse
    run = Run()
    poller = follower(run)
    await poller.poll()
    await poller.daily()
    assert [line.message for line in run.lines if line.level == "warning"] == [
        "The day's check is left out: Gone (410)"
    ]


async def test_a_cap_that_is_beyond_all_bounds_is_noted_as_the_highest(engine: Engine) -> None:
    with writing(engine) as connection:
        spending.note_usage(connection, Usage(5, 10**20, 1), NOON)
    with reading(engine) as connection:
        assert connection.execute(select(ApiLimit.budget, ApiLimit.remaining)).one() == (2**31 - 1, 2**31 - 1)


async def test_a_year_of_following_leaves_no_more_than_the_policy_keeps(
    sqlite_engine: Engine, api: FakeX, clock: Clock, account: Account
) -> None:
    """A year of simulated time with faults, a poll every twelve hours."""
    import gc

    engine = sqlite_engine
    run_id = runs.create(engine, "ingest", {}, lease="ingest")
    run = _Written(engine, run_id, clock)
    api.fill(Span(NOON, NOON + 365 * DAY), 2_000)
    poller = Follower(engine, run, api, account, clock=clock, sleep=clock.sleep)
    turns, sizes = 0, []

    def look() -> None:
        nonlocal turns
        turns += 1
        down = turns % 97 in (5, 6)
        await_pages(api, 0 if down else 10**9)
        api.hidden = set() if turns % 5 else set(list(api.truth)[turns % 50 :: 50])
        run.flush()
        for old in [day for day in api.read if day < api.now - 3 * DAY]:
            del api.read[old]
        del api.requests[:], clock.slept[:]
        if turns in (100, 700):
            gc.collect()
            sizes.append(len(gc.get_objects()))
        if api.now > NOON + 365 * DAY:
            raise Killed

    clock.at_sleep = look
    with pytest.raises(Killed):
        await poller.follow(12 * 3600.0)
    assert sizes[1] - sizes[0] < 1_000
    settled = {n for n in api.truth if snowflake_time(n) < api.now - 3 * DAY}
    assert stored(engine) >= settled
    assert len(covered(engine)) == 1
    assert count(engine, BoughtPost) < 60
    assert count(engine, FetchRange) == 0
    assert 300 < count(engine, Spending) <= 366
    with reading(engine) as connection:
        oldest = connection.execute(
            select(RunLogLine.level, func.min(RunLogLine.time)).group_by(RunLogLine.level)
        ).all()
    kept = {"info": 31 * DAY, "warning": 91 * DAY, "debug": 8 * DAY}
    assert {level for level, _ in oldest} >= {"info", "warning"}
    assert all(api.now - moment < kept[level] for level, moment in oldest)


class _Written(Run):
    """A run whose lines become rows at the simulated time."""

    def __init__(self, engine: Engine, run_id: int, clock: Clock) -> None:
        super().__init__()
        self.id = run_id
        self._engine = engine
        self._clock = clock

    def flush(self) -> None:
        if not self.lines:
            return
        values = [
            {"run_id": self.id, "time": self._clock(), "level": line.level, "message": line.message}
            for line in self.lines
        ]
        with writing(self._engine) as connection:
            connection.execute(RunLogLine.__table__.insert(), values)
        self.lines.clear()


@pytest.fixture
def sqlite_engine(sqlite_template: Any, tmp_path: Any) -> Any:
    import shutil

    from musktracker.db import engines

    path = tmp_path / "year.db"
    shutil.copy(sqlite_template, path)
    made = engines.connect(f"sqlite:///{path}")
    yield made
    made.dispose()


def test_the_price_is_estimated_from_what_is_covered(engine: Engine) -> None:
    wanted = {"since": "2026-01-01T00:00Z", "until": "2026-01-11T00:00Z", "again": False, "exact": False}
    unknown = fetch_price.price(engine, Run(), **wanted)
    assert (unknown.posts, unknown.checks) == (610, spending.COUNTS["all"])
    assert unknown.microdollars == 610 * spending.POST + unknown.checks
    assert "61 posts a day assumed" in unknown.basis
    start = datetime.fromisoformat("2025-11-01T00:00Z")
    with writing(engine) as connection:
        posts = [store.NewPost(10**18 + i, start + HOUR * i, "original") for i in range(240)]
        store.store_posts(connection, "file", posts, NOON)
        store.cover(connection, "file", [Span(start, start + 10 * DAY)], moment=NOON)
        store.cover(connection, "file", [Span(start + 61 * DAY, start + 63 * DAY)], moment=NOON)
    found = fetch_price.price(engine, Run(), **wanted)
    assert "20.0 posts a day" in found.basis
    assert found.posts == 160
    assert sum(span.hours() for span in found.spans) == 8 * 24


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"since": "2026-02-01T00:00Z", "until": "2026-01-01T00:00Z"}, "is not after"),
        ({"since": "yesterday"}, "is not a time"),
        ({"since": "2026-02-01T00:00Z", "via": "magic"}, "no way to fetch"),
    ],
)
def test_a_backfill_that_cannot_be_is_refused(engine: Engine, parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        backfill.backfill(engine, Run(), **parameters)


@pytest.mark.parametrize("text", ["-1", "lots", "nan", "inf", "1e9"])
def test_a_limit_that_is_none_is_refused(engine: Engine, text: str) -> None:
    with pytest.raises(UsageError, match="no amount of dollars"):
        spending.set_limit(engine, text)
    assert spending.limit(engine) is None
