"""What the overview says, as lines of its panels."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from textual.content import Content

from musktracker.text import counted, printable
from musktracker.timeline import DAY, HOUR
from tui.widgets.header import age
from tui.widgets.lines import LONGEST_LINE
from tui.widgets.marks import Marks

if TYPE_CHECKING:
    from musktracker.db.queries.alerts import OpenAlert
    from musktracker.db.queries.newest_forecast import NewestForecast, SoFar
    from musktracker.db.queries.overview import Overview, Stage, Window
    from musktracker.db.queries.windows import MarketWindow, WindowOdds

FormatTime = Callable[..., str]
MARKS = {"good": ("✓", "$success"), "late": ("!", "$warning"), "missing": ("–", "$text-muted")}
ALERT_MARKS = Marks({"error": ("✗", "$error"), "warning": ("!", "$warning"), "info": ("i", "$accent")})
QUIET = "$text-muted"
WINDOW_NAMES = {"today": "Today", "24 hours": "Last 24 h", "7 days": "Last 7 days", "week": "This week"}
LAG_HOURS = 0.1  # what is observed is as new as the last look; it makes no count a lower bound
# A frame's title begins one cell to the right of its lines, so the first column of it is one cell narrower.
MARKETS_TITLE = "Window  so far   left /day at pace forecast         95%     likeliest age"


def stages_text(
    overview: Overview, moment: datetime, format_time: FormatTime, *, roomy: bool, policy: bool
) -> Content:
    """How fresh each stage is; with `policy`, how old it may become before it is late."""
    lines = [_stage_line(stage, overview, moment, format_time, policy) for stage in overview.stages]
    if roomy:
        newest = "none" if overview.last_post is None else age(moment - overview.last_post)
        lines.insert(0, Content.assemble((f"  {'Last post':<{16 if policy else 10}}", QUIET), newest))
    return Content("\n").join(lines)


def counts_text(overview: Overview, moment: datetime, format_time: FormatTime, *, roomy: bool) -> Content:
    """Counts so far against what is usual, and what is expected; which posts count, where there is room to say."""
    lines = [Content.styled(printable(overview.counting_meaning), QUIET)] if roomy else []
    lines += [_window_line(window, moment) for window in overview.windows]
    since = format_time(overview.first_post, "%Y-%m-%d")
    lines.append(_figure("Stored", f"{overview.posts:,}", f"from {since}"))
    if overview.forecast is not None:
        lines.append(_next_line(overview.forecast, moment, format_time))
    return Content("\n").join(lines)


def forecast_text(overview: Overview, moment: datetime, format_time: FormatTime) -> Content:
    """The newest forecast: whose, from when, its total with intervals, and whether the count so far is in them."""
    forecast = overview.forecast
    if forecast is None:
        return Content.styled("None yet: 5 fits a model, 6 forecasts", QUIET)
    is_champion = overview.champion == (forecast.model, forecast.version)
    lines = [
        Content.assemble(
            (printable(f"{forecast.model} {forecast.version}"), ""), (" champion" if is_champion else "", "$accent")
        ),
        Content.styled(f"from {format_time(forecast.origin, '%m-%d %H:%M')}, {age(moment - forecast.origin)}", QUIET),
        _figure(_ahead(forecast, moment), f"{forecast.total:,.0f}", "posts expected", "$accent"),
    ]
    for share in (0.5, 0.8, 0.95):
        interval = forecast.interval(share)
        if interval is not None:
            lines.append(_figure(f"{share:.0%}", f"{interval[0]:,.0f}", f"to {interval[1]:,.0f}"))
    if forecast.so_far is not None:
        earlier = forecast.so_far.origin != forecast.origin
        lines.append(_so_far_line(forecast.so_far, format_time, earlier=earlier))
    if not is_champion and overview.champion is not None:
        lines.append(Content.styled(printable(f"champion is {' '.join(overview.champion)}"), QUIET))
    lines += [Content.styled(f"! {printable(warning)}", "$warning") for warning in forecast.warnings]
    return Content("\n").join(lines)


def markets_text(overview: Overview, moment: datetime, *, likely: bool, whose: bool) -> Content:
    """A line for each market window below MARKETS_TITLE; with more likely brackets, and whose forecast it is."""
    return Content("\n").join(_market_line(market, moment, likely, whose) for market in overview.markets)


def events_text(overview: Overview, moment: datetime, format_time: FormatTime) -> Content:
    """The events that go on or are to come, the soonest first."""
    if not overview.events:
        return Content.styled("No event is to come: 4 adds one", QUIET)
    lines = []
    for event in overview.events:
        goes_on = event.start <= moment
        when = "now" if goes_on else format_time(event.start, "%m-%d %H:%M")
        lines.append(
            Content.assemble(
                (f"{when:<11}  ", "$accent" if goes_on else QUIET),
                (f"{event.intensity:.1f}  ", QUIET),
                printable(event.name),
            )
        )
    return Content("\n").join(lines)


def alert_line(alert: OpenAlert, place: str, moment: datetime) -> Content:
    """An alert: how bad, which of how many, since when, what."""
    mark, colour = ALERT_MARKS[alert.severity]
    since = age(moment - alert.raised_at)
    message = printable(alert.message[:LONGEST_LINE])
    return Content.assemble((f" {mark} ", f"bold {colour}"), (f"{place}{since}  ", QUIET), (message, colour))


def week_title(overview: Overview, zone: str) -> tuple[str, str]:
    """Over and under the heat map."""
    week = overview.week
    means = [(mean, day, hour) for day, row in enumerate(week.means()) for hour, mean in enumerate(row) if mean]
    last = counted(round(week.possible / 168), "week") if week.possible >= 168 else counted(week.possible, "hour")
    if not means:
        return f"Posts by hour of the week ({zone})", f"last {last} not observed"
    from musktracker.db.queries.week_pattern import WEEKDAYS

    mean, day, hour = max(means)
    most = f"most {WEEKDAYS[day]} {hour:02}:00 {mean:.1f}"
    share = "" if week.observed == week.possible else f" · {week.observed / week.possible:.0%} observed"
    return f"By hour of the week ({zone})", f"last {last}{share} · {most}"


def _stage_line(stage: Stage, overview: Overview, moment: datetime, format_time: FormatTime, policy: bool) -> Content:
    mark, colour = MARKS[stage.state]
    limit = "" if stage.limit_hours is None else f"≤{_span(stage.limit_hours)}"
    return Content.assemble(
        (f"{mark} ", f"bold {colour}"),
        (f"{stage.name.capitalize():<8}  ", QUIET),
        (f"{limit:<6}" if policy else "", QUIET),
        (_stage_text(stage, overview, moment, format_time), "" if stage.state == "good" else colour),
    )


def _stage_text(stage: Stage, overview: Overview, moment: datetime, format_time: FormatTime) -> str:
    if stage.until is None:
        return {"posts": "observed span unknown", "model": "none yet", "forecast": "none yet"}.get(
            stage.name, "not yet"
        )
    until = format_time(stage.until, "%m-%d %H:%M")
    if stage.name in ("buckets", "features"):
        behind = f", {stage.due:,} h behind" if stage.due else ""
        return f"to {until}{behind}"
    if stage.name == "score":
        return f"{counted(stage.due, 'hour')} {'waits' if stage.due == 1 else 'wait'}" if stage.due else f"to {until}"
    if stage.name == "model" and overview.model is not None:
        return printable(f"{age(moment - stage.until)}, {overview.model[0]} {overview.model[1]}")
    return f"observed to {until}" if stage.name == "posts" else f"from {until}"


def _window_line(window: Window, moment: datetime) -> Content:
    name = WINDOW_NAMES[window.name]
    if window.observed <= 0 and not window.count:
        return _figure(name, "–", "not observed")
    count = f"{window.count:,}"
    unseen = (1 - window.observed) * ((moment - window.start) / HOUR)
    if window.observed < 0.999 and unseen > LAG_HOURS:
        return _figure(name, f"≥{count}", f"{int(100 * window.observed)}% observed")
    return _figure(name, count, _pace(window))


def _pace(window: Window) -> str:
    if window.usual is None:
        return ""
    if window.usual < 1:
        return f"usual {window.usual:.1f}"
    return f"usual {window.usual:,.0f}, {window.count / window.usual:.1f}×"


def _next_line(forecast: NewestForecast, moment: datetime, format_time: FormatTime) -> Content:
    interval = forecast.interval(0.95)
    note = "" if interval is None else f"{interval[0]:,.0f}–{interval[1]:,.0f} at 95%"
    if _is_old(forecast, moment):
        note = f"from {format_time(forecast.origin, '%m-%d')}"
    return _figure(_ahead(forecast, moment), f"{forecast.total:,.0f}", note, "$accent")


def _ahead(forecast: NewestForecast, moment: datetime) -> str:
    """How far it goes; the hours after an origin of long ago are not the next ones."""
    return f"{'' if _is_old(forecast, moment) else 'Next '}{_horizon(forecast.horizon_hours)}"


def _is_old(forecast: NewestForecast, moment: datetime) -> bool:
    return moment - forecast.origin > DAY


def _so_far_line(so_far: SoFar, format_time: FormatTime, *, earlier: bool) -> Content:
    """The count since a forecast's origin, how many were expected, and the narrowest interval that holds it."""
    expected = f"  of {so_far.expected:,.0f}" if so_far.expected >= 10 else f"  of {so_far.expected:.1f}"
    name = f"From {format_time(so_far.origin, '%m-%d')}" if earlier else f"In {so_far.hours} h"
    parts: list[tuple[str, str]] = [(f"{name:<11}", QUIET), (f"{so_far.count:>8,}", "bold")]
    parts.append((expected, QUIET))
    if so_far.intervals:
        inside = so_far.inside
        widest = max(so_far.intervals)
        side = "above" if so_far.count > so_far.intervals[widest][1] else "below"
        tone = "$warning" if inside is None else "$success"
        parts.append((f" · {side} {widest:.0%}" if inside is None else f" · in {inside:.0%}", tone))
    return Content.assemble(*parts)


