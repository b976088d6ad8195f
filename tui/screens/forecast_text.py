"""A forecast in words, as a page, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from musktracker.text import counted
from musktracker.timeline import iso
from tui.widgets.run_progress import duration

if TYPE_CHECKING:
    from musktracker.db.queries.forecasts import Accuracy, ForecastHead, ForecastHour

LEVELS = (50, 80, 95)
DASH = "–"


def horizon_text(hours: int) -> str:
    """A horizon as people say it: 36 h, 7 d."""
    return f"{hours // 24} d" if hours % 24 == 0 and hours > 24 else f"{hours} h"


def counting_text(counting: str) -> str:
    """Which posts count, in words."""
    from musktracker.db.settings import COUNTINGS

    known = COUNTINGS.get(counting)
    return f"counts {known.meaning}" if known else f"counts {counting!r}, which this version does not know"


def total_parts(head: ForecastHead) -> list[tuple[str, str]]:
    """The total and its intervals, as texts with the tone of each."""
    parts = [("Total ", "dim"), (f"{head.total:,.0f}", "strong")]
    for level in LEVELS:
        found = head.interval(level)
        if found is not None:
            parts += [(f"   {level}% ", "dim"), (f"{found[0]:,.0f}{DASH}{found[1]:,.0f}", "")]
    if head.actual_total is not None:
        parts += [("   happened ", "dim"), (f"{head.actual_total:,}", "strong")]
        parts.append((f" {verdict(head)}", "good" if _inside(head, 95) else "bad"))
    return parts


def verdict(head: ForecastHead) -> str:
    """Where the actual total lies among the intervals."""
    for level in LEVELS:
        if _inside(head, level):
            return f"inside {level}%"
    return "outside 95%" if head.interval(95) is not None else ""


def hour_cells(hour: ForecastHour, format_time: Callable[..., str]) -> list[str]:
    """Time, mean, intervals and actual of an hour."""
    intervals = [DASH if found is None else f"{found[0]:.0f}{DASH}{found[1]:.0f}" for found in hour.intervals]
    actual = DASH if hour.actual is None else str(hour.actual)
    return [format_time(hour.start, "%a %d %b %H:%M"), f"{hour.mean:.1f}", *intervals, actual]


def page(
    head: ForecastHead, hours: Sequence[ForecastHour], accuracy: Accuracy | None, format_time: Callable[..., str]
) -> str:
    """All that is known of a forecast."""
    rows = [
        ("Model", f"{head.model} {head.version}, trained on data until {format_time(head.training_end)}"),
        ("Origin", f"{format_time(head.origin)}: nothing later was used"),
        ("Until", f"{format_time(head.until)} ({horizon_text(head.horizon)})"),
        ("Made", format_time(head.created_at)),
        ("Counting", counting_text(head.counting)),
        ("Paths", f"{head.n_paths:,}, seed {head.seed}"),
        ("Mean total", f"{head.total:,.1f}"),
        ("Happened", "not over yet, or not scored" if head.actual_total is None else f"{head.actual_total:,}"),
    ]
    lines = [f"{name:<12} {value}" for name, value in rows]
    if accuracy is not None:
        lines.append(f"{'So far':<12} {accuracy_text(accuracy)}")
    lines += [f"{'Warning':<12} {warning}" for warning in head.warnings]
    lines += ["", "Quantiles of the total"]
    lines += [f"{probability:>10.1%}  {count:>10,.0f}" for probability, count in head.quantiles]
    lines += ["", f"{'Hour':<18}{'mean':>7}{'50%':>9}{'80%':>9}{'95%':>9}{'happened':>10}"]
    for hour in hours:
        when, mean, *rest = hour_cells(hour, format_time)
        lines.append(f"{when:<18}{mean:>7}{rest[0]:>9}{rest[1]:>9}{rest[2]:>9}{rest[3]:>10}")
    return "\n".join(lines)


def accuracy_text(accuracy: Accuracy) -> str:
    """How a version's scored hours came out."""
    inside = [
        f"{level}% held {share:.0%}"
        for level, share in zip(LEVELS, accuracy.coverages, strict=True)
        if share is not None
    ]
    scored = f"{counted(accuracy.n, 'scored hour')}: off by {accuracy.mae:.2f} on average"
    return f"{scored}; of the intervals {', '.join(inside)}"


def csv_text(head: ForecastHead, hours: Sequence[ForecastHour]) -> str:
    """The hours as CSV, times in UTC."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    bounds = [f"{end}_{level}" for level in LEVELS for end in ("lower", "upper")]
    writer.writerow(["model", "version", "origin", "target_time", "mean", *bounds, "actual"])
    for hour in hours:
        ends = [x for found in hour.intervals for x in (found or ("", ""))]
        actual = "" if hour.actual is None else hour.actual
        writer.writerow([head.model, head.version, iso(head.origin), iso(hour.start), hour.mean, *ends, actual])
    return out.getvalue().rstrip("\n")


def age_text(age: timedelta) -> str:
    """How old the data were, or are."""
    return duration(age)


def _inside(head: ForecastHead, level: int) -> bool:
    found = head.interval(level)
    return found is not None and head.actual_total is not None and found[0] <= head.actual_total <= found[1]
