"""Events in files: CSV, JSON and calendars, in and out, with nothing lost on the way.

A file row is an event's fields, and optionally `created_at`: when it became known, for events that were announced
before they were typed in. Times need their offset (a trailing Z for UTC), but for those of a calendar.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from musktracker.errors import MuskTrackerError, UsageError
from musktracker.pipeline import event_calendar
from musktracker.pipeline.events import Event, EventFields, InvalidEvent, Merged, cleaned, merge
from musktracker.timeline import iso, now, parse_time

REQUIRED = ("name", "event_start", "event_end", "intensity")
COLUMNS = ("name", "category", "event_start", "event_end", "intensity", "description", "source", "created_at")
LARGEST = 20_000_000  # bytes
UNNAMED_SOURCE = "import"


@dataclass(frozen=True, slots=True)
class RowError:
    """A row that cannot be an event: its line in a CSV file, or its place in a list or calendar, from 1."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, or would do: nothing is stored while `stored` is false.

    `twins` is how many of the added have the name and start of another event.
    """

    added: int
    changed: int
    unchanged: int
    left_removed: int
    errors: tuple[RowError, ...]
    stored: bool
    twins: int = 0

    @property
    def good(self) -> int:
        """How many rows are events."""
        return self.added + self.changed + self.unchanged + self.left_removed


def import_file(
    engine: Engine,
    path: Path,
    *,
    zone: ZoneInfo | None = None,
    dry_run: bool = False,
    skip_bad: bool = False,
    who: str | None = None,
) -> ImportReport:
    """Bring in the events of a file: JSON or a calendar (.ics) where it is named so, else CSV.

    An event with the name and start of a stored one is that event: changed where the file says otherwise. A second
    row with the same name and start is a second event, since events may be stored so and what is exported must come
    back: see `events.merge`. Nothing is stored where a row is wrong, unless `skip_bad`. `zone` (UTC) is of the days
    and times of a calendar that name none. Raises UsageError where the file is none of the three.
    """
    content = _text(path)
    rows: Iterable[tuple[int, Mapping[str, Any] | str]]
    match path.suffix.lower():
        case ".json":
            rows = _json_rows(path, content)
        case ".ics":
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
    entries = [(fields, known) for fields, known, _ in good]
    given = {name for *_, names in good for name in names}
    keep = [name for name in ("category", "description", "source") if name not in given]
    merged = merge(engine, entries, keep=keep, dry_run=not stored, who=who) if entries else Merged(0, 0, 0, 0)
    counts = (merged.added, merged.changed, merged.unchanged, merged.left_removed)
    return ImportReport(*counts, tuple(errors), stored and bool(good), merged.twins)


def written(path: Path, events: Iterable[Event]) -> str:
    """The events in the form that a file's name asks for: JSON, a calendar (.ics), else CSV."""
    form = {".json": to_json, ".ics": event_calendar.to_ics}.get(path.suffix.lower(), to_csv)
    return form(events)


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
) -> tuple[list[tuple[EventFields, datetime | None, Sequence[str]]], list[RowError]]:
    good: list[tuple[EventFields, datetime | None, Sequence[str]]] = []
    errors: list[RowError] = []
    for line, row in rows:
        try:
            if isinstance(row, str):
                raise UsageError(row)
            fields, known = _fields(row)
        except UsageError as error:
            errors.append(RowError(line, str(error)))
        else:
            good.append((fields, known, tuple(row)))
    return good, errors


def _fields(row: Mapping[str, Any]) -> tuple[EventFields, datetime | None]:
    problems: dict[str, str] = {}
    values: dict[str, Any] = {}
    for name in COLUMNS:
        try:
            values[name] = _READERS.get(name, _as_text)(row.get(name))
        except UsageError as error:
            problems[name] = str(error)
    known = values.pop("created_at", None)
    if known is not None and known > now():
        problems["created_at"] = "must not be in the future"
    if problems:
        raise InvalidEvent({name: f"({problem})" for name, problem in problems.items()})
    values["source"] = values["source"] or UNNAMED_SOURCE
    return cleaned(EventFields(**values)), known


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


def _as_known(value: Any) -> datetime | None:
    return _as_time(value) if value else None


def _as_number(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        return float(value if is_number else _as_text(value))
    except (ValueError, OverflowError):
        raise UsageError(f"{value!r} is not a number") from None


_READERS: dict[str, Any] = {
    "event_start": _as_time,
    "event_end": _as_time,
    "created_at": _as_known,
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
    unknown = [name for name in names if name not in COLUMNS]
    if missing:
        raise UsageError(f"{path} has no column {missing[0]}", f"Its first line must name {', '.join(REQUIRED)}")
    if unknown or len(set(names)) < len(names):
        raise UsageError(
            f"{path} has the unknown column {unknown[0]!r}" if unknown else f"{path} names a column twice",
            f"Known: {', '.join(COLUMNS)}",
        )


def _json_rows(path: Path, content: str) -> list[tuple[int, Mapping[str, Any] | str]]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(found, list):
        raise UsageError(f"{path} is not a list of events", 'Write [{"name": …, "event_start": …}, …]')
    return [(i, _json_row(row)) for i, row in enumerate(found, 1)]


def _json_row(row: Any) -> Mapping[str, Any] | str:
    if not isinstance(row, dict):
        return f"is not an event but {type(row).__name__}"
    unknown = [name for name in row if name not in COLUMNS]
    return f"has the unknown field {unknown[0]!r}" if unknown else row


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return iso(value) if isinstance(value, datetime) else str(value)
