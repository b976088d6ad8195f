"""Buying from the X API: reserve what an answer may cost, then store what came and pay for it in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from musktracker.db.engines import is_passing
from musktracker.errors import describe
from musktracker.pipeline import spending, store
from musktracker.pipeline.account import Client
from musktracker.reporting import Run
from musktracker.sources.x_pages import Page
from musktracker.timeline import DAY, Span, iso, now

T = TypeVar("T")

MONEY_WAIT = 1.0  # seconds until it is asked again whether other runs leave something of the day's limit
DATABASE_WAITS = (0.2, 1.0, 5.0, 15.0, 30.0, 60.0)  # seconds between attempts to store a page


@dataclass(slots=True)
class Tally:
    """What was bought: pages and posts that came, posts that were new, ranges closed, spans that stay holes."""

    pages: int = 0
    seen: int = 0
    new: int = 0
    restored: int = 0
    closed: int = 0
    microdollars: int = 0
    newest: datetime | None = None
    holes: list[tuple[Span, str]] = field(default_factory=list)

    def count(self, page: Page, stored: store.Stored, microdollars: int) -> None:
        """Add a page that was stored."""
        self.pages += 1
        self.add([post.created_at for post in page.posts], stored, microdollars)

    def add(self, made: Sequence[datetime], stored: store.Stored, microdollars: int) -> None:
        """Add posts that were stored, by when they were made."""
        self.seen += len(made)
        self.new += stored.new
        self.restored += stored.restored
        self.microdollars += microdollars
        if made:
            self.newest = max(made) if self.newest is None else max(self.newest, *made)

    def result(self) -> dict[str, Any]:
        """The same as the result of a run."""
        return {
            "pages": self.pages,
            "seen": self.seen,
            "new": self.new,
            "restored": self.restored,
            "ranges": self.closed,
            "newest": None if self.newest is None else iso(self.newest),
            "holes": [[iso(span.start), iso(span.end), reason] for span, reason in self.holes],
            "dollars": self.microdollars / 1_000_000,
        }


class Buyer:
    """Buys for one run, under the day's limit, which all runs share; `tally` is what came of it."""

    def __init__(
        self,
        engine: Engine,
        run: Run,
        client: Client,
        *,
        clock: Callable[[], datetime] = now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.tally = Tally()
        self.budget = spending.Budget(engine, run)
        self._engine = engine
        self._run = run
        self._client = client
        self._clock = clock
        self._sleep = sleep

    async def transact(self, work: Callable[[Connection], T]) -> T:
        """One transaction of a run that still holds its lease, tried again while the database is away.

        It holds the loop for some milliseconds: to hand it to a thread costs as much as it takes.
        """

        def attempt() -> T:
            with store.storing(self._engine, self._run) as connection:
                return work(connection)

        for seconds in DATABASE_WAITS:
            try:
                return attempt()
            except DBAPIError as error:
                if not is_passing(error):
                    raise
                reason = error
            until = self._clock() + timedelta(seconds=seconds)
            self._run.warning(f"The database does not take a page: {describe(reason)}", until=iso(until))
            self._run.progress(stage="backing off", message="The database is away", until=until)
            await self._sleep(seconds)
        return attempt()

    async def reserve(self, most: int, least: int) -> int:
        """Reserve what the answers on their way may cost (microdollars), as `Budget.reserve`; release it after them.

        Waits while other runs reserve what is left. Raises SpendingLimitReached.
        """
        while True:
            amount = await self._try_to_reserve(most, least)
            if amount is not None:
                return amount
            self._run.progress(stage="waiting", message="Other runs reserve what is left of the day's limit")
            await self._sleep(MONEY_WAIT)

    async def can_reserve(self, amount: int) -> bool:
        """Reserve this much, whatever others do; False, and what was reserved stays, where it cannot be."""
        try:
            return await self._try_to_reserve(amount, amount) is not None
        except spending.SpendingLimitReached:
            return False

    def paid_at(self) -> datetime:
        """A moment of the day on which what is read now is paid for: by the later clock, at most a day ahead of ours.

        A clock that is wrong must not open the budget of another day.
        """
        ours, theirs = self._clock(), self._client.server_now()
        return theirs if ours < theirs <= ours + DAY else ours

    async def _try_to_reserve(self, most: int, least: int) -> int | None:
        if not self.budget.limited:
            return most
        moment = self.paid_at()
        return await self.transact(lambda connection: self.budget.reserve(connection, most, least, moment))
