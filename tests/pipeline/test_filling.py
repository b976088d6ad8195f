"""Filling the holes of coverage: what is asked for, what it costs, and that nothing is lost or bought twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fake_x import NOON, Clock, FakeX
from sqlalchemy import Engine, func, select

from musktracker.db.engines import reading, writing
from musktracker.db.queries import coverage
from musktracker.db.tables import CoverageHole, RawTweet, TimeBucket
from musktracker.errors import DataError
from musktracker.pipeline import aggregate, backfill, fetch_price, spending, store
from musktracker.pipeline.account import Account
from musktracker.pipeline.backfill import Backfill, wanted_span
from musktracker.pipeline.follow import REREAD
from musktracker.pipeline.walk import Walker
from musktracker.reporting import Run
from musktracker.timeline import DAY, HOUR, Span, iso, snowflake_time

BEGIN = NOON - 20 * DAY
HOURS = Span(NOON - 30 * HOUR, NOON - 25 * HOUR)
DAYS = Span(NOON - 12 * DAY, NOON - 9 * DAY)
Fill = Callable[[], Any]


class Killed(BaseException):
    """The process is gone; nothing may catch this."""


@pytest.fixture
def holed(engine: Engine, api: FakeX, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """A post in the middle of each hour; what is not stored are those of two holes and of the last two hours."""
    monkeypatch.setattr(backfill, "now", clock)
    monkeypatch.setattr(fetch_price, "now", clock)
    api.page_size = 10
    api.add(*(BEGIN + HOUR * (i + 0.5) for i in range(20 * 24)))
    spans = store.without([Span(BEGIN, NOON - REREAD)], [HOURS, DAYS])
    posts = [store.NewPost(n, snowflake_time(n), "original") for n in sorted(api.truth)]
    with writing(engine) as connection:
        store.store_posts(connection, "file", [post for post in posts if within(post.created_at, spans)], NOON)
        store.cover(connection, "file", spans, moment=NOON)
    return engine


@pytest.fixture
def fill(holed: Engine, api: FakeX, clock: Clock, account: Account) -> Fill:
    """Fills the holes; returns the result of the run."""

    async def carry_out() -> dict[str, Any]:
        span = wanted_span(backfill.filling(holed)["since"], None)
        walker = Walker(holed, Run(), api, account, escalate=True, clock=clock, sleep=clock.sleep)
        await Backfill(holed, Run(), api, account, walker).carry_out(span, "auto", again=False)
        return walker.tally.result()

    return carry_out


def within(moment: Any, spans: list[Span]) -> bool:
    return any(start <= moment < end for start, end in spans)


def stored(engine: Engine) -> list[int]:
    with reading(engine) as connection:
        return sorted(map(int, connection.scalars(select(RawTweet.tweet_id))))


def observed(api: FakeX) -> list[int]:
    """The posts that are no younger than two hours."""
    return sorted(n for n in api.truth if snowflake_time(n) < NOON - REREAD)


def test_filling_begins_with_what_is_covered_first(holed: Engine) -> None:
    assert backfill.filling(holed) == {"since": iso(BEGIN)}
    assert backfill.filling(holed, "timeline") == {"since": iso(BEGIN), "via": "timeline"}


def test_filling_begins_with_a_hole_that_was_recorded_before_it(holed: Engine) -> None:
    recorded = {"source": "x_api", "span_start": BEGIN - DAY, "span_end": BEGIN, "reason": "", "found_at": NOON}
    with writing(holed) as connection:
        connection.execute(CoverageHole.__table__.insert().values(recorded))  # type: ignore[attr-defined]
    assert backfill.filling(holed) == {"since": iso(BEGIN - DAY)}


def test_where_nothing_is_covered_there_is_nothing_to_fill(engine: Engine) -> None:
    with pytest.raises(DataError, match="there are no holes"):
        backfill.filling(engine)


async def test_filled_holes_are_gone_and_all_their_posts_are_there(holed: Engine, api: FakeX, fill: Fill) -> None:
    result = await fill()
    assert coverage.covered(holed) == [Span(BEGIN, NOON - REREAD)]
    assert stored(holed) == observed(api)
    assert (result["new"], result["holes"]) == (5 + 72, [])


async def test_what_it_costs_is_what_was_said_and_what_is_written_down(holed: Engine, api: FakeX, fill: Fill) -> None:
    said = fetch_price.price(holed, Run(), since=backfill.filling(holed)["since"])
    result = await fill()
    assert said.spans == (DAYS, HOURS)
    assert (said.posts, said.checks) == (77, spending.COUNTS["all"])
    assert said.microdollars == round(result["dollars"] * 1_000_000)
    assert said.microdollars == spending.spent(holed, NOON.date()).microdollars
    assert api.billed == said.posts


def test_the_price_is_that_of_the_days_around_a_hole_and_not_of_years_before(
    engine: Engine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "now", clock)
    monkeypatch.setattr(fetch_price, "now", clock)
    spans = store.without([Span(NOON - 400 * DAY, NOON)], [DAYS])
    quiet = [NOON - 400 * DAY + i * DAY for i in range(370)]
    busy = [NOON - 30 * DAY + i * HOUR for i in range(30 * 24)]
    posts = [store.NewPost(10**18 + i, made, "original") for i, made in enumerate(quiet + busy)]
    with writing(engine) as connection:
        store.store_posts(connection, "file", [post for post in posts if within(post.created_at, spans)], NOON)
        store.cover(connection, "file", spans, moment=NOON)
    found = fetch_price.price(engine, Run(), since=backfill.filling(engine)["since"])
    assert (found.posts, found.basis) == (72, "estimated: 24.0 posts a day, as in the 23 covered days around")


async def test_the_last_two_hours_are_neither_priced_nor_fetched(holed: Engine, fill: Fill) -> None:
    await fill()
    later = fetch_price.price(holed, Run(), since=backfill.filling(holed)["since"])
    assert (later.spans, later.microdollars) == ((), 0)
    result = await fill()
    assert (result["pages"], result["dollars"]) == (0, 0.0)


@pytest.mark.parametrize("page", range(1, 10))
async def test_filling_that_is_cut_off_at_any_page_and_begun_again_loses_and_doubles_nothing(
    holed: Engine, api: FakeX, fill: Fill, page: int
) -> None:
    said = fetch_price.price(holed, Run(), since=backfill.filling(holed)["since"])

    def end(_asked: str) -> None:
        if len(api.requests) == page:
            raise Killed

    api.before_request = end
    with pytest.raises(Killed):
        await fill()
    api.before_request = lambda _asked: None
    again = fetch_price.price(holed, Run(), since=backfill.filling(holed)["since"])
    assert again.microdollars <= said.microdollars
    await fill()
    assert stored(holed) == observed(api)
    assert coverage.covered(holed) == [Span(BEGIN, NOON - REREAD)]
    assert api.billed == said.posts
    assert spending.spent(holed, NOON.date()).microdollars == said.microdollars


async def test_a_post_that_the_walk_did_not_see_is_found_by_the_counts(holed: Engine, api: FakeX, fill: Fill) -> None:
    inside = [n for n in api.truth if DAYS.start <= snowflake_time(n) < DAYS.end]
    api.hidden = {inside[30]}
    api.before_request = lambda asked: api.hidden.clear() if asked.startswith("counts") else None
    await fill()
    assert stored(holed) == observed(api)


async def test_the_filled_hours_are_counted_by_the_next_refresh(
    holed: Engine, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aggregate, "now", lambda: NOON)
    aggregate.refresh(holed, Run())
    before = counted(holed)
    await fill()
    aggregate.refresh(holed, Run())
    assert counted(holed) == (before[0] + 77, before[1] + 77)


def counted(engine: Engine) -> tuple[int, int]:
    """How many hours are counted, and how many posts in them."""
    query = select(func.count(), func.sum(TimeBucket.tweet_count)).where(TimeBucket.granularity == "hourly")
    with reading(engine) as connection:
        hours, posts = connection.execute(query).one()
        return int(hours), int(posts)
