"""The console: its screens by number, its keys, and how it begins and ends."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, cast
from zoneinfo import ZoneInfo

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.events import Event, Resize
from textual.reactive import var
from textual.screen import Screen

from musktracker import timeline
from musktracker.config import Settings, for_demo
from tui import state
from tui.connection import OPENING, Connection
from tui.copying import clipboard
from tui.moments import worded
from tui.navigation import Navigation
from tui.painting import SparingApp
from tui.places import PLACES, SCREENS
from tui.theme import DARK, LIGHT, THEMES
from tui.threads import in_thread
from tui.too_small import TooSmall
from tui.trouble import Trouble, last_words, trouble
from tui.working import begin

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from textual.command import Provider
    from textual.driver import Driver

    from musktracker.db.queries.overview import Status
    from tui.screens.base import ConsoleScreen

GARBAGE_THRESHOLDS = (20_000, 20, 50)  # full collections hold everything up: few of them
BREATH_SECONDS = 0.01  # between pieces of work that keys need not wait for
START_SECONDS = 2.0  # after which what the start has imported is there
ZONES = ("UTC", "America/New_York")  # that `z` goes through, after the settings' own


def run(settings: Settings, *, read_only: bool = False, mouse: bool = False) -> int:
    """Open the console in this terminal; returns the exit code. With `mouse` it takes clicks and the wheel."""
    console = Console(settings, read_only=read_only)
    console.run(mouse=mouse)
    while console.next_settings is not None:  # the demo was asked for
        console = Console(console.next_settings)
        console.run(mouse=mouse)
    gc.freeze()  # the interpreter need not look through what ends with it
    if console.last_words:
        print(console.last_words, file=sys.stderr)
    return console.return_code or 0


def _elsewhere() -> type[Provider]:
    from tui.elsewhere import Elsewhere

    return Elsewhere


class Console(SparingApp, inherit_bindings=False):
    """The operator console on one database."""

    TITLE = "MuskTracker"
    CSS_PATH = "app.tcss"
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {**SCREENS}
    DEFAULT_MODE = "overview"
    COMMANDS = App.COMMANDS | {_elsewhere}
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(
                str(i), f"go('{name}')", place.title, show=False, tooltip=f"Go to {place.title}", id=f"screen.{name}"
            )
            for i, (name, place) in enumerate(SCREENS.items(), 1)
        ),
        Binding(
            "minus",
            "last_view",
            "Last view",
            show=False,
            key_display="-",
            tooltip="The place before this, and back",
            id="app.last",
        ),
        Binding("r", "refresh_data", "Read again", show=False, tooltip="Read the database now", id="app.refresh"),
        Binding("ctrl+l", "redraw", "Redraw", show=False, tooltip="Paint everything anew", id="app.redraw"),
        Binding("ctrl+t", "toggle_theme", "Dark or light", show=False, tooltip="The other theme", id="app.theme"),
        Binding("z", "zone", "Time zone", show=False, tooltip="Show times in another zone", id="app.zone"),
        Binding("X", "export", "Export", show=False, tooltip="Write what is shown to a file", id="app.export"),
        Binding(
            "colon,ctrl+p",
            "command_palette",
            "Commands",
            key_display=":",
            tooltip="Find what to do by name",
            id="app.palette",
        ),
        Binding(
            "ctrl+z",
            "suspend_process",
            "Suspend",
            show=False,
            priority=True,  # over a form too
            tooltip="Back to the shell",
            id="app.suspend",
        ),
        Binding(
            "question_mark", "help", "Help", key_display="?", tooltip="Keys and words of where you are", id="app.help"
        ),
        Binding(
            "exclamation_mark",
            "trouble",
            "Details",
            show=False,
            key_display="!",
            tooltip="All that is known of the last error",
            id="app.trouble",
        ),
        Binding("q", "quit", "Quit", tooltip="Close the console; runs go on", id="app.quit"),
        Binding(
            "ctrl+q",
            "quit",
            "Quit",
            show=False,
            priority=True,
            tooltip="Close the console; runs go on",
            id="app.quit.always",
        ),
        Binding("ctrl+c", "help_quit", show=False, system=True, id="app.interrupt"),
    ]

    status: var[Status | None] = var(None)
    phase: var[str] = var(OPENING)

    def __init__(
        self, settings: Settings, *, read_only: bool = False, clock: Callable[[], datetime] = timeline.now
    ) -> None:
        self.memory = state.load(settings.data_dir)
        self._remembered: dict[str, Any] = {}
        if self.memory.get("screen") in list(SCREENS):  # it may be anything, also what has no hash
            self.DEFAULT_MODE = self.memory["screen"]  # type: ignore[misc]
        super().__init__(_driver())
        self.settings = settings
        self._zones = tuple(dict.fromkeys((settings.timezone, *ZONES)))
        if self.memory.get("zone") in self._zones:
            self.settings = _in_zone(settings, self.memory["zone"])
        self.read_only = read_only or not settings.may_write
        self.next_settings: Settings | None = None
        self.now = clock
        self.trouble: Trouble | None = None
        self.last_words = ""
        self.monotonic = time.monotonic
        self._too_small = TooSmall(self)
        self.connection = Connection(self)
        self.navigation = Navigation(self)
        self._quitting: Screen[bool] | None = None
        for theme in THEMES:
            self.register_theme(theme)
        remembered = self.memory.get("theme")
        self.theme = remembered if remembered in (DARK.name, LIGHT.name) else DARK.name

    @property
    def engine(self) -> Engine | None:
        """The database; None until it is open."""
        return self.connection.engine

    @property
    def zone(self) -> ZoneInfo:
        """The display time zone."""
        return self.settings.zone

    def format_time(self, moment: datetime | None, pattern: str = "%Y-%m-%d %H:%M") -> str:
        """A moment in the display time zone, far ones with their year; a dash where there is none."""
        return "–" if moment is None else worded(moment, pattern, self.zone, self.now())

    def words(self, error: BaseException) -> str:
        """An error as one line that shows no secret."""
        found = trouble(error, self.settings)
        return ". ".join(filter(None, (found.what, found.hint)))

    def failed(self, error: BaseException) -> str:
        """Keep an error, so that `!` shows every detail of it; returns it as one line that shows no secret."""
        self.trouble = trouble(error, self.settings)
        self.screen.refresh_bindings()
        return self.words(error)

    def complain(self, error: BaseException | str) -> None:
        """Say what went wrong, over the current screen."""
        text = error if isinstance(error, str) else f"{self.failed(error)}\n! shows the details"
        self.notify(text, title="That did not work", severity="error", markup=False, timeout=10)

    def copy_to_clipboard(self, text: str) -> None:
        """Put a text in the clipboard, through whatever is between the console and the terminal."""
        self._clipboard = text
        if self._driver is not None:
            self._driver.write(clipboard(text, os.environ))

    def open_demo(self) -> None:
        """Begin to prepare the demo, and start anew on its database, beside this one."""
        begin(self, "demo", self._open_demo, exclusive=True)

    async def _open_demo(self) -> None:
        settings = for_demo(self.settings)
        try:
            await in_thread(_start_demo, settings)
        except Exception as error:
            self.complain(error)
            return
        self.reopen(settings)

    def reopen(self, settings: Settings) -> None:
        """Start anew with other settings."""
        self.next_settings = settings
        self.exit()

    def open_run(self, run_id: int) -> None:
        """Show a run and its log."""
        screen = self.navigation.at("ingestion")
        if screen is not None:
            screen.run_started(run_id)

    def on_ready(self) -> None:
        """Connect now that something is on the screen."""
        self.navigation.start()
        self.connection.open()
        if not self.is_headless:
            self.set_timer(START_SECONDS, _collect_garbage)

    def connected(self) -> None:
        """Read what is shown, now that there is a database, and import the other screens behind it."""
        self.action_refresh_data()
        if not self.is_headless:
            first = cast("ConsoleScreen", self.screen_stack[0])
            first.once_read(lambda: begin(self, "ahead", self._import_ahead))

    async def _import_ahead(self) -> None:
        """Import the other screens while nothing else is to be done: half the time of a first visit."""
        for place in SCREENS.values():
            await asyncio.sleep(BREATH_SECONDS)
            _ = place.screen_class

    def remember(self, **values: Any) -> None:
        """Keep values for the next start; they are written at the end."""
        self.memory |= values
        self._remembered |= values

    def on_unmount(self) -> None:
        """Let go of the database, and write down what is to be remembered."""
        state.save(self.settings.data_dir, **self._remembered)
        self.connection.close()

    def on_resize(self, event: Resize) -> None:
        """Show only a message where the terminal is too small for anything else."""
        self._too_small.resized(event.size)

    async def on_event(self, event: Event) -> None:
        """Take no keys while there is nothing to see of what they do, but those that lead out."""
        if not self._too_small.hides(event):
            await super().on_event(event)

    def action_go(self, mode: str) -> None:
        """Go to a screen."""
        self.navigation.go(mode)

    def action_place(self, name: str) -> None:
        """Open a place over this one."""
        self.navigation.open(PLACES[name])

    def action_last_view(self) -> None:
        """Go to the place before this one."""
        self.navigation.back()

    def action_refresh_data(self) -> None:
        """Read the current screen's data again."""
        for screen in reversed(self.screen_stack):
            refresh = getattr(screen, "refresh_data", None)
            if refresh is not None:
                refresh()

    def action_help(self) -> None:
        """Explain the keys of where the user stands."""
        from tui.screens.help import HelpScreen

        self.push_screen(HelpScreen(self.screen, self.focused))

    def action_trouble(self) -> None:
        """Show all that is known of the last error."""
        from tui.widgets.text_page import TextPage

        if self.trouble is not None:
            self.push_screen(TextPage("The last error", self.trouble.page))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Details of an error are there once there was one."""
        if action == "trouble":
            return self.trouble is not None
        return super().check_action(action, parameters)

    async def action_quit(self) -> None:
        """Close the console; where something goes on that would end with it, only when asked twice or told so."""
        lasting = [worker.description for worker in self.workers if worker.group == "act" and not worker.is_finished]
        if not any(lasting) or self.screen is self._quitting:
            self.exit()
            return
        from tui.widgets.confirm import Confirm

        lines = [*filter(None, lasting), "", "It ends with the console, and what it has done so far is lost."]
        self._quitting = Confirm("Close the console?", lines, yes="Close it", no="Let it go on")
        self.push_screen(self._quitting, lambda yes: self.exit() if yes else None)

    def action_export(self) -> None:
        """Write a table or a drawing of the screen to a file, at first what has the focus; or all as a picture."""
        from tui.exporting import parts_of
        from tui.paths import working_directory
        from tui.screens.export_form import export_form

        title = self.screen.title or self.current_mode
        picture = self.export_screenshot(title=f"{self.TITLE} · {title}")
        name = f"{title.lower()}-{self.now():%Y%m%d-%H%M}"

        def told(path: object) -> None:
            if path is not None:
                self.notify(f"Wrote {path}", markup=False)

        self.push_screen(export_form(name, parts_of(self.screen, title), picture, working_directory()), told)

    def action_command_palette(self) -> None:
        """Open the palette."""
        from tui.widgets.palette import Palette

        if not isinstance(self.screen, Palette) and self.current_mode in SCREENS:
            self.push_screen(Palette())

    def action_toggle_theme(self) -> None:
        """Change between dark and light, for this start and the next."""
        self.theme = LIGHT.name if self.theme == DARK.name else DARK.name
        self.remember(theme=self.theme)

    async def action_zone(self) -> None:
        """Show times in the next zone, for this start and the next; the screens begin anew."""
        if not self.navigation.free:
            return
        following = self._zones.index(self.settings.timezone) + 1
        self.settings = _in_zone(self.settings, self._zones[following % len(self._zones)])
        self.remember(zone=self.settings.timezone)
        await self.navigation.begin_anew()
        self.notify(f"Times in {self.settings.timezone}", timeout=2)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """What the palette offers: what can be done where the user stands, the places, and the runs to start."""
        from tui.commands import commands

        return commands(self, screen)

    def get_key_display(self, binding: Binding) -> str:
        """Keys as their caps show them: no caret for control that few would read."""
        if binding.key == "enter":
            return "enter"
        display = super().get_key_display(binding)
        return display.replace("^", "ctrl+") if len(display) > 1 else display

    def _fatal_error(self) -> None:
        """End on an error nobody foresaw: its trace goes to a file, without a secret, and a line says so."""
        words = last_words(self.settings)
        self.last_words = self.last_words or words  # the first says why; what breaks on the way out does not
        self._close_messages_no_wait()


def _collect_garbage() -> None:
    """Begin to: a start leaves none, and looking for it would take a tenth of it."""
    gc.freeze()  # what is imported by now stays: collections need not look at it
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    gc.enable()


def _in_zone(settings: Settings, zone: str) -> Settings:
    """The settings with times in another zone."""
    return replace(settings, timezone=zone, origins={**settings.origins, "timezone": "z in the console"})


def _driver() -> type[Driver] | None:
    if sys.platform == "win32":
        return None
    from tui.terminal import Terminal

    return Terminal


def _start_demo(settings: Settings) -> None:
    from musktracker.pipeline import demo

    demo.start(settings)
