"""The one way posts and what is covered come into the database, whether from a file or from the X API.

Posts are idempotent: one that is there stays as it is, but for a kind that was unknown. Several runs store at once:
their transactions have their turns, one after the other, so that none misses what another covers or spends.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, delete, insert, select, update

from musktracker import leases, timeline
from musktracker.db import verbatim
from musktracker.db.engines import in_turn, is_sqlite, writing
from musktracker.db.queries.coverage import covered_of
from musktracker.db.settings import DEFAULT_COUNTING
from musktracker.db.tables import Coverage, CoverageHole, RawTweet
from musktracker.db.upsert import upsert
from musktracker.reporting import Run
from musktracker.timeline import DAY, EPOCH, Span

RAW_TWEETS = RawTweet.__table__
COLUMNS = ("tweet_id", "created_at", "source", "ingest_time", "kind")


class NewPost(NamedTuple):
    """A post to store: its id (of an edited one, the first), when it was made, its kind where that is known."""

    id: int
    created_at: datetime
    kind: str | None


class Stored(NamedTuple):
    """What storing changed: posts that were new, that got their kind, that had been marked as deleted."""

    new: int
    filled: int
    restored: int


@contextmanager
def storing(engine: Engine, run: Run) -> Iterator[Connection]:
    """A transaction that stores posts, what is covered or what was spent, of a run that still holds its lease.

    On Postgres one goes on at a time, as on SQLite: what it reads to decide what it writes stays true, and no two
    wait for each other in a circle. Raises LeaseLost.
    """
    with writing(engine) as connection:
        in_turn(connection, "posts")
        leases.require_lease(connection, run)
        yield connection


def store_posts(
    connection: Connection, source: str, posts: Sequence[NewPost], moment: datetime, *, restoring: bool = True
) -> Stored:
    """Store posts that were just seen at a source; whoever sees a post knows that it is not deleted.

    Not `restoring` is for who only heard that they were made, and not that they are still there.
    """
    if not posts:
        return Stored(0, 0, 0)
    stored_time = verbatim.sqlite_text if is_sqlite(connection) else timeline.utc
    ingested = stored_time(moment)
    rows = [(str(number), stored_time(made), source, ingested, kind) for number, made, kind in posts]
    new = insert_rows(connection, rows)
    if new == len(rows):
        return Stored(new, 0, 0)
    known = stored_kinds(connection, [row[0] for row in rows])
    filled = fill_kinds(connection, [row for row in rows if row[4] and known.get(row[0], "") is None])
    return Stored(new, filled, restore(connection, list(known)) if restoring else 0)


def stored_kinds(connection: Connection, ids: list[str]) -> dict[str, str | None]:
    """Those of these posts that are stored, with their kinds."""
    sqlite = is_sqlite(connection)
    found = connection.exec_driver_sql(
        _KINDS_SQLITE if sqlite else _KINDS_POSTGRES, (json.dumps(ids) if sqlite else ids,)
    )
    cursor: Any = found.cursor  # the driver's own rows: of a second import, these are all there is to do
    return dict(cursor.fetchall())


def ids_made_at(connection: Connection, times: list[Any]) -> list[str]:
    """The posts that are stored with these times (as db.verbatim has them)."""
    sqlite = is_sqlite(connection)
    found = connection.exec_driver_sql(
        _MADE_AT_SQLITE if sqlite else _MADE_AT_POSTGRES, (json.dumps(times) if sqlite else times,)
    )
    return [row[0] for row in found]


def insert_rows(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> int:
    """Insert rows of COLUMNS (times as db.verbatim has them); returns how many were not there."""
    return upsert(connection, RAW_TWEETS, COLUMNS, rows, conflict=("tweet_id",), verbatim=True)


def fill_kinds(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> int:
    """Give stored posts whose kind is not known those of these rows of COLUMNS; returns how many changed."""
    if not rows:
        return 0
    kinds = [(row[4], row[0]) for row in rows]
    if is_sqlite(connection):
        return connection.exec_driver_sql(_FILL_SQLITE, kinds).rowcount
    return connection.exec_driver_sql(_FILL_POSTGRES, tuple(map(list, zip(*kinds, strict=True)))).rowcount


def restore(connection: Connection, ids: Sequence[str]) -> int:
    """Take back that these posts were deleted; returns of how many that was said."""
    back = update(RawTweet).where(RawTweet.is_deleted.is_(True), RawTweet.tweet_id.in_(ids))
    return connection.execute(back.values(is_deleted=False, deleted_at=None)).rowcount


def mark_deleted(connection: Connection, ids: Sequence[str], moment: datetime) -> int:
    """Say of posts that they are deleted, as was found at a moment; returns of how many that is new."""
    gone = update(RawTweet).where(RawTweet.is_deleted.is_(False), RawTweet.tweet_id.in_(ids))
    return connection.execute(gone.values(is_deleted=True, deleted_at=moment)).rowcount


def cover(
    connection: Connection,
    source: str,
    spans: Iterable[Span],
    *,
    holes: Iterable[Span] = (),
    moment: datetime,
    counting: str = DEFAULT_COUNTING,
) -> None:
    """Add spans to what a source covers, and take holes out of it; rows that neither changes stay as they are.

    `counting` is whose posts it saw every one of. What is covered now is no recorded hole any more, whichever source
    found it, unless only some kinds of posts were seen.
    """
    same = (Coverage.source == source, Coverage.counting == counting)
    rows = connection.execute(select(Coverage.__table__).where(*same)).all()
    stored = {Span(row.span_start, row.span_end): row.id for row in rows}
    wanted = without(timeline.union([*stored, *spans]), list(holes))
    gone = [span for span in stored if span not in wanted]
    for span in wanted:
        if span in stored:
            continue
        grown = next((old for old in gone if old.start == span.start), None)  # as a follower's does at every poll
        if grown is not None:
            gone.remove(grown)
            connection.execute(update(Coverage).where(Coverage.id == stored[grown]).values(span_end=span.end))
        else:
            values = {"source": source, "span_start": span.start, "span_end": span.end, "created_at": moment}
            connection.execute(insert(Coverage).values(**values, counting=counting))
    if gone:
        connection.execute(delete(Coverage).where(Coverage.id.in_([stored[span] for span in gone])))
    if counting == DEFAULT_COUNTING:
        _trim_holes(connection, wanted)


def record_hole(connection: Connection, source: str, span: Span, reason: str, moment: datetime) -> None:
    """Record why a source could not observe a span, but for what is covered already or recorded for that reason."""
    covered = covered_of(connection, DEFAULT_COUNTING)
    same = (CoverageHole.source == source, CoverageHole.reason == reason)
    recorded = connection.execute(select(CoverageHole.span_start, CoverageHole.span_end).where(*same))
    recorded_spans = [Span(*row) for row in recorded]
    for part in without(timeline.holes(covered, span), recorded_spans):
        values = {"source": source, "span_start": part.start, "span_end": part.end, "reason": reason}
        connection.execute(insert(CoverageHole).values(**values, found_at=moment))


def without(spans: Iterable[Span], holes: Sequence[Span]) -> list[Span]:
    """What is left of spans once holes are taken out."""
    return [rest for span in spans for rest in timeline.holes(holes, span)]


def sqlite_times(moments: list[int]) -> list[str]:
    """Times (microseconds since the epoch) as SQLite stores them; several times faster than by datetimes."""
    split = [divmod(moment, _DAY) for moment in moments]
    dates = {day: (EPOCH + DAY * day).date().isoformat() for day in {day for day, _ in split}}
    return [
        f"{dates[day]}{_MINUTES[rest // _MINUTE]}{rest % _MINUTE // _SECOND:02}.{rest % _SECOND:06}"
        for day, rest in split
    ]


def _trim_holes(connection: Connection, covered: list[Span]) -> None:
    for row in connection.execute(select(CoverageHole.__table__)).all():
        hole = Span(row.span_start, row.span_end)
        left = timeline.holes(covered, hole)
        if left == [hole]:
            continue
        connection.execute(delete(CoverageHole).where(CoverageHole.id == row.id))
        for span in left:
            values = {"source": row.source, "reason": row.reason, "found_at": row.found_at}
            connection.execute(insert(CoverageHole).values(span_start=span.start, span_end=span.end, **values))


_SECOND = 1_000_000
_MINUTE = 60 * _SECOND
_DAY = 24 * 60 * _MINUTE
_MINUTES = [f" {minute // 60:02}:{minute % 60:02}:" for minute in range(24 * 60)]
_KINDS_SQLITE = "SELECT tweet_id, kind FROM raw_tweets WHERE tweet_id IN (SELECT value FROM json_each(?))"
_KINDS_POSTGRES = "SELECT tweet_id, kind FROM raw_tweets WHERE tweet_id = ANY(%s)"
_MADE_AT_SQLITE = "SELECT tweet_id FROM raw_tweets WHERE created_at IN (SELECT value FROM json_each(?))"
_MADE_AT_POSTGRES = "SELECT tweet_id FROM raw_tweets WHERE created_at = ANY(%s)"
_FILL_SQLITE = "UPDATE raw_tweets SET kind = ? WHERE tweet_id = ? AND kind IS NULL"
_FILL_POSTGRES = (
    "UPDATE raw_tweets SET kind = found.kind FROM unnest(%s::text[], %s::text[]) AS found (kind, id) "
    "WHERE tweet_id = found.id AND raw_tweets.kind IS NULL"
)
