"""Analog block bootstrap on a log-HAR level: the week to come is a past week, moved to today's level.

Past windows of 168 hours are drawn by their likeness to the present (analogs.py; block bootstrap, Kuensch 1989),
re-timed by the profile of the day and scaled, block by block, by exp(level expected now - level expected then)
(log-HAR, Corsi 2009, level.py), so that the error which the level made then comes along. The first hour is what
bursts say of it (first_hour.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musktracker.models import har, hyperparameters
from musktracker.models.analogs import Analogs
from musktracker.models.base import FloatArray, History, IntArray
from musktracker.models.har import FittedHar, Foundation, Har
from musktracker.models.level import BLOCKS, WINDOW, profiles

LARGEST_RATIO = 2.5  # by which an hour is re-timed


@dataclass(frozen=True, slots=True)
class HarBootstrap(hyperparameters.HarBootstrap, Har):
    """Its hyperparameters are those of every model on this level; see Har."""

    def fit(self, history: History) -> FittedHarBootstrap:
        """Fit level and first hour. Raises ValueError where there is too little to fit or to draw from."""
        foundation, diagnostics, prepared = har.fit(self, history)
        return FittedHarBootstrap(history, diagnostics, foundation, prepared)

    def restore(self, parameters: Mapping[str, NDArray[Any]], history: History) -> FittedHarBootstrap:
        """A stored fit on a newer history, from which the windows are then drawn."""
        return FittedHarBootstrap(history, None, Foundation.restore(parameters))


class FittedHarBootstrap(FittedHar):
    """Hours are those of the drawn weeks."""

    def _week(
        self,
        analogs: Analogs,
        drawn: IntArray,
        log_rates: FloatArray,
        shape: FloatArray,  # noqa: ARG002 - the weeks have their own
        rng: np.random.Generator,
    ) -> FloatArray:
        paths = analogs.counts(drawn)
        ratios = self._retiming(analogs, drawn)
        for block, (a, b) in enumerate(BLOCKS):
            paths[:, a:b] *= ratios[:, a:b]
            wanted = np.expm1(np.maximum(log_rates[:, block], 0)) * (b - a) / 24
            drawn_total = paths[:, a:b].sum(axis=1)
            factor = np.divide(wanted, drawn_total, out=np.zeros(len(paths)), where=drawn_total > 0)
            paths[:, a:b] *= factor[:, None]
        return np.asarray(np.floor(paths + rng.random(paths.shape)))

    def _retiming(self, analogs: Analogs, drawn: IntArray) -> FloatArray:
        """What the hours of drawn windows are multiplied by to follow the day's profile at the origin, (n, 168)."""
        different, which = np.unique(drawn, return_inverse=True)
        starts = analogs.starts[different]
        weeks_ago = np.rint((analogs.origin - starts - WINDOW / 2) / WINDOW).astype(np.int64)
        half_life = self.foundation.settings.profile_half_life / 2  # on either side, where the present has but one
        shapes = profiles(self.history, analogs.origin, half_life=half_life, weeks=int(weeks_ago.max()))
        ahead = np.arange(WINDOW)
        then = shapes[weeks_ago[:, None], (starts[:, None] + ahead) % 24]
        now = shapes[0][(analogs.origin + ahead) % 24]
        return np.asarray(np.clip(now / then, 1 / LARGEST_RATIO, LARGEST_RATIO)[which])
