"""Forecast: sample paths of the hours to come, stored as hourly means and bounds and as the total's quantiles."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Engine, select

from musktracker.db import settings
from musktracker.db.engines import reading, writing
from musktracker.db.tables import Forecast, ForecastTotal
from musktracker.db.upsert import upsert
from musktracker.errors import DataError
from musktracker.models import registry
from musktracker.models.base import FloatArray, SimulationWarning
from musktracker.pipeline import artifacts, forecast_scores, requests, version_choice
from musktracker.pipeline import history as histories
from musktracker.pipeline.aliases import Version
from musktracker.pipeline.history import Known
from musktracker.reporting import Run
from musktracker.timeline import HOUR, iso, now, parse_time, utc_text

LEVELS = (50, 80, 95)
QUANTILES = (0.01, 0.025, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95, 0.975, 0.99)


@dataclass(frozen=True, slots=True)
class Simulated:
    """Paths (n_paths, horizon) from the end of what is known, who made them, and what makes them doubtful.

    `chosen` is how the version was: as the champion or the challenger, as named, as the newest where there is no
    champion, or as the fallback where the champion cannot be used.
    """

    version: Version
    chosen: str
    paths: FloatArray
    warnings: list[str]


def forecast(
    engine: Engine,
    run: Run,
    *,
    horizon: int = 24,
    model: str | None = None,
    version: str | None = None,
    as_of: str | None = None,
    n_paths: int = 2000,
    seed: int = 1,
    allow_stale: bool = False,
    timezone: str = "UTC",
) -> dict[str, Any]:
    """Forecast the `horizon` hours that follow the last observed one, and store it.

    `model` is a model, `har_bootstrap:v3` or `@challenger`; without it, and without a `version`, the champion
    forecasts. Where there is none, or it saw data after that hour or cannot be made any more, the version is the
    newest (of `model`, where named) that can. With `as_of` nothing known later is used. The same version, data, seed
    and number of paths give the same forecast; other ones replace it. `timezone` is whose days the result is summed
    by. Raises DataError where the data are more than 24 h old (unless `allow_stale`), too gappy for the model, or
    where no version fits, UsageError for what cannot be.
    """
    check_request(model, horizon, n_paths, seed)
    run.progress(0.0, stage="load", message="reading the counts")
    moment = requests.moment_of(as_of)
    known = known_at(engine, as_of)
    made = simulate(
        engine,
        run,
        known,
        moment,
        horizon=horizon,
        model=model,
        version=version,
        n_paths=n_paths,
        seed=seed,
        allow_stale=allow_stale,
    )
    chosen, paths, said = made.version, made.paths, made.warnings
    run.progress(0.8, stage="save", message="storing the forecast")
    changed = _store(engine, chosen, known, paths, seed, said)
    total = paths.sum(axis=1)
    run.info(
        f"{total.mean():,.0f} posts expected in the {horizon} h from {utc_text(known.data_until)}, "
        f"by {chosen.name} {chosen.version}"
    )
    return {
        "model": chosen.name,
        "version": chosen.version,
        "model_metadata_id": chosen.id,
        "chosen": made.chosen,
        "forecast_time": iso(known.data_until),
        "horizon_hours": horizon,
        "until": iso(known.data_until + horizon * HOUR),
        "data_until": iso(known.data_until),
        "training_end": iso(chosen.training_end),
        "counting": known.counting,
        "counting_meaning": settings.COUNTINGS[known.counting].meaning,
        "n_paths": n_paths,
        "seed": seed,
        "warnings": said,
        "total": described(total),
        "timezone": timezone,
        "days": by_day(paths, known.data_until, ZoneInfo(timezone)),
        "changed": changed,
    }


def stored_hours(
    engine: Engine, model_metadata_id: int, forecast_time: datetime, horizon: int
) -> list[dict[str, Any]]:
    """The stored hours of a forecast: target_time, predicted_count, bounds and actual_count."""
    columns = [
        column for column in Forecast.__table__.c if column.name not in ("id", "model_metadata_id", "created_at")
    ]
    query = select(*columns).where(
        Forecast.model_metadata_id == model_metadata_id,
        Forecast.forecast_time == forecast_time,
        Forecast.target_time < forecast_time + horizon * HOUR,
    )
    with reading(engine) as connection:
        return [dict(row) for row in connection.execute(query.order_by(Forecast.target_time)).mappings()]


def check_request(model: str | None, horizon: int, n_paths: int, seed: int) -> None:
    """Raise UsageError for an unknown model or alias, or a horizon, number of paths or seed that cannot be."""
    version_choice.check_name(model)
    requests.paths(n_paths, requests.horizon(horizon))
    requests.seed(seed)


def known_at(engine: Engine, as_of: str | None) -> Known:
    """What is known now, or was at `as_of`. Raises DataError where that is nothing."""
    moment = parse_time(as_of) if as_of else None
    known = histories.load(engine, as_of=moment)
    requests.counted(known.reach, requests.FORECAST, moment)
    return known


def simulate(
    engine: Engine,
    run: Run,
    known: Known,
    moment: datetime,
    *,
    horizon: int,
    model: str | None,
    version: str | None,
    n_paths: int,
    seed: int,
    allow_stale: bool,
) -> Simulated:
    """Paths of the `horizon` hours that follow what is known at `moment`, as `forecast` makes them; warns in the log.

    Raises what `forecast` raises.
    """
    reach = requests.counted(known.reach, requests.FORECAST)
    said = requests.freshness(reach, moment, allow_stale=allow_stale) + _gaps(known)
    check_request(model, horizon, n_paths, seed)
    with reading(engine) as connection:
        chosen, how, passed_over = version_choice.choose(connection, version_choice.check_name(model, version), reach)
        parameters = artifacts.read(connection, chosen.id)
    run.progress(0.2, stage="simulate", message=f"{n_paths} paths of {horizon} h by {chosen.name} {chosen.version}")
    paths, doubts = _simulate(chosen, parameters, known, horizon, n_paths, seed)
    said = [*passed_over, *said, *doubts]
    for text in said:
        run.warning(text)
    return Simulated(chosen, how, paths, said)


def described(totals: FloatArray) -> dict[str, float]:
    """Mean, median and the bounds of each level of simulated totals."""
    found = {"mean": float(totals.mean()), "median": float(np.median(totals))}
    names = [f"{end}_{level}" for level in LEVELS for end in ("lower", "upper")]
    return found | dict(zip(names, np.quantile(totals, _ends(LEVELS)).tolist(), strict=True))


def by_day(paths: FloatArray, origin: datetime, zone: ZoneInfo) -> list[dict[str, Any]]:
    """Totals by calendar day of a zone; the first and the last may have fewer hours than the day."""
    dates = [(origin + k * HOUR).astimezone(zone).date() for k in range(paths.shape[1])]
    found = []
    for date in dict.fromkeys(dates):
        hours = [k for k, other in enumerate(dates) if other == date]
        found.append({"date": date.isoformat(), "hours": len(hours), **described(paths[:, hours].sum(axis=1))})
    return found


def _gaps(known: Known) -> list[str]:
    shares = {days: known.unobserved(days) for days in (7, 28)}
    parts = [f"{share:.1%} of the last {days} days" for days, share in shares.items() if share > 0]
    return [f"Not observed: {' and '.join(parts)}"] if parts else []


def _simulate(
    chosen: Version, parameters: Mapping[str, Any], known: Known, horizon: int, n_paths: int, seed: int
) -> tuple[FloatArray, list[str]]:
    fitted = registry.create(chosen.name, chosen.recipe).restore(parameters, known.history)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SimulationWarning)
        try:
            paths = fitted.simulate(known.history.origin, horizon, n_paths, np.random.default_rng(seed))
        except ValueError as reason:
            raise DataError(
                f"{chosen.name} cannot forecast from {iso(known.data_until)}: {reason}",
                "Fill the gap (musktracker import, then musktracker refresh), or forecast by another model (--model)",
            ) from None
    return paths, [str(one.message) for one in caught if issubclass(one.category, SimulationWarning)]


def _store(engine: Engine, chosen: Version, known: Known, paths: FloatArray, seed: int, said: Sequence[str]) -> int:
    """Write hours, total and all quantiles in one transaction; returns how many hours and totals changed."""
    n_paths, horizon = paths.shape
    origin, made = known.data_until, now()
    bounds = np.quantile(paths, _ends(LEVELS), axis=0)
    numbers = np.column_stack([paths.mean(axis=0), bounds.T]).tolist()
    hours = [(chosen.id, origin, origin + k * HOUR, *numbers[k], made) for k in range(horizon)]
    total = paths.sum(axis=1)
    quantiles = json.dumps(
        {f"{p:g}": float(q) for p, q in zip(QUANTILES, np.quantile(total, QUANTILES), strict=True)}
    )
    quantiles_of_all = forecast_scores.packed(paths)
    whole = (n_paths, seed, known.counting, float(total.mean()), quantiles, json.dumps(list(said)))
    predicted = ("predicted_count", *(f"{end}_bound_{level}" for level in LEVELS for end in ("lower", "upper")))
    described = ("n_paths", "seed", "counting", "predicted_total", "quantiles", "warnings")
    with writing(engine) as connection:
        changed = upsert(
            connection,
            Forecast.__table__,
            ("model_metadata_id", "forecast_time", "target_time", *predicted, "created_at"),
            hours,
            conflict=("model_metadata_id", "forecast_time", "target_time"),
            update=predicted,
            along=("created_at",),
        )
        changed += upsert(
            connection,
            ForecastTotal.__table__,
            ("model_metadata_id", "forecast_time", "horizon_hours", *described, "created_at"),
            [(chosen.id, origin, horizon, *whole, made)],
            conflict=("model_metadata_id", "forecast_time", "horizon_hours"),
            update=described,
            along=("created_at",),
        )
        forecast_scores.keep(connection, (chosen.id, origin, horizon), quantiles_of_all)
    return changed


def _ends(levels: Sequence[int]) -> list[float]:
    """Lower and upper probability of each central interval, in percent."""
    return [(100 + sign * level) / 200 for level in levels for sign in (-1, 1)]
