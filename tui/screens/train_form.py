"""The form that starts a training. What each model takes is written here in words; the run has the last say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from musktracker.errors import UsageError
from musktracker.timeline import iso, parse_time
from tui.widgets.form import Field, FormScreen, Values, refused

MODELS = {  # each with the days that it trains on where it is not told, if that is a choice
    "har_bootstrap": None,
    "negative_binomial": 365,
    "seasonal_naive": 28,
    "har_negative_binomial": None,
    "hawkes": 90,
    "pool": None,
    "sarimax": 30,
}
DEFAULT = "har_bootstrap"
MOST_ORIGINS = 1000
LOCAL = "%a %d %b %H:%M %Z"


def train_form(zone: ZoneInfo, data_until: datetime | None, model: str = DEFAULT) -> FormScreen:
    """Ask for a model (this one, where it is known), its hyperparameters and the data; closes with the values."""
    until = "nothing is counted yet" if data_until is None else f"counted until {data_until.astimezone(zone):{LOCAL}}"
    begins = model if model in MODELS else DEFAULT  # a newer program may have trained others
    windows = [days for days in MODELS.values() if days]
    fields = (
        Field("model", "Model", begins, choices=tuple((name, label(name)) for name in MODELS)),
        Field(
            "window_days",
            "Window, days",
            "",
            f"such as 180; empty: the model's own, {min(windows)} to {max(windows)}",
        ),
        Field("others", "Parameters", "", "such as harmonics=3 features=lag_1h,hour_of_day"),
        Field("until", "Data until", "", f"empty: all; {until}"),
        Field("origins", "Backtest", "20", "origins at which it is tried on what followed"),
        Field("seed", "Seed", "1", "of the backtest's paths"),
    )
    return FormScreen("Train a model", fields, check=lambda values: problems(values, zone), submit="start")


def label(name: str) -> str:
    """A model's name as words."""
    return name.replace("_", " ")


def parameters(values: Values, zone: ZoneInfo, artifact_dir: Path) -> dict[str, Any]:
    """What the run is given. Raises UsageError for values that `problems` would complain of."""
    until = values["until"].strip()
    return {
        "artifact_dir": str(artifact_dir),
        "model": values["model"],
        "hyperparameters": _hyperparameters(values),
        "until": iso(parse_time(until, zone)) if until else None,
        "backtest_origins": whole(values["origins"], 0, MOST_ORIGINS),
        "seed": whole(values["seed"], 0, 2**31 - 1),
    }


def problems(values: Values, zone: ZoneInfo) -> Mapping[str, str]:
    """What is wrong, by field."""
    checks: dict[str, Callable[[], object]] = {
        "window_days": lambda: _window(values),
        "others": lambda: _others(values),
        "until": lambda: values["until"].strip() and parse_time(values["until"], zone),
        "origins": lambda: whole(values["origins"], 0, MOST_ORIGINS),
        "seed": lambda: whole(values["seed"], 0, 2**31 - 1),
    }
    return refused(checks)


def whole(text: str, least: int, most: int) -> int:
    """A whole number that was typed. Raises UsageError for another text or a number beyond its bounds."""
    read = text.strip().replace(",", "")
    if not read.isdecimal() or not least <= int(read) <= most:
        raise UsageError(f"must be a whole number from {least:,} to {most:,}")
    return int(read)


def _hyperparameters(values: Values) -> dict[str, str]:
    return _window(values) | _others(values)


def _window(values: Values) -> dict[str, str]:
    text = values["window_days"].strip()
    if not text:
        return {}
    if MODELS[values["model"]] is None:
        raise UsageError(f"{label(values['model'])} trains on all there is")
    return {"window_days": str(whole(text, 1, 10_000))}


def _others(values: Values) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in values["others"].replace(";", " ").split():
        name, sign, value = part.partition("=")
        if not sign or not value:
            raise UsageError(f"{part!r} is not name=value")
        found[name] = value
    return found
