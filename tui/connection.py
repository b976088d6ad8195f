"""The connection to the database: opened in a thread, its schema brought up to date, and let go of at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.threads import in_thread
from tui.trouble import trouble
from tui.working import begin

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.config import Settings
    from musktracker.db.queries.pulse import Pulse
    from tui.app import Console

OPENING, MIGRATING = "Opening the database…", "Bringing the schema up to date…"
LYING_STILL = "It is read as it lies there: what others wrote since its WAL was last emptied is not shown."


class Connection:
    """What the console has of its database: nothing until it is open, and how it changes from then on."""

    def __init__(self, app: Console) -> None:
        self.engine: Engine | None = None
        self._app = app
        self._pulse: Pulse | None = None

    def open(self) -> None:
        """Open the database in a thread, and bring its schema up to date."""
        begin(self._app, "connect", self._open, exclusive=True)

    def pulse(self, engine: Engine) -> object:
        """What differs after any change of the database; None where that cannot be told. Called in threads."""
        from musktracker.db.queries.pulse import Pulse

        if self._pulse is None:
            self._pulse = Pulse(engine)
        try:
            return self._pulse.read()
        except Exception:
            return None

    def close(self) -> None:
        """Let go of the database."""
        if self._pulse is not None:
            self._pulse.close()
        if self.engine is not None:
            self.engine.dispose()

    async def _open(self) -> None:
        app = self._app
        try:
            app.phase = OPENING
            engine, lies_still, is_behind = await in_thread(_opened, app.settings, app.read_only)
            if is_behind:
                app.phase = MIGRATING
                await in_thread(_migrate, engine)
        except Exception as error:
            app.phase = "Not connected"
            self._show_failure(error)
            return
        app.phase = ""
        self.engine = engine
        if lies_still:
            app.notify(
                LYING_STILL, title="Nothing can be written beside the database", severity="warning", timeout=15
            )
        app.connected()

    def _show_failure(self, error: BaseException) -> None:
        from tui.screens.error import ErrorScreen

        def retry(again: bool | None) -> None:
            if again:
                self.open()

        settings = self._app.settings
        self._app.push_screen(ErrorScreen(trouble(error, settings), settings.safe_database_url), retry)


def _opened(settings: Settings, read_only: bool) -> tuple[Engine, bool, bool]:
    """The engine, whether what lies in it stands still, and whether it wants migrations that may be made."""
    from musktracker.db import engines, migrate

    settings.with_data_dir_made()
    engine = engines.connect(settings.database_url, read_only=read_only)
    with engines.reading(engine) as connection:
        lies_still = engines.lies_still(connection)
    return engine, lies_still, not (read_only or migrate.is_current(engine))


def _migrate(engine: Engine) -> None:
    from musktracker.db import migrate

    migrate.ensure_current(engine)
