"""What reading posts costs: the price, what was spent on each UTC day, and the limit that a day must not pass.

A post costs once a UTC day, however often it is read; an answer without posts is free. Amounts are in millionths of a
dollar.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from sqlalchemy import Connection, Engine, delete, select

from musktracker.db import settings
from musktracker.db.engines import is_sqlite, reading
from musktracker.db.tables import ApiLimit, Base, BoughtPost, Spending
from musktracker.db.upsert import upsert
from musktracker.errors import MuskTrackerError, UsageError
from musktracker.sources.x_limits import RateLimit
from musktracker.sources.x_pages import Usage
from musktracker.timeline import DAY, floor_day

POST = 5_000  # $0.005 a post
COUNTS = {"recent": 5_000, "all": 10_000}  # a request
MONTH = "posts of the month"  # the name under which the plan's cap is written down
LIMIT_SETTING = "daily_spend_limit_usd"


class SpendingLimitReached(MuskTrackerError):
    """The next page could cost more than the day's limit leaves; `until` is when the next day begins."""

    def __init__(self, limit: int, spent: int, until: datetime) -> None:
        super().__init__(
            f"The spending limit of {dollars(limit)} a day is reached: {dollars(spent)} are spent today (UTC)",
            f"It goes on where it stopped after {until:%Y-%m-%d %H:%M} UTC; raise the limit with musktracker ingest "
            "--daily-limit USD",
        )
        self.until = until


@dataclass(frozen=True, slots=True)
class Spent:
    """What was bought on a UTC day."""

    day: date
    posts: int = 0
    requests: int = 0
    microdollars: int = 0


class Budget:
    """The day's limit and what is spent of it, kept beside the database's record while a run goes on."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._day: date | None = None
        self._limit: int | None = None
        self._spent = 0

    def posts(self, wanted: int, least: int, moment: datetime) -> int:
        """How many posts may be asked for at once: `wanted`, or as few as `least` near the limit.

        Raises SpendingLimitReached where not even those may.
        """
        self.refresh(moment)
        if self._limit is None:
            return wanted
        left = (self._limit - self._spent) // POST
        if left < least:
            raise SpendingLimitReached(self._limit, self._spent, floor_day(moment) + DAY)
        return min(wanted, left)

    def allow(self, cost: int, moment: datetime) -> None:
        """Raise SpendingLimitReached where something that costs this much would pass the limit."""
        self.refresh(moment)
        if self._limit is not None and self._spent + cost > self._limit:
            raise SpendingLimitReached(self._limit, self._spent, floor_day(moment) + DAY)

    def refresh(self, moment: datetime, *, limit_too: bool = False) -> None:
        """Know the day's spending; `limit_too` reads the limit anew, which somebody may have changed."""
        if self._day != moment.date():
            self._day, self._spent = moment.date(), spent(self._engine, moment.date()).microdollars
            limit_too = True
        if limit_too:
            self._limit = limit(self._engine)

    def add(self, microdollars: int) -> None:
        """Hear of what was recorded as spent."""
        self._spent += microdollars


def buy_posts(connection: Connection, post_ids: Iterable[int], moment: datetime) -> int:
    """Record that posts were read; returns what of it costs, those read for the first time on this UTC day."""
    stored_day = _stored(connection, moment.date())
    rows = [(post_id, stored_day) for post_id in set(post_ids)]
    bought = upsert(
        connection, _BOUGHT, ("post_id", "day"), rows, conflict=("post_id",), update=("day",), verbatim=True
    )
    if bought:
        _record(connection, moment.date(), Spent(moment.date(), bought, 0, bought * POST))
    return bought * POST


def buy_request(connection: Connection, microdollars: int, moment: datetime) -> int:
    """Record a request that costs by itself; returns what it costs."""
    _record(connection, moment.date(), Spent(moment.date(), 0, 1, microdollars))
    return microdollars


