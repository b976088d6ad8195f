"""The form that starts a training. What can be trained, and on what, the core says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from musktracker.errors import UsageError
from musktracker.timeline import iso, parse_time
from tui.moments import worded
from tui.widgets.form import Field, FormScreen, Values, asked, refused

if TYPE_CHECKING:
    from sqlalchemy import Engine

DEFAULT = "har_bootstrap"
WINDOW = "window_days"
LOCAL = "%a %d %b %H:%M %Z"


def train_form(
    zone: ZoneInfo, data_until: datetime | None, now: datetime, artifact_dir: Path, model: str = DEFAULT
) -> FormScreen:
    """Ask for a model (this one, where it is known), its hyperparameters and the data.

    Closes with the parameters of the run.
    """
    from musktracker.pipeline import requests

    names = requests.models(())
    begins = model if model in names else DEFAULT  # a newer program may have trained others
    fields = (
        Field("model", "Model", begins, choices=tuple((name, label(name)) for name in names)),
        Field(WINDOW, "Window, days", "", "such as 180; empty: the model's own"),
        Field("others", "Parameters", "", "name=value of what is below, spaces between"),
        Field("until", "Data until", "", f"empty: all; {counted_text(data_until, now, zone)}"),
        Field("origins", "Backtest", "20", "origins at which it is tried on what followed"),
        Field("seed", "Seed", "1", "of the backtest's paths"),
    )
    return FormScreen(
        "Train a model",
        fields,
        check=lambda values: problems(values, zone),
        preview=lambda _engine, values: takes_text(values["model"]),
        save=lambda engine, values: _asked(engine, values, zone, artifact_dir),
        submit="start",
    )


def label(name: str) -> str:
    """A model's name as words."""
    return name.replace("_", " ")


def counted_text(data_until: datetime | None, now: datetime, zone: ZoneInfo) -> str:
    """How far the counts reach."""
    return "nothing is counted yet" if data_until is None else f"counted until {worded(data_until, LOCAL, zone, now)}"


def takes_text(model: str) -> str:
    """The hyperparameters of a model with its defaults, as they are typed."""
    from musktracker.pipeline import requests

    own = requests.hyperparameters(model)
    return f"{label(model).capitalize()} takes " + "  ".join(f"{name}={_typed(value)}" for name, value in own.items())


def parameters(values: Values, zone: ZoneInfo, artifact_dir: Path) -> dict[str, Any]:
    """What the run is given. Raises UsageError for values that `problems` would complain of."""
    from musktracker.pipeline import requests

    until = values["until"].strip()
    return {
        "artifact_dir": str(artifact_dir),
        "model": values["model"],
        "hyperparameters": _window(values) | _others(values),
        "until": iso(parse_time(until, zone)) if until else None,
        "backtest_origins": requests.backtest_origins(whole(values["origins"])),
        "seed": requests.seed(whole(values["seed"])),
    }


def problems(values: Values, zone: ZoneInfo) -> Mapping[str, str]:
    """What is wrong, by field."""
    from musktracker.pipeline import requests

    checks: dict[str, Callable[[], object]] = {
        WINDOW: lambda: requests.recipe(values["model"], _window(values)),
        "others": lambda: requests.recipe(values["model"], _others(values)),
        "until": lambda: values["until"].strip() and parse_time(values["until"], zone),
        "origins": lambda: requests.backtest_origins(whole(values["origins"])),
        "seed": lambda: requests.seed(whole(values["seed"])),
    }
    return refused(checks)


def whole(text: str) -> int:
    """A whole number that was typed. Raises UsageError for another text."""
    read = text.strip().replace(",", "")
    digits = read.removeprefix("-")
    if not digits.isdecimal() or len(digits) > 18:
        raise UsageError("must be a whole number")
    return int(read)


def _asked(engine: Engine, values: Values, zone: ZoneInfo, artifact_dir: Path) -> dict[str, Any]:
    """The parameters of the run, where there is enough to train on."""
    from musktracker.db.queries import counts
    from musktracker.pipeline import requests

    found = parameters(values, zone, artifact_dir)
    until = parse_time(found["until"]) if found["until"] else None
    recipe = requests.recipe(found["model"], found["hyperparameters"])
    where = "until" if until else "model"
    reach = asked(where, lambda: requests.counted(counts.reach(engine, until), requests.TRAIN, until))
    asked(where, lambda: requests.trainable(recipe, reach))
    return found


def _window(values: Values) -> dict[str, str]:
    from musktracker.pipeline import requests

    text = values[WINDOW].strip()
    if text and WINDOW not in requests.hyperparameters(values["model"]):
        raise UsageError(f"{label(values['model'])} trains on all there is")
    return {WINDOW: str(whole(text))} if text else {}


def _others(values: Values) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in values["others"].replace(";", " ").split():
        name, sign, value = part.partition("=")
        if not sign or not value:
            raise UsageError(f"{part!r} is not name=value")
        if name == WINDOW:
            raise UsageError(f"{WINDOW} is the field above")
        found[name] = value
    return found


def _typed(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else f"{value:g}"
