"""Forecasts: the fan chart of the one under the cursor, its total in words, its hours, and new ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical

from musktracker.text import counted
from musktracker.timeline import HOUR, Span, floor_hour, iso
from tui.copying import copy
from tui.places import OF_FORECASTS
from tui.screens import forecast_text as words
from tui.screens import terms
from tui.screens.base import RESTING_SECONDS
from tui.screens.chart_events import read_events
from tui.screens.forecast_form import forecast_form
from tui.screens.forecast_tables import ForecastTable, HourTable
from tui.screens.forecast_views import LEVELS, TITLES, VIEWS, Material, fan
from tui.screens.running import RunningScreen
from tui.threads import in_thread
from tui.widgets.fan import Band, Event
from tui.widgets.fan_chart import FanChart
from tui.widgets.lines import LineList
from tui.widgets.record_table import RecordTable
from tui.widgets.run_progress import RunProgress
from tui.widgets.text_page import TextPage
from tui.widgets.toned_line import Parts, TonedLine
from tui.widgets.waiting import READING
from tui.working import begin

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.db.queries.forecasts import Accuracy, DayForecast, ForecastHead, ForecastHour
    from musktracker.run_info import RunInfo

HISTORY = timedelta(days=28)
ROOMY = 100  # columns from which on it is told in full which posts count
NOTHING = """No forecast yet

n makes one from the newest counts by the champion.
It needs a trained model (5, then t) and counted posts (3)."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The forecast that is shown, with what stands around it; `counts` are (start, posts) of observed hours."""

    head: ForecastHead
    hours: tuple[ForecastHour, ...]
    days: tuple[DayForecast, ...]
    counts: tuple[tuple[datetime, int], ...]
    events: tuple[Event, ...]
    first: datetime
    running: tuple[Band, ...]


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


