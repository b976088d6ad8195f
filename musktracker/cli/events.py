"""Outside events that may move the count: list, change, take back, and move them in and out of files.

musktracker events list --from 2025-01-01 --text launch
musktracker events add "next fri 14:00 ET +2h starship launch !0.8 #launch"
musktracker events add "Product launch" --start 2025-11-06T21:00Z --end 2025-11-07T00:00Z --intensity 0.6
musktracker events repeat 12 --every quarterly --until 2027-12-31
musktracker events edit 12 --intensity 0.8
musktracker events remove 12         take it out (restore brings it back; nothing is ever deleted)
musktracker events undo              reverse the latest change, whoever made it (redo takes that back)
musktracker events effects           what events did to the hourly rate, as the newest trained version found it
musktracker events import events.csv the same file again changes nothing

An event that may be there already, or at the time of another, is stored all the same, with a warning.
Times without an offset are in the display time zone, except in files, where every time needs its offset. A backtest
sees an event only from when it was known: the time it was entered, or what a file's column created_at says.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musktracker.cli.command import add_json, open_database, print_json, printable, table, whole_number
from musktracker.cli.event_effects import effects_table
from musktracker.config import Settings
from musktracker.errors import DataError, MuskTrackerError, UsageError
from musktracker.text import counted
from musktracker.timeline import Span, iso, now, parse_time

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.pipeline.event_changes import EventChange
    from musktracker.pipeline.event_fields import EventFields
    from musktracker.pipeline.event_files import ImportReport
    from musktracker.pipeline.event_rows import Event

REFRESH_HINT = "Features follow at the next musktracker refresh."
SHOWN_ERRORS = SHOWN_DOUBTS = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Its actions and their options."""
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    listing = actions.add_parser("list", help="events by start")
    listing.add_argument("--text", help="only those that hold this in name, category or description")
    listing.add_argument("--from", dest="since", metavar="TIME", help="only those that end after this")
    listing.add_argument("--to", dest="until", metavar="TIME", help="only those that start before this")
    listing.add_argument("--removed", action="store_true", help="removed ones too")
    adding = actions.add_parser("add", help="add one, in a line that says it all, or by its name and options")
    adding.add_argument("name", metavar="NAME|LINE", help="the name where --start is given, else a line")
    adding.add_argument("--dry-run", action="store_true", help="say how it was understood, and store nothing")
    _add_fields(adding, new=True)
    editing = actions.add_parser("edit", help="change some of its fields")
    editing.add_argument("event_id", metavar="ID", type=whole_number(1))
    editing.add_argument("--name")
    _add_fields(editing, new=False)
    shifting = actions.add_parser("shift", help="move one in time")
    shifting.add_argument("event_id", metavar="ID", type=whole_number(1))
    shifting.add_argument(
        "by", metavar="BY", help="2h, 90m, 1d12h; -2h for earlier (after --: events shift -- 12 -2h)"
    )
    repeating = actions.add_parser("repeat", help="add the same at later times")
    repeating.add_argument("event_id", metavar="ID", type=whole_number(1))
    repeating.add_argument("--every", required=True, choices=("weekly", "monthly", "quarterly"))
    repeating.add_argument("--until", required=True, metavar="TIME", help="the last day of the series")
    for action, text in (("remove", "take one out"), ("restore", "bring a removed one back")):
        one = actions.add_parser(action, help=text)
        one.add_argument("event_id", metavar="ID", type=whole_number(1))
    actions.add_parser("undo", help="reverse the latest change")
    actions.add_parser("redo", help="take the latest undo back")
    log = actions.add_parser("history", help="who changed what, newest first")
    log.add_argument("event_id", metavar="ID", type=whole_number(1), nargs="?", help="of this event only")
    log.add_argument("--limit", type=whole_number(1), default=20, help="how many (20)")
    effects = actions.add_parser("effects", help="what they do to the hourly rate, by category")
    effects.add_argument("--model", help="as the newest version of this model found it (the newest of all)")
    effects.add_argument("--version", help="as this version of the model found it, such as v3")
    importing = actions.add_parser("import", help="bring in a CSV, JSON or calendar (.ics) file")
    importing.add_argument("file", type=Path)
    importing.add_argument("--dry-run", action="store_true", help="say what would happen, and store nothing")
    importing.add_argument("--skip-bad", action="store_true", help="store the good rows although others are wrong")
    exporting = actions.add_parser("export", help="write them as CSV, JSON or a calendar (.ics), by the file's name")
    exporting.add_argument("file", type=Path, nargs="?", help="where to; standard output without it, or with -")
    exporting.add_argument("--force", action="store_true", help="replace a file that exists")
    for each in (importing, exporting):
        each.add_argument(
            "--format", choices=("csv", "json", "ics"), help="which form the file has, whatever its name says"
        )
    for each in actions.choices.values():
        add_json(each)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry out the action."""
    with open_database(settings) as engine:
        return _ACTIONS[arguments.action](engine, settings, arguments)


def _add_fields(parser: argparse.ArgumentParser, *, new: bool) -> None:
    parser.add_argument("--start", metavar="TIME", help="when it starts" + (", where no line says it" if new else ""))
    parser.add_argument("--end", metavar="TIME", help="without it a new event is a point in time")
    parser.add_argument("--intensity", help="0 to 1, or slight, medium, strong, extreme")
    parser.add_argument("--category", help="such as market, launch, politics")
    parser.add_argument("--description")
    parser.add_argument("--source", help="where it is known from")


def _list(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    from musktracker.pipeline import events
    from musktracker.pipeline.event_fields import FIRST, LAST

    span = Span(
        parse_time(arguments.since, settings.zone) if arguments.since is not None else FIRST,
        parse_time(arguments.until, settings.zone) if arguments.until is not None else LAST,
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
    from musktracker.pipeline import event_doubts, events

    fields, notes = _new_fields(arguments, settings)
    if not arguments.json:
        for note in notes:
            print(f"note: {printable(note)}", file=sys.stderr)
    if not arguments.dry_run:
        return _show(events.add(engine, fields), "Added", settings, arguments, engine)
    doubts = event_doubts.doubts(engine, fields)
    if arguments.json:
        print_json({**dataclasses.asdict(fields), "notes": notes, "doubts": doubts})
    else:
        print(_understood(fields, settings))
        _warn(f"it {doubt}" for doubt in doubts)
    return 0


def _new_fields(arguments: argparse.Namespace, settings: Settings) -> tuple[EventFields, list[str]]:
    """A new event, and how what was left open was filled in."""
    from musktracker.pipeline.event_fields import USUAL_INTENSITY, EventFields
    from musktracker.pipeline.event_line import parse_line

    given = _given(arguments, settings)
    if "event_start" in given:
        usual = {"event_end": given["event_start"], "intensity": USUAL_INTENSITY}
        return EventFields(**{**usual, **given}), []
    understood = parse_line(given.pop("name"), now(), settings.zone)
    return dataclasses.replace(understood.fields, **given), list(understood.notes)


def _understood(fields: EventFields, settings: Settings) -> str:
    times = []
    for moment in (fields.event_start, fields.event_end):
        local = "" if settings.timezone == "UTC" else f" ({moment.astimezone(settings.zone):%a %Y-%m-%d %H:%M %Z})"
        times.append(f"{moment:%a %Y-%m-%d %H:%M} UTC{local}")
    lines = (
        f"name       {printable(fields.name)}",
        f"start      {times[0]}",
        f"end        {times[1]}, {_length(fields.event_end - fields.event_start)}",
        f"intensity  {fields.intensity:g}",
        f"category   {printable(fields.category or 'none')}",
        "Nothing stored (dry run).",
    )
    return "\n".join(lines)


def _shift(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    from musktracker.pipeline import event_series, events

    before = events.get(engine, arguments.event_id)
    fields = event_series.shifted(before.fields, event_series.read_shift(arguments.by))
    after = events.edit(engine, before.id, fields, expected=before.version)
    return _show(after, "Shifted", settings, arguments, engine)


def _repeat(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    from musktracker.pipeline import event_doubts, event_series, events

    first = events.get(engine, arguments.event_id)
    until = parse_time(arguments.until, settings.zone)
    series = event_series.repeated(first.fields, arguments.every, until, settings.zone)
    made = events.add_all(engine, series)
    doubts = event_doubts.doubts_of(engine, [(event.fields, event.id) for event in made])
    if arguments.json:
        print_json([{**dataclasses.asdict(event), "doubts": of} for event, of in zip(made, doubts, strict=True)])
        return 0
    print(f"Added {len(made)}; musktracker events undo takes all of them back:")
    _print_events(made, settings)
    print(REFRESH_HINT)
    _warn(f"event {event.id} {doubt}" for event, of in zip(made, doubts, strict=True) for doubt in of)
    return 0


def _edit(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    from musktracker.pipeline import events

    given = _given(arguments, settings)
    if not given:
        raise UsageError("Nothing to change was given", "musktracker events edit --help names the fields")
    before = events.get(engine, arguments.event_id)
    fields = dataclasses.replace(before.fields, **given)
    after = events.edit(engine, before.id, fields, expected=before.version)
    if (after.name, after.event_start, after.event_end) == (before.name, before.event_start, before.event_end):
        return _show(after, "Unchanged" if after == before else "Changed", settings, arguments)
    return _show(after, "Changed", settings, arguments, engine)


def _remove(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    from musktracker.pipeline import events

    return _show(events.remove(engine, arguments.event_id), "Removed", settings, arguments)


def _restore(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    from musktracker.pipeline import events

    return _show(events.restore(engine, arguments.event_id), "Restored", settings, arguments, engine)


def _undo(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:  # noqa: ARG001
    from musktracker.pipeline import event_undo

    return _reversed(engine, event_undo.undo(engine), "undo", arguments)


def _redo(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:  # noqa: ARG001
    from musktracker.pipeline import event_undo

    return _reversed(engine, event_undo.redo(engine), "redo", arguments)


_PAST = {"undo": "Undone", "redo": "Done again"}


def _reversed(engine: Engine, made: EventChange | None, action: str, arguments: argparse.Namespace) -> int:
    from musktracker.pipeline import event_undo

    if made is None:
        raise MuskTrackerError(f"There is nothing to {action}", "musktracker events history shows what was changed")
    if arguments.json:
        print_json(dataclasses.asdict(made))
        return 0
    change = event_undo.original(engine, made)
    what = (
        f"{change.action} of {change.together} events" if change.together > 1 else f"{change.action} of {change.name}"
    )
    print(f"{_PAST[action]}: {printable(what)}, by {printable(change.who)} at {iso(change.changed_at)}.")
    print(REFRESH_HINT)
    return 0


def _history(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    from musktracker.pipeline import event_changes, events

    if arguments.event_id is not None:
        events.get(engine, arguments.event_id)
    found = event_changes.history(engine, arguments.event_id, arguments.limit)
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
        _require_trained(engine, arguments.model, arguments.version)
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


def _require_trained(engine: Engine, model: str | None, version: str | None) -> None:
    """Raise what says so where there is no version of this name."""
    from musktracker.db.engines import reading
    from musktracker.pipeline import aliases

    with reading(engine) as connection:
        if (model or version) and not aliases.trained(connection, model, version):
            raise aliases.untrained(
                connection, aliases.Name(model=model, version=version), "musktracker models list shows what has been"
            )


_UNTOLD = "No version that was trained has found what events do"


def _import(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    from musktracker.pipeline import event_files

    report = event_files.import_file(
        engine,
        arguments.file,
        form=arguments.format or _form(arguments.file),
        zone=settings.zone,
        dry_run=arguments.dry_run,
        skip_bad=arguments.skip_bad,
    )
    failed = bool(report.errors) and not (arguments.skip_bad and report.good)
    if arguments.json:
        print_json(dataclasses.asdict(report))
    else:
        _print_report(report, dry_run=arguments.dry_run)
    return 1 if failed or not report.good else 0


def _print_report(report: ImportReport, *, dry_run: bool) -> None:
    for note in report.notes:
        print(f"note: {printable(note)}", file=sys.stderr)
    for error in report.errors[:SHOWN_ERRORS]:
        print(f"line {error.line}: {printable(error.reason)}", file=sys.stderr)
    if len(report.errors) > SHOWN_ERRORS:
        print(f"and {len(report.errors) - SHOWN_ERRORS} more", file=sys.stderr)
    counts = f"{report.added} added, {report.changed} changed, {report.unchanged} unchanged"
    if report.left_removed:
        counts += f", {report.left_removed} left removed (musktracker events restore brings one back)"
    if report.errors:
        counts += f", {len(report.errors)} wrong"
    if report.twins:
        _warn([f"of those added, {report.twins} have the name and start of another event"])
    if report.stored:
        print(counts + "." + (f"\n{REFRESH_HINT}" if report.added or report.changed else ""))
    elif dry_run:
        print(f"Nothing stored (dry run). It would be: {counts}.")
    else:
        print(f"Nothing stored. Without the wrong rows (--skip-bad) it would be: {counts}.")


def _export(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:  # noqa: ARG001
    from musktracker.pipeline import event_files, events

    path: Path | None = None if arguments.file == Path("-") else arguments.file
    form = arguments.format or ("json" if arguments.json else _form(path or Path()))
    found = events.listed(engine)
    content = event_files.written(path or Path(), found, form)
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
    print(f"{counted(len(found), 'event')} written to {path}.", file=sys.stderr)
    return 0


def _form(path: Path) -> str:
    from musktracker.pipeline import event_files

    try:
        return event_files.form_of(path)
    except UsageError as error:
        forms = ", ".join(event_files.FORMS)
        raise UsageError(error.message, f"{error.hint}, or say its form with --format: {forms}") from None


_ACTIONS: Mapping[str, Callable[[Engine, Settings, argparse.Namespace], int]] = {
    "list": _list,
    "add": _add,
    "edit": _edit,
    "shift": _shift,
    "repeat": _repeat,
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
    from musktracker.pipeline.event_fields import read_intensity

    names = {"start": "event_start", "end": "event_end"}
    given = {
        names.get(option, option): getattr(arguments, option)
        for option in ("name", "start", "end", "intensity", "category", "description", "source")
        if getattr(arguments, option) is not None
    }
    for name in names.values():
        if name in given:
            given[name] = parse_time(given[name], settings.zone)
    if "intensity" in given:
        given["intensity"] = read_intensity(given["intensity"])
    return given


def _show(
    event: Event, what: str, settings: Settings, arguments: argparse.Namespace, beside: Engine | None = None
) -> int:
    """Print an event that was changed; and what may be wrong with it `beside` the others, where that is new."""
    from musktracker.pipeline import event_doubts

    doubts = [] if beside is None else event_doubts.doubts(beside, event.fields, besides=event.id)
    if arguments.json:
        print_json({**dataclasses.asdict(event), "doubts": doubts})
        return 0
    print(f"{what}:")
    _print_events([event], settings)
    print(REFRESH_HINT)
    _warn(f"it {doubt}" for doubt in doubts)
    return 0


def _warn(texts: Iterable[str]) -> None:
    found = list(texts)
    sys.stdout.flush()  # the warnings come after what they are about, also where both go to one file
    for text in found[:SHOWN_DOUBTS]:
        print(f"warning: {printable(text)}", file=sys.stderr)
    if len(found) > SHOWN_DOUBTS:
        print(f"and {counted(len(found) - SHOWN_DOUBTS, 'more warning')}", file=sys.stderr)


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
    return ", ".join(
        f"{name.removeprefix('event_')}: {change.before.get(name)} → {change.after[name]}" for name in changed
    )
