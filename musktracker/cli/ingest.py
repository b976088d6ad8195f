"""Fetch posts from the X API: what is new, once or for good, or what was before.

musktracker ingest                                  what is new since the last time
musktracker ingest --follow                         the same every 10 seconds, until it is stopped
musktracker ingest --follow --stream                and within a second by the activity stream, deletions too
musktracker ingest --backfill --since 2025-01-01 --dry-run
musktracker ingest --backfill --since 2025-01-01    what is not covered since then, newest first
musktracker ingest --backfill                       only what an earlier backfill left
musktracker ingest --daily-limit 2.50               spend no more in a UTC day (none: no limit); kept in the database

The bearer token is X_BEARER_TOKEN. A post costs $0.005 a UTC day, however often it is read; a poll without posts is
free. Whatever ends it, it goes on where it stopped: nothing is lost and nothing is stored twice. On whatever machine,
one process at a time fetches what is new, and one what was before; a backfill, a reconciliation and an import may go
on beside a follower, under the one daily limit. Times without an offset are in the display zone.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from musktracker.cli.command import add_json, moment, open_database, print_json, run_stage
from musktracker.config import Settings
from musktracker.errors import UsageError
from musktracker.text import counted, printable

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.pipeline.fetch_price import Price

WAYS = ("auto", "timeline", "recent", "all")


def configure(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--follow", action="store_true", help="poll until it is stopped")
    way.add_argument("--backfill", action="store_true", help="fetch what was before, as far as it is not covered")
    parser.add_argument(
        "--stream", action="store_true", help="with --follow: hear of posts and deletions at once, too"
    )
    parser.add_argument(
        "--interval", type=float, metavar="SECONDS", help="between polls (10; 60 while the stream is open)"
    )
    add_backfill(parser)
    parser.add_argument("--since", metavar="TIME", help="where a backfill begins")
    parser.add_argument("--until", metavar="TIME", help="where it ends (now)")
    parser.add_argument("--again", action="store_true", help="fetch what is covered, too")
    parser.add_argument("--forget", action="store_true", help="forget what an earlier backfill left to fetch")
    parser.add_argument("--daily-limit", metavar="USD", help="spend no more in a UTC day; by itself it only sets it")
    add_json(parser)


def add_backfill(parser: argparse.ArgumentParser) -> None:
    """The options of whatever fetches what was before."""
    parser.add_argument("--via", choices=WAYS, default="auto", help="fetch by one endpoint only")
    parser.add_argument("--dry-run", action="store_true", help="say what it would cost, and buy nothing")
    parser.add_argument("--exact", action="store_true", help="with --dry-run: let the API count ($0.010 for 31 days)")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Fetch, or say what it would cost."""
    _check(arguments)
    with open_database(settings) as engine:
        if arguments.daily_limit is not None:
            _set_limit(engine, arguments)
            if _only_sets_limit(arguments):
                return 0
        if arguments.forget:
            return _forget(engine, arguments)
        if arguments.dry_run:
            bounds = [moment(text, settings.zone) for text in (arguments.since, arguments.until)]
            return show_price(engine, arguments, settings, *bounds)
        kind, parameters = _parameters(arguments, settings)
        result = run_stage(settings, engine, kind, parameters, quiet=arguments.json)
    if arguments.json:
        print_json(result)
    else:
        print(summary(result))
    return 0


def show_price(
    engine: Engine, arguments: argparse.Namespace, settings: Settings, since: str | None, until: str | None
) -> int:
    """Print what fetching would cost."""
    from musktracker.pipeline import fetch_price, spending
    from musktracker.reporting import Run

    again = getattr(arguments, "again", False)
    backfill = getattr(arguments, "backfill", True)
    found = fetch_price.price(
        engine, Run(), since=since, until=until, again=again, exact=arguments.exact, backfill=backfill
    )
    limit = spending.limit(engine)
    if arguments.json:
        print_json(_price_data(found, limit))
        return 0
    print(_price(found, limit, settings))
    return 0


