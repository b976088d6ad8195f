"""What was observed in full, by source, and the holes: time of which nobody knows whether there were posts.

musktracker coverage                    spans and holes since the first of them
musktracker coverage --fill --dry-run   what filling the holes would cost
musktracker coverage --fill             fetch them from the X API, as far as the plan allows

What cannot be filled stays a hole, with the reason.
"""

from __future__ import annotations

import argparse
import dataclasses
from datetime import datetime
from typing import TYPE_CHECKING, Any

from musktracker.cli.command import add_json, open_database, print_json, printable, run_stage, table
from musktracker.cli.ingest import add_backfill, show_price, summary
from musktracker.config import Settings
from musktracker.errors import UsageError
from musktracker.timeline import Span, now

if TYPE_CHECKING:
    from sqlalchemy import Engine


def configure(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--fill", action="store_true", help="fetch what is missing")
    add_backfill(parser)
    add_json(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """List what is covered and what is not, or fill it."""
    if (arguments.dry_run or arguments.via != "auto") and not arguments.fill:
        raise UsageError("--dry-run and --via are for filling holes", "Add --fill")
    if arguments.exact and not arguments.dry_run:
        raise UsageError("--exact is for a price", "Add --dry-run")
    with open_database(settings) as engine:
        if arguments.fill:
            return _fill(engine, arguments, settings)
        data = _read(engine)
    if arguments.json:
        print_json(data)
    else:
        _print(data, settings)
    return 0


def _read(engine: Engine) -> dict[str, Any]:
    from musktracker.db.queries import ingestion

    found = ingestion.observed(engine, now())
    return {
        "counting": found.counting,
        "spans": [dataclasses.asdict(span) for span in found.spans],
        "holes": [dataclasses.asdict(hole) for hole in found.holes],
        "open_ranges": [dataclasses.asdict(each) for each in found.open_ranges],
        "complete_until": found.complete_until,
        "observed_share": found.share,
    }


def _print(data: dict[str, Any], settings: Settings) -> None:
    if not data["spans"]:
        print("Nothing is covered yet. musktracker import FILE or musktracker ingest bring posts in.")
    else:
        header = (f"from ({settings.timezone})", "to", "days", "source", "posts")
        spans = [(*_row(span, span["source"], settings), span["counting"]) for span in data["spans"]]
        print(table(header, spans))
        share = f"{data['observed_share']:.2%}"
        print(f"\n{share} of the time since the first of these was observed in full: every post was")
        print(f"seen that counts ({data['counting']}: {_meaning(data['counting'])}).")
    if data["holes"]:
        print()
        rows = [_row(hole, hole["reason"] or "not fetched", settings) for hole in data["holes"]]
        print(table(("hole from", "to", "days", "reason"), rows))
    for each in data["open_ranges"]:
        start, end = (_local(each[name], settings) for name in ("start", "end"))
        print(f"\nStill to fetch ({each['purpose']}): {start} to {end}")


def _meaning(counting: str) -> str:
    from musktracker.db import settings

    return settings.known(counting).meaning


def _row(span: dict[str, Any], words: str, settings: Settings) -> tuple[str, str, str, str]:
    days = Span(span["start"], span["end"]).hours() / 24
    return _local(span["start"], settings), _local(span["end"], settings), f"{days:,.2f}", printable(words)


def _local(moment: datetime, settings: Settings) -> str:
    return f"{moment.astimezone(settings.zone):%Y-%m-%d %H:%M:%S}"


def _fill(engine: Engine, arguments: argparse.Namespace, settings: Settings) -> int:
    from musktracker.pipeline import backfill

    parameters = backfill.filling(engine, arguments.via)
    if arguments.dry_run:
        return show_price(engine, arguments, settings, parameters["since"], None)
    result = run_stage(settings, engine, "backfill", parameters, quiet=arguments.json)
    if arguments.json:
        print_json(result)
    else:
        print(summary(result))
    return 0
