"""The form that starts a backtest. What can be asked of one, the core says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from musktracker.errors import DataError, UsageError
from musktracker.text import counted
from musktracker.timeline import from_hour_index, iso, parse_time
from tui.moments import worded
from tui.screens.train_form import counted_text, whole
from tui.widgets.form import Field, FormScreen, Values, asked, refused

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.pipeline.backtest_plan import Plan

LOCAL = "%a %d %b %H:%M"


def backtest_form(zone: ZoneInfo, data_until: datetime | None, now: datetime) -> FormScreen:
    """Ask for models, period, spacing and name; closes with the parameters of the run."""
    fields = (
        Field("models", "Models", "", "empty: all; or some of those below"),
        Field("begin", "From", "", "the first origin; empty: 365 days before the end"),
        Field("end", "To", "", f"where the last week ends; {counted_text(data_until, now, zone)}"),
        Field("spacing", "Spacing, h", "73", "between origins; 73 gives each hour and weekday its turn"),
        Field("paths", "Paths", "2000", "sample paths at each origin: fewer are faster and coarser"),
        Field("seed", "Seed", "1", "of the paths"),
        Field("name", "Name", "", "empty: the same question gets the same name, and goes on"),
    )
    return FormScreen(
        "New backtest",
        fields,
        check=lambda values: problems(values, zone),
        preview=lambda engine, values: _planned_text(engine, values, zone, now),
        save=lambda engine, values: _asked(engine, values, zone),
        submit="start",
    )


def parameters(values: Values, zone: ZoneInfo) -> dict[str, Any]:
    """What the run is given. Raises UsageError for values that `problems` would complain of."""
    from musktracker.pipeline import requests

    bounds = {key: iso(parse_time(text, zone)) if (text := values[key].strip()) else None for key in ("begin", "end")}
    return {
        "models": _models(values) or None,
        "spacing": requests.spacing(whole(values["spacing"])),
        "n_paths": requests.backtest_paths(whole(values["paths"])),
        "seed": requests.seed(whole(values["seed"])),
        "name": _name(values),
        **bounds,
    }


def problems(values: Values, zone: ZoneInfo) -> Mapping[str, str]:
    """What is wrong, by field."""
    from musktracker.pipeline import requests

    checks: dict[str, Callable[[], object]] = {
        "models": lambda: _models(values),
        "begin": lambda: values["begin"].strip() and parse_time(values["begin"], zone),
        "end": lambda: values["end"].strip() and parse_time(values["end"], zone),
        "spacing": lambda: requests.spacing(whole(values["spacing"])),
        "paths": lambda: requests.backtest_paths(whole(values["paths"])),
        "seed": lambda: requests.seed(whole(values["seed"])),
        "name": lambda: _name(values),
    }
    return refused(checks)


def _asked(engine: Engine, values: Values, zone: ZoneInfo) -> dict[str, Any]:
    """The parameters of the run, where there is something to try models on, and its name is free for it."""
    from musktracker.pipeline import backtest_plan

    found = parameters(values, zone)
    plan = asked("begin", lambda: _plan(engine, found))
    if found["name"] is not None:
        asked("name", lambda: backtest_plan.require_free(engine, found["name"], plan))
    return found


def _plan(engine: Engine, found: Mapping[str, Any]) -> Plan:
    from musktracker.db.queries import counts
    from musktracker.pipeline import backtest_plan, requests

    reach = requests.counted(counts.reach(engine), requests.TEST)
    return backtest_plan.plan(reach, **{name: value for name, value in found.items() if name != "name"})


def _planned_text(engine: Engine, values: Values, zone: ZoneInfo, now: datetime) -> str:
    """The models that there are, and at which origins those that are named would be tried."""
    from musktracker.pipeline import requests

    models = "Models: " + ", ".join(requests.models(()))
    if problems(values, zone):
        return models
    try:
        plan = _plan(engine, parameters(values, zone))
    except (UsageError, DataError) as error:
        return f"{models}\n{error}"
    origins = max(plan.origins.values(), key=len)
    first, last = (worded(from_hour_index(origin), LOCAL, zone, now) for origin in (origins[0], origins[-1]))
    when = f"from {first} to {last}" if len(origins) > 1 else first
    return f"{models}\n{counted(len(origins), 'origin')}: {when}"


def _models(values: Values) -> list[str]:
    from musktracker.pipeline import requests

    names = values["models"].replace(",", " ").split()
    return requests.models(names) if names else []


def _name(values: Values) -> str | None:
    from musktracker.pipeline import requests

    name = values["name"].strip()
    return requests.backtest_name(name) if name else None
