"""Rows drawn one by one from an index: a hundred thousand cost no more than the few in view."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from musktracker.text import printable

TRACK, THUMB = "│", "┃"
LONGEST_LINE = 1_000  # characters that are looked at of what others wrote: more than any terminal shows of it
AHEAD = 3  # a step over the edge scrolls on by this part of what is in view


class LineList(Widget, can_focus=True):
    """A cursor over `count` rows, of which only those in view are ever drawn.

    A subclass gives `count` and `row_strip`; it may have `header_rows` that stay at the top. It calls `rows_changed`
    after its rows changed, and overrides `moved` to learn that the user moved the cursor.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "lines--cursor",
        "lines--header",
        "lines--dim",
        "lines--good",
        "lines--warning",
        "lines--bad",
        "lines--accent",
        "lines--track",
    }
    DEFAULT_CSS = """
    LineList {
        height: 1fr;
        background: $background;
        color: $foreground;
        & > .lines--cursor { background: $block-cursor-blurred-background; }
        & > .lines--header { color: $text-muted; }
        & > .lines--dim { color: $text-muted; }
        & > .lines--good { color: $success; }
        & > .lines--warning { color: $warning; }
        & > .lines--bad { color: $error; }
        & > .lines--accent { color: $accent; }
        & > .lines--track { color: $border; }
        &:focus > .lines--cursor { background: $block-cursor-background; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", "Down", show=False, tooltip="Move the cursor down", id="lines.down"),
        Binding("k,up", "move(-1)", "Up", show=False, tooltip="Move the cursor up", id="lines.up"),
        Binding("pagedown", "page(1)", "Page down", show=False, tooltip="Move a page down", id="lines.pagedown"),
        Binding("pageup", "page(-1)", "Page up", show=False, tooltip="Move a page up", id="lines.pageup"),
        Binding("g,home", "first", "First", show=False, tooltip="Go to the first row", id="lines.first"),
        Binding("G,end", "last", "Last", show=False, tooltip="Go to the last row", id="lines.last"),
    ]

    header_rows: ClassVar[int] = 0

    class Moved(Message):
        """The cursor came to another row, or there is none any more."""

        def __init__(self, lines: LineList) -> None:
            super().__init__()
            self.lines = lines

        @property
        def control(self) -> LineList:
            """The list that sent it."""
            return self.lines

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.cursor = 0
        self.top = 0
        self._styles_by_name: dict[str, Style] = {}

    @property
    def count(self) -> int:
        """How many rows there are."""
        raise NotImplementedError

    @property
    def rows_in_view(self) -> int:
        """How many rows fit."""
        return max(self.size.height - self.header_rows, 1)

    def row_strip(self, index: int, width: int, base: Style) -> Strip:
        """One row, drawn over `base`; it is cut or padded to the width."""
        raise NotImplementedError

    def header_strip(self, y: int, width: int) -> Strip:
        """One of the rows that stay at the top."""
        raise NotImplementedError

    def moved(self) -> None:
        """The user moved the cursor."""

    @property
    def base_style(self) -> Style:
        """The list's own colours; unlike `rich_style` they are looked up once."""
        return self.visual_style.rich_style

    def style(self, name: str) -> Style:
        """The style of a kind of text (`dim`, `good`, `warning`, `bad`, `accent`…), without its background."""
        found = self._styles_by_name.get(name)
        if found is None:
            whole = self.get_component_rich_style(f"lines--{name}")
            found = self._styles_by_name[name] = Style(color=whole.color, bold=whole.bold or None)
        return found

    def notify_style_update(self) -> None:
        """Look the styles up anew."""
        self._styles_by_name.clear()
        super().notify_style_update()

    def rows_changed(self, *, repaint: bool = True) -> None:
        """Keep cursor and view inside the rows, and paint them anew."""
        before = (self.cursor, self.top)
        self.cursor = min(max(self.cursor, 0), max(self.count - 1, 0))
        self._keep_in_view()
        if repaint or before != (self.cursor, self.top):
            self.refresh()

    def refresh_row(self, index: int) -> None:
        """Paint one row anew, if it is in view."""
        y = index - self.top
        if 0 <= y < self.rows_in_view:
            self.refresh(Region(0, y + self.header_rows, self.size.width, 1))

    def thumb(self) -> tuple[int, int]:
        """Where the scroll mark begins, and how many rows it is long."""
        rows = self.rows_in_view
        size = max(rows * rows // max(self.count, 1), 1)
        return round((rows - size) * self.top / max(self.count - rows, 1)), size

    def thumb_covers(self, row: int) -> bool:
        """Whether the scroll mark is beside this row of those in view."""
        start, size = self.thumb()
        return start <= row < start + size

    def move_to(self, index: int) -> None:
        """Put the cursor on a row, and that row in view."""
        index = min(max(index, 0), max(self.count - 1, 0))
        if index == self.cursor:
            self._show_cursor(self.cursor)
            return
        before, self.cursor = self.cursor, index
        self._show_cursor(before)
        self.post_message(self.Moved(self))

    def action_move(self, by: int) -> None:
        """Move the cursor by rows."""
        self.move_to(self.cursor + by)
        self.moved()

    def action_page(self, by: int) -> None:
        """Move the cursor by pages."""
        self.move_to(self.cursor + by * max(self.rows_in_view - 1, 1))
        self.moved()

    def action_first(self) -> None:
        """Go to the first row."""
        self.move_to(0)
        self.moved()

    def action_last(self) -> None:
        """Go to the last row."""
        self.move_to(self.count - 1)
        self.moved()

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        width = self.size.width
        base = self.base_style
        rows = self.rows_in_view
        scrolls = self.count > rows
        if y < self.header_rows:  # as wide as the rows below it, beside whose end the scroll mark is
            return self.header_strip(y, width - scrolls).adjust_cell_length(width, base)
        index = self.top + y - self.header_rows
        if index >= self.count:
            return Strip.blank(width, base)
        if index == self.cursor:
            cursor = self.get_component_rich_style("lines--cursor")
            base += Style(bgcolor=cursor.bgcolor, bold=cursor.bold or None)
        strip = self._row_or_why_not(index, width - scrolls, base).adjust_cell_length(width - scrolls, base)
        if not scrolls:
            return strip
        mark = THUMB if self.thumb_covers(y - self.header_rows) else TRACK
        return Strip.join([strip, Strip([Segment(mark, self.base_style + self.style("track"))], 1)])

    def on_resize(self) -> None:
        """Another size shows other rows; it may have been painted before this was told."""
        self.rows_changed(repaint=False)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll by the wheel, where the mouse is on."""
        event.stop()
        self.action_move(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll by the wheel, where the mouse is on."""
        event.stop()
        self.action_move(-3)

    def on_click(self, event: events.Click) -> None:
        """Go to the row under the pointer."""
        if event.y >= self.header_rows:
            self.move_to(self.top + event.y - self.header_rows)
            self.moved()

    def _row_or_why_not(self, index: int, width: int, base: Style) -> Strip:
        """A row; others write them too, and one that cannot be shown is no reason to end."""
        try:
            return self.row_strip(index, width, base)
        except Exception as error:
            words = f"This row cannot be shown: {type(error).__name__}: {error}"
            return Strip([Segment(fitted(words, width), base + self.style("bad"))])

    def _show_cursor(self, before: int) -> None:
        top = self.top
        self._keep_in_view()
        if self.top != top:
            if abs(self.top - top) == 1:  # over an edge by one: the next steps need not paint every row again
                self.top += (self.top - top) * (self.rows_in_view // AHEAD)
                self.top = min(max(self.top, 0), max(self.count - self.rows_in_view, 0))
            self.refresh()
        elif before != self.cursor:
            self.refresh_row(before)
            self.refresh_row(self.cursor)

    def _keep_in_view(self) -> None:
        rows = self.rows_in_view
        if self.cursor < self.top:
            self.top = self.cursor
        elif self.cursor >= self.top + rows:
            self.top = self.cursor - rows + 1
        self.top = min(max(self.top, 0), max(self.count - rows, 0))


def fitted(text: str, width: int, *, right: bool = False) -> str:
    """Untrusted text as exactly `width` cells: made printable, cut with an ellipsis, or padded."""
    text = printable(text[:LONGEST_LINE])
    length = len(text) if text.isascii() else cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…" if width > 0 else ""
    padding = " " * (width - length)
    return padding + text if right else text + padding


def of_widget(widget: Widget, strips: list[Strip], crop: Region) -> list[Strip]:
    """Rows that a widget without a border has drawn, as the toolkit wants them of its `render_lines`."""
    ground = widget.background_colors[1]
    for line_filter in widget.get_line_filters():
        strips = [strip.apply_filter(line_filter, ground) for strip in strips]
    whole = crop.column_span == (0, widget.outer_size.width)
    return strips if whole else [strip.crop(*crop.column_span) for strip in strips]
