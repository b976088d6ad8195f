"""Count posts by hour and day, then compute features: recount everything, write what differs.

An hourly bucket exists for every UTC hour that lies wholly inside the coverage and is over: one without posts is a
zero, an hour that was not observed in full has no bucket, whatever posts it holds. A daily bucket exists where all 24
hours do. Deleted posts do not count. Nothing needs to be marked as changed: late, deleted and restored posts, wider
coverage, another definition of what counts, and buckets edited by hand all show in the comparison.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from itertools import compress
from typing import Any

import numpy as np
from sqlalchemy import BigInteger, ColumnElement, Connection, Engine, Text, extract, func, select

from musktracker.db import settings, verbatim
from musktracker.db.engines import is_sqlite, writing
from musktracker.db.queries.coverage import covered_of
from musktracker.db.tables import Feature, RawTweet, TimeBucket
from musktracker.db.upsert import upsert
from musktracker.models.base import History, IntArray
from musktracker.pipeline import features
from musktracker.pipeline.features import Stored
from musktracker.pipeline.outages import through_outages
from musktracker.reporting import Run
from musktracker.timeline import HOUR, Span, floor_hour, from_hour_index, hour_index, iso, now

TABLE = TimeBucket.__table__
KEY = ("bucket_start", "granularity")
Buckets = tuple[list[Any], list[Any], list[int]]  # starts, ends, counts
LONGEST_OUTAGE = 60.0  # seconds: it takes a few itself, and is done again every hour
TIME_WIDTH = len("2025-12-31 23:59:59.999999")


def refresh(engine: Engine, run: Run, *, full: bool = False, counting: str | None = None) -> dict[str, Any]:
    """Bring buckets and features up to date, in one transaction; with `full`, write every row anew.

    `counting` is first made the database's definition of which posts count. Raises UsageError where there is none.
    Either way leaves the same rows, but for `id` and `computed_at`. The result has, for hours, days and features, how
    many there are and how many were inserted, changed and removed; the span that they cover (None where no whole hour
    was observed); the definition of which posts count; and the seconds it took.
    """
    return through_outages(run, lambda: _refresh(engine, run, full, counting), longest=LONGEST_OUTAGE)


def _refresh(engine: Engine, run: Run, full: bool, counting: str | None) -> dict[str, Any]:
    begun = time.perf_counter()
    if counting is not None:
        settings.set(engine, settings.COUNTING, counting)
        run.info(f"Counted from now on: {settings.COUNTINGS[counting].meaning}")
    with _snapshot(engine) as connection:
        moment = now()
        counting = settings.counting(connection)
        run.progress(0.0, stage="count", message="Counting posts by hour")
        history = _history(connection, moment, counting)
        run.progress(0.3, message="Storing hours and days")
        edges = verbatim.hours(connection, history.start, len(history.counts) + 1)
        hours = _store_buckets(connection, "hourly", _buckets(history, edges, 1), moment, full=full)
        days = _store_buckets(connection, "daily", _buckets(history, edges, 24), moment, full=full)
        run.progress(0.5, stage="features", message="Computing and storing features")
        rows = features.store(connection, history, edges, moment, full=full)
        run.check()
    span = Span(from_hour_index(history.start), from_hour_index(history.origin)) if len(history.counts) else None
    result = {"hours": asdict(hours), "days": asdict(days), "features": asdict(rows)}
    _report(run, result, span)
    return {
        **result,
        "span": [iso(span.start), iso(span.end)] if span else None,
        "counting": counting,
        "full": full,
        "seconds": round(time.perf_counter() - begun, 3),
    }


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    """A write transaction that sees one state of the database, and that no other refresh shares."""
    if is_sqlite(engine):
        with writing(engine) as connection:
            yield connection
        return
    with writing(engine.execution_options(isolation_level="REPEATABLE READ")) as connection:
        tables = f"{TimeBucket.__tablename__}, {Feature.__tablename__}"
        connection.exec_driver_sql(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE")
        yield connection


def _history(connection: Connection, moment: datetime, counting: str) -> History:
    """The counts of the observed hours that are over, and the events."""
    spans = _observed(connection, counting, floor_hour(moment))
    if not spans:
        return History(0, np.empty(0))
    whole = Span(spans[0].start, spans[-1].end)
    first = hour_index(whole.start)
    posts = _posts_by_hour(connection, whole, counting)
    counts = np.full(len(posts), np.nan)
    for span in spans:
        inside = slice(hour_index(span.start) - first, hour_index(span.end) - first)
        counts[inside] = posts[inside]
    return History(first, counts, features.events(connection))


def _observed(connection: Connection, counting: str, until: datetime) -> list[Span]:
    """The whole hours of which every post that counts was seen, and that are over."""
    covered = covered_of(connection, counting)
    whole = (Span(span.start, min(span.end, until)).whole_hours() for span in covered)
    return [span for span in whole if span.end > span.start]


def _posts_by_hour(connection: Connection, span: Span, counting: str) -> IntArray:
    """How many posts count in each hour of a span of whole hours."""
    condition = (
        RawTweet.is_deleted.is_(False),
        RawTweet.created_at >= span.start,
        RawTweet.created_at < span.end,
        settings.counting_condition(counting),
    )
    first, size = hour_index(span.start), (span.end - span.start) // HOUR
    tally = _tally_sqlite if is_sqlite(connection) else _tally_postgres
    hours, posts = tally(connection, condition)
    counts = np.zeros(size, dtype=np.int64)
    np.add.at(counts, hours - first, posts)  # an hour may come more than once
    return counts


def _tally_sqlite(connection: Connection, condition: Sequence[ColumnElement[bool]]) -> tuple[IntArray, IntArray]:
    # All times as one text, counted here: a quarter of the cost of GROUP BY, which sorts by an expression.
    times = func.group_concat(RawTweet.created_at, type_=Text)
    text: str | None = connection.scalar(select(times).where(*condition))
    if text is None:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    texts = np.frombuffer(f"{text},".encode(), dtype=f"S{TIME_WIDTH + 1}") if _is_regular(text) else text.split(",")
    hours = np.asarray(texts, dtype=f"S{len('2025-12-31 23')}")
    ends = np.flatnonzero(np.append(hours[1:] != hours[:-1], True))
    return hours[ends].astype("U").astype("datetime64[h]").astype(np.int64), np.diff(ends, prepend=-1)


def _is_regular(text: str) -> bool:
    """Whether times joined by commas all have the width that the column type stores, as all but raw SQL's do."""
    return (
        text.isascii()
        and (len(text) + 1) % (TIME_WIDTH + 1) == 0
        and set(text[TIME_WIDTH :: TIME_WIDTH + 1]) <= {","}
    )


