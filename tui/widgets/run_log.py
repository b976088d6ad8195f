"""The log of one run with its title and search line: reads the newest page first, then older ones, then the tail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Input

from musktracker.text import counted
from tui.threads import in_thread
from tui.widgets.entry import Entry
from tui.widgets.log_view import LogView
from tui.widgets.text_page import TextPage
from tui.widgets.title_line import TitleLine
from tui.working import begin

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.run_info import RunInfo
    from musktracker.run_log import LogLine
    from tui.app import Console

POLL_SECONDS = 0.25
REST_SECONDS = 2.0  # after a read that failed
PAGE = 2_000  # lines a read
LONGEST = 200  # characters of a search
LEVELS = ("all levels", "info and above", "warnings and errors", "errors only")


class RunLog(Vertical):
    """What a run logged, live while it goes on. `follow_run` says which run."""

    app: Console
    DEFAULT_CSS = """
    RunLog {
        height: 1fr;
        & > #log-title { color: $text-muted; background: $surface; }
        & > #log-search { display: none; border: none; height: 1; padding: 0 1; background: $panel; }
        &:focus-within > #log-title { color: $foreground; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "follow", "Follow", tooltip="Follow the newest line, or stay where you are", id="log.follow"),
        Binding("p", "pause", "Pause", tooltip="Read no new lines until pressed again", id="log.pause"),
        Binding("l", "level", "Level", tooltip="Show all levels, info, warnings or errors and above", id="log.level"),
        Binding("slash", "search", "Search", key_display="/", tooltip="Search the log", id="log.search"),
        Binding("n", "match(1)", "Next match", show=False, tooltip="Go to the next match", id="log.next"),
        Binding("N", "match(-1)", "Match before", show=False, tooltip="Go to the match before", id="log.previous"),
        Binding("e", "error", "Error", tooltip="Go to the next error", id="log.error"),
        Binding("space", "mark", "Mark", show=False, tooltip="Begin a range of lines to copy", id="log.mark"),
        Binding("y", "copy", "Copy", tooltip="Copy the line, or the lines from the mark", id="log.copy"),
        Binding("right", "shift(20)", "Right", show=False, tooltip="See more of long lines", id="log.right"),
        Binding("left", "shift(-20)", "Left", show=False, tooltip="Go back along long lines", id="log.left"),
        Binding("enter", "open", "Open", show=False, tooltip="Show the whole line", id="log.open"),
        Binding("escape", "clear", "Clear", show=False, tooltip="Drop the search or the mark", id="log.clear"),
    ]

    class Read(Message):
        """Lines of a run were read; in which order pages come is not told."""

        def __init__(self, run_id: int, lines: list[LogLine]) -> None:
            super().__init__()
            self.run_id = run_id
            self.lines = lines

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.paused = False
        self.run_info: RunInfo | None = None
        self._timer: Timer | None = None
        self._reading: _Reading | None = None
        self._trouble = ""

    @property
    def view(self) -> LogView:
        """The lines."""
        return self.query_one(LogView)

    def compose(self) -> ComposeResult:
        yield TitleLine("Log", id="log-title")
        yield LogView()
        yield Entry(longest=LONGEST, placeholder="search this log; capitals count if there are any", id="log-search")

    def on_mount(self) -> None:
        self._timer = self.set_interval(POLL_SECONDS, self._poll_in_time, pause=not self._due)
        level = self.app.memory.get("log_level")
        if isinstance(level, int) and level in range(1, len(LEVELS)):
            self.view.set_level(level)

    def follow_run(self, info: RunInfo | None) -> None:
        """Show this run's log, and follow it while it goes on; None shows nothing."""
        before, self.run_info = self.run_info, info
        if info is None or before is None or before.id != info.id:
            self.view.clear()
            self._trouble = ""
            self._reading = None if info is None else _Reading(info.id)
            begin(self, "read", self.poll)
        elif before.active and not info.active and self._reading is not None:
            self._reading.behind = True
            begin(self, "read", self.poll)
        self._set_timer()
        self.show_title()

    def action_follow(self) -> None:
        """Follow the newest line, or stay."""
        self.view.set_following(not self.view.following)

    def action_pause(self) -> None:
        """Stop reading, or go on."""
        self.paused = not self.paused
        self._set_timer()
        if not self.paused:
            begin(self, "read", self.poll)
        self.show_title()

    def action_level(self) -> None:
        """Show the next level and above."""
        self.view.set_level((self.view.lines.threshold + 1) % len(LEVELS))
        self.app.remember(log_level=self.view.lines.threshold)

    def action_search(self) -> None:
        """Ask for a text to search."""
        search = self.query_one("#log-search", Input)
        search.display = True
        search.focus()

    def action_match(self, by: int) -> None:
        """Go from match to match."""
        self.view.go_to_match(by)

    def action_error(self) -> None:
        """Go to the next error."""
        self.view.go_to_error()

    def action_mark(self) -> None:
        """Begin or drop a range."""
        self.view.toggle_mark()

    def action_copy(self) -> None:
        """Copy lines."""
        self.view.copy_lines()

    def action_open(self) -> None:
        """Show the whole line."""
        number = self.view.number
        if number is not None:
            self.app.push_screen(TextPage("Line of the log", self.view.plain(number)))

    def action_shift(self, columns: int) -> None:
        """Move along long lines."""
        self.view.shift(columns)

    def action_clear(self) -> None:
        """Drop the search or the mark."""
        self.query_one("#log-search", Input).clear()
        self._close_search()
        self.view.search("")
        if self.view.mark is not None:
            self.view.toggle_mark()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Escape is the log's only while there is something to drop."""
        if action == "clear":
            return bool(self.view.query_text or self.view.mark is not None or self._search_open())
        return True

    @on(LogView.Changed)
    def _view_changed(self, event: LogView.Changed) -> None:
        event.stop()
        self.show_title()

    def show_title(self) -> None:
        """Say what is shown, and in what state."""
        self.query_one(TitleLine).say(" · ".join(filter(None, self._title())))

    @on(Input.Changed, "#log-search")
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.view.search(event.value)

    @on(Input.Submitted, "#log-search")
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._close_search()

    def _close_search(self) -> None:
        if self._search_open():
            self.query_one("#log-search", Input).display = False
            self.view.focus()
            self.show_title()

    def _search_open(self) -> bool:
        return bool(self.query_one("#log-search", Input).display)

    def _title(self) -> list[str]:
        view, info = self.view, self.run_info
        if info is None:
            return ["Log"]
        if view.following:
            state = "following" if info.active else "at the end"
        else:
            state = "not following" if info.active else f"line {view.cursor + 1:,}"
        found = ""
        if view.query_text:
            count = "searching…" if view.searching else f"{len(view.found):,} found"
            found = f"“{view.query_text}” {count}" + ("" if self._search_open() else ", n next, esc drops")
        return [
            f"Log of run {info.id}",
            counted(view.count, "line") if view.count else "no lines yet" if info.active else "no lines",
            LEVELS[view.lines.threshold],
            "paused" if self.paused else state,
            found,
            self._trouble,
        ]

    def _set_timer(self) -> None:
        if self._timer is not None:
            (self._timer.resume if self._due else self._timer.pause)()

    @property
    def _due(self) -> bool:
        """Whether there is anything to read, or will be."""
        return self._reading is not None and (not self._reading.opened or self._newer_due or self._older_due)

    @property
    def _newer_due(self) -> bool:
        info, reading = self.run_info, self._reading
        if info is None or reading is None or self.paused:
            return False
        return reading.behind or (info.active and not info.lost)

    @property
    def _older_due(self) -> bool:
        return self._reading is not None and self._reading.older_left and not self.view.lines.full

    async def poll(self) -> None:
        """Read what is missing: the newest page, what was logged since, and what is older."""
        reading = self._reading
        if reading is None or not self.screen.is_current:
            return
        async with reading.lock:
            goes_on = reading.opened or await self._open(reading)
            while goes_on:
                if self._newer_due:
                    goes_on = await self._read_newer(reading)
                goes_on = goes_on and self._older_due and await self._read_older(reading)
        self._set_timer()

    async def _poll_in_time(self) -> None:
        reading = self._reading
        if reading is not None and not reading.lock.locked() and self.app.monotonic() >= reading.rests_until:
            await self.poll()

    async def _open(self, reading: _Reading) -> bool:
        page = await self._read(reading, partial(_last, before=None))
        if page is None:
            return False
        self._append(reading.run_id, page)
        reading.opened, reading.older_left = True, len(page) == PAGE
        return True

    async def _read_newer(self, reading: _Reading) -> bool:
        while True:
            reading.behind = False  # what is asked for while this is read is read again
            page = await self._read(reading, partial(_after, after=self.view.lines.newest_id))
            if page is None:
                reading.behind = True
                return False
            if page:
                self._append(reading.run_id, page)
            if len(page) < PAGE:
                return True

    async def _read_older(self, reading: _Reading) -> bool:
        page = await self._read(reading, partial(_last, before=self.view.lines.oldest_id))
        if page is None:
            return False
        reading.older_left = len(page) == PAGE
        if page:
            self.view.prepend(page)
            self.post_message(self.Read(reading.run_id, page))
        return True

    def _append(self, run_id: int, page: list[LogLine]) -> None:
        self.view.append(page)
        self.show_title()
        self.post_message(self.Read(run_id, page))

    async def _read(self, reading: _Reading, read: Callable[[Engine, int], list[LogLine]]) -> list[LogLine] | None:
        """A page; None where it cannot be read, and where something else is shown by then."""
        engine, page, trouble = self.app.engine, None, ""
        if engine is None:
            return None
        try:
            page = await in_thread(read, engine, reading.run_id)
        except Exception as error:
            trouble = self.app.words(error)
            reading.rests_until = self.app.monotonic() + REST_SECONDS
        if reading is not self._reading or not self.is_attached or not self.children:
            return None
        if trouble != self._trouble:
            self._trouble = trouble
            self.show_title()
        return page


class _Reading:
    """How far a run's log has been read: another one each time that a run is come to, which takes nothing late."""

    def __init__(self, run_id: int) -> None:
        self.run_id = run_id
        self.lock = asyncio.Lock()
        self.opened = False  # its newest page is there
        self.behind = False  # there may be newer lines than those read, though it logs no more
        self.older_left = False
        self.rests_until = float("-inf")


def _last(engine: Engine, run_id: int, before: int | None) -> list[LogLine]:
    from musktracker import run_log

    return run_log.last_lines(engine, run_id, before=before, limit=PAGE)


def _after(engine: Engine, run_id: int, after: int) -> list[LogLine]:
    from musktracker import run_log

    return run_log.lines_after(engine, run_id, after=after, limit=PAGE)
