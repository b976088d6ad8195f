"""Bring in posts from files; only ids, times and kinds are stored.

musktracker import posts.csv.gz archive.zip
musktracker import export.csv --dry-run
musktracker import dump.csv --map id=status,created_at=when --author-id 44196397

A file may be a table (CSV and its like), JSON, JSONL (twarc), an X account archive (tweets.js or the whole zip), a
list of ids or a log with addresses of posts; plain, gzip or zip. Its form is found out from what is in it. The time
of a post comes from its id; a time in the file is only held against it, and a row with one of another day is bad
(--map created_at=none: the file's times are not those of the posts). Posts that are there already stay as they are,
but an unknown kind is filled in, and what the file says is deleted is marked so.

The time between a file's first and last post counts as observed whole, but for silences of over a year: an hour in it
without a post is a zero.
--covers says it better where the collection is known to be wider, --hole leaves out what was not collected (also of
what the same source covered before), --no-coverage claims nothing, --only without_replies says that replies were not
collected: such time counts as observed only where replies are not counted. Times without an offset are in the display
zone.

Exit codes: 0 also where everything was stored already; 1 where a file could not be imported, or, with --strict, at
the first bad row (nothing of that file is stored then).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from musktracker.cli.command import add_json, open_database, print_json, printable, run_stage
from musktracker.config import Settings
from musktracker.errors import UsageError
from musktracker.text import counted
from musktracker.timeline import iso, parse_time


def configure(parser: argparse.ArgumentParser) -> None:
    """Files, and what cannot be found out from them."""
    parser.add_argument("files", metavar="FILE", nargs="+", help="what to import")
    parser.add_argument(
        "--map",
        metavar="id=COL,…",
        help="which column (name or number) or JSON key holds id, created_at, kind, author_id",
    )
    parser.add_argument("--author-id", metavar="ID", help="take the posts of this author (id or name) only")
    parser.add_argument("--source", metavar="NAME", help="the name to store with the posts (file)")
    parser.add_argument("--dry-run", action="store_true", help="say what would happen, and store nothing")
    parser.add_argument("--strict", action="store_true", help="stop at the first bad row")
    coverage = parser.add_mutually_exclusive_group()
    coverage.add_argument(
        "--covers", metavar="START..END", help="the time the files hold every post of, end excluded"
    )
    parser.add_argument(
        "--only",
        metavar="COUNTING",
        help="the files hold every post that this definition counts, and not every other: without_replies",
    )
    coverage.add_argument("--no-coverage", action="store_true", help="the files do not hold every post of any time")
    parser.add_argument(
        "--hole", metavar="START..END", action="append", default=[], help="time that was not collected (repeatable)"
    )
    add_json(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Import; 1 where a file could not be."""
    parameters = _parameters(arguments, settings.zone)
    with open_database(settings) as engine:
        result = run_stage(settings, engine, "import", parameters, quiet=True)
    if arguments.json:
        print_json(result)
    else:
        for outcome in result["files"]:
            _print_file(outcome, settings.zone, result["dry_run"])
        print(_conclusion(result))
    return 1 if result["failed"] else 0


def _parameters(arguments: argparse.Namespace, zone: ZoneInfo) -> dict[str, Any]:
    from musktracker.sources.files import parse_mapping

    given: dict[str, Any] = {
        "mapping": parse_mapping(arguments.map) if arguments.map else None,
        "author_id": arguments.author_id,
        "source": arguments.source,
        "strict": arguments.strict,
        "dry_run": arguments.dry_run,
        "covers": _span(arguments.covers, zone) if arguments.covers else None,
        "holes": [_span(text, zone) for text in arguments.hole],
        "counting": arguments.only,
    }
    parameters = {name: value for name, value in given.items() if value}
    if arguments.no_coverage:
        parameters["coverage"] = False
    return {"files": [str(Path(name).absolute()) for name in arguments.files], **parameters}


def _span(text: str, zone: ZoneInfo) -> list[str]:
    start, dots, end = text.partition("..")
    if not dots:
        raise UsageError(f"{text!r} is no span of time", "Write START..END, such as 2025-01-01..2025-02-01")
    return [iso(parse_time(part, zone)) for part in (start, end)]


def _print_file(outcome: Mapping[str, Any], zone: ZoneInfo, dry_run: bool) -> None:
    print(f"{printable(outcome['file'])}" + (f" ({outcome['form']})" if outcome["form"] else ""))
    if outcome["error"]:
        print(f"  not imported: {printable(outcome['error'])}")
        return
    print(f"  {outcome['rows']:>11,} {'row' if outcome['rows'] == 1 else 'rows'}, {_local(outcome['span'], zone)}")
    counts = {
        "would be imported" if dry_run else "imported": outcome["imported"],
        "already stored": outcome["already_there"],
        "of them given their kind": outcome["updated"],
        "repeated in the file": outcome["repeated"],
        "of other authors": outcome["other_authors"],
        "deleted, and stored so": outcome["deleted"],
        "bad rows": outcome["bad"],
    }
    for i, (label, count) in enumerate(counts.items()):
        if count or i < 2:
            print(f"  {count:>11,} {label}")
    for span in outcome["covered"]:
        print(f"  {'would cover' if dry_run else 'covers':>11} {_local(span, zone)}")


def _local(span: list[str], zone: ZoneInfo) -> str:
    first, last = (datetime.fromisoformat(text).astimezone(zone) for text in span)
    return f"{first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S %Z}"


def _conclusion(result: Mapping[str, Any]) -> str:
    if result["dry_run"]:
        return f"Dry run: {counted(result['imported'], 'post')} would be imported; nothing was stored"
    if not result["imported"] and not result["updated"]:
        return "Nothing new: every post was stored already"
    return f"Imported {counted(result['imported'], 'post')}. Next, count: musktracker refresh"
