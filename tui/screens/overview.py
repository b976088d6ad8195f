"""The first screen: is everything fresh, how many so far, what next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from tui.places import place_keys
from tui.screens import overview_text, terms
from tui.screens.base import READING_SHARE, ConsoleScreen
from tui.screens.first_run import FirstRun, demo_of, is_alive
from tui.screens.overview_text import QUIET
from tui.widgets.heat_map import HeatMap
from tui.widgets.panel import Panel
from tui.widgets.record_table import RecordTable
from tui.widgets.run_table import RunTable
from tui.widgets.sparkline import Sparkline

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.db.queries.alerts import OpenAlert
    from musktracker.db.queries.overview import Overview, Stage
    from musktracker.run_info import RunInfo

RUNS = 20
ALERTS = 4  # the most that are shown, on a tall screen
FILLING_SHARE = 0.1  # of a processor, for what is read again while a database that was empty fills
WIDE, WIDEST, TALL = 120, 160, 34  # columns and rows from which more is shown
STEPS = {
    "import": ("i", "Import more posts, or follow the X API (3, then a)"),
    "refresh": ("u", "Count the new hours"),
    "train": ("5", "Fit a model to what is counted"),
    "forecast": ("6", "Forecast the hours to come"),
    "score": ("s", "Score the forecasts whose hours are over"),
}


@dataclass(frozen=True, slots=True)
class OverviewData:
    """What the screen shows. `states` are the runs' states when they were read: a lost run changes no row.

    `alerts` are the worst of those that nobody has acknowledged, of `alert_count`.
    """

    overview: Overview
    runs: tuple[RunInfo, ...]
    states: tuple[str, ...]
    alerts: tuple[OpenAlert, ...]
    alert_count: int
    minute: datetime


class OverviewScreen(ConsoleScreen):
    """Is everything fresh, how many posts so far and at what pace, what was forecast, what ran, what to do next."""

    TITLE: ClassVar[str] = "Overview"
    CSS_PATH = "overview.tcss"
    TERMS = terms.OVERVIEW
    AUTO_FOCUS = "RunTable"
    CHANGES = frozenset({"next_step", "acknowledge", "import", "demo", "update", "score"})
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide"), (WIDEST, "-widest")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (TALL, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "next_step", "Next step", tooltip="Do what is to be done next", id="overview.next"),
        Binding("v", "week", "Week", tooltip="Posts by hour of the week, or by the last hours", id="overview.week"),
        Binding("a", "acknowledge", "Acknowledge", tooltip="The first alert was seen", id="overview.acknowledge"),
        Binding("i", "import", "Import", tooltip="Bring in posts from a file", id="overview.import"),
        Binding("d", "demo", "Demo", tooltip="See everything at work on a simulated account", id="overview.demo"),
        Binding("u", "update", "Update", tooltip="Count new hours, and compute features", id="overview.update"),
        Binding("s", "score", "Score", tooltip="Fill in what happened, and score forecasts", id="overview.score"),
        *place_keys(shown=("alerts", "service")),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._data: OverviewData | None = None
        self._holding = ""

    def compose_body(self) -> ComposeResult:
        """The dashboard, and the page that stands in for it while there are no posts."""
        yield FirstRun(self.app.settings, read_only=self.app.read_only)
        with Vertical(id="dashboard"):
            yield Static(id="next-step", markup=False)
            yield Static(id="alerts", markup=False)
            with Horizontal(id="figures"):
                yield Panel("Fresh", id="freshness")
                yield Panel("Counts", id="counts")
                yield Panel("Forecast", id="newest-forecast")
                yield Panel("Coming up", id="coming")
            yield Panel(overview_text.MARKETS_TITLE, id="markets")
            with Horizontal(id="charts"):
                with Vertical(id="chart"):
                    yield Sparkline()
                with Vertical(id="week"):
                    yield HeatMap()
            with Vertical(id="last-runs"):
                yield RunTable(follow=True, memory="overview")

    def on_mount(self) -> None:
        """Name the frames; nothing is shown until it is known which page is right."""
        self.query_one("#last-runs").border_title = "Last runs"
        self.query_one(FirstRun).display = False

    def fetch(self, engine: Engine) -> OverviewData:
        """Everything on the screen, at one time."""
        from musktracker import runs
        from musktracker.db.queries import alerts, overview

        found = tuple(runs.recent(engine, limit=RUNS, holding=self._holding))
        moment = self.app.now()
        return OverviewData(
            overview.read(engine, self.app.zone, moment),
            found,
            tuple(info.state for info in found),
            *alerts.unseen(engine, ALERTS),
            moment.replace(second=0, microsecond=0),
        )

    def show(self, data: OverviewData) -> None:
        """Bring the panels up to date."""
        self._data = data
        empty = self._is_empty
        first_run, dashboard = self.query_one(FirstRun), self.query_one("#dashboard")
        first_run.display, dashboard.display = empty, not empty
        self.reading_share = FILLING_SHARE if empty or self._demo_goes_on else READING_SHARE
        if empty:
            first_run.show_runs(data.runs)
        else:
            self._show_dashboard(data)
        self.refresh_bindings()

    def can(self, action: str) -> bool | None:
        """The demo is offered while there is nothing else; what needs posts, once there are some."""
        empty = self._is_empty
        if action in ("demo", "import") and self._data is not None and empty and demo_of(self._data.runs):
            return False
        if action == "demo":
            return empty
        if action == "week":
            return self._data is not None and not empty and not self._side_by_side
        if action == "next_step" and self._data is not None and not empty:
            return True if self._data.overview.next_step is not None else None
        if action in ("update", "score", "next_step"):
            return self._data is not None and not empty
        if action == "acknowledge":
            return bool(self._data and self._data.alerts) and not empty
        return True

    def action_next_step(self) -> None:
        """Do what the first line says."""
        step = self._data.overview.next_step if self._data else None
        if step == "import":
            self.action_import()
        elif step in ("refresh", "score"):
            self.launch(step, {})
        elif step in ("train", "forecast"):
            self.app.navigation.go("models" if step == "train" else "forecasts")
        else:
            self.notify("Everything is fresh", timeout=3)

    def action_week(self) -> None:
        """Show the hours of the week in place of the last hours, or those again."""
        self.toggle_class("-week")
        shown = HeatMap if self.has_class("-week") and self.size.height < TALL else RunTable
        self.call_after_refresh(self.query_one(shown).focus)

    def action_update(self) -> None:
        """Start a refresh."""
        self.launch("refresh", {})

    def action_score(self) -> None:
        """Start to score."""
        self.launch("score", {})

    def action_acknowledge(self) -> None:
        """Note that the first alert was seen, which takes it off the screen."""
        if self._data is None or not self._data.alerts:
            return
        first = self._data.alerts[0]

        def seen(engine: Engine) -> None:
            from musktracker.machine import whoami
            from musktracker.pipeline import alerts

            alerts.acknowledge(engine, first.id, whoami())

        self.act(seen, done=f"Alert {first.id} is acknowledged")

    def action_demo(self) -> None:
        """Go to the demo."""
        self.app.open_demo()

    def on_resize(self) -> None:
        """Another size has room for other words and keys."""
        if self._data is not None and not self._is_empty:
            self._show_dashboard(self._data)
        self.refresh_bindings()

    @on(RecordTable.Opened, "RunTable")
    def _open_run(self) -> None:
        info = self.query_one(RunTable).record
        if info is not None:
            self.app.open_run(info.id)

    @on(RecordTable.Filtered, "RunTable")
    def _find_runs(self, event: RecordTable.Filtered) -> None:
        """Look among all runs, not only among the newest that are loaded."""
        self._holding = event.table.filter_text
        self.refresh_data()

    @property
    def _is_empty(self) -> bool:
        """Whether there are no posts, or nothing is counted yet of the demo that is being prepared."""
        if self._data is None:
            return False
        overview = self._data.overview
        return not overview.posts or (overview.stages[1].until is None and self._demo_goes_on)

    @property
    def _demo_goes_on(self) -> bool:
        demo = demo_of(self._data.runs) if self._data is not None else None
        return demo is not None and is_alive(demo)

    @property
    def _side_by_side(self) -> bool:
        """Whether there is room for both charts."""
        return self.size.width >= WIDE and self.size.height >= TALL

    def _show_dashboard(self, data: OverviewData) -> None:
        overview, moment, told = data.overview, data.minute, self.app.format_time
        tall, width = self.size.height >= TALL, self.size.width
        self._show_next(overview)
        self._show_alerts(data)
        panels = {
            "#freshness": overview_text.stages_text(overview, moment, told, roomy=tall, policy=width >= WIDEST),
            "#newest-forecast": overview_text.forecast_text(overview, moment, told),
            "#coming": overview_text.events_text(overview, moment, told),
            "#markets": overview_text.markets_text(overview, moment, likely=width >= WIDE, whose=width >= WIDEST),
        }
        for name, lines in panels.items():
            self.query_one(name, Panel).set_lines(lines)
        counts = overview_text.counts_text(overview, moment, told, roomy=tall)
        self.query_one("#counts", Panel).set_lines(counts, f"Counts ({overview.counting})")
        self.query_one(Sparkline).set_counts(overview.hours_start, overview.hours)
        self.query_one(HeatMap).set_pattern(overview.week)
        self._title("#chart", self._chart_titles(overview))
        self._title("#week", overview_text.week_title(overview, self.app.zone.key))
        self.query_one(RunTable).set_records(data.runs)

    def _title(self, name: str, titles: tuple[str, str]) -> None:
        frame = self.query_one(name)
        if (frame.border_title, frame.border_subtitle) != titles:
            frame.border_title, frame.border_subtitle = titles

    def _show_next(self, overview: Overview) -> None:
        step = overview.next_step
        if step is None:
            text = Content.styled(" ✓ ", "$success") + Content.styled("Everything is fresh", QUIET)
        else:
            key, words = STEPS[step]
            absent = self.app.read_only and not key.isdigit()  # it would change something
            text = Content.assemble(
                (" Next ", QUIET),
                ("" if absent else f" {key} ", "bold $accent"),
                words,
                (_why(overview) + ("" if self.app.read_only else "   n does it"), QUIET),
            )
        line = self.query_one("#next-step", Static)
        if not (isinstance(line.content, Content) and line.content.is_same(text)):
            line.update(text)

    def _show_alerts(self, data: OverviewData) -> None:
        places = [f"{i}/{data.alert_count}  " if data.alert_count > 1 else "" for i in range(1, len(data.alerts) + 1)]
        lines = [
            overview_text.alert_line(alert, place, data.minute)
            for alert, place in zip(data.alerts, places, strict=True)
        ]
        text = Content("\n").join(lines)
        line = self.query_one("#alerts", Static)
        line.display = bool(lines)
        if not (isinstance(line.content, Content) and line.content.is_same(text)):
            line.update(text)

    def _chart_titles(self, overview: Overview) -> tuple[str, str]:
        known = [count for count in overview.hours[-48:] if count is not None]
        until = overview.stages[1].until
        title = "Posts an hour" + (f" to {self.app.format_time(until, '%m-%d %H:%M')}" if until else "")
        return title, f"last 48 h: max {max(known)} · mean {sum(known) / len(known):.1f}" if known else "not observed"


def _why(overview: Overview) -> str:
    stages: dict[str, Stage] = {stage.name: stage for stage in overview.stages}
    step = overview.next_step
    due = {"refresh": stages["buckets"].due, "score": stages["score"].due}.get(step or "", 0)
    return f" ({due:,} h)" if due else ""