def _tally_postgres(connection: Connection, condition: Sequence[ColumnElement[bool]]) -> tuple[IntArray, IntArray]:
    hour = func.floor(extract("epoch", RawTweet.created_at) / 3600).cast(BigInteger).label("hour")
    found = verbatim.rows(connection, select(hour, func.count()).where(*condition).group_by("hour"))
    table = np.array(found, dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _buckets(history: History, edges: list[Any], width: int) -> Buckets:
    """The buckets of `width` hours, aligned to midnight, that were observed in full; `edges` bound the hours."""
    skipped = -history.start % width
    size = max(len(history.counts) - skipped, 0) // width
    counts = history.counts[skipped : skipped + size * width].reshape(size, width).sum(axis=1)
    bounds = edges[skipped::width]
    observed = ~np.isnan(counts)
    chosen = observed.tolist()
    totals: list[int] = counts[observed].astype(np.int64).tolist()
    return list(compress(bounds, chosen)), list(compress(bounds[1:], chosen)), totals


def _store_buckets(
    connection: Connection, granularity: str, expected: Buckets, computed_at: datetime, *, full: bool
) -> Stored:
    """Make the stored buckets of a granularity the expected ones."""
    columns = (TimeBucket.bucket_start, TimeBucket.bucket_end, TimeBucket.tweet_count)
    stored = verbatim.columns(connection, columns, TimeBucket.granularity == granularity)
    found = verbatim.differences([[] for _ in columns] if full else stored, expected)
    needless = stored[0] if full else found.gone
    removed = verbatim.delete(connection, TABLE, KEY, [(start, granularity) for start in needless])
    moment = verbatim.time(connection, computed_at)
    starts, ends, counts = expected
    written = upsert(
        connection,
        TABLE,
        ("bucket_start", "bucket_end", "tweet_count", "granularity", "computed_at"),
        [(starts[i], ends[i], counts[i], granularity, moment) for i in (*found.new, *found.changed)],
        conflict=KEY,
        update=("bucket_end", "tweet_count"),
        along=("computed_at",),
        verbatim=True,
    )
    return Stored(len(starts), len(found.new), written - len(found.new), removed)


def _report(run: Run, result: dict[str, dict[str, int]], span: Span | None) -> None:
    for name, rows in result.items():
        run.info(
            f"{rows['total']:,} {name} stored: {rows['inserted']:,} new, {rows['changed']:,} changed, "
            f"{rows['removed']:,} removed",
            **rows,
        )
    if span is None:
        run.warning("No whole hour has been observed yet, so there is nothing to count")
