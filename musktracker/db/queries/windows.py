"""The market windows that go on now: how many so far, at what pace, and the newest stored forecast of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from musktracker import brackets, market_windows, timeline
from musktracker.db import settings
from musktracker.db.queries import window_standing
from musktracker.db.tables import RawTweet
from musktracker.timeline import HOUR, Span

SHOWN = ("fri-noon", "tue-noon", "month")
SHARES = (0.5, 0.8, 0.95)
LIKELIEST = 3  # brackets of a window that are told
SHORTEST = 1.0  # observed hours below which there is no pace


@dataclass(frozen=True, slots=True)
class WindowOdds:
    """The newest stored forecast of a window's total, whatever the brackets it was asked for.

    `brackets` are (text, probability), the likeliest of the preset's own given the count so far; none where the count
    has left the forecast behind. `origin` is where its simulated hours begin, `intervals` are the central ones by
    their share.
    """

    model: str
    version: str
    made_at: datetime
    origin: datetime
    total: float
    intervals: Mapping[float, tuple[float, float]]
    brackets: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class MarketWindow:
    """A window and the posts counted in its observed time, the last moment of which is `observed_until`.

    `observed_hours` are those until then; `missed_hours`, not observed before it, make the count a lower bound.
    """

    name: str
    start: datetime
    end: datetime
    hours_left: float
    count: int
    observed_until: datetime
    observed_hours: float
    missed_hours: float
    forecast: WindowOdds | None

    @property
    def per_day(self) -> float | None:
        """Posts a day of observed time; None where hardly any was observed."""
        return None if self.observed_hours < SHORTEST else 24 * self.count / self.observed_hours

    @property
    def at_pace(self) -> float | None:
        """The total if it goes on like this; what was missed stays uncounted."""
        pace = self.per_day
        return None if pace is None else self.count + pace * Span(self.observed_until, self.end).hours() / 24


def current(
    connection: Connection, moment: datetime, covered: Sequence[Span], counting: str
) -> tuple[MarketWindow, ...]:
    """The windows that hold a moment. `covered` is the observed time; forecasts of another counting are left out."""
    return tuple(_window(connection, name, moment, covered, counting) for name in SHOWN)


def intervals(quantiles: Mapping[float, float]) -> dict[float, tuple[float, float]]:
    """The central intervals of SHARES, by share, of which both ends are among the quantiles."""
    found = {share: central(quantiles, share) for share in SHARES}
    return {share: ends for share, ends in found.items() if ends is not None}


def central(quantiles: Mapping[float, float], share: float) -> tuple[float, float] | None:
    """The central interval that holds this share, where both its ends are among the quantiles."""
    low, high = (round(p, 6) for p in ((1 - share) / 2, (1 + share) / 2))
    found = {round(p, 6): value for p, value in quantiles.items()}
    return (found[low], found[high]) if low in found and high in found else None


def _window(
    connection: Connection, name: str, moment: datetime, covered: Sequence[Span], counting: str
) -> MarketWindow:
    span = market_windows.current(name, moment)
    seen = [one for one in covered if one.start < moment and one.end > span.start]
    until = min(seen[-1].end, moment) if seen else span.start
    missed = timeline.holes(seen, Span(span.start, until))
    missed_hours = sum(hole.hours() for hole in missed)
    count = _posts(connection, Span(span.start, until), counting)
    count -= sum(_posts(connection, one, counting) for one in missed)
    return MarketWindow(
        name,
        span.start,
        span.end,
        (span.end - moment) / HOUR,
        count,
        until,
        Span(span.start, until).hours() - missed_hours,
        missed_hours,
        _odds(connection, name, span, moment, counting, count),
    )


def _posts(connection: Connection, span: Span, counting: str) -> int:
    query = select(func.count()).where(
        RawTweet.is_deleted.is_(False),
        RawTweet.created_at >= span.start,
        RawTweet.created_at < span.end,
        settings.counting_condition(counting),
    )
    return int(connection.scalar(query) or 0)


def _odds(
    connection: Connection, name: str, span: Span, moment: datetime, counting: str, count: int
) -> WindowOdds | None:
    found = window_standing.newest(connection, span, counting, moment)
    if found is None or not found.quantiles or not found.brackets:  # other programs may have written it
        return None
    listed = brackets.parse(str(market_windows.PRESETS[name].bracket_width))
    chances = found.chances.of(listed, count) or []
    ranked = sorted(zip(listed, chances, strict=False), key=lambda pair: (-pair[1], pair[0].lower))
    return WindowOdds(
        found.model,
        found.version,
        found.made_at,
        found.origin,
        found.total,
        intervals(dict(found.quantiles)),
        tuple((str(bracket), chance) for bracket, chance in ranked[:LIKELIEST]),
    )
