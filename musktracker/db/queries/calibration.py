"""How forecasts came out by horizon, what a forecast said in full, and what has changed about the account."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, and_, case, func, or_, select
from sqlalchemy.sql.elements import ColumnClause

from musktracker.db import quantiles
from musktracker.db.engines import reading
from musktracker.db.quantiles import Quantiles
from musktracker.db.tables import ForecastQuantiles, ForecastScore, ModelMetadata, Notice, WindowForecast
from musktracker.evaluation.evidence import too_few
from musktracker.timeline import DAY, HOUR

LEVELS = (50, 80, 95)
BINS = 10  # of the PIT
QUANTILE_95 = 1.959964  # of the normal: the ends of a 95% interval, in standard errors
WEEKS = 26
WEEK = 7 * DAY


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
class HorizonScores:
    """What the scores of one version and horizon say together.

    `apart` is how many targets fit between the first and the last without overlapping: how much evidence there is,
    where `n` overlap. `skill` is over the reference, None where there was none; `coverages` are shares inside the
    intervals, by LEVELS; `pit` has the shares of ten bins, a tenth each where calibrated.
    """

    model_metadata_id: int
    model: str
    version: str
    horizon: int
    n: int
    apart: int
    crps: float
    reference_crps: float | None
    skill: float | None
    bias: float
    coverages: tuple[float, ...]
    above_95: int
    below_95: int
    pit: tuple[float, ...]

    @property
    def few(self) -> bool:
        """Whether these are too few to judge by."""
        return too_few(self.apart)

    def expected(self, share: float) -> tuple[float, float]:
        """Where a share lies in 95% of cases if it is `share` in truth, of as many forecasts as stand apart."""
        return by_chance(share, self.apart)

    def beyond(self, found: float, share: float) -> bool:
        """Whether the share found is one that chance alone would hardly make; never of too few to judge by."""
        return is_beyond(found, self.expected(share), self.apart)


@dataclass(frozen=True, slots=True)
class WeekScores:
    """The scores of 168 h of origins that end with `end`, the hour of the last; None where there was none."""

    end: datetime
    n: int
    crps: float | None
    reference_crps: float | None
    skill: float | None


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


def by_chance(share: float, apart: int) -> tuple[float, float]:
    """Where a share of `apart` forecasts lies in 95% of cases if it is `share` in truth.

    The normal approximation of the binomial; forecasts that overlap are taken to tell nothing more.
    """
    error = QUANTILE_95 * math.sqrt(share * (1 - share) / apart)
    return max(share - error, 0.0), min(share + error, 1.0)


def is_beyond(share: float, ends: tuple[float, float], apart: int) -> bool:
    """Whether a share lies outside of where chance takes it, and enough stand apart to say so."""
    return not too_few(apart) and not ends[0] <= share <= ends[1]


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


def newest_scored(engine: Engine, counting: str) -> datetime | None:
    """When the newest forecast that is scored, of hours or of a window, was made; None before any is."""
    hours = select(func.max(ForecastScore.forecast_time)).where(ForecastScore.counting == counting)
    over = (WindowForecast.counting == counting, WindowForecast.actual_total.is_not(None))
    windows = select(func.max(WindowForecast.made_at)).where(*over)
    with reading(engine) as connection:
        found = [connection.scalar(query) for query in (hours, windows)]
    return max(filter(None, found), default=None)


def by_horizon(engine: Engine, counting: str, *, since: datetime | None = None) -> list[HorizonScores]:
    """The scores of each version by horizon, of the posts that `counting` counts and of forecasts from `since` on."""
    score = ForecastScore
    known = case((score.reference_crps.is_not(None), score.crps))
    flags = (score.inside_50, score.inside_80, score.inside_95)
    query = (
        select(
            ModelMetadata.id,
            ModelMetadata.model_name,
            ModelMetadata.model_version,
            score.horizon_hours,
            func.count().label("n"),
            func.min(score.forecast_time).label("first"),
            func.max(score.forecast_time).label("last"),
            func.avg(score.crps).label("crps"),
            func.avg(score.reference_crps).label("reference"),
            func.avg(known).label("known"),
            func.avg(score.predicted - score.actual).label("bias"),
            *(_count(flag) for flag in (*flags, score.above_95, score.below_95)),
            *(_count(_in_bin(k)) for k in range(BINS)),
        )
        .join(ModelMetadata, ModelMetadata.id == score.model_metadata_id)
        .where(score.counting == counting)
        .group_by(ModelMetadata.id, ModelMetadata.model_name, ModelMetadata.model_version, score.horizon_hours)
        .order_by(ModelMetadata.model_name, ModelMetadata.id, score.horizon_hours)
    )
    if since is not None:
        query = query.where(score.forecast_time >= since)
    with reading(engine) as connection:
        return [_of_horizon(row) for row in connection.execute(query)]


def by_week(
    engine: Engine, counting: str, model_metadata_id: int, horizon: int, *, weeks: int = WEEKS
) -> list[WeekScores]:
    """The scores of one version and horizon by week of origins, oldest first: weeks that end with the last origin."""
    score = ForecastScore
    wanted = (
        score.counting == counting,
        score.model_metadata_id == model_metadata_id,
        score.horizon_hours == horizon,
    )
    newest = select(func.max(score.forecast_time)).where(*wanted)
    with reading(engine) as connection:
        last = connection.scalar(newest)
        if last is None:
            return []
        query = select(score.forecast_time, score.crps, score.reference_crps)
        rows = connection.execute(query.where(*wanted, score.forecast_time > last - weeks * WEEK)).all()
    groups: dict[int, list[tuple[float, float | None]]] = defaultdict(list)
    for origin, crps, reference in rows:
        groups[(last - origin) // WEEK].append((crps, reference))
    return [_of_week(last - ago * WEEK, groups.get(ago, [])) for ago in range(max(groups), -1, -1)]


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


def _count(condition: ColumnElement[bool] | ColumnClause[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _in_bin(k: int) -> ColumnElement[bool]:
    pit = ForecastScore.pit
    return pit >= k / BINS if k == BINS - 1 else and_(pit >= k / BINS, pit < (k + 1) / BINS)


def _of_horizon(row: Row[Any]) -> HorizonScores:
    counts = [int(count) for count in row[-BINS - len(LEVELS) - 2 :]]
    inside, (above, below), pit = counts[: len(LEVELS)], counts[len(LEVELS) : -BINS], counts[-BINS:]
    return HorizonScores(
        model_metadata_id=row.id,
        model=row.model_name,
        version=row.model_version,
        horizon=row.horizon_hours,
        n=row.n,
        apart=min(row.n, (row.last - row.first) // (row.horizon_hours * HOUR) + 1),
        crps=row.crps,
        reference_crps=row.reference,
        skill=1 - row.known / row.reference if row.reference else None,
        bias=row.bias,
        coverages=tuple(count / row.n for count in inside),
        above_95=above,
        below_95=below,
        pit=tuple(count / row.n for count in pit),
    )


def _of_week(end: datetime, found: list[tuple[float, float | None]]) -> WeekScores:
    known = [(crps, reference) for crps, reference in found if reference is not None]
    ours, theirs = sum(crps for crps, _ in known), sum(reference for _, reference in known)
    return WeekScores(
        end,
        len(found),
        sum(crps for crps, _ in found) / len(found) if found else None,
        theirs / len(known) if known else None,
        1 - ours / theirs if theirs else None,
    )


def _score(row: Row[Any]) -> Score:
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
