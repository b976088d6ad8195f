"""A comparison of a forecast with events and without them, in words and as a chart by day."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

from musktracker.timeline import HOUR, parse_time
from tui.screens.forecast_text import DASH, LEVELS, horizon_text
from tui.screens.forecast_views import DAY, day_length, midnight, midnights
from tui.widgets.fan import Band, Event, Fan, View
from tui.widgets.toned_line import Parts

Scenario = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ComparedDay:
    """One day of a comparison: three mappings of mean, median and bounds."""

    date: date
    hours: int
    with_them: Scenario
    without: Scenario
    difference: Scenario


def compared_days(result: Mapping[str, Any]) -> tuple[ComparedDay, ...]:
    """The days of a run's result."""
    triples = zip(*(result[name]["days"] for name in ("with", "without", "difference")), strict=True)
    return tuple(
        ComparedDay(date.fromisoformat(one["date"]), int(one["hours"]), one, other, difference)
        for one, other, difference in triples
    )


def lines(result: Mapping[str, Any] | None, format_time: Callable[..., str]) -> dict[str, Parts]:
    """All that is said above the chart, by line."""
    if result is None:
        return {name: [] for name in ("with", "without", "difference", "source")}
    return {
        "with": total_parts("With", result["with"]["total"]),
        "without": total_parts("Without", result["without"]["total"]),
        "difference": difference_parts(result["difference"]["total"]),
        "source": source_parts(result, format_time),
    }


def total_parts(name: str, total: Scenario) -> Parts:
    """A total with its intervals."""
    parts: Parts = [(f"{name:<11}", "dim"), (f"{total['mean']:>6,.0f}", "strong")]
    for level in LEVELS:
        low, high = total[f"lower_{level}"], total[f"upper_{level}"]
        parts += [(f"   {level}% ", "dim"), (f"{low:,.0f}{DASH}{high:,.0f}", "")]
    return parts


def difference_parts(total: Scenario) -> Parts:
    """How many more posts the events mean, path by path."""
    parts: Parts = [(f"{'Difference':<11}", "dim"), (f"{total['mean']:>+6,.0f}", "strong")]
    for level in LEVELS:
        low, high = total[f"lower_{level}"], total[f"upper_{level}"]
        parts += [(f"   {level}% ", "dim"), (f"{low:+,.0f} to {high:+,.0f}", "good" if low > 0 or high < 0 else "")]
    return parts


def source_parts(result: Mapping[str, Any], format_time: Callable[..., str]) -> Parts:
    """By which version, from where, how far, and about which events."""
    origin, ahead = parse_time(result["forecast_time"]), horizon_text(result["horizon_hours"])
    events = "; ".join(event_text(one, format_time) for one in result["events"])
    parts: Parts = [(f"{result['model']} {result['version']}", "")]
    parts += [(f" from {format_time(origin, '%a %d %b %H:%M')}, {ahead} · ", "dim"), (events, "")]
    return [*parts, *((f" · {warning}", "warning") for warning in result["warnings"])]


def event_text(one: Mapping[str, Any], format_time: Callable[..., str]) -> str:
    """One event of the comparison."""
    when = format_time(parse_time(one["start"]), "%a %d %b %H:%M")
    category = f" #{one['category']}" if one["category"] else ""
    name = "imagined" if one["id"] is None else one["name"]
    return f"{name}: {when} !{one['intensity']:g}{category}"


def events_of(result: Mapping[str, Any]) -> tuple[Event, ...]:
    """The events of the comparison, for a chart."""
    return tuple(
        Event(parse_time(one["start"]), parse_time(one["end"]), "imagined" if one["id"] is None else one["name"])
        for one in result["events"]
    )


def day_fan(
    result: Mapping[str, Any], counts: Sequence[tuple[datetime, int]], now: datetime, zone: tzinfo
) -> tuple[Fan, View]:
    """Posts a day: counted before the origin, then with the events and their intervals; dashes are without them.

    Only whole days are drawn: of the day of the origin what was counted is added to what is forecast of it.
    """
    origin = parse_time(result["forecast_time"])
    counted: dict[date, list[int]] = {}
    for start, count in counts:
        if start < origin:
            counted.setdefault(start.astimezone(zone).date(), []).append(count)
    by_date = {day.date: day for day in compared_days(result)}
    dates = sorted({*counted, *by_date})
    first = dates[0] if dates else origin.astimezone(zone).date()
    dates = [first + DAY * k for k in range((dates[-1] - first).days + 1)] if dates else [first]
    known = {day: sum(counted.get(day, ())) for day in dates}
    whole = [day for day in dates if len(counted.get(day, ())) + _hours(by_date, day) == day_length(day, zone)]
    ahead = [by_date.get(day) if day in whole else None for day in dates]

    def series(name: str, *, other: bool = False) -> tuple[float | None, ...]:
        return tuple(
            None if one is None else known[one.date] + float((one.without if other else one.with_them)[name])
            for one in ahead
        )

    made = Fan(
        midnight(first, zone),
        DAY,
        edges=midnights(first, len(dates), zone),
        actual=tuple(float(known[day]) if day in whole and day not in by_date else None for day in dates),
        mean=series("mean"),
        other=series("mean", other=True),
        bands=tuple(Band(level / 100, series(f"lower_{level}"), series(f"upper_{level}")) for level in LEVELS),
        events=events_of(result),
        origin=midnight(origin.astimezone(zone).date(), zone),
        now=now if now - origin > HOUR else None,
        stepped=True,
        names=("observed", "with", "without"),
    )
    return made, View(0.0, float(len(dates)))


def history_needed(result: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """Which counts stand before the forecast in the chart: twice as long as it is ahead, a week at least."""
    origin = parse_time(result["forecast_time"])
    return origin - max(timedelta(hours=2 * result["horizon_hours"]), 7 * DAY), origin


def _hours(by_date: Mapping[date, ComparedDay], day: date) -> int:
    return by_date[day].hours if day in by_date else 0
