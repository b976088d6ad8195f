"""What if: a forecast with some events and without them, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from musktracker.timeline import Span, floor_hour
from tui.screens import terms
from tui.screens import what_if_text as words
from tui.screens.chart_events import effect_text
from tui.screens.forecast_text import DASH
from tui.screens.running import RunningScreen
from tui.screens.what_if_form import Candidate, what_if_form
from tui.screens.what_if_text import ComparedDay
from tui.widgets.fan_chart import FanChart
from tui.widgets.record_table import Cell, Column, RecordTable
from tui.widgets.run_progress import RunProgress
from tui.widgets.toned_line import TonedLine

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.run_info import RunInfo

AHEAD = timedelta(days=7)  # events within it may be left out
LOOKED_THROUGH = 20  # of the last what-ifs, for one that succeeded
NOTHING = "No what-if yet\n\nn compares the forecast with and without events,\nknown ones or one that you imagine."
COLUMNS = (
    Column("Day", 10),
    Column("Hours", 5, right=True, rank=3),
    Column("With", 6, right=True),
    Column("95%", 11, right=True, rank=1),
    Column("Without", 7, right=True),
    Column("95%", 11, right=True, rank=2),
    Column("Difference", 10, right=True),
    Column("95%", 13, right=True),
)


@dataclass(frozen=True, slots=True)
class WhatIfData:
    """What the screen shows: `result` is of the last comparison `shown` that succeeded."""

    shown: int | None
    result: Mapping[str, Any] | None
    counts: tuple[tuple[datetime, int], ...]
    candidates: tuple[Candidate, ...]
    models: tuple[str, ...]
    run: RunInfo | None
    state: str
    now: datetime


class DayTable(RecordTable[ComparedDay]):
    """Each day with the events, without them, and the difference."""

    def __init__(self) -> None:
        super().__init__(COLUMNS, self._row, lambda day: day.date, empty="")

    def _row(self, day: ComparedDay) -> Sequence[Cell]:
        difference = day.difference
        sure = difference["lower_95"] > 0 or difference["upper_95"] < 0
        return (
            f"{day.date:%a %d %b}",
            (f"{day.hours}", "dim"),
            (f"{day.with_them['mean']:,.0f}", "accent"),
            (_interval(day.with_them), "dim"),
            f"{day.without['mean']:,.0f}",
            (_interval(day.without), "dim"),
            (f"{difference['mean']:+,.1f}", "accent" if sure else ""),
            (f"{difference['lower_95']:+,.0f} to {difference['upper_95']:+,.0f}", "dim"),
        )


class WhatIfScreen(RunningScreen):
    """Both totals and their difference above, the days as a chart and a table below."""

    TITLE: ClassVar[str] = "What if"
    CSS_PATH = "what_if_view.tcss"
    TERMS = terms.WHAT_IF
    AUTO_FOCUS = "DayTable"
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]  # noqa: RUF012
    KINDS = ("what_if",)
    CHANGES: ClassVar[frozenset[str]] = frozenset({"new", "cancel"})
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "New", tooltip="Compare with and without events", id="what_if.new"),
        Binding("c", "chart", "Chart", tooltip="Go to the chart, or back to the table", id="what_if.chart"),
        Binding("escape", "back", "Back", tooltip="Back to the forecasts", id="what_if.back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._data: WhatIfData | None = None

    def compose_body(self) -> ComposeResult:
        """Words, chart, table, run."""
        for name in ("with", "without", "difference", "source"):
            yield TonedLine(id=f"what-if-{name}")
        with Vertical(id="what-if-chart"):
            yield FanChart(empty="")
        yield DayTable()
        yield RunProgress(idle="", id="what-if-run")

    def fetch(self, engine: Engine) -> WhatIfData:
        """The last comparison, and what another could be of."""
        from musktracker import runs
        from musktracker.db.queries import counts, models
        from musktracker.pipeline import events

        run = self.read_run(engine)
        found = runs.recent(engine, limit=LOOKED_THROUGH, kinds=self.KINDS)
        shown = next((one for one in found if one.status == "succeeded" and one.result), None)
        result = shown.result if shown is not None else None
        until = counts.latest_bucket_end(engine) or self.app.now()
        teller = models.newest_with_effects(engine)
        effects = teller.event_effects if teller is not None else ()
        return WhatIfData(
            shown=shown.id if shown is not None else None,
            result=result,
            counts=()
            if result is None
            else tuple((one.start, one.count) for one in counts.hourly(engine, Span(*words.history_needed(result)))),
            candidates=tuple(
                Candidate(one, effect_text(effects, one.category, one.intensity))
                for one in events.listed(engine, span=Span(until, until + AHEAD))
            ),
            models=tuple(dict.fromkeys(one.model for one in models.versions(engine))),
            run=run,
            state=run.state if run else "",
            now=floor_hour(self.app.now()),
        )

    def show(self, data: WhatIfData) -> None:
        """Bring everything up to date."""
        before, self._data = self._data, data
        result, chart = data.result, self.query_one(FanChart)
        chart.say(NOTHING)
        for name, parts in words.lines(result, self.app.format_time).items():
            self.query_one(f"#what-if-{name}", TonedLine).set_parts(parts)
        self.query_one(DayTable).set_records(() if result is None else words.compared_days(result))
        if result is None:
            chart.set_fan(None)
        else:
            made, view = words.day_fan(result, data.counts, data.now, self.app.zone)
            chart.set_fan(made, view=view, keep=before is not None and before.shown == data.shown)
        frame = self.query_one("#what-if-chart")
        days = f"Posts a day: with the events, and without them (dashes) · days of {self.app.zone.key}"
        frame.border_title = days if result else "What if"
        self.show_run(data.run)
        self.refresh_bindings()

    def action_new(self) -> None:
        """Ask what to compare, and start it."""
        data, zone, now = self._data, self.app.zone, self.app.now()
        if data is not None:
            form = what_if_form(data.candidates, data.models, now, zone)
            self.ask_run(form, "what_if", then=self._follow)

    def action_chart(self) -> None:
        """Give the chart the keys, or the table."""
        chart = self.query_one(FanChart)
        (self.query_one(DayTable) if chart.has_focus else chart).focus()


def _interval(found: Mapping[str, Any]) -> str:
    return f"{found['lower_95']:,.0f}{DASH}{found['upper_95']:,.0f}"
