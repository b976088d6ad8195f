"""How window forecasts came out: versions by kind of window, and the chances of brackets against what came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical

from musktracker.text import counted
from tui.screens.forecast_text import DASH, counting_text
from tui.widgets.lines import LineList
from tui.widgets.record_table import Cell, Column, RecordTable
from tui.widgets.text_page import TextPage
from tui.widgets.toned_line import Parts, TonedLine

if TYPE_CHECKING:
    from musktracker.db.queries.window_scores import SaidAndCame, WindowScores
    from tui.app import Console

LEVELS = (0.5, 0.8, 0.95)
NOTHING = "No window forecast is scored yet: w on Forecasts, then n makes one; s scores"
MOST_ROWS = 6  # of versions, where there is little room
BAR, SAID = "█", "│"
BAR_CELLS = 24
COLUMNS = (
    Column("Model", 13, grow=1),
    Column("Version", 7, rank=1),
    Column("Window", 8),
    Column("n", 5, right=True),
    Column("Apart", 5, right=True),
    Column("CRPS", 5, right=True),
    Column("Log", 5, right=True),
    Column("Bias", 6, right=True, rank=5),
    Column("50%", 5, right=True),
    Column("80%", 5, right=True),
    Column("95%", 5, right=True),
    Column("Misses", 9, right=True, rank=3),
)
RELIABILITY = (
    Column("Chance", 7, right=True),
    Column("Said", 5, right=True),
    Column("Came", 6, right=True),
    Column("By chance", 9, right=True),
    Column("n", 7, right=True),
    Column("Apart", 5, right=True),
    Column(f"Came {BAR}, said {SAID}", BAR_CELLS, grow=1, rank=1),
)


class WindowTable(RecordTable["WindowScores"]):
    """Versions by kind of window."""

    app: Console

    def __init__(self) -> None:
        super().__init__(COLUMNS, _row, key, empty="")


class ReliabilityTable(RecordTable["SaidAndCame"]):
    """Tenths of probability: how many brackets were given one in it, and how many of those came."""

    app: Console

    def __init__(self) -> None:
        super().__init__(RELIABILITY, _reliability_row, lambda one: one.low, empty="")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is nothing more to tell of a row, and the rows are few."""
        return False if action in ("open", "filter") else super().check_action(action, parameters)