def spent(engine: Engine, day: date) -> Spent:
    """What was bought on a UTC day."""
    table = Spending.__table__
    with reading(engine) as connection:
        row = connection.execute(select(table).where(Spending.day == day)).one_or_none()
    return Spent(day) if row is None else Spent(row.day, row.posts, row.requests, row.microdollars)


def limit(engine: Engine) -> int | None:
    """What may be spent on a day; None where there is no limit."""
    stored = settings.get(engine, LIMIT_SETTING)
    return None if stored in (None, "none") else int(Decimal(str(stored)) * 1_000_000)


def set_limit(engine: Engine, text: str) -> int | None:
    """Set what may be spent on a UTC day, in dollars, or `none`; returns it. Raises UsageError."""
    if text.strip().lower() == "none":
        settings.set(engine, LIMIT_SETTING, "none")
        return None
    try:
        amount = Decimal(text.strip().removeprefix("$"))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not (amount.is_finite() and 0 <= amount <= 1_000_000):
        raise UsageError(f"{text!r} is no amount of dollars a day", "Write 2.50, or none for no limit")
    settings.set(engine, LIMIT_SETTING, f"{amount:f}")
    return int(amount * 1_000_000)


def note_limits(connection: Connection, limits: Mapping[str, RateLimit], moment: datetime) -> None:
    """Write down the API's rate limits as last heard, by endpoint."""
    _note(connection, [(name, told.limit, told.remaining, told.reset, moment) for name, told in limits.items()])


def note_usage(connection: Connection, usage: Usage, moment: datetime) -> None:
    """Write down what the project may still read this month."""
    if usage.cap is not None:
        reset = None if usage.reset_day is None else _next_day(moment, usage.reset_day)
        _note(connection, [(MONTH, usage.cap, max(usage.cap - usage.used, 0), reset, moment)])


def forget_bought(connection: Connection, before: date) -> int:
    """Delete the record of posts last paid for before a day; what was spent stays."""
    return connection.execute(delete(BoughtPost).where(BoughtPost.day < before)).rowcount


def dollars(microdollars: int) -> str:
    """An amount as people read it."""
    return f"${microdollars / 1_000_000:,.2f}" if microdollars % 10_000 == 0 else f"${microdollars / 1_000_000:,.3f}"


def _record(connection: Connection, day: date, bought: Spent) -> None:
    stored_day, more = _stored(connection, day), (bought.posts, bought.requests, bought.microdollars)
    mark = "?" if is_sqlite(connection) else "%s"
    add = ", ".join(f"{name} = {name} + {mark}" for name in _AMOUNTS)  # for every page: a tenth of what Core takes
    statement = f"UPDATE {_SPENDING.name} SET {add} WHERE day = {mark}"
    if not connection.exec_driver_sql(statement, (*more, stored_day)).rowcount:
        rows = [(stored_day, *more)]
        upsert(connection, _SPENDING, ("day", *_AMOUNTS), rows, conflict=("day",), verbatim=True)


def _note(connection: Connection, rows: list[tuple[str, int, int, datetime | None, datetime]]) -> None:
    columns = ("name", "budget", "remaining", "reset_at", "seen_at")
    upsert(connection, _LIMITS, columns, rows, conflict=("name",), update=columns[1:])


def _next_day(moment: datetime, day_of_month: int) -> datetime:
    """The next midnight UTC at which a day of the month begins; of a shorter month, its last day."""
    for months in range(3):
        year, month = moment.year + (moment.month - 1 + months) // 12, (moment.month - 1 + months) % 12 + 1
        day = min(max(day_of_month, 1), monthrange(year, month)[1])
        found = datetime(year, month, day, tzinfo=UTC)
        if found > moment:
            return found
    raise AssertionError("one of three months lies ahead")


def _stored(connection: Connection, day: date) -> str | date:
    return day.isoformat() if is_sqlite(connection) else day


_AMOUNTS = ("posts", "requests", "microdollars")
_SPENDING = Base.metadata.tables[Spending.__tablename__]
_LIMITS = Base.metadata.tables[ApiLimit.__tablename__]
_BOUGHT = Base.metadata.tables[BoughtPost.__tablename__]
