"""What lies over a screen until there is something to show: what is being waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widgets import Static

if TYPE_CHECKING:
    from tui.app import Console

READING = "Reading the database…"


class Waiting(Static):
    """Covers the widgets beneath, so that none says that there is nothing before anybody has looked."""

    app: Console
    DEFAULT_CSS = """
    Waiting {
        layer: over; width: 100%; height: 100%; content-align: center middle;
        background: $background; color: $text-muted;
    }
    """

    def __init__(self) -> None:
        super().__init__(READING, markup=False)

    def on_mount(self) -> None:
        """Follow what the app does until the database is open."""
        self.watch(self.app, "phase", self._wait_for)

    def say(self, text: str) -> None:
        """Say something else."""
        if self.content != text:
            self.update(text, layout=False)

    def _wait_for(self, phase: str) -> None:
        if self.display:
            self.say(phase or READING)
