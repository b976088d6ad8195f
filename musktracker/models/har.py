"""What the models on a log-HAR level share: level, past weeks, first hour, and the simulation week by week."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musktracker.models import event_effects, hyperparameters
from musktracker.models.analogs import Analogs, Likeness, Spread, features_after, find, smoothed
from musktracker.models.base import Diagnostics, FloatArray, History, IntArray, SimulationWarning
from musktracker.models.event_effects import EventEffects
from musktracker.models.features import events_known_at
from musktracker.models.first_hour import FirstHour, States, fit_first_hour, splice
from musktracker.models.level import WINDOW, LogHar, Rates, fit_level, profile
from musktracker.models.level_checks import check


@dataclass(frozen=True, slots=True)
class Har(hyperparameters.Har):
    """Its hyperparameters, as those who read them take them."""

    @property
    def likeness(self) -> Likeness:
        """What makes a past week likely."""
        return Likeness(
            self.analog_days, self.analog_half_life, self.activity_bandwidth, self.level_bandwidth, self.reach
        )

    @property
    def spread(self) -> Spread:
        """How the errors of then are stretched to the present."""
        return Spread(self.spread_exponent, self.volatility_exponent)


@dataclass(frozen=True, slots=True)
class Foundation:
    """The fitted level, first hour and effects of events, and the hyperparameters that they were fitted with."""

    settings: Har
    level: LogHar
    first: FirstHour | None
    effects: EventEffects | None

    def parameters(self) -> dict[str, NDArray[Any]]:
        """All as named arrays."""
        of_first = {} if self.first is None else self.first.parameters()
        of_events = {} if self.effects is None else self.effects.parameters()
        stored = {name: np.array(value) for name, value in asdict(self.settings).items()}
        return stored | self.level.parameters() | of_first | of_events

    def with_events(self, paths: FloatArray, history: History, origin: int, rng: np.random.Generator) -> FloatArray:
        """Paths (n, horizon) from `origin` on, with the hours that known events reach scaled by their effects."""
        if self.effects is None:
            return paths
        events = history.events if origin >= history.origin else events_known_at(history.events, origin)
        return self.effects.apply(paths, events, origin, rng)

    @classmethod
    def restore(cls, parameters: Mapping[str, NDArray[Any]]) -> Self:
        """The same from its arrays."""
        defaults = asdict(Har()) | {"event_effects": 0}  # of a fit from before there were any
        stored = {name: type(value)(parameters.get(name, value)) for name, value in defaults.items()}
        first = FirstHour.restore(parameters) if stored["splice_first"] else None
        return cls(Har(**stored), LogHar.restore(parameters), first, EventEffects.restore(parameters))


@dataclass(frozen=True, slots=True)
class Prepared:
    """What simulations from one origin need of the history before it: past weeks, profile, and states of hours."""

    analogs: Analogs
    shape: FloatArray
    states: States | None


def prepare(settings: Har, history: History, origin: int, *, exact: bool) -> Prepared:
    """Look through the history before an origin. Raises ValueError where there is too little to draw from."""
    shape = profile(history, origin, half_life=settings.profile_half_life)
    states = States(history, origin, shape, exact=exact) if settings.splice_first else None
    return Prepared(find(history, origin, settings.likeness), shape, states)


def fit(settings: Har, history: History) -> tuple[Foundation, Diagnostics, Prepared]:
    """Fit level and first hour. Raises ValueError where there is too little to fit or to draw from."""
    begin = time.perf_counter()
    rates = Rates(history, history.origin)
    level = fit_level(rates, ridge=settings.level_ridge, half_life=settings.level_half_life)
    checked = check(level, rates, ridge=settings.level_ridge, half_life=settings.level_half_life)
    prepared = prepare(settings, history, history.origin, exact=history.posts is not None)
    first = None if prepared.states is None else fit_first_hour(prepared.states)
    effects = None
    if settings.event_effects:
        effects = event_effects.estimate(history, rates, level, profile_half_life=settings.profile_half_life)
    counted = first is not None and not first.exact
    diagnostics = Diagnostics(
        converged=checked.sound and (first is None or first.settled),
        trained_on=(history.start, history.origin),
        warnings=(*checked.warnings, *_doubts(first)),
        notes=("the first hour is fitted to hourly counts, as no times of posts were given",) if counted else (),
        estimates={**level.estimates(), **(effects.estimates() if effects else {})},
        values={
            **level.values(),
            **(effects.values() if effects else {}),
            "windows": len(prepared.analogs.starts),
            "effective_windows": round(prepared.analogs.effective(), 1),
            "level_condition": round(checked.condition, 1),
            "level_autocorrelation": round(checked.autocorrelation, 3),
            "first_hour_rows": first.rows if first else 0,
            "seconds": round(time.perf_counter() - begin, 3),
        },
    )
    shared = {name: getattr(settings, name) for name in asdict(Har())}
    return Foundation(Har(**shared), level, first, effects), diagnostics, prepared


class FittedHar:
    """Level and first hour as fitted; past weeks and profile are those before the origin of each simulation.

    What a week looks like is the part of a subclass. `prepared` is what the fit looked through already.
    """

    def __init__(
        self,
        history: History,
        diagnostics: Diagnostics | None,
        foundation: Foundation,
        prepared: Prepared | None = None,
    ) -> None:
        self.history = history
        self.diagnostics = diagnostics
        self.foundation = foundation
        self._prepared = prepared

    def simulate(self, origin: int, horizon: int, n_paths: int, rng: np.random.Generator) -> FloatArray:
        """Paths of shape (n_paths, horizon), week by week: the level of a later week follows the path's own days.

        What events add comes last, so that no level follows it. Raises ValueError where too few weeks before the
        origin, or days just before it, were observed.
        """
        found = self._prepare(origin)
        analogs, shape = found.analogs, found.shape
        weeks = [self._drawn_week(analogs, analogs.now, analogs.weights, shape, n_paths, rng)]
        if self.foundation.first is not None and found.states is not None:
            _splice_first(self.foundation.first, found.states, weeks[0], rng)
        while WINDOW * len(weeks) < horizon:
            now = features_after(self.history, origin, np.concatenate(weeks, axis=1))
            weeks.append(self._drawn_week(analogs, now, analogs.recency, shape, n_paths, rng))
        paths = np.concatenate(weeks, axis=1)[:, :horizon]
        return self.foundation.with_events(paths, self.history, origin, rng)

    def parameters(self) -> dict[str, NDArray[Any]]:
        """The level, the first hour, and the hyperparameters."""
        return self.foundation.parameters()

    def _prepare(self, origin: int) -> Prepared:
        if self._prepared is not None and self._prepared.analogs.origin == origin:
            return self._prepared
        first = self.foundation.first
        return prepare(self.foundation.settings, self.history, origin, exact=first is not None and first.exact)

    def _drawn_week(
        self,
        analogs: Analogs,
        now: FloatArray,
        weights: FloatArray,
        shape: FloatArray,
        n_paths: int,
        rng: np.random.Generator,
    ) -> FloatArray:
        drawn, log_rates = draw_levels(self.foundation, analogs, now, weights, n_paths, rng)
        return self._week(analogs, drawn, log_rates, shape, rng)

    def _week(
        self,
        analogs: Analogs,
        drawn: IntArray,
        log_rates: FloatArray,
        shape: FloatArray,
        rng: np.random.Generator,
    ) -> FloatArray:
        """Counts (n, 168) whose blocks have log(1 + daily rate) `log_rates` (n, 3); `drawn` are past weeks (n,)."""
        raise NotImplementedError


def draw_levels(
    foundation: Foundation,
    analogs: Analogs,
    now: FloatArray,
    weights: FloatArray,
    n_paths: int,
    rng: np.random.Generator,
    *,
    error_share: float = 1.0,
) -> tuple[IntArray, FloatArray]:
    """Past weeks (n,), and the log(1 + daily rate) of each block (n, 3): expected, with that share of their errors.

    `now` (1 or n, 6) are the features at the week's start.
    """
    drawn = analogs.draw(foundation.level, weights, n_paths, rng)
    expected = foundation.level.predict(now)
    errors = analogs.errors(foundation.level, expected, drawn, foundation.settings.spread)
    return drawn, expected + error_share * smoothed(errors, foundation.settings.jitter, rng)


def _doubts(first: FirstHour | None) -> tuple[str, ...]:
    return () if first is None or first.settled else ("the search for the first hour's regression did not settle",)


def _splice_first(first: FirstHour, states: States, paths: FloatArray, rng: np.random.Generator) -> None:
    try:
        drawn = first.draw(states, len(paths), rng)
    except ValueError as reason:
        text = f"the first hour is forecast like all others: {reason}"
        warnings.warn(text, SimulationWarning, stacklevel=3)
    else:
        splice(paths, drawn, rng)
