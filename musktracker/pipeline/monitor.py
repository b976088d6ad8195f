"""Score: fill in what happened, score each horizon, look for drift; and tell how far off the forecasts were."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    and_,
    bindparam,
    case,
    extract,
    func,
    or_,
    select,
    update,
)

from musktracker.db import verbatim
from musktracker.db.engines import reading, writing
from musktracker.db.tables import Forecast, ForecastTotal, ModelMetadata, TimeBucket
from musktracker.pipeline import forecast_scores, notices, window_forecasts
from musktracker.pipeline import history as histories
from musktracker.pipeline.forecast_scores import Sums
from musktracker.reporting import Run
from musktracker.timeline import hour_index, iso, parse_time

LEVELS = (50, 80, 95)
SLICE = 2_000  # forecast hours or totals that are filled in in one transaction
NEAR_HOURS = 24  # hourly forecasts are judged apart up to this lead and beyond it


def score(engine: Engine, run: Run, *, since: str | None = None, judge: bool = True) -> dict[str, Any]:
    """Fill the actual counts of all forecasts made at or after `since`, and judge those that have them (`judge`).

    An hour gets its actual once it is over, observed and counted; a total once all its hours have, a window's
    once it was observed from start to end. Each horizon of a forecast is scored as soon as its own hours are. What
    happened is filled in only where the model counts the posts that the database counts now. Late posts correct an
    actual and its scores; otherwise a second time changes nothing. What is filled in is stored some at a time: where
    it ends half way, the next time goes on.
    """
    begin = parse_time(since) if since else None
    known = histories.load(engine, posts=False)
    counting = known.counting
    run.progress(0.1, stage="fill", message="filling in actual counts")
    hours = _fill_hours(engine, run, counting, begin)
    run.progress(0.3, message="filling in actual totals")
    totals = _fill_totals(engine, Sums(known.history), counting, begin)
    windows = window_forecasts.fill(engine, counting, begin)
    run.info(
        f"Actual counts filled in: {hours} hours, {totals} totals, {windows} windows",
        hours=hours,
        totals=totals,
        windows=windows,
    )
    run.progress(0.4, stage="score", message="scoring by horizon")
    scores = forecast_scores.fill(engine, run, known.history, counting, begin)
    run.info(f"Scores by horizon: {scores['scored']} made, {scores['removed']} removed", **scores)
    run.progress(0.8, stage="drift", message="looking for change")
    changes = notices.check(engine, run, known)
    result = {
        "hours_filled": hours,
        "totals_filled": totals,
        "windows_filled": windows,
        "scores_made": scores["scored"],
        "scores_removed": scores["removed"],
        "counting": counting,
        "since": iso(begin) if begin else None,
        "changes": [verdict.message for verdict in changes if verdict.since],
    }
    if not judge:
        return result
    run.progress(0.9, stage="judge", message="comparing")
    judged_windows = window_forecasts.judged(engine, counting, begin)
    with reading(engine) as connection:
        hourly, judged_totals = _judged_hours(connection, begin), _judged_totals(connection, begin)
    return {**result, "hourly": hourly, "totals": judged_totals, "windows": judged_windows}


def _fill_hours(engine: Engine, run: Run, counting: str, begin: datetime | None) -> int:
    """Fill in what was counted, and empty hours that turned out not to have been observed; returns how many."""
    with reading(engine) as connection:
        models = connection.scalars(_models(counting)).all()
    filled = 0
    for model in models:
        for some in _filled(engine, model, begin):
            filled += some
            run.progress(message=f"filling in actual counts: {filled:,} hours")
    return filled


def _filled(engine: Engine, model: int, begin: datetime | None) -> Iterator[int]:
    """Fill in the hours of one version's forecasts, some at a time, and tell how many these were."""
    bucket = and_(TimeBucket.granularity == "hourly", TimeBucket.bucket_start == Forecast.target_time)
    counted = select(TimeBucket.tweet_count).where(bucket).scalar_subquery()
    differs = Forecast.actual_count.is_distinct_from(counted)
    of_model = [Forecast.model_metadata_id == model, *_since(Forecast.forecast_time, begin)]
    wanted = select(Forecast.id).where(*of_model, differs).order_by(Forecast.id).limit(SLICE)
    last = 0
    while True:
        with reading(engine) as connection:  # to find them takes longest, and must not keep others from writing
            found = connection.scalars(wanted.where(Forecast.id > last)).all()
        if not found:
            return
        fill = update(Forecast).where(Forecast.id.in_(found)).values(actual_count=counted)
        with writing(engine) as connection:
            some = connection.execute(fill).rowcount
        yield int(some)
        last = found[-1]


def _fill_totals(engine: Engine, sums: Sums, counting: str, begin: datetime | None) -> int:
    query = select(
        ForecastTotal.id, ForecastTotal.forecast_time, ForecastTotal.horizon_hours, ForecastTotal.actual_total
    ).where(ForecastTotal.model_metadata_id.in_(_models(counting)), *_since(ForecastTotal.forecast_time, begin))
    with reading(engine) as connection:
        stored = verbatim.rows(connection, query)
    changes = [
        {"key": key, "actual": actual}
        for key, moment, hours, before in stored
        if (actual := sums.total(hour_index(verbatim.moment(moment)), hours)) != before
    ]
    table = ForecastTotal.__table__
    fill = update(table).where(table.c.id == bindparam("key")).values(actual_total=bindparam("actual"))
    for first in range(0, len(changes), SLICE):
        with writing(engine) as connection:
            connection.execute(fill, changes[first : first + SLICE])
    return len(changes)


