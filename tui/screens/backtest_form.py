"""The form that starts a backtest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from musktracker.errors import UsageError
from musktracker.timeline import iso, parse_time
from tui.screens.train_form import LOCAL, MODELS, whole
from tui.widgets.form import Field, FormScreen, Values, refused

LONGEST_NAME = 64
LONGEST_SPACING = 24 * 60
MOST_PATHS = 100_000


def backtest_form(zone: ZoneInfo, data_until: datetime | None) -> FormScreen:
    """Ask for models, period, spacing and name; closes with the values."""
    until = "nothing is counted yet" if data_until is None else f"counted until {data_until.astimezone(zone):{LOCAL}}"
    fields = (
        Field("models", "Models", "", "empty: all; or some of those below"),
        Field("begin", "From", "", "the first origin; empty: 365 days before the end"),
        Field("end", "To", "", f"where the last week ends; {until}"),
        Field("spacing", "Spacing, h", "73", "between origins; 73 gives each hour and weekday its turn"),
        Field("paths", "Paths", "2000", "sample paths at each origin: fewer are faster and coarser"),
        Field("seed", "Seed", "1", "of the paths"),
        Field("name", "Name", "", "empty: the same question gets the same name, and goes on"),
    )
    return FormScreen(
        "New backtest",
        fields,
        check=lambda values: problems(values, zone),
        preview=lambda _engine, _values: "Models: " + ", ".join(MODELS),
        submit="start",
    )


def parameters(values: Values, zone: ZoneInfo) -> dict[str, Any]:
    """What the run is given. Raises UsageError for values that `problems` would complain of."""
    bounds = {key: iso(parse_time(text, zone)) if (text := values[key].strip()) else None for key in ("begin", "end")}
    return {
        "models": _models(values) or None,
        "spacing": whole(values["spacing"], 1, LONGEST_SPACING),
        "n_paths": whole(values["paths"], 1, MOST_PATHS),
        "seed": whole(values["seed"], 0, 2**31 - 1),
        "name": _name(values) or None,
        **bounds,
    }


def problems(values: Values, zone: ZoneInfo) -> Mapping[str, str]:
    """What is wrong, by field."""
    checks: dict[str, Callable[[], object]] = {
        "models": lambda: _models(values),
        "begin": lambda: values["begin"].strip() and parse_time(values["begin"], zone),
        "end": lambda: values["end"].strip() and parse_time(values["end"], zone),
        "spacing": lambda: whole(values["spacing"], 1, LONGEST_SPACING),
        "paths": lambda: whole(values["paths"], 1, MOST_PATHS),
        "seed": lambda: whole(values["seed"], 0, 2**31 - 1),
        "name": lambda: _name(values),
    }
    return refused(checks)


def _models(values: Values) -> list[str]:
    names = list(dict.fromkeys(values["models"].replace(",", " ").split()))
    for name in names:
        if name not in MODELS:
            raise UsageError(f"there is no model {name!r}: see below")
    return names


def _name(values: Values) -> str:
    name = values["name"].strip()
    if len(name) > LONGEST_NAME:
        raise UsageError(f"a name has at most {LONGEST_NAME} characters")
    return name
