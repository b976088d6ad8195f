"""Look at runs: every import, refresh, training, forecast and scoring, by whoever started it, on whatever machine.

musktracker runs                   the newest runs
musktracker runs show 12           one run with its log
musktracker runs follow 12         its log as it comes, until it ends
musktracker runs follow 12 --json  the same, a JSON object a line, the run itself last
musktracker runs cancel 12         ask it to stop
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from musktracker.cli.command import (
    add_json,
    doing,
    open_database,
    print_json,
    print_json_line,
    printable,
    table,
    whole_number,
)
from musktracker.config import Settings
from musktracker.pipeline.stages import STAGES

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.run_info import RunInfo
    from musktracker.run_log import LogLine

FOLLOW_SECONDS = 0.5


def configure(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.set_defaults(action="list", limit=20, kind=None)
    add_json(parser)
    actions = parser.add_subparsers(metavar="ACTION")
    listing = actions.add_parser("list", help="the newest runs (what no action does)")
    listing.add_argument("--limit", type=whole_number(1), default=20, help="how many (20)")
    kinds = ", ".join(STAGES)
    listing.add_argument("--kind", choices=STAGES, metavar="KIND", help=f"runs of this kind only: {kinds}")
    listing.set_defaults(action="list")
    add_json(listing, within=True)
    for action, text in (
        ("show", "one run with its log"),
        ("follow", "its log as it comes, until it ends"),
        ("cancel", "ask it to stop"),
    ):
        one = actions.add_parser(action, help=text)
        one.add_argument("run_id", type=whole_number(1))
        one.set_defaults(action=action)
        add_json(one, lines=action == "follow", within=True)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry out the action."""
    actions = {"list": _list, "show": _show, "follow": _follow, "cancel": _cancel}
    with open_database(settings) as engine:
        return actions[arguments.action](engine, settings, arguments)


def _list(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    from musktracker import runs

    found = runs.recent(engine, limit=arguments.limit, kinds=[arguments.kind] if arguments.kind else None)
    if arguments.json:
        print_json([_as_data(info) for info in found])
        return 0
    rows = [
        (
            str(info.id),
            info.kind,
            info.state,
            "" if info.progress is None else f"{info.progress:.0%}",
            f"{info.created_at.astimezone(settings.zone):%Y-%m-%d %H:%M:%S}",
            info.who,
            (printable(info.error) if info.error else doing(info.message, info.waits_until))[:60],
        )
        for info in found
    ]
    print(table(("run", "kind", "state", "done", f"created ({settings.timezone})", "who", "message"), rows))
    return 0


def _show(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    from musktracker import run_log, runs

    info = runs.get(engine, arguments.run_id)
    lines = run_log.last_lines(engine, info.id)
    if arguments.json:
        print_json(_as_data(info) | {"log": [dataclasses.asdict(line) for line in lines]})
        return 0
    for name, value in _as_data(info).items():
        if value not in (None, {}, ""):
            print(f"{name:<20} {printable(_shown(value, settings))}")
    for line in lines:
        print(_line(line, settings))
    return 0


def _follow(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    from musktracker import run_log, runs

    seen = 0
    while True:
        info = runs.get(engine, arguments.run_id)  # before the lines, so that none written at its end is missed
        while lines := run_log.lines_after(engine, info.id, after=seen):  # a part at a time
            for line in lines:
                if arguments.json:
                    print_json_line(dataclasses.asdict(line))
                else:
                    print(_line(line, settings), flush=True)
            seen = lines[-1].id
        if not info.active or info.lost:
            _tell_end(info, as_json=arguments.json)
            return 0 if info.status == "succeeded" else 1
        time.sleep(FOLLOW_SECONDS)


def _cancel(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:  # noqa: ARG001
    from musktracker import runs

    is_asked = runs.request_cancel(engine, arguments.run_id)
    status = runs.get(engine, arguments.run_id).status
    if arguments.json:
        print_json({"id": arguments.run_id, "asked_to_stop": is_asked, "status": status})
    elif is_asked:
        print(f"Run {arguments.run_id} was asked to stop.")
    else:
        print(f"Run {arguments.run_id} has ended already: {status}.")
    return 0 if is_asked else 1


def _tell_end(info: RunInfo, *, as_json: bool) -> None:
    if as_json:
        print_json_line(_as_data(info))
    else:
        print(f"run {info.id} {info.state}" + (f": {printable(info.error)}" if info.error else ""))


def _line(line: LogLine, settings: Settings) -> str:
    fields = " ".join(f"{name}={value}" for name, value in line.fields.items())
    moment = line.time.astimezone(settings.zone)
    return f"{moment:%H:%M:%S} {printable(f'{line.level:<7} {line.message} {fields}'.rstrip())}"


def _shown(value: Any, settings: Settings) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(settings.zone):%Y-%m-%d %H:%M:%S %Z}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping) else str(value)


def _as_data(info: RunInfo) -> dict[str, Any]:
    data = dataclasses.asdict(info) | {"state": info.state}
    del data["gone"]  # which `state` tells
    data["reserved_microdollars"] = data.pop("reserved")
    return data
