"""The form of a rule of the alerts: whether it is looked at, its cooldown, its parameters. The core checks them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tui.widgets.form import Field, FormScreen, Values, refused

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.pipeline.alerts import Rule

SWITCH = (("on", "on"), ("off", "off"))
UNITS = {"_minutes": ", min", "_hours": ", h"}


def rule_form(rule: Rule, defaults: Mapping[str, float]) -> FormScreen:
    """Ask for all of a rule; closes with the rule as it is stored."""
    fields = (
        Field("enabled", "Looked at", _switch(rule), f"tells: {rule.meaning}", choices=SWITCH),
        Field("cooldown", "Cooldown, min", str(rule.cooldown_minutes), "before the same may be told again"),
        *(
            Field(name, _label(name), f"{value:g}", f"default {defaults[name]:g}")
            for name, value in rule.parameters.items()
        ),
    )
    return FormScreen(
        f"Rule {rule.name}",
        fields,
        check=lambda values: problems(rule, values),
        save=lambda engine, values: change(engine, rule, values),
    )


def problems(rule: Rule, values: Values) -> dict[str, str]:
    """What is wrong, by field."""
    from musktracker.pipeline import alerts

    checks: dict[str, Callable[[], object]] = {"cooldown": lambda: alerts.cooldown(values["cooldown"])}
    checks |= {name: lambda name=name: alerts.parameter(rule.name, name, values[name]) for name in rule.parameters}  # type: ignore[misc]
    return refused(checks)


def change(engine: Engine, rule: Rule, values: Values) -> Rule:
    """Store what differs from the rule as it was shown."""
    from musktracker.pipeline import alerts

    given: dict[str, Any] = {}
    if values["enabled"] != _switch(rule):
        given["enabled"] = values["enabled"] == "on"
    if values["cooldown"].strip() != str(rule.cooldown_minutes):
        given["cooldown_minutes"] = values["cooldown"]
    changed = {name: values[name] for name, value in rule.parameters.items() if values[name].strip() != f"{value:g}"}
    return alerts.change(engine, rule.name, parameters=changed, **given)


def _switch(rule: Rule) -> str:
    return "on" if rule.enabled else "off"


def _label(name: str) -> str:
    for ending, unit in UNITS.items():
        if name.endswith(ending):
            return name.removesuffix(ending).replace("_", " ") + unit
    return name.replace("_", " ")
