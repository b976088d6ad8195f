"""Walk a range of posts from its newest down, page by page, so that nothing is lost wherever it is cut off.

A page's posts, what it leaves to fetch, what it cost and, with the last, what was observed are one transaction. A
page counts as passed only once a few more have come, so that pages that come late or change places lose nothing; and
a walk has ended only once nothing more is found below it, so that a page that wrongly seems the last loses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from musktracker.pipeline import observed, ranges, spending, store
from musktracker.pipeline.account import Account, Client
from musktracker.pipeline.buying import Buyer
from musktracker.pipeline.observed import UNREADABLE, Moment
from musktracker.pipeline.passed import Passed, moment_in
from musktracker.pipeline.ranges import SOURCE, Range
from musktracker.pipeline.reach import REACH, Reach
from musktracker.reporting import Run
from musktracker.sources.file_posts import AHEAD
from musktracker.sources.x_errors import Forbidden, PageTokenRefused, Unavailable
from musktracker.sources.x_pages import Page
from musktracker.timeline import Span, iso, now

T = TypeVar("T")

PAGE = {"timeline": 100, "recent": 100, "all": 500}
LEAST = {"timeline": 5, "recent": 10, "all": 10}  # posts that a page may ask for
SEARCHED_FROM = datetime(2006, 3, 22, tzinfo=UTC)  # a day after the first post of all
TURNS = 8  # of the loop, in which a request is written to its connection
STALLS = 3  # walks that led no further, one after the other, until the range is halved
MOST_SPLITS = 50
LIMITS_EVERY = timedelta(seconds=5)  # that rate limits are written down


class Walker:
    """Walks ranges with one client into one database."""

    def __init__(
        self,
        engine: Engine,
        run: Run,
        client: Client,
        account: Account,
        *,
        escalate: bool = True,
        clock: Callable[[], datetime] = now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """With `escalate`, a search finds what a backfill asks of a timeline that does not reach that far."""
        self.buyer = Buyer(engine, run, client, clock=clock, sleep=sleep)
        self.tally = self.buyer.tally
        self._run = run
        self._client = client
        self._account = account
        self._reach = Reach(engine, client, escalate=escalate)
        self._clock = clock
        self._limits_written: datetime | None = None
        self._left_out: set[int] = set()  # posts of a time to come, of which that was said

    async def walk(self, left: Range) -> None:
        """Fetch and store a range until nothing is left, or until what is left is a recorded hole.

        Raises the client's errors and SpendingLimitReached; what is left then stays written down.
        """
        waiting = [left]
        stalls = splits = 0
        asked_before = False
        while waiting:
            before, seen, new = waiting.pop(), self.tally.seen, self.tally.new
            rest = await self._descend(self._reach.routed(before), asked_before=asked_before)
            moved = rest is None or (rest.high, rest.endpoint) != (before.high, before.endpoint)
            stalls = 0 if moved or self.tally.new > new else stalls + 1
            asked_before = rest is not None and self.tally.seen == seen
            if rest is None:
                continue
            waiting.append(rest)
            if stalls == STALLS:
                stalls, splits = 0, splits + 1
                waiting[-1:] = await self._halves(rest, splits)

    async def _descend(self, left: Range, *, asked_before: bool) -> Range | None:
        """Follow the pages of one request down; returns what is left, None where nothing is.

        `asked_before`: the same was asked just now, and nothing came.
        """
        most, least = (number[left.endpoint] * spending.POST for number in (PAGE, LEAST))
        size = await self.buyer.reserve(most, least) // spending.POST
        pages = self._pages(left, size)
        ahead: asyncio.Task[Page] | None = asyncio.create_task(_next(pages))
        passed = Passed(left)
        try:
            while ahead is not None:
                page = await ahead
                ahead = await self._ahead(page, pages, 2 * size)
                for _ in range(TURNS if ahead is not None else 0):
                    await asyncio.sleep(0)  # let the request go out: it is on its way while this page is stored
                self._note(page)
                passed.add(page)
                if left.fresh and left.purpose == "follow":  # now that an answer told the API's time
                    left = left.ending(self._moment().settled)
                if not page.more and not page.looped:
                    if not passed.may_go_on(page, size, asked_before=asked_before):
                        return await self._end(left, page, passed)
                    return await self._keep(passed.rest(left), page, passed)
                left = await self._keep(left.down_to(passed.surely - 1), page, passed)
                ahead = ahead or await self._ahead(page, pages, size)
            if page.more:  # no money for another: tomorrow, to read pages again would cost again
                left = await self._keep(passed.rest(left), page, passed)
        except PageTokenRefused as refusal:
            self._run.debug(f"{refusal.message}: going on from post {left.high}")
        except Forbidden:
            if not self._reach.without(left.endpoint):
                raise
            self._run.warning("The plan has no search of all posts")
        finally:
            await _stop(ahead, pages)
            self.buyer.budget.release()
        return left

    async def _halves(self, left: Range, splits: int) -> list[Range]:
        """Two ranges for one of which the API does not give the end; the upper one last."""
        if splits > MOST_SPLITS:
            raise Unavailable(
                f"The X API leads in a circle below post {left.high}, however it is asked",
                "Start again later: it goes on where it stopped",
            )
        middle = (left.low + left.high) // 2
        between = min(max(ranges.moment_of(middle + 1, left.span.start), left.span.start), left.span.end)
        halves = (
            replace(left, high=middle, span=Span(left.span.start, between), id=None),
            replace(left, low=middle, span=Span(between, left.span.end), id=None),
        )
        self._run.debug("The X API leads in a circle: asking for less at once", below=str(left.high))

        def write(connection: Connection) -> list[Range]:
            ranges.close(connection, left)
            return [ranges.save(connection, half, self._clock()) for half in halves]

        return await self.buyer.transact(write)

    async def _ahead(self, page: Page, pages: AsyncIterator[Page], posts: int) -> asyncio.Task[Page] | None:
        """Ask for the next page, where there is one and the day's limit has room for this many posts."""
        if not page.more or not await self.buyer.can_reserve(posts * spending.POST):
            return None
        return asyncio.create_task(_next(pages))

    def _pages(self, left: Range, size: int) -> AsyncIterator[Page]:
        if left.endpoint == "timeline":
            until = None if left.fresh and left.purpose == "follow" else left.high + 1
            return self._client.timeline(
                self._account.id, since_id=left.low or None, until_id=until, max_results=size
            )
        start = max(left.span.start, SEARCHED_FROM)
        if left.endpoint == "recent":
            start = max(start, self._reach.recent_start)
        end = left.span.end if left.fresh else ranges.moment_of(left.high + 1, left.span.end)
        end = max(end, start + timedelta(seconds=1))
        return self._client.search(
            self._account.query, scope=left.endpoint, start_time=start, end_time=end, max_results=size
        )

    async def _keep(self, left: Range, page: Page, passed: Passed) -> Range:
        gaps = passed.take_gaps(left)

        def write(connection: Connection) -> Range:
            moment = self._moment()
            return ranges.save(connection, observed.give_up(connection, left, gaps, moment), moment.now)

        kept = await self._stored(page, write)
        self._tell_holes(left, gaps, UNREADABLE)
        return kept

    async def _end(self, left: Range, page: Page, passed: Passed) -> Range | None:
        """Store the last page of a walk; returns what another endpoint has to fetch, None where nothing is left."""
        unseen, reason = await self._unseen(left, page, passed)
        elsewhere = self._reach.elsewhere(left) if unseen else None
        if elsewhere is not None:
            self._run.info(f"{_sentence(reason)}: going on by the search of {elsewhere} posts")
            return await self._keep(replace(left.down_to(passed.lowest - 1), endpoint=elsewhere), page, passed)

        gaps = passed.take_gaps(left)
        done, hole = left, unseen
        if unseen is not None and reason == UNREADABLE and observed.is_newest(left, unseen):
            done, hole = left.ending(unseen.start), None

        def write(connection: Connection) -> None:
            moment = self._moment()
            rest = observed.give_up(connection, done, gaps, moment)
            observed.finish(connection, rest, hole, reason, moment)

        await self._stored(page, write)
        self.tally.closed += 1
        self._tell_holes(left, gaps, UNREADABLE)
        self._tell_holes(left, [unseen] if unseen is not None else [], reason)
        return None

    async def _unseen(self, left: Range, page: Page, passed: Passed) -> tuple[Span | None, str]:
        """What of a range's time an ended walk did not see, and why; None where it saw all of it."""
        bottom = passed.lowest
        if page.untimed:
            return left.span, "the posts from before November 2010 came without their times"
        if passed.gap_from is not None and (gap_end := moment_in(left, passed.gap_from)) > left.span.start:
            return Span(left.span.start, gap_end), UNREADABLE
        if left.endpoint == "recent" and left.span.start < self._reach.recent_start:
            start = min(self._reach.recent_start, left.span.end)
            return Span(left.span.start, start), "the search of recent posts reaches back 7 days"
        if left.endpoint == "timeline" and await self._is_cut_off(left, page):
            self._reach.ends(bottom)
            unseen = Span(left.span.start, moment_in(left, bottom))
            if unseen.end > unseen.start:
                return unseen, f"the timeline reaches back {REACH:,} posts"
        return None, ""

    async def _is_cut_off(self, left: Range, page: Page) -> bool:
        """Whether a timeline may have ended above the low end of a range; where that is in doubt, ask below it."""
        if not self._reach.is_doubtful(left, len(page.posts)):
            return False
        if left.low <= 0:
            return True
        if not await self.buyer.can_reserve((len(page.posts) + LEAST["timeline"]) * spending.POST):
            await self._stored(page, lambda _: None)  # so that nothing stays reserved by who waits for others
            self.buyer.budget.release()
            await self.buyer.reserve(LEAST["timeline"] * spending.POST, LEAST["timeline"] * spending.POST)
        below = self._client.timeline(self._account.id, until_id=left.low + 1, max_results=LEAST["timeline"])
        try:
            async for found in below:
                if found.posts:
                    await self._stored(found, lambda _: None)
                    return False
        finally:
            await _stop(None, below)
        return True

    def _moment(self) -> Moment:
        return Moment.of(self._clock(), self._client.server_now())

    async def _stored(self, page: Page, then: Callable[[Connection], T]) -> T:
        """Store a page and what it leads to in one transaction, then count it."""
        page = self._possible(page)

        def write(connection: Connection) -> tuple[store.Stored, int, T]:
            return *self._store_page(connection, page), then(connection)

        stored, cost, result = await self.buyer.transact(write)
        self.tally.count(page, stored, cost)
        return result

    def _possible(self, page: Page) -> Page:
        """A page without posts of a time to come, by whichever clock is ahead; later polls find what is left out."""
        latest = max(self._client.server_now(), self._clock()) + AHEAD
        posts = tuple(post for post in page.posts if post.created_at <= latest)
        if len(posts) == len(page.posts):
            return page
        untold = {post.id for post in page.posts if post.created_at > latest} - self._left_out
        if untold:
            self._left_out |= untold
            self._run.warning(
                f"{len(untold)} posts have ids of a time to come, and are left out", first=str(min(untold))
            )
        return replace(page, posts=posts)

    def _store_page(self, connection: Connection, page: Page) -> tuple[store.Stored, int]:
        moment = self._clock()
        posts = [store.NewPost(post.first_id, post.created_at, post.kind) for post in page.posts]
        stored = store.store_posts(connection, SOURCE, posts, moment)
        cost = spending.buy_posts(connection, page.ids, self.buyer.paid_at())
        if self._limits_written is None or moment - self._limits_written > LIMITS_EVERY:
            spending.note_limits(connection, self._client.limits, moment)
            self._limits_written = moment
        return stored, cost

    def _tell_holes(self, left: Range, holes: Sequence[Span], reason: str) -> None:
        """Say what stays a hole; of what polls find again and again, once."""
        told = {(hole.start, why) for hole, why in self.tally.holes}
        for hole in holes if left.purpose != "recheck" else ():
            if (hole.start, reason) in told:
                continue
            self.tally.holes.append((hole, reason))
            self._run.warning(
                f"{_sentence(reason)}: nothing is known of {iso(hole.start)} to {iso(hole.end)}, which stays a hole. "
                "musktracker coverage --fill tries to fill it"
            )

    def _note(self, page: Page) -> None:
        """Say what is odd about a page; never what its posts say."""
        if page.contradicted:
            self._run.warning(
                f"{len(page.contradicted)} posts state a time that is not the one in their id, which was taken",
                first=str(page.contradicted[0]),
            )
        if page.looped:
            self._run.debug("The X API repeats a page: the walk begins again below what is stored")
        if page.lacking:
            self._run.debug(f"A page of the X API stays as it is, however often it is asked for: {page.lacking}")
        for problem in page.errors[:3]:
            self._run.debug(f"The X API left something out: {problem}")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


async def _next(pages: AsyncIterator[Page]) -> Page:
    return await anext(pages)


async def _stop(ahead: asyncio.Task[Page] | None, pages: AsyncIterator[Page]) -> None:
    if ahead is not None:
        ahead.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await ahead
    end: Any = getattr(pages, "aclose", None)
    if end is not None:
        await end()
