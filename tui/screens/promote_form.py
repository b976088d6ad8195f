"""The form that promotes a version, and asks for a reason where it did not pass the gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tui.widgets.form import Field, FormScreen, Values, refused

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.run_info import RunInfo

ALIASES = (("champion", "champion"), ("challenger", "challenger"))
MARKS = {"champion": "★", "challenger": "☆"}
ASKED = "--reason"  # what an error names that a stated reason would do away with


def promote_form(model: str, version: str, failed: str | None = None) -> FormScreen:
    """Ask what a version is to be, and why; with what it `failed` by, a reason has to be given.

    Closes with the parameters of the run.
    """
    fields = (
        Field("alias", "As", "champion", "forecasts are made with the champion", choices=ALIASES),
        Field("reason", "Reason", "", "whatever the gate says; recorded" if failed else "empty: the gate decides"),
    )
    return FormScreen(
        f"Promote {model} {version}",
        fields,
        check=lambda values: _problems(values, must_state=failed is not None),
        preview=(lambda _engine, _values: failed) if failed else None,
        save=lambda engine, values: _asked(engine, parameters(values, model, version)),
        submit="promote",
    )


def parameters(values: Values, model: str, version: str) -> dict[str, Any]:
    """What the run is given."""
    return {
        "model": model,
        "version": version,
        "alias": values["alias"],
        "reason": values["reason"].strip() or None,
    }


def failed_gate(run: RunInfo) -> str | None:
    """What a promotion failed by that a stated reason would let pass."""
    error = run.error or ""
    return error.partition(" Promote it all the same")[0] if run.status == "failed" and ASKED in error else None


def _problems(values: Values, *, must_state: bool) -> Mapping[str, str]:
    from musktracker.pipeline import aliases

    stated = values["reason"].strip() or values["alias"] != ALIASES[0][0]
    if must_state and not stated:
        return {"reason": "say why it is promoted in spite of this"}
    return refused({"reason": lambda: aliases.checked_reason(values["reason"])})


def _asked(engine: Engine, found: dict[str, Any]) -> dict[str, Any]:
    """The parameters of the run, where there is such a version, and an artifact to forecast with."""
    from musktracker.pipeline import aliases

    aliases.promotable(engine, found["model"], found["version"])
    return found
