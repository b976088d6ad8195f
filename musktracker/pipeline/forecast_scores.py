"""Scores of stored forecasts, by horizon: each once all of its hours were observed, however long the forecast is.

The reference is a seasonal naive forecast from the same origin, of the counts before it. A score is made again where
its actual has changed or its forecast was made anew, and deleted where an hour turns out not to have been observed.
Where the quantiles of a forecast are not kept any more (retention.py), its scores stay as they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from itertools import islice
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Engine, select

from musktracker.db import quantiles, verbatim
from musktracker.db.engines import reading, writing
from musktracker.db.quantiles import Quantiles
from musktracker.db.tables import ForecastQuantiles, ForecastScore, ForecastTotal
from musktracker.db.upsert import upsert
from musktracker.evaluation import calibration, scores
from musktracker.evaluation.calibration import HORIZONS, LEVELS, Outcome
from musktracker.models.base import FloatArray, History, IntArray
from musktracker.models.seasonal_naive import SeasonalNaive
from musktracker.reporting import Run
from musktracker.timeline import from_hour_index, hour_index, now

TABLE = ForecastScore.__table__
KEY = ("model_metadata_id", "forecast_time", "horizon_hours")
SCORED = ("actual", *(field.name for field in fields(Outcome)), "reference_crps", "counting")
REFERENCE_PATHS = 2000
BATCH = 100  # origins that are scored in one transaction


class Sums:
    """Totals of any stretch of a history."""

    def __init__(self, history: History) -> None:
        self._start = history.start
        self._unknown = np.concatenate([[0], np.cumsum(np.isnan(history.counts))])
        self._sums = np.concatenate([[0], np.cumsum(np.nan_to_num(history.counts))]).astype(np.int64)

    def total(self, origin: int, hours: int) -> int | None:
        """The posts of the `hours` hours from `origin` on; None where one of them was not observed."""
        begin, end = origin - self._start, origin + hours - self._start
        if begin < 0 or end >= len(self._sums) or self._unknown[end] > self._unknown[begin]:
            return None
        return int(self._sums[end] - self._sums[begin])


@dataclass(frozen=True, slots=True)
class _Due:
    """A score to be made: of which version, from which origin, over how many hours, and which forecast tells it."""

    model_metadata_id: int
    origin: int
    horizon: int
    actual: int
    total_id: int
    seed: int


_Key = tuple[int, Any, int]  # model_metadata_id, forecast_time as the driver holds it, horizon_hours


def packed(paths: FloatArray) -> bytes:
    """What is kept of paths (n_paths, horizon): quantiles of each hour, and of the total up to each."""
    hours, running = calibration.quantiles(paths)
    return quantiles.pack(Quantiles(LEVELS, hours.tolist(), running.tolist()))


def keep(connection: Connection, forecast: tuple[int, datetime, int], content: bytes) -> None:
    """Keep packed quantiles beside the stored forecast of a version, from an origin, over some hours."""
    table = ForecastTotal.__table__.c
    total_id = connection.scalar(
        select(ForecastTotal.id).where(*(table[name] == value for name, value in zip(KEY, forecast, strict=True)))
    )
    upsert(
        connection,
        ForecastQuantiles.__table__,
        ("forecast_total_id", "content"),
        [(total_id, content)],
        conflict=("forecast_total_id",),
        update=("content",),
    )


def fill(engine: Engine, run: Run, history: History, counting: str, begin: datetime | None) -> dict[str, int]:
    """Score what is due of the forecasts made at or after `begin`; returns how many were `scored` and `removed`.

    `history` is all that is known now, of the posts that `counting` counts; forecasts of other posts are left alone.
    """
    with reading(engine) as connection:
        due, gone = _due(connection, Sums(history), counting, begin)
    if gone:
        with writing(engine) as connection:
            verbatim.delete(connection, TABLE, KEY, gone)
    by_origin: dict[int, list[_Due]] = defaultdict(list)
    for one in due:
        by_origin[one.origin].append(one)
    scored = 0
    for batch in _batches(by_origin):
        run.progress(message=f"{scored:,} of {len(due):,} scores")
        with reading(engine) as connection:
            told = _told(connection, {one.total_id for found in batch.values() for one in found})
        rows = [
            row for origin, found in batch.items() for row in _scored(origin, found, told, history, counting, run)
        ]
        with writing(engine) as connection:
            columns = (*KEY, *SCORED, "scored_at")
            upsert(connection, TABLE, columns, rows, conflict=KEY, update=(*SCORED, "scored_at"))
        scored += len(rows)
    return {"scored": scored, "removed": len(gone)}


def _due(connection: Connection, sums: Sums, counting: str, begin: datetime | None) -> tuple[list[_Due], list[_Key]]:
    """The scores to be made, and the keys of those that no longer hold."""
    stored = _stored(connection, counting, begin)
    due = []
    for (model, moment), totals in _forecasts(connection, counting, begin).items():
        origin = hour_index(verbatim.moment(moment))
        for horizon in _horizons(totals):
            actual = sums.total(origin, horizon)
            if actual is None:
                continue
            total_id, seed, made = totals[min(hours for hours in totals if hours >= horizon)]
            before, at = stored.pop((model, moment, horizon), (None, None))
            if before != actual or at < made:
                due.append(_Due(model, origin, horizon, actual, total_id, seed))
    final = _without_quantiles(connection, counting, begin)
    return due, [key for key in stored if key not in final]


def _without_quantiles(connection: Connection, counting: str, begin: datetime | None) -> set[_Key]:
    """The keys of the scores of forecasts whose quantiles are not kept, which cannot be made again."""
    total = ForecastTotal
    query = select(total.model_metadata_id, total.forecast_time, total.horizon_hours).outerjoin(
        ForecastQuantiles, ForecastQuantiles.forecast_total_id == total.id
    )
    wanted = [total.counting == counting, ForecastQuantiles.forecast_total_id.is_(None)]
    lengths: dict[tuple[int, Any], dict[int, Any]] = defaultdict(dict)
    for model, moment, hours in verbatim.rows(connection, query.where(*wanted, *_since(total.forecast_time, begin))):
        lengths[model, moment][hours] = None
    return {(*key, horizon) for key, hours in lengths.items() for horizon in _horizons(hours)}


def _stored(connection: Connection, counting: str, begin: datetime | None) -> dict[_Key, tuple[int, Any]]:
    score = ForecastScore
    columns = (score.model_metadata_id, score.forecast_time, score.horizon_hours, score.actual, score.scored_at)
    wanted = [score.counting == counting, *_since(score.forecast_time, begin)]
    found = verbatim.rows(connection, select(*columns).where(*wanted))
    return {(model, moment, horizon): (actual, at) for model, moment, horizon, actual, at in found}


def _forecasts(
    connection: Connection, counting: str, begin: datetime | None
) -> dict[tuple[int, Any], dict[int, tuple[int, int, Any]]]:
    """By version and origin, for each length of a forecast: its row's id, its seed, and when it was made."""
    total = ForecastTotal
    columns = (total.model_metadata_id, total.forecast_time, total.horizon_hours, total.id, total.seed)
    query = select(*columns, total.created_at).join(
        ForecastQuantiles, ForecastQuantiles.forecast_total_id == total.id
    )
    query = query.where(total.counting == counting, *_since(total.forecast_time, begin)).order_by(total.forecast_time)
    found: dict[tuple[int, Any], dict[int, tuple[int, int, Any]]] = defaultdict(dict)
    for model, moment, hours, total_id, seed, made in verbatim.rows(connection, query):
        found[model, moment][hours] = total_id, seed, made
    return found