def _models(counting: str) -> Select[int]:
    return select(ModelMetadata.id).where(or_(ModelMetadata.counting == counting, ModelMetadata.counting.is_(None)))


def _since(column: Any, begin: datetime | None) -> list[ColumnElement[bool]]:
    return [] if begin is None else [column >= begin]


def _judged_hours(connection: Connection, begin: datetime | None) -> list[dict[str, Any]]:
    """Error and coverage of hourly forecasts by model version and lead, added up by the database."""
    lead = extract("epoch", Forecast.target_time) - extract("epoch", Forecast.forecast_time)
    near = case((lead < NEAR_HOURS * 3600, 1), else_=0).label("near")
    error = Forecast.predicted_count - Forecast.actual_count
    inside = [
        func.avg(_one_if(Forecast.actual_count.between(_bound("lower", level), _bound("upper", level)))).label(
            f"coverage_{level}"
        )
        for level in LEVELS
    ]
    query = (
        select(
            ModelMetadata.model_name.label("model"),
            ModelMetadata.model_version.label("version"),
            near,
            func.count().label("n"),
            func.avg(func.abs(error)).label("mae"),
            func.avg(error * error).label("mse"),
            func.avg(error).label("bias"),
            *inside,
            func.sum(_one_if(Forecast.actual_count > Forecast.upper_bound_95)).label("above_95"),
            func.sum(_one_if(Forecast.actual_count < Forecast.lower_bound_95)).label("below_95"),
            func.avg(Forecast.upper_bound_95 - Forecast.lower_bound_95).label("width_95"),
        )
        .join(ModelMetadata, ModelMetadata.id == Forecast.model_metadata_id)
        .where(Forecast.actual_count.is_not(None), *_since(Forecast.forecast_time, begin))
        .group_by(ModelMetadata.id, ModelMetadata.model_name, ModelMetadata.model_version, near)
        .order_by(ModelMetadata.model_name, ModelMetadata.id, near.desc())
    )
    return [_hourly(dict(row)) for row in connection.execute(query).mappings()]


def _hourly(row: dict[str, Any]) -> dict[str, Any]:
    near, mse = row.pop("near"), row.pop("mse")
    lead = f"first {NEAR_HOURS} h" if near else f"after {NEAR_HOURS} h"
    counted = {name: int(row.pop(name)) for name in ("n", "above_95", "below_95")}
    names = row.pop("model"), row.pop("version")
    measured = {name: None if value is None else float(value) for name, value in row.items()}
    return {
        "model": names[0],
        "version": names[1],
        "lead": lead,
        "n": counted["n"],
        "rmse": math.sqrt(mse),
        **measured,
        "above_95": counted["above_95"],
        "below_95": counted["below_95"],
    }


def _bound(end: str, level: int) -> Any:
    return getattr(Forecast, f"{end}_bound_{level}")


def _one_if(condition: ColumnElement[bool]) -> ColumnElement[float]:
    return case((condition, 1.0), else_=0.0)


def _judged_totals(connection: Connection, begin: datetime | None) -> list[dict[str, Any]]:
    """Error and coverage of totals by model version and horizon."""
    query = (
        select(
            ModelMetadata.model_name,
            ModelMetadata.model_version,
            ForecastTotal.horizon_hours,
            ForecastTotal.predicted_total,
            ForecastTotal.quantiles,
            ForecastTotal.actual_total,
        )
        .join(ModelMetadata, ModelMetadata.id == ForecastTotal.model_metadata_id)
        .where(ForecastTotal.actual_total.is_not(None), *_since(ForecastTotal.forecast_time, begin))
        .order_by(ModelMetadata.model_name, ModelMetadata.id, ForecastTotal.horizon_hours)
    )
    groups: dict[tuple[str, str, int], list[Any]] = defaultdict(list)
    for row in connection.execute(query):
        groups[row.model_name, row.model_version, row.horizon_hours].append(row)
    return [
        {"model": name, "version": version, "horizon_hours": hours, **_judged(rows)}
        for (name, version, hours), rows in groups.items()
    ]


def _judged(rows: Iterable[Any]) -> dict[str, Any]:
    cases = [(row.predicted_total, row.actual_total, json.loads(row.quantiles)) for row in rows]
    errors = [predicted - actual for predicted, actual, _ in cases]
    bounds = {level: [(actual, *_interval(quantiles, level)) for _, actual, quantiles in cases] for level in LEVELS}
    return {
        "n": len(cases),
        "rmse": math.sqrt(_mean(error**2 for error in errors)),
        "mae": _mean(abs(error) for error in errors),
        "bias": _mean(errors),
        **{
            f"coverage_{level}": _mean(float(lower <= actual <= upper) for actual, lower, upper in found)
            for level, found in bounds.items()
        },
        "width_95": _mean(upper - lower for _, lower, upper in bounds[95]),
        "above_95": sum(actual > upper for actual, _, upper in bounds[95]),
        "below_95": sum(actual < lower for actual, lower, _ in bounds[95]),
    }


def _interval(quantiles: Mapping[str, float], level: int) -> tuple[float, float]:
    """The ends of a central interval, as the forecast stored them."""
    return quantiles[f"{(100 - level) / 200:g}"], quantiles[f"{(100 + level) / 200:g}"]


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)
