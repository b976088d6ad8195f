"""The plots of stored scores: PIT, coverage and misses by horizon, CRPS by week beside the reference's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any

from tui.screens import backtest_plots
from tui.screens.forecast_text import horizon_text
from tui.widgets.figures import known
from tui.widgets.plot import Sheet, Ticks, span_ticks
from tui.widgets.plot_axes import format_count

if TYPE_CHECKING:
    from musktracker.db.queries.calibration import HorizonScores, WeekScores

LEVELS = (0.5, 0.8, 0.95)
TAIL = 0.025  # what is to lie above the 95% interval, and below it
LEAST_TOP = 0.06
BEYOND = "✗"  # marks what chance alone would not make of a calibrated forecast


def draw_pit(sheet: Sheet, found: HorizonScores) -> None:
    """Ten bars, the line at which all would end if calibrated, and where 95% of them would (dots)."""
    backtest_plots.draw_pit(sheet, found.pit, found.expected(backtest_plots.UNIFORM))


def pit_points(found: HorizonScores) -> list[dict[str, Any]]:
    """What `draw_pit` draws."""
    return backtest_plots.pit_points(found.pit, found.expected(backtest_plots.UNIFORM))


def draw_coverage(sheet: Sheet, found: Sequence[HorizonScores]) -> None:
    """The share that each interval held by horizon, on the line where it is if calibrated; dashes are nominal."""
    colours = sheet.colours
    points = [
        (place + (k - 1) * 0.22, one.coverages[k], level, one, colours.text if one.few else tone)
        for k, (level, tone) in enumerate(zip(LEVELS, (colours.strong, colours.origin, colours.event), strict=True))
        for place, one in zip(_places(found), found, strict=True)
    ]
    for level in LEVELS:
        sheet.line([-0.5, len(found) - 0.5], [level, level], sheet.level, colours.text)
    for x, _, level, one, _ in points:
        sheet.line([x, x], one.expected(level), sheet.upright, colours.axis)
    for x, share, level, one, tone in points:
        beyond = one.beyond(share, level)
        sign = ("x" if sheet.plain else BEYOND) if beyond else sheet.point
        sheet.points([x], [share], sign, colours.missed if beyond else tone)
    lowest = min([0.4, *(share - 0.05 for one in found for share in known(one.coverages))])
    sheet.y_axis(max(lowest, 0.0), 1.02, [(level, f"{level:.0%}") for level in LEVELS])
    sheet.x_axis(-0.5, len(found) - 0.5, _horizons(found))


def coverage_points(found: Sequence[HorizonScores]) -> list[dict[str, Any]]:
    """What `draw_coverage` draws: by horizon the share that each interval held, and between what chance takes it."""
    return [
        {"horizon": one.horizon}
        | {f"held_{level * 100:.0f}": share for level, share in zip(LEVELS, one.coverages, strict=True)}
        | {
            f"expected_{level * 100:.0f}_{end}": value
            for level in LEVELS
            for end, value in zip(("low", "high"), one.expected(level), strict=True)
        }
        for one in found
    ]


def draw_misses(sheet: Sheet, found: Sequence[HorizonScores]) -> None:
    """By horizon the share above the 95% interval (left bar) and below it (right bar); dashes are nominal."""
    colours = sheet.colours
    top = max([LEAST_TOP, *(max(one.above_95, one.below_95) / one.n * 1.1 for one in found)])
    sheet.line([-0.5, len(found) - 0.5], [TAIL, TAIL], sheet.level, colours.mean)
    for place, one in zip(_places(found), found, strict=True):
        sheet.column((place - 0.32, place - 0.06), one.above_95 / one.n, colours.missed)
        sheet.column((place + 0.06, place + 0.32), one.below_95 / one.n, colours.event)
    ticks = [tick for tick in span_ticks(0.0, top, max(sheet.rows // 3, 2)) if not 0 < abs(tick - TAIL) < top / 8]
    sheet.y_axis(0.0, top, [*((tick, f"{tick:.0%}") for tick in ticks if tick != TAIL), (TAIL, "2.5%")])
    sheet.x_axis(-0.5, len(found) - 0.5, _horizons(found))


def miss_points(found: Sequence[HorizonScores]) -> list[dict[str, Any]]:
    """What `draw_misses` draws."""
    return [
        {
            "horizon": one.horizon,
            "above_95": one.above_95 / one.n,
            "below_95": one.below_95 / one.n,
            "forecasts": one.n,
        }
        for one in found
    ]


def draw_weeks(sheet: Sheet, weeks: Sequence[WeekScores], zone: tzinfo, now: datetime) -> None:
    """The mean CRPS of each week, and that of the reference (dots): below it is better."""
    colours = sheet.colours
    places = [float(k) for k in range(len(weeks))]
    ours, theirs = [one.crps for one in weeks], [one.reference_crps for one in weeks]
    sheet.line(places, theirs, sheet.dotted, colours.mean)
    sheet.points(places, theirs, sheet.dot, colours.mean)
    sheet.line(places, ours, sheet.fine, colours.actual)
    sheet.points(places, ours, sheet.point, colours.actual)
    upper = max([0.0, *known([*ours, *theirs])]) * 1.1 or 1.0
    ticks = span_ticks(0.0, upper, max(sheet.rows // 2, 1))
    sheet.y_axis(0.0, upper, [(tick, format_count(round(tick, 6))) for tick in ticks])
    sheet.x_axis(-0.4, max(len(weeks) - 0.6, 0.4), _week_ticks(sheet, weeks, zone, now))


def week_points(weeks: Sequence[WeekScores]) -> list[dict[str, Any]]:
    """What `draw_weeks` draws: means of the forecasts from 168 h of origins, the last of them at `end`."""
    return [
        {"end": one.end, "forecasts": one.n, "crps": one.crps, "reference_crps": one.reference_crps} for one in weeks
    ]


def _week_ticks(sheet: Sheet, weeks: Sequence[WeekScores], zone: tzinfo, now: datetime) -> Ticks:
    """The last week of each that is named; with years, each once, where they are not that of now."""
    ends = [one.end.astimezone(zone) for one in weeks]
    dated = any(end.year != now.astimezone(zone).year for end in ends)
    every = max(-(-len(weeks) * (14 if dated else 9) // max(sheet.width - 8, 9)), 1)
    last = len(weeks) - 1
    named = [(k, end) for k, end in enumerate(ends) if (last - k) % every == 0]
    years = [None, *(end.year for _, end in named)]
    return [
        (float(k), f"{end.day} {end:%b}" + (f" {end.year}" if dated and end.year != before else ""))
        for (k, end), before in zip(named, years, strict=False)
    ]


def _places(found: Sequence[HorizonScores]) -> list[float]:
    return [float(k) for k in range(len(found))]


def _horizons(found: Sequence[HorizonScores]) -> Ticks:
    return [(float(k), horizon_text(one.horizon)) for k, one in enumerate(found)]
