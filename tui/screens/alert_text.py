"""What the alerts say of an alert and of a rule, in full and in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from musktracker.errors import UsageError
from musktracker.timeline import parse_time
from tui.widgets.header import age
from tui.widgets.marks import Marks
from tui.widgets.run_progress import duration

if TYPE_CHECKING:
    from musktracker.db.queries.alerts import StoredAlert
    from musktracker.pipeline.alert_delivery import Tested
    from musktracker.pipeline.alerts import Rule

FormatTime = Callable[..., str]
MARKS = Marks({"error": ("✗", "bad"), "warning": ("!", "warning"), "info": ("i", "accent")})
LABEL = 14
TIME = "%Y-%m-%d %H:%M %Z"


def alert_page(alert: StoredAlert, rule: Rule | None, told: FormatTime, now: datetime) -> str:
    """All that is known of an alert."""
    lines = [
        f"{MARKS[alert.severity][0]} {alert.severity}, {alert.state}",
        alert.message,
        "",
        _line("Since", f"{told(alert.raised_at, TIME)}, {age(now - alert.raised_at)}"),
        _line("Last seen", told(alert.last_seen_at, TIME)),
        _line("Over", _over(alert, told)),
        _line("Acknowledged", _seen(alert, told)),
        _line("Told", _delivery(alert, told)),
        _line("About", alert.key),
        _line("Rule", alert.rule if rule is None else f"{alert.rule}: {rule.meaning}"),
    ]
    if alert.details:
        width = max(max(map(len, alert.details)) + 2, LABEL)
        lines += ["", "Details"]
        lines += [_line(name.replace("_", " "), _value(value, told), width) for name, value in alert.details.items()]
    return "\n".join(lines)


def rule_page(rule: Rule, explained: str, defaults: Mapping[str, float]) -> str:
    """A rule: what it tells, whether it is looked at, with which parameters."""
    lines = [explained, "", _line("Looked at", "once a minute" if rule.enabled else "no, it is off")]
    lines.append(_line("Cooldown", f"{cooldown(rule.cooldown_minutes)} before the same is told again"))
    width = max(max(map(len, rule.parameters), default=0) + 2, LABEL)
    lines += ["", "Parameters"] if rule.parameters else []
    for name, value in rule.parameters.items():
        default = "" if value == defaults[name] else f"   default {defaults[name]:g}"
        lines.append(_line(name, f"{value:g}{default}", width))
    return "\n".join(lines)


def test_page(name: str, tested: Tested) -> str:
    """What a rule finds now, and what came of the test."""
    lines = [f"{MARKS[one.severity][0]} {one.severity}: {one.message}" for one in tested.findings]
    lines = lines or [f"{name} finds nothing now."]
    if tested.delivered is None:
        lines += ["", "Nobody was told: no alert command is set (MUSKTRACKER_ALERT_COMMAND; C shows the settings)."]
    elif tested.delivered:
        lines += ["", "✓ A test was delivered to the alert command. Nothing of it is stored."]
    else:
        lines += ["", f"✗ The test was not delivered: {tested.error or 'no reason was given'}"]
    return "\n".join(lines)


def parameters(rule: Rule) -> str:
    """The parameters in a line, as the command line takes them."""
    return " ".join(f"{name}={value:g}" for name, value in rule.parameters.items())


def cooldown(minutes: int) -> str:
    """A cooldown as short as it can be said."""
    return f"{minutes // 60} h" if minutes >= 60 and minutes % 60 == 0 else f"{minutes} min"


def _line(label: str, text: str, width: int = LABEL) -> str:
    return f"{label:<{width}}{text}"


def _over(alert: StoredAlert, told: FormatTime) -> str:
    if alert.resolved_at is None:
        return "no, it holds"
    return f"{told(alert.resolved_at, TIME)}, after {duration(alert.resolved_at - alert.raised_at)}"


def _seen(alert: StoredAlert, told: FormatTime) -> str:
    if alert.acknowledged_at is None:
        return "by nobody"
    return f"by {alert.acknowledged_by or 'somebody'}, {told(alert.acknowledged_at, TIME)}"


def _delivery(alert: StoredAlert, told: FormatTime) -> str:
    if alert.delivery_error is not None:
        return f"not delivered: {alert.delivery_error}"
    return (
        "to no alert command"
        if alert.delivered_at is None
        else f"by the alert command, {told(alert.delivered_at, TIME)}"
    )


def _value(value: Any, told: FormatTime) -> str:
    """A value as people write it: times in their zone, numbers without noise."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "unknown"}[value]
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_value(one, told)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_value(one, told) for one in value)
    try:
        return told(parse_time(str(value)), TIME)
    except UsageError:
        return str(value)
