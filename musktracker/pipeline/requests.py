"""What may be asked of an import, a follower, a training, a forecast and the like, told before anything is done.

The stages refuse by these, and so do forms before they start one: here is no numpy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from musktracker.db.queries.counts import Reach
from musktracker.errors import DataError, UsageError
from musktracker.evaluation import origins
from musktracker.models import registry
from musktracker.models.hyperparameters import Hyperparameters
from musktracker.timeline import (
    HOUR,
    Span,
    ceil_hour,
    floor_hour,
    from_hour_index,
    hour_index,
    iso,
    now,
    parse_time,
    utc_text,
)

STALE = 2 * HOUR  # older data are used, and the forecast says so
TOO_STALE = 24 * HOUR  # older data are refused, unless asked for
LONGEST_HORIZON = 24 * 60
LEAST_PATHS = 100
MOST_VALUES = 20_000_000  # paths times hours: 160 MB
MOST_ORIGINS = 1000  # of a training's own backtest
MOST_SPACING = 366 * 24
LONGEST_BACKTEST_NAME = 64
USUAL_PERIOD = timedelta(days=365)
LONGEST_SOURCE = 32
LONGEST_INTERVAL = 86_400  # seconds
MOST_DAYS_BACK = 10_000
LATEST_SEED = 2**31 - 1
TRAIN, TEST, FORECAST = "to train on", "to test on", "to forecast from"  # what counts are for


def source_name(text: str) -> str:
    """The name that posts of a source are stored under. Raises UsageError for one that cannot be, as all these do."""
    name = text.strip()
    if not (text.isprintable() and 1 <= len(name) <= LONGEST_SOURCE):
        raise UsageError(f"The source's name must have 1 to {LONGEST_SOURCE} printable characters")
    return name


def poll_interval(seconds: float) -> float:
    """How many seconds two polls of a follower are apart."""
    if not 1 <= seconds <= LONGEST_INTERVAL:
        raise UsageError(f"{seconds:g} seconds are no interval to poll at", f"Choose 1 to {LONGEST_INTERVAL:,}")
    return seconds


def days_back(days: int) -> int:
    """How many days a reconciliation looks back."""
    if not 1 <= days <= MOST_DAYS_BACK:
        raise UsageError(f"{days} is no number of days to look back", f"Choose 1 to {MOST_DAYS_BACK:,}")
    return days


def seed(number: int) -> int:
    """A seed."""
    return _within(number, 0, LATEST_SEED, "The seed")


def backtest_origins(number: int) -> int:
    """At how many origins a training is tried."""
    return _within(number, 0, MOST_ORIGINS, "The number of backtest origins")


def horizon(hours: int) -> int:
    """How many hours a forecast goes ahead."""
    if not 1 <= hours <= LONGEST_HORIZON:
        raise UsageError(
            f"The horizon must be 1 to {LONGEST_HORIZON} hours ({LONGEST_HORIZON // 24} days), not {hours}"
        )
    return hours


def paths(number: int, hours: int) -> int:
    """How many paths a forecast of so many hours has."""
    return _within(number, LEAST_PATHS, MOST_VALUES // hours, "The number of paths")


def backtest_paths(number: int) -> int:
    """How many paths a backtest has at each origin."""
    return _within(number, 1, MOST_VALUES // origins.HORIZON, "The number of paths")


def spacing(hours: int) -> int:
    """How many hours a backtest's origins are apart."""
    return _within(hours, 1, MOST_SPACING, "The spacing")


def backtest_name(name: str) -> str:
    """What a backtest is kept under."""
    if not 1 <= len(name) <= LONGEST_BACKTEST_NAME:
        raise UsageError(f"A backtest's name has 1 to {LONGEST_BACKTEST_NAME} characters, not {len(name)}")
    return name


def recipe(model: str, given: Mapping[str, Any] | None = None) -> Hyperparameters:
    """A model's hyperparameters, its defaults for those that are not given."""
    return registry.read(model, given)


def hyperparameters(model: str) -> dict[str, Any]:
    """The same with all defaults, as JSON values."""
    return registry.hyperparameters(registry.read(model))


def models(names: Sequence[str]) -> list[str]:
    """Models that there are, each once; all where none is named."""
    found = list(dict.fromkeys(names or registry.names()))
    for name in found:
        registry.read(name)
    return found


def moment_of(as_of: str | None) -> datetime:
    """The moment to forecast at: now, or an earlier one."""
    present = now()
    moment = parse_time(as_of) if as_of else present
    if moment > present:
        raise UsageError(f"{iso(moment)} has not come yet: nothing is known as of then")
    return moment


def counted(reach: Reach | None, purpose: str, before: datetime | None = None) -> Reach:
    """What is counted. Raises DataError where that is nothing."""
    if reach is None:
        when = f" before {iso(before)}" if before else ""
        raise DataError(
            f"There are no counted hours{when} {purpose}", "Bring posts in, then count them: musktracker refresh"
        )
    return reach


def trainable(recipe: Hyperparameters, reach: Reach) -> None:
    """Raise DataError where too little is counted for a model, however it is; else the fit may still refuse."""
    hours, least = round((reach.until - reach.begin) / HOUR), recipe.least_hours()
    if hours < least:
        raise DataError(
            f"{recipe.name} cannot be fitted to {_days(hours)} of counts, which is what there is until "
            f"{iso(reach.until)}: it takes {_days(least)} at least",
            "Import more history, or train another model: musktracker train --list",
        )


def freshness(reach: Reach, moment: datetime, *, allow_stale: bool = False) -> list[str]:
    """What a forecast from old data has to say. Raises DataError for data that are too old."""
    age = moment - reach.until
    if age <= STALE:
        return []
    text = f"Data end at {utc_text(reach.until)}, {_length(age)} before {utc_text(moment)}"
    if age > TOO_STALE and not allow_stale:
        raise DataError(
            text,
            "Bring newer posts in (musktracker import, then musktracker refresh), or forecast from there: "
            f"--as-of {iso(reach.until)}, or --allow-stale",
        )
    return [f"{text}: the forecast begins there"]


def window_end(span: Span, moment: datetime) -> None:
    """Refuse a window that ends later than a forecast reaches."""
    if span.end - moment > LONGEST_HORIZON * HOUR:
        raise UsageError(
            f"The window ends at {iso(span.end)}, more than {LONGEST_HORIZON // 24} days after {iso(moment)}"
        )


def period(begin: str | None, end: str | None, hours: int, reach: Reach) -> tuple[tuple[int, int], list[int]]:
    """The span of a backtest, in hours since the epoch, and its origins, so many hours apart."""
    last = parse_time(end) if end else reach.until
    first = parse_time(begin) if begin else last - USUAL_PERIOD
    span = (hour_index(ceil_hour(first)), hour_index(floor_hour(min(last, reach.until))))
    found = [one for one in origins.of_period(*span, spacing=hours) if one > hour_index(reach.begin)]
    if not found:
        raise UsageError(
            f"From {iso(first)} to {iso(last)} there is no origin with a week of counts ahead",
            f"The counts go from {iso(from_hour_index(hour_index(reach.begin)))} to {iso(reach.until)}",
        )
    return span, found


def _within(number: int, least: int, most: int, what: str) -> int:
    if not least <= number <= most:
        raise UsageError(f"{what} must be {least:,} to {most:,}, not {number:,}")
    return number


def _days(hours: int) -> str:
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"


def _length(age: timedelta) -> str:
    return _days(round(age / HOUR))
