"""Market windows: what a window holds so far, what it will hold, and how likely each bracket is."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Resize

from musktracker.brackets import Bracket
from musktracker.market_windows import PRESETS
from musktracker.timeline import HOUR, Span
from tui.screens import terms
from tui.screens import window_text as words
from tui.screens.base import PASSING_SECONDS, is_shown
from tui.screens.chart_events import read_events
from tui.screens.forecast_text import counting_text
from tui.screens.running import RunningScreen
from tui.screens.window_choice import WindowChoice, window_form
from tui.screens.window_fans import Course, chance_fan, total_fan
from tui.widgets.bracket_bars import BracketBars
from tui.widgets.fan import Event
from tui.widgets.fan_chart import FanChart
from tui.widgets.lines import LineList
from tui.widgets.run_progress import RunProgress
from tui.widgets.text_page import TextPage
from tui.widgets.toned_line import Parts, TonedLine
from tui.working import begin

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.db.queries.window_standing import Standing, StoredWindowForecast
    from musktracker.run_info import RunInfo

VIEWS = ("brackets", "total", "chance")
ROOMY = (110, 28)  # columns and rows from which on everything is shown at once
LINES = ("span", "count", "total", "source")
AS_OF = "%Y-%m-%d %H:%M %Z"


@dataclass(frozen=True, slots=True)
class WindowData:
    """What the screen shows; `forecasts` are those of the window, from the last made back."""

    choice: WindowChoice
    span: Span
    brackets: tuple[Bracket, ...]
    standing: Standing | None
    forecasts: tuple[StoredWindowForecast, ...]
    counts: tuple[tuple[datetime, int], ...]
    events: tuple[Event, ...]
    models: tuple[str, ...]
    run: RunInfo | None
    state: str
    minute: datetime

    @property
    def newest(self) -> StoredWindowForecast | None:
        """The last forecast."""
        return self.forecasts[0] if self.forecasts else None

    @property
    def outdated(self) -> bool:
        """Whether an hour was counted that the last forecast does not know, of a window that goes on."""
        standing = self.standing
        if standing is None or not standing.so_far.to_come or self.minute < self.span.start or self.choice.as_of:
            return False
        return self.newest is None or self.newest.origin < standing.data_until


class WindowScreen(RunningScreen):
    """Words above; brackets as bars, the course of the total and that of a bracket below."""

    TITLE: ClassVar[str] = "Windows"
    CSS_PATH = "window_view.tcss"
    TERMS = terms.WINDOWS
    AUTO_FOCUS = "BracketBars"
    KINDS = ("window",)
    CHANGES: ClassVar[frozenset[str]] = frozenset({"forecast", "auto", "cancel"})
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "forecast", "Forecast", tooltip="Forecast this window from what is counted", id="window.new"),
        Binding(
            "w", "next", "Kind", tooltip="The next kind of window: fri-noon, tue-noon, 48h, month", id="window.next"
        ),
        Binding("e", "edit", "Edit", tooltip="Choose window, brackets, model; or your own window", id="window.edit"),
        Binding("v", "view", "View", tooltip="Brackets, total over time, bracket over time", id="window.view"),
        Binding("f", "following", "Next", tooltip="The window after this one, or this one", id="window.following"),
        Binding("a", "auto", "Auto", tooltip="Forecast anew after each counted hour, or not", id="window.auto"),
        Binding("c", "chart", "Chart", show=False, tooltip="Go to the chart, or back", id="window.chart"),
        Binding("escape", "back", "Back", tooltip="Back to the forecasts", id="window.back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        memory = self.app.memory
        self._choice = WindowChoice.remembered(memory.get("window"))
        self._view = memory["window_view"] if memory.get("window_view") in VIEWS else VIEWS[0]
        self._auto = memory.get("window_auto") is True
        self._data: WindowData | None = None
        self._asked_at: tuple[WindowChoice, datetime] | None = None  # what was forecast by itself
        self._drawn_total: Span | None = None
        self._drawn_chance: tuple[Span, Bracket] | None = None

    def compose_body(self) -> ComposeResult:
        """Words, brackets and charts, the rates for the bracket under the cursor, the run."""
        for name in LINES:
            yield TonedLine(id=f"window-{name}")
        with Horizontal(id="window-body"):
            with Vertical(id="window-brackets"):
                yield BracketBars()
            with Vertical(id="window-charts"):
                with Vertical(id="window-total-chart", classes="window-chart"):
                    yield FanChart(id="chart-total", empty="No forecast of this window yet: n makes one")
                with Vertical(id="window-chance-chart", classes="window-chart"):
                    yield FanChart(id="chart-chance", empty="")
        yield TonedLine(id="window-rate")
        yield RunProgress(idle="", id="window-run")

    def fetch(self, engine: Engine) -> WindowData:
        """The window as it stands now, and what was forecast of it."""
        from musktracker.db.queries import counts, models
        from musktracker.db.queries import window_standing as windows

        choice = self._choice
        moment = choice.moment(self.app.now())
        span, brackets = choice.span(moment), tuple(choice.bracket_list())
        as_of = moment if choice.as_of is not None else None
        standing = windows.standing(engine, span, moment, choice.zone, as_of=as_of)
        found = windows.forecasts_of(engine, span, standing.counting) if standing is not None else []
        if as_of is not None:
            found = [one for one in found if one.made_at <= as_of]
        forecasts = _alike(found, choice.model)
        course = Course(span, forecasts, (), (), moment)
        run = self.read_run(engine)
        return WindowData(
            choice=choice,
            span=span,
            brackets=brackets,
            standing=standing,
            forecasts=forecasts,
            counts=tuple(
                (one.start, one.count)
                for one in counts.hourly(engine, span)
                if as_of is None or one.start + HOUR <= as_of
            ),
            events=read_events(
                engine, Span(course.start, span.end), forecasts[0].model_metadata_id if forecasts else None
            ),
            models=tuple(dict.fromkeys(one.model for one in models.versions(engine))),
            run=run,
            state=run.state if run else "",
            minute=moment.replace(second=0, microsecond=0),
        )

    def show(self, data: WindowData) -> None:
        """Bring everything up to date, and forecast anew where that is wanted."""
        self._data = data
        self._show_words(data)
        self._show_bars(data)
        self._show_charts(data)
        self._show_rate()
        self.show_run(data.run if data.run is not None and data.choice.is_of(data.run.parameters) else None)
        self.refresh_bindings()
        self._forecast_by_itself(data)

    def on_mount(self) -> None:
        """Lay out what is shown."""
        super().on_mount()
        self._lay_out()

    def on_resize(self, event: Resize) -> None:
        """Everything at once where there is room."""
        self.set_class(event.size.width >= ROOMY[0] and event.size.height >= ROOMY[1], "-roomy")
        self._lay_out()

    def action_forecast(self) -> None:
        """Forecast the window from what is counted now."""
        self.start("window", self._choice.parameters())

    def action_next(self) -> None:
        """Show the next kind of window; one's own is among them once there is one."""
        own = WindowChoice.remembered(self.app.memory.get("own_window"))
        as_of = self._choice.as_of
        choices = [WindowChoice(preset, model=self._choice.model, as_of=as_of) for preset in PRESETS]
        choices += [replace(own, as_of=as_of)] if own.preset is None else []
        here = next((i for i, one in enumerate(choices) if one.preset == self._choice.preset), -1)
        self._choose(choices[(here + 1) % len(choices)])

    def action_following(self) -> None:
        """Show the window after this one, or this one again."""
        self._choose(replace(self._choice, following=not self._choice.following))

    def action_edit(self) -> None:
        """Ask which window, with which brackets, by which model."""
        data = self._data
        if data is not None:
            form = window_form(self._choice, data.models, data.span, self.app.now(), self.app.zone)
            self.app.push_screen(form, lambda choice: self._choose(choice) if choice is not None else None)

    def action_view(self) -> None:
        """Show the next view."""
        self._view = VIEWS[(VIEWS.index(self._view) + 1) % len(VIEWS)]
        self.app.remember(window_view=self._view)
        self._lay_out()

    def action_chart(self) -> None:
        """Give the chart the keys, or the brackets."""
        if isinstance(self.focused, FanChart) and self.query_one("#window-brackets").display:
            self.query_one(BracketBars).focus()
        else:
            self._view = VIEWS[1] if self._view == VIEWS[0] else self._view
            self._lay_out()
            self.query_one(f"#chart-{self._view}").focus()

    def action_auto(self) -> None:
        """Forecast anew after each counted hour while this is open, or not."""
        self._auto = not self._auto
        self.app.remember(window_auto=self._auto)
        if self._data is not None:
            self._show_words(self._data)
            self._forecast_by_itself(self._data)

    def can(self, action: str) -> bool | None:
        """A window that is over holds nothing to forecast; only presets have a window after them."""
        data = self._data
        if action == "forecast" and (data is None or data.standing is None or not data.standing.so_far.to_come):
            return None
        if action == "following" and self._choice.preset is None:
            return None
        if action == "auto" and self._choice.as_of is not None:
            return None
        if action == "view" and self.has_class("-roomy"):
            return False
        return super().can(action)

    @on(LineList.Moved, "BracketBars")
    def _moved(self) -> None:
        self._show_rate()
        begin(self, "bracket", self._choose_bracket, exclusive=True)

    async def _choose_bracket(self) -> None:
        """Draw the course of another bracket; those that the cursor only passes are left out."""
        await asyncio.sleep(PASSING_SECONDS)
        if self._data is not None:
            self._show_chance(self._data)

    @on(BracketBars.Opened)
    def _open(self) -> None:
        data = self._data
        if data is not None and data.newest is not None:
            text = words.page(data.newest, data.standing, self.app.format_time)
            self.app.push_screen(TextPage(f"Forecast of {data.choice.name}", text))

    def _choose(self, choice: WindowChoice) -> None:
        self._choice = choice
        kept = asdict(replace(choice, as_of=None))
        self.app.remember(window=kept)
        if choice.preset is None:
            self.app.remember(own_window=kept)
        self.refresh_bindings()
        self.refresh_data()

    def _lay_out(self) -> None:
        roomy = self.has_class("-roomy")
        shown = {"#window-brackets": roomy or self._view == "brackets"}
        shown |= {f"#window-{name}-chart": roomy or self._view == name for name in VIEWS[1:]}
        shown["#window-charts"] = roomy or self._view != "brackets"
        for selector, display in shown.items():
            self.query_one(selector).display = display
        if self._data is not None:
            self._show_chance(self._data)
        if self.focused is None or not is_shown(self.focused):
            self.query_one(BracketBars if shown["#window-brackets"] else f"#chart-{self._view}").focus()

    def _forecast_by_itself(self, data: WindowData) -> None:
        """At most once for each counted hour, whatever becomes of it."""
        standing = data.standing
        if not self._auto or self.app.read_only or standing is None or data.choice != self._choice:
            return
        busy = data.run is not None and data.run.active and data.state != "lost"
        asked = (data.choice, standing.data_until)
        if data.outdated and not busy and asked != self._asked_at:
            self._asked_at = asked
            self.action_forecast()

    def _show_words(self, data: WindowData) -> None:
        newest, standing, app = data.newest, data.standing, self.app
        moment = data.minute
        lines = (
            words.span_parts(data.choice.name, data.span, data.choice.zone, moment, app.now()),
            words.count_parts(standing, data.span, app.format_time),
            words.total_parts(newest, standing),
            [*self._as_of_parts(data), *words.source_parts(newest, standing, moment, app.format_time)],
        )
        for name, parts in zip(LINES, lines, strict=True):
            self.query_one(f"#window-{name}", TonedLine).set_parts(parts)
        frame = self.query_one("#window-brackets")
        counted = "Brackets" if standing is None else f"Brackets · {counting_text(standing.counting)}"
        auto = self._auto and data.choice.as_of is None
        frame.border_title = "Brackets · forecast anew each counted hour" if auto else counted

    def _show_bars(self, data: WindowData) -> None:
        self.query_one(BracketBars).set_bars(
            words.bars(data.brackets, data.newest, data.standing),
            note=words.chances_note(data.brackets, data.newest, data.standing),
            about=words.about(data.choice.name, data.span, data.newest, data.standing, data.minute),
        )

    def _show_rate(self) -> None:
        data, bracket = self._data, self._bracket
        parts = words.rate_parts(bracket, data.standing) if data is not None and bracket is not None else []
        self.query_one("#window-rate", TonedLine).set_parts(parts)

    def _show_charts(self, data: WindowData) -> None:
        chart, frame = self.query_one("#chart-total", FanChart), self.query_one("#window-total-chart")
        frame.border_title = f"Total, by when it was forecast · {self._times_text(data)}"
        if data.forecasts or data.counts:
            made, view = total_fan(self._course(data))
            chart.set_fan(made, view=view, keep=self._drawn_total == data.span)
            self._drawn_total = data.span
        else:
            chart.set_fan(None)
        self._show_chance(data)

    def _show_chance(self, data: WindowData) -> None:
        chart, bracket = self.query_one("#chart-chance", FanChart), self._bracket
        if not is_shown(chart):
            return
        title = "Chance of a bracket" if bracket is None else f"Chance of {bracket}, by when it was forecast"
        title += f" · {self._times_text(data)}"
        self.query_one("#window-chance-chart").border_title = title
        if bracket is None or not data.forecasts:
            chart.set_fan(None)
            return
        made, view = chance_fan(self._course(data), bracket)
        chart.set_fan(made, view=view, keep=self._drawn_chance == (data.span, bracket))
        self._drawn_chance = (data.span, bracket)

    def _as_of_parts(self, data: WindowData) -> Parts:
        """That this is the past, where it is."""
        if data.choice.as_of is None:
            return []
        end = " · " if data.newest is not None else ""
        return [(f"As of {self.app.format_time(data.minute, AS_OF)}{end}", "warning")]

    def _times_text(self, data: WindowData) -> str:
        where = f"times in {self.app.zone.key}"
        return where if data.choice.as_of is None else f"as of {self.app.format_time(data.minute)} · {where}"

    def _course(self, data: WindowData) -> Course:
        name = "now" if data.choice.as_of is None else "as of"
        return Course(data.span, data.forecasts, data.counts, data.events, data.minute, name)

    @property
    def _bracket(self) -> Bracket | None:
        """The one under the cursor."""
        cursor = self.query_one(BracketBars).cursor
        return self._data.brackets[cursor] if self._data is not None and cursor < len(self._data.brackets) else None


def _alike(found: list[StoredWindowForecast], model: str | None) -> tuple[StoredWindowForecast, ...]:
    """Those by the model that is asked for (or by that of the last), whatever the brackets they were made for."""
    named = [one for one in found if one.model == model] if model is not None and "@" not in model else found
    return tuple(one for one in named if one.model == named[0].model)