class ForecastsScreen(RunningScreen):
    """The chart above, the stored forecasts and the hours of one of them below."""

    TITLE: ClassVar[str] = "Forecasts"
    CSS_PATH = "forecasts.tcss"
    TERMS = terms.FORECASTS
    AUTO_FOCUS = "ForecastTable"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (150, "-wide")]  # noqa: RUF012
    KINDS = ("forecast", "score")
    CHANGES: ClassVar[frozenset[str]] = frozenset({"new", "score", "cancel"})
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "New", tooltip="Forecast the hours to come", id="forecasts.new"),
        Binding("w", "place('windows')", "Windows", tooltip="Market windows and brackets", id="forecasts.windows"),
        Binding("i", "place('what_if')", "What if", tooltip="With and without events", id="forecasts.what_if"),
        Binding("d", "place('calibration')", "Calibration", tooltip="How all came out", id="forecasts.calibration"),
        Binding("v", "view", "View", tooltip="Posts an hour, a day, or in total so far", id="forecasts.view"),
        Binding(
            "s", "score", "Score", tooltip="Fill in what happened, and see how it compares", id="forecasts.score"
        ),
        Binding("t", "hours", "Hours", tooltip="The hours of the forecast as a table, or not", id="forecasts.hours"),
        Binding("c", "chart", "Chart", tooltip="Go to the chart, to read it off and to zoom", id="forecasts.chart"),
        Binding("y", "copy", "Copy CSV", show=False, tooltip="Copy the hours as CSV", id="forecasts.copy"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._data: ForecastsData | None = None
        remembered = self.app.memory.get("forecasts_view")
        self._view = remembered if remembered in VIEWS else VIEWS[0]
        self._wanted: int | None = None
        self._shown_fan: tuple[int, str] | None = None
        self._with_hours = False

    def compose_body(self) -> ComposeResult:
        """Words, chart, tables, and the run that goes on."""
        yield TonedLine(id="forecast-total")
        yield TonedLine(id="forecast-source")
        with Vertical(id="forecast-chart"):
            yield FanChart(empty="")
        with Horizontal(id="forecast-tables"):
            yield ForecastTable()
            yield HourTable()
        yield RunProgress(idle="", id="forecast-run")

    def fetch(self, engine: Engine) -> ForecastsData:
        """The forecasts, and everything about the chosen one."""
        from musktracker.db.queries import counts, forecasts, models

        run = self.read_run(engine)  # before the forecasts, which have what it made if it has ended
        heads = tuple(forecasts.listed(engine))
        fresh = counts.freshness(engine)
        moment = floor_hour(self.app.now())
        head = next((head for head in heads if head.id == self._wanted), heads[0] if heads else None)
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
        hidden = self._data is None or self.query_one(ForecastTable).found_nothing
        return None if self._data is None or hidden else self._data.chosen

    def _read_chosen(self, engine: Engine, head: ForecastHead, *, same_posts: bool) -> Chosen:
        from musktracker.db.queries import counts, forecasts

        span = Span(head.origin - HISTORY, head.until)
        return Chosen(
            head=head,
            hours=tuple(forecasts.hours(engine, head)),
            days=tuple(forecasts.days(engine, head, self.app.zone.key)),
            counts=tuple((hour.start, hour.count) for hour in counts.hourly(engine, span)) if same_posts else (),
            events=read_events(engine, span, head.model_metadata_id),
            first=span.start,
            running=_running(engine, head),
        )

    def show(self, data: ForecastsData) -> None:
        """Bring words, chart and tables up to date; where the user reads off and zooms stays."""
        self._data = data = self._with_the_wanted(data)
        self.query_one(ForecastTable).set_records(data.heads)
        self._show_chosen(data)
        self.show_run(data.run)
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
            begin(self, "choose", self._load, head, exclusive=True)
        elif self._data is not None:  # the filter leaves nothing, or what was shown before it again
            self._show_chosen(self._data)
            self.refresh_bindings()

    async def _load(self, head: ForecastHead) -> None:
        """Show another forecast; a faster hand than the database leaves those between out."""
        await asyncio.sleep(RESTING_SECONDS)
        chosen = await self._read_now(head)
        if self._data is not None and chosen is not None:
            self._data = replace(self._data, chosen=chosen)
            self._show_chosen(self._data)
            self.refresh_bindings()

    async def _read_now(self, head: ForecastHead) -> Chosen | None:
        """Everything about a forecast; None where it cannot be read, which is said."""
        engine, data = self.app.engine, self._data
        if engine is None or data is None:
            return None
        same_posts = head.counting == data.counting
        try:
            return await in_thread(lambda: self._read_chosen(engine, head, same_posts=same_posts))
        except Exception as error:
            self.app.complain(error)
            return None

    def _with_chosen(self, do: Callable[[Chosen], None]) -> None:
        """Do it with the forecast under the cursor, which is read first where another is still shown."""
        head, chosen = self.query_one(ForecastTable).record, self._chosen
        if chosen is not None and (head is None or head.id == chosen.head.id):
            do(chosen)
        elif head is not None:
            begin(self, "read", self._read_for, head, do)

    async def _read_for(self, head: ForecastHead, do: Callable[[Chosen], None]) -> None:
        chosen = await self._read_now(head)
        if chosen is not None and self.is_current:
            do(chosen)

    @on(RecordTable.Opened, "ForecastTable")
    def _open(self) -> None:
        self._with_chosen(self._show_page)

    def _show_page(self, chosen: Chosen) -> None:
        accuracies = self._data.accuracies if self._data is not None else ()
        found = next((a for a in accuracies if a.model_metadata_id == chosen.head.model_metadata_id), None)
        text = words.page(chosen.head, chosen.hours, found, self.app.format_time)
        self.app.push_screen(TextPage(f"Forecast {chosen.head.id}", text))

    @on(RecordTable.Opened, "HourTable")
    def action_chart(self) -> None:
        """Give the chart the keys."""
        self.query_one(FanChart).focus()

    def action_back(self) -> None:
        """Back to the table of forecasts, also where the hours stand in its place."""
        if self._with_hours:
            self.action_hours()
        else:
            super().action_back()

    def action_view(self) -> None:
        """Show the next view."""
        self._view = VIEWS[(VIEWS.index(self._view) + 1) % len(VIEWS)]
        self.app.remember(forecasts_view=self._view)
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
        self.ask_run(form, "forecast", then=self._follow)

    def action_place(self, name: str) -> None:
        """Go to windows, calibration or what-if."""
        self.app.navigation.open(OF_FORECASTS[name])

    def action_score(self) -> None:
        """Fill in what happened."""
        self.start("score", {})

    def action_copy(self) -> None:
        """Copy the hours as CSV, also into a file."""
        self._with_chosen(self._copy)

    def can(self, action: str) -> bool | None:
        """What cannot be done now is dimmed or absent."""
        if action in ("copy", "view", "hours", "chart") and self._chosen is None:
            return None
        return super().can(action)

    def _copy(self, chosen: Chosen) -> None:
        text = words.csv_text(chosen.head, chosen.hours)
        what = f"{counted(len(chosen.hours), 'hour')} of forecast {chosen.head.id} as CSV"
        copy(self.app, self.app.settings, text, what)

    def made(self, run: RunInfo) -> None:
        """Show the forecast that the run has just made."""
        if self._data is not None and run.kind == "forecast":
            self._choose_made(self._data, run)

    def _choose_made(self, data: ForecastsData, run: RunInfo) -> None:
        """Show the forecast that the run has just made."""
        made = run.result or {}
        wanted = (made.get("model_metadata_id"), made.get("horizon_hours"), made.get("forecast_time"))
        for head in data.heads:
            if (head.model_metadata_id, head.horizon, iso(head.origin)) == wanted:
                self.query_one(ForecastTable).select(head.id)

    def _show_chosen(self, data: ForecastsData) -> None:
        chart, chosen = self.query_one(FanChart), self._chosen
        self._show_words(data)
        self.query_one(HourTable).set_records(chosen.hours if chosen else ())
        if chosen is None:
            chart.say(self.query_one(ForecastTable).found_nothing or NOTHING)
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
            running=chosen.running,
        )
        made, view = fan(self._view, material)
        which = (chosen.head.id, self._view)
        chart.set_fan(made, view=view, keep=which == self._shown_fan)
        self._shown_fan = which

    def on_resize(self) -> None:
        """Another width has room for other words."""
        if self._data is not None:
            self._show_words(self._data)

    def _show_words(self, data: ForecastsData) -> None:
        chosen = self._chosen
        self.query_one("#forecast-total", TonedLine).set_parts(words.total_parts(chosen.head) if chosen else [])
        self.query_one("#forecast-source", TonedLine).set_parts(
            self._source_parts(data, chosen.head) if chosen else []
        )
        chart = self.query_one("#forecast-chart")
        title = TITLES[self._view] if chosen is not None else "Forecast"
        if chosen is not None and self._view == "daily" and not chosen.days:
            title += " · mean alone: no intervals are stored for these days"
        if chosen is not None and self._view == "running" and not chosen.running:
            title += " · mean alone: intervals are stored for the end"
        chart.border_title = f"{title} · times in {self.app.zone.key}" if chosen is not None else title

    def _source_parts(self, data: ForecastsData, head: ForecastHead) -> Parts:
        when = self.app.format_time(head.origin, "%a %d %b %H:%M")
        counting = words.counting_text(head.counting) if self.size.width >= ROOMY else f"counting {head.counting}"
        parts = [
            (f"{head.model} {head.version}", ""),
            (f" from {when}, {words.horizon_text(head.horizon)} ahead · {counting}", "dim"),
        ]
        if head.counting != data.counting:
            parts.append((f" · not comparable: the database now counts {data.counting!r}", "warning"))
        elif data.data_until is not None and head is data.heads[0] and data.now - data.data_until > HOUR:
            age = words.age_text(data.now - data.data_until)
            parts.append((f" · the data end {age} ago", "warning"))
        parts += [(f" · {warning}", "warning") for warning in head.warnings]
        return parts


def _running(engine: Engine, head: ForecastHead) -> tuple[Band, ...]:
    """The intervals of the running total, where they were stored."""
    from musktracker.db.queries import calibration

    try:
        said = calibration.said(engine, head.id)
    except ValueError:  # damaged: the end of the horizon has its own
        return ()
    found = [(level, said.running_interval(level)) for level in LEVELS] if said is not None else []
    return tuple(Band(level, tuple(ends[0]), tuple(ends[1])) for level, ends in found if ends is not None)
