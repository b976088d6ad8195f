"""A table of records with a cursor: filtered, sorted, drawn row by row, and repainted only where it changed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual import on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from musktracker.text import printable
from tui.exporting import Exported, record_of
from tui.widgets.filter_line import FilterLine
from tui.widgets.lines import LineList, fitted

if TYPE_CHECKING:
    from tui.app import Console

Record = TypeVar("Record")
Cell = str | tuple[str, str]  # a text, or a text and its tone: dim, good, warning, bad, accent
GAP = 2
RISING, FALLING = "↑", "↓"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of at least `width` cells, and `grow` shares of what is left over.

    Where the table is too narrow, the columns of the highest `rank` are left out first; those of rank 0 never. Rows
    can be sorted by what `order` gives for a record, the largest first where it is `falling`; None comes last.
    """

    title: str
    width: int
    grow: int = 0
    right: bool = False
    rank: int = 0
    order: Callable[[Any], Any] | None = None
    falling: bool = False


class RecordTable(LineList, Generic[Record]):
    """Records as rows. `cells(record)` gives the texts in the order of the columns; they may be untrusted.

    What is typed as a filter, and by which column rows are sorted, is kept under the name `memory`.
    """

    app: Console
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", tooltip="Open the record under the cursor", id="table.open"),
        Binding(
            "slash", "filter", "Filter", key_display="/", tooltip="Show what holds some words", id="table.filter"
        ),
        Binding("o", "sort", "Sort", show=False, tooltip="Sort by the next column, or as at first", id="table.sort"),
        Binding("O", "reverse", "Reverse", show=False, tooltip="Sort the other way round", id="table.reverse"),
        Binding("escape", "unfilter", "Show all", show=False, tooltip="Show all again", id="table.unfilter"),
    ]
    header_rows = 1

    class Opened(Message, bubble=False):
        """Enter was pressed on a record."""

        def __init__(self, table: RecordTable[Any]) -> None:
            super().__init__()
            self.table = table

        @property
        def control(self) -> RecordTable[Any]:
            """The table that sent it."""
            return self.table

    class Filtered(Message):
        """Another filter was typed."""

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
        memory: str = "",
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self.columns = tuple(columns)
        self.records: Sequence[Record] = ()
        self.filter_text = ""
        self.sorted_by: tuple[str, bool] | None = None  # the title of a column, and whether the largest is first
        self._all: Sequence[Record] = ()
        self._texts: dict[Hashable, tuple[Record, str]] = {}
        self._filter_line: FilterLine | None = None
        self._memory = memory
        self._told = ""  # what `found_nothing` was when it was last told that the cursor moved
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

    @property
    def found_nothing(self) -> str:
        """Where the filter leaves nothing, that it is so, and how to see all: for what tells of a row."""
        words = self.filter_text.strip()
        return "" if self.records or not words else f"Nothing here holds “{printable(words)}”; esc shows all"

    @property
    def rows_in_view(self) -> int:
        """How many rows fit, above the filter where there is one."""
        return max(self.size.height - self.header_rows - self._filtering, 1)

    def set_records(self, records: Sequence[Record], *, empty: str | None = None) -> None:
        """Show those of these that the filter leaves; the cursor stays on its record, where that is in view."""
        self._all = records
        if empty is not None and empty != self._empty:
            self._empty = empty
            self.refresh()
        self._show_records(self._arranged())

    def searched(self, record: Record) -> str:
        """The text of a record in which a filter looks: its cells, also those there is no room for."""
        return " ".join(self._row_texts(record))

    def set_filter(self, text: str) -> None:
        """Show only the records that hold all words of a text, whatever their case."""
        if text != self.filter_text:
            self.filter_text = text
            self._remember("filter", text)
            self._show_records(self._arranged())
            self.post_message(self.Filtered(self))

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

    def reveal(self, key: Hashable) -> bool:
        """The same, without a filter that would hide it."""
        if not self.select(key) and any(self._key(record) == key for record in self._all):
            self.action_unfilter()
        return self.select(key)

    def exported(self) -> Exported | None:
        """All records that the filter leaves, those that are out of view too."""
        if not self.records:
            return None
        rows = [self._row_texts(record) for record in self.records]
        return Exported([record_of(record) for record in self.records], [c.title for c in self.columns], rows)

    async def action_open(self) -> None:
        """Tell that the record under the cursor is wanted. It is heard at once, before another Enter asks again."""
        if self.record is not None:
            opened = self.Opened(self)
            for holder in self.ancestors:
                await holder._on_message(opened)

    async def action_filter(self) -> None:
        """Ask which records to show."""
        (await self._made_filter_line()).open()

    def action_unfilter(self) -> None:
        """Show all records again, and no more asking."""
        if self._filter_line is not None:
            self._filter_line.clear()
        self.set_filter("")
        self._close_filter()

    def action_sort(self) -> None:
        """Sort by the next column that is shown, or as at first after the last."""
        shown = zip(self.columns, self._fit(self.size.width), strict=True)
        titles = [column.title for column, cells in shown if column.order is not None and cells]
        at = titles.index(self.sorted_by[0]) + 1 if self.sorted_by and self.sorted_by[0] in titles else 0
        column = next((each for each in self.columns if each.title in titles[at : at + 1]), None)
        self._sort(None if column is None else (column.title, column.falling))

    def action_reverse(self) -> None:
        """Sort the other way round."""
        if self.sorted_by is not None:
            self._sort((self.sorted_by[0], not self.sorted_by[1]))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape is the filter's only while there is one, and sorting is for tables with columns for it."""
        if action == "filter":
            return self.is_attached  # a key may come once the screen is on its way out
        if action == "unfilter":
            return self._filtering
        if action in ("sort", "reverse"):
            return any(column.order is not None for column in self.columns)
        return super().check_action(action, parameters)

    async def on_mount(self) -> None:
        """Be filtered and sorted as when last left."""
        memory = self.app.memory if self._memory else {}
        found = memory.get(f"{self._memory}_sort")
        if isinstance(found, list) and found[:1] and found[0] in [column.title for column in self.columns]:
            self.sorted_by = (found[0], bool(found[-1]))
        text = memory.get(f"{self._memory}_filter")
        if isinstance(text, str) and text:
            self.filter_text = text
            await self._made_filter_line()
            self.post_message(self.Filtered(self))
        self._show_records(self._arranged())

    def header_strip(self, y: int, width: int) -> Strip:  # noqa: ARG002
        """The columns' titles."""
        style = self.base_style + self.style("header")
        texts = [
            fitted(f"{self._sort_mark(column)}{column.title}", cells, right=column.right)
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
            tone = cell[1] if isinstance(cell, tuple) else ""
            text = fitted(_text(cell), size, right=column.right) + " " * GAP
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
            return Strip([Segment(fitted(self.found_nothing or self._empty, self.size.width), style)])
        return super().render_line(y)

    @on(FilterLine.Typed)
    def _filter_typed(self, event: FilterLine.Typed) -> None:
        event.stop()
        self.set_filter(event.text)

    @on(FilterLine.Done)
    def _close_filter(self, event: FilterLine.Done | None = None) -> None:
        if event is not None:
            event.stop()
        if self._filter_line is not None:
            self._filter_line.display = bool(self._words)
        self.rows_changed()
        self.focus()

    @property
    def _filtering(self) -> bool:
        return self._filter_line is not None and bool(self._filter_line.display)

    @property
    def _words(self) -> list[str]:
        return self.filter_text.casefold().split()

    async def _made_filter_line(self) -> FilterLine:
        if self._filter_line is None:
            line = FilterLine(self.filter_text)
            await self.mount(line)
            self._filter_line = line
            self._tell_found()
        return self._filter_line

    def _arranged(self) -> Sequence[Record]:
        """The records that the filter leaves, in the order that was asked for."""
        words = self._words
        found: Sequence[Record] = self._all
        if words:
            before, self._texts = self._texts, {}
            found = [record for record in found if self._holds(record, words, before)]
        by = next((column for column in self.columns if self.sorted_by and column.title == self.sorted_by[0]), None)
        if by is None or by.order is None or self.sorted_by is None:
            return found
        order = by.order
        placed = [(_place(order, record), record) for record in found]
        known = [one for one in placed if one[0] is not None]
        known.sort(key=lambda one: one[0], reverse=self.sorted_by[1])
        return [record for _, record in (*known, *(one for one in placed if one[0] is None))]

    def _row_texts(self, record: Record) -> list[str]:
        """The texts of a row; one that cannot be shown has none, as others write them too."""
        try:
            return [_text(cell) for cell in self._cells(record)]
        except Exception:
            return [""] * len(self.columns)

    def _searched_or_nothing(self, record: Record) -> str:
        try:
            return self.searched(record).casefold()
        except Exception:  # as above
            return ""

    def _holds(self, record: Record, words: Sequence[str], before: dict[Hashable, tuple[Record, str]]) -> bool:
        key = self._key(record)
        kept = before.get(key)
        if kept is None or kept[0] != record:
            kept = (record, self._searched_or_nothing(record))
        self._texts[key] = kept
        return all(word in kept[1] for word in words)

    def _show_records(self, records: Sequence[Record]) -> None:
        before, top, thumb = self.records, self.top, self.thumb()
        key = None if self.record is None else self._key(self.record)
        self.records = records
        if key is not None and not (self.cursor < len(records) and self._key(records[self.cursor]) == key):
            at = next((i for i, record in enumerate(records) if self._key(record) == key), self.cursor)
            if self.top or at >= self.rows_in_view:  # from the first row on, what is new above is shown
                self.top += at - self.cursor
            self.cursor = at
        self.rows_changed(repaint=False)
        if (top, thumb) != (self.top, self.thumb()) or len(before) != len(records):
            self.refresh()
        else:
            for i in range(top, min(top + self.rows_in_view, len(records))):
                if before[i] != records[i]:
                    self.refresh_row(i)
        self._tell_found()
        told, self._told = self._told, self.found_nothing
        if (key, told) != (None if self.record is None else self._key(self.record), self._told):
            self.post_message(self.Moved(self))

    def _tell_found(self) -> None:
        if self._filter_line is not None:
            found = f"{len(self.records):,} of {len(self._all):,}   esc shows all"
            self._filter_line.tell(found if self._words else "esc leaves")

    def _sort(self, by: tuple[str, bool] | None) -> None:
        self.sorted_by = by
        self._remember("sort", by)
        self._show_records(self._arranged())
        self.refresh()

    def _sort_mark(self, column: Column) -> str:
        if self.sorted_by is None or column.order is None or column.title != self.sorted_by[0]:
            return ""
        return FALLING if self.sorted_by[1] else RISING

    def _remember(self, what: str, value: Any) -> None:
        if self._memory:
            self.app.remember(**{f"{self._memory}_{what}": value})

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


def _place(order: Callable[[Any], Any], record: Any) -> Any:
    """What a record is sorted by; None where that cannot be told."""
    try:
        return order(record)
    except Exception:
        return None


def _text(cell: Cell) -> str:
    return cell[0] if isinstance(cell, tuple) else cell


def _total(widths: Sequence[int]) -> int:
    return sum(width + GAP for width in widths if width) - GAP
