"""Alerts: what was to be told of, and the rules by which the service tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static

from musktracker.text import printable
from tui.places import place_keys
from tui.screens import alert_text as words
from tui.screens import terms
from tui.screens.base import ConsoleScreen
from tui.widgets.lines import LONGEST_LINE, LineList
from tui.widgets.record_table import Cell, Column, RecordTable
from tui.widgets.text_page import TextPage
from tui.widgets.toned_line import Parts, TonedLine

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.db.queries.alerts import StoredAlert
    from musktracker.pipeline.alert_delivery import Tested
    from musktracker.pipeline.alerts import Rule
    from tui.app import Console

MOST = 1000  # that are loaded: what is over is deleted in time
SHORT, TALL = 0, 22  # rows from which all rules are shown
SEVERITIES = tuple(words.MARKS)
NONE_OPEN = "No alert is open: v shows those that are over"
NONE = "No alerts yet: a running service looks once a minute, S starts one"
NONE_FOUND = "No alerts yet: the service looks once a minute, e sets at what"
COLUMNS = (
    Column("", 1),
    Column("Severity", 8, rank=1, order=lambda one: SEVERITIES.index(one.severity)),
    Column("Rule", 14, order=lambda one: one.rule),
    Column("Since", 11, order=lambda one: one.raised_at, falling=True),
    Column("State", 18, grow=1, order=lambda one: one.state),
    Column("Message", 24, grow=4),
)
RULE_COLUMNS = (
    Column("Is", 3, order=lambda one: not one.enabled),
    Column("Rule", 14, order=lambda one: one.name),
    Column("Cooldown", 8, right=True, order=lambda one: one.cooldown_minutes, falling=True),
    Column("Parameters", 46, grow=1),
    Column("Tells that", 44, grow=1, rank=1),
)


@dataclass(frozen=True, slots=True)
class AlertsData:
    """What the screen shows; `serving` is whether a service looks, `looked_at` when one did."""

    alerts: tuple[StoredAlert, ...]
    rules: tuple[Rule, ...]
    looked_at: datetime | None
    serving: bool


class AlertTable(RecordTable["StoredAlert"]):
    """Alerts, open ones first."""

    app: Console

    def __init__(self) -> None:
        super().__init__(COLUMNS, self._row, lambda one: one.id, empty=NONE, memory="alerts", id="alert-list")

    def _row(self, one: StoredAlert) -> Sequence[Cell]:
        mark, tone = words.MARKS[one.severity]
        is_open = one.state == "open"
        over = f"over {self.app.format_time(one.resolved_at, '%m-%d %H:%M')}" if one.resolved_at else ""
        seen = f"seen {one.acknowledged_by}" if one.acknowledged_at else ""
        return (
            (mark, tone if one.resolved_at is None else "dim"),
            (one.severity, tone if is_open else "dim"),
            (one.rule, "" if is_open else "dim"),
            (self.app.format_time(one.raised_at, "%m-%d %H:%M"), "dim"),
            (" ".join(filter(None, (over, seen))) or one.state, "warning" if is_open else "dim"),
            (one.message, "" if is_open else "dim"),
        )


class RuleTable(RecordTable["Rule"]):
    """The rules, in the order of `musktracker alerts rules`."""

    def __init__(self) -> None:
        super().__init__(RULE_COLUMNS, _rule_row, lambda one: one.name, id="rule-list")


class AlertsScreen(ConsoleScreen):
    """Alerts, open ones first, and the rules.

    e, space and t are about the rule under the cursor, or while the alerts have the keys about that of the alert.
    """

    TITLE: ClassVar[str] = "Alerts"
    TERMS = terms.ALERTS
    CSS_PATH = "alerts.tcss"
    AUTO_FOCUS = "AlertTable"
    CHANGES = frozenset({"acknowledge", "edit", "switch", "test"})
    VERTICAL_BREAKPOINTS = [(SHORT, "-short"), (TALL, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "acknowledge", "Acknowledge", tooltip="The alert under the cursor was seen", id="alerts.seen"),
        Binding("e", "edit", "Edit", tooltip="Change the rule under the cursor", id="alerts.edit"),
        Binding("t", "test", "Test", tooltip="Look at the rule now, and send a test", id="alerts.test"),
        Binding("space", "switch", "On/off", tooltip="Look at the rule, or no longer", id="alerts.switch"),
        Binding("v", "over", "Over", tooltip="Show those that are over, or leave them out", id="alerts.over"),
        *place_keys("alerts"),
        Binding("escape", "back", "Back", tooltip="Back to where you came from", id="alerts.back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._data: AlertsData | None = None
        self._testing = ""
        self._with_over = self.app.memory.get("alerts_over") is not False

    def compose_body(self) -> ComposeResult:
        """How it stands, the alerts, the one under the cursor in full, the rules."""
        yield TonedLine(id="alerts-state")
        yield AlertTable()
        yield Static(id="alert-chosen", markup=False)
        with Vertical(id="alert-rules"):
            yield RuleTable()

    def on_mount(self) -> None:
        """Name the rules' frame."""
        keys = "" if self.app.read_only else " · e edits · t tests · space turns on or off"
        self.query_one("#alert-rules").border_title = f"Rules{keys}"

    def fetch(self, engine: Engine) -> AlertsData:
        """All alerts, all rules, and who looks."""
        from musktracker import runs
        from musktracker.db.queries import alerts as queries
        from musktracker.pipeline import alerts

        active = runs.recent(engine, limit=1, kinds=("service",), active=True)
        return AlertsData(
            alerts=tuple(queries.listed(engine, limit=MOST)),
            rules=tuple(alerts.rules(engine)),
            looked_at=alerts.looked_at(engine),
            serving=any(not info.lost for info in active),
        )

    def show(self, data: AlertsData) -> None:
        """Bring both lists up to date."""
        self._data = data
        shown = data.alerts if self._with_over else tuple(one for one in data.alerts if one.resolved_at is None)
        empty = NONE_OPEN if data.alerts else NONE_FOUND if data.serving else NONE
        self.query_one(AlertTable).set_records(shown, empty=empty)
        self.query_one(RuleTable).set_records(data.rules)
        self._show_state()
        self._show_chosen()
        self.refresh_bindings()

    def action_acknowledge(self) -> None:
        """Note that the alert under the cursor was seen, and go on to the next."""
        table = self.query_one(AlertTable)
        alert = table.record
        if alert is None:
            return
        if alert.state != "open":
            told = "is over" if alert.resolved_at else f"was seen by {alert.acknowledged_by}"
            self.notify(f"Alert {alert.id} {told}", markup=False, timeout=3)
            return
        after = table.records[table.cursor + 1 : table.cursor + 2]

        def seen(engine: Engine) -> None:
            from musktracker.machine import whoami
            from musktracker.pipeline import alerts

            alerts.acknowledge(engine, alert.id, whoami())

        def go_on(_: Any) -> None:
            if after and table.record == alert:
                table.select(after[0].id)

        self.act(seen, done=f"Alert {alert.id} is acknowledged", then=go_on)

    def action_over(self) -> None:
        """Show those that are over, or leave them out."""
        self._with_over = not self._with_over
        self.app.remember(alerts_over=self._with_over)
        if self._data is not None:
            self.show(self._data)

    def action_edit(self) -> None:
        """Change the rule under the cursor."""
        from musktracker.pipeline import alerts
        from tui.screens.rule_form import rule_form

        rule = self._rule()
        if rule is None:
            return

        def stored(after: Rule | None) -> None:
            if after is not None:
                self.notify(f"{after.name} is stored", timeout=3)
                self.refresh_data()

        self.app.push_screen(rule_form(rule, alerts.defaults(rule.name)), stored)

    def action_switch(self) -> None:
        """Look at the rule under the cursor, or no longer."""
        rule = self._rule()
        if rule is None:
            return

        def switch(engine: Engine) -> None:
            from musktracker.pipeline import alerts

            alerts.change(engine, rule.name, enabled=not rule.enabled)

        self.act(switch, done=f"{rule.name} is {'off' if rule.enabled else 'on'}")

    def action_test(self) -> None:
        """Look at the rule under the cursor now, and send a test to the operator's command."""
        rule, settings = self._rule(), self.app.settings
        if rule is None or self._testing:
            return

        def test(engine: Engine) -> Tested:
            from musktracker.pipeline import alert_delivery

            return alert_delivery.test(engine, settings, rule.name)

        def tell(tested: Tested) -> None:
            self.open_over(TextPage(f"Test of {rule.name}", words.test_page(rule.name, tested)), later=True)

        self._set_testing(rule.name)
        self.act(test, then=tell, after=lambda: self._set_testing(""))

    def can(self, action: str) -> bool | None:
        """What can be done to what is under the cursors."""
        if action == "acknowledge":
            return True if self.is_mounted and self.query_one(AlertTable).record is not None else None
        if action == "over":
            return True if self._data is not None and self._data.alerts else None
        if action in ("edit", "switch", "test"):
            return True if self._data is not None and not (action == "test" and self._testing) else None
        return True

    @on(RecordTable.Opened, "AlertTable")
    def _open_alert(self) -> None:
        alert = self.query_one(AlertTable).record
        if alert is not None and self._data is not None:
            rule = next((one for one in self._data.rules if one.name == alert.rule), None)
            page = words.alert_page(alert, rule, self.app.format_time, self.app.now())
            self.app.push_screen(TextPage(f"Alert {alert.id}", page))

    @on(RecordTable.Opened, "RuleTable")
    def _open_rule(self) -> None:
        from musktracker.pipeline import alerts

        rule = self.query_one(RuleTable).record
        if rule is not None:
            page = words.rule_page(rule, alerts.explained(rule.name), alerts.defaults(rule.name))
            self.app.push_screen(TextPage(f"Rule {rule.name}", page))

    @on(LineList.Moved, "AlertTable")
    def _moved(self) -> None:
        self._show_chosen()

    @on(RecordTable.Filtered, "AlertTable")
    def _filtered(self) -> None:
        self.refresh_bindings()

    def _rule(self) -> Rule | None:
        """The rule that a key is about; the cursor of the rules goes to it."""
        alerts, rules = self.query_one(AlertTable), self.query_one(RuleTable)
        if alerts.has_focus and alerts.record is not None:
            rules.select(alerts.record.rule)
        return rules.record

    def _set_testing(self, name: str) -> None:
        self._testing = name
        self._show_state()
        self.refresh_bindings()

    def _show_state(self) -> None:
        data = self._data
        if data is None:
            return
        states = [one.state for one in data.alerts]
        count = states.count("open")
        parts: Parts = [(f"! {count} open", "warning")] if count else [("✓ ", "good"), ("none open", "")]
        seen = states.count("acknowledged")
        parts.append((f" · {seen} acknowledged" if seen else "", "dim"))
        if self._testing:
            parts.append((f" · testing {self._testing}…", "strong"))
        elif data.serving:
            parts.append((f" · looked at {self.app.format_time(data.looked_at, '%m-%d %H:%M')}, every minute", "dim"))
        else:
            last = "" if data.looked_at is None else f" since {self.app.format_time(data.looked_at, '%m-%d %H:%M')}"
            parts += [(" · nobody looks", "warning"), (f"{last}: S starts a service", "dim")]
        self.query_one("#alerts-state", TonedLine).set_parts(parts)

    def _show_chosen(self) -> None:
        table = self.query_one(AlertTable)
        line = self.query_one("#alert-chosen", Static)
        found = table.record
        text = table.found_nothing if found is None else printable(found.message[: 2 * LONGEST_LINE])  # shown in two
        if line.content != text:
            line.update(text, layout=False)


def _rule_row(one: Rule) -> Sequence[Cell]:
    return (
        ("on", "good") if one.enabled else ("off", "warning"),
        (one.name, "" if one.enabled else "dim"),
        (words.cooldown(one.cooldown_minutes), "dim"),
        (words.parameters(one), "" if one.enabled else "dim"),
        (one.meaning, "dim"),
    )
