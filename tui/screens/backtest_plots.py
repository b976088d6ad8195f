"""The plots of a backtest: skill over a reference, PIT histogram, coverage by horizon, CRPS by lead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui.widgets.plot import Sheet, Values, span_ticks
from tui.widgets.plot_axes import format_count, value_ticks

if TYPE_CHECKING:
    from musktracker.db.queries.backtests import Skill

UNIFORM = 0.1  # the share of each of ten bins where the forecast is calibrated
DAYS = [(float(24 * day), f"{day} d" if day > 1 else "24 h") for day in range(1, 8)]
LEAD_TICKS = [(1.0, "1 h"), *DAYS]
NARROW = 46  # columns below which every second day is named
BETTER, WORSE, ALIKE = "▲", "▼", "≈"


@dataclass(frozen=True, slots=True)
class SkillBar:
    """One bar: of which model, and how much better than the reference."""

    label: str
    skill: Skill


def verdict(skill: Skill) -> str:
    """A mark for a skill that its interval tells from none: better, worse, or not to be told apart."""
    if skill.lower is None or skill.upper is None:
        return " "
    return BETTER if skill.lower > 0 else WORSE if skill.upper < 0 else ALIKE


def draw_skills(sheet: Sheet, bars: Sequence[SkillBar]) -> None:
    """A bar a model from no skill to its own; the line through its end is the 95% interval."""
    rows = sheet.rows
    shown = bars[:rows]
    apart = 2 if 2 * len(shown) <= rows + 1 else 1
    top = rows - 1
    places = [top - apart * i - (apart == 2 and 2 * len(shown) <= rows) for i in range(len(shown))]
    ends = [end for bar in shown for end in (bar.skill.skill, bar.skill.lower, bar.skill.upper) if end is not None]
    lower, upper = min(0.0, *ends), max(0.0, *ends)
    spare = max(0.04 * (upper - lower), 0.005)
    lower, upper = lower - spare * (lower < 0), upper + spare
    colours = sheet.colours
    for place, bar in zip(places, shown, strict=True):
        skill = bar.skill
        mark = verdict(skill)
        tone = {BETTER: colours.origin, WORSE: colours.missed}.get(mark, colours.text)
        sheet.line([0.0, skill.skill], [place, place], sheet.bar, tone)
        if skill.lower is not None and skill.upper is not None:
            sheet.line([skill.lower, skill.upper], [place, place], sheet.whisker, colours.actual)
        sheet.points([skill.skill], [place], sheet.point, colours.actual)
    sheet.line([0.0, 0.0], [0.0, top], sheet.upright, colours.text)
    width = max((len(bar.label) for bar in shown), default=0)
    sheet.y_axis(0.0, max(top, 1), [(p, bar.label.ljust(width)) for p, bar in zip(places, shown, strict=True)])
    most = max((sheet.width - width - 4) // 9, 2)
    sheet.x_axis(lower, upper, [(tick, f"{tick:+.0%}" if tick else "0") for tick in span_ticks(lower, upper, most)])


def draw_pit(sheet: Sheet, shares: Sequence[float]) -> None:
    """Ten bars, and the line at which all would end if the forecast were calibrated."""
    bins = len(shares)
    top = max(*shares, 2 * UNIFORM) * 1.05
    for i, share in enumerate(shares):
        sheet.column(((i + 0.14) / bins, (i + 0.86) / bins), share, sheet.colours.bands[3])
    sheet.line([0.0, 1.0], [UNIFORM, UNIFORM], sheet.level, sheet.colours.mean)
    ticks = [0.0, UNIFORM, *(tick for tick in span_ticks(0.0, top, max(sheet.rows // 3, 2)) if tick > 1.5 * UNIFORM)]
    sheet.y_axis(0.0, top, [(tick, f"{tick:.0%}") for tick in ticks])
    sheet.x_axis(0.0, 1.0, [(tick / 10, f"{tick / 10:g}") for tick in range(0, 11, 2)])


def draw_coverage(sheet: Sheet, coverage: Mapping[int, Values], leads_a_group: int) -> None:
    """For each level the share of hours that its interval held, by lead, beside the line of the level itself."""
    colours = sheet.colours
    tones = (colours.bands[3], colours.origin, colours.event)
    for (level, values), tone in zip(coverage.items(), tones, strict=False):
        leads = [(k + 0.5) * leads_a_group for k in range(len(values))]
        sheet.line([0.0, 168.0], [level / 100] * 2, sheet.level, colours.text)
        sheet.line(leads, values, sheet.fine, tone)
    known = [value for values in coverage.values() for value in values if value is not None]
    lower = min([0.4, *(value - 0.05 for value in known)])
    sheet.y_axis(max(lower, 0.0), 1.0, [(level / 100, f"{level}%") for level in coverage])
    sheet.x_axis(0.0, 168.0, _lead_ticks(sheet))


def draw_leads(sheet: Sheet, mine: Values, theirs: Values) -> None:
    """The mean CRPS of each hour ahead, and that of the reference."""
    leads = [float(lead) for lead in range(1, 169)]
    colours = sheet.colours
    sheet.line(leads[: len(theirs)], theirs, sheet.dotted, colours.mean)
    sheet.line(leads[: len(mine)], mine, sheet.fine, colours.actual)
    top = max((value for value in (*mine, *theirs) if value is not None), default=1.0) * 1.08
    sheet.y_axis(0.0, top, [(t, format_count(t)) for t in value_ticks(top, max(sheet.rows // 3, 1))])
    sheet.x_axis(1.0, 168.0, _lead_ticks(sheet))


def draw_curve(sheet: Sheet, scores: Values, of: int) -> None:
    """Scores origin by origin, and their mean so far as a line."""
    places = [float(k) for k in range(1, len(scores) + 1)]
    sheet.points(places, scores, sheet.dotted if len(scores) > sheet.width else sheet.point, sheet.colours.bands[3])
    sheet.line(places, running_means(scores), sheet.fine, sheet.colours.mean)
    top = max((value for value in scores if value is not None), default=1.0) * 1.08 or 1.0
    sheet.y_axis(0.0, top, [(t, format_count(t)) for t in value_ticks(top, max(sheet.rows // 3, 1))])
    last = float(max(of, len(scores), 2))
    inner = [tick for tick in value_ticks(last, max(sheet.width // 12, 2)) if 1 < tick < 0.94 * last]
    sheet.x_axis(1.0, last, [(tick, format_count(tick)) for tick in (1.0, *inner, last)])


def running_means(scores: Values) -> list[float | None]:
    """The mean of all known scores up to each."""
    found: list[float | None] = []
    total, n = 0.0, 0
    for score in scores:
        if score is not None:
            total, n = total + score, n + 1
        found.append(total / n if n else None)
    return found


def _lead_ticks(sheet: Sheet) -> list[tuple[float, str]]:
    return LEAD_TICKS if sheet.width >= NARROW else [LEAD_TICKS[0], *DAYS[1::2], DAYS[-1]]
