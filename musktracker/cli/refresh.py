"""Count posts by hour and day, and compute features, from everything that is stored.

Only what differs is written: late and deleted posts, new coverage, changed events and edits by hand are all found by
counting anew. Hours that were not observed in full, and the current one, have no count.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from musktracker.cli.command import add_json, open_database, print_json, run_stage, table
from musktracker.config import Settings
from musktracker.errors import DataError


def configure(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--full", action="store_true", help="write every row anew, not only what differs")
    parser.add_argument(
        "--count",
        metavar="WHICH",
        help="which posts count from now on, for everybody on this database: all, or without_replies",
    )
    add_json(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Refresh, and print what changed. Raises DataError where no whole hour was observed."""
    with open_database(settings) as engine:
        parameters = {"full": arguments.full} | ({"counting": arguments.count} if arguments.count else {})
        result = run_stage(settings, engine, "refresh", parameters, quiet=True)
    if result["span"] is None:
        raise DataError(
            "There is nothing to count: no whole hour has been observed",
            "Bring in posts with musktracker import FILE; the span that the file covers counts as observed",
        )
    if arguments.json:
        print_json(result)
    else:
        print(_shown(result))
    return 0


def _shown(result: Mapping[str, Any]) -> str:
    columns = ("total", "inserted", "changed", "removed")
    rows = [(name, *(f"{result[name][column]:,}" for column in columns)) for name in ("hours", "days", "features")]
    start, end = result["span"]
    return "\n".join(
        [
            table(("", "stored", "new", "changed", "removed"), rows),
            f"From {start} to {end}, counting {result['counting']}, in {result['seconds']:.2f} s.",
        ]
    )
