"""The plots of a backtest: skill over a reference, PIT histogram, coverage by horizon, CRPS by lead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tui.widgets.figures import known
from tui.widgets.plot import Sheet, Values, span_ticks
from tui.widgets.plot_axes import format_count

if TYPE_CHECKING:
    from musktracker.db.queries.backtests import Skill

FEW = 6  # leads
UNIFORM = 0.1  # the share of each of ten bins where the forecast is calibrated
DAYS = [(float(24 * day), f"{day} d" if day > 1 else "24 h") for day in range(1, 8)]
LEAD_TICKS = [(1.0, "1 h"), *DAYS]
NARROW = 46  # columns below which every second day is named
Ends = tuple[float, float]
BETTER, WORSE, ALIKE = "▲", "▼", "≈"


@dataclass(frozen=True, slots=True)
class SkillBar:
    """One bar: how much better than the reference, and of what, in words and by `name` alone."""

    label: str
    skill: Skill
    name: str = ""


def verdict(skill: Skill) -> str:
    """A mark for a skill that its interval tells from none: better, worse, or not to be told apart.

    Without an interval, and of too few to judge by, there is none.
    """
    if skill.lower is None or skill.upper is None or skill.few:
        return " "
    return BETTER if skill.lower > 0 else WORSE if skill.upper < 0 else ALIKE


def few_text(bars: Sequence[SkillBar]) -> str:
    """Behind what the intervals are: of how few some skills are, where that is too few to judge by."""
    few = [bar.skill.apart for bar in bars if bar.skill.few]
    if not few:
        return ""
    return f" · {'' if len(few) == len(bars) else 'some '}{min(few)} apart: too few to judge"


def draw_skills(sheet: Sheet, bars: Sequence[SkillBar]) -> None:
    """A bar a model from no skill to its own, shaded inside its 95% interval, which goes on as a line."""
    rows = sheet.rows
    shown = bars[:rows]
    apart = 2 if 2 * len(shown) <= rows + 1 else 1
    top = rows - 1
    places = [top - apart * i - (apart == 2 and 2 * len(shown) <= rows) for i in range(len(shown))]
    ends = known(end for bar in shown for end in (bar.skill.skill, bar.skill.lower, bar.skill.upper))
    lower, upper = min([0.0, *ends]), max([0.0, *ends])
    spare = max(0.04 * (upper - lower), 0.005)
    lower, upper = lower - spare * (lower < 0), upper + spare
    colours = sheet.colours
    for place, bar in zip(places, shown, strict=True):
        skill = bar.skill
        mark = verdict(skill)
        tone = {BETTER: colours.origin, WORSE: colours.missed}.get(mark, colours.text)
        if skill.lower is not None and skill.upper is not None:
            sheet.line([skill.lower, skill.upper], [place, place], sheet.whisker, colours.actual)
            sheet.line([0.0, skill.skill], [place, place], sheet.shade, tone)
            sure = max(skill.lower, 0.0) + min(skill.upper, 0.0)  # the end of the interval on the way from zero
            if sure:
                sheet.line([0.0, sure], [place, place], sheet.bar, tone)
        else:
            sheet.line([0.0, skill.skill], [place, place], sheet.bar, tone)
        sheet.points([skill.skill], [place], sheet.point, colours.actual)
    sheet.line([0.0, 0.0], [0.0, top], sheet.upright, colours.text)
    width = max((len(bar.label) for bar in shown), default=0)
    sheet.y_axis(0.0, max(top, 1), [(p, bar.label.ljust(width)) for p, bar in zip(places, shown, strict=True)])
    most = max((sheet.width - width - 4) // 9, 2)
    sheet.x_axis(lower, upper, [(tick, f"{tick:+.0%}" if tick else "0") for tick in span_ticks(lower, upper, most)])


def skill_points(bars: Sequence[SkillBar]) -> list[dict[str, Any]]:
    """What `draw_skills` draws."""
    return [
        {"name": bar.name, "skill": bar.skill.skill}
        | {"lower_95": bar.skill.lower, "upper_95": bar.skill.upper, "origins": bar.skill.n}
        for bar in bars
    ]


def draw_pit(sheet: Sheet, shares: Sequence[float], by_chance: Ends | None = None) -> None:
    """Ten bars, the line at which all would end if calibrated, and where 95% of them would (dots)."""
    bins = len(shares)
    top = max([*known([*shares, *(by_chance or ())]), 2 * UNIFORM]) * 1.05
    for end in by_chance or ():
        sheet.line([0.0, 1.0], [end, end], sheet.dotted, sheet.colours.text)
    for i, share in enumerate(shares):
        sheet.column(((i + 0.14) / bins, (i + 0.86) / bins), share, sheet.colours.bands[3])
    sheet.line([0.0, 1.0], [UNIFORM, UNIFORM], sheet.level, sheet.colours.mean)
    ticks = [0.0, UNIFORM, *(tick for tick in span_ticks(0.0, top, max(sheet.rows // 3, 2)) if tick > 1.5 * UNIFORM)]
    sheet.y_axis(0.0, top, [(tick, f"{tick:.0%}") for tick in ticks])
    sheet.x_axis(0.0, 1.0, [(tick / 10, f"{tick / 10:g}") for tick in range(0, 11, 2)])


def pit_points(shares: Sequence[float], by_chance: Ends | None = None) -> list[dict[str, Any]]:
    """What `draw_pit` draws."""
    bins = len(shares)
    ends = dict(zip(("expected_low", "expected_high"), by_chance or (), strict=False))
    return [{"from": i / bins, "to": (i + 1) / bins, "share": share, **ends} for i, share in enumerate(shares)]


def draw_coverage(sheet: Sheet, coverage: Mapping[int, Values]) -> None:
    """For each level the share of hours that its interval held, by lead, beside the line of the level itself."""
    colours = sheet.colours
    size = 168 / max([1, *map(len, coverage.values())])  # no hour is known where every origin was refused
    tones = (colours.strong, colours.origin, colours.event)
    for (level, values), tone in zip(coverage.items(), tones, strict=False):
        leads = [(k + 0.5) * size for k in range(len(values))]
        sheet.line([0.0, 168.0], [level / 100] * 2, sheet.level, colours.text)
        sheet.line(leads, values, sheet.fine, tone)
    lower = min([0.4, *(share - 0.05 for values in coverage.values() for share in known(values))])
    sheet.y_axis(max(lower, 0.0), 1.0, [(level / 100, f"{level}%") for level in coverage])
    sheet.x_axis(0.0, 168.0, _lead_ticks(sheet))


def coverage_points(coverage: Mapping[int, Values]) -> list[dict[str, Any]]:
    """What `draw_coverage` draws: shares held of the hours ahead from `lead_from` to `lead_to`."""
    parts = max((len(values) for values in coverage.values()), default=0)
    size = 168 // max(parts, 1)
    return [
        {"lead_from": k * size + 1, "lead_to": (k + 1) * size}
        | {f"held_{level}": values[k] for level, values in coverage.items() if k < len(values)}
        for k in range(parts)
    ]


def draw_leads(sheet: Sheet, mine: Values, theirs: Values) -> None:
    """The mean CRPS of each hour ahead, and that of the reference."""
    colours = sheet.colours
    sheet.line(*calmed(theirs), sheet.dotted, colours.mean)
    sheet.line(*calmed(mine), sheet.fine, colours.actual)
    shown = [value for values in (mine, theirs) for value in known(calmed(values)[1])]
    lower, upper = min(shown, default=0.0), max(shown, default=1.0)
    lower, upper = max(lower - 0.2 * (upper - lower) - 0.01, 0.0), upper + 0.2 * (upper - lower) + 0.01
    ticks = span_ticks(lower, upper, max(sheet.rows // 2, 1))
    sheet.y_axis(lower, upper, [(tick, format_count(round(tick, 6))) for tick in ticks])
    sheet.x_axis(1.0, 168.0, _lead_ticks(sheet))


def lead_points(mine: Values, theirs: Values) -> list[dict[str, Any]]:
    """The means by lead that `draw_leads` draws, each hour for itself."""
    return [
        {"lead": k + 1, "crps": value, "reference_crps": theirs[k] if k < len(theirs) else None}
        for k, value in enumerate(mine)
    ]


def calmed(values: Values) -> tuple[list[float], list[float | None]]:
    """Leads and means of what is by lead: the first six hours one by one, then six together."""
    places = [float(lead) for lead in range(1, min(FEW, len(values)) + 1)]
    means = list(values[:FEW])
    for first in range(FEW, len(values), FEW):
        found = known(values[first : first + FEW])
        places.append(first + (FEW + 1) / 2)
        means.append(sum(found) / len(found) if found else None)
    return places, means


def _lead_ticks(sheet: Sheet) -> list[tuple[float, str]]:
    return LEAD_TICKS if sheet.width >= NARROW else [LEAD_TICKS[0], *DAYS[1::2], DAYS[-1]]
