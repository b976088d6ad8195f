"""Features on the integer hour grid, as arrays: what was known at each reference hour, and nothing later.

A feature at hour t uses only hours that end by t. Where any hour that it needs was not observed, or lies before the
history, it is NaN (NULL when stored), never 0. Sums are integers throughout, so a feature's value does not depend on
where the history handed over begins: a few recomputed rows equal those of a full computation bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musktracker.models.base import Events, FloatArray, IntArray
from musktracker.models.feature_names import LAGS

MICROSECONDS = 3_600_000_000  # in an hour
EVENT_WINDOW = 24
LONGEST = 168  # hours back from a reference to the oldest hour that any feature uses


@dataclass(frozen=True, slots=True)
class Features:
    """The features at n reference hours, named as the stored columns.

    Lags and rolling statistics have the shape (n,), or (n_paths, n) where the counts had paths, and are NaN where
    unknown; the calendar and the events have the shape (n,).
    """

    lag_1h: FloatArray
    lag_6h: FloatArray
    lag_12h: FloatArray
    lag_24h: FloatArray
    lag_7d: FloatArray
    rolling_mean_24h: FloatArray
    rolling_std_24h: FloatArray
    rolling_mean_7d: FloatArray
    rolling_std_7d: FloatArray
    hour_of_day: IntArray
    day_of_week: IntArray
    is_weekend: NDArray[np.bool_]
    event_intensity: FloatArray
    events_in_window: IntArray

    def column(self, name: str) -> NDArray[Any]:
        """The feature with this name."""
        values: NDArray[Any] = getattr(self, name)
        return values


def compute(start_hour: int, counts: FloatArray, events: Events, references: IntArray | slice) -> Features:
    """The features at `references`: hours since the epoch, or a slice of them (start and stop given).

    `counts[..., i]` is the whole number of posts in hour `start_hour + i`, NaN where it was not observed; a leading
    axis holds paths. References may lie outside the history; what they need of it is then NaN.
    """
    hours = _reference_hours(references)
    first, last = _needed(hours, start_hour, counts.shape[-1])
    windows = _Windows(counts[..., first:last], hours - (start_hour + first))
    mean_24h, std_24h = windows.mean_and_deviation(24)
    mean_7d, std_7d = windows.mean_and_deviation(168)
    hour_of_day, day_of_week, is_weekend = calendar(hours)
    event_intensity, events_in_window = event_columns(hours, events)
    return Features(
        **{name: windows.lag(lag) for name, lag in LAGS.items()},
        rolling_mean_24h=mean_24h,
        rolling_std_24h=std_24h,
        rolling_mean_7d=mean_7d,
        rolling_std_7d=std_7d,
        hour_of_day=hour_of_day,
        day_of_week=day_of_week,
        is_weekend=is_weekend,
        event_intensity=event_intensity,
        events_in_window=events_in_window,
    )


def calendar(hours: IntArray) -> tuple[IntArray, IntArray, NDArray[np.bool_]]:
    """Hour of the day (0-23), day of the week (0 is Monday) and whether it is a weekend, all in UTC."""
    day_of_week = (hours // 24 + 3) % 7  # the epoch was a Thursday
    return hours % 24, day_of_week, day_of_week >= 5


def event_columns(reference_hours: IntArray, events: Events) -> tuple[FloatArray, IntArray]:
    """The largest intensity (0 without events) and the number of events in the 24 hours before each reference.

    An event counts at t if it starts before t and ends after t - 24 h; one without duration also at t - 24 h itself.
    """
    if not len(reference_hours):
        return np.zeros(0), np.zeros(0, dtype=np.int64)
    low = int(reference_hours.min())
    size = int(reference_hours.max()) - low + 1
    first, last = event_reach(events)
    first = np.clip(first - low, 0, size)
    after = np.clip(last + 1 - low, first, size)
    steps = np.bincount(first, minlength=size + 1) - np.bincount(after, minlength=size + 1)
    intensity = np.zeros(size)
    order = np.argsort(events.intensity, kind="stable")  # stronger events overwrite weaker ones
    for i, j, value in zip(
        first[order].tolist(), after[order].tolist(), events.intensity[order].tolist(), strict=True
    ):
        intensity[i:j] = value
    return intensity[reference_hours - low], np.cumsum(steps)[reference_hours - low]


def event_reach(events: Events) -> tuple[IntArray, IntArray]:
    """The first and the last reference hour at which each event counts."""
    first = events.start // MICROSECONDS + 1
    is_point = events.start == events.end
    last = (events.end - ~is_point) // MICROSECONDS + EVENT_WINDOW
    return first, last


def events_known_at(events: Events, origin_hour: int) -> Events:
    """The events that had been entered by the start of an hour."""
    return events.where(events.known <= origin_hour * MICROSECONDS)


class _Windows:
    """Sums over stretches of hours before each reference, as differences of cumulative integer sums."""

    def __init__(self, counts: FloatArray, positions: IntArray) -> None:
        observed = ~np.isnan(counts)
        values = np.where(observed, counts, 0).astype(np.int64)
        self._size = counts.shape[-1]
        self._positions = positions
        self._sums = _cumulative(values)
        self._squares = _cumulative(values * values)
        self._known = _cumulative(observed)

    def lag(self, hours: int) -> FloatArray:
        """The count of the hour that began `hours` before the reference."""
        begin, end = self._stretch(hours, 1)
        known = _difference(self._known, begin, end) == 1
        return np.where(known, _difference(self._sums, begin, end), np.nan)

    def mean_and_deviation(self, width: int) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation (ddof 1) of the `width` hours before the reference."""
        begin, end = self._stretch(width, width)
        known = _difference(self._known, begin, end) == width
        total = _difference(self._sums, begin, end)
        squares = _difference(self._squares, begin, end)
        variance = (width * squares - total * total) / (width * (width - 1))
        return np.where(known, total / width, np.nan), np.where(known, np.sqrt(variance), np.nan)

    def _stretch(self, back: int, width: int) -> tuple[IntArray, IntArray]:
        begin = self._positions - back
        return np.clip(begin, 0, self._size), np.clip(begin + width, 0, self._size)


def _cumulative(values: NDArray[Any]) -> IntArray:
    sums = np.zeros((*values.shape[:-1], values.shape[-1] + 1), dtype=np.int64)
    np.cumsum(values, axis=-1, out=sums[..., 1:])
    return sums


def _difference(sums: IntArray, begin: IntArray, end: IntArray) -> IntArray:
    difference: IntArray = sums[..., end] - sums[..., begin]
    return difference


def _needed(hours: IntArray, start_hour: int, size: int) -> tuple[int, int]:
    if not len(hours):
        return 0, 0
    first = min(max(int(hours.min()) - LONGEST - start_hour, 0), size)
    return first, min(max(int(hours.max()) - start_hour, first), size)


def _reference_hours(references: IntArray | slice) -> IntArray:
    if isinstance(references, slice):
        return np.arange(references.start, references.stop, references.step or 1, dtype=np.int64)
    return np.asarray(references, dtype=np.int64)