def _market_line(market: MarketWindow, moment: datetime, likely: bool, whose: bool) -> Content:
    count = f"{'≥' if market.missed_hours else ''}{market.count:,}" if market.observed_hours else "–"
    pace, at_pace = market.per_day, market.at_pace
    parts: list[tuple[str, str]] = [
        (f"{market.name:<8}", QUIET),
        (f"{count:>7}", "bold"),
        (f"{_left(market.hours_left):>7}", QUIET),
        (f"{'–' if pace is None else f'{pace:,.0f}':>5}", ""),
        (f"{'–' if at_pace is None else f'{at_pace:,.0f}':>8}", ""),
    ]
    parts += _odds(market.forecast, moment)
    if likely and market.missed_hours:
        parts.append((f"   {market.missed_hours:,.0f} h not observed", "$warning"))
    if likely and market.forecast is not None:
        others = "".join(f"  {text} {p:.0%}" for text, p in market.forecast.brackets[1:])
        parts.append((f"   then{others}" if others else "", QUIET))
    if whose and market.forecast is not None:
        parts.append((printable(f"   {market.forecast.model} {market.forecast.version}"), QUIET))
    return Content.assemble(*parts)


def _odds(found: WindowOdds | None, moment: datetime) -> list[tuple[str, str]]:
    """The forecast's total, its widest stored interval, the likeliest bracket, how old its origin is."""
    if found is None:
        return [("   no forecast is stored", QUIET)]
    ends = found.intervals.get(0.95)
    within = "–" if ends is None else f"{ends[0]:,.0f}–{ends[1]:,.0f}"
    likeliest = "{:>10}{:>4.0%}".format(*found.brackets[0]) if found.brackets else f"{'–':>14}"
    old = moment - found.origin
    return [
        (f"{found.total:>9,.0f}", "$accent"),
        (f"{within:>12}", ""),
        (likeliest, ""),
        (f"{_short(old):>4}", "$warning" if old > DAY else QUIET),
    ]


def _short(since: timedelta) -> str:
    minutes = int(since.total_seconds() // 60)
    return f"{minutes}m" if minutes < 60 else f"{minutes // 60}h" if minutes < 48 * 60 else f"{minutes // 1440}d"


def _left(hours: float) -> str:
    return f"{hours / 24:.1f}d" if hours >= 100 else f"{hours:.0f}h" if hours >= 1 else "<1h"


def _figure(name: str, figure: str, note: str, colour: str = "bold") -> Content:
    return Content.assemble((f"{name:<11}", QUIET), (f"{figure:>8}", colour), (f"  {note}", QUIET))


def _horizon(hours: int) -> str:
    return f"{hours // 24} days" if hours > 48 and hours % 24 == 0 else f"{hours} h"


def _span(hours: float) -> str:
    return f"{hours / 24:.0f} d" if hours >= 48 else f"{hours:.0f} h"
