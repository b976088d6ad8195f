"""A screen that starts runs: it shows the one that goes on, and can ask it to stop."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding, BindingType

from musktracker.errors import MuskTrackerError
from musktracker.text import printable
from tui.screens.base import ConsoleScreen
from tui.widgets.run_progress import RunProgress

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.run_info import RunInfo


class FollowingScreen(ConsoleScreen):
    """Starts runs of its KINDS and follows one of them in its RunProgress, whether that goes on or not."""

    KINDS: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        self.run_shown: RunInfo | None = None
        self.started: int | None = None

    def read_run(self, engine: Engine) -> RunInfo | None:
        """The run to show: the one started here, another that goes on, or the last. Called in a thread, by `fetch`.

        One that was started here and did not succeed gives way to what has begun since and goes on.
        """
        from musktracker import runs
        from musktracker.run_info import ACTIVE

        own = self._read_own(engine)
        if own is not None and own.state in (*ACTIVE, "succeeded"):
            return own
        active = runs.recent(engine, kinds=self.KINDS, active=True)
        going = next((info for info in active if not info.lost), None)
        if own is not None and (going is None or going.id < own.id):
            return own
        return going or next(iter(runs.recent(engine, limit=1, kinds=self.KINDS)), None)

    def start(self, kind: str, parameters: dict[str, Any]) -> None:
        """Start a run, and follow it."""
        self.launch(kind, parameters, then=self._follow)

    def show_run(self, run: RunInfo | None) -> None:
        """Bring the progress up to date; tells `made` once that a run that was started here has succeeded."""
        self.run_shown = run
        self.query_one(RunProgress).info = run
        if run is not None and run.id == self.started and run.status == "succeeded":
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

    def _read_own(self, engine: Engine) -> RunInfo | None:
        from musktracker import runs

        if self.started is not None:
            with suppress(MuskTrackerError):  # a run that ended long ago is deleted
                return runs.get(engine, self.started)
        return None


class RunningScreen(FollowingScreen):
    """Shows the run only while it goes on, or one that was started here until it succeeds."""

    CHANGES: ClassVar[frozenset[str]] = frozenset({"cancel"})
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "cancel", "Cancel", tooltip="Ask the run below to stop", id="running.cancel"),
    ]

    def show_run(self, run: RunInfo | None) -> None:
        """As in FollowingScreen."""
        super().show_run(run)
        progress = self.query_one(RunProgress)
        progress.display = run is not None and (run.active or run.id == self.started)
        if not progress.display:
            progress.info = None
