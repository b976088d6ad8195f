"""Trained versions of models: what they were fitted to, with what, and how they would have done."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Row, func, select

from musktracker.db.engines import reading
from musktracker.db.tables import ForecastTotal, ModelAlias, ModelMetadata
from musktracker.evaluation.evidence import too_few

QUANTILE_95 = 1.959964  # of the normal: the ends of a 95% interval, in standard errors


@dataclass(frozen=True, slots=True)
class Parameter:
    """An estimate and its standard error, where it has one."""

    name: str
    estimate: float | None
    standard_error: float | None


@dataclass(frozen=True, slots=True)
class EventEffect:
    """What an event of intensity 1 does to the hourly rate: by how many percent it rises, with its 95% interval.

    `category` is None for the effect in common, which stands for all categories that are not told of, and "" for
    events that have none. `effect` and `standard_error` are of the log; `events` is how many they are told from.
    """

    category: str | None
    events: int
    effect: float
    standard_error: float
    percent: float
    lower: float
    upper: float

    def percents(self, intensity: float) -> tuple[float, float, float]:
        """The rise by an event of this intensity, and its 95% interval, in percent: the log is in proportion."""
        ends = (self.effect + sign * QUANTILE_95 * self.standard_error for sign in (0, -1, 1))
        return tuple(100 * math.expm1(intensity * end) for end in ends)  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version. `backtest` and `values` are named numbers; `converged` is None where the fit did not say.

    `aliases` are those that mean it now.
    """

    id: int
    model: str
    version: str
    trained_at: datetime
    training_start: datetime
    training_end: datetime
    hyperparameters: Mapping[str, Any]
    rmse: float | None
    mae: float | None
    mape: float | None
    log_likelihood: float | None
    artifact_path: str | None
    counting: str | None
    converged: bool | None
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    values: Mapping[str, Any]
    backtest: Mapping[str, Any]
    seconds: float | None
    forecasts: int
    aliases: tuple[str, ...] = ()

    @property
    def few(self) -> bool:
        """Whether the origins of its training backtest, which lie apart, are too few to judge by."""
        origins = self.backtest.get("origins")
        return not isinstance(origins, int) or too_few(origins)

    @property
    def event_effects(self) -> tuple[EventEffect, ...]:
        """What it found that events do, by category, the effect in common last; none where it saw no event."""
        return event_effects(self.parameters, self.values)


def versions(engine: Engine) -> list[ModelVersion]:
    """All versions, the last trained first."""
    made = (
        select(func.count())
        .where(ForecastTotal.model_metadata_id == ModelMetadata.id)
        .correlate(ModelMetadata)
        .scalar_subquery()
    )
    query = select(ModelMetadata.__table__, made.label("forecasts")).order_by(
        ModelMetadata.trained_at.desc(), ModelMetadata.id.desc()
    )
    with reading(engine) as connection:
        held: dict[int, tuple[str, ...]] = {}
        for one in connection.execute(select(ModelAlias.__table__).order_by(ModelAlias.alias)):
            held[one.model_metadata_id] = (*held.get(one.model_metadata_id, ()), one.alias)
        return [_version(row, held.get(row.id, ())) for row in connection.execute(query)]


def newest_with_effects(engine: Engine, model: str | None = None, version: str | None = None) -> ModelVersion | None:
    """The last trained version, of those with these names, that tells what events do."""
    found = (one for one in versions(engine) if model in (None, one.model) and version in (None, one.version))
    return next((one for one in found if one.event_effects), None)


def effects_of(engine: Engine, model_metadata_id: int) -> tuple[EventEffect, ...]:
    """What one version found that events do; none where it saw no event, or there is no such version."""
    query = select(ModelMetadata.diagnostics).where(ModelMetadata.id == model_metadata_id)
    with reading(engine) as connection:
        told = _mapping(_loaded(connection.scalar(query)))
    return event_effects(_parameters(told), _mapping(told.get("values")))


def effect_on(effects: Iterable[EventEffect], category: str | None) -> EventEffect | None:
    """The effect of events of a category, or else the one in common; None where there is neither."""
    by_category = {one.category: one for one in effects}
    return by_category.get(category or "") or by_category.get(None)


def event_effects(parameters: Iterable[Parameter], values: Mapping[str, Any]) -> tuple[EventEffect, ...]:
    """The effects among a fit's estimates `event:CATEGORY` and `event`, whose values `events:CATEGORY` count them."""
    found = []
    for one in parameters:
        kind, colon, category = one.name.partition(":")
        if kind != "event" or one.estimate is None or one.standard_error is None:
            continue
        ends = (one.estimate + sign * QUANTILE_95 * one.standard_error for sign in (0, -1, 1))
        number = int(values.get(f"events{colon}{category}") or 0)
        percents = (100 * math.expm1(end) for end in ends)
        found.append(EventEffect(category if colon else None, number, one.estimate, one.standard_error, *percents))
    return tuple(sorted(found, key=lambda one: (one.category is None, -one.events, one.category or "")))


def _version(row: Row[Any], aliases: tuple[str, ...]) -> ModelVersion:
    told = _mapping(_loaded(row.diagnostics))
    return ModelVersion(
        id=row.id,
        model=row.model_name,
        version=row.model_version,
        trained_at=row.trained_at,
        training_start=row.training_start_date,
        training_end=row.training_end_date,
        hyperparameters=_mapping(_loaded(row.hyperparameters)),
        rmse=row.rmse,
        mae=row.mae,
        mape=row.mape,
        log_likelihood=row.log_likelihood,
        artifact_path=row.artifact_path,
        counting=row.counting,
        converged=told.get("converged"),
        warnings=tuple(map(str, told.get("warnings", ()))),
        notes=tuple(map(str, told.get("notes", ()))),
        parameters=_parameters(told),
        values=_mapping(told.get("values")),
        backtest=_mapping(told.get("backtest")),
        seconds=told.get("seconds"),
        forecasts=row.forecasts,
        aliases=aliases,
    )


def _parameters(told: Mapping[str, Any]) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(name, found.get("estimate"), found.get("standard_error"))
        for name, found in _mapping(told.get("parameters")).items()
    )


def _loaded(text: str | None) -> Any:
    """What a column of JSON holds; nothing where someone put other text there."""
    try:
        return json.loads(text or "null")
    except (ValueError, RecursionError):
        return None


def _mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}
