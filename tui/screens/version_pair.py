"""Two versions of models side by side: what they were fitted to and with, what came out, and what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from musktracker.text import counted
from tui.copying import copy
from tui.screens import model_text as words
from tui.screens import terms
from tui.screens.base import ConsoleScreen
from tui.widgets.record_table import Cell, Column, RecordTable
from tui.widgets.text_page import TextPage

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.db.queries.models import ModelVersion
    from tui.app import Console

DIFFERS = "≠"
BETTER = "◂▸"  # a mark that points at the better one
COLUMNS = (
    Column("", 1),
    Column("", 20, grow=1),
    Column("", 18, right=True, grow=1),
    Column("", 18, right=True, grow=1),
    Column("Difference", 11, right=True),
)
HIGHER_IS_BETTER = ("log_likelihood",)  # of two fits of one model to the same data
NEITHER = ("bias", "error", "covered", "width")  # scores of which more or less is not simply better


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a heading where it has no values; `change` is second less first, `better` 0 or 1 where one is."""

    section: str
    name: str
    values: tuple[str, str] | None = None
    differs: bool = False
    change: str = ""
    better: int | None = None


class VersionPairScreen(ConsoleScreen):
    """Training span, hyperparameters, estimates, diagnostics and backtest of two versions, and what differs."""

    app: Console
    TITLE: ClassVar[str] = "Two versions"
    AUTO_FOCUS = "RecordTable"
    TERMS = terms.VERSIONS
    CSS_PATH = "version_pair.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "differences", "Differences", tooltip="Only what differs, or everything", id="versions.differ"),
        Binding("w", "swap", "Swap", tooltip="The second as the first", id="versions.swap"),
        Binding("y", "copy", "Copy", tooltip="Copy the comparison as text", id="versions.copy"),
        Binding("escape", "back", "Back", tooltip="Back to the models", id="versions.back"),
    ]

    def __init__(self, first: int, second: int) -> None:
        super().__init__()
        self.ids = (first, second)
        self.only_differences = False
        self._pair: tuple[ModelVersion, ...] = ()

    def compose_body(self) -> ComposeResult:
        """A line on what differs, and the table."""
        yield Static(id="versions-title", markup=False)
        table: RecordTable[Line] = RecordTable(COLUMNS, _cells, lambda line: (line.section, line.name))
        yield table

    def fetch(self, engine: Engine) -> tuple[ModelVersion, ...]:
        """The two versions; fewer where one is gone."""
        from musktracker.db.queries import models

        by_id = {found.id: found for found in models.versions(engine)}
        return tuple(by_id[one] for one in self.ids if one in by_id)

    def show(self, data: tuple[ModelVersion, ...]) -> None:
        """Bring the table up to date."""
        self._pair = tuple(sorted(data, key=lambda found: self.ids.index(found.id)))
        table: RecordTable[Line] = self.query_one(RecordTable)
        if len(self._pair) < 2:
            table.set_records((), empty="One of these versions is not stored any more: esc goes back")
            return
        one, other = self._pair
        first, second = (f"{found.version} {found.model}" for found in self._pair)
        table.set_columns((*COLUMNS[:2], _titled(COLUMNS[2], first), _titled(COLUMNS[3], second), COLUMNS[4]))
        lines = list(compared(one, other, self.app.format_time))
        count = sum(line.differs for line in lines)
        shown = [line for line in lines if line.differs] if self.only_differences else lines
        table.set_records(tuple(shown), empty="They differ in nothing: d shows everything")
        which = "only these are shown" if self.only_differences else "d shows only these"
        of = counted(sum(line.values is not None for line in lines), "line")
        text = f"{DIFFERS} {count} of {of} {'differs' if count == 1 else 'differ'}, {which}"
        self.query_one("#versions-title", Static).update(f"{text} · {BETTER} point at the better score")

    @on(RecordTable.Opened)
    def _open(self) -> None:
        """Show both values in full."""
        line = self.query_one(RecordTable).record
        if line is not None and line.values is not None:
            names = [f"{found.model} {found.version}" for found in self._pair]
            texts = [f"{name}\n{value}" for name, value in zip(names, line.values, strict=True)]
            self.app.push_screen(TextPage(line.name.strip(), "\n\n".join(texts)))

    def action_differences(self) -> None:
        """Only what differs, or everything."""
        self.only_differences = not self.only_differences
        self.show(self._pair)

    def action_swap(self) -> None:
        """The second as the first."""
        self.ids = (self.ids[1], self.ids[0])
        self.show(self._pair)

    def action_copy(self) -> None:
        """Copy the comparison as text."""
        if len(self._pair) == 2:
            lines = compared(*self._pair, self.app.format_time)
            copy(self.app, self.app.settings, "\n".join(map(_plain, lines)), "the comparison")


