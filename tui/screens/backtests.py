"""Backtests: those that are stored, one that goes on with its log and its growing curve, and new ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from musktracker.timeline import iso
from tui.screens.backtest_form import backtest_form, parameters
from tui.screens.base import ConsoleScreen
from tui.widgets.confirm import Confirm
from tui.widgets.live_curve import LiveCurve
from tui.widgets.marks import MARK, toggled, two_of
from tui.widgets.record_table import Cell, Column, RecordTable
from tui.widgets.run_log import RunLog
from tui.widgets.run_progress import RunProgress, took

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.db.queries.backtests import StoredBacktest
    from musktracker.runs import RunInfo
    from tui.app import Console

KINDS = ("backtest", "compare")
NONE_YET = "No backtest is stored yet: n starts one on what is counted (3 brings posts in)"
COLUMNS = (
    Column("", 1),
    Column("Name", 19, grow=2),
    Column("From", 10),
    Column("To", 10),
    Column("Models", 6, right=True, rank=2),
    Column("Origins done", 16, right=True),
    Column("Refused", 7, right=True, rank=4),
    Column("Made", 11, rank=1),
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
        super().__init__(COLUMNS, self._row, lambda one: one.id, empty=NONE_YET)
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


class BacktestsScreen(ConsoleScreen):
    """Stored backtests above, the one that goes on below: its log, and the scores of its origins as they come."""

    TITLE: ClassVar[str] = "Backtests"
    UNDER: ClassVar[str] = "Models"
    CSS_PATH = "backtests.tcss"
    AUTO_FOCUS = "BacktestTable"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (116, "-wide")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "New", tooltip="Score models at the origins of a period", id="backtests.new"),
        Binding("s", "resume", "Resume", tooltip="Compute the origins that are not done yet", id="backtests.resume"),
        Binding("space", "mark", "Mark", tooltip="Mark a backtest, to compare two", id="backtests.mark"),
        Binding("c", "compare", "Compare", tooltip="Compare the marked backtests", id="backtests.compare"),
        Binding(
            "slash", "filter", "Filter", key_display="/", tooltip="Show what holds a text", id="backtests.filter"
        ),
        Binding("x", "cancel", "Cancel", tooltip="Ask the run below to stop", id="backtests.cancel"),
        Binding("v", "view", "Log", tooltip="The curve of the run, or its log", id="backtests.view"),
        Binding("escape", "back", "Models", tooltip="Show all again; back to the models", id="backtests.back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._data: BacktestsData | None = None
        self._filter = ""

    def compose_body(self) -> ComposeResult:
        """The list, the run, its log and its curve."""
        yield BacktestTable()
        entry = Input(placeholder="show what holds this text", id="backtests-filter", compact=True)
        entry.cursor_blink = False
        entry.display = False
        yield entry
        with Vertical(id="backtests-run"):
            yield RunProgress(idle="No backtest has run yet: n starts one")
        with Horizontal(id="backtests-live"):
            yield RunLog()
            yield LiveCurve()

    def fetch(self, engine: Engine) -> BacktestsData:
        """What is stored, and what runs."""
        from musktracker import runs
        from musktracker.db.queries import backtests, counts

        run = next(iter(runs.recent(engine, limit=1, kinds=KINDS)), None)
        return BacktestsData(
            stored=tuple(backtests.listed(engine)),
            data_until=counts.latest_bucket_end(engine),
            run=run,
            state=run.state if run else "",
        )

    def show(self, data: BacktestsData) -> None:
        """Bring the list and the run up to date."""
        before = {one.id for one in self._data.stored} if self._data else None
        self._data = data
        table = self.query_one(BacktestTable)
        self._show_list()
        if before is not None and data.stored and data.stored[0].id not in before:
            table.select(data.stored[0].id)
        self.query_one(RunProgress).info = data.run
        self.query_one(RunLog).follow_run(data.run)
        self.query_one(LiveCurve).follow_run(data.run.id if data.run else None)
        self.refresh_bindings()

    @on(RunLog.Read)
    def _draw(self, event: RunLog.Read) -> None:
        run = self._run
        if run is not None and run.id == event.run_id:
            self.query_one(LiveCurve).add(event.run_id, event.lines)

    @on(RecordTable.Opened, "BacktestTable")
    def _open(self) -> None:
        from tui.screens.backtest_results import BacktestScreen

        one = self.query_one(BacktestTable).record
        if one is not None:
            self.app.push_screen(BacktestScreen(one.id))

    def action_new(self) -> None:
        """Ask for a backtest, and start it."""
        data = self._data
        form = backtest_form(self.app.zone, data.data_until if data else None)
        self.app.push_screen(form, self._start)

    def action_resume(self) -> None:
        """Go on with the backtest under the cursor, as it was asked for."""
        one = self.query_one(BacktestTable).record
        if one is not None:
            self.launch("backtest", resumed(one))

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
            self.app.push_screen(BacktestPairScreen(*chosen))

    def action_cancel(self) -> None:
        """Ask the operator, then the run to stop: what is scored stays."""
        run = self._run
        if run is None or not run.active:
            return
        lines = [f"It has run for {took(run, self.app.now())}.", "The origins that are done stay: s goes on with it."]
        question = Confirm(f"Cancel {run.kind} run {run.id}?", lines, yes="Cancel the run", no="Let it go on")
        self.app.push_screen(question, lambda yes: self._cancel(run.id) if yes else None)

    def action_view(self) -> None:
        """Change between curve and log where there is room for one of them."""
        self.toggle_class("-log")

    def action_filter(self) -> None:
        """Ask which backtests to show."""
        entry = self.query_one("#backtests-filter", Input)
        entry.display = True
        entry.focus()

    def action_back(self) -> None:
        """Show all again where there is a filter; otherwise leave."""
        entry = self.query_one("#backtests-filter", Input)
        if not self._filter and not entry.display:
            self.dismiss()
            return
        entry.clear()
        self._close_filter()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What can be done to what is under the cursor."""
        one = self.query_one(BacktestTable).record if self.is_mounted else None
        if action == "cancel":
            return self._run is not None and self._run.active
        if action in ("new", "resume") and self.app.read_only:
            return None
        if action == "resume":
            return True if one is not None and not one.whole else None
        if action in ("mark", "compare"):
            return True if one is not None else None
        if action == "view":
            return not self.has_class("-wide")
        return super().check_action(action, parameters)

    @on(Input.Changed, "#backtests-filter")
    def _filter_typed(self, event: Input.Changed) -> None:
        self._filter = event.value.strip().casefold()
        self._show_list()

    @on(Input.Submitted, "#backtests-filter")
    def _close_filter(self) -> None:
        self.query_one("#backtests-filter", Input).display = False
        self.query_one(BacktestTable).focus()

    def _show_list(self) -> None:
        stored = self._data.stored if self._data is not None else ()
        found = tuple(one for one in stored if self._filter in " ".join((one.name, *one.models)).casefold())
        empty = f"No backtest holds “{self._filter}”; esc shows all" if self._filter else NONE_YET
        self.query_one(BacktestTable).set_records(found, empty=empty)
        self.refresh_bindings()

    @on(BacktestTable.Moved, "BacktestTable")
    def _moved(self) -> None:
        self.refresh_bindings()

    @property
    def _run(self) -> RunInfo | None:
        return self._data.run if self._data is not None else None

    def _start(self, values: dict[str, str] | None) -> None:
        if values is not None:
            self.launch("backtest", parameters(values, self.app.zone))

    def _cancel(self, run_id: int) -> None:
        def cancel(engine: Engine) -> Any:
            from musktracker import runs

            return runs.request_cancel(engine, run_id)

        self.act(cancel, done=f"Run {run_id} was asked to stop")


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
    }
