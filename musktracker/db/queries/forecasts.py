"""Stored forecasts: which there are, their hours and totals, and how well they have done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Engine, Row, Select, case, func, select

from musktracker.db import stored
from musktracker.db.engines import reading
from musktracker.db.tables import Forecast, ForecastTotal, ModelMetadata, RunRow
from musktracker.timeline import HOUR, iso

LEVELS = (50, 80, 95)
RUNS = 100  # how many past runs are looked through for a forecast's days
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ForecastHead:
    """One forecast: by which version, from which origin, how far, and its total.

    `quantiles` are pairs of probability and count, by probability; `counting` names which posts count.
    """

    id: int
    model_metadata_id: int
    model: str
    version: str
    origin: datetime
    horizon: int
    total: float
    quantiles: tuple[tuple[float, float], ...]
    warnings: tuple[str, ...]
    actual_total: int | None
    counting: str
    n_paths: int
    seed: int
    created_at: datetime
    training_end: datetime

    @property
    def until(self) -> datetime:
        """The end of the last hour."""
        return self.origin + self.horizon * HOUR

    def quantile(self, probability: float) -> float | None:
        """The total's quantile, where it was stored."""
        return next((count for p, count in self.quantiles if abs(p - probability) < 1e-9), None)

    def interval(self, level: int) -> Interval | None:
        """The central interval of `level` percent of the total, where both its ends were stored."""
        lower, upper = self.quantile((100 - level) / 200), self.quantile((100 + level) / 200)
        return None if lower is None or upper is None else (lower, upper)


@dataclass(frozen=True, slots=True)
class ForecastHour:
    """The forecast of the hour that begins at `start`; intervals in the order of LEVELS, None where not stored."""

    start: datetime
    mean: float
    intervals: tuple[Interval | None, ...]
    actual: int | None


@dataclass(frozen=True, slots=True)
class DayForecast:
    """The forecast of `hours` hours of a calendar day; intervals in the order of LEVELS."""

    date: date
    hours: int
    mean: float
    intervals: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How the scored hours of a version came out: `coverages` are shares inside the intervals, by LEVELS."""

    model_metadata_id: int
    model: str
    version: str
    n: int
    mae: float
    bias: float
    coverages: tuple[float | None, ...]


def latest(
    engine: Engine, *, model_metadata_id: int | None = None, horizon: int | None = None
) -> ForecastHead | None:
    """The forecast from the newest origin, the last made of them; of one version or horizon only, where asked."""
    query = _heads().limit(1)
    if model_metadata_id is not None:
        query = query.where(ForecastTotal.model_metadata_id == model_metadata_id)
    if horizon is not None:
        query = query.where(ForecastTotal.horizon_hours == horizon)
    with reading(engine) as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else _head(row)


def listed(engine: Engine, limit: int = 500) -> list[ForecastHead]:
    """The forecasts, from the newest origin back."""
    with reading(engine) as connection:
        return [_head(row) for row in connection.execute(_heads().limit(limit))]


def hours(engine: Engine, head: ForecastHead) -> list[ForecastHour]:
    """The hours of a forecast, by time."""
    query = (
        select(Forecast.__table__)
        .where(
            Forecast.model_metadata_id == head.model_metadata_id,
            Forecast.forecast_time == head.origin,
            Forecast.target_time < head.until,
        )
        .order_by(Forecast.target_time)
    )
    with reading(engine) as connection:
        return [_hour(row) for row in connection.execute(query)]


def days(engine: Engine, head: ForecastHead, zone: str) -> list[DayForecast]:
    """The forecast's calendar days in a zone, where the run that made it is still there; otherwise none.

    Intervals of days cannot be had from those of hours: the run that drew the paths left them with its result.
    """
    query = (
        select(RunRow.result)
        .where(RunRow.kind == "forecast", RunRow.status == "succeeded", RunRow.created_at <= head.created_at)
        .order_by(RunRow.id.desc())
        .limit(RUNS)
    )
    with reading(engine) as connection:
        results = [stored.mapping(text) for text in connection.scalars(query)]
    wanted = {
        "model_metadata_id": head.model_metadata_id,
        "forecast_time": iso(head.origin),
        "horizon_hours": head.horizon,
        "n_paths": head.n_paths,
        "seed": head.seed,
        "timezone": zone,
    }
    for result in results:
        if all(result.get(name) == value for name, value in wanted.items()):
            return [_day(found) for found in result.get("days", ())]
    return []


def accuracy(engine: Engine) -> list[Accuracy]:
    """How each version's scored hours came out, by version."""
    error = Forecast.predicted_count - Forecast.actual_count
    inside = [
        func.avg(
            case(
                (
                    Forecast.actual_count.between(
                        getattr(Forecast, f"lower_bound_{level}"), getattr(Forecast, f"upper_bound_{level}")
                    ),
                    1.0,
                ),
                (getattr(Forecast, f"lower_bound_{level}").is_(None), None),
                else_=0.0,
            )
        )
        for level in LEVELS
    ]
    query = (
        select(
            Forecast.model_metadata_id,
            ModelMetadata.model_name,
            ModelMetadata.model_version,
            func.count(),
            func.avg(func.abs(error)),
            func.avg(error),
            *inside,
        )
        .join(ModelMetadata, ModelMetadata.id == Forecast.model_metadata_id)
        .where(Forecast.actual_count.is_not(None))
        .group_by(Forecast.model_metadata_id, ModelMetadata.model_name, ModelMetadata.model_version)
        .order_by(Forecast.model_metadata_id)
    )
    with reading(engine) as connection:
        return [
            Accuracy(
                key,
                model,
                version,
                int(n),
                float(mae),
                float(bias),
                tuple(c if c is None else float(c) for c in covered),
            )
            for key, model, version, n, mae, bias, *covered in connection.execute(query)
        ]


def _heads() -> Select[Any]:
    return (
        select(
            ForecastTotal.__table__,
            ModelMetadata.model_name,
            ModelMetadata.model_version,
            ModelMetadata.training_end_date,
        )
        .join(ModelMetadata, ModelMetadata.id == ForecastTotal.model_metadata_id)
        .order_by(ForecastTotal.forecast_time.desc(), ForecastTotal.created_at.desc(), ForecastTotal.id.desc())
    )


def _head(row: Row[Any]) -> ForecastHead:
    quantiles = sorted((float(p), float(count)) for p, count in stored.mapping(row.quantiles).items())
    return ForecastHead(
        id=row.id,
        model_metadata_id=row.model_metadata_id,
        model=row.model_name,
        version=row.model_version,
        origin=row.forecast_time,
        horizon=row.horizon_hours,
        total=row.predicted_total,
        quantiles=tuple(quantiles),
        warnings=tuple(str(text) for text in stored.listing(row.warnings)),
        actual_total=row.actual_total,
        counting=row.counting,
        n_paths=row.n_paths,
        seed=row.seed,
        created_at=row.created_at,
        training_end=row.training_end_date,
    )


def _hour(row: Row[Any]) -> ForecastHour:
    bounds = [(getattr(row, f"lower_bound_{level}"), getattr(row, f"upper_bound_{level}")) for level in LEVELS]
    intervals = tuple(None if lower is None or upper is None else (lower, upper) for lower, upper in bounds)
    return ForecastHour(row.target_time, row.predicted_count, intervals, row.actual_count)


def _day(found: Mapping[str, Any]) -> DayForecast:
    intervals = tuple((float(found[f"lower_{level}"]), float(found[f"upper_{level}"])) for level in LEVELS)
    return DayForecast(date.fromisoformat(found["date"]), int(found["hours"]), float(found["mean"]), intervals)
