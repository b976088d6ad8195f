"""The forms of the events screen: one event, a file of events in, a file of events out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from musktracker.errors import MuskTrackerError, UsageError
from musktracker.text import counted
from musktracker.timeline import iso, parse_time, typed_time
from tui.exporting import write_file
from tui.paths import typed_file, typed_path
from tui.widgets.form import Field, FormScreen, Refused, Values
from tui.widgets.run_progress import duration

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.pipeline.event_fields import EventFields
    from musktracker.pipeline.event_files import ImportReport
    from musktracker.pipeline.event_rows import Event

SHOWN_ERRORS = 5
SHOWN_DOUBTS = 2
PLAIN = "%Y-%m-%d %H:%M"


def event_form(
    event: Event | None, zone: ZoneInfo, categories: tuple[str, ...] = (), *, like: Event | None = None
) -> FormScreen:
    """Add an event (that begins as one `like` another), or edit this one; closes with the stored Event."""
    known = f"known: {', '.join(categories)}" if categories else "such as market, launch, politics; may be empty"
    where = f"{zone.key} time, or with an offset: 2026-01-31 18:00Z"
    values = _values_of(event or like, zone)
    fields = (
        Field("name", "Name", values["name"], "such as: Starship flight 12"),
        Field("category", "Category", values["category"], known),
        Field("event_start", "Start", values["event_start"], where),
        Field("event_end", "End", values["event_end"], "empty: a point in time; otherwise as the start"),
        Field("intensity", "Intensity", values["intensity"], "0 to 1, or slight, medium, strong, extreme"),
        Field("description", "Description", values["description"], "may be empty"),
    )

    def save(engine: Engine, values: Values) -> Event:
        from musktracker.pipeline import events

        found = event_fields(values, event, zone)
        if event is None:
            return events.add(engine, found)
        return events.edit(engine, event.id, found, expected=event.version)

    def preview(engine: Engine, values: Values) -> str:
        times = times_text(values, zone)
        if event_problems(values, event, zone):
            return times
        doubts = doubts_text(engine, event_fields(values, event, zone), None if event is None else event.id)
        return f"{times}\n{doubts}" if doubts else times

    title = "Add an event" if like is None else f"Add an event like event {like.id}"
    return FormScreen(
        title if event is None else f"Edit event {event.id}",
        fields,
        check=lambda values: event_problems(values, event, zone),
        preview=preview,
        save=save,
    )


def event_problems(values: Values, event: Event | None, zone: ZoneInfo) -> Mapping[str, str]:
    """What is wrong by field: what cannot be read, then what the core says of the rest."""
    from musktracker.pipeline.event_fields import check

    try:
        return check(event_fields(values, event, zone))
    except Refused as error:
        return error.problems


def event_fields(values: Values, event: Event | None, zone: ZoneInfo) -> EventFields:
    """What was typed, as the core takes it. Raises UsageError with `problems` for what cannot be read."""
    from musktracker.pipeline.event_fields import EventFields, read_intensity

    problems: dict[str, str] = {}

    def read(name: str, reader: Callable[[str], Any]) -> Any:
        try:
            return reader(values[name].strip())
        except (UsageError, ValueError) as error:
            problems[name] = getattr(error, "message", "must be a number from 0 to 1")
            return None

    start = read("event_start", lambda text: parse_time(text, zone) if text else _missing())
    end = read("event_end", lambda text: parse_time(text, zone) if text else start)
    intensity = read("intensity", read_intensity)
    if problems:
        raise Refused(problems)
    return EventFields(
        name=values["name"].strip(),
        event_start=start,
        event_end=end,
        intensity=intensity,
        category=values["category"].strip() or None,
        description=values["description"].strip() or None,
        source=event.source if event else "manual",
    )


def times_text(values: Values, zone: ZoneInfo) -> str:
    """Start and end as they are understood: in UTC and in the display zone, and how long it lasts."""
    lines, moments = [], []
    for name, label in (("event_start", "Start"), ("event_end", "End")):
        try:
            moment = parse_time(values[name], zone)
        except UsageError:
            continue
        moments.append(moment)
        lines.append(_time_line(label, moment, zone))
    if len(moments) == 2 and moments[1] > moments[0]:
        lines[-1] += f" · {duration(moments[1] - moments[0])}"
    return "\n".join(lines)


def span_text(fields: EventFields, zone: ZoneInfo) -> str:
    """The same of times that are read already."""
    return times_text({"event_start": iso(fields.event_start), "event_end": iso(fields.event_end)}, zone)


def doubts_text(engine: Engine, fields: EventFields, event_id: int | None = None) -> str:
    """What may be wrong with an event beside the others; nobody is refused for it."""
    from musktracker.pipeline import event_doubts

    return _listed([f"it {doubt}" for doubt in event_doubts.doubts(engine, fields, besides=event_id)])


def series_doubts_text(engine: Engine, series: Sequence[EventFields], zone: ZoneInfo) -> str:
    """The same of several events that would be added."""
    from musktracker.pipeline import event_doubts

    found = event_doubts.doubts_of(engine, [(fields, None) for fields in series])
    starts = [f"{fields.event_start.astimezone(zone):{PLAIN}}" for fields in series]
    return _listed([f"{start} {doubt}" for start, of in zip(starts, found, strict=True) for doubt in of])


def import_form(zone: ZoneInfo) -> FormScreen:
    """Bring in a file of events; closes with the ImportReport."""
    fields = (
        Field("path", "File", hint="CSV or JSON (name, event_start, intensity, …), or .ics"),
        Field("bad", "Wrong rows", "refuse", choices=(("refuse", "store nothing"), ("skip", "skip them"))),
    )

    def preview(engine: Engine, values: Values) -> str:
        from musktracker.pipeline import event_files

        if not values["path"].strip():
            return ""
        report = event_files.import_file(engine, typed_file(values["path"]), zone=zone, dry_run=True)
        return report_text(report, refused=bool(report.errors) and values["bad"] == "refuse")

    def save(engine: Engine, values: Values) -> ImportReport:
        from musktracker.pipeline import event_files

        path = typed_file(values["path"])
        report = event_files.import_file(engine, path, zone=zone, skip_bad=values["bad"] == "skip")
        if not report.stored:
            raise MuskTrackerError("Nothing was stored", "Mend the wrong rows, or choose to skip them")
        return report

    return FormScreen("Import events", fields, check=_path_problems, preview=preview, save=save, submit="import")


def export_form(directory: Path) -> FormScreen:
    """Write all events that are not removed to a file; closes with its path."""
    fields = (
        Field(
            "path", "File", str(directory / "events.csv"), "CSV; JSON or a calendar where it is named .json or .ics"
        ),
        Field("exists", "If it exists", "keep", choices=(("keep", "keep it"), ("replace", "replace it"))),
    )

    def save(engine: Engine, values: Values) -> Path:
        from musktracker.pipeline import event_files, events

        path = typed_path(values["path"])
        write_file(path, [event_files.written(path, events.listed(engine))], replace=values["exists"] == "replace")
        return path

    return FormScreen("Export events", fields, check=_path_problems, save=save, submit="export")


def report_text(report: ImportReport, *, refused: bool = False) -> str:
    """An import in words, with the first rows that are wrong; `refused` for one that would store nothing for them."""
    counts = (
        (report.added, "new"),
        (report.changed, "changed"),
        (report.unchanged, "known"),
        (report.left_removed, "removed before, left so"),
        (len(report.errors), "wrong: nothing would be stored" if refused else "wrong"),
    )
    lines = [", ".join(f"{n:,} {what}" for n, what in counts if n) or "No events in it"]
    if report.twins:
        lines.append(f"! of the new, {report.twins:,} have the name and start of another event")
    lines += [f"· {note}" for note in report.notes]
    lines += [f"line {error.line}: {error.reason}" for error in report.errors[:SHOWN_ERRORS]]
    more = len(report.errors) - SHOWN_ERRORS
    return "\n".join(lines + ([f"… and {counted(more, 'more wrong row')}"] if more > 0 else []))


def _time_line(label: str, moment: datetime, zone: ZoneInfo) -> str:
    local = "" if zone.key == "UTC" else f"   {moment.astimezone(zone):{PLAIN} %Z}"
    return f"{label:<13} {moment:{PLAIN}} UTC{local}   {moment.astimezone(zone):%a}"


def _listed(doubts: Sequence[str]) -> str:
    more = [f"and {len(doubts) - SHOWN_DOUBTS} more"] if len(doubts) > SHOWN_DOUBTS else []
    return "\n".join(f"! {text}" for text in [*doubts[:SHOWN_DOUBTS], *more])


def _missing() -> datetime:
    raise UsageError("must not be empty")


def _values_of(event: Event | None, zone: ZoneInfo) -> dict[str, str]:
    if event is None:
        return {
            "name": "",
            "category": "",
            "event_start": "",
            "event_end": "",
            "intensity": "0.5",
            "description": "",
        }
    return {
        "name": event.name,
        "category": event.category or "",
        "event_start": typed_time(event.event_start, zone),
        "event_end": typed_time(event.event_end, zone),
        "intensity": f"{event.intensity:g}",
        "description": event.description or "",
    }


def _path_problems(values: Values) -> Mapping[str, str]:
    return {} if values["path"].strip() else {"path": "must not be empty"}
