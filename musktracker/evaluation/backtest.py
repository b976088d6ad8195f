"""Rolling-origin backtest: at each origin a model is fitted to what was known then, and its paths meet what came.

Nothing of the origin's future reaches the model: later hours are cut off, and so are events entered later. An event
that was imported after the fact is known from its import on, so no origin before that sees it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from musktracker.evaluation import scores
from musktracker.evaluation.origins import SPACING
from musktracker.models.base import FloatArray, History, Model

LEVELS = (0.5, 0.8, 0.95)


@dataclass(frozen=True, slots=True)
class Case:
    """One origin: paths (n_paths, horizon) and what came of it (horizon,), NaN where it was not observed.

    `seconds` is what fitting and simulating took.
    """

    origin: int
    paths: FloatArray
    observed: FloatArray
    seconds: float = 0.0

    @property
    def whole(self) -> bool:
        """Whether every hour was observed, so that totals can be scored."""
        return not bool(np.isnan(self.observed).any())


@dataclass(slots=True)
class Refused:
    """The origins that a model would not forecast from, and why."""

    reasons: dict[int, str] = field(default_factory=dict)


def last_origins(history: History, count: int, *, horizon: int, spacing: int = SPACING) -> list[int]:
    """The last `count` origins, `spacing` hours apart, oldest first, with a whole horizon before the end."""
    newest = history.origin - horizon
    return [origin for k in reversed(range(count)) if (origin := newest - k * spacing) > history.start]


def cases(
    model: Model,
    history: History,
    origins: Iterable[int],
    *,
    horizon: int,
    n_paths: int,
    seed: int,
    refused: Refused | None = None,
    tell: Callable[[int], None] = lambda _: None,
) -> Iterator[Case]:
    """A case for each origin; one from which the model cannot forecast goes to `refused`.

    Each origin has its own random stream, so that a case does not depend on which others are made. `tell(origin)` is
    called before each fit.
    """
    for origin in origins:
        tell(origin)
        begin = time.perf_counter()
        try:
            fitted = model.fit(history.until(origin))
            paths = fitted.simulate(origin, horizon, n_paths, np.random.default_rng([seed, origin]))
        except ValueError as reason:
            if refused is not None:
                refused.reasons[origin] = str(reason)
            continue
        seconds = time.perf_counter() - begin
        yield Case(origin, paths, history.before(origin + horizon, horizon), seconds)


def score(case: Case, leads: Sequence[int]) -> dict[str, float]:
    """Scores of one case: hourly over the first hours of each lead, and of the total over each lead.

    Names are `crps_hourly_24`, `crps_total_24`, `log_score_168`, `covered_95_168` and the like; those of a total are
    NaN where one of its hours was not observed.
    """
    found: dict[str, float] = {}
    hourly = scores.crps(case.paths, case.observed)
    for lead in leads:
        known = hourly[:lead][~np.isnan(hourly[:lead])]
        found[f"crps_hourly_{lead}"] = float(known.mean()) if len(known) else np.nan
        totals = case.paths[:, :lead].sum(axis=1)
        observed = float(case.observed[:lead].sum())
        found |= {f"{name}_{lead}": value for name, value in _score_total(totals, observed).items()}
    return found


def summary(scored: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each score over the cases, NaN left out."""
    if not scored:
        return {}
    table = {name: np.array([one[name] for one in scored]) for name in scored[0]}
    return {
        name: float(np.nanmean(values)) if not np.isnan(values).all() else np.nan for name, values in table.items()
    }


def point_errors(made: Sequence[Case]) -> Mapping[str, float]:
    """MAE, RMSE, bias and MAPE of the mean of the paths, over all observed hours of all cases."""
    if not made:
        return scores.point_errors(np.empty(0), np.empty(0))
    predicted = np.concatenate([case.paths.mean(axis=0) for case in made])
    return scores.point_errors(predicted, np.concatenate([case.observed for case in made]))


def _score_total(totals: FloatArray, observed: float) -> dict[str, float]:
    names = ["crps_total", "log_score", "width_95", "error", *(f"covered_{level * 100:.0f}" for level in LEVELS)]
    if np.isnan(observed):
        return dict.fromkeys(names, np.nan)
    inside = {}
    for level in LEVELS:
        lower, upper = scores.interval(totals, level)
        inside[f"covered_{level * 100:.0f}"] = float(lower <= observed <= upper)
    return {
        "crps_total": float(scores.crps(totals, observed)),
        "log_score": scores.bracket_log_score(totals, observed),
        "width_95": float(upper - lower),
        "error": float(totals.mean() - observed),
        **inside,
    }
