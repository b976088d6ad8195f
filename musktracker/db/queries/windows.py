"""The market windows that go on now: how many so far, at what pace, and the newest stored forecast of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from musktracker import market_windows, timeline
from musktracker.db import settings, stored
from musktracker.db.tables import ModelMetadata, RawTweet, WindowForecast
from musktracker.timeline import HOUR, Span

SHOWN = ("fri-noon", "tue-noon", "month")
SHARES = (0.5, 0.8, 0.95)
SHORTEST = 1.0  # observed hours below which there is no pace


@dataclass(frozen=True, slots=True)
class WindowOdds:
    """A stored forecast of a window's total. `brackets` are (text, probability, last count), the likeliest first.

    `origin` is where its simulated hours begin, `intervals` are the central ones by their share.
    """

    model: str
    version: str
    made_at: datetime
    origin: datetime
    total: float
    intervals: Mapping[float, tuple[float, float]]
    brackets: tuple[tuple[str, float, int | None], ...]


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
    return MarketWindow(
        name,
        span.start,
        span.end,
        (span.end - moment) / HOUR,
        _posts(connection, Span(span.start, until), counting)
        - sum(_posts(connection, one, counting) for one in missed),
        until,
        Span(span.start, until).hours() - missed_hours,
        missed_hours,
        _forecast(connection, name, span, moment, counting),
    )


def _posts(connection: Connection, span: Span, counting: str) -> int:
    query = select(func.count()).where(
        RawTweet.is_deleted.is_(False),
        RawTweet.created_at >= span.start,
        RawTweet.created_at < span.end,
        settings.counting_condition(counting),
    )
    return int(connection.scalar(query) or 0)


def _forecast(connection: Connection, name: str, span: Span, moment: datetime, counting: str) -> WindowOdds | None:
    query = (
        select(WindowForecast.__table__, ModelMetadata.model_name, ModelMetadata.model_version)
        .join(ModelMetadata, ModelMetadata.id == WindowForecast.model_metadata_id)
        .where(
            WindowForecast.window_end == span.end,
            WindowForecast.window_start == span.start,
            WindowForecast.preset == name,
            WindowForecast.counting == counting,
            WindowForecast.made_at <= moment,
        )
        .order_by(WindowForecast.made_at.desc(), WindowForecast.id.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    quantiles, likeliest = stored.quantiles(row.quantiles), _likeliest(row)
    if not quantiles or not likeliest:  # other programs may have written it
        return None
    return WindowOdds(
        row.model_name,
        row.model_version,
        row.made_at,
        row.forecast_time,
        row.predicted_total,
        intervals(quantiles),
        likeliest,
    )


def _likeliest(row: Any, most: int = 3) -> tuple[tuple[str, float, int | None], ...]:
    pairs = zip(stored.brackets(row.brackets), stored.probabilities(row.bracket_probabilities), strict=False)
    ranked = sorted(pairs, key=lambda pair: (-pair[1], pair[0][0]))[:most]
    return tuple((_bracket(low, high), float(p), high) for (low, high), p in ranked)


def _bracket(low: int, high: int | None) -> str:
    if high is None:
        return f"{low}+"
    return f"{low}" if low == high else f"{low}-{high}"
