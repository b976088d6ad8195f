"""Two backtests held against each other, model by model, on the origins that both have."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from musktracker.text import counted, printable
from tui.screens import backtest_plots as plots
from tui.screens import backtest_text as words
from tui.screens import terms
from tui.screens.backtest_results import GROWING_SECONDS
from tui.screens.base import RESTING_SECONDS, ConsoleScreen
from tui.widgets.lines import LineList
from tui.widgets.plot import Plot
from tui.widgets.record_table import Cell, Column, RecordTable
from tui.widgets.run_progress import RunProgress
from tui.widgets.text_page import TextPage
from tui.working import begin

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.db.queries.backtests import ModelSummary, Skill, Skills, StoredBacktest
    from musktracker.run_info import RunInfo

APART = "No origin was scored in both: backtests meet that begin at the same time with the same spacing"
NOTHING = "They have no model in common, so there is nothing to compare: esc goes back"
COLUMNS = (
    Column("Model", 17, grow=1),
    Column("Origins", 7, right=True),
    Column("First", 8, right=True),
    Column("Second", 8, right=True),
    Column("First better", 12, right=True),
    Column("95% interval", 13, right=True),
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A model in both backtests."""

    model: str
    one: ModelSummary
    other: ModelSummary


@dataclass(frozen=True, slots=True)
class Summed:
    """A backtest summed up `at` a moment of the clock that only goes on, when so many origins were `done`."""

    done: int
    at: float
    models: tuple[ModelSummary, ...]


@dataclass(frozen=True, slots=True)
class PairData:
    """What the screen shows: the backtests (fewer than two where one is gone), their common models, the skills."""

    stored: tuple[StoredBacktest, ...]
    pairs: tuple[Pair, ...]
    skills: Skills
    run: RunInfo | None


