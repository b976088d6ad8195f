"""How forecasts came out by horizon, what a forecast said in full, and what has changed about the account."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, or_, select

from musktracker.db import quantiles
from musktracker.db.engines import reading
from musktracker.db.quantiles import Quantiles
from musktracker.db.tables import ForecastQuantiles, ForecastScore, ModelMetadata, Notice


@dataclass(frozen=True, slots=True)
class Score:
    """How the total of the first `horizon` hours of a forecast came out.

    `reference_crps` is a seasonal naive forecast's; `inside` says of 50, 80 and 95% whether the interval held it.
    """

    model_metadata_id: int
    model: str
    version: str
    origin: datetime
    horizon: int
    counting: str
    actual: int
    predicted: float
    crps: float
    reference_crps: float | None
    log_score: float | None
    pit: float
    inside: Mapping[int, bool]
    above_95: bool
    below_95: bool
    scored_at: datetime


@dataclass(frozen=True, slots=True)
class NoticeOfChange:
    """Something about the account that changed: `kind` is level_drift or profile_drift; open until `resolved_at`."""

    id: int
    kind: str
    since: datetime
    found_at: datetime
    message: str
    details: Mapping[str, Any]
    resolved_at: datetime | None


def scores(
    engine: Engine,
    *,
    since: datetime | None = None,
    model_metadata_id: int | None = None,
    horizon: int | None = None,
    limit: int = 1000,
) -> list[Score]:
    """The scores from the newest origin back: from `since` on, of one version or one horizon, where asked."""
    names = (ModelMetadata.model_name, ModelMetadata.model_version)
    query = select(ForecastScore.__table__, *names).join(
        ModelMetadata, ModelMetadata.id == ForecastScore.model_metadata_id
    )
    if since is not None:
        query = query.where(ForecastScore.forecast_time >= since)
    if model_metadata_id is not None:
        query = query.where(ForecastScore.model_metadata_id == model_metadata_id)
    if horizon is not None:
        query = query.where(ForecastScore.horizon_hours == horizon)
    newest_first = (ForecastScore.forecast_time.desc(), ForecastScore.model_metadata_id, ForecastScore.horizon_hours)
    with reading(engine) as connection:
        return [_score(row) for row in connection.execute(query.order_by(*newest_first).limit(limit))]


def notices(engine: Engine, *, since: datetime | None = None, limit: int = 100) -> list[NoticeOfChange]:
    """The notices that are open, and with `since` those resolved after it; the newest first."""
    wanted = Notice.resolved_at.is_(None)
    query = select(Notice.__table__).where(wanted if since is None else or_(wanted, Notice.resolved_at >= since))
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(Notice.found_at.desc(), Notice.id.desc()).limit(limit)).all()
    return [
        NoticeOfChange(
            row.id, row.kind, row.since, row.found_at, row.message, json.loads(row.details), row.resolved_at
        )
        for row in rows
    ]


def said(engine: Engine, forecast_total_id: int) -> Quantiles | None:
    """All quantiles of a forecast, of its hours and of its running total; None where it was stored without.

    Raises ValueError where they are damaged.
    """
    query = select(ForecastQuantiles.content).where(ForecastQuantiles.forecast_total_id == forecast_total_id)
    with reading(engine) as connection:
        content = connection.scalar(query)
    return None if content is None else quantiles.unpack(bytes(content))


def _score(row: Any) -> Score:
    return Score(
        model_metadata_id=row.model_metadata_id,
        model=row.model_name,
        version=row.model_version,
        origin=row.forecast_time,
        horizon=row.horizon_hours,
        counting=row.counting,
        actual=row.actual,
        predicted=row.predicted,
        crps=row.crps,
        reference_crps=row.reference_crps,
        log_score=row.log_score,
        pit=row.pit,
        inside={50: row.inside_50, 80: row.inside_80, 95: row.inside_95},
        above_95=row.above_95,
        below_95=row.below_95,
        scored_at=row.scored_at,
    )
