"""The form that promotes a version, and asks for a reason where it did not pass the gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tui.widgets.form import Field, FormScreen, Values

if TYPE_CHECKING:
    from musktracker.run_info import RunInfo

ALIASES = (("champion", "champion"), ("challenger", "challenger"))
MARKS = {"champion": "★", "challenger": "☆"}
ASKED = "--reason"  # what an error names that a stated reason would do away with


def promote_form(model: str, version: str, failed: str | None = None) -> FormScreen:
    """Ask what a version is to be, and why; with what it `failed` by, a reason has to be given."""
    fields = (
        Field("alias", "As", "champion", "forecasts are made with the champion", choices=ALIASES),
        Field("reason", "Reason", "", "whatever the gate says; recorded" if failed else "empty: the gate decides"),
    )
    return FormScreen(
        f"Promote {model} {version}",
        fields,
        check=_unstated if failed else None,
        preview=(lambda _engine, _values: failed) if failed else None,
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


def _unstated(values: Values) -> Mapping[str, str]:
    stated = values["reason"].strip() or values["alias"] != ALIASES[0][0]
    return {} if stated else {"reason": "say why it is promoted in spite of this"}
