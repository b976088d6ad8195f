"""The stream beside the polls: posts and deletions at once, nothing of what is known to be whole, never too dear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from fake_x import NOON, Clock, FakeX
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select, update
from sqlalchemy.exc import OperationalError

from musktracker import leases, runs
from musktracker.db.engines import reading, writing
from musktracker.db.queries import coverage
from musktracker.db.tables import (
    BoughtPost,
    Coverage,
    DatabaseSetting,
    FetchRange,
    HighWaterMark,
    RawTweet,
    RunRow,
    Spending,
)
from musktracker.pipeline import ranges, spending, store
from musktracker.pipeline.account import Account
from musktracker.pipeline.follow import Follower
from musktracker.pipeline.live import REFUSED, Live
from musktracker.pipeline.observed import SETTLE
from musktracker.reporting import Run
from musktracker.sources.x_errors import Forbidden, NotFound, Unavailable
from musktracker.sources.x_stream import Created, Deleted, Event, Lost, Opened
from musktracker.timeline import DAY, HOUR, Span, iso, snowflake_time

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
SECONDS = 30.0  # that anything may take


class Heard(BaseException):
    """The stream has nothing more to say."""


class FakeStream:
    """Connections to the stream, one after the other: what each brings, before it ends or stays quiet."""

    def __init__(self) -> None:
        self.connections: list[list[Event | BaseException]] = []
        self.malformed = self.foreign = 0
        self.quiet = asyncio.Event()

    async def events(self, user_id: int) -> AsyncGenerator[Event, None]:
        assert user_id == 4_242
        if not self.connections:
            raise Heard
        for event in self.connections.pop(0):
            if isinstance(event, BaseException):
                raise event
            yield event
        self.quiet.set()
        await asyncio.Event().wait()


@pytest.fixture
def stream() -> FakeStream:
    return FakeStream()


@pytest.fixture
def follower(engine: Engine, api: FakeX, clock: Clock, account: Account) -> Callable[..., Follower]:
    def make(run: Run | None = None) -> Follower:
        return Follower(engine, run or Run(), api, account, clock=clock, sleep=clock.sleep)

    return make


@pytest.fixture
def live(
    engine: Engine, api: FakeX, clock: Clock, account: Account, stream: FakeStream, follower: Any
) -> Callable[..., Live]:
    def make(run: Run | None = None, beside: Follower | None = None) -> Live:
        run = run or Run()
        buyer = (beside or follower(run)).walker.buyer
        return Live(engine, run, stream, account, buyer, server_now=api.server_now, clock=clock, sleep=clock.sleep)

    return make


@pytest.fixture
def hear(stream: FakeStream, live: Any) -> Callable[..., Any]:
    async def hear(*events: Event | BaseException, by: Live | None = None) -> Live:
        by = by or live()
        stream.connections.append([Opened(), *events, Heard()])
        with suppress(Heard):
            async with asyncio.timeout(SECONDS):
                await by.listen()
        return by

    return hear


def created(number: int, kind: str | None = "original", first: int | None = None) -> Created:
    return Created(number, snowflake_time(first or number), kind, first or number)


def stored(engine: Engine) -> dict[int, datetime | None]:
    """The posts, and when they were deleted."""
    with reading(engine) as connection:
        rows = connection.execute(select(RawTweet.tweet_id, RawTweet.is_deleted, RawTweet.deleted_at)).all()
    assert all(is_deleted == (moment is not None) for _, is_deleted, moment in rows)
    return {int(number): moment for number, _, moment in rows}


def known_whole(engine: Engine) -> tuple[list[Span], int | None, list[Any]]:
    return (
        list(coverage.covered(engine)),
        ranges.high_water_mark(engine),
        ranges.still_to_fetch(engine, "follow") + ranges.still_to_fetch(engine, "backfill"),
    )


async def test_a_post_is_stored_when_it_comes(engine: Engine, api: FakeX, hear: Any) -> None:
    [number] = api.add(NOON - SECOND, kind="reply")
    by = await hear(created(number, "reply"))
    with reading(engine) as connection:
        row = connection.execute(select(RawTweet.__table__)).one()
    assert (row.tweet_id, row.created_at, row.kind, row.source, row.is_deleted) == (
        str(number),
        snowflake_time(number),
        "reply",
        "x_api",
        False,
    )
    assert by._buyer.tally.newest == snowflake_time(number)


async def test_what_comes_says_nothing_of_what_is_known_to_be_whole(
    engine: Engine, api: FakeX, follower: Any, hear: Any
) -> None:
    await hear(*map(created, api.add(NOON - HOUR)))
    assert known_whole(engine) == ([], None, [])
    await follower().poll()
    before = known_whole(engine)
    api.now += HOUR
    ids = api.add(NOON + MINUTE, NOON + 2 * MINUTE)
    await hear(*map(created, ids), Deleted(ids[0], api.now))
    assert known_whole(engine) == before


async def test_a_poll_finds_what_the_stream_did_not_bring(
    engine: Engine, api: FakeX, follower: Any, hear: Any
) -> None:
    await follower().poll()
    ids = api.add(*(NOON + i * MINUTE for i in range(30)))
    await hear(*map(created, ids[::3]), created(ids[-1]))
    api.now += HOUR
    await follower().poll()
    assert stored(engine).keys() == api.truth
    assert covered_to(engine) == api.now - SETTLE


def covered_to(engine: Engine) -> datetime:
    return max(span.end for span in coverage.covered(engine))


async def test_a_deletion_is_marked_with_its_moment(engine: Engine, api: FakeX, hear: Any) -> None:
    gone, there = api.add(NOON - HOUR, NOON - MINUTE)
    await hear(created(gone), created(there), Deleted(gone, NOON))
    assert stored(engine) == {gone: NOON, there: None}


async def test_a_deletion_of_a_post_that_nobody_has_changes_nothing(engine: Engine, hear: Any) -> None:
    await hear(Deleted(2 * 10**18, NOON))
    assert stored(engine) == {}


async def test_a_post_that_comes_after_its_deletion_is_a_deleted_one(engine: Engine, api: FakeX, hear: Any) -> None:
    [number] = api.add(NOON)
    await hear(Deleted(number, NOON), created(number), created(number))
    assert stored(engine) == {number: NOON}


async def test_a_post_that_comes_again_to_another_process_stays_deleted(
    engine: Engine, api: FakeX, hear: Any
) -> None:
    [number] = api.add(NOON)
    await hear(created(number), Deleted(number, NOON))
    await hear(created(number))
    assert stored(engine) == {number: NOON}


async def test_a_poll_that_still_shows_a_deleted_post_does_not_bring_it_back(
    engine: Engine, api: FakeX, follower: Any, live: Any, hear: Any
) -> None:
    poller = follower()
    [number] = api.add(NOON - MINUTE)
    by = await hear(created(number), Deleted(number, NOON), by=live(beside=poller))
    await poller.poll()
    assert stored(engine) == {number: None}
    await by.after_poll()
    assert stored(engine) == {number: NOON}


async def test_deletions_are_not_remembered_for_ever(engine: Engine, api: FakeX, live: Any, hear: Any) -> None:
    ids = api.add(*(NOON - i * SECOND for i in range(20)))
    by = await hear(*(Deleted(number, NOON) for number in ids), by=live())
    assert len(by._gone) == 20
    api.now += 4 * HOUR
    await by.after_poll()
    assert by._gone == {}


async def test_an_edited_post_counts_once_and_is_deleted_by_any_of_its_ids(
    engine: Engine, api: FakeX, hear: Any
) -> None:
    first, second, another = api.add(NOON - HOUR, NOON - MINUTE, NOON)
    await hear(created(first), created(second, first=first))
    assert stored(engine) == {first: None}
    await hear(created(another), created(second, first=first), Deleted(second, NOON))
    assert stored(engine) == {first: NOON, another: None}


async def test_a_kind_that_the_stream_does_not_tell_is_filled_in_by_a_poll(
    engine: Engine, api: FakeX, follower: Any, hear: Any
) -> None:
    [number] = api.add(NOON - MINUTE, kind="quote")
    await hear(created(number, None))
    await follower().poll()
    with reading(engine) as connection:
        assert connection.scalar(select(RawTweet.kind)) == "quote"


TABLES = (RawTweet, Coverage, FetchRange, HighWaterMark, Spending, BoughtPost, DatabaseSetting)


@settings(max_examples=25)
@given(data=st.data())
async def test_in_whatever_order_and_how_often_events_and_polls_come_the_end_is_the_same(
    engine: Engine, account: Account, data: st.DataObject
) -> None:
    with writing(engine) as connection:
        for table in TABLES:
            connection.execute(delete(table))
    api, stream = FakeX(), FakeStream()
    clock = Clock(api)
    poller = Follower(engine, Run(), api, account, clock=clock, sleep=clock.sleep)
    live = Live(
        engine, Run(), stream, account, poller.walker.buyer, server_now=api.server_now, clock=clock, sleep=clock.sleep
    )
    ids = api.add(*(NOON - i * MINUTE for i in range(1, 6)))
    gone = set(data.draw(st.lists(st.sampled_from(ids), unique=True)))
    events: list[Event] = [*map(created, ids), *(Deleted(number, NOON) for number in gone)]
    extra = data.draw(st.lists(st.sampled_from(events), max_size=5))
    for event in data.draw(st.permutations([*events, *extra, None, None])):
        if event is not None:
            await live._keep(event)
            continue
        api.deleted = set(data.draw(st.lists(st.sampled_from(sorted(gone)), unique=True)) if gone else ())
        await poller.poll()  # which may show some that are deleted, for a while
        await live.after_poll()
    assert stored(engine) == {number: NOON if number in gone else None for number in ids}
    assert spending.spent(engine, NOON.date()).posts == len(ids)


async def test_what_comes_is_paid_for_once_a_day_as_what_is_polled(
    engine: Engine, api: FakeX, follower: Any, hear: Any
) -> None:
    first, second = api.add(NOON - 2 * MINUTE, NOON - MINUTE)
    by = await hear(created(first), created(second), created(first), Deleted(first, NOON))
    assert by._buyer.tally.microdollars == 2 * spending.POST
    await follower().poll()
    assert spending.spent(engine, NOON.date()) == spending.Spent(NOON.date(), 2, 0, 2 * spending.POST)
    api.now += DAY
    await hear(Deleted(second, api.now))
    assert spending.spent(engine, api.now.date()).posts == 1


async def test_the_stream_is_closed_at_the_day_s_limit_and_opened_with_the_next_day(
    engine: Engine, api: FakeX, clock: Clock, stream: FakeStream, live: Any, hear: Any
) -> None:
    spending.set_limit(engine, "0.01")
    ids = api.add(*(NOON + i * SECOND for i in range(5)))
    run = Run()
    stream.connections.append([Opened(), *map(created, ids)])
    await hear(created(ids[4]), by=live(run))
    assert spending.spent(engine, NOON.date()).posts == 2
    assert stored(engine).keys() == {ids[0], ids[1], ids[4]}
    assert spending.spent(engine, NOON.date() + DAY).posts == 1
    assert api.now == NOON + 12 * HOUR
    assert set(clock.slept) == {60.0}
    assert [line.message for line in run.lines if "closed" in line.message] == [
        "The activity stream is closed: the day's spending limit is reached"
    ]


async def test_the_stream_opens_again_when_the_limit_is_raised(
    engine: Engine, api: FakeX, clock: Clock, stream: FakeStream, hear: Any
) -> None:
    spending.set_limit(engine, "0")
    clock.at_sleep = lambda: len(clock.slept) == 3 and spending.set_limit(engine, "1")
    await hear(*map(created, api.add(NOON)))
    assert clock.slept == [60.0] * 3
    assert len(stored(engine)) == 1


async def test_polls_that_spend_what_is_left_close_the_stream(
    engine: Engine, api: FakeX, clock: Clock, stream: FakeStream, follower: Any, live: Any
) -> None:
    spending.set_limit(engine, "0.05")
    api.fill(Span(NOON - HOUR, NOON), 10)
    poller = follower()
    by = live(beside=poller)
    stream.connections.append([Opened()])
    listening = asyncio.create_task(by.listen())
    await stream.quiet.wait()
    assert by.is_open
    with pytest.raises(spending.SpendingLimitReached):  # whether there are more is not to be asked any more
        await poller.poll()
    await by.after_poll()
    with pytest.raises(Heard):
        await listening
    assert not by.is_open
    assert api.now == NOON + 12 * HOUR


@pytest.mark.parametrize("limit", ["0.005", "none"])
async def test_polls_go_on_at_their_own_pace_while_the_stream_is_waited_for(
    engine: Engine, api: FakeX, clock: Clock, stream: FakeStream, live: Any, hear: Any, limit: str
) -> None:
    spending.set_limit(engine, limit)
    by = live()
    seen: list[bool] = []

    async def sleep(seconds: float) -> None:
        seen.append(by.is_open)
        await by.after_poll()
        await clock.sleep(seconds)

    by._sleep = sleep
    stream.connections.append([Opened(), *map(created, api.add(NOON)), Forbidden("No more (403)")])
    await hear(by=by)
    assert set(seen) == {False}


@pytest.mark.parametrize("refusal", [Forbidden("Not in the plan (403)", "Buy it"), NotFound("Not there (404)")])
async def test_a_stream_that_is_refused_is_one_warning_and_asked_for_again_later_and_later(
    engine: Engine, api: FakeX, clock: Clock, stream: FakeStream, live: Any, hear: Any, refusal: Exception
) -> None:
    run = Run()
    stream.connections += [[refusal] for _ in range(6)]
    await hear(*map(created, api.add(NOON)), by=live(run))
    assert clock.slept == [*REFUSED, REFUSED[-1], REFUSED[-1]]
    warning, back, _ = [line for line in run.lines if line.level != "debug"]
    assert warning.level == "warning"
    assert warning.message.startswith(f"{refusal.message}. It goes on by polling")  # type: ignore[attr-defined]
    assert warning.fields == {"until": iso(NOON + timedelta(seconds=REFUSED[0]))}
    assert back.message == "The activity stream works again"


async def test_a_connection_that_is_back_at_once_is_no_warning_and_one_that_is_not_is_one(
    engine: Engine, api: FakeX, live: Any, hear: Any
) -> None:
    run = Run()
    by = live(run)
    await hear(Lost("reset", 0.25), Opened(), Lost("reset", 0.25), Opened(), by=by)
    assert [line.level for line in run.lines if line.level != "debug"] == []
    await hear(*(Lost("the server answered 503", 5.0 * 2**i) for i in range(4)), by=by)
    [line] = [line for line in run.lines if line.level != "debug"]
    assert line.level == "warning"
    assert "The connection to the activity stream is lost: the server answered 503" in line.message


async def test_a_run_that_lost_its_lease_stores_and_marks_no_more(
    engine: Engine, api: FakeX, live: Any, hear: Any
) -> None:
    [number] = api.add(NOON)
    run = Run()
    run.id = runs.create(engine, "ingest", {}, lease="ingest")
    await hear(created(number), by=live(run))
    with writing(engine) as connection:
        connection.execute(update(RunRow).values(lease=None))
    with pytest.raises(leases.LeaseLost):
        await hear(*map(created, api.add(NOON)), by=live(run))
    with pytest.raises(leases.LeaseLost):
        await hear(Deleted(number, NOON), by=live(run))
    assert stored(engine) == {number: None}


async def test_what_the_database_does_not_take_is_left_to_the_polls(
    engine: Engine, api: FakeX, follower: Any, hear: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = api.add(NOON - 2 * MINUTE, NOON - MINUTE)
    real = store.store_posts

    def away(connection: Any, source: str, posts: Iterable[store.NewPost], *rest: Any, **options: Any) -> Any:
        if any(post.id == first for post in posts):
            raise OperationalError("", {}, Exception("database is locked"))
        return real(connection, source, list(posts), *rest, **options)

    with monkeypatch.context() as patched:
        patched.setattr(store, "store_posts", away)
        await hear(created(first), created(second))
    assert stored(engine).keys() == {second}
    await follower().poll()
    assert stored(engine).keys() == {first, second}


async def test_a_database_that_is_away_ends_no_follower_and_a_deletion_is_marked_later(
    engine: Engine, api: FakeX, follower: Any, live: Any, hear: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> Any:
        raise OperationalError("", {}, Exception("database is locked"))

    [number] = api.add(NOON - MINUTE)
    poller = follower()
    await poller.poll()
    by = live(beside=poller)
    with monkeypatch.context() as patched:
        patched.setattr(store, "mark_deleted", away)
        await hear(Deleted(number, NOON), by=by)
        await by.after_poll()
    assert stored(engine) == {number: None}
    await by.after_poll()
    assert stored(engine) == {number: NOON}


async def test_what_is_skipped_is_told_and_what_costs_for_nothing_is_a_warning(
    engine: Engine, stream: FakeStream, live: Any
) -> None:
    run = Run()
    by = live(run)
    for malformed, foreign in ((0, 0), (2, 3), (2, 5), (3, 5)):
        stream.malformed, stream.foreign = malformed, foreign
        await by.after_poll()
    assert [(line.level, line.message.split(",")[0]) for line in run.lines] == [
        ("debug", "The stream brought 2 lines that cannot be read"),
        ("warning", "The stream brings what other accounts do"),
        ("debug", "The stream brought 1 lines that cannot be read"),
    ]


async def test_whichever_ends_ends_both(stream: FakeStream, live: Any) -> None:
    async def fail() -> None:
        await stream.quiet.wait()
        raise Unavailable("Down")

    stream.connections.append([Opened()])
    with pytest.raises(Unavailable):
        await live().beside(fail())

    ended = asyncio.Event()

    async def go_on() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    stream.connections.append([leases.LeaseLost("Gone")])
    with pytest.raises(leases.LeaseLost):
        await live().beside(go_on())
    assert ended.is_set()


@pytest.mark.parametrize(
    ("interval", "is_open", "slept"), [(None, True, 60.0), (None, False, 10.0), (7.0, True, 7.0), (7.0, False, 7.0)]
)
async def test_polls_are_farther_apart_while_the_stream_is_open_unless_told_otherwise(
    clock: Clock, follower: Any, live: Any, interval: float | None, is_open: bool, slept: float
) -> None:
    poller = follower()
    by = live(beside=poller)
    by.is_open = is_open

    def end() -> None:
        raise Heard

    clock.at_sleep = end
    with pytest.raises(Heard):
        await poller.follow(interval, by)
    assert clock.slept == [slept]
