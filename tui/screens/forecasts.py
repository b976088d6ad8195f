"""Forecasts: the fan chart of the one under the cursor, its total in words, its hours, and new ones."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from musktracker.text import printable
from musktracker.timeline import HOUR, Span, floor_hour, iso
from tui.copying import copy
from tui.screens import forecast_text as words
from tui.screens.base import ConsoleScreen
from tui.screens.forecast_form import forecast_form, parameters
from tui.screens.forecast_views import TITLES, VIEWS, Material, fan
from tui.threads import in_thread
from tui.widgets.fan import Event
from tui.widgets.fan_chart import FanChart
from tui.widgets.lines import LineList
from tui.widgets.record_table import Cell, Column, RecordTable
from tui.widgets.run_progress import RunProgress
from tui.widgets.text_page import TextPage
from tui.widgets.waiting import READING

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.db.queries.forecasts import Accuracy, DayForecast, ForecastHead, ForecastHour
    from musktracker.runs import RunInfo
    from tui.app import Console

SETTLE_SECONDS = 0.06  # a cursor that moves on within it has not chosen anything
HISTORY = timedelta(days=28)
KINDS = ("forecast", "score")
NOTHING = """No forecast yet

n makes one from the newest counts by the champion.
It needs a trained model (5, then t) and counted posts (3)."""
HEADS = (
    Column("From", 11),
    Column("Ahead", 5, right=True),
    Column("Model", 17, grow=1),
    Column("Version", 7, rank=2),
    Column("Total", 6, right=True),
    Column("95%", 11, right=True),
    Column("Happened", 8, right=True, rank=1),
    Column("Counts", 9, rank=3),
    Column("Notes", 16, grow=2, rank=4),
)
HOURS = (
    Column("Hour", 16),
    Column("Mean", 5, right=True),
    Column("50%", 6, right=True),
    Column("80%", 6, right=True),
    Column("95%", 6, right=True),
    Column("Actual", 6, right=True),
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The forecast that is shown, with what stands around it; `counts` are (start, posts) of observed hours."""

    head: ForecastHead
    hours: tuple[ForecastHour, ...]
    days: tuple[DayForecast, ...]
    counts: tuple[tuple[datetime, int], ...]
    events: tuple[Event, ...]
    first: datetime


@dataclass(frozen=True, slots=True)
class ForecastsData:
    """What the screen shows. `run` is the forecast or scoring that goes on, or the last that ended."""

    heads: tuple[ForecastHead, ...]
    chosen: Chosen | None
    accuracies: tuple[Accuracy, ...]
    versions: tuple[tuple[str, str], ...]
    data_until: datetime | None
    counting: str
    run: RunInfo | None
    state: str
    now: datetime


class ForecastTable(RecordTable["ForecastHead"]):
    """Forecasts, from the newest origin back."""

    app: Console

    def __init__(self) -> None:
        super().__init__(HEADS, self._row, lambda head: head.id, empty="No forecast yet: n makes one")

    def _row(self, head: ForecastHead) -> Sequence[Cell]:
        interval = head.interval(95)
        happened: Cell = ("", "dim")
        if head.actual_total is not None:
            happened = (f"{head.actual_total:,}", "bad" if words.verdict(head) == "outside 95%" else "good")
        return (
            self.app.format_time(head.origin, "%m-%d %H:%M"),
            words.horizon_text(head.horizon),
            head.model,
            (head.version, "dim"),
            (f"{head.total:,.0f}", "accent"),
            "" if interval is None else f"{interval[0]:,.0f}–{interval[1]:,.0f}",
            happened,
            (head.counting, "dim"),
            ("; ".join(head.warnings), "warning"),
        )


class HourTable(RecordTable["ForecastHour"]):
    """The hours of one forecast."""

    app: Console

    def __init__(self) -> None:
        super().__init__(HOURS, self._row, lambda hour: hour.start, empty="")

    def _row(self, hour: ForecastHour) -> Sequence[Cell]:
        when, mean, *intervals, actual = words.hour_cells(hour, self.app.format_time)
        widest = hour.intervals[-1]
        missed = hour.actual is not None and widest is not None and not widest[0] <= hour.actual <= widest[1]
        return (
            when,
            (mean, "accent"),
            *((text, "dim") for text in intervals),
            (actual, "bad" if missed else "dim" if hour.actual is None else ""),
        )


