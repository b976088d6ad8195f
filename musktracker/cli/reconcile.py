"""Hold what is stored against the X API: mark deleted posts, unmark those that are back, compare hourly counts.

musktracker reconcile --days 7          the posts of the last week
musktracker reconcile --days 30 --counts-only

Looking posts up costs $0.005 each on a day on which they were not read yet; counts cost $0.005 for the last 7 days
and $0.010 for every 31 days of more. Hours that lack posts are fetched again; what differs then is listed: the API's
counts and its posts need not agree.
"""

from __future__ import annotations

import argparse

from musktracker.cli.command import add_json, open_database, print_json, run_stage
from musktracker.config import Settings
from musktracker.text import counted

SHOWN = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--days", type=int, default=7, help="how far back (7)")
    parser.add_argument("--counts-only", action="store_true", help="look no post up, only compare counts")
    add_json(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Reconcile, and print what was found."""
    parameters = {"days": arguments.days} | ({"lookup": False} if arguments.counts_only else {})
    with open_database(settings) as engine:
        result = run_stage(settings, engine, "reconcile", parameters, quiet=arguments.json)
    if arguments.json:
        print_json(result)
        return 0
    if not arguments.counts_only:
        print(
            f"{counted(result['looked_up'], 'post')} looked up: {result['deleted']:,} newly deleted, "
            f"{result['returned']:,} back, of {result['unknown']:,} the API does not say"
        )
    print(
        f"{counted(result['hours'], 'hour')} compared: {result['lacking']:,} lacked posts, {result['found']:,} found"
    )
    for hour, stored, told in result["still_lacking"][:SHOWN]:
        print(f"  {hour}: {stored} stored, {told} counted")
    if len(result["still_lacking"]) > SHOWN:
        print(f"  and {counted(len(result['still_lacking']) - SHOWN, 'more hour')}")
    print(f"For ${result['dollars']:,.3f}")
    return 0
