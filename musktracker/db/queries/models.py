"""Trained versions of models: what they were fitted to, with what, and how they would have done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Row, func, select

from musktracker.db.engines import reading
from musktracker.db.tables import ForecastTotal, ModelAlias, ModelMetadata


@dataclass(frozen=True, slots=True)
class Parameter:
    """An estimate and its standard error, where it has one."""

    name: str
    estimate: float | None
    standard_error: float | None


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
        parameters=tuple(
            Parameter(name, found.get("estimate"), found.get("standard_error"))
            for name, found in _mapping(told.get("parameters")).items()
        ),
        values=_mapping(told.get("values")),
        backtest=_mapping(told.get("backtest")),
        seconds=told.get("seconds"),
        forecasts=row.forecasts,
        aliases=aliases,
    )


def _loaded(text: str | None) -> Any:
    """What a column of JSON holds; nothing where someone put other text there."""
    try:
        return json.loads(text or "null")
    except ValueError:
        return None


def _mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}
