"""Backtests: those that are stored, one that goes on with its log and its growing curve, and new ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical

from musktracker.timeline import iso
from tui.screens import terms
from tui.screens.backtest_form import backtest_form
from tui.screens.logged import LoggedScreen
from tui.widgets.live_curve import LiveCurve
from tui.widgets.marks import MARK, toggled, two_of
from tui.widgets.record_table import Cell, Column, RecordTable
from tui.widgets.run_log import RunLog
from tui.widgets.run_progress import RunProgress

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.db.queries.backtests import StoredBacktest
    from musktracker.run_info import RunInfo
    from tui.app import Console

NONE_YET = "No backtest is stored yet: n starts one on what is counted (3 brings posts in)"
COLUMNS = (
    Column("", 1),
    Column("Name", 19, grow=2, order=lambda one: one.name.casefold()),
    Column("From", 10, order=lambda one: one.begin),
    Column("To", 10, order=lambda one: one.end),
    Column("Models", 6, right=True, rank=2, order=lambda one: len(one.models), falling=True),
    Column("Origins done", 16, right=True, order=lambda one: one.done, falling=True),
    Column("Refused", 7, right=True, rank=4, order=lambda one: one.refused, falling=True),
    Column("Made", 11, rank=1, order=lambda one: one.created_at, falling=True),
    Column("Which models", 30, grow=3, rank=5),
)


@dataclass(frozen=True, slots=True)
class BacktestsData:
    """What the screen shows. `run` is the backtest or comparison that goes on, or the last one."""

    stored: tuple[StoredBacktest, ...]
    data_until: datetime | None
    run: RunInfo | None
    state: str


class BacktestTable(RecordTable["StoredBacktest"]):
    """Stored backtests, the newest first; `marked` are the ids of those to compare."""

    app: Console

    def __init__(self) -> None:
        super().__init__(COLUMNS, self._row, lambda one: one.id, empty=NONE_YET, memory="backtests")
        self.marked: list[int] = []

    def _row(self, one: StoredBacktest) -> Sequence[Cell]:
        done = f"{one.done:,} of {one.planned:,}"
        return (
            (MARK if one.id in self.marked else "", "accent"),
            one.name,
            self.app.format_time(one.begin, "%Y-%m-%d"),
            self.app.format_time(one.end, "%Y-%m-%d"),
            str(len(one.models)),
            (f"✓ {done}", "good") if one.whole else (f"! {done}", "warning"),
            (str(one.refused) if one.refused else "–", "dim"),
            (self.app.format_time(one.created_at, "%m-%d %H:%M"), "dim"),
            (" ".join(one.models), "dim"),
        )


class BacktestsScreen(LoggedScreen):
    """Stored backtests above, the one that goes on below: its log, and the scores of its origins as they come."""

    TITLE: ClassVar[str] = "Backtests"
    CSS_PATH = "backtests.tcss"
    TERMS = terms.BACKTESTS
    AUTO_FOCUS = "BacktestTable"
    KINDS = ("backtest", "compare")
    CHANGES = frozenset({"new", "resume", "cancel"})
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (116, "-wide")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "New", tooltip="Score models at the origins of a period", id="backtests.new"),
        Binding("s", "resume", "Resume", tooltip="Compute the origins that are not done yet", id="backtests.resume"),
        Binding("space", "mark", "Mark", tooltip="Mark a backtest, to compare two", id="backtests.mark"),
        Binding("c", "compare", "Compare", tooltip="Compare the marked backtests", id="backtests.compare"),
        Binding("x", "cancel", "Cancel", tooltip="Ask the run below to stop", id="backtests.cancel"),
        Binding("v", "view", "View", tooltip="The curve of the run, or its log", id="backtests.view"),
        Binding("escape", "back", "Back", tooltip="Back to the models", id="backtests.back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._data: BacktestsData | None = None

    def compose_body(self) -> ComposeResult:
        """The list, the run, its log and its curve."""
        yield BacktestTable()
        with Vertical(id="backtests-run"):
            yield RunProgress(idle="No backtest goes on: n starts one")
        with Horizontal(id="backtests-live"):
            yield RunLog()
            yield LiveCurve()

    def fetch(self, engine: Engine) -> BacktestsData:
        """What is stored, and what runs."""
        from musktracker.db.queries import backtests, counts

        run = self.read_run(engine)
        return BacktestsData(
            stored=tuple(backtests.listed(engine)),
            data_until=counts.latest_bucket_end(engine),
            run=run,
            state=run.state if run else "",
        )

    def show(self, data: BacktestsData) -> None:
        """Bring the list and the run up to date."""
        self._data = data
        self.query_one(BacktestTable).set_records(data.stored)
        self.show_run(data.run)
        self.refresh_bindings()

    def made(self, run: RunInfo) -> None:
        """Go to the backtest that the run has just scored."""
        name = (run.result or {}).get("name")
        table = self.query_one(BacktestTable)
        table.select(next((one.id for one in table.records if one.name == name), None))

    @on(RecordTable.Opened, "BacktestTable")
    def _open(self) -> None:
        from tui.screens.backtest_results import BacktestScreen

        one = self.query_one(BacktestTable).record
        if one is not None:
            self.app.navigation.open(partial(BacktestScreen, one.id))

    def action_new(self) -> None:
        """Ask for a backtest, and start it."""
        data = self._data
        form = backtest_form(self.app.zone, data.data_until if data else None, self.app.now())
        self.ask_run(form, "backtest", then=self._follow)

    def action_resume(self) -> None:
        """Go on with the backtest under the cursor, as it was asked for."""
        one = self.query_one(BacktestTable).record
        if one is not None:
            self.start("backtest", resumed(one))

    def action_mark(self) -> None:
        """Mark or unmark; the third mark takes the place of the first."""
        table = self.query_one(BacktestTable)
        if table.record is not None:
            table.marked = toggled(table.marked, table.record.id)
            table.refresh()

    def action_compare(self) -> None:
        """Compare the two that are marked, or the marked one with the one under the cursor."""
        from tui.screens.backtest_pair import BacktestPairScreen

        table = self.query_one(BacktestTable)
        chosen = two_of(table.marked, table.record.id if table.record is not None else None)
        if chosen is None:
            self.notify("Mark two backtests with space, then compare them", markup=False, timeout=4)
        else:
            self.app.navigation.open(partial(BacktestPairScreen, *chosen))

    def action_view(self) -> None:
        """Change between curve and log where there is room for one of them."""
        self.toggle_class("-log")

    def can(self, action: str) -> bool | None:
        """What can be done to what is under the cursor."""
        one = self.query_one(BacktestTable).record if self.is_mounted else None
        if action == "resume":
            return True if one is not None and not one.whole else None
        if action in ("mark", "compare"):
            return True if one is not None else None
        if action == "view":
            return not self.has_class("-wide")
        return super().can(action)

    @on(RecordTable.Filtered, "BacktestTable")
    @on(RecordTable.Moved, "BacktestTable")
    def _moved(self) -> None:
        self.refresh_bindings()


def resumed(one: StoredBacktest) -> dict[str, Any]:
    """The parameters of a run that goes on with a stored backtest."""
    protocol = one.protocol
    return {
        "models": list(protocol["models"]),
        "hyperparameters": protocol["models"],
        "begin": iso(one.begin),
        "end": iso(one.end),
        "every": protocol["every"],
        "spacing": protocol["spacing"],
        "n_paths": protocol["n_paths"],
        "seed": protocol["seed"],
        "name": one.name,
        "retrospective_events": one.retrospective_events,
    }
