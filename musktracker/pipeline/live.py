"""Take in what the activity stream brings, beside the follower that polls.

The stream is faster, and alone in telling of deletions, but whoever was not connected never hears of what it brought.
So it only stores and marks: what counts as observed, and up to where everything is known, is for the polls to say,
which lose nothing whatever happens to the stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import DBAPIError

from musktracker.db.engines import is_passing, reading
from musktracker.db.tables import RawTweet
from musktracker.errors import describe
from musktracker.pipeline import spending, store
from musktracker.pipeline.account import Account
from musktracker.pipeline.buying import Buyer
from musktracker.pipeline.ranges import SOURCE
from musktracker.pipeline.spending import SpendingLimitReached
from musktracker.reporting import Run
from musktracker.sources.x_errors import XApiError
from musktracker.sources.x_stream import Created, Deleted, Event, Lost, Opened
from musktracker.timeline import iso, now

REFUSED = (300.0, 600.0, 1_200.0, 3_600.0)  # seconds until a stream that was refused is asked for again
LOOK_AGAIN = 60.0  # seconds, at the spending limit: somebody may raise it
WORTH_A_WORD = 1.0  # seconds without the stream: it breaks off now and then, and is back at once
REMEMBERED = timedelta(hours=3)  # that a deletion is held against what says otherwise: longer than polls reread
MOST_REMEMBERED = 10_000


class Stream(Protocol):
    """What brings events; `sources.x_stream.ActivityStream` is it."""

    malformed: int
    foreign: int

    def events(self, user_id: int) -> AsyncGenerator[Event, None]: ...


class Live:
    """Takes in what one account does, in the run and with the budget of its follower.

    `is_open`: whether there is a connection to the stream.
    """

    def __init__(
        self,
        engine: Engine,
        run: Run,
        stream: Stream,
        account: Account,
        buyer: Buyer,
        *,
        server_now: Callable[[], datetime] = now,
        clock: Callable[[], datetime] = now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`server_now` is the time by the API's clock, by whose days posts are paid for."""
        self.is_open = False
        self._engine = engine
        self._run = run
        self._stream = stream
        self._account = account
        self._buyer = buyer
        self._server_now = server_now
        self._clock = clock
        self._sleep = sleep
        self._until: asyncio.Timeout | None = None  # by which a connection is ended from outside
        self._refusals = 0
        self._skipped = (0, 0)  # lines that were malformed or foreign, as far as that was told
        self._is_known_lost = False
        self._gone: dict[int, datetime] = {}  # posts of which a deletion came, and when
        self._firsts: dict[int, int] = {}  # of edited posts that came, the first version by the others

    async def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Listen for as long as other work goes on; ends, and raises, with whichever of both ends first."""
        tasks = [asyncio.ensure_future(work), asyncio.ensure_future(self.listen())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def listen(self) -> None:
        """Take in what comes until cancelled; a stream that there is not is asked for again now and then.

        Raises LeaseLost, and what the database raises for good.
        """
        while True:
            try:
                self._allow()
                await self._connected()
            except SpendingLimitReached as reached:
                await self._wait_for_money(reached)
            except XApiError as refusal:
                seconds = REFUSED[min(self._refusals, len(REFUSED) - 1)]
                self._refusals += 1
                self._tell_lost(refusal.message, seconds)
                await self._sleep(seconds)

    async def after_poll(self) -> None:
        """Mark again what a poll brought back that is known to be deleted; end the stream where no money is left."""
        self._tell_skipped()
        self._forget()
        if self._gone:
            await self._attempt(self._mark_again())
        if self._until is not None and not self._until.expired() and not self._affordable():
            self._until.reschedule(0.0)

    async def _connected(self) -> None:
        """Take in what comes until that is refused, or too dear, or ended after a poll."""
        until = asyncio.timeout(None)
        try:
            async with until as self._until:
                await self._take_in()
        except TimeoutError:
            if not until.expired():
                raise
        finally:
            self.is_open, self._until = False, None

    async def _take_in(self) -> None:
        async with aclosing(self._stream.events(self._account.id)) as events:
            async for event in events:
                match event:
                    case Opened():
                        self.is_open, self._refusals = True, 0
                        self._run.debug("The activity stream is open")
                    case Lost(reason, seconds):
                        self.is_open = False
                        self._tell_lost(f"The connection to the activity stream is lost: {reason}", seconds)
                    case Created() | Deleted():
                        self._tell_back()
                        await self._keep(event)
                        self._allow()

    async def _keep(self, event: Created | Deleted) -> None:
        await self._attempt(self._store(event) if isinstance(event, Created) else self._mark(event))

    async def _attempt(self, work: Awaitable[None]) -> None:
        """Carry out a transaction; what the database does not take for long is left to the next polls."""
        try:
            await work
        except DBAPIError as error:
            if not is_passing(error):
                raise
            self._run.debug(f"What the stream brought is left to the polls: {describe(error)}")

    async def _store(self, event: Created) -> None:
        if event.id != event.first_id:
            _remember(self._firsts, event.id, event.first_id)
        gone = self._gone.get(event.id) or self._gone.get(event.first_id)
        post = store.NewPost(event.first_id, event.created_at, event.kind)

        def write(connection: Connection) -> tuple[store.Stored, int]:
            stored = store.store_posts(connection, SOURCE, [post], self._clock(), restoring=False)
            if gone is not None:  # the deletion came first
                store.mark_deleted(connection, [str(event.first_id)], gone)
            return stored, spending.buy_posts(connection, [event.id], self._server_now())

        stored, cost = await self._buyer.transact(write)
        self._buyer.tally.add([event.created_at], stored, cost)
        if stored.new:
            self._run.info("A new post, by the stream", newest=iso(event.created_at.replace(microsecond=0)))

    async def _mark(self, event: Deleted) -> None:
        """Mark a post as deleted. Whether X bills that is not documented: it counts as reading the post."""
        first = self._firsts.get(event.id, event.id)
        moment = self._gone.get(first, event.moment)
        _remember(self._gone, first, moment)

        def write(connection: Connection) -> tuple[int, int]:
            marked = store.mark_deleted(connection, [str(first)], moment)
            return marked, spending.buy_posts(connection, [event.id], self._server_now())

        marked, cost = await self._buyer.transact(write)
        self._buyer.tally.microdollars += cost
        if marked:
            self._run.info("A post was deleted", post=str(first))

    async def _mark_again(self) -> None:
        """Parts of the API show a post for a while after its deletion."""
        ids = [str(number) for number in self._gone]
        back = select(RawTweet.tweet_id).where(RawTweet.tweet_id.in_(ids), RawTweet.is_deleted.is_(False))
        with reading(self._engine) as connection:
            found = list(connection.scalars(back))

        def write(connection: Connection) -> None:
            for text in found:
                store.mark_deleted(connection, [text], self._gone[int(text)])

        if found:
            await self._buyer.transact(write)

    def _forget(self) -> None:
        long_ago = self._server_now() - REMEMBERED
        self._gone = {number: moment for number, moment in self._gone.items() if moment > long_ago}

    def _affordable(self) -> bool:
        try:
            self._allow()
        except SpendingLimitReached:
            return False
        return True

    def _allow(self) -> None:
        """Raise SpendingLimitReached where the next post would pass it; a database that is away says nothing."""
        try:
            self._buyer.budget.allow(spending.POST, self._server_now())
        except DBAPIError as error:
            if not is_passing(error):
                raise

    async def _wait_for_money(self, reached: SpendingLimitReached) -> None:
        self._run.info("The activity stream is closed: the day's spending limit is reached", until=iso(reached.until))
        while not self._affordable():
            left = (reached.until - self._server_now()).total_seconds()
            await self._sleep(min(max(left, 1.0), LOOK_AGAIN))

    def _tell_lost(self, reason: str, seconds: float) -> None:
        """One warning until it is back: polling goes on meanwhile, and loses nothing."""
        until = iso(self._clock() + timedelta(seconds=seconds))
        if seconds < WORTH_A_WORD or self._is_known_lost:
            self._run.debug(reason, until=until)
            return
        self._is_known_lost = True
        self._run.warning(f"{reason}. It goes on by polling, and tries the stream again", until=until)

    def _tell_skipped(self) -> None:
        (malformed, foreign), self._skipped = self._skipped, (self._stream.malformed, self._stream.foreign)
        if self._stream.malformed > malformed:
            self._run.debug(f"The stream brought {self._stream.malformed - malformed:,} lines that cannot be read")
        if self._stream.foreign > 0 == foreign:
            self._run.warning(
                "The stream brings what other accounts do, too, which X bills as well: the app is subscribed to them"
            )

    def _tell_back(self) -> None:
        if self._is_known_lost:
            self._is_known_lost = False
            self._run.info("The activity stream works again")


def _remember(known: dict[int, Any], number: int, value: Any) -> None:
    known[number] = value
    if len(known) > MOST_REMEMBERED:
        del known[next(iter(known))]
