"""Alerts: what the service was to tell you of, and on which conditions.

musktracker alerts                                    the open ones
musktracker alerts list --all                         those that are over, too
musktracker alerts rules                              the conditions and their parameters
musktracker alerts set silence --cooldown 60 quantile=0.95
musktracker alerts set bracket --off
musktracker alerts ack 12                             it was seen, and leaves the overview
musktracker alerts test stale_data                    look now, and send a test to MUSKTRACKER_ALERT_COMMAND

musktracker run looks at them once a minute and after each step.
"""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING, Any

from musktracker.cli.command import Parser, add_json, open_database, print_json, printable, table, whole_number
from musktracker.config import Settings
from musktracker.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.pipeline.alerts import Rule


def configure(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.set_defaults(action="list", all=False, limit=50)
    add_json(parser)
    actions = parser.add_subparsers(metavar="ACTION", parser_class=_Intermixed)
    listing = actions.add_parser("list", help="the open alerts (what no action does)")
    listing.add_argument("--all", action="store_true", help="those that are over, too")
    listing.add_argument("--limit", type=whole_number(1), default=50, help="how many (50)")
    rules = actions.add_parser("rules", help="the conditions and their parameters")
    change = actions.add_parser("set", help="change a rule")
    change.add_argument("rule")
    switch = change.add_mutually_exclusive_group()
    switch.add_argument("--on", dest="enabled", action="store_true", default=None, help="look at it")
    switch.add_argument("--off", dest="enabled", action="store_false", help="do not look at it")
    change.add_argument("--cooldown", type=int, metavar="MIN", help="minutes before the same may be told again")
    change.add_argument("parameters", nargs="*", metavar="NAME=VALUE")
    seen = actions.add_parser("ack", help="note that an alert was seen")
    seen.add_argument("id", type=whole_number(1))
    test = actions.add_parser("test", help="look at a rule now, and send a test to the alert command")
    test.add_argument("rule")
    for name, one in (("list", listing), ("rules", rules), ("set", change), ("ack", seen), ("test", test)):
        one.set_defaults(action=name)
        add_json(one, within=True)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry out the action."""
    actions = {"list": _list, "rules": _rules, "set": _set, "ack": _acknowledge, "test": _test}
    with open_database(settings) as engine:
        return actions[arguments.action](engine, settings, arguments)


class _Intermixed(Parser):
    """Takes options between the words: argparse would end the list of parameters at the first option."""

    _inside = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As ever, but for where options may stand."""
        if self._inside:
            return super().parse_known_args(args, namespace)
        self._inside = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._inside = False


def _list(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    from musktracker.db.queries import alerts

    found = alerts.listed(engine, limit=arguments.limit, resolved=arguments.all)
    if arguments.json:
        print_json([dataclasses.asdict(one) | {"state": one.state} for one in found])
        return 0
    if not found:
        print("No alerts" if arguments.all else "No open alerts")
        return 0
    rows = [
        (
            str(one.id),
            one.severity,
            one.state,
            f"{one.raised_at.astimezone(settings.zone):%Y-%m-%d %H:%M}",
            one.rule,
            printable(one.message + (f" [{one.delivery_error}]" if one.delivery_error else "")),
        )
        for one in found
    ]
    print(table(("alert", "severity", "state", f"since ({settings.timezone})", "rule", "message"), rows))
    return 0


def _rules(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:  # noqa: ARG001
    from musktracker.pipeline import alerts

    found = alerts.rules(engine)
    if arguments.json:
        print_json([_rule_data(one) for one in found])
        return 0
    print(table(("rule", "is", "cooldown", "parameters", "tells that"), [_row(one) for one in found]))
    return 0


def _set(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:  # noqa: ARG001
    from musktracker.pipeline import alerts

    pairs = {}
    for text in arguments.parameters:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(
                f"Parameters are given as NAME=VALUE, not {text!r}", "musktracker alerts rules shows them"
            )
        pairs[name.strip()] = value.strip()
    changed = alerts.change(
        engine,
        arguments.rule,
        enabled=arguments.enabled,
        cooldown_minutes=arguments.cooldown,
        parameters=pairs,
    )
    if arguments.json:
        print_json(_rule_data(changed))
    else:
        print(table(("rule", "is", "cooldown", "parameters", "tells that"), [_row(changed)]))
    return 0


def _acknowledge(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:  # noqa: ARG001
    from musktracker.machine import whoami
    from musktracker.pipeline import alerts

    alerts.acknowledge(engine, arguments.id, whoami())
    if arguments.json:
        print_json({"id": arguments.id, "acknowledged": True})
    else:
        print(f"Alert {arguments.id} is acknowledged.")
    return 0


def _test(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    from musktracker.pipeline import alert_delivery

    tested = alert_delivery.test(engine, settings, arguments.rule)
    found, delivered, error = tested.findings, tested.delivered, tested.error
    if arguments.json:
        print_json({"findings": [dataclasses.asdict(one) for one in found], "delivered": delivered, "error": error})
        return 1 if error else 0
    for one in found:
        print(f"{one.severity}: {printable(one.message)}")
    if not found:
        print(f"{arguments.rule} finds nothing now")
    if delivered is None:
        print("No alert command is set (MUSKTRACKER_ALERT_COMMAND), so nobody was told")
    else:
        print("A test was delivered" if delivered else f"The test was not delivered: {printable(error or '')}")
    return 1 if error else 0


def _rule_data(one: Rule) -> dict[str, Any]:
    data = dataclasses.asdict(one)
    return {"rule": data.pop("name"), **data}


def _row(one: Rule) -> tuple[str, ...]:
    parameters = " ".join(f"{name}={value:g}" for name, value in one.parameters.items())
    return (one.name, "on" if one.enabled else "off", f"{one.cooldown_minutes} min", parameters, one.meaning)
