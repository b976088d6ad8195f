"""Events in files: CSV, JSON and calendars, in and out, with nothing lost on the way.

A file row is an event's fields (without an end it is a point in time), and optionally `created_at`: when it became
known, for events that were announced before they were typed in. Times need their offset (a trailing Z for UTC), but
for those of a calendar. What the console writes of its table is taken too, without its columns LEFT_OUT.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from musktracker.errors import MuskTrackerError, UsageError
from musktracker.pipeline import event_calendar
from musktracker.pipeline.event_fields import FIRST, EventFields, InvalidEvent, cleaned
from musktracker.pipeline.event_merge import Merged, merge
from musktracker.pipeline.event_rows import Event
from musktracker.text import counted
from musktracker.timeline import iso, now, parse_time

REQUIRED = ("name", "event_start", "intensity")
COLUMNS = ("name", "category", "event_start", "event_end", "intensity", "description", "source", "created_at")
LEFT_OUT = ("id", "updated_at", "removed_at")  # what else the console writes of an event
LARGEST = 20_000_000  # bytes
UNNAMED_SOURCE = "import"
FORMS = ("csv", "json", "ics")


@dataclass(frozen=True, slots=True)
class RowError:
    """A row that cannot be an event: the line of the file where it begins, from 1."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, or would do: nothing is stored while `stored` is false.

    `twins` is how many of the added have the name and start of another event; `notes` say how the file was taken.
    """

    added: int
    changed: int
    unchanged: int
    left_removed: int
    errors: tuple[RowError, ...]
    stored: bool
    twins: int = 0
    notes: tuple[str, ...] = ()

    @property
    def good(self) -> int:
        """How many rows are events."""
        return self.added + self.changed + self.unchanged + self.left_removed


def import_file(
    engine: Engine,
    path: Path,
    *,
    form: str | None = None,
    zone: ZoneInfo | None = None,
    dry_run: bool = False,
    skip_bad: bool = False,
    who: str | None = None,
) -> ImportReport:
    """Bring in the events of a file, which is of the `form` of FORMS that is given, or that its name says.

    An event with the name and start of a stored one is that event: changed where the file says otherwise. A second
    row with the same name and start is a second event, since events may be stored so and what is exported must come
    back: see event_merge. Nothing is stored where a row is wrong, unless `skip_bad`. `zone` (UTC) is of the days
    and times of a calendar that names none. Raises UsageError where the file is none of the three.
    """
    form = form or form_of(path)
    content = _text(path)
    rows: Iterable[tuple[int, Mapping[str, Any] | str]]
    match form:
        case "json":
            rows = _json_rows(path, content)
        case "ics":
            rows = event_calendar.rows(content, now(), zone or ZoneInfo("UTC"))
        case _:
            rows = _csv_rows(path, content)
    return import_rows(engine, rows, dry_run=dry_run, skip_bad=skip_bad, who=who)


def import_rows(
    engine: Engine,
    rows: Iterable[tuple[int, Mapping[str, Any] | str]],
    *,
    dry_run: bool = False,
    skip_bad: bool = False,
    who: str | None = None,
) -> ImportReport:
    """Bring in rows: (line, cells by column), or (line, what is wrong with it)."""
    good, errors = _checked(rows)
    stored = not dry_run and (skip_bad or not errors)
    there = [(fields, known) for fields, known, row in good if not _is_off(row)]
    given = {name for *_, row in good for name in row}
    keep = [name for name in ("category", "description", "source", "event_end") if name not in given]
    merged = merge(engine, there, keep=keep, dry_run=not stored, who=who) if there else Merged(0, 0, 0, 0)
    counts = (merged.added, merged.changed, merged.unchanged, merged.left_removed)
    notes = tuple(_notes([row for *_, row in good]))
    return ImportReport(*counts, tuple(errors), stored and bool(there), merged.twins, notes)


def form_of(path: Path) -> str:
    """The form that a file's name says; CSV where it has no ending. Raises UsageError for an ending of no form."""
    form = path.suffix[1:].lower() or "csv"
    if form not in FORMS:
        raise UsageError(f"Events are not read or written as {path.suffix}", "Name the file .csv, .json or .ics")
    return form


def written(path: Path, events: Iterable[Event], form: str | None = None) -> str:
    """The events in the `form` of FORMS that is given, or that the file's name says."""
    return {"csv": to_csv, "json": to_json, "ics": event_calendar.to_ics}[form or form_of(path)](events)


def to_csv(events: Iterable[Event]) -> str:
    """The events as CSV, all columns; `import_file` brings them back as they are."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(getattr(event, name)) for name in COLUMNS] for event in events)
    return out.getvalue()


def to_json(events: Iterable[Event]) -> str:
    """The events as a JSON list; `import_file` brings them back as they are."""
    return json.dumps([as_data(event) for event in events], indent=2, ensure_ascii=False) + "\n"


def as_data(event: Event) -> dict[str, Any]:
    """The event's file columns as JSON values, times in UTC."""
    values = {name: getattr(event, name) for name in COLUMNS}
    return {name: iso(value) if isinstance(value, datetime) else value for name, value in values.items()}


def _checked(
    rows: Iterable[tuple[int, Mapping[str, Any] | str]],
) -> tuple[list[tuple[EventFields, datetime | None, Mapping[str, Any]]], list[RowError]]:
    good: list[tuple[EventFields, datetime | None, Mapping[str, Any]]] = []
    errors: list[RowError] = []
    for line, row in rows:
        try:
            if isinstance(row, str):
                raise UsageError(row)
            fields, known = _fields(row)
        except UsageError as error:
            errors.append(RowError(line, str(error)))
        else:
            good.append((fields, known, row))
    return good, errors


