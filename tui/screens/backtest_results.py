"""One backtest: its models by their scores and calibration, and four plots of the one under the cursor."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid
from textual.events import Resize
from textual.widgets import Static

from musktracker.text import counted, printable
from tui.screens import backtest_plots as plots
from tui.screens import backtest_text as words
from tui.screens import terms
from tui.screens.base import RESTING_SECONDS, ConsoleScreen
from tui.widgets.lines import LineList
from tui.widgets.plot import Plot, Points
from tui.widgets.record_table import Cell, RecordTable
from tui.widgets.run_progress import RunProgress
from tui.widgets.text_page import TextPage
from tui.working import begin

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.db.queries.backtests import ModelSummary, Skill, Skills, StoredBacktest
    from musktracker.run_info import RunInfo
    from tui.app import Console

REFERENCE = "seasonal_naive"
VIEWS = ("skill", "pit", "coverage", "leads")
ROOMY = (110, 30)  # columns and rows from which on all plots are shown at once
BROAD = 150  # columns from which on one table holds everything
GROWING_SECONDS = 10.0  # a backtest that goes on is summed up again after this long
NO_INTERVALS = "no intervals yet: i computes them"


@dataclass(frozen=True, slots=True)
class BacktestData:
    """What the screen shows; `stored` is None where the backtest is gone, `run` computes intervals."""

    stored: StoredBacktest | None
    models: tuple[ModelSummary, ...]
    skills: Skills
    run: RunInfo | None


class ModelTable(RecordTable["ModelSummary"]):
    """The models of a backtest, the best by one score first."""

    app: Console

    def __init__(self) -> None:
        super().__init__((words.MODEL,), self._row, lambda one: one.model)
        self.reference = REFERENCE
        self.score = "total_168"
        self.calibration = False
        self.broad = False
        self.lowest: dict[str, float] = {}

    def show_columns(self, *, calibration: bool, broad: bool) -> None:
        """Scores, calibration, or both where there is room."""
        self.calibration, self.broad = calibration, broad
        scores, held = words.score_columns(self.score), words.CALIBRATION_COLUMNS
        self.set_columns((words.MODEL, *(scores + held if broad else held if calibration else scores)))

    def _row(self, one: ModelSummary) -> Sequence[Cell]:
        scores, held = words.score_cells(one, self.lowest), words.calibration_cells(one)
        return [
            words.name_cell(one, self.reference),
            *(scores + held if self.broad else held if self.calibration else scores),
        ]


class BacktestScreen(ConsoleScreen):
    """Models above, the lowest score first; below the plots, of the model under the cursor or over the baseline."""

    TITLE: ClassVar[str] = "Backtest"
    CSS_PATH = "backtest_results.tcss"
    TERMS = terms.BACKTEST
    AUTO_FOCUS = "ModelTable"
    CHANGES = frozenset({"intervals"})
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "v",
            "plot",
            "Plot",
            tooltip="Skill, PIT, coverage or CRPS by lead; all where there is room",
            id="backtest.plot",
        ),
        Binding("t", "table", "Table", tooltip="Scores, or coverage, misses, time and refusals", id="backtest.table"),
        Binding("b", "baseline", "Baseline", tooltip="Hold the others against this model", id="backtest.baseline"),
        Binding("s", "score", "Score", tooltip="Sort and compare by the next score", id="backtest.score"),
        Binding("p", "pit", "PIT of", tooltip="PIT of the next total, or of hours", id="backtest.pit"),
        Binding(
            "o", "origins", "Origins", tooltip="Only origins that all models have, or all", id="backtest.origins"
        ),
        Binding("i", "intervals", "Intervals", tooltip="Compute the intervals of skills", id="backtest.intervals"),
        Binding("escape", "back", "Back", tooltip="Back to the list", id="backtest.back"),
    ]

    def __init__(self, backtest_id: int) -> None:
        super().__init__()
        self.backtest_id = backtest_id
        self.score = "total_168"
        self.pit = "total_168"
        self.same_origins = False
        self._view: str | None = None  # None is all plots, where there is room
        self._data: BacktestData | None = None
        self._read_key: tuple[int, bool] = (-1, False)
        self._read_at = float("-inf")
        self._read_models: tuple[ModelSummary, ...] = ()

    def compose_body(self) -> ComposeResult:
        """A line on what this is, the models, the plots, and the run that computes intervals."""
        yield Static(id="backtest-title", markup=False)
        yield ModelTable()
        with Grid(id="backtest-plots"):
            for view in VIEWS:
                yield Plot(id=f"plot-{view}")
        yield RunProgress(idle="", id="backtest-run")

    def fetch(self, engine: Engine) -> BacktestData:
        """The backtest with its models; summed up again only after more was scored."""
        from musktracker import runs
        from musktracker.db.queries import backtests

        stored = next((one for one in backtests.listed(engine) if one.id == self.backtest_id), None)
        if stored is None:
            return BacktestData(None, (), {}, None)
        key, moment = (stored.done, self.same_origins), self.app.monotonic()
        growing = self._read_models and not stored.whole and key[1:] == self._read_key[1:]
        if key != self._read_key and not (growing and moment - self._read_at < GROWING_SECONDS):
            self._read_models = backtests.summary(engine, stored.name, same_origins=self.same_origins)
            self._read_key, self._read_at = key, moment
        skills = {} if self.same_origins else backtests.skills(engine, stored)
        run = next((one for one in runs.recent(engine, limit=5, kinds=("compare",)) if one.active), None)
        return BacktestData(stored, self._read_models, skills, run)

    def show(self, data: BacktestData) -> None:
        """Bring everything up to date."""
        self._data = data
        names = [one.model for one in data.models]
        table = self.query_one(ModelTable)
        if table.reference not in names and names:
            table.reference = names[0]
        self._show_models()
        progress = self.query_one("#backtest-run", RunProgress)
        progress.info, progress.display = data.run, data.run is not None
        self.refresh_bindings()

    def on_resize(self, event: Resize) -> None:
        """All plots at once where there is room."""
        self.set_class(event.size.width >= ROOMY[0] and event.size.height >= ROOMY[1], "-roomy")
        table = self.query_one(ModelTable)
        table.show_columns(calibration=table.calibration, broad=event.size.width >= BROAD)
        self._lay_out()

    def action_plot(self) -> None:
        """Show the next plot."""
        order = ([None] if self.has_class("-roomy") else []) + list(VIEWS)
        self._view = order[(order.index(self._shown_view) + 1) % len(order)]
        self._lay_out()

    def action_table(self) -> None:
        """Show the other columns."""
        table = self.query_one(ModelTable)
        table.show_columns(calibration=not table.calibration, broad=table.broad)

    def action_baseline(self) -> None:
        """Hold the others against the model under the cursor."""
        table = self.query_one(ModelTable)
        if table.record is not None:
            table.reference = table.record.model
            table.refresh()
            self._show_plots()

    def action_score(self) -> None:
        """Sort and compare by the next score."""
        names = list(words.SCORES)
        self.score = names[(names.index(self.score) + 1) % len(names)]
        table = self.query_one(ModelTable)
        table.score = self.score
        table.show_columns(calibration=table.calibration, broad=table.broad)
        self._show_models()

    def action_pit(self) -> None:
        """Show the PIT of the next quantity."""
        names = list(words.PITS)
        self.pit = names[(names.index(self.pit) + 1) % len(names)]
        self._show_plots()

    def action_origins(self) -> None:
        """All origins of each model, or those that all models have."""
        self.same_origins = not self.same_origins
        self.refresh_data()

    def action_intervals(self) -> None:
        """Start the run that computes the intervals."""
        if self._data is not None and self._data.stored is not None:
            self.launch("compare", {"name": self._data.stored.name})

    def can(self, action: str) -> bool | None:
        """Intervals are to be computed only where they are not there."""
        data = self._data
        if action == "intervals":
            wanted = data is not None and len(data.models) > 1 and not data.skills and not self.same_origins
            return True if wanted else None
        return True

    @on(RecordTable.Opened, "ModelTable")
    def _open(self) -> None:
        table = self.query_one(ModelTable)
        one = table.record
        if one is not None:
            skills = {name: found for name in words.SCORES if (found := self._skill(one, name)) is not None}
            text = words.page(one, skills, table.reference)
            self.app.push_screen(TextPage(f"{one.model} in {self._stored_name}", text))

    @on(LineList.Moved, "ModelTable")
    def _moved(self) -> None:
        begin(self, "choose", self._choose, exclusive=True)

    async def _choose(self) -> None:
        """Draw the plots of another model; those that the cursor only passes are left out."""
        await asyncio.sleep(RESTING_SECONDS)
        self._show_plots()

    @property
    def _stored_name(self) -> str:
        stored = self._data.stored if self._data is not None else None
        return stored.name if stored is not None else ""

    @property
    def _shown_view(self) -> str | None:
        return self._view if self._view is not None or self.has_class("-roomy") else VIEWS[0]

    def _lay_out(self) -> None:
        view = self._shown_view
        self.set_class(view is None, "-all")
        for name in VIEWS:
            self.query_one(f"#plot-{name}").display = view in (None, name)

    def _show_models(self) -> None:
        data = self._data
        if data is None:
            return
        table = self.query_one(ModelTable)
        ranked = sorted(data.models, key=lambda one: (one.scores.get(self.score, float("inf")), one.model))
        table.lowest = words.best(ranked)
        table.styles.height = max(len(ranked), 1) + 1
        table.set_records(tuple(ranked), empty=self._nothing(data))
        table.refresh()
        self.query_one("#backtest-title", Static).update(self._title(data))
        self._show_plots()

    def _title(self, data: BacktestData) -> Text:
        title = Text(no_wrap=True, overflow="ellipsis")
        if data.stored is None:
            return title.append("This backtest is not stored any more: esc goes back")
        stored = data.stored
        span = " to ".join(self.app.format_time(moment, "%Y-%m-%d") for moment in (stored.begin, stored.end))
        done = "" if stored.whole else f" · only {stored.done:,} of {counted(stored.planned, 'origin')} are done"
        which = "the origins that all models have" if self.same_origins else "all origins"
        title.append(printable(stored.name), "bold")
        events = " · events known from the beginning" if stored.retrospective_events else ""
        return title.append(f" · {span} · {which} · CRPS, less is better{done}{events}")

    def _nothing(self, data: BacktestData) -> str:
        if data.stored is None:
            return "Nothing is stored"
        return "No origin is done yet: esc, then s goes on with it"

    def _show_plots(self) -> None:
        data, table = self._data, self.query_one(ModelTable)
        one = table.record
        if data is None or one is None:
            for view in VIEWS:
                self._set(view, "", None, None, points=tuple, empty=table.found_nothing or "Nothing is scored yet")
            return
        self._show_skills()
        shares, ends = one.pit.get(self.pit), one.expected(self.pit, plots.UNIFORM)
        by_chance = ", dots: 95% by chance" if ends else ""
        self._set(
            "pit",
            f"PIT of {words.PITS[self.pit]}: {one.model} · dashes: calibrated{by_chance}",
            partial(plots.draw_pit, shares=shares, by_chance=ends) if shares else None,
            (one.model, shares, ends),
            points=partial(plots.pit_points, shares or (), ends),
        )
        level_lines = f"Hours held, by lead: {one.model} · dashes: nominal"
        covered = tuple(one.coverage.items())
        draw = partial(plots.draw_coverage, coverage=one.coverage) if covered else None
        points = partial(plots.coverage_points, one.coverage)
        self._set("coverage", level_lines, draw, (one.model, covered), points=points)
        reference = self._reference(data)
        theirs = reference.by_lead if reference is not None and reference.model != one.model else ()
        against = f" · dots: {reference.model}" if theirs and reference is not None else ""
        draw = partial(plots.draw_leads, mine=one.by_lead, theirs=theirs) if one.by_lead else None
        points = partial(plots.lead_points, one.by_lead, theirs)
        title = f"Hourly CRPS by lead: {one.model}{against}"
        self._set("leads", title, draw, (one.model, one.by_lead, theirs), points=points)

    def _show_skills(self) -> None:
        table = self.query_one(ModelTable)
        bars = []
        for one in table.records:
            found = self._skill(one, self.score)
            if one.model != table.reference and found is not None:
                bars.append(
                    plots.SkillBar(f"{plots.verdict(found)} {one.model} {found.skill:+.1%}", found, one.model)
                )
        known = any(bar.skill.lower is not None for bar in bars)
        note = "95% intervals" if known else NO_INTERVALS
        if self.same_origins and not known:
            note = "o: all origins have intervals"
        if bars:
            note += plots.few_text(bars)
        title = f"Skill over {table.reference}, {words.SCORES[self.score][0]} · {note}"
        empty = "Skill needs two models with the same origins: b picks the baseline"
        draw = partial(plots.draw_skills, bars=bars) if bars else None
        points = partial(plots.skill_points, bars)
        self._set("skill", title, draw, (table.reference, tuple(bars)), points=points, empty=empty)

    def _set(
        self, view: str, title: str, draw: Any, of: Any, *, points: Points, empty: str = "Nothing is known of this"
    ) -> None:
        plot = self.query_one(f"#plot-{view}", Plot)
        plot.border_title = Text(printable(title))
        plot.set_plot(draw, of=of, empty=empty, points=points)

    def _reference(self, data: BacktestData) -> ModelSummary | None:
        name = self.query_one(ModelTable).reference
        return next((one for one in data.models if one.model == name), None)

    def _skill(self, one: ModelSummary, score: str) -> Skill | None:
        from musktracker.db.queries import backtests

        data = self._data
        reference = self._reference(data) if data is not None else None
        if data is None or reference is None or reference.model == one.model:
            return None
        return backtests.skill(one, reference, score, data.skills)
