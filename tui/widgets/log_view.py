"""A run's log: follows at the end, filters by level, searches, copies; bounded, and paints only what changed."""

from __future__ import annotations

import asyncio
import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.segment import Segment
from rich.style import Style
from textual.cache import LRUCache
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.timer import Timer

from musktracker.config import LOG_LEVELS
from musktracker.text import counted, printable
from tui.copying import copy
from tui.exporting import Exported, Mapped
from tui.widgets.lines import LineList, of_widget
from tui.widgets.log_lines import CAPACITY, ERROR, LogLines, fields_text
from tui.working import begin

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from musktracker.run_log import LogLine
    from tui.app import Console

TELL_SECONDS = 0.25  # at least, between two repaints of how many older lines there are
DRAWN = 256  # rows that are kept as they were drawn
SLICE = 4_000  # lines searched before the event loop has its turn
MARKS = ("  ", "  ", "W ", "E ")
COLOURS = ("dim", "", "warning", "bad")


class LogView(LineList):
    """The lines of a log, the newest followed until the cursor leaves the end."""

    app: Console

    class Changed(Message):
        """What the title says of the view changed."""

        def __init__(self, view: LogView) -> None:
            super().__init__()
            self.view = view

        @property
        def control(self) -> LogView:
            """The view that sent it."""
            return self.view

        def can_replace(self, message: Message) -> bool:
            """Only the newest state is told."""
            return isinstance(message, type(self))

    def __init__(self, *, id: str | None = None, capacity: int = CAPACITY) -> None:
        super().__init__(id=id)
        self.lines = LogLines(capacity)
        self.following = True
        self.unseen = 0
        self.mark: int | None = None
        self.query_text = ""
        self.found = array("i")
        self.searching = False
        self._shift = 0
        self._telling: Timer | None = None
        self._drawn: LRUCache[Hashable, Strip] = LRUCache(DRAWN)

    @property
    def count(self) -> int:
        """How many lines are shown."""
        return len(self.lines.shown)

    @property
    def number(self) -> int | None:
        """The number of the line under the cursor."""
        return self.lines.shown[self.cursor] if self.count else None

    def clear(self) -> None:
        """Begin anew, for another run."""
        self._drawn.clear()
        threshold = self.lines.threshold
        self.lines = LogLines(self.lines.capacity)
        self.lines.set_threshold(threshold)
        self.cursor = self.top = self.unseen = self._shift = 0
        self.following, self.mark = True, None
        self.search("")
        self.rows_changed()

    def append(self, lines: Sequence[LogLine]) -> None:
        """Add the newest lines."""
        if not lines:
            return
        at, before = self._place(), self.count
        rows = self.lines.append(lines)
        if not rows and self.count == before:
            return
        if self.query_text and not self.searching:
            self.found.extend(self.lines.matches(self.query_text, range(max(self.count - rows, 0), self.count)))
            self._forget_gone()
        if self.following:
            self.cursor = max(self.count - 1, 0)
            self.rows_changed()
        else:
            self.unseen += rows
            self._return_to(at)

    def prepend(self, lines: Sequence[LogLine]) -> None:
        """Add older lines; what is in view stays, and a moment later it is told how many they are now."""
        number, offset = self._place()
        self.lines.prepend(lines)
        if number is not None:
            self.cursor = self.lines.row(number)
            self.top = self.cursor - offset
        if self._telling is None:
            self._telling = self.set_timer(TELL_SECONDS, self._tell)

    def set_level(self, threshold: int) -> None:
        """Show lines of this level and above; the cursor stays at its line or the next one shown."""
        at = self._place()
        self.lines.set_threshold(threshold)
        self._return_to(at)
        if self.following:
            self.cursor = max(self.count - 1, 0)
        self.rows_changed()
        if self.query_text:
            self.search(self.query_text, jump=False)
        self.post_message(self.Changed(self))

    def set_following(self, following: bool) -> None:
        """Follow the newest line, or stay."""
        self.following = following
        if following:
            self.unseen = 0
            self.cursor = max(self.count - 1, 0)
        self.rows_changed()
        self.post_message(self.Changed(self))

    def search(self, query: str, *, jump: bool = True) -> None:
        """Find and mark a text, a slice of lines at a time; `jump` goes to the match nearest before the cursor."""
        self.query_text, self.found = query, array("i")
        self.searching = bool(query)
        self.refresh()
        self.post_message(self.Changed(self))
        if query:
            begin(self, "search", self._search, query, jump, exclusive=True)
        else:
            self.workers.cancel_group(self, "search")

    def go_to_match(self, by: int) -> None:
        """Go to the next match (1) or the one before (-1), around the ends."""
        if self.found and self.number is not None:
            i = bisect_right(self.found, self.number) if by > 0 else bisect_left(self.found, self.number) - 1
            self.go_to(self.found[i % len(self.found)])

    def go_to_error(self) -> None:
        """Go to the next error, around the end."""
        found = self.lines.next_at_least(ERROR, -(2**62) if self.number is None else self.number)
        if found is None:
            self.notify("No errors in this log", timeout=2)
        else:
            self.go_to(found)

    def go_to(self, number: int) -> None:
        """Put the cursor on the line with this number."""
        self.following = False
        self.move_to(self.lines.row(number))
        self.moved()

    def copy_lines(self) -> None:
        """Copy the line under the cursor, or those from the mark to it."""
        if self.number is None:
            return
        start, end = sorted((self.cursor, self.cursor if self.mark is None else self.lines.row(self.mark)))
        self.mark = None
        self.refresh()
        lines, zone = self.lines.kept()[start : end + 1], self.app.zone
        text = partial(_plain_text, lines, zone)  # called in a thread, whatever becomes of the lines meanwhile
        copy(self.app, self.app.settings, text, counted(len(lines), "line"))

    def exported(self) -> Exported | None:
        """All lines that are held of the level that is shown and above, those that are out of view too."""
        if not self.count:
            return None
        lines, zone = self.lines.kept(), self.app.zone

        def row(line: Mapping[str, Any]) -> list[str]:
            stamp = f"{line['time'].astimezone(zone):%Y-%m-%d %H:%M:%S%z}"
            return [stamp, line["level"], line["message"], fields_text(line["fields"]).strip()]

        return Exported(lines, ["Time", "Level", "Message", "Fields"], Mapped(lines, row))

    def plain(self, number: int) -> str:
        """A line as text alone."""
        time, level, text = self.lines.line(number)
        return _plain(time, LOG_LEVELS[level], text, self.app.zone)

    def toggle_mark(self) -> None:
        """Begin or drop a range of lines to copy."""
        self.mark = self.number if self.mark is None else None
        self.refresh()

    def shift(self, columns: int) -> None:
        """Look further right or left along long lines."""
        before, self._shift = self._shift, max(self._shift + columns, 0)
        if self._shift != before:
            self.refresh()

    def moved(self) -> None:
        """The cursor on the last line follows; anywhere else it stays."""
        at_end = self.cursor >= self.count - 1
        if at_end != self.following:
            self.following = at_end
        if at_end:
            self.unseen = 0
        if self.mark is not None:
            self.refresh()
        self._refresh_pill()
        self.post_message(self.Changed(self))

    def notify_style_update(self) -> None:
        """Draw every row anew."""
        self._drawn.clear()
        super().notify_style_update()

    def render_lines(self, crop: Region) -> list[Strip]:
        """Rows that scroll keep their strips, with what the toolkit worked out of them; a log has no border."""
        return of_widget(self, self._rows_drawn(range(crop.y, crop.bottom)), crop)

    def row_strip(self, index: int, width: int, base: Style) -> Strip:
        """Time, level, text; matches marked, the pill over the end of the last row."""
        number = self.lines.shown[index]
        time, level, text = self.lines.line(number)
        base = self._marked(number, base)
        stamp = f" {time.astimezone(self.app.zone):%H:%M:%S} {MARKS[level]}"
        style = base + self.style(COLOURS[level]) if COLOURS[level] else base
        body = printable(text)[self._shift :]
        segments = [Segment(stamp, base + self.style("dim")), *self._highlighted(body, style)]
        strip = Strip(segments)
        pill = self._pill() if index == self.top + self.rows_in_view - 1 else ""
        if not pill:
            return strip
        left = strip.adjust_cell_length(max(width - len(pill), 0), base)
        return Strip.join([left, Strip([Segment(pill, self.style("accent") + Style(reverse=True))], len(pill))])

    def _rows_drawn(self, rows: range) -> list[Strip]:
        if self.query_text or self.mark is not None or self.unseen:
            return [self.render_line(y) for y in rows]
        shown, top, count, cursor, drawn = self.lines.shown, self.top, self.count, self.cursor, self._drawn
        like = (self.outer_size.width, self._shift, self.app.zone)
        start, size = self.thumb()
        strips = []
        for y in rows:
            index = top + y
            key = (shown[index] if index < count else None, index == cursor, start <= y < start + size, like)
            strip = drawn.get(key)
            if strip is None:
                strip = drawn[key] = self.render_line(y)
            strips.append(strip)
        return strips

    def _highlighted(self, text: str, style: Style) -> list[Segment]:
        query = self.query_text
        if not query:
            return [Segment(text, style)]
        flags = re.NOFLAG if query != query.lower() else re.IGNORECASE
        hit = style + self.style("accent") + Style(reverse=True)
        parts = re.split(f"({re.escape(query)})", text, flags=flags)
        return [Segment(part, hit if i % 2 else style) for i, part in enumerate(parts) if part]

    def _marked(self, number: int, base: Style) -> Style:
        if self.mark is None or self.number is None:
            return base
        low, high = sorted((self.mark, self.number))
        cursor = self.get_component_rich_style("lines--cursor")
        return base + Style(bgcolor=cursor.bgcolor) if low <= number <= high else base

    def _pill(self) -> str:
        return f" ↓ +{counted(self.unseen, 'line')}  f follow " if self.unseen else ""

    def _tell(self) -> None:
        self._telling = None
        self.rows_changed()
        if self.query_text:
            self.search(self.query_text, jump=False)
        self.post_message(self.Changed(self))

    def _place(self) -> tuple[int | None, int]:
        return self.number, self.cursor - self.top

    def _return_to(self, at: tuple[int | None, int]) -> None:
        number, offset = at
        before = self.lines.shown[self.top] if self.top < self.count else None
        thumb = self.thumb()
        if number is not None:
            self.cursor = self.lines.row(number)
            self.top = self.cursor - offset
        self.rows_changed(repaint=False)
        after = self.lines.shown[self.top] if self.top < self.count else None
        if before != after or self.thumb() != thumb:
            self.refresh()
        else:
            self._refresh_pill()

    def _refresh_pill(self) -> None:
        self.refresh(Region(0, self.size.height - 1, self.size.width, 1))

    async def _search(self, query: str, jump: bool) -> None:
        found = array("i")
        number = self.lines.shown[0] if self.count else 0
        while (row := self.lines.row(number)) < self.count:
            rows = range(row, min(row + SLICE, self.count))
            number = self.lines.shown[rows[-1]] + 1
            found.extend(self.lines.matches(query, rows))
            await asyncio.sleep(0)
        self.found, self.searching = found, False
        self._forget_gone()
        if jump and found and self.number is not None:
            self.go_to(found[max(bisect_right(found, self.number) - 1, 0)])
        self.refresh()
        self.post_message(self.Changed(self))

    def _forget_gone(self) -> None:
        """Of the matches, those whose lines were dropped for newer ones."""
        del self.found[: bisect_left(self.found, self.lines.shown[0]) if self.count else None]


def _plain_text(lines: Sequence[Mapping[str, Any]], zone: ZoneInfo) -> str:
    texts = (_plain(one["time"], one["level"], one["message"] + fields_text(one["fields"]), zone) for one in lines)
    return "\n".join(texts)


def _plain(time: datetime, level: str, text: str, zone: ZoneInfo) -> str:
    return f"{time.astimezone(zone):%Y-%m-%d %H:%M:%S%z} {level:<7} {printable(text)}"
