"""How long records of the past are kept, so that a service that runs for years does not fill its disk.

Ended runs with their logs stay for 90 days; lines of a run that goes on stay for 30, or for 90 if they warn; alerts
stay for 90 days after they ceased to hold. Posts, coverage, holes and what each day cost are kept for good; of posts
paid for, yesterday's and today's are known.

In a year, the service forecasts 1.5 million hours (450 MB in SQLite), and its gate leaves 180 MB of scores for each
model that is trained daily. So the hours of a forecast that came to pass, and the quantiles of one that was scored,
stay for 400 days, and what a gate computed stays for 30, unless a change of the champion refers to it. The totals of
forecasts, their scores, windows, versions with their artifacts (3 MB a year) and backtests that somebody asked for
are kept for good.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Select, and_, delete, select

from musktracker import run_log, runs
from musktracker.db import stored
from musktracker.db.engines import in_turn, reading, writing
from musktracker.db.tables import (
    Alert,
    AliasChange,
    Backtest,
    Forecast,
    ForecastQuantiles,
    ForecastScore,
    ForecastTotal,
)
from musktracker.pipeline import spending
from musktracker.reporting import Run
from musktracker.timeline import DAY, now

RUNS_KEPT = 90 * DAY
ALERTS_KEPT = 90 * DAY
FORECASTS_KEPT = 400 * DAY
GATES_KEPT = 30 * DAY
GATE = "gate"  # what the names of the backtests that a gate asks for begin with
LINES_KEPT = {"debug": 7 * DAY, "info": 30 * DAY, "warning": 90 * DAY, "error": 90 * DAY}
SLICE = 20_000  # rows that are deleted in one transaction, lest others wait for long


def retain(engine: Engine, run: Run) -> dict[str, int]:
    """Prune, as a run; the result says how much of each was deleted."""
    pruned = prune(engine, now())
    run.info(
        ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in pruned.items()) + " deleted", **pruned
    )
    return pruned


def prune(engine: Engine, moment: datetime) -> dict[str, int]:
    """Delete what is older than the policy keeps; returns how much of each."""
    ended = runs.prune(engine, before=moment - RUNS_KEPT)
    lines = sum(
        run_log.prune_lines(engine, before=moment - kept, levels=[level]) for level, kept in LINES_KEPT.items()
    )
    with writing(engine) as connection:
        in_turn(connection, "posts")
        bought = spending.forget_bought(connection, (moment - DAY).date())
        alerts = connection.execute(delete(Alert).where(Alert.resolved_at < moment - ALERTS_KEPT)).rowcount
    return {
        "runs": ended,
        "lines": lines,
        "bought_posts": bought,
        "alerts": alerts,
        "forecast_hours": _prune(engine, Forecast.id, _hours(moment - FORECASTS_KEPT)),
        "forecast_quantiles": _prune(
            engine, ForecastQuantiles.forecast_total_id, _quantiles(moment - FORECASTS_KEPT)
        ),
        "backtests_of_gates": _prune_gates(engine, moment - GATES_KEPT),
    }


def _hours(before: datetime) -> Select[Any]:
    """Hours that came to pass, forecast long ago; one forecast lately from a past origin is not old."""
    old = (Forecast.target_time < before, Forecast.created_at < before, Forecast.actual_count.is_not(None))
    return select(Forecast.id).where(*old)


def _quantiles(before: datetime) -> Select[Any]:
    """Quantiles of forecasts made long ago whose whole length was scored."""
    is_scored = and_(
        ForecastScore.model_metadata_id == ForecastTotal.model_metadata_id,
        ForecastScore.forecast_time == ForecastTotal.forecast_time,
        ForecastScore.horizon_hours == ForecastTotal.horizon_hours,
    )
    query = select(ForecastQuantiles.forecast_total_id).join(
        ForecastTotal, ForecastTotal.id == ForecastQuantiles.forecast_total_id
    )
    old = (ForecastTotal.forecast_time < before, ForecastTotal.created_at < before)
    return query.join(ForecastScore, is_scored).where(*old)


def _prune(engine: Engine, key: Any, chosen: Select[Any]) -> int:
    """Delete the rows whose keys a query finds, some at a time."""
    deleted = 0
    while True:
        with writing(engine) as connection:
            some = connection.execute(delete(key.table).where(key.in_(chosen.limit(SLICE)))).rowcount
        deleted += some
        if some < SLICE:
            return deleted


def _prune_gates(engine: Engine, before: datetime) -> int:
    """Delete the backtests that gates asked for long ago, a transaction each, but for those that history names."""
    with reading(engine) as connection:
        named = set(_named(connection))
        query = select(Backtest.id, Backtest.name).where(
            Backtest.name.startswith(f"{GATE}-", autoescape=True), Backtest.created_at < before
        )
        old = [key for key, name in connection.execute(query) if name not in named]
    for key in old:
        with writing(engine) as connection:
            connection.execute(delete(Backtest).where(Backtest.id == key))
    return len(old)


def _named(connection: Connection) -> Iterator[str]:
    for gate in connection.scalars(select(AliasChange.gate).where(AliasChange.gate.is_not(None))):
        yield from stored.mapping(gate).get("backtests", ())
