"""A screen that starts runs: it shows the one that goes on, and can ask it to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding, BindingType

from musktracker.text import printable
from tui.screens.base import ConsoleScreen
from tui.widgets.run_progress import RunProgress

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.runs import RunInfo


class RunningScreen(ConsoleScreen):
    """Shows in its RunProgress the run of its KINDS that goes on, or the one started here until it succeeds."""

    KINDS: ClassVar[tuple[str, ...]] = ()
    CHANGES: ClassVar[frozenset[str]] = frozenset({"cancel"})
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "cancel", "Cancel", tooltip="Ask the run below to stop", id="running.cancel"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.run_shown: RunInfo | None = None
        self.started: int | None = None

    def read_run(self, engine: Engine) -> RunInfo | None:
        """The last run of these kinds; called in a thread, by `fetch`."""
        from musktracker import runs

        return next(iter(runs.recent(engine, limit=1, kinds=self.KINDS)), None)

    def start(self, kind: str, parameters: dict[str, Any]) -> None:
        """Start a run, and follow it."""
        self.launch(kind, parameters, then=self._follow)

    def show_run(self, run: RunInfo | None) -> None:
        """Bring the progress up to date; tells `made` once that a run that was started here has succeeded."""
        own = run is not None and run.id == self.started
        done = own and run is not None and run.status == "succeeded"
        shown = run if run is not None and (run.active or own) and not done else None
        self.run_shown = run
        progress = self.query_one(RunProgress)
        progress.display = shown is not None
        progress.info = shown
        if done and run is not None:
            self.started = None
            self.notify(printable(run.message or f"Run {run.id} is done"), markup=False, timeout=4)
            self.made(run)

    def made(self, run: RunInfo) -> None:
        """A run that was started here has succeeded."""

    def action_cancel(self) -> None:
        """Ask the run that goes on to stop."""
        if self.run_shown is not None:
            self.cancel_run(self.run_shown)

    def can(self, action: str) -> bool | None:
        """Cancel is there while there is something to cancel."""
        if action == "cancel" and (self.run_shown is None or not self.run_shown.active):
            return False
        return super().can(action)

    def _follow(self, run_id: int) -> None:
        self.started = run_id
