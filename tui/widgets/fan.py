"""What a fan chart shows: observed values, a forecast with its bands, the events around them."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from tui.widgets.figures import drawable

Values = tuple[float | None, ...]
FARTHEST, NARROWEST = 1e7, 1e-3  # steps
NAMES = ("observed", "mean")  # of what every chart has


@dataclass(frozen=True, slots=True)
class Band:
    """A central interval of each step: `level` is its probability; None or NaN where there is none."""

    level: float
    lower: Values
    upper: Values


@dataclass(frozen=True, slots=True)
class Event:
    """Something outside, from `start` to `end`; `note` is what the read-out says of it beside its name."""

    start: datetime
    end: datetime
    name: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Total:
    """The total at the end of the horizon: its mean, and its central intervals as (level, lower, upper)."""

    mean: float
    intervals: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True)
class Fan:
    """Values on a grid of equal steps from `start`; None or NaN is missing, never zero.

    Where steps are not equal, as days are not when clocks change, `edges` are their starts and the last one's end.
    A value belongs to the whole step: its middle stands for it, or all of it where `stepped`. A running total belongs
    to the step's end (`at_end`). The forecast begins at `origin`; `now` is called `now_name` where it is another
    moment. `other` is a second mean, drawn with dashes; `names` are what observed values, mean and other are called.
    """

    start: datetime
    step: timedelta
    actual: Values = ()
    mean: Values = ()
    bands: tuple[Band, ...] = ()
    events: tuple[Event, ...] = ()
    origin: datetime | None = None
    now: datetime | None = None
    total: Total | None = None
    stepped: bool = False
    at_end: bool = False
    other: Values = ()
    names: tuple[str, str, str] = ("observed", "mean", "other")
    is_sound: bool = False
    edges: tuple[datetime, ...] = ()
    now_name: str = "now"

    @property
    def steps(self) -> int:
        """How many steps the grid has."""
        return max([len(self.actual), len(self.mean), len(self.other), *(len(band.upper) for band in self.bands)])

    def position(self, moment: datetime) -> float:
        """A moment in steps from the start."""
        edges = self.edges or (self.start,)
        step = max(bisect_right(edges, moment) - 1, 0)
        return step + (moment - edges[step]) / self._length(step)

    def moment(self, position: float) -> datetime:
        """The moment at a position."""
        edges = self.edges or (self.start,)
        step = min(max(math.floor(position), 0), len(edges) - 1)
        return edges[step] + self._length(step) * (position - step)

    def at(self, step: int) -> dict[str, Any]:
        """All there is of a step: its start or end, what was observed, the mean, and the ends of each band."""
        ends = {
            f"{end}_{band.level:.0%}".removesuffix("%"): values[step] if step < len(values) else None
            for band in self.bands
            for end, values in (("lower", band.lower), ("upper", band.upper))
        }
        given = zip(self.names, (self.actual, self.mean, self.other), strict=True)
        series = {name: values for name, values in given if values or name in NAMES}
        return (
            ({"end": self.moment(step + 1)} if self.at_end else {"start": self.moment(step)})
            | {name: values[step] if step < len(values) else None for name, values in series.items()}
            | ends
        )

    def sound(self) -> Fan:
        """The same with everything that is no number missing, bands the right way up, widest first."""
        bands = sorted(self.bands, key=lambda band: -band.level)[:3]
        total = self.total
        if total is not None and not all(map(drawable, (total.mean, *(x for i in total.intervals for x in i)))):
            total = None
        return replace(
            self,
            actual=_numbers(self.actual),
            mean=_numbers(self.mean),
            other=_numbers(self.other),
            bands=tuple(_upright(band) for band in bands),
            total=total,
            is_sound=True,
        )

    def _length(self, step: int) -> timedelta:
        return self.edges[step + 1] - self.edges[step] if step + 1 < len(self.edges) else self.step


class View(NamedTuple):
    """The part of the grid that is shown, in steps."""

    first: float
    last: float

    @property
    def span(self) -> float:
        """How many steps it shows."""
        return self.last - self.first

    def sound(self) -> View:
        """The same where it can be drawn, otherwise the first step."""
        drawable = -FARTHEST < self.first < FARTHEST and NARROWEST < self.last - self.first < FARTHEST
        return self if drawable else View(0.0, 1.0)


def whole(fan: Fan) -> View:
    """The view of everything."""
    return View(0.0, float(max(fan.steps, 1)))


def _upright(band: Band) -> Band:
    lower, upper = [], []
    for low, high in zip(_numbers(band.lower), _numbers(band.upper), strict=False):
        missing = low is None or high is None
        lower.append(None if missing else min(low, high))  # type: ignore[type-var]
        upper.append(None if missing else max(low, high))  # type: ignore[type-var]
    return Band(band.level, tuple(lower), tuple(upper))


def _numbers(values: Iterable[float | None]) -> Values:
    return tuple(value if drawable(value) else None for value in values)
