"""The newest forecast, and how it does so far: what was counted since its origin against what it expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, case, func, select

from musktracker.db import quantiles, stored
from musktracker.db.queries import windows
from musktracker.db.tables import Forecast, ForecastQuantiles, ForecastTotal, ModelAlias, ModelMetadata, TimeBucket
from musktracker.timeline import DAY, HOUR

CHAMPION = "champion"
TRACKED = 6 * HOUR  # of fewer hours the count says little about a forecast
LONGEST = 8 * DAY


@dataclass(frozen=True, slots=True)
class SoFar:
    """The counted hours of the forecast from `origin`: how many, their posts, and how many were expected of them.

    `intervals` are those of the count by their share, none where it is not known or an hour was not observed.
    """

    origin: datetime
    hours: int
    count: int
    expected: float
    intervals: Mapping[float, tuple[float, float]]

    @property
    def inside(self) -> float | None:
        """The share of the narrowest interval that holds the count; None outside all of them."""
        return next((s for s, (low, high) in sorted(self.intervals.items()) if low <= self.count <= high), None)


@dataclass(frozen=True, slots=True)
class NewestForecast:
    """The total of the newest forecast, the champion's of several; `quantiles` maps probabilities to counts.

    `so_far` is of the newest that is TRACKED old, of this one where there is none; None until an hour was counted.
    """

    model: str
    version: str
    origin: datetime
    horizon_hours: int
    total: float
    quantiles: Mapping[float, float]
    warnings: tuple[str, ...]
    so_far: SoFar | None

    def interval(self, share: float) -> tuple[float, float] | None:
        """The central interval that holds this share of the paths, where its ends were stored."""
        return windows.central(self.quantiles, share)


def champion(connection: Connection) -> Any:
    """The version that forecasts are made with, by id, model_name and model_version; None where there is none."""
    query = select(ModelMetadata.id, ModelMetadata.model_name, ModelMetadata.model_version)
    query = query.join(ModelAlias, ModelAlias.model_metadata_id == ModelMetadata.id)
    return connection.execute(query.where(ModelAlias.alias == CHAMPION)).first()


def read(
    connection: Connection, counting: str, champion_id: int | None, counted_until: datetime | None
) -> NewestForecast | None:
    """The newest forecast of the posts that a counting counts; one that counted others says nothing about them."""
    query = (
        select(ForecastTotal.__table__, ModelMetadata.model_name, ModelMetadata.model_version)
        .join(ModelMetadata, ModelMetadata.id == ForecastTotal.model_metadata_id)
        .where(ForecastTotal.counting == counting)
        .order_by(
            ForecastTotal.forecast_time.desc(),
            case((ForecastTotal.model_metadata_id == champion_id, 0), else_=1),
            ForecastTotal.id.desc(),
        )
        .limit(1)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    tracked = None
    if counted_until is not None:
        old_enough = ForecastTotal.forecast_time.between(counted_until - LONGEST, counted_until - TRACKED)
        tracked = connection.execute(query.where(old_enough)).first()
    return NewestForecast(
        model=row.model_name,
        version=row.model_version,
        origin=row.forecast_time,
        horizon_hours=row.horizon_hours,
        total=row.predicted_total,
        quantiles=stored.quantiles(row.quantiles),
        warnings=tuple(map(str, stored.listing(row.warnings))),
        so_far=_so_far(connection, tracked or row),
    )


def _so_far(connection: Connection, total: Any) -> SoFar | None:
    """The counted hours of a forecast against what was expected of them."""
    query = (
        select(
            func.count(),
            func.sum(TimeBucket.tweet_count),
            func.sum(Forecast.predicted_count),
            func.max(Forecast.target_time),
        )
        .join(
            TimeBucket,
            and_(TimeBucket.bucket_start == Forecast.target_time, TimeBucket.granularity == "hourly"),
        )
        .where(
            Forecast.model_metadata_id == total.model_metadata_id,
            Forecast.forecast_time == total.forecast_time,
            Forecast.target_time < total.forecast_time + total.horizon_hours * HOUR,
        )
    )
    hours, count, expected, last = connection.execute(query).one()
    if not hours:
        return None
    whole = last - total.forecast_time == (hours - 1) * HOUR
    intervals = _running(connection, total.id, hours) if whole else {}
    return SoFar(total.forecast_time, int(hours), int(count), float(expected), intervals)


def _running(connection: Connection, total_id: int, hours: int) -> dict[float, tuple[float, float]]:
    """Intervals of the total of a forecast's first hours, by share; none where they were not stored."""
    query = select(ForecastQuantiles.content).where(ForecastQuantiles.forecast_total_id == total_id)
    content = connection.scalar(query)
    try:
        found = None if content is None else quantiles.unpack(content)
    except ValueError:
        return {}
    if found is None or any(len(counts) < hours for counts in found.running):
        return {}
    counts = {p: float(row[hours - 1]) for p, row in zip(found.levels, found.running, strict=True)}
    return windows.intervals(counts)
