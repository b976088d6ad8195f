"""The protocol by which models are compared: rolling origins, a week ahead, the same scores on the same origins.

An origin every 73 hours, so that every hour of the day and every weekday gets its turn; all history before it is
handed over; 2,000 paths of 168 hours. Scored are hourly counts (over 24 and 168 hours, and the first hour alone), the
totals of 24 hours and of 7 days, and that of a window in play, of which 96 hours are over and 72 to come. Unobserved
hours are left out of hourly scores; a total with one is not scored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from musktracker.evaluation import backtest, scores
from musktracker.evaluation.backtest import Case, Refused
from musktracker.evaluation.origins import HORIZON, PATHS, SPACING
from musktracker.models.base import FloatArray, History, Model

IN_PLAY = (96, 72)  # hours of the window that are over, and that are to come
TOTALS = {"total_24": 24, "in_play": IN_PLAY[1], "total_168": HORIZON}
LEVELS = (50, 80, 95)
BLOCK = -(-HORIZON // SPACING)  # origins that are drawn together: about a week, as long as windows overlap


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of one origin.

    `values` by name: `hourly_168`, `hourly_24`, `lead_1`; for each of `total_24`, `in_play` and `total_168` its CRPS
    under the name itself, and `error_`, `covered_50_`, `covered_80_`, `covered_95_`, `width_95_`, `above_95_`,
    `below_95_` and `pit_` before it; `log_score` of the 7 days' total on brackets of 20. `hourly` (168,) is the CRPS
    of each lead, `pit` (168,) its randomised PIT.
    """

    origin: int
    seconds: float
    values: Mapping[str, float]
    hourly: FloatArray
    pit: FloatArray


@dataclass(frozen=True, slots=True)
class Skill:
    """How much better than a reference on `n` origins, with its 95% interval."""

    skill: float
    lower: float
    upper: float
    n: int


def evaluate(
    model: Model,
    history: History,
    chosen: Iterable[int],
    *,
    n_paths: int = PATHS,
    seed: int = 1,
    refused: Refused | None = None,
    tell: Callable[[int], None] = lambda _: None,
) -> Iterator[Scored]:
    """Score a model at each origin; one from which it cannot forecast goes to `refused`."""
    made = backtest.cases(
        model, history, chosen, horizon=HORIZON, n_paths=n_paths, seed=seed, refused=refused, tell=tell
    )
    for case in made:
        yield score(case, history.before(case.origin, IN_PLAY[0]), np.random.default_rng([seed, case.origin, 1]))


def score(case: Case, past: FloatArray, rng: np.random.Generator) -> Scored:
    """The scores of one case, whose origin the 96 hours `past` led up to; `rng` is for the randomised PIT."""
    hourly = scores.crps(case.paths, case.observed)
    pit = scores.pit(case.paths, case.observed, rng)
    values = {
        "hourly_168": _mean(hourly),
        "hourly_24": _mean(hourly[:24]),
        "lead_1": float(hourly[0]),
    }
    for name, hours in TOTALS.items():
        over = float(past.sum()) if name == "in_play" else 0.0
        totals = over + case.paths[:, :hours].sum(axis=1)
        values |= _of_total(name, totals, over + float(case.observed[:hours].sum()), rng)
    week, came = case.paths.sum(axis=1), float(case.observed.sum())
    values["log_score"] = np.nan if np.isnan(came) else scores.bracket_log_score(week, came)
    return Scored(case.origin, case.seconds, values, hourly, pit)


def summary(scored: Sequence[Scored]) -> dict[str, float]:
    """The mean of every score over the origins at which it is known, with what else a table shows.

    MAE and RMSE of the mean total beside its CRPS; `hourly_covered_50` and the like by randomised PIT; `seconds` for
    a fit with its paths; `origins`, their number.
    """
    if not scored:
        return {"origins": 0}
    found = {name: _mean(column(scored, name)) for name in scored[0].values}
    for name in TOTALS:
        errors = column(scored, f"error_{name}")
        found[f"mae_{name}"], found[f"rmse_{name}"] = _mean(np.abs(errors)), float(np.sqrt(_mean(errors**2)))
    pit = np.concatenate([one.pit for one in scored])
    found |= {f"hourly_covered_{level}": scores.pit_coverage(pit, level / 100) for level in LEVELS}
    return found | {"seconds": _mean(np.array([one.seconds for one in scored])), "origins": len(scored)}


def column(scored: Sequence[Scored], name: str) -> FloatArray:
    """One score over the origins, (n,)."""
    return np.array([one.values[name] for one in scored])


def by_lead(scored: Sequence[Scored]) -> FloatArray:
    """The mean CRPS of the hourly counts by lead, (168,)."""
    table = np.array([one.hourly for one in scored])
    known = ~np.isnan(table)
    return np.asarray(np.where(known, table, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))


def compare(scored: Sequence[Scored], reference: Sequence[Scored], name: str, *, seed: int = 1) -> Skill:
    """The skill of a model over a reference by one score, on the origins at which both have it.

    Raises ValueError where there is no such origin.
    """
    theirs = {one.origin: one.values[name] for one in reference}
    pairs = [(one.values[name], theirs[one.origin]) for one in scored if one.origin in theirs]
    table = np.array(pairs).reshape(-1, 2)
    table = table[~np.isnan(table).any(axis=1)]
    if not len(table):
        raise ValueError(f"there is no origin at which both models have a {name}")
    interval = scores.skill_interval(table[:, 0], table[:, 1], block=BLOCK, rng=np.random.default_rng(seed))
    return Skill(scores.skill(table[:, 0], table[:, 1]), *interval, len(table))


def _of_total(name: str, totals: FloatArray, observed: float, rng: np.random.Generator) -> dict[str, float]:
    bounds = {level: scores.interval(totals, level / 100) for level in LEVELS}
    lower, upper = bounds[95]
    found = {
        name: float(scores.crps(totals, observed)),
        f"error_{name}": float(totals.mean() - observed),
        **{f"covered_{level}_{name}": float(low <= observed <= high) for level, (low, high) in bounds.items()},
        f"width_95_{name}": float(upper - lower),
        f"above_95_{name}": float(observed > upper),
        f"below_95_{name}": float(observed < lower),
        f"pit_{name}": float(scores.pit(totals, np.asarray(observed), rng)),
    }
    return dict.fromkeys(found, np.nan) if np.isnan(observed) else found


def _mean(values: FloatArray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else np.nan
