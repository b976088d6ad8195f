"""Negative binomial hours on a log-HAR level: a total for each of three blocks, shared out among its hours.

The block's total is the level's expectation (Corsi 2009, level.py) with an error that the level made in a past week
like this one (analogs.py). Its hours follow the profile of the day and gamma factors, scaled to the total, and are
Poisson given these: a negative binomial (Hilbe 2011) conditioned on its block. The first hour is what bursts say of
it (first_hour.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musktracker.models import har, hyperparameters
from musktracker.models.analogs import Analogs
from musktracker.models.base import Diagnostics, FloatArray, History, IntArray
from musktracker.models.har import FittedHar, Foundation, Har, Prepared
from musktracker.models.level import BLOCKS, WINDOW

SIZES = (0.02, 50.0)  # between which the sizes are looked for
SIZE_DAYS = 365
FEWEST_HOURS = 168


@dataclass(frozen=True, slots=True)
class HarNegativeBinomial(hyperparameters.HarNegativeBinomial, Har):
    """Its hyperparameters are those of every model on this level; see Har.

    The size (the shape of the gamma factors) of each block is fitted by maximum likelihood to the last year.
    """

    def fit(self, history: History) -> FittedHarNegativeBinomial:
        """Fit level, first hour and sizes. Raises ValueError where there is too little to fit or to draw from."""
        foundation, diagnostics, prepared = har.fit(self, history)
        fits = [_size(history, prepared.shape, b - a) for a, b in BLOCKS]
        sizes = np.array([size for size, _ in fits])
        named = {f"size_{a}_{b}h": float(size) for (a, b), size in zip(BLOCKS, sizes, strict=True)}
        diagnostics = replace(
            diagnostics,
            values={**diagnostics.values, **named},
            log_likelihood=fits[0][1],
            warnings=(*diagnostics.warnings, *_doubts(named)),
        )
        return FittedHarNegativeBinomial(history, diagnostics, foundation, sizes, prepared)

    def restore(self, parameters: Mapping[str, NDArray[Any]], history: History) -> FittedHarNegativeBinomial:
        """A stored fit on a newer history."""
        return FittedHarNegativeBinomial(history, None, Foundation.restore(parameters), parameters["sizes"])


class FittedHarNegativeBinomial(FittedHar):
    """Hours are negative binomial of size `sizes` (3,), given the total of their block."""

    def __init__(
        self,
        history: History,
        diagnostics: Diagnostics | None,
        foundation: Foundation,
        sizes: FloatArray,
        prepared: Prepared | None = None,
    ) -> None:
        super().__init__(history, diagnostics, foundation, prepared)
        self.sizes = sizes

    def parameters(self) -> dict[str, NDArray[Any]]:
        """The level, the first hour, the hyperparameters, and the sizes."""
        return {**super().parameters(), "sizes": self.sizes}

    def _week(
        self,
        analogs: Analogs,
        drawn: IntArray,
        log_rates: FloatArray,
        shape: FloatArray,
        rng: np.random.Generator,
    ) -> FloatArray:
        hours = (analogs.origin + np.arange(WINDOW)) % 24
        means = np.empty((len(drawn), WINDOW))
        for block, (a, b) in enumerate(BLOCKS):
            factors = rng.standard_gamma(self.sizes[block], (len(drawn), b - a)) * shape[hours[a:b]]
            total = np.expm1(np.maximum(log_rates[:, block], 0)) * (b - a) / 24
            means[:, a:b] = factors * (total / np.maximum(factors.sum(axis=1), 1e-300))[:, None]
        return rng.poisson(means).astype(np.float64)


def _size(history: History, shape: FloatArray, hours: int) -> tuple[float, float]:
    """The size of hours given the total of their block, and the log-likelihood there.

    Each block of the last year that was wholly observed and has posts is taken to have its own mean.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import gammaln

    blocks = history.before(history.origin, 24 * SIZE_DAYS // hours * hours).reshape(-1, hours)
    starts = history.origin - hours * np.arange(len(blocks), 0, -1)
    usable = ~np.isnan(blocks).any(axis=1) & (np.nansum(blocks, axis=1) > 0)
    counts = blocks[usable]
    if counts.size < FEWEST_HOURS:
        raise ValueError(
            f"only {counts.size} hours of the last year lie in observed blocks; {FEWEST_HOURS} are needed"
        )
    expected = shape[(starts[usable, None] + np.arange(hours)) % 24]
    mean = expected * (counts.sum(axis=1) / expected.sum(axis=1))[:, None]
    constant = float((counts * np.log(mean) - gammaln(counts + 1)).sum())

    def likelihood(log_size: float) -> float:
        size = float(np.exp(log_size))
        rising = gammaln(counts + size).sum() - counts.size * gammaln(size)
        rest = size * np.log(size) * counts.size - ((counts + size) * np.log(size + mean)).sum()
        return float(rising + rest) + constant

    low, high = (float(np.log(size)) for size in SIZES)
    found = minimize_scalar(lambda x: -likelihood(x), bounds=(low, high), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x)), likelihood(float(found.x))


def _doubts(sizes: Mapping[str, float]) -> list[str]:
    at_edge = [name for name, size in sizes.items() if not 1.1 * SIZES[0] < size < 0.9 * SIZES[1]]
    return [f"{', '.join(at_edge)} lies at the edge of what was searched"] if at_edge else []
