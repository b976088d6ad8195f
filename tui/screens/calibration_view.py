"""Calibration: how the forecasts of each version came out, of hours and of windows, and what has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Vertical
from textual.events import Resize

from musktracker.text import counted, printable
from tui.screens import calibration_plots as plots
from tui.screens import terms
from tui.screens.base import RESTING_SECONDS
from tui.screens.forecast_text import counting_text, horizon_text
from tui.screens.running import RunningScreen
from tui.screens.window_scores import WindowScoresPanel, WindowTable
from tui.threads import in_thread
from tui.widgets.lines import LineList
from tui.widgets.plot import Plot, Points
from tui.widgets.record_table import Cell, Column, RecordTable
from tui.widgets.run_progress import RunProgress
from tui.widgets.text_page import TextPage
from tui.widgets.toned_line import Parts, TonedLine
from tui.working import begin

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.db.queries.calibration import HorizonScores, NoticeOfChange, WeekScores
    from musktracker.db.queries.window_scores import WindowScores
    from musktracker.run_info import RunInfo
    from tui.app import Console

BACK = timedelta(days=180)  # from now, or from the newest that is scored: older forecasts stay out
VIEWS = ("pit", "coverage", "weeks", "misses")
ROOMY = (110, 30)  # columns and rows from which on all plots are shown at once
COLUMNS = (
    Column("Model", 14, grow=1),
    Column("Version", 7, rank=1),
    Column("Ahead", 5, right=True),
    Column("n", 5, right=True),
    Column("Apart", 5, right=True, rank=4),
    Column("CRPS", 5, right=True),
    Column("Skill", 6, right=True),
    Column("Bias", 6, right=True, rank=5),
    Column("50%", 5, right=True),
    Column("80%", 5, right=True),
    Column("95%", 5, right=True),
    Column("Misses", 9, right=True, rank=3),
)
NOTHING = "No forecast is scored yet: s scores those whose hours are over"
Key = tuple[int, int]


@dataclass(frozen=True, slots=True)
class CalibrationData:
    """What the screen shows; `weeks` are those of the version and horizon `of`, `windows` None until looked at."""

    counting: str
    found: tuple[HorizonScores, ...]
    of: Key | None
    weeks: tuple[WeekScores, ...]
    windows: tuple[WindowScores, ...] | None
    notices: tuple[NoticeOfChange, ...]
    run: RunInfo | None
    state: str


class ScoreTable(RecordTable["HorizonScores"]):
    """Versions by horizon."""

    app: Console

    def __init__(self) -> None:
        super().__init__(COLUMNS, self._row, _key, empty=NOTHING)

    def _row(self, one: HorizonScores) -> Sequence[Cell]:
        held = [
            (f"{share:.0%}!", "bad") if one.beyond(share, level) else (f"{share:.0%}", "dim" if one.few else "")
            for level, share in zip(plots.LEVELS, one.coverages, strict=True)
        ]
        # without an interval a skill is neither good nor bad
        skill = "" if one.skill is None else f"{round(one.skill, 2) + 0.0:+.0%}"
        return (
            one.model,
            (one.version, "accent"),
            horizon_text(one.horizon),
            f"{one.n:,}",
            (f"{one.apart:,}", "warning" if one.few else "dim"),
            f"{one.crps:.2f}" if one.crps < 100 else f"{one.crps:,.0f}",
            (skill, "dim" if one.few else ""),
            (f"{one.bias:+.1f}", "dim"),
            *held,
            (f"{one.above_95:,}↑ {one.below_95:,}↓", "dim"),
        )


class CalibrationScreen(RunningScreen):
    """Versions and horizons above, the plots of the one under the cursor below; or the scores of windows.

    `!` and `✗` mark shares that lie where chance takes those of a calibrated forecast in fewer than 5% of cases,
    where there are enough to judge by.
    """

    TITLE: ClassVar[str] = "Calibration"
    CSS_PATH = "calibration_view.tcss"
    TERMS = terms.CALIBRATION
    AUTO_FOCUS = "RecordTable.-home"
    KINDS = ("score",)
    CHANGES: ClassVar[frozenset[str]] = frozenset({"score", "cancel"})
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "plot", "Plot", tooltip="PIT, coverage, CRPS by week or misses", id="calibration.plot"),
        Binding("w", "windows", "Windows", tooltip="Scores of windows, or of hours", id="calibration.windows"),
        Binding("s", "score", "Score", tooltip="Fill in what happened, and score it", id="calibration.score"),
        Binding("o", "notices", "Notices", tooltip="What has changed about the account", id="calibration.notices"),
        Binding("escape", "back", "Back", tooltip="Back to the forecasts", id="calibration.back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        view = self.app.memory.get("calibration_view")
        self._view: str | None = view if view in VIEWS else None  # None is all plots, where there is room
        self._windows = self.app.memory.get("calibration_of") == "windows"
        self._windows_read: tuple[object, tuple[WindowScores, ...]] = (None, ())
        self._wanted: Key | None = None
        self._data: CalibrationData | None = None

    def compose_body(self) -> ComposeResult:
        """What has changed, the scores, what is to be said of those chosen, their plots, the run."""
        yield TonedLine(id="calibration-notice")
        with Vertical(id="calibration-hours"):
            yield ScoreTable()
            yield TonedLine(id="calibration-chosen")
            with Grid(id="calibration-plots"):
                for view in VIEWS:
                    yield Plot(id=f"plot-{view}")
        yield WindowScoresPanel(id="calibration-windows")
        yield RunProgress(idle="", id="calibration-run")

    def fetch(self, engine: Engine) -> CalibrationData:
        """All scores by horizon, and those of the chosen version and horizon by week."""
        from musktracker.db import settings
        from musktracker.db.queries import calibration

        counting, moment = settings.counting(engine), self.app.now()
        since = min(moment, calibration.newest_scored(engine, counting) or moment) - BACK
        found = tuple(calibration.by_horizon(engine, counting, since=since))
        keys = [_key(one) for one in found]
        of = self._wanted if self._wanted in keys else _first(found)
        run = self.read_run(engine)
        return CalibrationData(
            counting=counting,
            found=found,
            of=of,
            weeks=() if of is None else tuple(calibration.by_week(engine, counting, *of)),
            windows=self._read_windows(engine, counting, since) if self._windows else None,
            notices=tuple(calibration.notices(engine, since=since)),
            run=run,
            state=run.state if run else "",
        )

    def show(self, data: CalibrationData) -> None:
        """Bring everything up to date."""
        if self._data is not None and data.of != self._wanted and self._wanted is not None:
            data = replace(data, of=self._data.of, weeks=self._data.weeks)
        first, self._data = self._data is None, data
        table = self.query_one(ScoreTable)
        table.set_records(data.found)
        if first and data.of is not None:
            table.select(data.of)
        self._size_table(data)
        self._show_windows(data)
        self._show_notice(data)
        self._show_plots()
        self.show_run(data.run)
        self.refresh_bindings()

    def on_mount(self) -> None:
        """Begin with what was looked at last."""
        self._lay_out()
        super().on_mount()

    def on_resize(self, event: Resize) -> None:
        """All plots at once where there is room."""
        self.set_class(event.size.width >= ROOMY[0] and event.size.height >= ROOMY[1], "-roomy")
        if self._data is not None:
            self._size_table(self._data)
            self._show_windows(self._data)
        self._lay_out()

    def action_plot(self) -> None:
        """Show the next plot."""
        order = ([None] if self.has_class("-roomy") else []) + list(VIEWS)
        self._view = order[(order.index(self._shown_view) + 1) % len(order)]
        self.app.remember(calibration_view=self._view)
        self._lay_out()

    def action_windows(self) -> None:
        """Show the scores of windows, or those of hours again."""
        self._windows = not self._windows
        self.app.remember(calibration_of="windows" if self._windows else None)
        self._lay_out()
        self.query_one(str(self.AUTO_FOCUS)).focus()
        self.refresh_data()
        self.refresh_bindings()

    def action_score(self) -> None:
        """Fill in what happened, and score it."""
        self.start("score", {})

    def action_notices(self) -> None:
        """Show all notices of the time that is looked at."""
        if self._data is not None and self._data.notices:
            told = "\n\n".join(self._notice_text(one) for one in self._data.notices)
            self.app.push_screen(TextPage("Notices of change", told))

    def can(self, action: str) -> bool | None:
        """Notices can be read where there are some, and hours alone have plots."""
        if action == "plot" and self._windows:
            return None
        if action == "notices" and (self._data is None or not self._data.notices):
            return None
        return super().can(action)

    @on(RecordTable.Opened, "ScoreTable")
    def _open(self) -> None:
        one = self.query_one(ScoreTable).record
        if one is not None and self._data is not None:
            weeks = self._data.weeks if self._data.of == _key(one) else ()
            self.app.push_screen(TextPage(f"{one.model} {one.version}", _page(one, weeks, self.app.format_time)))

    @on(LineList.Moved, "ScoreTable")
    def _moved(self) -> None:
        one = self.query_one(ScoreTable).record
        if one is not None and _key(one) != self._wanted:
            self._wanted = _key(one)
            begin(self, "choose", self._load, exclusive=True)
        else:  # the filter leaves nothing, or what was shown before it again
            self._show_plots()

    async def _load(self) -> None:
        """Show another version or horizon; those that the cursor only passes are left out."""
        from musktracker.db.queries import calibration

        await asyncio.sleep(RESTING_SECONDS)
        engine, data, wanted = self.app.engine, self._data, self._wanted
        if engine is None or data is None or wanted is None:
            return
        try:
            weeks = await in_thread(lambda: tuple(calibration.by_week(engine, data.counting, *wanted)))
        except Exception as error:
            self.app.complain(error)
            return
        if self._data is not None:
            self._data = replace(self._data, of=wanted, weeks=weeks)
            self._show_plots()

    def _read_windows(self, engine: Engine, counting: str, since: datetime) -> tuple[WindowScores, ...]:
        """The scores of windows, put together anew only where there are others: all their forecasts are read."""
        from musktracker.db.queries import window_scores

        stamp = window_scores.stamp(engine, counting, since=since)
        if stamp != self._windows_read[0]:
            self._windows_read = (stamp, tuple(window_scores.by_window(engine, counting, since=since)))
        return self._windows_read[1]

    @property
    def _shown_view(self) -> str | None:
        return self._view if self._view is not None or self.has_class("-roomy") else VIEWS[0]

    def _size_table(self, data: CalibrationData) -> None:
        most = self.size.height // 3 if self.has_class("-roomy") else 7
        self.query_one(ScoreTable).styles.height = min(max(len(data.found), 1) + 1, most)

    def _lay_out(self) -> None:
        view = self._shown_view
        self.set_class(view is None, "-all")
        for name in VIEWS:
            self.query_one(f"#plot-{name}").display = view in (None, name)
        self.query_one("#calibration-hours").display = not self._windows
        self.query_one(WindowScoresPanel).display = self._windows
        self.query_one(ScoreTable).set_class(not self._windows, "-home")
        self.query_one(WindowTable).set_class(self._windows, "-home")

    def _show_windows(self, data: CalibrationData) -> None:
        if data.windows is not None:
            panel = self.query_one(WindowScoresPanel)
            panel.set_scores(data.windows, data.counting, roomy=self.has_class("-roomy"))

    def _show_notice(self, data: CalibrationData) -> None:
        still = [one for one in data.notices if one.resolved_at is None]
        parts: Parts = [("✓ ", "good"), ("Nothing notable has changed about the account", "dim")]
        if still:
            one = still[0]
            more = f" · {len(still) - 1} more" if len(still) > 1 else ""
            parts = [("! ", "bad"), (one.message, "warning"), (f"{more} · o tells more", "dim")]
        self.query_one("#calibration-notice", TonedLine).set_parts(parts)

    def _show_plots(self) -> None:
        data = self._data
        one = next((one for one in data.found if _key(one) == data.of), None) if data is not None else None
        line, nothing = self.query_one("#calibration-chosen", TonedLine), self.query_one(ScoreTable).found_nothing
        if data is None or one is None or nothing:
            line.set_parts([])
            for view in VIEWS:
                self._set(view, "", None, None, tuple, empty=nothing or NOTHING)
            return
        line.set_parts(_chosen_parts(one, data.counting))
        alike = tuple(other for other in data.found if other.model_metadata_id == one.model_metadata_id)
        ahead, many = horizon_text(one.horizon), len(alike) > 1
        by = "by horizon" if many else f"of {ahead}"
        title = f"PIT of {ahead} · dashes: calibrated, dots: 95% by chance"
        self._set("pit", title, partial(plots.draw_pit, found=one), one, partial(plots.pit_points, one))
        title = f"Held {by} · dashes: nominal, ✗: beyond chance"
        points = partial(plots.coverage_points, alike)
        self._set("coverage", title, partial(plots.draw_coverage, found=alike), alike, points)
        title = f"Misses {by} · left above 95%, right below"
        points = partial(plots.miss_points, alike)
        self._set("misses", title, partial(plots.draw_misses, found=alike), alike, points)
        weeks = data.weeks
        title = f"CRPS of {ahead} by week · dots: naive{_skill_text(weeks)}"
        draw = partial(plots.draw_weeks, weeks=weeks, zone=self.app.zone, now=self.app.now()) if weeks else None
        self._set("weeks", title, draw, weeks, partial(plots.week_points, weeks))

    def _set(
        self, view: str, title: str, draw: Any, of: Any, points: Points, *, empty: str = "Nothing is known of this"
    ) -> None:
        plot = self.query_one(f"#plot-{view}", Plot)
        plot.border_title = Text(printable(title))
        plot.set_plot(draw, of=of, empty=empty, points=points)

    def _notice_text(self, one: NoticeOfChange) -> str:
        state = "open" if one.resolved_at is None else f"until {self.app.format_time(one.resolved_at)}"
        since, found = self.app.format_time(one.since), self.app.format_time(one.found_at)
        return f"{one.kind} · since {since} · found {found} · {state}\n{one.message}"


def _key(one: HorizonScores) -> Key:
    return one.model_metadata_id, one.horizon


def _first(found: Sequence[HorizonScores]) -> Key | None:
    """What is shown at first: a day ahead, by the version with the most scores of it."""
    best = max(found, key=lambda one: (one.horizon == 24, one.n), default=None)
    return None if best is None else _key(best)


def _chosen_parts(one: HorizonScores, counting: str) -> Parts:
    parts: Parts = [(f"{one.model} {one.version}", "strong"), (f" · {horizon_text(one.horizon)} · ", "dim")]
    parts.append((f"{one.n:,} scored, {one.apart:,} apart", ""))
    if one.few:
        parts.append((": too few to judge", "warning"))
    parts.append((" · misses", "dim"))
    for mark, count in (("↑", one.above_95), ("↓", one.below_95)):
        parts.append((f" {mark}{count / one.n:.1%}", "bad" if one.beyond(count / one.n, plots.TAIL) else ""))
    return [*parts, (f" · {counting_text(counting)}", "dim")]


def _skill_text(weeks: Sequence[WeekScores]) -> str:
    last = weeks[-1].skill if weeks else None
    return "" if last is None else f" · last {last:+.0%}"


def _page(one: HorizonScores, weeks: Sequence[WeekScores], format_time: Callable[..., str]) -> str:
    skill = "–" if one.skill is None else f"{one.skill:+.1%} over a seasonal naive forecast"
    lines = [
        f"Totals of {horizon_text(one.horizon)}: {counted(one.n, 'forecast')}, of which {one.apart:,} do not overlap",
        f"CRPS {one.crps:.3f}, skill {skill}; off by {one.bias:+.2f} on average",
        "",
        f"{'Interval':>9}{'held':>8}   chance alone, 95% of cases",
    ]
    for level, share in zip(plots.LEVELS, one.coverages, strict=True):
        low, high = one.expected(level)
        lines.append(f"{level:>9.0%}{share:>8.1%}   {low:.0%} to {high:.0%}")
    lines += [f"{'above 95%':>9}{one.above_95 / one.n:>8.1%}   2.5% expected"]
    lines += [f"{'below 95%':>9}{one.below_95 / one.n:>8.1%}   2.5% expected", ""]
    if weeks:
        lines.append(f"{'Week until':<12}{'n':>5}{'CRPS':>9}{'naive':>9}{'skill':>8}")
    for week in reversed(weeks):
        numbers = [
            "–" if value is None else f"{value:{form}}"
            for value, form in ((week.crps, ".2f"), (week.reference_crps, ".2f"), (week.skill, "+.1%"))
        ]
        lines.append(f"{format_time(week.end, '%Y-%m-%d')}  {week.n:>5}{numbers[0]:>9}{numbers[1]:>9}{numbers[2]:>8}")
    return "\n".join(lines)
