"""What `musktracker status --json` prints: the overview, each thing under its name in other commands' JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musktracker.config import Settings
    from musktracker.db.queries.alerts import StoredAlert
    from musktracker.db.queries.newest_forecast import NewestForecast, SoFar
    from musktracker.db.queries.overview import ComingEvent, Overview, Window
    from musktracker.db.queries.windows import MarketWindow, WindowOdds
    from musktracker.run_info import RunInfo

ALERT = ("id", "rule", "severity", "state", "raised_at", "acknowledged_at", "acknowledged_by", "message")
ACTIVE = ("id", "kind", "state", "progress", "message", "waits_until")  # what is said of a run that goes on
INTERVALS = (0.5, 0.8, 0.95)


def as_data(
    found: Overview,
    next_command: str | None,
    active: Sequence[RunInfo],
    open_alerts: Sequence[StoredAlert],
    settings: Settings,
) -> dict[str, Any]:
    """Everything that is told, without what only charts are made of."""
    return {
        "account": settings.account,
        "database": settings.safe_database_url,
        "counting": found.counting,
        "counting_meaning": found.counting_meaning,
        "posts": found.posts,
        "first_post": found.first_post,
        "last_post": found.last_post,
        "observed_until": found.observed_until,
        "stages": [dataclasses.asdict(stage) for stage in found.stages],
        "counts": [_count(window) for window in found.windows],
        "newest_version": _version(found.model),
        "champion": _version(found.champion),
        "forecast": None if found.forecast is None else _forecast(found.forecast),
        "market_windows": [_market(market) for market in found.markets],
        "events": [_event(event) for event in found.events],
        "active_runs": [{name: getattr(info, name) for name in ACTIVE} for info in active],
        "alerts": [{name: getattr(alert, name) for name in ALERT} for alert in open_alerts],
        "next": next_command,
    }


def _count(window: Window) -> dict[str, Any]:
    return {
        "since": window.name,
        "start": window.start,
        "count": window.count,
        "observed_share": window.observed,
        "usual_count": window.usual,
    }


def _version(names: tuple[str, str] | None) -> dict[str, str] | None:
    return None if names is None else {"model": names[0], "version": names[1]}


def _forecast(forecast: NewestForecast) -> dict[str, Any]:
    ends = {share: forecast.interval(share) for share in INTERVALS}
    return {
        "model": forecast.model,
        "version": forecast.version,
        "forecast_time": forecast.origin,
        "horizon_hours": forecast.horizon_hours,
        "total": {"mean": forecast.total, **_bounds(ends)},
        "quantiles": forecast.quantiles,
        "warnings": forecast.warnings,
        "so_far": None if forecast.so_far is None else _so_far(forecast.so_far),
    }


def _so_far(so_far: SoFar) -> dict[str, Any]:
    return {
        "forecast_time": so_far.origin,
        "hours": so_far.hours,
        "count": so_far.count,
        "expected": {"mean": so_far.expected, **_bounds(so_far.intervals)},
    }


def _market(market: MarketWindow) -> dict[str, Any]:
    pace, projected = market.per_day, market.at_pace
    return {
        "window": market.name,
        "start": market.start,
        "end": market.end,
        "hours_left": market.hours_left,
        "count": market.count,
        "counted_until": market.observed_until,
        "observed_hours": market.observed_hours,
        "unobserved_hours": market.missed_hours,
        "pace": None if pace is None else {"per_hour": pace / 24, "projected": projected},
        "forecast": None if market.forecast is None else _odds(market.forecast),
    }


def _odds(odds: WindowOdds) -> dict[str, Any]:
    return {
        "model": odds.model,
        "version": odds.version,
        "forecast_time": odds.origin,
        "made_at": odds.made_at,
        "total": {"mean": odds.total, **_bounds(odds.intervals)},
        "likeliest_brackets": [{"bracket": text, "probability": chance} for text, chance in odds.brackets],
    }


def _event(event: ComingEvent) -> dict[str, Any]:
    return {
        "name": event.name,
        "event_start": event.start,
        "event_end": event.end,
        "intensity": event.intensity,
    }


def _bounds(intervals: Mapping[float, tuple[float, float] | None]) -> dict[str, float]:
    """The ends of central intervals by share, named as in a forecast's totals."""
    return {
        f"{side}_{share * 100:.0f}": end
        for share, ends in sorted(intervals.items())
        if ends is not None
        for side, end in zip(("lower", "upper"), ends, strict=True)
    }
