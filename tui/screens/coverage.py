"""Coverage: what was observed, by source and kind of count, and every hole with its reason, the newest first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from musktracker.text import counted, printable
from musktracker.timeline import Span
from tui.screens import terms
from tui.screens.base import ConsoleScreen
from tui.screens.ingest_forms import fill_form, has_token
from tui.widgets.coverage_bar import CoverageBar
from tui.widgets.record_table import Cell, Column, RecordTable
from tui.widgets.text_page import TextPage

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.db.queries.ingestion import Observed
    from tui.app import Console

NOTHING = "Nothing is covered yet: esc, then i imports a file of posts, a follows the X API"
HOLE = "hole"
NOT_FETCHED = "not fetched"
COLUMNS = (
    Column("From", 16, order=lambda one: one.start, falling=True),
    Column("To", 16, order=lambda one: one.end, falling=True, rank=1),
    Column("Hours", 9, right=True, order=lambda one: one.hours, falling=True),
    Column("Source", 10, order=lambda one: one.source or ""),
    Column("Counts, or why not", 18, grow=1, order=lambda one: one.why),
)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time: observed by a `source` that counts as `counting` says, or a hole, `reason` where known."""

    start: datetime
    end: datetime
    hours: float
    observed: bool
    source: str | None
    counting: str | None
    reason: str | None

    @property
    def why(self) -> str:
        """What is counted, or why nothing is known."""
        return self.counting or self.reason or NOT_FETCHED


class CoverageScreen(ConsoleScreen):
    """Totals and a bar over all time, and below them spans and holes."""

    app: Console
    TITLE: ClassVar[str] = "Coverage"
    TERMS = terms.COVERAGE
    AUTO_FOCUS = "RecordTable"
    CSS_PATH = "coverage.tcss"
    CHANGES = frozenset({"fill"})
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "fill", "Fill", tooltip="Fetch the holes from the X API; first the price", id="coverage.fill"),
        Binding("t", "kind", "Holes", tooltip="Only holes, or spans too", id="coverage.kind"),
        Binding("escape", "back", "Back", tooltip="Back to ingestion", id="coverage.back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._only_holes = False
        self._data: Observed | None = None

    def compose_body(self) -> ComposeResult:
        """Totals, the bar, and the table."""
        with Vertical(id="coverage-summary"):
            yield Static(id="coverage-totals", markup=False)
            with Horizontal():
                yield Static(id="coverage-from", markup=False)
                yield CoverageBar()
                yield Static(id="coverage-to", markup=False)
        table: RecordTable[Stretch] = RecordTable(
            COLUMNS, self._row, lambda one: (one.start, one.source, one.counting), empty=NOTHING, memory="coverage"
        )
        yield table

    def fetch(self, engine: Engine) -> Observed:
        """All of it, to the minute."""
        from musktracker.db.queries import ingestion

        return ingestion.observed(engine, self.app.now().replace(second=0, microsecond=0))

    def show(self, data: Observed) -> None:
        """Bring totals, bar and table up to date."""
        self._data = data
        self.query_one("#coverage-summary").display = bool(data.spans or data.holes)
        self.query_one("#coverage-totals", Static).update(totals_text(data))
        self.query_one("#coverage-from", Static).update(self.app.format_time(data.within.start, "%Y-%m-%d"))
        self.query_one("#coverage-to", Static).update(self.app.format_time(data.within.end, "%Y-%m-%d"))
        self.query_one(CoverageBar).set_spans(data.covered, data.within)
        table: RecordTable[Stretch] = self.query_one(RecordTable)
        found = stretches(data)
        holes = tuple(one for one in found if not one.observed)
        none = "No holes: t shows what was observed" if data.spans else NOTHING
        table.set_records(holes if self._only_holes else found, empty=none if self._only_holes else NOTHING)
        what = counted(len(holes), "hole")
        title = what if self._only_holes else f"{counted(len(data.spans), 'span')} and {what}"
        table.border_title = f"{title} · times in {self.app.zone.key}"

    def action_kind(self) -> None:
        """Only holes, or spans too."""
        self._only_holes = not self._only_holes
        if self._data is not None:
            self.show(self._data)

    def action_fill(self) -> None:
        """Say what filling the holes costs, ask by which endpoint, and begin."""
        if has_token(self.app):
            self.ask_run(fill_form(self.app.zone), "backfill", then=self.run_started)

    def run_started(self, run_id: int) -> None:
        """Go back to ingestion, where the run is in the list and its log below."""
        self.call_later(self._go_to, run_id)  # once the form is gone that it was asked for in

    def _go_to(self, run_id: int) -> None:
        if self.app.screen is self:
            self.app.open_run(run_id)

    @on(RecordTable.Opened)
    def _open(self) -> None:
        one: Stretch | None = self.query_one(RecordTable).record
        if one is not None:
            title = "Observed" if one.observed else "Hole"
            self.app.push_screen(TextPage(title, stretch_text(one, self.app.format_time)))

    def _row(self, one: Stretch) -> Sequence[Cell]:
        if one.observed:
            source, tone = (f"✓ {printable(one.source or '')}", "good"), "dim"
        else:
            source, tone = (f"! {HOLE}", "warning"), ""
        return (
            self.app.format_time(one.start),
            self.app.format_time(one.end),
            f"{one.hours:,.1f}",
            source,
            (one.why, tone),
        )


def stretches(data: Observed) -> tuple[Stretch, ...]:
    """Spans and holes in one, by when they end, the newest first."""
    found = [
        Stretch(one.start, one.end, Span(one.start, one.end).hours(), True, one.source, one.counting, None)
        for one in data.spans
    ]
    found += [
        Stretch(one.start, one.end, Span(one.start, one.end).hours(), False, None, None, one.reason)
        for one in data.holes
    ]
    return tuple(sorted(found, key=lambda one: (one.end, one.start), reverse=True))


def totals_text(data: Observed) -> str:
    """How much was observed, how long the holes are, and what is still to fetch."""
    holes = f"{counted(len(data.holes), 'hole')}, {data.hours_missing:,.1f} h" if data.holes else "no holes"
    left = f"{counted(len(data.open_ranges), 'range')} still to fetch" if data.open_ranges else ""
    share = min(data.share, 0.9999) if data.holes else data.share  # not all, however it rounds
    return " · ".join(filter(None, (f"{share:.2%} observed", holes, left, f"counting {data.counting}")))


def stretch_text(one: Stretch, format_time: Callable[..., str]) -> str:
    """All that is known of a stretch of time."""
    seconds = "%Y-%m-%d %H:%M:%S %Z"
    rows = [
        ("From", format_time(one.start, seconds)),
        ("To", format_time(one.end, seconds)),
        ("Hours", f"{one.hours:,.2f}"),
    ]
    rows += [("Source", one.source or ""), ("Counts", one.counting or "")] if one.observed else [("Reason", one.why)]
    return "\n".join(f"{name:<8}{printable(value)}" for name, value in rows)
