"""Train: fit a model to what is known, see how it would have done, and keep it as a new version."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.exc import IntegrityError

from musktracker.db.engines import writing
from musktracker.db.queries import models as queries
from musktracker.db.tables import ModelMetadata
from musktracker.errors import DataError, UsageError
from musktracker.evaluation import backtest
from musktracker.models import registry, steps
from musktracker.models.base import Diagnostics, Fitted, Model
from musktracker.models.hyperparameters import Hyperparameters
from musktracker.pipeline import artifacts, requests
from musktracker.pipeline import history as histories
from musktracker.pipeline.curve import Ascent, Curve
from musktracker.pipeline.history import Known
from musktracker.pipeline.outages import through_outages
from musktracker.reporting import Run
from musktracker.timeline import floor_hour, from_hour_index, iso, now, parse_time

BACKTEST_HORIZON = 24
BACKTEST_PATHS = 1000
CURVE = f"crps_total_{BACKTEST_HORIZON}"  # the score that is told while it goes on
LONGEST_PATH = 512  # characters that the column holds
ATTEMPTS = 5  # at a version's number, where others train the same model at the same time


def train(
    engine: Engine,
    run: Run,
    *,
    artifact_dir: str,
    model: str = registry.DEFAULT,
    hyperparameters: Mapping[str, Any] | None = None,
    until: str | None = None,
    backtest_origins: int = 20,
    seed: int = 1,
) -> dict[str, Any]:
    """Fit `model` to all that is known (or was, at `until`) and store it as its next version.

    RMSE, MAE and MAPE are those of the mean forecast of each of the next 24 hours, over the last `backtest_origins`
    origins, 73 h apart, the model fitted anew at each to what was known then; MAPE over the hours with posts alone.
    Raises UsageError for a model or hyperparameters that cannot be, DataError where there is too little to fit.
    """
    recipe = registry.read(model, hyperparameters)
    chosen = registry.create(model, hyperparameters)
    requests.backtest_origins(backtest_origins)
    requests.seed(seed)
    run.progress(0.0, stage="load", message="reading the counts")
    known = _load(engine, recipe, parse_time(until) if until else None)
    run.info(f"History until {iso(known.data_until)}", hours=len(known.history.counts), counting=known.counting)
    run.progress(0.05, stage="fit", message=f"fitting {model}")
    begin = time.perf_counter()
    fitted, diagnostics = _fit(chosen, known, Ascent(run, model))
    for warning in diagnostics.warnings:
        run.warning(warning)
    for note in diagnostics.notes:
        run.info(note)
    seconds = round(time.perf_counter() - begin, 3)
    run.info(f"Fitted in {seconds} s", **{name: _finite(value) for name, value in diagnostics.values.items()})
    tested = _backtest(run, chosen, known, backtest_origins, seed)
    run.progress(0.95, stage="save", message="storing the version")
    values = {
        "model_name": model,
        "trained_at": now(),
        "training_start_date": from_hour_index(diagnostics.trained_on[0]),
        "training_end_date": from_hour_index(diagnostics.trained_on[1]),
        "hyperparameters": json.dumps({**registry.hyperparameters(chosen), "seed": seed}, sort_keys=True),
        **{name: tested[name] for name in ("rmse", "mae", "mape")},
        "log_likelihood": _finite(diagnostics.log_likelihood),
        "diagnostics": json.dumps(_described(diagnostics, tested, seconds), sort_keys=True, allow_nan=False),
        "counting": known.counting,
    }
    content = artifacts.pack(fitted.parameters())
    stored = through_outages(run, lambda: _store(engine, values, content, Path(artifact_dir)))
    run.info(f"Stored {model} {stored['version']}")
    return {
        "model": model,
        **stored,
        "training_start": iso(values["training_start_date"]),
        "training_end": iso(values["training_end_date"]),
        "counting": known.counting,
        "log_likelihood": values["log_likelihood"],
        "rmse": tested["rmse"],
        "mae": tested["mae"],
        "mape": tested["mape"],
        "converged": diagnostics.converged,
        "warnings": list(diagnostics.warnings),
        "event_effects": _event_effects(diagnostics),
        "seconds": seconds,
    }


def _load(engine: Engine, recipe: Hyperparameters, until: datetime | None) -> Known:
    known = histories.load(engine, as_of=until and floor_hour(until))
    requests.trainable(recipe, requests.counted(known.reach, requests.TRAIN, until))
    return known


def _fit(model: Model, known: Known, ascent: Ascent) -> tuple[Fitted, Diagnostics]:
    try:
        with steps.heard_by(ascent.add):
            fitted = model.fit(known.history)
    except ValueError as reason:
        raise DataError(
            f"{model.name} cannot be fitted to the data until {iso(known.data_until)}: {reason}",
            "Import more history, or train another model: musktracker train --list",
        ) from None
    ascent.tell()
    if fitted.diagnostics is None:
        raise TypeError(f"{model.name} fitted without diagnostics")
    return fitted, fitted.diagnostics


def _backtest(run: Run, model: Model, known: Known, count: int, seed: int) -> dict[str, Any]:
    origins = backtest.last_origins(known.history, count, horizon=BACKTEST_HORIZON)
    done: list[int] = []

    def tell(origin: int) -> None:
        message = f"origin {len(done) + 1} of {len(origins)}: {iso(from_hour_index(origin))}"
        run.progress(0.15 + 0.8 * len(done) / len(origins), stage="backtest", message=message)
        done.append(origin)

    refused, made, scored = backtest.Refused(), [], []
    curve = Curve(run, CURVE, {model.name: len(origins)})
    for case in backtest.cases(
        model,
        known.history,
        origins,
        horizon=BACKTEST_HORIZON,
        n_paths=BACKTEST_PATHS,
        seed=seed,
        refused=refused,
        tell=tell,
    ):
        made.append(case)
        scored.append(backtest.score(case, [BACKTEST_HORIZON]))
        curve.add(model.name, case.origin, scored[-1][CURVE])
    curve.tell()
    if refused.reasons:
        [origin, reason] = next(iter(refused.reasons.items()))
        run.warning(
            f"{len(refused.reasons)} of {len(origins)} backtest origins left out: from "
            f"{iso(from_hour_index(origin))}, {reason}"
        )
    _tell_unseen_events(run, known, origins)
    mean_scores = backtest.summary(scored)
    return {
        **{name: _finite(value) for name, value in backtest.point_errors(made).items()},
        **{name: _finite(value) for name, value in mean_scores.items()},
        "origins": len(made),
        "left_out": len(refused.reasons),
        "horizon_hours": BACKTEST_HORIZON,
        "first_origin": iso(from_hour_index(made[0].origin)) if made else None,
        "last_origin": iso(from_hour_index(made[-1].origin)) if made else None,
    }


def _tell_unseen_events(run: Run, known: Known, origins: list[int]) -> None:
    if not origins:
        return
    entered = known.history.events.known
    late = len(entered) - len(known.history.until(origins[-1]).events.known)
    if late:
        run.info(f"{late} of {len(entered)} events were entered after the backtest's origins, which do not see them")


def _event_effects(diagnostics: Diagnostics) -> list[dict[str, Any]]:
    parameters = [
        queries.Parameter(name, _finite(value), _finite(error))
        for name, (value, error) in diagnostics.estimates.items()
    ]
    return [asdict(effect) for effect in queries.event_effects(parameters, diagnostics.values)]


def _described(diagnostics: Diagnostics, tested: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    return {
        "converged": diagnostics.converged,
        "warnings": list(diagnostics.warnings),
        "notes": list(diagnostics.notes),
        "parameters": {
            name: {"estimate": _finite(estimate), "standard_error": _finite(error)}
            for name, (estimate, error) in diagnostics.estimates.items()
        },
        "values": {name: _finite(value) for name, value in diagnostics.values.items()},
        "backtest": dict(tested),
        "seconds": seconds,
    }


def _store(engine: Engine, values: Mapping[str, Any], content: bytes, artifact_dir: Path) -> dict[str, Any]:
    """Row, artifact and file of the next version, or none of them; what is stored already is found."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with writing(engine) as connection:
                before = _stored(connection, values)
                if before is not None:
                    return before
                version = _next_version(connection, values["model_name"])
                path = artifact_dir / values["model_name"] / f"{version}.npz"
                if len(str(path)) > LONGEST_PATH:
                    raise UsageError(f"The path of the artifact has {len(str(path))} characters, more than 512")
                added = insert(ModelMetadata).values(model_version=version, artifact_path=str(path), **values)
                model_id = int(connection.execute(added.returning(ModelMetadata.id)).scalar_one())
                artifacts.store(connection, model_id, content)
                artifacts.save(path, content)
            return {"id": model_id, "version": version, "artifact_path": str(path)}
        except IntegrityError:  # another training took this number in the meantime
            if attempt == ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def _stored(connection: Connection, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """This very version, where it was stored though the answer of the database was lost."""
    same = (getattr(ModelMetadata, name) == values[name] for name in ("model_name", "trained_at", "diagnostics"))
    row = connection.execute(
        select(ModelMetadata.id, ModelMetadata.model_version, ModelMetadata.artifact_path).where(*same)
    ).first()
    return row and {"id": row.id, "version": row.model_version, "artifact_path": row.artifact_path}


def _next_version(connection: Connection, model: str) -> str:
    taken = connection.scalars(select(ModelMetadata.model_version).where(ModelMetadata.model_name == model))
    numbers = [int(version[1:]) for version in taken if version[:1] == "v" and version[1:].isdecimal()]
    return f"v{max(numbers, default=0) + 1}"


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None
