"""What every model takes and gives: a history of hourly counts in, sample paths of hourly counts out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Events:
    """Outside events as arrays of one length n.

    `start`, `end` and `known` (when the event was entered) are microseconds since the epoch; `intensity` is 0..1;
    `category` indexes the names in `categories` ("" where an event has none).
    """

    start: IntArray
    end: IntArray
    intensity: FloatArray
    known: IntArray
    category: IntArray
    categories: tuple[str, ...]

    @classmethod
    def none(cls) -> Events:
        """No events."""
        empty = np.empty(0, dtype=np.int64)
        return cls(empty, empty, np.empty(0), empty, empty, ())

    @classmethod
    def named(
        cls, start: IntArray, end: IntArray, intensity: FloatArray, known: IntArray, names: Sequence[str]
    ) -> Events:
        """Events with the names of their categories, one for each."""
        index = {name: code for code, name in enumerate(sorted(set(names)))}
        category = np.array([index[name] for name in names], dtype=np.int64)
        return cls(start, end, intensity, known, category, tuple(index))

    def known_always(self) -> Events:
        """The same, as if each had been entered before all history."""
        return replace(self, known=np.zeros_like(self.known))

    def where(self, chosen: NDArray[np.bool_]) -> Events:
        """Those that a mask (n,) chooses."""
        return Events(
            self.start[chosen],
            self.end[chosen],
            self.intensity[chosen],
            self.known[chosen],
            self.category[chosen],
            self.categories,
        )


@dataclass(frozen=True, slots=True)
class History:
    """Everything known when a forecast is made; events may have been entered a little after the origin.

    `counts[i]` is the number of posts in the hour `start + i` (hours since the epoch); NaN where the hour was not
    observed. The origin is the end of the last hour, `start + len(counts)`. `posts` holds the moments of the posts
    counted, ascending, in microseconds since the epoch; None where only the counts are known.
    """

    start: int
    counts: FloatArray
    events: Events = field(default_factory=Events.none)
    posts: IntArray | None = None

    @property
    def origin(self) -> int:
        """The first hour that is not part of the history."""
        return self.start + len(self.counts)

    def until(self, origin: int) -> History:
        """What was known at an earlier origin: later hours and posts are cut off, as are events entered later."""
        from musktracker.models.features import MICROSECONDS, events_known_at

        posts = self.posts
        if posts is not None:
            posts = posts[: np.searchsorted(posts, origin * MICROSECONDS)]
        counts = self.counts[: max(origin - self.start, 0)]
        return History(self.start, counts, events_known_at(self.events, origin), posts)

    def before(self, origin: int, hours: int) -> FloatArray:
        """The counts of the `hours` hours that end at `origin`; NaN where they are not known."""
        counts = np.full(hours, np.nan)
        first = origin - hours
        begin, end = max(self.start, first), min(self.origin, origin)
        if begin < end:
            counts[begin - first : end - first] = self.counts[begin - self.start : end - self.start]
        return counts


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """How a fit went.

    `trained_on` is the first hour used and the one after the last; `estimates` maps each parameter to its value and
    standard error; `values` holds other named numbers (dispersion, rows, iterations…). `warnings` say what makes the
    fit doubtful, `notes` what else a reader should know.
    """

    converged: bool
    trained_on: tuple[int, int]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    estimates: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)
    log_likelihood: float | None = None


class SimulationWarning(UserWarning):
    """Paths were made, but something about them is to be doubted; the message says what."""


class Fitted(Protocol):
    """A model fitted to a history."""

    @property
    def history(self) -> History:
        """What the paths are conditioned on."""
        ...

    @property
    def diagnostics(self) -> Diagnostics | None:
        """How the fit went; None where it was restored, as its diagnostics are stored beside it."""
        ...

    def simulate(self, origin: int, horizon: int, n_paths: int, rng: np.random.Generator) -> FloatArray:
        """Sample paths of hourly counts, shape (n_paths, horizon), for the hours from `origin` on.

        Uses nothing of the history at or after `origin`, nor events entered after an origin inside the history.
        Raises ValueError where too little is known before it; says by a SimulationWarning where the paths are to be
        doubted. The paths of a shorter horizon are the beginnings of those of a longer one.
        """
        ...

    def parameters(self) -> dict[str, NDArray[Any]]:
        """The fit as named arrays: all that `Model.restore` needs beside a history."""
        ...


class Model(Protocol):
    """A way to forecast: a frozen dataclass whose fields are its hyperparameters, each with a default.

    Raises ValueError for hyperparameters that cannot be.
    """

    name: ClassVar[str]

    def fit(self, history: History) -> Fitted:
        """Fit to a history. Raises ValueError where the history is too short."""
        ...

    def restore(self, parameters: Mapping[str, NDArray[Any]], history: History) -> Fitted:
        """A stored fit, conditioned on a (newer) history."""
        ...
