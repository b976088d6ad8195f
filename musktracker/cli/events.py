"""Outside events that may move the count: list, change, take back, and move them in and out of files.

musktracker events list --from 2025-01-01 --text launch
musktracker events add "Product launch" --start 2025-11-06T21:00Z --end 2025-11-07T00:00Z --intensity 0.6
musktracker events edit 12 --intensity 0.8
musktracker events remove 12         take it out (restore brings it back; nothing is ever deleted)
musktracker events undo              reverse the latest change, whoever made it (redo takes that back)
musktracker events effects           what events did to the hourly rate, as the newest trained version found it
musktracker events import events.csv the same file again changes nothing

Times without an offset are in the display time zone, except in files, where every time needs its offset. A backtest
sees an event only from when it was known: the time it was entered, or what a file's column created_at says.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musktracker.cli.command import add_json, open_database, print_json, printable, table
from musktracker.cli.event_effects import effects_table
from musktracker.config import Settings
from musktracker.errors import DataError, MuskTrackerError, UsageError
from musktracker.timeline import Span, iso, parse_time

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.pipeline.event_files import ImportReport
    from musktracker.pipeline.events import Event, EventChange

REFRESH_HINT = "Features follow at the next musktracker refresh."
SHOWN_ERRORS = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Its actions and their options."""
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    listing = actions.add_parser("list", help="events by start")
    listing.add_argument("--text", help="only those that hold this in name, category or description")
    listing.add_argument("--from", dest="since", metavar="TIME", help="only those that end after this")
    listing.add_argument("--to", dest="until", metavar="TIME", help="only those that start before this")
    listing.add_argument("--removed", action="store_true", help="removed ones too")
    adding = actions.add_parser("add", help="add one")
    adding.add_argument("name")
    _add_fields(adding, required=True)
    editing = actions.add_parser("edit", help="change some of its fields")
    editing.add_argument("event_id", metavar="ID", type=int)
    editing.add_argument("--name")
    _add_fields(editing, required=False)
    for action, text in (("remove", "take one out"), ("restore", "bring a removed one back")):
        one = actions.add_parser(action, help=text)
        one.add_argument("event_id", metavar="ID", type=int)
    actions.add_parser("undo", help="reverse the latest change")
    actions.add_parser("redo", help="take the latest undo back")
    log = actions.add_parser("history", help="who changed what, newest first")
    log.add_argument("event_id", metavar="ID", type=int, nargs="?", help="of this event only")
    log.add_argument("--limit", type=int, default=20, help="how many (20)")
    effects = actions.add_parser("effects", help="what they do to the hourly rate, by category")
    effects.add_argument("--model", help="as the newest version of this model found it (the newest of all)")
    effects.add_argument("--version", help="as this version of the model found it, such as v3")
    importing = actions.add_parser("import", help="bring in a CSV or JSON file")
    importing.add_argument("file", type=Path)
    importing.add_argument("--dry-run", action="store_true", help="say what would happen, and store nothing")
    importing.add_argument("--skip-bad", action="store_true", help="store the good rows although others are wrong")
    exporting = actions.add_parser("export", help="write them as CSV (or JSON)")
    exporting.add_argument("file", type=Path, nargs="?", help="where to; standard output without it")
    exporting.add_argument("--force", action="store_true", help="replace a file that exists")
    for each in actions.choices.values():
        add_json(each)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry out the action."""
    with open_database(settings) as engine:
        return _ACTIONS[arguments.action](engine, settings, arguments)


def _add_fields(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument("--start", metavar="TIME", required=required)
    parser.add_argument("--end", metavar="TIME", help="without it a new event is a point in time")
    parser.add_argument("--intensity", type=float, default=0.5 if required else None, help="0 to 1")
    parser.add_argument("--category", help="such as market, launch, politics")
    parser.add_argument("--description")
    parser.add_argument("--source", default="manual" if required else None, help="where it is known from")


def _list(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    from musktracker.pipeline import events

    span = Span(
        parse_time(arguments.since, settings.zone) if arguments.since else events.FIRST,
        parse_time(arguments.until, settings.zone) if arguments.until else events.LAST,
    )
    found = events.listed(engine, include_removed=arguments.removed, text=arguments.text, span=span)
    if arguments.json:
        print_json([dataclasses.asdict(event) for event in found])
    elif found:
        _print_events(found, settings)
    else:
        print("No events." if arguments.text or arguments.since or arguments.until else _NONE_YET)
    return 0


_NONE_YET = "No events yet. musktracker events add --help and musktracker events import FILE bring them in."


def _add(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    from musktracker.pipeline import events

    given = _given(arguments, settings)
    event = events.add(engine, events.EventFields(**{"event_end": given["event_start"], **given}))
    return _show(event, "Added", settings, arguments)


def _edit(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    from musktracker.pipeline import events

    given = _given(arguments, settings)
    if not given:
        raise UsageError("Nothing to change was given", "musktracker events edit --help names the fields")
    before = events.get(engine, arguments.event_id)
    fields = dataclasses.replace(before.fields, **given)
    after = events.edit(engine, before.id, fields, expected=before.version)
    return _show(after, "Unchanged" if after == before else "Changed", settings, arguments)


def _remove(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    from musktracker.pipeline import events

    return _show(events.remove(engine, arguments.event_id), "Removed", settings, arguments)


def _restore(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    from musktracker.pipeline import events

    return _show(events.restore(engine, arguments.event_id), "Restored", settings, arguments)


def _undo(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:  # noqa: ARG001
    from musktracker.pipeline import events

    return _reversed(engine, events.undo(engine), "undo", arguments)


def _redo(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:  # noqa: ARG001
    from musktracker.pipeline import events

    return _reversed(engine, events.redo(engine), "redo", arguments)


_PAST = {"undo": "Undone", "redo": "Done again"}


def _reversed(engine: Engine, made: EventChange | None, action: str, arguments: argparse.Namespace) -> int:
    from musktracker.pipeline import events

    if made is None:
        raise MuskTrackerError(f"There is nothing to {action}", "musktracker events history shows what was changed")
    if arguments.json:
        print_json(dataclasses.asdict(made))
        return 0
    change = events.original(engine, made)
    what = (
        f"{change.action} of {change.together} events" if change.together > 1 else f"{change.action} of {change.name}"
    )
    print(f"{_PAST[action]}: {printable(what)}, by {printable(change.who)} at {iso(change.changed_at)}.")
    print(REFRESH_HINT)
    return 0


def _history(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    from musktracker.pipeline import events

    if arguments.event_id is not None:
        events.get(engine, arguments.event_id)
    found = events.history(engine, arguments.event_id, arguments.limit)
    if arguments.json:
        print_json([dataclasses.asdict(change) for change in found])
        return 0
    rows = [
        (
            str(change.id),
            f"{change.changed_at.astimezone(settings.zone):%Y-%m-%d %H:%M:%S}",
            printable(change.who),
            change.action,
            str(change.event_id),
            printable(change.name),
            printable(_difference(change)),
        )
        for change in found
    ]
    header = ("change", f"when ({settings.timezone})", "who", "action", "event", "name", "difference")
    print(table(header, rows) if rows else "No changes yet.")
    return 0


def _effects(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    from musktracker.db.queries import models
    from musktracker.models.event_effects import AFTER

    found = models.newest_with_effects(engine, arguments.model, arguments.version)
    if found is None:
        raise DataError(
            "No such version has found what events do" if arguments.model or arguments.version else _UNTOLD,
            "It takes an event that is over, with eight weeks of counts before it; then: musktracker train",
        )
    effects = [dataclasses.asdict(effect) for effect in found.event_effects]
    if arguments.json:
        print_json({"model": found.model, "version": found.version, "effects": effects})
        return 0
    trained = f"{found.training_end.astimezone(settings.zone):%Y-%m-%d %H:%M} ({settings.timezone})"
    print(f"{printable(found.model)} {printable(found.version)}, trained on data until {trained}")
    print(
        f"By how much an event of intensity 1 raises the hourly rate, from its start until {AFTER} h after its end\n"
    )
    print(effects_table(effects))
    return 0


_UNTOLD = "No version that was trained has found what events do"


def _import(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:  # noqa: ARG001
    from musktracker.pipeline import event_files

    report = event_files.import_file(engine, arguments.file, dry_run=arguments.dry_run, skip_bad=arguments.skip_bad)
    failed = bool(report.errors) and not (arguments.skip_bad and report.good)
    if arguments.json:
        print_json(dataclasses.asdict(report))
    else:
        _print_report(report, dry_run=arguments.dry_run)
    return 1 if failed or not report.good else 0


def _print_report(report: ImportReport, *, dry_run: bool) -> None:
    for error in report.errors[:SHOWN_ERRORS]:
        print(f"line {error.line}: {printable(error.reason)}", file=sys.stderr)
    if len(report.errors) > SHOWN_ERRORS:
        print(f"and {len(report.errors) - SHOWN_ERRORS} more", file=sys.stderr)
    counts = f"{report.added} added, {report.changed} changed, {report.unchanged} unchanged"
    if report.left_removed:
        counts += f", {report.left_removed} left removed (musktracker events restore brings one back)"
    if report.errors:
        counts += f", {len(report.errors)} wrong"
    if report.stored:
        print(counts + "." + (f"\n{REFRESH_HINT}" if report.added or report.changed else ""))
    elif dry_run:
        print(f"Nothing stored (dry run). It would be: {counts}.")
    else:
        print(f"Nothing stored. Without the wrong rows (--skip-bad) it would be: {counts}.")


def _export(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:  # noqa: ARG001
    from musktracker.pipeline import event_files, events

    path: Path | None = arguments.file
    as_json = arguments.json or (path is not None and path.suffix.lower() == ".json")
    found = events.listed(engine)
    content = event_files.to_json(found) if as_json else event_files.to_csv(found)
    if path is None:
        print(content, end="")
        return 0
    try:
        with path.open("w" if arguments.force else "x", encoding="utf-8", newline="") as file:
            file.write(content)
    except FileExistsError:
        raise UsageError(f"{path} exists already", "Choose another name, or replace it with --force") from None
    except OSError as error:
        raise MuskTrackerError(f"{path} cannot be written: {error.strerror}") from None
    print(f"{len(found)} events written to {path}.", file=sys.stderr)
    return 0


_ACTIONS: Mapping[str, Callable[[Engine, Settings, argparse.Namespace], int]] = {
    "list": _list,
    "add": _add,
    "edit": _edit,
    "remove": _remove,
    "restore": _restore,
    "undo": _undo,
    "redo": _redo,
    "history": _history,
    "effects": _effects,
    "import": _import,
    "export": _export,
}


def _given(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    names = {"start": "event_start", "end": "event_end"}
    given = {
        names.get(option, option): getattr(arguments, option)
        for option in ("name", "start", "end", "intensity", "category", "description", "source")
        if getattr(arguments, option) is not None
    }
    for name in names.values():
        if name in given:
            given[name] = parse_time(given[name], settings.zone)
    return given


def _show(event: Event, what: str, settings: Settings, arguments: argparse.Namespace) -> int:
    if arguments.json:
        print_json(dataclasses.asdict(event))
        return 0
    print(f"{what}:")
    _print_events([event], settings)
    print(REFRESH_HINT)
    return 0


def _print_events(found: list[Event], settings: Settings) -> None:
    rows = [
        (
            str(event.id),
            _moment(event.event_start, settings),
            _length(event.event_end - event.event_start),
            f"{event.intensity:g}",
            printable(event.category or ""),
            printable(event.name) + (" (removed)" if event.removed else ""),
        )
        for event in found
    ]
    print(table(("event", f"start ({settings.timezone})", "length", "intensity", "category", "name"), rows))


def _moment(value: datetime, settings: Settings) -> str:
    return f"{value.astimezone(settings.zone):%Y-%m-%d %H:%M}"


def _length(value: timedelta) -> str:
    if not value:
        return "a point"
    hours = value / timedelta(hours=1)
    return f"{hours:.3g} h" if hours < 48 else f"{hours / 24:.3g} d"


def _difference(change: EventChange) -> str:
    if change.before is None or change.after is None:
        return ""
    changed = [name for name, value in change.after.items() if value != change.before.get(name)]
    return ", ".join(f"{name}: {change.before.get(name)} → {change.after[name]}" for name in changed)
