"""Features as rows: one for the start and one for the end of every observed hour.

The end of the last observed hour is what a live forecast needs; the end of every other one makes each count appear as
the `lag_1h` of a stored row, so that the rows themselves tell which counts and events they were computed from. That
is how a refresh finds the rows to compute anew. Every event that is not removed counts, whenever it was entered.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from musktracker.db import verbatim
from musktracker.db.tables import ExogenousEvent, Feature
from musktracker.db.upsert import upsert
from musktracker.models import features
from musktracker.models.base import Events, FloatArray, History, IntArray
from musktracker.models.feature_names import FEATURES, LAGS
from musktracker.timeline import microseconds

TABLE = Feature.__table__
KEY = "reference_time"
BASIS = (Feature.reference_time, Feature.lag_1h, Feature.event_intensity, Feature.events_in_window)
WHOLE = (*LAGS, "hour_of_day", "day_of_week", "is_weekend", "events_in_window")


@dataclass(frozen=True, slots=True)
class Stored:
    """What storing a set of rows came to: how many there are, and how many were new, different or needless."""

    total: int
    inserted: int
    changed: int
    removed: int


def store(
    connection: Connection, history: History, edges: list[Any], computed_at: datetime, *, full: bool = False
) -> Stored:
    """Make the stored features those of a history: compute and write what its counts or events have changed.

    `edges` are the bounds of the history's hours, from db.verbatim. With `full`, compute and write all rows.
    """
    wanted = _starts_and_ends(~np.isnan(history.counts))
    positions = np.flatnonzero(wanted)
    stored = verbatim.columns(connection, BASIS)
    expected = _expected(history, positions, list(compress(edges, wanted.tolist())))
    found = verbatim.differences([[] for _ in BASIS] if full else stored, expected)
    affected = _affected(history.start, len(wanted), positions, found) & wanted
    needless = stored[0] if full else found.gone
    removed = verbatim.delete(connection, TABLE, (KEY,), [(key,) for key in needless])
    written = _write(connection, history, edges, affected, computed_at)
    return Stored(len(positions), len(found.new), written - len(found.new), removed)


def events(connection: Connection) -> Events:
    """Every event that is not removed."""
    columns = (
        ExogenousEvent.event_start,
        ExogenousEvent.event_end,
        ExogenousEvent.created_at,
        ExogenousEvent.intensity,
        ExogenousEvent.category,
    )
    query = select(*columns).where(ExogenousEvent.removed_at.is_(None)).order_by(ExogenousEvent.id)
    rows = verbatim.rows(connection, query)
    if not rows:
        return Events.none()
    start, end, known, intensity, category = zip(*rows, strict=True)
    times = (_microseconds(start), _microseconds(end))
    names = [name or "" for name in category]
    return Events.named(*times, np.array(intensity, dtype=float), _microseconds(known), names)


def _starts_and_ends(observed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    either: NDArray[np.bool_] = np.append(observed, False) | np.append(False, observed)
    return either


def _expected(history: History, positions: IntArray, keys: list[Any]) -> list[list[Any]]:
    """What the columns of `BASIS` are in up-to-date rows."""
    previous = np.append(np.nan, history.counts)[positions]
    intensity, in_window = features.event_columns(positions + history.start, history.events)
    return [keys, _plain(previous, whole=True), intensity.tolist(), in_window.tolist()]


def _affected(start: int, size: int, positions: IntArray, found: verbatim.Differences) -> NDArray[np.bool_]:
    """Which of the `size` hours from `start` on may have other features than before.

    A row that differs at t tells of another count in the hour before t, which reaches t + 167 h.
    """
    gone = [hour - start for hour in map(verbatim.whole_hour, found.gone) if hour is not None]
    differing = np.concatenate([positions[found.new], positions[found.changed], np.array(gone, dtype=np.int64)])
    first = np.clip(differing, 0, size)
    after = np.clip(differing + features.LONGEST, 0, size)
    steps = np.bincount(first, minlength=size + 1) - np.bincount(after, minlength=size + 1)
    affected: NDArray[np.bool_] = np.cumsum(steps)[:size] > 0
    return affected


def _write(
    connection: Connection, history: History, edges: list[Any], chosen: NDArray[np.bool_], computed_at: datetime
) -> int:
    """Compute the features at the chosen edges, and write those that differ from what is stored; returns how many."""
    references = np.flatnonzero(chosen) + history.start
    computed = features.compute(history.start, history.counts, history.events, references)
    keys = list(compress(edges, chosen.tolist()))
    return upsert(
        connection,
        TABLE,
        (KEY, *FEATURES, "computed_at"),
        _rows(keys, computed, verbatim.time(connection, computed_at)),
        conflict=(KEY,),
        update=FEATURES,
        along=("computed_at",),
        verbatim=True,
    )


def _rows(keys: list[Any], computed: features.Features, moment: Any) -> list[tuple[Any, ...]]:
    columns = [_plain(computed.column(name), whole=name in WHOLE) for name in FEATURES]
    return list(zip(keys, *columns, [moment] * len(keys), strict=True))


def _plain(values: NDArray[Any], *, whole: bool) -> list[Any]:
    """An array as Python numbers, None where it is NaN."""
    if values.dtype.kind != "f":
        return list(values.tolist())
    unknown = np.isnan(values)
    known: FloatArray | IntArray = np.where(unknown, 0, values)
    plain: list[Any] = (known.astype(np.int64) if whole else known).tolist()
    for i in np.flatnonzero(unknown).tolist():
        plain[i] = None
    return plain


def _microseconds(times: Iterable[Any]) -> IntArray:
    return np.array([microseconds(verbatim.moment(value)) for value in times], dtype=np.int64)
