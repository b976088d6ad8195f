"""What a screen shows, as a file: tables and series as CSV, JSON or Markdown, the screen or a part of it as SVG."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, overload, runtime_checkable

from rich.console import Console as RichConsole
from rich.segment import Segment, Segments

from musktracker.errors import MuskTrackerError
from musktracker.text import printable
from musktracker.timeline import iso

if TYPE_CHECKING:
    from textual.screen import Screen
    from textual.widget import Widget

DIGITS = 12  # of a number: those after them are what sums leave behind


@dataclass(frozen=True, slots=True)
class Exported:
    """Records with all their fields, and the same as the screen shows them: titles of columns and rows of text."""

    records: Sequence[Mapping[str, Any]]
    titles: Sequence[str]
    rows: Sequence[Sequence[str]]

    def as_csv(self) -> str:
        """A line a record, times in UTC; what has parts of its own as JSON."""
        return "".join(self.pieces("csv"))

    def as_json(self) -> str:
        """A list of objects, times in UTC."""
        return "".join(self.pieces("json"))

    def as_markdown(self) -> str:
        """The table as the screen shows it."""
        return "".join(self.pieces("md"))

    def pieces(self, form: str) -> Iterator[str]:
        """The same as `csv`, `json` or `md`, a record at a time: many records are never all in memory."""
        return {"csv": self._csv, "json": self._json, "md": self._markdown}[form]()

    def _csv(self) -> Iterator[str]:
        out = io.StringIO()
        names = list(dict.fromkeys(name for record in self.records for name in record))
        writer = csv.DictWriter(out, names, lineterminator="\n")
        writer.writeheader()
        for record in self.records:
            writer.writerow({name: _cell(value) for name, value in record.items()})
            yield out.getvalue()
            out.seek(0)
            out.truncate()
        yield out.getvalue()

    def _json(self) -> Iterator[str]:
        for i, record in enumerate(self.records):
            text = _json(_plain(record), indent=2)
            yield (",\n  " if i else "[\n  ") + text.replace("\n", "\n  ")
        yield "\n]\n" if self.records else "[]\n"

    def _markdown(self) -> Iterator[str]:
        for line in chain([self.titles, ["---"] * len(self.titles)], self.rows):
            yield "| " + " | ".join(map(_markdown, line)) + " |\n"


class Mapped(Sequence[list[str]]):
    """Rows of text that are made of records only where they are read."""

    def __init__(self, records: Sequence[Mapping[str, Any]], row: Callable[[Mapping[str, Any]], list[str]]) -> None:
        self._records = records
        self._row = row

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> list[str]: ...
    @overload
    def __getitem__(self, index: slice) -> Mapped: ...
    def __getitem__(self, index: int | slice) -> list[str] | Mapped:
        if isinstance(index, slice):
            return Mapped(self._records[index], self._row)
        return self._row(self._records[index])


@dataclass(frozen=True, slots=True)
class Part:
    """A widget of a screen that can be written: what it is called, what it holds, and its picture in SVG."""

    title: str
    exported: Exported
    picture: Callable[[], str]


@runtime_checkable
class Exportable(Protocol):
    """A widget whose contents can leave the console."""

    def exported(self) -> Exported | None:
        """What it holds now; None where it holds nothing."""
        ...


def of_series(records: Sequence[Mapping[str, Any]]) -> Exported | None:
    """Points of a drawing, each with the same names; None where there is none."""
    if not records:
        return None
    rows = [["" if value is None else str(_plain(value)) for value in record.values()] for record in records]
    return Exported(records, list(records[0]), rows)


def parts_of(screen: Screen[Any], title: str) -> list[Part]:
    """What of a screen can be written; first what has the focus. Its pictures are named after the `title` too."""
    parts = []
    rows = screen._compositor.render_strips(screen.app.size)
    for widget in sorted(screen.query("*").results(), key=lambda each: each is not screen.focused):
        exported = widget.exported() if isinstance(widget, Exportable) and widget.region else None
        if exported is not None:
            region, name = widget.region, _title_of(widget)
            part = [row.crop(region.x, region.right) for row in rows[region.y : region.bottom]]
            parts.append(Part(name, exported, partial(_picture, part, region.width, f"{title} · {name}")))
    return parts


def record_of(value: Any) -> dict[str, Any]:
    """A dataclass as a mapping of its fields; its parts stay as they are."""
    if not is_dataclass(value):
        return {"value": value}
    return {field.name: getattr(value, field.name) for field in fields(value)}


def write_file(path: Path, text: Iterable[str], *, replace: bool) -> None:
    """Write a file's pieces, whole or not at all. Raises MuskTrackerError where it exists or cannot be written."""
    if path.exists() and not replace:
        raise MuskTrackerError(f"{path} exists", "Choose another name, or to replace it")
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8") as file:
            file.writelines(text)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise MuskTrackerError(f"{path} cannot be written: {error.strerror}") from None


def _title_of(widget: Widget) -> str:
    """What a widget is called: as its frame says, or as its kind is named."""
    frames = (getattr(node, "border_title", None) for node in (widget, widget.parent))
    framed = next((str(title) for title in frames if title), "")
    return framed.partition(" · ")[0] or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(widget).__name__).lower()


def _picture(rows: Sequence[Iterable[Segment]], width: int, title: str) -> str:
    """Rows of a screen as an SVG picture."""
    console = RichConsole(
        width=width,
        height=len(rows),
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        record=True,
        legacy_windows=False,
    )
    for row in rows:
        console.print(Segments([*row, Segment.line()]), end="")
    return console.export_svg(title=title)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if is_dataclass(value):
        return _plain(record_of(value))
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.{DIGITS}g}")
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _cell(value: Any) -> Any:
    plain = _plain(value)
    return _json(plain) if isinstance(plain, dict | list) else plain


def _json(plain: Any, indent: int | None = None) -> str:
    return json.dumps(_finite(plain), indent=indent, ensure_ascii=False, allow_nan=False)


def _finite(plain: Any) -> Any:
    """The same with null for numbers that JSON has no words for."""
    if isinstance(plain, dict):
        return {name: _finite(part) for name, part in plain.items()}
    if isinstance(plain, list):
        return [_finite(part) for part in plain]
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


def _markdown(text: str) -> str:
    return printable(text).strip().replace("\\", "\\\\").replace("|", "\\|")
