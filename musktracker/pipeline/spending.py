"""What reading posts costs: the price, what was spent on each UTC day, and the limit that a day must not pass.

A post costs once a UTC day, however often it is read; an answer without posts is free. Amounts are in millionths of a
dollar. The limit is one for all runs: under a limit, a run reserves what an answer may cost before it asks, so that
all of them together keep to it.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from sqlalchemy import Connection, Engine, delete, func, select, update
from sqlalchemy.exc import DBAPIError

from musktracker import timeline
from musktracker.db import settings
from musktracker.db.engines import is_sqlite, reading, writing
from musktracker.db.tables import ApiLimit, BoughtPost, RunRow, Spending
from musktracker.db.upsert import upsert
from musktracker.errors import MuskTrackerError, UsageError
from musktracker.reporting import Run
from musktracker.run_info import AHEAD, STALE
from musktracker.sources.x_limits import LARGEST, RateLimit
from musktracker.sources.x_pages import Usage
from musktracker.timeline import DAY, floor_day, utc_text

POST = 5_000  # $0.005 a post
COUNTS = {"recent": 5_000, "all": 10_000}  # a request
MONTH = "posts of the month"  # the name under which the plan's cap is written down
LIMIT_SETTING = "daily_spend_limit_usd"


class SpendingLimitReached(MuskTrackerError):
    """The next answer could cost more than the day's limit leaves.

    `until` is when the next day begins, `wanted` the least that the answer may cost.
    """

    def __init__(self, limit: int, spent: int, wanted: int, until: datetime) -> None:
        super().__init__(
            f"The spending limit of {dollars(limit)} a day is reached: {dollars(spent)} are spent today (UTC)",
            f"It goes on where it stopped after {utc_text(until)}; raise the limit with musktracker ingest "
            "--daily-limit USD",
        )
        self.until = until
        self.wanted = wanted


@dataclass(frozen=True, slots=True)
class Spent:
    """What was bought on a UTC day."""

    day: date
    posts: int = 0
    requests: int = 0
    microdollars: int = 0


class Budget:
    """What one run may buy under the day's limit, which all runs share."""

    def __init__(self, engine: Engine, run: Run) -> None:
        self._engine = engine
        self._run = run
        self._limit: int | None = None
        self._known = False
        self._reserves = False

    @property
    def limited(self) -> bool:
        """Whether there is a limit at all."""
        if not self._known:
            self.refresh()
        return self._limit is not None

    def refresh(self) -> None:
        """Read the limit anew, which somebody may have changed."""
        self._limit, self._known = limit(self._engine), True

    def reserve(self, connection: Connection, most: int, least: int, moment: datetime) -> int | None:
        """Reserve what the answers that are on their way may cost: `most`, or as little as `least` near the limit.

        It stands for what was reserved before. Returns the amount; None where other runs reserve what would be left,
        which they may not spend. Raises SpendingLimitReached where it is spent.
        """
        if self._limit is None:
            return most
        bought = _spent(connection, moment.date()).microdollars
        left = self._limit - bought - _reserved(connection, but=self._run)
        if left < least:
            if self._limit - bought >= least:
                return None
            raise SpendingLimitReached(self._limit, bought, least, floor_day(moment) + DAY)
        amount = min(most, left)
        self._write(connection, amount)
        return amount

    def allow(self, cost: int, moment: datetime) -> None:
        """Raise SpendingLimitReached where what comes without being asked for would pass the limit.

        What this run reserves itself is not held against it.
        """
        allowed = limit(self._engine)
        if allowed is None:
            return
        with reading(self._engine) as connection:
            bought = _spent(connection, moment.date()).microdollars
            spoken_for = bought + _reserved(connection, but=self._run)
        if spoken_for + cost > allowed:
            raise SpendingLimitReached(allowed, bought, cost, floor_day(moment) + DAY)

    def release(self) -> None:
        """Reserve nothing any more; where the database is away, until the run ends or reserves anew."""
        if self._reserves:
            with suppress(DBAPIError), writing(self._engine) as connection:
                self._write(connection, None)

    def _write(self, connection: Connection, amount: int | None) -> None:
        if self._run.id is not None:
            connection.execute(update(RunRow).where(RunRow.id == self._run.id).values(reserved=amount))
            self._reserves = amount is not None


def affordable(engine: Engine, cost: int, moment: datetime) -> bool:
    """Whether the day's limit leaves room for something that costs this much."""
    allowed = limit(engine)
    with reading(engine) as connection:
        spoken_for = _spent(connection, moment.date()).microdollars + _reserved(connection)
    return allowed is None or spoken_for + cost <= allowed


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
    with reading(engine) as connection:
        return _spent(connection, day)


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
        cap, left = (min(max(number, 0), LARGEST) for number in (usage.cap, usage.cap - usage.used))
        _note(connection, [(MONTH, cap, left, reset, moment)])


def forget_bought(connection: Connection, before: date) -> int:
    """Delete the record of posts last paid for before a day; what was spent stays."""
    return connection.execute(delete(BoughtPost).where(BoughtPost.day < before)).rowcount


def dollars(microdollars: int) -> str:
    """An amount as people read it."""
    return f"${microdollars / 1_000_000:,.2f}" if microdollars % 10_000 == 0 else f"${microdollars / 1_000_000:,.3f}"


def _spent(connection: Connection, day: date) -> Spent:
    row = connection.execute(select(Spending.__table__).where(Spending.day == day)).one_or_none()
    return Spent(day) if row is None else Spent(row.day, row.posts, row.requests, row.microdollars)


def _reserved(connection: Connection, *, but: Run | None = None) -> int:
    """What living runs reserve, but for one of them."""
    moment = timeline.now()
    beats = RunRow.heartbeat_at.between(moment - STALE, moment + AHEAD)
    total = select(func.sum(RunRow.reserved)).where(RunRow.lease.is_not(None), beats)
    if but is not None and but.id is not None:
        total = total.where(RunRow.id != but.id)
    return int(connection.scalar(total) or 0)


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
_SPENDING = Spending.__table__
_LIMITS = ApiLimit.__table__
_BOUGHT = BoughtPost.__table__
