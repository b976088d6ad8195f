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

from musktracker.text import printable
from tui.screens.base import ConsoleScreen
from tui.screens.first_run import FirstRun
from tui.widgets.header import age
from tui.widgets.panel import Panel
from tui.widgets.record_table import RecordTable
from tui.widgets.run_table import RunTable
from tui.widgets.sparkline import Sparkline

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.db.queries.alerts import OpenAlert
    from musktracker.db.queries.overview import NewestForecast, Overview, Stage, Window
    from musktracker.runs import RunInfo

RUNS = 20
ALERTS = 4  # the most that are shown, on a tall screen
MARKS = {"good": ("✓", "$success"), "late": ("!", "$warning"), "missing": ("–", "$text-muted")}
ALERT_MARKS = {"error": ("✗", "$error"), "warning": ("!", "$warning"), "info": ("i", "$accent")}
QUIET = "$text-muted"
STEPS = {
    "import": ("i", "Import newer posts, or follow the X API (3, then a)"),
    "refresh": ("u", "Count the new hours"),
    "train": ("5", "Fit a model to what is counted"),
    "forecast": ("6", "Forecast the hours to come"),
    "score": ("s", "Score the forecasts whose hours are over"),
}
WINDOW_NAMES = {"today": "Today", "24 hours": "Last 24 h", "7 days": "Last 7 days", "week": "This week"}


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
    AUTO_FOCUS = "RunTable"
    CHANGES = frozenset({"next_step", "acknowledge", "import", "demo", "update", "score"})
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (34, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "next_step", "Next step", tooltip="Do what is to be done next", id="overview.next"),
        Binding("a", "acknowledge", "Acknowledge", tooltip="The first alert was seen", id="overview.acknowledge"),
        Binding("i", "import", "Import", tooltip="Bring in posts from a file", id="overview.import"),
        Binding("d", "demo", "Demo", tooltip="See everything at work on a simulated account", id="overview.demo"),
        Binding("u", "update", "Update", tooltip="Count new hours, and compute features", id="overview.update"),
        Binding("s", "score", "Score", tooltip="Fill in what happened, and score forecasts", id="overview.score"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._data: OverviewData | None = None
        self._holding = ""

    def compose_body(self) -> ComposeResult:
        """The dashboard, and the page that stands in for it while there are no posts."""
        yield FirstRun(self.app.settings)
        with Vertical(id="dashboard"):
            yield Static(id="next-step", markup=False)
            yield Static(id="alerts", markup=False)
            with Horizontal(id="figures"):
                yield Panel("Fresh", id="freshness")
                yield Panel("Counts", id="counts")
                yield Panel("Forecast", id="newest-forecast")
            with Vertical(id="chart"):
                yield Sparkline()
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
        empty = not data.overview.posts
        first_run, dashboard = self.query_one(FirstRun), self.query_one("#dashboard")
        first_run.display, dashboard.display = empty, not empty
        if empty:
            first_run.show_runs(data.runs)
        else:
            self._show_dashboard(data)
        self.refresh_bindings()

    def can(self, action: str) -> bool | None:
        """The demo is offered while there is nothing else; what needs posts, once there are some."""
        empty = self._data is not None and not self._data.overview.posts
        if action == "demo":
            return empty
        if action in ("next_step", "update", "score"):
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
            self.app.action_go("models" if step == "train" else "forecasts")
        else:
            self.notify("Everything is fresh", timeout=3)

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
            from musktracker import runs
            from musktracker.pipeline import alerts

            alerts.acknowledge(engine, first.id, runs.whoami())

        self.act(seen, done=f"Alert {first.id} is acknowledged")

    def action_demo(self) -> None:
        """Go to the demo."""
        self.app.open_demo()

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

    def _show_dashboard(self, data: OverviewData) -> None:
        overview, moment = data.overview, data.minute
        self._show_next(overview)
        self._show_alerts(data)
        self.query_one("#freshness", Panel).set_lines(self._freshness(overview, moment))
        self.query_one("#counts", Panel).set_lines(self._counts(overview), f"Counts ({overview.counting})")
        self.query_one("#newest-forecast", Panel).set_lines(self._forecast(overview.forecast))
        self.query_one(Sparkline).set_counts(overview.hours_start, overview.hours)
        chart = self.query_one("#chart")
        title, subtitle = self._chart_titles(overview)
        if (chart.border_title, chart.border_subtitle) != (title, subtitle):
            chart.border_title, chart.border_subtitle = title, subtitle
        self.query_one(RunTable).set_records(data.runs)

    def _show_next(self, overview: Overview) -> None:
        step = overview.next_step
        if step is None:
            text = Content.styled(" ✓ ", "$success") + Content.styled("Everything is fresh", QUIET)
        else:
            key, words = STEPS[step]
            text = Content.assemble(
                (" Next ", QUIET),
                (f" {key} ", "bold $accent"),
                words,
                (_why(overview) + ("" if self.app.read_only else "   n does it"), QUIET),
            )
        line = self.query_one("#next-step", Static)
        if not (isinstance(line.content, Content) and line.content.is_same(text)):
            line.update(text)

    def _show_alerts(self, data: OverviewData) -> None:
        places = [f"{i}/{data.alert_count}  " if data.alert_count > 1 else "" for i in range(1, len(data.alerts) + 1)]
        lines = [_alert_line(alert, place, data.minute) for alert, place in zip(data.alerts, places, strict=True)]
        text = Content("\n").join(lines)
        line = self.query_one("#alerts", Static)
        line.display = bool(lines)
        if not (isinstance(line.content, Content) and line.content.is_same(text)):
            line.update(text)

    def _freshness(self, overview: Overview, moment: datetime) -> Content:
        lines = [self._stage_line(stage, overview, moment) for stage in overview.stages]
        newest = "none" if overview.last_post is None else age(moment - overview.last_post)
        lines.insert(0, Content.assemble(("  Last post ", QUIET), newest))
        return Content("\n").join(lines)

    def _stage_line(self, stage: Stage, overview: Overview, moment: datetime) -> Content:
        mark, colour = MARKS[stage.state]
        return Content.assemble(
            (f"{mark} ", f"bold {colour}"),
            (f"{stage.name.capitalize():<8}  ", QUIET),
            (self._stage_text(stage, overview, moment), "" if stage.state == "good" else colour),
        )

    def _stage_text(self, stage: Stage, overview: Overview, moment: datetime) -> str:
        until = self.app.format_time(stage.until, "%m-%d %H:%M")
        if stage.until is None:
            return {"posts": "observed span unknown", "model": "none yet", "forecast": "none yet"}.get(
                stage.name, "not yet"
            )
        since = age(moment - stage.until)
        if stage.name in ("buckets", "features"):
            behind = f", {stage.due:,} h behind" if stage.due else ""
            return f"to {until}{behind}"
        if stage.name == "score":
            return f"{stage.due:,} hours wait" if stage.due else f"to {until}"
        if stage.name == "model" and overview.model is not None:
            return printable(f"{since}, {overview.model[0]} {overview.model[1]}")
        return f"observed to {until}" if stage.name == "posts" else f"from {until}"

    def _counts(self, overview: Overview) -> Content:
        lines = [Content.styled(printable(overview.counting_meaning), QUIET)]
        lines += [_window_line(window) for window in overview.windows]
        since = self.app.format_time(overview.first_post, "%Y-%m-%d")
        lines.append(_figure("Stored", f"{overview.posts:,}", f"from {since}"))
        if overview.forecast is not None:
            lines.append(self._forecast_line(overview.forecast))
        return Content("\n").join(lines)

    def _forecast_line(self, forecast: NewestForecast) -> Content:
        interval = forecast.interval(0.95)
        within = "" if interval is None else f"{interval[0]:,.0f}–{interval[1]:,.0f} at 95%"
        return _figure(f"Next {_horizon(forecast.horizon_hours)}", f"{forecast.total:,.0f}", within, "$accent")

    def _forecast(self, forecast: NewestForecast | None) -> Content:
        if forecast is None:
            return Content.styled("None yet: 5 fits a model, 6 forecasts", QUIET)
        origin = self.app.format_time(forecast.origin, "%m-%d %H:%M")
        name = printable(f"{forecast.model} {forecast.version}")
        lines = [
            Content.styled(f"{name}, from {origin}", QUIET),
            _figure(
                f"Next {_horizon(forecast.horizon_hours)}", f"{forecast.total:,.0f}", "posts expected", "$accent"
            ),
        ]
        if 0.5 in forecast.quantiles:
            lines.append(_figure("Median", f"{forecast.quantiles[0.5]:,.0f}", ""))
        for share in (0.5, 0.8, 0.95):
            interval = forecast.interval(share)
            if interval is not None:
                lines.append(_figure(f"{share:.0%}", f"{interval[0]:,.0f}", f"to {interval[1]:,.0f}"))
        lines += [Content.styled(f"! {printable(warning)}", "$warning") for warning in forecast.warnings]
        return Content("\n").join(lines)

    def _chart_titles(self, overview: Overview) -> tuple[str, str]:
        known = [count for count in overview.hours[-48:] if count is not None]
        end = self.app.format_time(overview.stages[1].until, "%m-%d %H:%M")
        title = f"Posts an hour to {end}"
        return title, f"last 48 h: max {max(known)} · mean {sum(known) / len(known):.1f}" if known else "not observed"


def _alert_line(alert: OpenAlert, place: str, minute: datetime) -> Content:
    mark, colour = ALERT_MARKS[alert.severity]
    since = age(minute - alert.raised_at)
    return Content.assemble(
        (f" {mark} ", f"bold {colour}"), (f"{place}{since}  ", QUIET), (printable(alert.message), colour)
    )


def _why(overview: Overview) -> str:
    stages: dict[str, Stage] = {stage.name: stage for stage in overview.stages}
    step = overview.next_step
    due = {"refresh": stages["buckets"].due, "score": stages["score"].due}.get(step or "", 0)
    return f" ({due:,} h)" if due else ""


def _window_line(window: Window) -> Content:
    name = WINDOW_NAMES[window.name]
    if window.observed <= 0 and not window.count:
        return _figure(name, "–", "not observed")
    count = f"{window.count:,}"
    if window.observed < 0.999:
        return _figure(name, f"≥{count}", f"{window.observed:.0%} observed")
    return _figure(name, count, _pace(window))


def _pace(window: Window) -> str:
    if window.usual is None:
        return ""
    if window.usual < 1:
        return f"usual {window.usual:.1f}"
    return f"usual {window.usual:,.0f}, {window.count / window.usual:.1f}×"


def _figure(name: str, figure: str, note: str, colour: str = "bold") -> Content:
    return Content.assemble((f"{name:<11}", QUIET), (f"{figure:>8}", colour), (f"  {note}", QUIET))


def _horizon(hours: int) -> str:
    return f"{hours // 24} days" if hours > 48 and hours % 24 == 0 else f"{hours} h"
