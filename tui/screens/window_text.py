"""A window and its forecast in words: as lines with tones, and as a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from musktracker.timeline import Span
from tui.moments import is_far
from tui.screens.forecast_text import DASH, LEVELS, counting_text
from tui.widgets.bracket_bars import LEAST, Bar
from tui.widgets.run_progress import duration
from tui.widgets.toned_line import Parts

if TYPE_CHECKING:
    from musktracker.brackets import Bracket
    from musktracker.db.queries.window_standing import Standing, StoredWindowForecast

DATED = "%a %d %b %H:%M %Z"
LONGEST_WEEK = 169  # hours, in autumn: of a longer window a weekday names no day
FRESH = timedelta(hours=1)  # an origin that is older than the newest counted hour by this has been overtaken


def span_parts(name: str, span: Span, zone: ZoneInfo, moment: datetime, now: datetime) -> Parts:
    """Which window it is, with years where they are not plain now, and where the moment lies in it."""
    far = any(is_far(one, now) for one in span)
    pattern = "%a %Y-%m-%d %H:%M" if far else "%a %d %b %H:%M"
    times = f"{span.start.astimezone(zone):{pattern}} {DASH} {span.end.astimezone(zone):{pattern} %Z}"
    if moment >= span.end:
        state = "over" if is_far(span.end, moment) else f"over for {duration(moment - span.end)}"
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
    parts: Parts = [("So far ", "dim"), (f"{least}{found.count:,}" if standing.begun else DASH, "strong")]
    if standing.begun:
        is_this_week = standing.phase == "open" and span.hours() <= LONGEST_WEEK
        pattern = "%a %H:%M %Z" if is_this_week else DATED
        parts.append((f" until {format_time(found.until, pattern)}", "dim"))
    elif standing.phase == "before":
        parts.append((" not begun", "dim"))
    else:
        parts.append((f" not observed: data end {format_time(standing.data_until, DATED)}", "warning"))
    pace = found.pace(span)
    if pace is not None:
        parts += [(" · pace ", "dim"), (f"{pace.per_hour:.2f}/h", "")]
        if found.to_come:
            parts.append((f" → {pace.projected:,.0f}", ""))
    if standing.usual is not None:
        parts += [(" · usual ", "dim"), (f"{standing.usual:.2f}/h", "")]
    if found.missed and standing.begun:
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
    state = _state(bracket, standing)
    parts: Parts = [(f"{bracket}: ", "")]
    if not standing.begun and standing.phase != "before":
        return [*parts, ("nothing of the window was observed", "dim")]
    if not to_come:
        return [*parts, ("the total is in it" if state == "in" else "the total is not in it", "dim")]
    if state == "dead":
        return [*parts, ("passed", "dim")]
    if standing.phase == "over":
        held = "the count is in it" if state == "in" else "not reached"
        return [*parts, (held, "strong"), (f" · {to_come:.1f} h of the window were not observed", "warning")]
    enter, overrun = bracket.to_enter(count, to_come), bracket.to_overrun(count, to_come)
    if state == "in" or not enter:
        parts.append(("in it now" if state == "in" else "where it begins", "strong"))
    else:
        parts += [("to enter ", "dim"), (f"{enter:.2f}/h", "strong")]
    if overrun is not None:
        parts += [(", to overrun ", "dim"), (f"{overrun:.2f}/h", "strong")]
    if standing.usual is not None:
        parts += [(" · usual ", "dim"), (f"{standing.usual:.2f}/h", "")]
    return [*parts, (f" · {to_come:.1f} h to come", "dim")]


def bars(
    brackets: Sequence[Bracket], forecast: StoredWindowForecast | None, standing: Standing | None
) -> tuple[Bar, ...]:
    """Each bracket with its chance, given the count so far, and its state as it is now."""
    chances = _chances(brackets, forecast, standing)
    if chances is None:
        return tuple(Bar(str(one), _state(one, standing), None, None) for one in brackets)
    at_least = list(accumulate(reversed(chances)))[::-1]
    return tuple(
        Bar(str(one), _state(one, standing), chance, min(or_more, 1.0))
        for one, chance, or_more in zip(brackets, chances, at_least, strict=True)
    )


def chances_note(
    brackets: Sequence[Bracket], forecast: StoredWindowForecast | None, standing: Standing | None
) -> str:
    """How the chances were come by, where they are not those that were forecast."""
    if forecast is None or (standing is not None and standing.settled):
        return ""
    chances, count = forecast.chances, _count(standing)
    if _chances(brackets, forecast, standing) is None:
        return f"none at {count:,}: n anew"
    given = f"if {count:,}+" if chances.below(count) >= LEAST else ""
    return ", ".join(filter(None, (given, "" if chances.exact(brackets) else "approx.")))


def about(
    name: str, span: Span, forecast: StoredWindowForecast | None, standing: Standing | None, moment: datetime
) -> Mapping[str, Any]:
    """What brackets are of: which window, when, with how many posts, and by whose forecast."""
    return {
        "window": name,
        "start": span.start,
        "end": span.end,
        "as_of": moment,
        "so_far": standing.so_far.count if standing is not None and standing.begun else None,
        "model": None if forecast is None else f"{forecast.model} {forecast.version}",
        "origin": None if forecast is None else forecast.origin,
        "total": None if forecast is None else forecast.total,
    }


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
    lines += ["", f"{'Bracket':>10}{'forecast':>10}{'now':>9}{'to enter/h':>12}{'to overrun/h':>14}"]
    chances = _chances(forecast.brackets, forecast, standing)
    for k, (bracket, probability) in enumerate(zip(forecast.brackets, forecast.probabilities, strict=True)):
        now = DASH if chances is None else f"{chances[k]:.1%}"
        lines.append(f"{bracket!s:>10}{probability:>10.1%}{now:>9}{_rates(bracket, standing)}")
    lines += ["", "now: of the totals that were forecast, those that the count so far leaves possible"]
    wanted = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99]
    near = [min(forecast.quantiles, key=lambda pair: abs(pair[0] - p)) for p in wanted] if forecast.quantiles else []
    lines += ["", "Quantiles of the total"]
    return "\n".join([*lines, *(f"{p:>10.1%}  {count:>8,.0f}" for p, count in dict.fromkeys(near))])


def _chances(
    brackets: Sequence[Bracket], forecast: StoredWindowForecast | None, standing: Standing | None
) -> list[float] | None:
    """The chances of some brackets: certain where the total is known, otherwise given the count so far."""
    if standing is not None and standing.settled:
        return [float(one.holds(standing.so_far.count)) for one in brackets]
    return None if forecast is None else forecast.chances.of(brackets, _count(standing))


def _count(standing: Standing | None) -> int:
    return 0 if standing is None else standing.so_far.count


def _state(bracket: Bracket, standing: Standing | None) -> str:
    """As Bracket.state; of a window of which nothing was observed, nothing is in a bracket."""
    if standing is None or not standing.begun:
        return "ahead"
    return bracket.state(standing.so_far.count, standing.so_far.to_come)


def _rates(bracket: Bracket, standing: Standing | None) -> str:
    if standing is None:
        return ""
    count, to_come = standing.so_far.count, standing.so_far.to_come
    state = _state(bracket, standing)
    if state == "dead":
        return f"{'dead':>12}"
    enter, overrun = bracket.to_enter(count, to_come), bracket.to_overrun(count, to_come)
    entering = "in it" if state == "in" else "" if enter is None else f"{enter:.2f}"
    return f"{entering:>12}" + ("" if overrun is None else f"{overrun:>14.2f}")


def _inside(forecast: StoredWindowForecast, level: int, actual: int) -> bool:
    found = forecast.interval(level)
    return found is not None and found[0] <= actual <= found[1]
