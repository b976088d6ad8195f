"""Steps of a fit and scores of origins as lines of a run's log, from which a console draws a curve meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

from musktracker.reporting import Run
from musktracker.text import counted
from musktracker.timeline import from_hour_index, iso

SECONDS = 1.0
STEP_SECONDS = 0.1  # steps are told no more often
LOG_LIKELIHOOD = "log_likelihood"


class Curve:
    """Tells what was scored, at most once in `seconds`: one line a model, for all of its origins that came since.

    A line's fields are `model`, `score` (its name), `of` (how many origins of the model the run computes) and
    `points`, pairs of an origin and its score, null where the model would not forecast or an hour was not observed.
    """

    def __init__(
        self,
        run: Run,
        score: str,
        origins: Mapping[str, int],
        *,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run, self._score, self._origins = run, score, origins
        self._seconds, self._clock = seconds, clock
        self._told_at = clock()
        self._done = dict.fromkeys(origins, 0)
        self._points: dict[str, list[tuple[str, float | None]]] = {}

    def add(self, model: str, origin: int, value: float | None) -> None:
        """A model's score at an origin (hours since the epoch)."""
        known = value is not None and np.isfinite(value)
        point = (iso(from_hour_index(origin)), round(float(value), 4) if known else None)  # type: ignore[arg-type]
        self._points.setdefault(model, []).append(point)
        if self._clock() - self._told_at >= self._seconds:
            self.tell()

    def tell(self) -> None:
        """Log what has not been told yet."""
        for model, points in self._points.items():
            self._done[model] += len(points)
            done, of = self._done[model], self._origins[model]
            self._run.info(
                f"{model}: {done:,} of {of:,} origins", model=model, score=self._score, of=of, points=points
            )
        self._points = {}
        self._told_at = self._clock()


class Ascent:
    """Tells how the log-likelihood rose in a fit, at most once in `seconds`: one line for all steps since.

    A line's fields are `model`, `score` (log_likelihood), `search` (1, and on where the model searches again) and
    `points`, pairs of the number of a step and the log-likelihood after it, null where that is not finite.
    """

    def __init__(
        self, run: Run, model: str, *, seconds: float = STEP_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._run, self._model, self._seconds, self._clock = run, model, seconds, clock
        self._told_at = clock()
        self._points: dict[int, list[tuple[int, float | None]]] = {}

    def add(self, search: int, step: int, log_likelihood: float) -> None:
        """A step of a search. Raises Cancelled where someone asked the run to stop."""
        value = round(log_likelihood, 4) if np.isfinite(log_likelihood) else None
        self._points.setdefault(search, []).append((step, value))
        if self._clock() - self._told_at >= self._seconds:
            self.tell()
            self._run.check()

    def tell(self) -> None:
        """Log what has not been told yet."""
        for search, points in self._points.items():
            last, value = points[-1]
            reached = "not finite" if value is None else f"{value:,.2f}"
            self._run.info(
                f"{self._model}: log-likelihood {reached} after {counted(last, 'step')} of search {search}",
                model=self._model,
                score=LOG_LIKELIHOOD,
                search=search,
                points=points,
            )
        self._points = {}
        self._told_at = self._clock()
