"""A table of records with a cursor: draws the rows in view alone, and repaints only those that changed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from tui.exporting import Exported, record_of
from tui.widgets.lines import LineList, fitted

Record = TypeVar("Record")
Cell = str | tuple[str, str]  # a text, or a text and its tone: dim, good, warning, bad, accent
GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    """A column of at least `width` cells, and `grow` shares of what is left over.

    Where the table is too narrow, the columns of the highest `rank` are left out first; those of rank 0 never.
    """

    title: str
    width: int
    grow: int = 0
    right: bool = False
    rank: int = 0


class RecordTable(LineList, Generic[Record]):
    """Records as rows. `cells(record)` gives the texts in the order of the columns; they may be untrusted."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", tooltip="Open the record under the cursor", id="table.open"),
    ]
    header_rows = 1

    class Opened(Message):
        """Enter was pressed on a record."""

        def __init__(self, table: RecordTable[Any]) -> None:
            super().__init__()
            self.table = table

        @property
        def control(self) -> RecordTable[Any]:
            """The table that sent it."""
            return self.table

    def __init__(
        self,
        columns: Sequence[Column],
        cells: Callable[[Record], Sequence[Cell]],
        key: Callable[[Record], Hashable],
        *,
        empty: str = "Nothing here yet",
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self.columns = tuple(columns)
        self.records: Sequence[Record] = ()
        self._empty = empty
        self._cells = cells
        self._key = key
        self._widths: tuple[int, list[int]] = (-1, [])

    @property
    def count(self) -> int:
        """How many records there are."""
        return len(self.records)

    @property
    def record(self) -> Record | None:
        """The record under the cursor."""
        return self.records[self.cursor] if self.records else None

    def set_records(self, records: Sequence[Record], *, empty: str | None = None) -> None:
        """Show these; the cursor stays on its record, and its record where it is in view."""
        before, top, thumb = self.records, self.top, self.thumb()
        key = None if self.record is None else self._key(self.record)
        self.records = records
        if empty is not None and empty != self._empty:
            self._empty = empty
            self.refresh()
        if key is not None and not (self.cursor < len(records) and self._key(records[self.cursor]) == key):
            at = next((i for i, record in enumerate(records) if self._key(record) == key), self.cursor)
            self.top, self.cursor = self.top + at - self.cursor, at
        self.rows_changed(repaint=False)
        if (top, thumb) != (self.top, self.thumb()) or len(before) != len(records):
            self.refresh()
        else:
            for i in range(top, min(top + self.rows_in_view, len(records))):
                if before[i] != records[i]:
                    self.refresh_row(i)
        if self.record is not None and self._key(self.record) != key:
            self.post_message(self.Moved(self))

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Show others; `cells` gives the texts of these from now on."""
        self.columns = tuple(columns)
        self._widths = (-1, [])
        self.refresh()

    def select(self, key: Hashable) -> bool:
        """Put the cursor on the record with this key; False where there is none."""
        for i, record in enumerate(self.records):
            if self._key(record) == key:
                self.move_to(i)
                return True
        return False

    def exported(self) -> Exported | None:
        """All records, those that are out of view too."""
        if not self.records:
            return None
        rows = [
            [cell[0] if isinstance(cell, tuple) else cell for cell in self._cells(record)] for record in self.records
        ]
        return Exported([record_of(record) for record in self.records], [c.title for c in self.columns], rows)

    def action_open(self) -> None:
        """Tell that the record under the cursor is wanted."""
        if self.record is not None:
            self.post_message(self.Opened(self))

    def header_strip(self, y: int, width: int) -> Strip:  # noqa: ARG002
        """The columns' titles."""
        style = self.base_style + self.style("header")
        texts = [
            fitted(column.title, cells, right=column.right)
            for column, cells in zip(self.columns, self._fit(width), strict=True)
            if cells
        ]
        return Strip([Segment((" " * GAP).join(texts), style)]).adjust_cell_length(width, style)

    def row_strip(self, index: int, width: int, base: Style) -> Strip:
        """One record; neighbours of one tone are one segment."""
        segments: list[Segment] = []
        cells = self._cells(self.records[index])
        for column, cell, size in zip(self.columns, cells, self._fit(width), strict=True):
            if not size:
                continue
            text, tone = cell if isinstance(cell, tuple) else (cell, "")
            text = fitted(text, size, right=column.right) + " " * GAP
            style = base + self.style(tone) if tone else base
            if segments and segments[-1].style == style:
                segments[-1] = Segment(segments[-1].text + text, style)
            else:
                segments.append(Segment(text, style))
        return Strip(segments)

    def render_line(self, y: int) -> Strip:
        """One line of the screen; an empty table says so."""
        if y == self.header_rows and not self.records:
            style = self.base_style + self.style("dim")
            return Strip([Segment(fitted(self._empty, self.size.width), style)])
        return super().render_line(y)

    def _fit(self, width: int) -> list[int]:
        if self._widths[0] == width:
            return self._widths[1]
        wanted = [column.width for column in self.columns]
        for i in sorted(range(len(wanted)), key=lambda i: -self.columns[i].rank):
            if self.columns[i].rank == 0 or _total(wanted) <= width:
                break
            wanted[i] = 0
        left = max(width - _total(wanted), 0)
        shares = sum(column.grow for column, size in zip(self.columns, wanted, strict=True) if size)
        fit = [
            size + (left * column.grow // shares if size and shares else 0)
            for column, size in zip(self.columns, wanted, strict=True)
        ]
        self._widths = (width, fit)
        return fit


def _total(widths: Sequence[int]) -> int:
    return sum(width + GAP for width in widths if width) - GAP