class WindowScoresPanel(Vertical):
    """Versions and kinds of window above, how reliable the chances of the one under the cursor were below.

    `!` marks shares that lie where chance takes those of a calibrated forecast in fewer than 5% of cases, where there
    are enough to judge by.
    """

    app: Console
    DEFAULT_CSS = """
    WindowScoresPanel {
        & > RecordTable { padding: 0 1; border-top: none; }
        & > TonedLine { border-top: solid $border; height: 2; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._counting = ""

    def compose(self) -> ComposeResult:
        """The scores, what is to be said of those chosen, and their chances."""
        yield WindowTable()
        yield TonedLine()
        yield ReliabilityTable()

    def set_scores(self, found: Sequence[WindowScores], counting: str, *, roomy: bool) -> None:
        """Show these, of posts counted in this way."""
        self._counting = counting
        table = self.query_one(WindowTable)
        most = max(self.app.size.height // 3, MOST_ROWS) if roomy else MOST_ROWS
        table.styles.height = min(max(len(found), 1), most) + 1
        table.set_records(found, empty=NOTHING)
        self._show_chosen()

    @on(LineList.Moved, "WindowTable")
    def _show_chosen(self) -> None:
        table = self.query_one(WindowTable)
        one = table.record
        parts: Parts = [(table.found_nothing, "dim")]
        self.query_one(TonedLine).set_parts(parts if one is None else _chosen_parts(one, self._counting))
        self.query_one(ReliabilityTable).set_records(() if one is None else one.reliability)

    @on(RecordTable.Opened, "WindowTable")
    def _open(self) -> None:
        one = self.query_one(WindowTable).record
        if one is not None:
            self.app.push_screen(TextPage(f"{one.model} {one.version} · {one.window}", page(one)))


def key(one: WindowScores) -> tuple[int, str]:
    """What tells one row from another."""
    return one.model_metadata_id, one.window


def page(one: WindowScores) -> str:
    """All that is known of the scores of one version and kind of window."""
    log = DASH if one.log_score is None else f"{one.log_score:.3f}"
    lines = [
        f"Totals of {one.window}: {counted(one.n, 'forecast')} of {counted(one.apart, 'window')} that do not overlap",
        f"CRPS {one.crps:.2f}, off by {one.mae:.1f}, on average by {one.bias:+.1f}; log score of brackets {log}",
        *([f"Held impossible what came: {counted(one.impossible, 'forecast')}"] if one.impossible else []),
        "",
        f"{'Interval':>9}{'held':>8}   chance alone, 95% of cases",
    ]
    for level, share in zip(LEVELS, one.coverages, strict=True):
        low, high = one.expected(level)
        lines.append(f"{level:>9.0%}{share:>8.1%}   {low:.0%} to {high:.0%}")
    lines += [f"{'above 95%':>9}{one.above_95 / one.n:>8.1%}   2.5% expected"]
    lines += [f"{'below 95%':>9}{one.below_95 / one.n:>8.1%}   2.5% expected", ""]
    lines.append(f"{'Chance':>9}{'said':>8}{'came':>8}{'by chance':>14}{'brackets':>10}")
    lines += [
        f"{_tenth(bin):>9}{_share(bin.said):>8}{_share(bin.came):>8}{_range(bin):>14}{bin.n:>10,}"
        for bin in one.reliability
    ]
    return "\n".join(lines)


def _row(one: WindowScores) -> Sequence[Cell]:
    held = [
        (f"{share:.0%}!", "bad") if one.beyond(share, level) else (f"{share:.0%}", "dim" if one.few else "")
        for level, share in zip(LEVELS, one.coverages, strict=True)
    ]
    log = DASH if one.log_score is None else f"{one.log_score:.2f}"
    return (
        one.model,
        (one.version, "accent"),
        one.window,
        f"{one.n:,}",
        (f"{one.apart:,}", "warning" if one.few else "dim"),
        f"{one.crps:.1f}" if one.crps < 1000 else f"{one.crps:,.0f}",
        (f"{log}!", "bad") if one.impossible else log,
        (f"{one.bias:+.1f}", "dim"),
        *held,
        (f"{one.above_95:,}↑ {one.below_95:,}↓", "dim"),
    )


def _reliability_row(one: SaidAndCame) -> Sequence[Cell]:
    if one.said is None or one.came is None:
        return ((_tenth(one), "dim"), "", "", "", ("0", "dim"), "", "")
    came: Cell = (f"{_share(one.came)}!", "bad") if one.beyond else (_share(one.came), "dim" if one.few else "")
    return (
        _tenth(one),
        (_share(one.said), "dim"),
        came,
        (_range(one), "dim"),
        f"{one.n:,}",
        (f"{one.apart:,}", "warning" if one.few else "dim"),
        (_bar(one.said, one.came), "bad" if one.beyond else "dim" if one.few else "accent"),
    )


def _chosen_parts(one: WindowScores, counting: str) -> Parts:
    parts: Parts = [(f"{one.model} {one.version}", "strong"), (f" · {one.window} · ", "dim")]
    parts.append((f"{one.n:,} scored of {counted(one.apart, 'window')} apart", ""))
    if one.few:
        parts.append((": too few to judge", "warning"))
    if one.impossible:
        parts.append((f" · {one.impossible:,} held impossible", "bad"))
    return [*parts, (f" · {counting_text(counting)}", "dim")]


def _tenth(one: SaidAndCame) -> str:
    return f"{100 * one.low:.0f}{DASH}{100 * one.high:.0f}%"


def _share(share: float | None) -> str:
    if share is None:
        return DASH
    return f"{share:.1%}" if share < 0.0995 else f"{share:.0%}"


def _range(one: SaidAndCame) -> str:
    if one.least is None or one.most is None:
        return DASH
    return f"{one.least:.0%}{DASH}{one.most:.0%}"


def _bar(said: float, came: float) -> str:
    """What came as a bar, what was said as a mark on or beside it."""
    bar = list((BAR * round(came * BAR_CELLS)).ljust(BAR_CELLS))
    bar[min(round(said * BAR_CELLS), BAR_CELLS - 1)] = SAID
    return "".join(bar).rstrip()
