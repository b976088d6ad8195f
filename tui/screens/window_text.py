"""A window and its forecast in words: as lines with tones, and as a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from musktracker.timeline import Span
from tui.screens.forecast_text import DASH, LEVELS, counting_text
from tui.widgets.bracket_bars import Bar
from tui.widgets.run_progress import duration
from tui.widgets.toned_line import Parts

if TYPE_CHECKING:
    from musktracker.brackets import Bracket
    from musktracker.db.queries.window_standing import Standing, StoredWindowForecast

FRESH = timedelta(hours=1)  # an origin that is older than the newest counted hour by this has been overtaken


def span_parts(name: str, span: Span, zone: ZoneInfo, moment: datetime) -> Parts:
    """Which window it is, and where the moment lies in it."""
    start, end = (one.astimezone(zone) for one in span)
    times = f"{start:%a %d %b %H:%M} {DASH} {end:%a %d %b %H:%M %Z}"
    if moment >= span.end:
        state = f"over for {duration(moment - span.end)}"
    elif moment < span.start:
        state = f"begins in {duration(span.start - moment)}"
    else:
        state = f"{duration(span.end - moment)} left"
    return [(name, "strong"), (f"  {times} · {span.hours():g} h · ", "dim"), (state, "")]


def count_parts(standing: Standing | None, span: Span, format_time: Callable[..., str]) -> Parts:
    """The count so far, and the pace it has."""
    if standing is None:
        return [("Nothing is counted yet: 3 brings posts in", "dim")]
    found = standing.so_far
    least = "at least " if found.missed else ""
    parts: Parts = [("So far ", "dim"), (f"{least}{found.count:,}", "strong")]
    parts.append((f" until {format_time(found.until, '%a %H:%M %Z')}", "dim"))
    pace = found.pace(span)
    if pace is not None:
        parts += [(" · pace ", "dim"), (f"{pace.per_hour:.2f}/h", "")]
        if found.to_come:
            parts.append((f" → {pace.projected:,.0f}", ""))
    if standing.usual is not None:
        parts += [(" · usual ", "dim"), (f"{standing.usual:.2f}/h", "")]
    if found.missed:
        parts.append((f" · {found.missed_hours:,.1f} h were not observed", "warning"))
    return parts


def total_parts(forecast: StoredWindowForecast | None, standing: Standing | None) -> Parts:
    """The projected total with its intervals; what came, where that is known."""
    if forecast is None:
        over = standing is not None and not standing.so_far.to_come
        return [("Nothing is still to come" if over else "No forecast of this window yet: n makes one", "dim")]
    parts: Parts = [("Total ", "dim"), (f"{forecast.total:,.0f}", "strong")]
    for level in LEVELS:
        found = forecast.interval(level)
        if found is not None:
            parts += [(f"   {level}% ", "dim"), (f"{found[0]:,.0f}{DASH}{found[1]:,.0f}", "")]
    actual = forecast.actual_total
    if actual is not None:
        inside = next((level for level in LEVELS if _inside(forecast, level, actual)), None)
        parts += [("   happened ", "dim"), (f"{actual:,}", "strong")]
        parts.append((f" inside {inside}%", "good") if inside else (" outside 95%", "bad"))
    return parts


def source_parts(
    forecast: StoredWindowForecast | None,
    standing: Standing | None,
    moment: datetime,
    format_time: Callable[..., str],
) -> Parts:
    """Which model made it, from which origin, and how old that is."""
    if forecast is None:
        return []
    age = max(moment - forecast.origin, timedelta())
    parts: Parts = [(f"{forecast.model} {forecast.version}", "")]
    parts.append((f" from {format_time(forecast.origin, '%a %d %b %H:%M')}, ", "dim"))
    behind = standing is not None and standing.data_until - forecast.origin >= FRESH and bool(standing.so_far.to_come)
    parts.append((f"{duration(age)} old", "warning" if behind else "dim"))
    if behind and standing is not None:
        hours = round((standing.data_until - forecast.origin) / FRESH)
        parts.append((f": {hours} h counted since", "warning"))
    parts += [(f" · {warning}", "warning") for warning in forecast.warnings]
    return parts


def rate_parts(bracket: Bracket, standing: Standing | None) -> Parts:
    """How fast posts must come to enter a bracket and to leave it behind, beside what is usual."""
    if standing is None:
        return []
    count, to_come = standing.so_far.count, standing.so_far.to_come
    state = bracket.state(count, to_come)
    parts: Parts = [(f"{bracket}: ", "")]
    if not to_come:
        return [*parts, ("the total is in it" if state == "in" else "the total is not in it", "dim")]
    if state == "dead":
        return [*parts, ("passed", "dim")]
    enter, overrun = bracket.to_enter(count, to_come), bracket.to_overrun(count, to_come)
    parts += [("in it now", "strong")] if state == "in" else [("to enter ", "dim"), (f"{enter:.2f}/h", "strong")]
    if overrun is not None:
        parts += [(", to overrun ", "dim"), (f"{overrun:.2f}/h", "strong")]
    if standing.usual is not None:
        parts += [(" · usual ", "dim"), (f"{standing.usual:.2f}/h", "")]
    return [*parts, (f" · {to_come:.1f} h to come", "dim")]


def bars(
    brackets: Sequence[Bracket], forecast: StoredWindowForecast | None, standing: Standing | None
) -> tuple[Bar, ...]:
    """Each bracket with its probability as it was forecast, and its state as it is now."""
    found = []
    at_least = 0.0
    for bracket in reversed(brackets):
        probability = forecast.probability(bracket) if forecast is not None else None
        at_least += probability or 0.0
        state = "ahead"
        if standing is not None:
            state = bracket.state(standing.so_far.count, standing.so_far.to_come)
        found.append(Bar(str(bracket), state, probability, None if forecast is None else min(at_least, 1.0)))
    return tuple(reversed(found))


def page(forecast: StoredWindowForecast, standing: Standing | None, format_time: Callable[..., str]) -> str:
    """All that is known of a forecast of a window."""
    rows = [
        ("Window", f"{format_time(forecast.span.start)} to {format_time(forecast.span.end)}"),
        ("Model", f"{forecast.model} {forecast.version}, trained on data until {format_time(forecast.training_end)}"),
        ("Origin", f"{format_time(forecast.origin)}: nothing later was used but posts already counted in the window"),
        ("Made", format_time(forecast.made_at)),
        ("So far then", f"{forecast.count_so_far:,}, counted until {format_time(forecast.counted_until)}"),
        ("Counting", counting_text(forecast.counting)),
        ("Paths", f"{forecast.n_paths:,}, seed {forecast.seed}"),
        ("Mean total", f"{forecast.total:,.1f}"),
        ("Happened", DASH if forecast.actual_total is None else f"{forecast.actual_total:,}"),
    ]
    lines = [f"{name:<12} {value}" for name, value in rows]
    lines += [f"{'Warning':<12} {warning}" for warning in forecast.warnings]
    lines += ["", f"{'Bracket':>10}{'chance':>9}{'to enter':>11}{'to overrun':>12}"]
    for bracket, probability in zip(forecast.brackets, forecast.probabilities, strict=True):
        lines.append(f"{bracket!s:>10}{probability:>9.1%}{_rates(bracket, standing)}")
    wanted = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99]
    near = [min(forecast.quantiles, key=lambda pair: abs(pair[0] - p)) for p in wanted] if forecast.quantiles else []
    lines += ["", "Quantiles of the total"]
    return "\n".join([*lines, *(f"{p:>10.1%}  {count:>8,.0f}" for p, count in dict.fromkeys(near))])


def _rates(bracket: Bracket, standing: Standing | None) -> str:
    if standing is None:
        return ""
    count, to_come = standing.so_far.count, standing.so_far.to_come
    state = bracket.state(count, to_come)
    if state == "dead":
        return f"{'dead':>11}"
    enter, overrun = bracket.to_enter(count, to_come), bracket.to_overrun(count, to_come)
    entering = "in it" if state == "in" else "" if enter is None else f"{enter:.2f}"
    return f"{entering:>11}" + ("" if overrun is None else f"{overrun:>12.2f}")


def _inside(forecast: StoredWindowForecast, level: int, actual: int) -> bool:
    found = forecast.interval(level)
    return found is not None and found[0] <= actual <= found[1]
