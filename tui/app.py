"""The console: its screens by number, its connection, and how it begins and ends."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import ZoneInfo

from textual.app import App
from textual.binding import Binding
from textual.screen import Screen

from musktracker import timeline
from musktracker.config import Settings
from musktracker.errors import MuskTrackerError
from tui.theme import THEMES
from tui.threads import in_thread
from tui.widgets.header import Header

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from textual.driver import Driver

SCREENS = {
    "overview": "Overview",
    "migrations": "Migrations",
    "ingestion": "Ingestion",
    "events": "Events",
    "models": "Models",
    "forecasts": "Forecasts",
}


def run(settings: Settings, *, read_only: bool = False) -> int:
    """Open the console in this terminal; returns the exit code."""
    while True:
        console = Console(settings, read_only=read_only)
        console.run(mouse=False)
        if console.next_settings is None:
            return console.return_code or 0
        settings = console.next_settings


def _screen(name: str, title: str) -> Callable[[], Screen[Any]]:
    def make() -> Screen[Any]:
        module = importlib.import_module(f"tui.screens.{name}")
        screen: Screen[Any] = getattr(module, f"{title}Screen")()
        return screen

    return make


class Console(App[None]):
    """The operator console on one database."""

    CSS_PATH = "app.tcss"
    MODES = {name: _screen(name, title) for name, title in SCREENS.items()}  # noqa: RUF012
    DEFAULT_MODE = "overview"
    BINDINGS: ClassVar = [
        *(
            Binding(str(i), f"go('{name}')", title, show=False, id=f"screen.{name}")
            for i, (name, title) in enumerate(SCREENS.items(), 1)
        ),
        Binding("minus", "last_view", "Last view", show=False, key_display="-", id="app.last"),
        Binding("r", "refresh_data", "Refresh", show=False, id="app.refresh"),
        Binding("colon,ctrl+p", "command_palette", "Commands", key_display=":", id="app.palette"),
        Binding("question_mark", "help", "Help", key_display="?", id="app.help"),
        Binding("q,ctrl+q", "quit", "Quit", id="app.quit"),
    ]

    def __init__(
        self,
        settings: Settings,
        *,
        read_only: bool = False,
        open_database: Callable[[Settings, bool], Engine] | None = None,
        clock: Callable[[], datetime] = timeline.now,
    ) -> None:
        super().__init__(driver_class=_driver())
        self.settings = settings
        self.read_only = read_only
        self.engine: Engine | None = None
        self.next_settings: Settings | None = None
        self.now = clock
        self.monotonic = time.monotonic
        self._open_database = open_database or _open_database
        self._last_mode = "overview"
        self._status: Any = None
        self.animation_level = "none"
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = THEMES[0].name

    @property
    def zone(self) -> ZoneInfo:
        """The display time zone."""
        return self.settings.zone

    def format_time(self, moment: datetime | None, pattern: str = "%Y-%m-%d %H:%M") -> str:
        """A moment in the display time zone; a dash where there is none."""
        return "–" if moment is None else moment.astimezone(self.zone).strftime(pattern)

    def words(self, error: BaseException) -> str:
        """An error as one line that shows no secret."""
        if isinstance(error, MuskTrackerError):
            return self.settings.scrub(str(error))
        reason = str(getattr(error, "orig", None) or error)
        return self.settings.scrub(" ".join(f"{type(error).__name__}: {reason}".split()))

    def complain(self, text: str) -> None:
        """Say what went wrong, over the current screen."""
        self.notify(text, title="That did not work", severity="error", markup=False, timeout=10)

    def pulse(self, engine: Engine) -> object:  # noqa: ARG002
        """What differs after any change of the database; None where that cannot be told. Called in threads."""
        return None

    @property
    def status(self) -> Any:
        """What the header shows, newest first read."""
        return self._status

    @status.setter
    def status(self, status: Any) -> None:
        self._status = status
        for header in self.screen.query(Header):
            header.refresh()

    def on_mount(self) -> None:
        self.call_after_refresh(self.connect)

    def connect(self) -> None:
        """Open the database in a thread, and bring its schema up to date."""
        self.run_worker(self._connect(), group="connect", exclusive=True, exit_on_error=False)

    async def _connect(self) -> None:
        try:
            self.engine = await in_thread(self._open_database, self.settings, self.read_only)
        except Exception as error:
            self.complain(self.words(error))
            return
        self.action_refresh_data()

    def action_go(self, mode: str) -> None:
        """Go to a screen."""
        if mode != self.current_mode:
            self._last_mode = self.current_mode
            self.switch_mode(mode)

    def action_last_view(self) -> None:
        """Go back to the screen before this one."""
        self.action_go(self._last_mode)

    def action_refresh_data(self) -> None:
        """Read the current screen's data again."""
        refresh = getattr(self.screen, "refresh_data", None)
        if refresh is not None:
            refresh()


def _driver() -> type[Driver] | None:
    if sys.platform == "win32":
        return None
    from tui.terminal import Terminal

    return Terminal


def _open_database(settings: Settings, read_only: bool) -> Engine:
    from musktracker.db import engines, migrate

    settings.with_data_dir_made()
    engine = engines.connect(settings.database_url, read_only=read_only)
    if not read_only:
        migrate.ensure_current(engine)
    return engine