def summary(result: Mapping[str, Any]) -> str:
    """What a run of ingest or backfill did, in words."""
    lines = [f"{counted(result['new'], 'new post')} of {result['seen']:,} read, for ${result['dollars']:,.3f}"]
    for start, end, reason in result["holes"]:
        lines.append(f"A hole stays from {start} to {end}: {printable(reason)}")
    return "\n".join(lines)


def _check(arguments: argparse.Namespace) -> None:
    if not arguments.backfill:
        for name in ("since", "until", "again"):
            if getattr(arguments, name):
                raise UsageError(f"--{name} belongs to a backfill", "Add --backfill")
    if arguments.interval is not None and not arguments.follow:
        raise UsageError("--interval is how often --follow polls", "Add --follow")
    if arguments.stream and not arguments.follow:
        raise UsageError("--stream is for --follow", "Add --follow")
    if arguments.until and not arguments.since:
        raise UsageError("A backfill that ends somewhere begins somewhere", "Add --since TIME")
    if arguments.exact and not arguments.dry_run:
        raise UsageError("--exact is for a price", "Add --dry-run")


def _parameters(arguments: argparse.Namespace, settings: Settings) -> tuple[str, dict[str, Any]]:
    if not arguments.backfill:
        given = {"follow": arguments.follow, "interval": arguments.interval, "stream": arguments.stream}
        return "ingest", {name: value for name, value in given.items() if value}
    given = {
        "since": moment(arguments.since, settings.zone),
        "until": moment(arguments.until, settings.zone),
        "via": arguments.via if arguments.via != "auto" else None,
        "again": arguments.again,
    }
    return "backfill", {name: value for name, value in given.items() if value}


def _only_sets_limit(arguments: argparse.Namespace) -> bool:
    return not (arguments.follow or arguments.backfill or arguments.forget or arguments.dry_run)


def _set_limit(engine: Engine, arguments: argparse.Namespace) -> None:
    from musktracker.pipeline import spending

    limit = spending.set_limit(engine, arguments.daily_limit)
    if arguments.json and _only_sets_limit(arguments):
        print_json(_limit_data(limit))
    elif not arguments.json:
        print("No limit on a day's spending" if limit is None else f"At most {spending.dollars(limit)} in a UTC day")


def _forget(engine: Engine, arguments: argparse.Namespace) -> int:
    from musktracker.pipeline import ranges

    dropped = ranges.forget_backfill(engine)
    if arguments.json:
        print_json({"forgotten": dropped})
    else:
        print(
            f"Forgotten: {counted(dropped, 'range')} that a backfill left" if dropped else "No backfill left anything"
        )
    return 0


def _price_data(found: Price, limit: int | None) -> dict[str, Any]:
    return {
        "posts": found.posts,
        "dollars": found.microdollars / 1_000_000,
        "checks_dollars": found.checks / 1_000_000,
        "basis": found.basis,
        "spans": [{"start": start, "end": end} for start, end in found.spans],
        "ranges_left": found.open_ranges,
        **_limit_data(limit),
    }


def _limit_data(limit: int | None) -> dict[str, Any]:
    return {"daily_limit_dollars": limit and limit / 1_000_000}


def _price(found: Price, limit: int | None, settings: Settings) -> str:
    from musktracker.pipeline import spending

    lines = [f"About {counted(found.posts, 'post')} for {spending.dollars(found.microdollars)}, {found.basis}"]
    for span in found.spans:
        start, end = (moment.astimezone(settings.zone) for moment in span)
        lines.append(f"  {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M %Z}, {span.hours() / 24:,.1f} days")
    if found.open_ranges:
        lines.append(f"  {counted(found.open_ranges, 'range')} that an earlier backfill left, first")
    if found.checks:
        lines.append(f"  {spending.dollars(found.checks)} of it for the API's counts, which show what is missing")
    if limit is None:
        lines.append("There is no limit on a day's spending; set one with --daily-limit USD")
    elif found.microdollars > limit:
        days = -(-found.microdollars // limit) if limit else None
        words = f"it takes {counted(days, 'day')}" if days else "nothing can be bought"
        lines.append(f"With the limit of {spending.dollars(limit)} a day {words}")
    lines.append("Nothing was bought")
    return "\n".join(lines)
