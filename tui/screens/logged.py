"""A screen that follows a run with its log, and with the curve that the log tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on

from tui.screens.running import FollowingScreen
from tui.widgets.live_curve import LiveCurve
from tui.widgets.run_log import RunLog

if TYPE_CHECKING:
    from musktracker.run_info import RunInfo


class LoggedScreen(FollowingScreen):
    """Has a RunLog and a LiveCurve beside its RunProgress."""

    def show_run(self, run: RunInfo | None) -> None:
        """Bring progress, log and curve up to date."""
        super().show_run(run)
        self.query_one(RunLog).follow_run(run)
        self.query_one(LiveCurve).follow_run(run.id if run is not None else None)
        self.drawn()

    def drawn(self) -> None:
        """The curve has changed."""

    @on(RunLog.Read)
    def _draw(self, event: RunLog.Read) -> None:
        if self.run_shown is not None and self.run_shown.id == event.run_id:
            self.query_one(LiveCurve).add(event.run_id, event.lines)
            self.drawn()
