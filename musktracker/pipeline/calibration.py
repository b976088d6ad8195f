"""Calibration: what stored scores say of each model version by horizon and week, and whether all is as before.

Nothing is stored here: the scores and the notices are those of the last `score`.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, func, select

from musktracker.db import settings, verbatim
from musktracker.db.engines import reading
from musktracker.db.queries import calibration as stored
from musktracker.db.tables import ForecastQuantiles, ForecastScore, ForecastTotal, ModelMetadata
from musktracker.evaluation import calibration
from musktracker.evaluation.calibration import Scores
from musktracker.pipeline import history as histories
from musktracker.pipeline import notices, window_forecasts
from musktracker.timeline import from_hour_index, hour_index, iso

COLUMNS = ("forecast_time", "actual", "predicted", "crps", "reference_crps", "pit")
INSIDE = {level: f"inside_{level}" for level in (50, 80, 95)}


def report(engine: Engine, *, begin: datetime, model: str | None = None) -> dict[str, Any]:
    """The scores of forecasts from `begin` on (of one model, where asked), what drifts, and the notices of change.

    Forecasts of other posts than are counted now stay out. `unscorable` is how many forecasts were stored without
    the quantiles that scores by horizon need; `change` has the figures of each test that enough is known for;
    `newest_scored` is when the newest forecast was made that is scored, from `begin` on or before.
    """
    with reading(engine) as connection:
        counting = settings.counting(connection)
        found = _scores(connection, counting, begin, model)
        unscorable = _without_quantiles(connection, counting, begin)
    last = max((int(scores.origins[-1]) for scores in found.values()), default=0)
    history = histories.load(engine, posts=False).history
    newest = stored.newest_scored(engine, counting)
    return {
        "since": iso(begin),
        "newest_scored": None if newest is None else iso(newest),
        "counting": counting,
        "horizons": [_judged(key, scores, last) for key, scores in found.items()],
        "windows": [one for one in window_forecasts.judged(engine, counting, begin) if model in (None, one["model"])],
        "unscorable": unscorable,
        "change": {verdict.kind: verdict.figures for verdict in notices.verdicts(history)},
        "notices": [_notice(one) for one in stored.notices(engine, since=begin)],
    }


def _scores(
    connection: Connection, counting: str, begin: datetime, model: str | None
) -> dict[tuple[str, str, int], Scores]:
    """Scores by model, version and horizon, in this order, each by origin."""
    names = (ModelMetadata.model_name, ModelMetadata.model_version)
    wanted = (*COLUMNS, *INSIDE.values(), "above_95", "below_95")
    query = (
        select(*names, ForecastScore.horizon_hours, *(getattr(ForecastScore, name) for name in wanted))
        .join(ModelMetadata, ModelMetadata.id == ForecastScore.model_metadata_id)
        .where(ForecastScore.counting == counting, ForecastScore.forecast_time >= begin)
        .order_by(
            ModelMetadata.model_name, ModelMetadata.id, ForecastScore.horizon_hours, ForecastScore.forecast_time
        )
    )
    if model is not None:
        query = query.where(ModelMetadata.model_name == model)
    groups: dict[tuple[str, str, int], list[tuple[Any, ...]]] = defaultdict(list)
    for name, version, horizon, *values in verbatim.rows(connection, query):
        groups[name, version, horizon].append(tuple(values))
    hours: dict[Any, int] = {}  # every origin comes once for each horizon
    return {key: _arrays(rows, hours) for key, rows in groups.items()}


def _arrays(rows: list[tuple[Any, ...]], hours: dict[Any, int]) -> Scores:
    times, *columns = zip(*rows, strict=True)
    for moment in times:
        if moment not in hours:
            hours[moment] = hour_index(verbatim.moment(moment))
    origins = np.array([hours[moment] for moment in times], dtype=np.int64)
    numbers = len(COLUMNS) - 1
    actual, predicted, crps, reference, pit = (np.array(one, dtype=np.float64) for one in columns[:numbers])
    *inside, above, below = (np.array(one, dtype=np.bool_) for one in columns[numbers:])
    by_level = dict(zip(INSIDE, inside, strict=True))
    return Scores(origins, actual, predicted, crps, reference, pit, by_level, above, below)


def _judged(key: tuple[str, str, int], scores: Scores, last: int) -> dict[str, Any]:
    model, version, horizon = key
    weeks = [
        {**week, "start": iso(from_hour_index(week["start"]))} for week in calibration.by_week(scores, last=last)
    ]
    summary = calibration.summary(scores, horizon)
    return {"model": model, "version": version, "horizon_hours": horizon, **summary, "weeks": weeks}


def _without_quantiles(connection: Connection, counting: str, begin: datetime) -> int:
    is_scored = (
        select(ForecastScore.id)
        .where(
            ForecastScore.model_metadata_id == ForecastTotal.model_metadata_id,
            ForecastScore.forecast_time == ForecastTotal.forecast_time,
            ForecastScore.horizon_hours == ForecastTotal.horizon_hours,
        )
        .exists()
    )
    query = (
        select(func.count())
        .select_from(ForecastTotal)
        .outerjoin(ForecastQuantiles, ForecastQuantiles.forecast_total_id == ForecastTotal.id)
        .where(
            ForecastTotal.counting == counting,
            ForecastTotal.forecast_time >= begin,
            ForecastQuantiles.forecast_total_id.is_(None),
            ~is_scored,  # before its quantiles grew too old to be kept
        )
    )
    return int(connection.scalar(query) or 0)


def _notice(one: stored.NoticeOfChange) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "since": iso(one.since),
        "found_at": iso(one.found_at),
        "message": one.message,
        "details": one.details,
        "resolved_at": None if one.resolved_at is None else iso(one.resolved_at),
    }
