"""What is known at a moment, as the arrays that models take: counts of observed hours, times of posts, and events."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, Select, func, select

from musktracker.db import settings, verbatim
from musktracker.db.engines import reading
from musktracker.db.queries.counts import Reach
from musktracker.db.tables import EventChange, ExogenousEvent, RawTweet, TimeBucket
from musktracker.errors import UsageError
from musktracker.models.base import Events, History, IntArray
from musktracker.pipeline.event_fields import EventFields
from musktracker.timeline import from_hour_index, hour_index, iso, microseconds, now


@dataclass(frozen=True, slots=True)
class Known:
    """The history up to `data_until`, the end of the last observed hour, and which posts it counts."""

    history: History
    counting: str

    @property
    def data_until(self) -> datetime:
        """The end of the last observed hour."""
        return from_hour_index(self.history.origin)

    @property
    def reach(self) -> Reach | None:
        """From when to when hours are counted; None where no hour was observed at all."""
        if not len(self.history.counts):
            return None
        return Reach(from_hour_index(self.history.start), self.data_until, self.counting)

    def unobserved(self, days: int) -> float:
        """The share of the last `days` days that was not observed."""
        return float(np.isnan(self.history.before(self.history.origin, 24 * days)).mean())


def load(engine: Engine, *, as_of: datetime | None = None, posts: bool = True) -> Known:
    """What was known at `as_of`, or is known now; NaN where an hour between the first and the last was not observed.

    Later hours are left out, and so are events entered later; an event edited or removed since is as it was. A post
    that was made before `as_of` counts even if it was stored later. An event counts as known from its last change on,
    so that no earlier origin of a backtest sees what an edit brought. Without `posts` the times of posts stay out.
    """
    with reading(engine) as connection:
        rows = verbatim.rows(connection, _buckets(as_of))
        counting = settings.counting(connection)
        history = _history(rows, _events(connection, as_of))
        times = _posts(connection, history, counting) if posts else None
        return Known(replace(history, posts=times), counting)


def known_events(
    engine: Engine,
    *,
    as_of: datetime | None = None,
    without: Collection[int] = (),
    added: Iterable[EventFields] = (),
) -> Events:
    """The events of `load`, without those with these ids, and with others as if they had just been entered.

    Raises UsageError for an id that is not among them.
    """
    moment = as_of or now()
    with reading(engine) as connection:
        states = list(_current(connection) if as_of is None else _at(connection, as_of))
    unknown = sorted(set(without) - {one.id for one in states})
    if unknown:
        raise UsageError(
            f"Event {unknown[0]} is not known at {iso(moment)}: it is removed, entered later, or there is none",
            "musktracker events list --removed lists them all",
        )
    own = [_State(None, one.event_start, one.event_end, moment, one.intensity, one.category) for one in added]
    return _arrays([one for one in states if one.id not in without] + own)


def _buckets(as_of: datetime | None) -> Select[datetime, int]:
    query = select(TimeBucket.bucket_start, TimeBucket.tweet_count).where(TimeBucket.granularity == "hourly")
    if as_of is not None:
        query = query.where(TimeBucket.bucket_end <= as_of)
    return query.order_by(TimeBucket.bucket_start)


def _history(rows: list[tuple[datetime, int]], events: Events) -> History:
    if not rows:
        return History(0, np.empty(0), events)
    starts, counts = zip(*rows, strict=True)
    first, last = hour_index(verbatim.moment(starts[0])), hour_index(verbatim.moment(starts[-1]))
    grid = np.full(last - first + 1, np.nan)
    if len(rows) == len(grid):  # no hole: where each count goes needs no look at its time
        grid[:] = counts
    else:
        grid[[hour_index(verbatim.moment(start)) - first for start in starts]] = counts
    return History(first, grid, events)


def _posts(connection: Connection, history: History, counting: str) -> IntArray | None:
    """The times of the posts counted; None where most counts have no posts to show for them.

    The posts of an hour that was counted otherwise, as before the next refresh, are as many as were counted, evenly
    spread over it.
    """
    conditions = (
        RawTweet.is_deleted.is_(False),
        RawTweet.created_at >= from_hour_index(history.start),
        RawTweet.created_at < from_hour_index(history.origin),
        settings.counting_condition(counting),
    )
    [times] = verbatim.columns(connection, (RawTweet.created_at,), *conditions)
    posts = np.sort(_moments(times))
    hours = posts // _HOUR_MICROSECONDS - history.start
    found = np.bincount(hours, minlength=len(history.counts))
    counted = np.nan_to_num(history.counts).astype(np.int64)
    wrong = ~np.isnan(history.counts) & (found != counted)
    if 2 * counted[wrong].sum() > counted.sum():
        return None
    if not wrong.any():
        return posts
    spread = [
        (history.start + hour) * _HOUR_MICROSECONDS + _HOUR_MICROSECONDS * (2 * np.arange(n) + 1) // (2 * n)
        for hour, n in zip(np.flatnonzero(wrong).tolist(), counted[wrong].tolist(), strict=True)
        if n
    ]
    return np.sort(np.concatenate([posts[~wrong[hours]], *spread]))


def _moments(times: list[Any]) -> IntArray:
    """Stored times in microseconds since the epoch."""
    if times and isinstance(times[0], str):
        try:
            return np.array(times, dtype="datetime64[us]").astype(np.int64)
        except ValueError:  # a form that only an edit by hand gives
            times = [verbatim.moment(text) for text in times]
    return _microseconds(tuple(times))


def _events(connection: Connection, as_of: datetime | None) -> Events:
    return _arrays(_current(connection) if as_of is None else _at(connection, as_of))


@dataclass(frozen=True, slots=True)
class _State:
    """An event as it was known at a moment."""

    id: int | None
    start: datetime
    end: datetime
    known: datetime
    intensity: float
    category: str | None


def _arrays(states: Iterable[_State]) -> Events:
    found = list(states)
    if not found:
        return Events.none()
    start, end, known = (_microseconds([getattr(one, name) for one in found]) for name in ("start", "end", "known"))
    intensity = np.array([one.intensity for one in found], dtype=np.float64)
    return Events.named(start, end, intensity, known, [one.category or "" for one in found])


def _current(connection: Connection) -> Iterator[_State]:
    query = select(ExogenousEvent.__table__).where(ExogenousEvent.removed_at.is_(None)).order_by(ExogenousEvent.id)
    for row in connection.execute(query):
        known = row.updated_at or row.created_at
        yield _State(row.id, row.event_start, row.event_end, known, row.intensity, row.category)


def _at(connection: Connection, as_of: datetime) -> Iterator[_State]:
    """The events as they were: the state before the first later change, where there was one."""
    later = _later_changes(connection, as_of)
    known_since = {event_id: moment for event_id, moment in connection.execute(_last_changes(as_of))}  # noqa: C416
    query = select(ExogenousEvent.__table__).where(ExogenousEvent.created_at <= as_of).order_by(ExogenousEvent.id)
    for row in connection.execute(query):
        known = known_since.get(row.id, row.created_at)
        if row.id not in later:
            if row.removed_at is None:
                yield _State(row.id, row.event_start, row.event_end, known, row.intensity, row.category)
        elif (before := json.loads(later[row.id] or "null")) and not before["removed_at"]:
            start, end = (datetime.fromisoformat(before[name]) for name in ("event_start", "event_end"))
            yield _State(row.id, start, end, known, before["intensity"], before["category"])


def _later_changes(connection: Connection, as_of: datetime) -> dict[int, str | None]:
    """Each event's state before its first change after `as_of`."""
    query = select(EventChange.event_id, EventChange.before).where(EventChange.changed_at > as_of, _CHANGED)
    rows = connection.execute(query.order_by(EventChange.id.desc()))
    return {event_id: before for event_id, before in rows}  # noqa: C416 - the first change comes last


def _last_changes(as_of: datetime) -> Select[int, datetime]:
    query = select(EventChange.event_id, func.max(EventChange.changed_at))
    return query.where(EventChange.changed_at <= as_of, _CHANGED).group_by(EventChange.event_id)


_HOUR_MICROSECONDS = 3_600_000_000
_CHANGED = EventChange.action != "add"  # adding is told by created_at, which an import keeps


def _microseconds(values: Sequence[datetime]) -> IntArray:
    return np.array([microseconds(value) for value in values], dtype=np.int64)
