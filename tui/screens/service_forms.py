"""The forms that start the service and that change its schedule. The core checks the schedule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tui.widgets.form import Field, FormScreen, Values

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.config import Settings
    from musktracker.pipeline.schedule import Plan

DEMO = "demo"  # the account that nobody posts as
FEEDS = (("ingest", "the X API"), ("files", "files alone"))
LENGTHS = (("stay", "until it is stopped"), ("once", "until nothing is due"))
LABELS = {
    "minute": "Minute",
    "refresh_minutes": "Refresh, min",
    "horizons": "Horizons",
    "windows": "Windows",
    "model": "Model",
    "train_at": "Train at",
    "train_models": "Train",
    "backtest_origins": "Backtest",
    "clean_at": "Clean at",
}


def start_form(settings: Settings) -> FormScreen:
    """Ask how it is to serve; closes with the parameters of the run."""
    can_follow = settings.x_bearer_token is not None and settings.account != DEMO
    hint = f"over the X API @{settings.account} is followed, which costs"
    fields = (
        Field("feed", "Posts from", "ingest" if can_follow else "files", hint, choices=FEEDS),
        Field("length", "It serves", "stay", "it goes on when this console is closed", choices=LENGTHS),
    )
    return FormScreen(
        "Start the service",
        fields,
        check=lambda values: _problems(settings, values),
        save=lambda _engine, values: {"ingest": values["feed"] == "ingest", "once": values["length"] == "once"},
        submit="start",
    )


def schedule_form(plan: Plan) -> FormScreen:
    """Ask for all of the schedule; closes with the plan as it is stored."""
    from musktracker.pipeline import schedule

    before = schedule.texts(plan)
    fields = [Field(name, LABELS.get(name, name), text, schedule.MEANINGS[name]) for name, text in before.items()]

    def save(engine: Engine, values: Values) -> Any:
        return schedule.change(engine, {name: text for name, text in values.items() if text != before[name]})

    return FormScreen("The schedule", fields, check=schedule.problems, save=save)


def _problems(settings: Settings, values: Values) -> Mapping[str, str]:
    if values["feed"] != "ingest":
        return {}
    if settings.account == DEMO:
        return {"feed": "the demo's account is simulated: nobody can be followed"}
    return (
        {} if settings.x_bearer_token else {"feed": "X_BEARER_TOKEN is not set: musktracker config, or C, tells more"}
    )