def _horizons(totals: Mapping[int, Any]) -> list[int]:
    """The usual horizons as far as a forecast goes, and the whole of each."""
    return sorted({horizon for horizon in HORIZONS if horizon <= max(totals)} | totals.keys())


def _batches(by_origin: Mapping[int, list[_Due]]) -> Iterator[dict[int, list[_Due]]]:
    left = iter(sorted(by_origin.items()))
    while batch := dict(islice(left, BATCH)):
        yield batch


def _told(connection: Connection, total_ids: set[int]) -> dict[int, bytes]:
    query = select(ForecastQuantiles.forecast_total_id, ForecastQuantiles.content)
    rows = connection.execute(query.where(ForecastQuantiles.forecast_total_id.in_(total_ids)))
    return {total_id: bytes(content) for total_id, content in rows}


def _scored(
    origin: int, due: Sequence[_Due], told: Mapping[int, bytes], history: History, counting: str, run: Run
) -> Iterator[tuple[Any, ...]]:
    """The rows of the scores that are due from one origin; what cannot be read is left out, with a warning."""
    run.check()
    reference = _reference(history, origin, {one.horizon: one.actual for one in due})
    moment, at = from_hour_index(origin), now()
    running: dict[int, IntArray] = {}
    for one in due:
        if one.total_id not in running:
            try:
                running[one.total_id] = np.array(quantiles.unpack(told[one.total_id]).running)
            except (KeyError, ValueError) as reason:
                run.warning(f"Forecast {one.total_id} cannot be scored: {reason}")
                continue
        totals = calibration.likely(np.array(LEVELS), running[one.total_id][:, one.horizon - 1].astype(float))
        # seeded by what the row is of, so that scoring again draws the same
        rng = np.random.default_rng([one.seed, one.model_metadata_id, origin, one.horizon])
        found = calibration.outcome(totals, one.actual, one.horizon, rng)
        key = (one.model_metadata_id, moment, one.horizon)
        yield (*key, one.actual, *astuple(found), reference[one.horizon], counting, at)


def _reference(history: History, origin: int, actual: Mapping[int, int]) -> dict[int, float | None]:
    """CRPS by horizon of seasonal naive paths from an origin; None where it cannot forecast from there."""
    horizons = sorted(actual)
    try:
        fitted = SeasonalNaive().fit(history.until(origin))
        paths = fitted.simulate(origin, horizons[-1], REFERENCE_PATHS, np.random.default_rng(origin))
    except ValueError:
        return dict.fromkeys(horizons)
    totals = paths.cumsum(axis=1)[:, np.array(horizons) - 1]
    found = scores.crps(totals, np.array([actual[horizon] for horizon in horizons], float))
    return dict(zip(horizons, found.tolist(), strict=True))


def _since(column: Any, begin: datetime | None) -> list[ColumnElement[bool]]:
    return [] if begin is None else [column >= begin]