def compared(one: ModelVersion, other: ModelVersion, format_time: Callable[..., str]) -> Iterator[Line]:
    """All that is known of two versions, line by line under headings."""
    yield from _section("Training", _spans(one, format_time), _spans(other, format_time))
    yield from _section("Hyperparameters", _short(one.hyperparameters), _short(other.hyperparameters))
    same_data = (one.model, one.training_start, one.training_end, one.counting) == (
        other.model,
        other.training_start,
        other.training_end,
        other.counting,
    )
    yield from _numbers("Fit", _fit(one), _fit(other), HIGHER_IS_BETTER if same_data else ())
    yield from _estimates(one, other)
    judged = not (one.few or other.few)
    names = [name for name in (*_scores(one), *_scores(other)) if judged and not name.startswith(NEITHER)]
    yield from _numbers("Training backtest", _scores(one), _scores(other), (), lower=names)
    yield from _section("Notes", _notes(one), _notes(other))


def _section(title: str, mine: Mapping[str, str], theirs: Mapping[str, str]) -> Iterator[Line]:
    names = list(dict.fromkeys([*mine, *theirs]))
    if names:
        yield Line(title, title)
    for name in names:
        values = (mine.get(name, words.DASH), theirs.get(name, words.DASH))
        yield Line(title, f"  {name}", values, values[0] != values[1])


def _numbers(
    title: str,
    mine: Mapping[str, Any],
    theirs: Mapping[str, Any],
    higher: Iterable[str],
    *,
    lower: Iterable[str] = (),
) -> Iterator[Line]:
    names = list(dict.fromkeys([*mine, *theirs]))
    if names:
        yield Line(title, title)
    for name in names:
        values = (mine.get(name), theirs.get(name))
        texts = (_value(values[0]), _value(values[1]))
        change, better = "", None
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            by = values[1] - values[0]  # type: ignore[operator]
            change = _signed(by)
            if by and (name in set(higher) or name in set(lower)):
                better = int((by > 0) == (name in set(higher)))
        label = words.SCORE_LABELS.get(name, name.replace("_", " "))
        yield Line(title, f"  {label}", texts, values[0] != values[1], change, better)


def _estimates(one: ModelVersion, other: ModelVersion) -> Iterator[Line]:
    mine, theirs = ({found.name: found for found in version.parameters} for version in (one, other))
    names = list(dict.fromkeys([*mine, *theirs]))
    if names:
        yield Line("Estimates", "Estimates ± errors")
    for name in names:
        found = (mine.get(name), theirs.get(name))
        texts = (_estimate(found[0]), _estimate(found[1]))
        known = [one.estimate for one in found if one is not None and one.estimate is not None]
        change = _signed(known[1] - known[0]) if len(known) == 2 else ""
        yield Line("Estimates", f"  {name}", texts, texts[0] != texts[1], change)


def _estimate(found: Any) -> str:
    if found is None or found.estimate is None:
        return words.DASH
    error = "" if found.standard_error is None else f" ± {found.standard_error:.3f}"
    return f"{found.estimate:.3f}{error}"


def _value(value: Any) -> str:
    """As elsewhere, but with what two numbers may differ in."""
    if not isinstance(value, float):
        return words.short(value)
    if value.is_integer():
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"


def _signed(by: float) -> str:
    return "" if not by else f"{by:+,.0f}" if abs(by) >= 100 else f"{by:+.3g}"


def _spans(found: ModelVersion, format_time: Callable[..., str]) -> dict[str, str]:
    def day(moment: datetime) -> str:
        return format_time(moment)

    return {
        "Trained": day(found.trained_at),
        "From": day(found.training_start),
        "To": day(found.training_end),
        "Days": f"{(found.training_end - found.training_start) / timedelta(days=1):,.0f}",
        "Counting": found.counting or words.DASH,
    }


def _short(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: words.short(value) for name, value in values.items()}


def _fit(found: ModelVersion) -> dict[str, Any]:
    values = {"converged": found.converged, "log_likelihood": found.log_likelihood, "seconds": found.seconds}
    return {**values, **found.values}


def _scores(found: ModelVersion) -> dict[str, Any]:
    told = {name: value for name, value in found.backtest.items() if name not in ("rmse", "mae", "mape")}
    return {"rmse": found.rmse, "mae": found.mae, "mape": found.mape, **told}


def _notes(found: ModelVersion) -> dict[str, str]:
    warnings = {f"! {text}": "yes" for text in found.warnings}
    return warnings | {f"· {text}": "yes" for text in found.notes}


def _cells(line: Line) -> Sequence[Cell]:
    if line.values is None:
        return ("", (line.name, "accent"), "", "", "")
    tone = "" if line.differs else "dim"
    left, right = line.values
    left += f" {BETTER[0] if line.better == 0 else ' '}"
    right += f" {BETTER[1] if line.better == 1 else ' '}"
    return (
        (DIFFERS if line.differs else "", "warning"),
        (line.name, tone),
        (left, "good" if line.better == 0 else tone),
        (right, "good" if line.better == 1 else tone),
        (line.change, tone),
    )


def _titled(column: Column, title: str) -> Column:
    return Column(f"{title}  ", column.width, column.grow, column.right, column.rank)


def _plain(line: Line) -> str:
    if line.values is None:
        return line.name
    return (
        f"{DIFFERS if line.differs else ' '}{line.name:<34}{line.values[0]:>20}{line.values[1]:>20}{line.change:>13}"
    )
