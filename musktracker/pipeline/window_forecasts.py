"""Window forecasts: stored when they are made, filled in and judged once the whole window was observed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, bindparam, select, update

from musktracker import timeline
from musktracker.db.engines import reading, writing
from musktracker.db.queries import coverage, window_scores
from musktracker.db.queries.window_scores import WindowScores
from musktracker.db.tables import WindowForecast
from musktracker.db.upsert import upsert
from musktracker.timeline import Span, now, parse_time

if TYPE_CHECKING:
    from musktracker.models.base import FloatArray

TABLE = WindowForecast.__table__
BOUNDS = (0.1, 0.25, 0.5, 0.75, 0.9)  # with 0.025 and 0.975 of the midpoints, the ends of the intervals
KEY = ("model_metadata_id", "made_at", "window_start", "window_end", "brackets_sha256")


def store(engine: Engine, found: Mapping[str, Any], totals: FloatArray) -> bool:
    """Keep a forecast made by `window`, and quantiles of its simulated totals (n,); whether it is new or differs.

    Made again at the same moment, by the same version and with the same brackets, it replaces the one before; a
    forecast that stays the same keeps the time at which it was first stored. `found` must come from a model.
    """
    row = _row(found, totals)
    update = tuple(name for name in row if name not in (*KEY, "created_at"))
    with writing(engine) as connection:
        return bool(
            upsert(
                connection,
                TABLE,
                tuple(row),
                [tuple(row.values())],
                conflict=KEY,
                update=update,
                along=("created_at",),
            )
        )


def _row(found: Mapping[str, Any], totals: FloatArray) -> dict[str, Any]:
    import numpy as np

    asked = sorted({*window_scores.MIDPOINTS, *BOUNDS})
    brackets = json.dumps([[one["lower"], one["upper"]] for one in found["brackets"]])
    quantiles = {f"{p:g}": float(q) for p, q in zip(asked, np.quantile(totals, asked), strict=True)}
    return {
        "model_metadata_id": found["model_metadata_id"],
        "made_at": parse_time(found["moment"]),
        "forecast_time": parse_time(found["forecast_time"]),
        "window_start": parse_time(found["start"]),
        "window_end": parse_time(found["end"]),
        "preset": None if found["window"] == "custom" else found["window"],
        "timezone": found["timezone"],
        "brackets": brackets,
        "brackets_sha256": hashlib.sha256(brackets.encode()).hexdigest(),
        "counting": found["counting"],
        "n_paths": found["n_paths"],
        "seed": found["seed"],
        "counted_until": parse_time(found["counted_until"]),
        "count_so_far": found["count"],
        "lower_bound": found["lower_bound"],
        "hours_to_come": float(found["hours_to_come"]),
        "predicted_total": float(totals.mean()),
        "quantiles": json.dumps(quantiles),
        "bracket_probabilities": json.dumps([one["probability"] for one in found["brackets"]]),
        "warnings": json.dumps(found["warnings"]),
        "created_at": now(),
    }


def fill(engine: Engine, counting: str, begin: datetime | None) -> int:
    """Fill in the totals of windows that were observed from start to end; returns how many changed.

    Posts are counted to the microsecond. Only forecasts that count the posts that the database counts now are
    touched: a late post corrects a total, and a window that turns out not to have been observed loses its own.
    """
    query = select(
        WindowForecast.id, WindowForecast.window_start, WindowForecast.window_end, WindowForecast.actual_total
    ).where(WindowForecast.counting == counting)
    if begin is not None:
        query = query.where(WindowForecast.made_at >= begin)
    with reading(engine) as connection:
        rows = connection.execute(query).all()
    windows = {Span(row.window_start, row.window_end) for row in rows}
    covered = coverage.covered(engine) if windows else []
    totals = {
        span: None if timeline.holes(covered, span) else coverage.posts_in(engine, span, counting) for span in windows
    }
    changes = []
    for row in rows:
        actual = totals[Span(row.window_start, row.window_end)]
        if actual != row.actual_total:
            changes.append({"key": row.id, "actual": actual, "at": None if actual is None else now()})
    if changes:
        statement = update(TABLE).where(TABLE.c.id == bindparam("key"))
        with writing(engine) as connection:
            connection.execute(statement.values(actual_total=bindparam("actual"), scored_at=bindparam("at")), changes)
    return len(changes)


def judged(engine: Engine, counting: str, begin: datetime | None) -> list[dict[str, Any]]:
    """Scores of the window forecasts that came to pass, by model version and preset, for JSON.

    Only of forecasts that count the posts that `counting` counts; `window_scores.WindowScores` tells what they are.
    """
    return [_as_json(one) for one in window_scores.by_window(engine, counting, since=begin)]


def _as_json(one: WindowScores) -> dict[str, Any]:
    found = asdict(one)
    coverages = zip(window_scores.LEVELS, found.pop("coverages"), strict=True)
    del found["model_metadata_id"]
    return {**found, **{f"coverage_{level}": share for level, share in coverages}, "pit": list(one.pit)}