def _notes(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """How rows were taken that left something open, or say more than an event."""
    left = [name for name in LEFT_OUT if any(name in row for row in rows)]
    if left:
        yield f"not taken in: {', '.join(left)}"
    removed = sum(map(_is_off, rows))
    if removed:
        yield f"left out, as removed or cancelled: {counted(removed, 'event')}"
    points = sum(not row.get("event_end") and not _is_off(row) for row in rows)
    if points:
        yield f"a point in time, without an end: {counted(points, 'event')}"
    zones = Counter(row[event_calendar.LOCAL_TO] for row in rows if event_calendar.LOCAL_TO in row)
    for zone, number in zones.items():
        yield f"in {zone}, as a whole day or without a zone of its own: {counted(number, 'event')}"


def _is_off(row: Mapping[str, Any]) -> bool:
    return bool(row.get("removed_at") or row.get(event_calendar.CANCELLED))


def _fields(row: Mapping[str, Any]) -> tuple[EventFields, datetime | None]:
    """The event of a row and when it became known. Raises InvalidEvent with all that is wrong with it."""
    problems: dict[str, str] = {}
    values: dict[str, Any] = {}
    for name in COLUMNS:
        try:
            values[name] = _READERS.get(name, _as_text)(row.get(name))
        except UsageError as error:
            problems[name] = str(error) if str(error).startswith("must ") else f"({error})"
    known = values.pop("created_at", None)
    if known is not None and known > now():
        problems["created_at"] = "must not be in the future"
    start, end = values.get("event_start"), values.get("event_end")
    values |= {"event_start": start or end or FIRST, "event_end": end or start or FIRST}
    values["source"] = values.get("source") or UNNAMED_SOURCE
    try:
        fields = cleaned(EventFields(**(_SOUND | values)))
    except InvalidEvent as wrong:
        problems = wrong.problems | problems
    if problems:
        raise InvalidEvent({name: problems[name] for name in COLUMNS if name in problems})
    return fields, known


_SOUND: dict[str, Any] = {"name": "unread", "intensity": 0.0}  # in place of what cannot be read, to check the rest


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UsageError(f"must be text, not {type(value).__name__}")
    return value


def _as_time(value: Any) -> datetime:
    if not value:
        raise UsageError("must not be empty")
    return parse_time(_as_text(value))


def _as_time_if_any(value: Any) -> datetime | None:
    return _as_time(value) if value else None


def _as_number(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        return float(value if is_number else _as_text(value))
    except (ValueError, OverflowError):
        raise UsageError(f"{value!r} is not a number") from None


_READERS: dict[str, Any] = {
    "event_start": _as_time,
    "event_end": _as_time_if_any,
    "created_at": _as_time_if_any,
    "intensity": _as_number,
}


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError(f"{path} is larger than {LARGEST // 1_000_000} MB, too large for a list of events")
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise MuskTrackerError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8: byte {error.start} is {error.object[error.start]:#04x}") from None


def _csv_rows(path: Path, content: str) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    names: list[str] = []
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            yield line, f"cannot be read as CSV: {error}"
            continue
        if not any(cells):
            continue
        if not names:
            names = [name.strip().lower() for name in cells]
            _check_names(path, names)
        elif len(cells) != len(names):
            yield line, f"has {len(cells)} cells where the header has {len(names)}"
        else:
            yield line, dict(zip(names, cells, strict=True))
    if not names:
        raise UsageError(f"{path} is empty", f"A list of events has the columns {', '.join(REQUIRED)}")


def _check_names(path: Path, names: Sequence[str]) -> None:
    missing = [name for name in REQUIRED if name not in names]
    unknown = [name for name in names if name not in COLUMNS + LEFT_OUT]
    if missing:
        raise UsageError(f"{path} has no column {missing[0]}", f"Its first line must name {', '.join(REQUIRED)}")
    if unknown or len(set(names)) < len(names):
        raise UsageError(
            f"{path} has the unknown column {unknown[0]!r}" if unknown else f"{path} names a column twice",
            f"{_perhaps(unknown[0]) if unknown else ''}Known: {', '.join(COLUMNS)}",
        )


def _json_rows(path: Path, content: str) -> list[tuple[int, Mapping[str, Any] | str]]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(found, list):
        raise UsageError(f"{path} is not a list of events", 'Write [{"name": …, "event_start": …}, …]')
    return [(line, _json_row(row)) for line, row in zip(_json_lines(content, len(found)), found, strict=True)]


def _json_lines(content: str, count: int) -> Iterator[int]:
    """The lines where the values of a list begin."""
    decoder, at, line = json.JSONDecoder(), 0, 1
    for _ in range(count):
        before = _BEFORE_VALUE.match(content, at)
        begin = before.end() if before else at
        line += content.count("\n", at, begin)
        yield line
        _, at = decoder.raw_decode(content, begin)
        line += content.count("\n", begin, at)


_BEFORE_VALUE = re.compile(r"\s*[\[,]\s*")


def _json_row(row: Any) -> Mapping[str, Any] | str:
    if not isinstance(row, dict):
        return f"is not an event but {type(row).__name__}"
    unknown = [name for name in row if name not in COLUMNS + LEFT_OUT]
    return f"has the unknown field {unknown[0]!r}. {_perhaps(unknown[0])}".rstrip(" .") if unknown else row


def _perhaps(name: str) -> str:
    """The column that was meant by another name, as a sentence; empty where none is like it."""
    close = get_close_matches(name, COLUMNS, 1)
    return f"Did you mean {close[0]!r}? " if close else ""


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return iso(value) if isinstance(value, datetime) else str(value)
