"""The tables of the forecasts screen: the stored forecasts, and the hours of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui.screens import forecast_text as words
from tui.widgets.record_table import Cell, Column, RecordTable

if TYPE_CHECKING:
    from musktracker.db.queries.forecasts import ForecastHead, ForecastHour
    from tui.app import Console

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
    Column("Happened", 8, right=True),
)


class ForecastTable(RecordTable["ForecastHead"]):
    """Forecasts, from the newest origin back."""

    app: Console

    def __init__(self) -> None:
        super().__init__(
            HEADS, self._row, lambda head: head.id, empty="No forecast yet: n makes one", memory="forecasts"
        )

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
