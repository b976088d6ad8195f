"""The conditions of alerts: each a pure function of a snapshot and its parameters to what it finds.

A finding has a key, what it is about: as long as the same rule finds the same key, it is one alert.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from musktracker.timeline import DAY, HOUR, Span, iso

LEARNED_FROM = 28 * DAY
LEAST_HOURS = 42  # alike, of 84, from which a burst is told
LEAST_SILENCES = 50
LEAST_SCORED = 20  # totals from which calibration is told
REASON = 300  # characters of a run's error that an alert repeats
Parameters = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Total:
    """A stored forecast of the total of `horizon` hours."""

    model: str
    origin: datetime
    horizon: int
    counting: str
    mean: float
    quantiles: Mapping[float, float]
    actual: int | None = None


@dataclass(frozen=True, slots=True)
class WindowTotal:
    """A stored forecast of a market's window; `brackets` are (first count, last count, probability)."""

    model: str
    preset: str
    made_at: datetime
    span: Span
    counting: str
    mean: float
    quantiles: Mapping[float, float]
    brackets: tuple[tuple[int, int | None, float], ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that succeeded, failed or was lost; or one without an end that began and goes on."""

    id: int
    label: str
    failed: bool
    at: datetime
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the conditions look at, at one moment.

    `ingesting_since` is since when somebody is to follow the account, None where nobody is. `posts` are the times of
    the counted posts of the last five weeks, `observed` the spans of them, `hours` the counts of whole hours;
    `totals`, `scored`, `windows` and `ended` come newest first; `looked_at` is when the conditions were looked at
    before.
    """

    moment: datetime
    ingesting_since: datetime | None = None
    observed: tuple[Span, ...] = ()
    posts: tuple[datetime, ...] = ()
    hours: Mapping[datetime, int] = field(default_factory=dict)
    totals: tuple[Total, ...] = ()
    scored: tuple[Total, ...] = ()
    windows: tuple[WindowTotal, ...] = ()
    ended: tuple[Ended, ...] = ()
    looked_at: datetime | None = None

    @property
    def observed_until(self) -> datetime | None:
        """The end of what was observed."""
        return min(self.observed[-1].end, self.moment) if self.observed else None

    def count(self, span: Span) -> int:
        """The counted posts of a span."""
        return bisect_left(self.posts, span.end) - bisect_left(self.posts, span.start)

    def is_observed(self, span: Span) -> bool:
        """Whether all of a span was observed."""
        return any(one.start <= span.start and span.end <= one.end for one in self.observed)


@dataclass(frozen=True, slots=True)
class Finding:
    """That a condition is met, about what, how bad it is (info, warning or error), and in words."""

    key: str
    severity: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Condition:
    """A rule as the program knows it: what it tells, how, and what its parameters and cooldown begin with."""

    meaning: str
    look: Callable[[Snapshot, Parameters], list[Finding]]
    parameters: Parameters
    cooldown_minutes: int


def stale_data(snapshot: Snapshot, parameters: Parameters) -> list[Finding]:
    """Nothing was observed for `minutes`, although somebody is to follow the account for as long."""
    since = snapshot.ingesting_since
    if since is None:
        return []
    until = snapshot.observed_until
    if snapshot.moment - max(until or since, since) <= timedelta(minutes=parameters["minutes"]):
        return []
    age = snapshot.moment - (until or since)
    text = f"Nothing was observed for {_length(age)}, since {_time(until or since)}, although somebody is to follow"
    details = {"observed_until": until and iso(until), "minutes": _minutes(age)}
    return [Finding("data", "error", text, details)]


def burst(snapshot: Snapshot, parameters: Parameters) -> list[Finding]:
    """The last observed hour had more posts than the `quantile` of the hours around that time of day."""
    until = snapshot.observed_until
    if until is None or not snapshot.is_observed(last := Span(until - HOUR, until)):
        return []
    middle = (until - HOUR / 2).hour
    alike = [
        count
        for start, count in snapshot.hours.items()
        if snapshot.moment - LEARNED_FROM <= start and start + HOUR <= last.start and _near(start.hour, middle)
    ]
    if len(alike) < LEAST_HOURS:
        return []
    usual = quantile(alike, parameters["quantile"])
    count = snapshot.count(last)
    if count <= usual or count < parameters["at_least"]:
        return []
    text = (
        f"{count} posts in the hour to {_time(until)}: more than {usual:g}, the {parameters['quantile']:.0%} quantile"
    )
    details = {"posts": count, "usual": usual, "hours": len(alike), "until": iso(until)}
    return [Finding("posts", "warning", f"{text} of the hours around this time of day", details)]


def silence(snapshot: Snapshot, parameters: Parameters) -> list[Finding]:
    """No post for longer than the `quantile` of the silences that began around that time of day."""
    until = snapshot.observed_until
    if until is None or not snapshot.posts:
        return []
    last = snapshot.posts[-1]
    if last >= until or not snapshot.is_observed(Span(last, until)):
        return []
    hour = last.hour
    past = [
        (after - before) / HOUR
        for before, after in pairwise(snapshot.posts)
        if _near(before.hour, hour) and snapshot.is_observed(Span(before, after))
    ]
    if len(past) < LEAST_SILENCES:
        return []
    usual = quantile(past, parameters["quantile"])
    length = until - last
    if length / HOUR <= usual or length < timedelta(minutes=parameters["at_least_minutes"]):
        return []
    text = (
        f"Silent for {_length(length)}, since {_time(last)}: longer than {parameters['quantile']:.0%} of the silences"
    )
    details = {"since": iso(last), "hours": round(length / HOUR, 2), "usual_hours": round(usual, 2)}
    return [Finding("posts", "warning", f"{text} that began around this time of day ({usual:.1f} h)", details)]


def forecast_moved(snapshot: Snapshot, parameters: Parameters) -> list[Finding]:
    """A forecast total differs from that of `hours` before by more than half the width of its 50% interval."""
    groups: dict[tuple[str, str], list[tuple[datetime, float, Mapping[float, float]]]] = defaultdict(list)
    for total in snapshot.totals:
        key = (f"next {total.horizon} h", f"{total.model}, {total.counting}")
        groups[key].append((total.origin, total.mean, total.quantiles))
    for one in snapshot.windows:
        if one.span.end > snapshot.moment:
            key = (f"{one.preset} to {_time(one.span.end)}", f"{one.model}, {one.counting}")
            groups[key].append((one.made_at, one.mean, one.quantiles))
    ago = timedelta(hours=parameters["hours"])
    found = []
    for (what, whose), made in groups.items():
        at, mean, _ = made[0]
        before = next((one for one in made if at - 2 * ago <= one[0] <= at - ago), None)
        half = _half_width(before[2]) if before is not None else None
        if before is None or half is None or abs(mean - before[1]) <= max(half, parameters["at_least"]):
            continue
        text = f"The forecast of {what} moved from {before[1]:,.0f} to {mean:,.0f} posts in {_length(at - before[0])}"
        details = {"before": before[1], "now": mean, "half_width_50": half, "by": whose}
        found.append(Finding(f"{what} ({whose})", "warning", f"{text} ({whose})", details))
    return found


def bracket(snapshot: Snapshot, parameters: Parameters) -> list[Finding]:
    """A current window is within `posts` of its next bracket, or the odds of one crossed `threshold`.

    Told are edges of brackets one of which had at least the probability `likely` in the newest forecast.
    """
    found = []
    for versions in _current(snapshot):
        newest = versions[0]
        name = f"{newest.preset} to {_time(newest.span.end)}"
        found += _edge(snapshot, newest, name, parameters)
        before = next((one for one in versions[1:] if one.made_at <= newest.made_at - HOUR / 2), None)
        if before is not None:
            found += _crossed(newest, before, name, parameters["threshold"])
    return found


def calibration(snapshot: Snapshot, parameters: Parameters) -> list[Finding]:
    """Of the last `last` scored totals, too few or too many were inside their 95% interval.

    Totals that overlap say the same twice: those are taken whose origins are a horizon apart.
    """
    horizon = parameters["horizon_hours"]
    inside: list[bool] = []
    reached: datetime | None = None
    for total in snapshot.scored:
        bounds = total.quantiles.get(0.025), total.quantiles.get(0.975)
        is_apart = reached is None or reached - total.origin >= timedelta(hours=horizon)
        if total.horizon != horizon or not is_apart or total.actual is None or None in bounds:
            continue
        inside.append((bounds[0] or 0.0) <= total.actual <= (bounds[1] or 0.0))
        reached = total.origin
        if len(inside) == parameters["last"]:
            break
    if len(inside) < LEAST_SCORED:
        return []
    share = sum(inside) / len(inside)
    if parameters["lowest"] <= share <= parameters["highest"]:
        return []
    text = f"{share:.0%} of the last {len(inside)} totals of {horizon:g} h were inside their 95% interval"
    return [Finding(f"totals of {horizon:g} h", "warning", text, {"share": share, "totals": len(inside)})]


def run_failed(snapshot: Snapshot, parameters: Parameters) -> list[Finding]:
    """A run failed or was lost since the last look, or was the last of its kind to end, less than `hours` ago."""
    told: dict[str, Finding] = {}
    seen: set[str] = set()
    for run in snapshot.ended:
        is_newest = run.label not in seen
        seen.add(run.label)
        is_new = snapshot.looked_at is not None and run.at > snapshot.looked_at
        recent = snapshot.moment - run.at <= timedelta(hours=parameters["hours"])
        if run.failed and recent and (is_newest or is_new) and run.label not in told:
            text = f"Run {run.id} ({run.label}) failed: {(run.error or 'no reason was given')[:REASON]}"
            told[run.label] = Finding(run.label, "error", text, {"run": run.id, "at": iso(run.at)})
    return list(told.values())


CONDITIONS = {
    "stale_data": Condition("nothing is observed although somebody is to follow", stale_data, {"minutes": 30}, 60),
    "burst": Condition("more posts in an hour than usual", burst, {"quantile": 0.99, "at_least": 10}, 120),
    "silence": Condition("silence longer than usual", silence, {"quantile": 0.99, "at_least_minutes": 60}, 240),
    "forecast_moved": Condition("a forecast moved far", forecast_moved, {"hours": 6, "at_least": 3}, 360),
    "bracket": Condition(
        "a bracket is about to be entered, or its odds turn",
        bracket,
        {"posts": 3, "likely": 0.05, "threshold": 0.5},
        180,
    ),
    "calibration": Condition(
        "intervals hold too seldom",
        calibration,
        {"horizon_hours": 24, "last": 30, "lowest": 0.85, "highest": 1.0},
        1440,
    ),
    "run_failed": Condition("a run failed or was lost", run_failed, {"hours": 24}, 60),
}
SHARES = ("quantile", "likely", "threshold", "lowest", "highest")  # parameters from 0 to 1


def quantile(values: Iterable[float], probability: float) -> float:
    """The quantile of some values, between two of them by interpolation, as numpy's default does."""
    ordered = sorted(values)
    place = probability * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def _current(snapshot: Snapshot) -> list[list[WindowTotal]]:
    """The forecasts of each window that goes on, by the model that made the newest, newest first."""
    groups: dict[tuple[str, Span], list[WindowTotal]] = defaultdict(list)
    for one in snapshot.windows:
        if one.span.start <= snapshot.moment < one.span.end:
            group = groups[one.preset, one.span]
            edges = [edge[:2] for edge in one.brackets]
            if not group or (one.model == group[0].model and edges == [edge[:2] for edge in group[0].brackets]):
                group.append(one)
    return list(groups.values())


def _edge(snapshot: Snapshot, newest: WindowTotal, name: str, parameters: Parameters) -> list[Finding]:
    count = snapshot.count(Span(newest.span.start, snapshot.moment))
    for left, entered in pairwise(newest.brackets):
        away = entered[0] - count
        if away > 0:
            if away > parameters["posts"] or max(left[2], entered[2]) < parameters["likely"]:
                return []
            text = f"{name}: {count} posts so far, {away} more take it from {_label(left)} to {_label(entered)}"
            details = {"posts": count, "edge": entered[0], "p_entered": entered[2], "p_left": left[2]}
            return [Finding(f"{name}: {entered[0]}", "warning", text, details)]
    return []


def _crossed(newest: WindowTotal, before: WindowTotal, name: str, threshold: float) -> list[Finding]:
    found = []
    for was, became in zip(before.brackets, newest.brackets, strict=True):
        if (was[2] < threshold) != (became[2] < threshold):
            way = "over" if became[2] >= threshold else "under"
            text = f"{name}: {_label(became)} went from {was[2]:.0%} to {became[2]:.0%}"
            key = f"{name}: {_label(became)} {way} {threshold:g}"
            found.append(Finding(key, "info", text, {"before": was[2], "now": became[2]}))
    return found


def _half_width(quantiles: Mapping[float, float]) -> float | None:
    low, high = quantiles.get(0.25), quantiles.get(0.75)
    return None if low is None or high is None else (high - low) / 2


def _label(bracket: Sequence[Any]) -> str:
    first, last = bracket[:2]
    return f"{first}+" if last is None else f"{first}-{last}" if last > first else f"{first}"


def _near(hour: int, other: int) -> bool:
    """Whether an hour of the day is another one or beside it."""
    return (hour - other + 1) % 24 <= 2


def _minutes(length: timedelta) -> int:
    return int(length / timedelta(minutes=1))


def _length(length: timedelta) -> str:
    minutes = _minutes(length)
    return (
        f"{minutes} min"
        if minutes < 120
        else f"{length / HOUR:.1f} h"
        if length < 2 * DAY
        else f"{length / DAY:.1f} d"
    )


def _time(moment: datetime) -> str:
    return f"{moment:%m-%d %H:%M} UTC"