class BacktestPairScreen(ConsoleScreen):
    """What two backtests asked otherwise, each common model's score in both, and its skill by every score."""

    TITLE: ClassVar[str] = "Two backtests"
    CSS_PATH = "backtest_pair.tcss"
    TERMS = terms.BACKTEST_PAIR
    AUTO_FOCUS = "RecordTable"
    CHANGES = frozenset({"intervals"})
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "score", "Score", tooltip="Compare by the next score", id="pair.score"),
        Binding("w", "swap", "Swap", tooltip="The second as the first", id="pair.swap"),
        Binding("i", "intervals", "Intervals", tooltip="Compute the intervals of skills", id="pair.intervals"),
        Binding("escape", "back", "Back", tooltip="Back to the list", id="pair.back"),
    ]

    def __init__(self, first: int, second: int) -> None:
        super().__init__()
        self.ids = (first, second)
        self.score = "total_168"
        self._data: PairData | None = None
        self._sums: dict[int, Summed] = {}

    def compose_body(self) -> ComposeResult:
        """What differs, the common models, the skill of one of them, and the run that computes intervals."""
        yield Static(id="pair-title", markup=False)
        table: RecordTable[Pair] = RecordTable(COLUMNS, self._row, lambda pair: pair.model, id="pair-models")
        yield table
        yield Plot(id="pair-plot")
        yield RunProgress(idle="", id="pair-run")

    def fetch(self, engine: Engine) -> PairData:
        """Both backtests, each summed up again only after more was scored, and while it grows not every time."""
        from musktracker import runs
        from musktracker.db.queries import backtests

        by_id = {one.id: one for one in backtests.listed(engine)}
        stored = tuple(by_id[one] for one in self.ids if one in by_id)
        if len(stored) < 2:
            return PairData(stored, (), {}, None)
        summed = [self._summed(engine, one) for one in stored]
        others = {one.model: one for one in summed[1]}
        pairs = tuple(Pair(one.model, one, others[one.model]) for one in summed[0] if one.model in others)
        run = next((one for one in runs.recent(engine, limit=5, kinds=("compare",)) if one.active), None)
        return PairData(stored, pairs, backtests.skills(engine, *stored), run)

    def show(self, data: PairData) -> None:
        """Bring everything up to date."""
        self._data = data
        table = self._table
        table.styles.height = max(len(data.pairs), 1) + 1
        table.set_records(data.pairs, empty=NOTHING)
        table.refresh()
        title = Text("\n".join(map(printable, self._lines(data))), no_wrap=True, overflow="ellipsis")
        self.query_one("#pair-title", Static).update(title)
        progress = self.query_one("#pair-run", RunProgress)
        progress.info, progress.display = data.run, data.run is not None
        self._show_plot()
        self.refresh_bindings()

    def action_score(self) -> None:
        """Compare by the next score."""
        names = list(words.SCORES)
        self.score = names[(names.index(self.score) + 1) % len(names)]
        if self._data is not None:
            self.show(self._data)

    def action_swap(self) -> None:
        """Hold the second against the first."""
        self.ids = (self.ids[1], self.ids[0])
        self.refresh_data()

    def action_intervals(self) -> None:
        """Start the run that computes the intervals."""
        data = self._data
        if data is not None and len(data.stored) == 2:
            self.launch("compare", {"name": data.stored[0].name, "other": data.stored[1].name})

    def can(self, action: str) -> bool | None:
        """Intervals are to be computed only where they are not there."""
        data = self._data
        if action == "intervals":
            missing = data is not None and not data.skills
            shared = data is not None and any(self._skill(pair, self.score) for pair in data.pairs)
            return True if missing and shared else None
        return True

    @on(RecordTable.Opened, "#pair-models")
    def _open(self) -> None:
        pair = self._table.record
        if pair is not None:
            lines = [f"{'Score (lower is better)':<34}{'first':>9}{'second':>9}   first better by"]
            for name, (_, text) in words.SCORES.items():
                means = self._means(pair, name)
                shown = "".join(f"{words.number(mean):>9}" for mean in means)
                lines.append(f"{text:<34}{shown}   {words.skill_text(self._skill(pair, name))}")
            self.app.push_screen(TextPage(f"{pair.model} in both", "\n".join(lines)))

    @on(LineList.Moved, "#pair-models")
    def _moved(self) -> None:
        begin(self, "choose", self._choose, exclusive=True)

    async def _choose(self) -> None:
        """Draw another model; those that the cursor only passes are left out."""
        await asyncio.sleep(RESTING_SECONDS)
        self._show_plot()

    def _show_plot(self) -> None:
        plot, pair = self.query_one(Plot), self._table.record
        bars = []
        for name in words.SCORES if pair is not None else ():
            found = self._skill(pair, name) if pair is not None else None
            if found is not None:
                label = f"{plots.verdict(found)} {words.SCORES[name][0]:<7} {found.skill:+.1%}"
                bars.append(plots.SkillBar(label, found, name))
        known = any(bar.skill.lower is not None for bar in bars)
        note = ("95% intervals" if known else "no intervals yet: i computes them") + plots.few_text(bars)
        plot.border_title = Text(printable(f"Skill of {pair.model}, first over second · {note}" if pair else "Skill"))
        draw = partial(plots.draw_skills, bars=bars) if bars else None
        plot.set_plot(
            draw, of=tuple(bars), empty=self._table.found_nothing or APART, points=partial(plots.skill_points, bars)
        )

    @property
    def _table(self) -> RecordTable[Pair]:
        table: RecordTable[Pair] = self.query_one("#pair-models", RecordTable)
        return table

    def _summed(self, engine: Engine, one: StoredBacktest) -> tuple[ModelSummary, ...]:
        from musktracker.db.queries import backtests

        last, moment = self._sums.get(one.id), self.app.monotonic()
        growing = last is not None and last.models and not one.whole and moment - last.at < GROWING_SECONDS
        if last is None or (last.done != one.done and not growing):
            last = self._sums[one.id] = Summed(one.done, moment, backtests.summary(engine, one.name))
        return last.models

    def _lines(self, data: PairData) -> Iterator[str]:
        if len(data.stored) < 2:
            yield "One of these backtests is not stored any more: esc goes back"
            return
        for place, one in zip(("First ", "Second"), data.stored, strict=True):
            span = " to ".join(self.app.format_time(moment, "%Y-%m-%d") for moment in (one.begin, one.end))
            done = f"{one.done:,} of {counted(one.planned, 'origin')}"
            yield f"{place}  {one.name} · {span} · {done} · counting {one.counting}"
        yield f"Differ  {'; '.join(differences(data.stored[0], data.stored[1])) or 'in nothing that was asked'}"
        yield f"By the {words.SCORES[self.score][1]}, on the origins that both have"

    def _row(self, pair: Pair) -> Sequence[Cell]:
        found = self._skill(pair, self.score)
        means = self._means(pair, self.score)
        mark = plots.verdict(found) if found is not None else ""
        tone = {plots.BETTER: "good", plots.WORSE: "bad"}.get(mark, "")
        ends = "" if found is None or found.lower is None else f"{found.lower:+.1%} {found.upper:+.1%}"
        return (
            (pair.model, "accent"),
            "0" if found is None else f"{found.n:,}",
            words.number(means[0]),
            words.number(means[1]),
            words.DASH if found is None else (f"{mark} {found.skill:+.1%}", "dim" if found.few else tone),
            ends or words.DASH,
        )

    def _means(self, pair: Pair, score: str) -> tuple[float | None, float | None]:
        """The mean of either on the origins that both have."""
        mine, theirs = (one.by_origin.get(score, {}) for one in (pair.one, pair.other))
        shared = sorted(mine.keys() & theirs.keys())
        if not shared:
            return None, None
        return sum(mine[one] for one in shared) / len(shared), sum(theirs[one] for one in shared) / len(shared)

    def _skill(self, pair: Pair, score: str) -> Skill | None:
        from musktracker.db.queries import backtests

        return backtests.skill(pair.one, pair.other, score, self._data.skills if self._data is not None else None)


def differences(one: StoredBacktest, other: StoredBacktest) -> list[str]:
    """What two backtests asked otherwise, each as `name this → that`; of models that both have."""
    found: list[str] = []
    if one.retrospective_events != other.retrospective_events:
        said = ("as entered", "known from the beginning")
        found.append(f"events {said[one.retrospective_events]} → {said[other.retrospective_events]}")
    if one.counting != other.counting:
        found.append(f"counting {one.counting} → {other.counting}")
    for name in ("spacing", "n_paths", "seed"):
        found += _difference(name, one.protocol[name], other.protocol[name])
    for model in sorted(one.protocol["models"].keys() & other.protocol["models"].keys()):
        mine, theirs = one.protocol["models"][model], other.protocol["models"][model]
        for name in sorted(mine.keys() | theirs.keys()):
            found += _difference(f"{model}.{name}", mine.get(name), theirs.get(name))
    return found


def _difference(name: str, mine: Any, theirs: Any) -> list[str]:
    return [] if mine == theirs else [f"{name} {_text(mine)} → {_text(theirs)}"]


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float) else json.dumps(value)
