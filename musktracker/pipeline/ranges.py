"""What is still to fetch, as ranges of post ids: the memory that outlives a process that is killed at any moment.

A range is walked from its newest post down. Each page is stored in the same transaction that lowers what is left, and
the range goes only with its last page: a walk that is cut off leaves the row of what lies below. The high-water mark
moves only when a walk is complete.

Ranges to follow belong to the run that holds the lease "ingest", those of a backfill to the one that holds
"backfill": whoever holds it next finishes what a dead one left. A recheck belongs to the run that makes it, and is
written down nowhere: it covers nothing, and hours that lack posts are found anew by whoever compares them next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, Engine, delete, insert, select

from musktracker import leases
from musktracker.db import verbatim
from musktracker.db.engines import is_sqlite, reading, writing
from musktracker.db.tables import FetchRange, HighWaterMark
from musktracker.db.upsert import upsert
from musktracker.timeline import FIRST_SNOWFLAKE, Span, snowflake_floor, snowflake_time

SOURCE = "x_api"
Purpose = Literal["follow", "backfill", "recheck"]
Endpoint = Literal["timeline", "recent", "all"]
CHUNK = timedelta(days=7)  # of a backfill: what it covers grows by these


@dataclass(frozen=True, slots=True)
class Range:
    """Posts to fetch: ids above `low`, up to and with `high`, of a walk that came down from `top`.

    `span` is the time that is observed once nothing is left. `id` is None where no row tells of it yet.
    """

    purpose: Purpose
    endpoint: Endpoint
    low: int
    high: int
    top: int
    span: Span
    id: int | None = None

    @property
    def fresh(self) -> bool:
        """Whether nothing of it was fetched yet."""
        return self.high == self.top

    def ending(self, moment: datetime) -> Range:
        """The same, but observed no later than a moment."""
        if moment >= self.span.end:
            return self
        end = max(moment, self.span.start)
        top = max(min(snowflake_floor(end) - 1, self.top), self.low)
        return replace(self, high=min(self.high, top), top=top, span=Span(self.span.start, end))

    def down_to(self, high: int) -> Range:
        """What is left when all above `high` is stored."""
        return replace(self, high=max(min(high, self.high), self.low))


def of_span(span: Span, purpose: Purpose, endpoint: Endpoint) -> Range:
    """The posts made in a span of time."""
    low, high = max(snowflake_floor(span.start) - 1, 0), snowflake_floor(span.end) - 1
    return Range(purpose, endpoint, low, max(high, low), max(high, low), span)


def chunks(spans: Iterable[Span], purpose: Purpose, endpoint: Endpoint) -> Iterator[Range]:
    """Spans as ranges of a week at most, newest first; what is older than snowflakes is one."""
    first = snowflake_time(FIRST_SNOWFLAKE)
    for span in sorted(spans, reverse=True):
        end = span.end
        while end > span.start:
            start = max(end - CHUNK, span.start)
            start = span.start if start <= first else start
            yield of_span(Span(start, end), purpose, endpoint)
            end = start


def moment_of(post_id: int, otherwise: datetime) -> datetime:
    """When a post was made; `otherwise` for ids that hold no time."""
    return snowflake_time(post_id) if post_id >= FIRST_SNOWFLAKE else otherwise


def still_to_fetch(engine: Engine, purpose: Purpose) -> list[Range]:
    """The open ranges of a purpose, newest posts first."""
    table = FetchRange.__table__
    query = select(table).where(FetchRange.source == SOURCE, FetchRange.purpose == purpose)
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(FetchRange.high_id.desc(), FetchRange.id)).all()
    return [
        Range(
            row.purpose,
            row.endpoint,
            row.low_id,
            row.high_id,
            row.top_id,
            Span(row.span_start, row.span_end),
            row.id,
        )
        for row in rows
    ]


def any_left(connection: Connection, purpose: Purpose) -> bool:
    """Whether there are open ranges of a purpose."""
    mine = (FetchRange.source == SOURCE, FetchRange.purpose == purpose)
    return connection.scalar(select(FetchRange.id).where(*mine).limit(1)) is not None


def save(connection: Connection, left: Range, moment: datetime) -> Range:
    """Write down what is left of a range; returns it with its row's id. A recheck stays as it is."""
    if left.purpose == "recheck":
        return left
    if left.id is not None:
        mark = "?" if is_sqlite(connection) else "%s"
        changes = ", ".join(f"{name} = {mark}" for name in ("endpoint", "high_id", "updated_at"))
        values = (left.endpoint, left.high, verbatim.time(connection, moment), left.id)
        connection.exec_driver_sql(f"UPDATE {_RANGES.name} SET {changes} WHERE id = {mark}", values)
        return left
    row = {
        "source": SOURCE,
        "endpoint": left.endpoint,
        "high_id": left.high,
        "purpose": left.purpose,
        "low_id": left.low,
        "top_id": left.top,
        "span_start": left.span.start,
        "span_end": left.span.end,
        "created_at": moment,
        "updated_at": moment,
    }
    return replace(left, id=connection.execute(insert(FetchRange).values(row).returning(FetchRange.id)).scalar_one())


def close(connection: Connection, done: Range) -> None:
    """Forget a range: nothing of it is left."""
    if done.id is not None:
        connection.execute(delete(FetchRange).where(FetchRange.id == done.id))


def forget_backfill(engine: Engine) -> int:
    """Forget what a backfill left to fetch; returns how many ranges. Raises LeaseHeld while one goes on."""
    with writing(engine) as connection:
        leases.require_free(connection, "backfill")
        return connection.execute(delete(FetchRange).where(FetchRange.purpose == "backfill")).rowcount


def high_water_mark(engine: Engine) -> int | None:
    """The post id up to which the walks of the follower are complete."""
    with reading(engine) as connection:
        return connection.scalar(select(HighWaterMark.post_id).where(HighWaterMark.source == SOURCE))


def raise_mark(connection: Connection, post_id: int, moment: datetime) -> None:
    """Move the high-water mark up to a post id; never down."""
    stored = connection.scalar(select(HighWaterMark.post_id).where(HighWaterMark.source == SOURCE))
    if stored is None or stored < post_id:
        columns = ("source", "post_id", "moved_at")
        rows = [(SOURCE, post_id, moment)]
        upsert(connection, _MARKS, columns, rows, conflict=("source",), update=("post_id",), along=("moved_at",))


_RANGES = FetchRange.__table__
_MARKS = HighWaterMark.__table__
