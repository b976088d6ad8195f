"""Serve in the foreground: follow the account, count, score and forecast hourly, train daily, watch for alerts.

musktracker run                                       until Ctrl+C, SIGTERM or musktracker runs cancel
musktracker run --no-ingest                           where files feed the database
musktracker run --once                                do what is due, then end: for cron
musktracker run --show                                the schedule
musktracker run --set train_at=04:00 --set train_models=har_bootstrap,seasonal_naive

Each step is a run of its own; what fails is tried again, and stops nothing else. One process serves a database. With
--once, 1 is returned where a step failed, 3 where all that failed did since data are stale or missing.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from musktracker.cli.command import add_json, open_database, print_json, run_stage
from musktracker.config import Settings
from musktracker.errors import UsageError
from musktracker.text import counted

if TYPE_CHECKING:
    from musktracker.pipeline.schedule import Plan


def configure(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--once", action="store_true", help="do each step that is due, and end")
    parser.add_argument("--no-ingest", action="store_true", help="fetch nothing: files feed the database")
    parser.add_argument("--show", action="store_true", help="show the schedule instead")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change the schedule instead; may be given again",
    )
    add_json(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Serve, or show or change the schedule."""
    if arguments.once and (arguments.show or arguments.set):
        raise UsageError("--once serves, --show and --set do not", "Do one after the other")
    with open_database(settings) as engine:
        if arguments.show or arguments.set:
            from musktracker.pipeline import schedule

            changes = _pairs(arguments.set)
            plan = schedule.change(engine, changes) if changes else schedule.read(engine)
            _show(plan, as_json=arguments.json)
            return 0
        parameters = {"ingest": not arguments.no_ingest, "once": arguments.once}
        result = run_stage(settings, engine, "service", parameters, quiet=arguments.json)
    if arguments.json:
        print_json(result)
    else:
        print(f"{counted(result['steps'], 'step')} done")
    return 0


def _show(plan: Plan, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(plan))
        return
    from musktracker.pipeline import schedule

    for name, text in schedule.texts(plan).items():
        print(f"{name:<17} {text or schedule.NONE:<24} {schedule.MEANINGS[name]}")


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--set takes NAME=VALUE, not {text!r}", "musktracker run --show has the names")
        pairs[name.strip()] = value
    return pairs
