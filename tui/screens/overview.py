"""The first screen: is everything fresh, how many so far, what next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.widgets import Static

from tui.screens.base import ConsoleScreen

if TYPE_CHECKING:
    from sqlalchemy import Engine


class OverviewScreen(ConsoleScreen):
    """Freshness, counts, pace, the last runs and the newest forecast."""

    TITLE = "Overview"

    def compose_body(self) -> ComposeResult:
        yield Static("Opening the database…", id="overview", markup=False)

    def fetch(self, engine: Engine) -> Any:
        from musktracker.db.queries import overview

        return overview.status(engine)

    def show(self, data: Any) -> None:
        self.query_one("#overview", Static).update(f"{data.last_post}")