class ForecastsScreen(ConsoleScreen):
    """The chart above, the stored forecasts and the hours of one of them below."""

    TITLE: ClassVar[str] = "Forecasts"
    CSS_PATH = "forecasts.tcss"
    AUTO_FOCUS = "ForecastTable"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (150, "-wide")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "New", tooltip="Forecast the hours to come", id="forecasts.new"),
        Binding(
            "s", "score", "Score", tooltip="Fill in what happened, and see how it compares", id="forecasts.score"
        ),
        Binding("v", "view", "View", tooltip="Posts an hour, a day, or in total so far", id="forecasts.view"),
        Binding("t", "hours", "Hours", tooltip="The hours of the forecast as a table, or not", id="forecasts.hours"),
        Binding("c", "chart", "Chart", tooltip="Go to the chart, to read it off and to zoom", id="forecasts.chart"),
        Binding("y", "copy", "Copy CSV", show=False, tooltip="Copy the hours as CSV", id="forecasts.copy"),
        Binding("x", "cancel", "Cancel", tooltip="Ask the run below to stop", id="forecasts.cancel"),
        Binding("escape", "table", "Table", show=False, tooltip="Back to the table", id="forecasts.table"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._data: ForecastsData | None = None
        self._view = VIEWS[0]
        self._wanted: int | None = None
        self._shown_fan: tuple[int, str] | None = None
        self._with_hours = False
        self._started: int | None = None

    def compose_body(self) -> ComposeResult:
        """Words, chart, tables, and the run that goes on."""
        yield Static(id="forecast-total", markup=False)
        yield Static(id="forecast-source", markup=False)
        with Vertical(id="forecast-chart"):
            yield FanChart(empty="")
        with Horizontal(id="forecast-tables"):
            yield ForecastTable()
            yield HourTable()
        yield RunProgress(idle="", id="forecast-run")

    def fetch(self, engine: Engine) -> ForecastsData:
        """The forecasts, and everything about the chosen one."""
        from musktracker import runs
        from musktracker.db.queries import counts, forecasts, models

        heads = tuple(forecasts.listed(engine))
        fresh = counts.freshness(engine)
        moment = floor_hour(self.app.now())
        head = next((head for head in heads if head.id == self._wanted), heads[0] if heads else None)
        run = next(iter(runs.recent(engine, limit=1, kinds=KINDS)), None)
        return ForecastsData(
            heads=heads,
            chosen=None
            if head is None
            else self._read_chosen(engine, head, same_posts=head.counting == fresh.counting),
            accuracies=tuple(forecasts.accuracy(engine)),
            versions=tuple((found.model, found.version) for found in models.versions(engine)),
            data_until=fresh.latest_end,
            counting=fresh.counting,
            run=run,
            state=run.state if run else "",
            now=moment,
        )

    @property
    def _chosen(self) -> Chosen | None:
        """What is shown now."""
        return self._data.chosen if self._data is not None else None

    @property
    def _run(self) -> RunInfo | None:
        """The forecast or scoring that goes on, or the last one."""
        return self._data.run if self._data is not None else None

    def _read_chosen(self, engine: Engine, head: ForecastHead, *, same_posts: bool) -> Chosen:
        from musktracker.db.queries import counts, forecasts
        from musktracker.pipeline import events

        span = Span(head.origin - HISTORY, head.until)
        return Chosen(
            head=head,
            hours=tuple(forecasts.hours(engine, head)),
            days=tuple(forecasts.days(engine, head, self.app.zone.key)),
            counts=tuple((hour.start, hour.count) for hour in counts.hourly(engine, span)) if same_posts else (),
            events=tuple(Event(e.event_start, e.event_end, e.name) for e in events.listed(engine, span=span)),
            first=span.start,
        )

    def show(self, data: ForecastsData) -> None:
        """Bring words, chart and tables up to date; where the user reads off and zooms stays."""
        self._data = data = self._with_the_wanted(data)
        self.query_one(ForecastTable).set_records(data.heads)
        self._show_chosen(data)
        self._show_run(data)
        self.refresh_bindings()

    def _with_the_wanted(self, data: ForecastsData) -> ForecastsData:
        """The same with the forecast that the user has gone to since the reading began."""
        if data.chosen is not None and self._wanted not in {head.id for head in data.heads}:
            self._wanted = data.chosen.head.id
        if self._chosen is None or data.chosen is None or data.chosen.head.id == self._wanted:
            return data
        return replace(data, chosen=self._chosen)

    @on(LineList.Moved, "ForecastTable")
    def _choose(self) -> None:
        head = self.query_one(ForecastTable).record
        if head is not None and head.id != self._wanted:
            self._wanted = head.id
            self.run_worker(self._load(head), group="choose", exclusive=True)

    async def _load(self, head: ForecastHead) -> None:
        """Show another forecast; a faster hand than the database leaves those between out."""
        engine, data = self.app.engine, self._data
        if engine is None or data is None:
            return
        await asyncio.sleep(SETTLE_SECONDS)
        same_posts = head.counting == data.counting
        try:
            chosen = await in_thread(lambda: self._read_chosen(engine, head, same_posts=same_posts))
        except Exception as error:
            self.app.complain(error)
            return
        if self._data is not None:
            self._data = replace(self._data, chosen=chosen)
            self._show_chosen(self._data)
            self.refresh_bindings()

    @on(RecordTable.Opened, "ForecastTable")
    def _open(self) -> None:
        data, chosen = self._data, self._chosen
        if data is None or chosen is None:
            return
        found = next((a for a in data.accuracies if a.model_metadata_id == chosen.head.model_metadata_id), None)
        text = words.page(chosen.head, chosen.hours, found, self.app.format_time)
        self.app.push_screen(TextPage(f"Forecast {chosen.head.id}", text))

    @on(RecordTable.Opened, "HourTable")
    def action_chart(self) -> None:
        """Give the chart the keys."""
        self.query_one(FanChart).focus()

    def action_table(self) -> None:
        """Give the table the keys."""
        self.query_one(ForecastTable).focus()

    def action_view(self) -> None:
        """Show the next view."""
        self._view = VIEWS[(VIEWS.index(self._view) + 1) % len(VIEWS)]
        if self._data is not None:
            self._show_chosen(self._data)

    def action_hours(self) -> None:
        """Show the hours as a table, or not."""
        self._with_hours = not self._with_hours
        self.set_class(self._with_hours, "-hours")
        (self.query_one(HourTable) if self._with_hours else self.query_one(ForecastTable)).focus()

    def action_new(self) -> None:
        """Ask for a forecast, and start it."""
        data = self._data
        if data is None:
            self.notify(READING, timeout=2)
            return
        form = forecast_form(data.versions, data.data_until, self.app.now(), self.app.zone)
        self.app.push_screen(form, self._start)

    def action_score(self) -> None:
        """Fill in what happened."""
        self.launch("score", {}, then=self._follow)

    def action_copy(self) -> None:
        """Copy the hours as CSV, also into a file."""
        chosen = self._chosen
        if chosen is not None:
            text = words.csv_text(chosen.head, chosen.hours)
            copy(self.app, self.app.settings, text, f"{len(chosen.hours)} hours as CSV")

    def action_cancel(self) -> None:
        """Ask the run that goes on to stop."""
        run = self._run
        if run is None or not run.active:
            return

        def cancel(engine: Engine) -> bool:
            from musktracker import runs

            return runs.request_cancel(engine, run.id)

        self.act(cancel, done=f"Run {run.id} was asked to stop")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What cannot be done now is dimmed or absent."""
        if action == "cancel":
            run = self._run
            return run is not None and run.active
        if action in ("new", "score") and self.app.read_only:
            return None
        if action in ("copy", "view", "hours", "chart") and self._chosen is None:
            return None
        return super().check_action(action, parameters)

    def _start(self, values: dict[str, str] | None) -> None:
        if values is not None:
            self.launch("forecast", parameters(values, self.app.zone), then=self._follow)

    def _follow(self, run_id: int) -> None:
        self._started = run_id

    def _show_run(self, data: ForecastsData) -> None:
        progress = self.query_one("#forecast-run", RunProgress)
        run = data.run if data.run is not None and (data.run.active or data.run.id == self._started) else None
        progress.display = run is not None
        progress.info = run
        if run is not None and run.id == self._started and run.kind == "forecast" and run.status == "succeeded":
            self._started = None
            self._choose_made(data, run)

    def _choose_made(self, data: ForecastsData, run: RunInfo) -> None:
        """Show the forecast that the run has just made."""
        made = run.result or {}
        wanted = (made.get("model_metadata_id"), made.get("horizon_hours"), made.get("forecast_time"))
        for head in data.heads:
            if (head.model_metadata_id, head.horizon, iso(head.origin)) == wanted:
                self.query_one(ForecastTable).select(head.id)

    def _show_chosen(self, data: ForecastsData) -> None:
        chart, chosen = self.query_one(FanChart), data.chosen
        self._show_words(data)
        self.query_one(HourTable).set_records(chosen.hours if chosen else ())
        if chosen is None:
            chart.say(NOTHING)
            chart.set_fan(None)
            self._shown_fan = None
            return
        material = Material(
            head=chosen.head,
            hours=chosen.hours,
            days=chosen.days,
            counts=dict(chosen.counts),
            first=chosen.first,
            now=data.now,
            events=chosen.events,
            zone=self.app.zone,
        )
        made, view = fan(self._view, material)
        which = (chosen.head.id, self._view)
        chart.set_fan(made, view=view, keep=which == self._shown_fan)
        self._shown_fan = which

    def _show_words(self, data: ForecastsData) -> None:
        chosen = data.chosen
        total, source = Text(no_wrap=True, overflow="ellipsis"), Text(no_wrap=True, overflow="ellipsis")
        if chosen is not None:
            head = chosen.head
            tones = self._tones()
            for text, tone in words.total_parts(head):
                total.append(text, tones[tone])
            for text, tone in self._source_parts(data, head):
                source.append(printable(text), tones[tone])
        for selector, line in (("#forecast-total", total), ("#forecast-source", source)):
            widget = self.query_one(selector, Static)
            if widget.content != line:
                widget.update(line)
        chart = self.query_one("#forecast-chart")
        title = TITLES[self._view] if chosen is not None else "Forecast"
        if chosen is not None and self._view == "daily" and not chosen.days:
            title += " · mean alone: no intervals are stored for these days"
        chart.border_title = title
        chart.border_subtitle = f"times in {self.app.zone.key}" if chosen is not None else ""

    def _source_parts(self, data: ForecastsData, head: ForecastHead) -> list[tuple[str, str]]:
        when = self.app.format_time(head.origin, "%a %d %b %H:%M")
        parts = [
            (f"{head.model} {head.version}", ""),
            (f" from {when}, {words.horizon_text(head.horizon)} ahead · {words.counting_text(head.counting)}", "dim"),
        ]
        if head.counting != data.counting:
            parts.append((f" · not comparable: the database now counts {data.counting!r}", "warning"))
        elif data.data_until is not None and head is data.heads[0] and data.now - data.data_until > HOUR:
            age = words.age_text(data.now - data.data_until)
            parts.append((f" · the data end {age} ago", "warning"))
        parts += [(f" · {warning}", "warning") for warning in head.warnings]
        return parts

    def _tones(self) -> dict[str, Any]:
        table = self.query_one(ForecastTable)
        plain = table.style("dim")
        strong = table.rich_style.without_color + table.style("accent")
        return {
            "": "",
            "dim": plain,
            "strong": strong,
            "good": table.style("good"),
            "bad": table.style("bad"),
            "warning": table.style("warning"),
        }
