"""Windows of time: what each holds so far, how fast posts usually come in the rest of it, what was forecast of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, Row, Select, select

from musktracker import timeline
from musktracker.brackets import Bracket
from musktracker.chances import Chances
from musktracker.db import stored
from musktracker.db.engines import reading
from musktracker.db.queries import counts, coverage
from musktracker.db.tables import ModelMetadata, WindowForecast
from musktracker.timeline import HOUR, Span, ceil_hour, hour_index

USUAL_HOURS = 28 * 24
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class SoFar:
    """What is known of a window: posts counted until `until`, and what of it was not observed.

    `missed` is unobserved for good, `ahead` is what a model fills in: all that no source has seen after the last
    counted hour.
    """

    count: int
    until: datetime
    missed: tuple[Span, ...]
    ahead: tuple[Span, ...]

    @property
    def missed_hours(self) -> float:
        """How much was not observed, for good."""
        return sum(span.hours() for span in self.missed)

    @property
    def to_come(self) -> float:
        """How many hours a model fills in."""
        return sum(span.hours() for span in self.ahead)

    def pace(self, span: Span) -> Pace | None:
        """Posts an hour over the observed part of the window so far, and the total at that; None before any."""
        observed = self.observed_hours(span)
        if observed <= 0:
            return None
        rate = self.count / observed
        return Pace(rate, self.count + rate * self.to_come)

    def observed_hours(self, span: Span) -> float:
        """How much of the window was observed."""
        observed = Span(span.start, self.until).hours() - self.missed_hours
        return observed - sum(max(Span(one.start, min(one.end, self.until)).hours(), 0.0) for one in self.ahead)


@dataclass(frozen=True, slots=True)
class Pace:
    """Posts an hour so far, and the total if it goes on like this."""

    per_hour: float
    projected: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How a window stands at a moment; `usual` is the mean rate of the hours to come, None where not known.

    `phase` is before, open or over, by the clock; `begun` tells whether any of it was observed.
    """

    so_far: SoFar
    phase: str
    begun: bool
    counting: str
    data_until: datetime
    usual: float | None

    @property
    def settled(self) -> bool:
        """Whether the total is known."""
        return self.begun and not self.so_far.ahead and not self.so_far.missed


@dataclass(frozen=True, slots=True)
class StoredWindowForecast:
    """What was forecast of a window: `probabilities` by bracket, `quantiles` pairs of probability and count.

    `made_at` is the moment it was made at, `origin` the end of the last counted hour that it knew.
    """

    id: int
    model_metadata_id: int
    model: str
    version: str
    training_end: datetime
    made_at: datetime
    origin: datetime
    span: Span
    brackets: tuple[Bracket, ...]
    probabilities: tuple[float, ...]
    counting: str
    n_paths: int
    seed: int
    counted_until: datetime
    count_so_far: int
    lower_bound: bool
    total: float
    quantiles: tuple[tuple[float, float], ...]
    warnings: tuple[str, ...]
    actual_total: int | None

    def interval(self, level: int) -> Interval | None:
        """The central interval of `level` percent of the total, where both its ends were stored."""
        ends = [
            next((count for p, count in self.quantiles if abs(p - wanted) < 1e-9), None)
            for wanted in ((100 - level) / 200, (100 + level) / 200)
        ]
        return None if ends[0] is None or ends[1] is None else (ends[0], ends[1])

    @property
    def chances(self) -> Chances:
        """What it says of any bracket."""
        return Chances(self.brackets, self.probabilities, self.quantiles, self.count_so_far)


def standing(
    engine: Engine, span: Span, moment: datetime, zone: ZoneInfo, *, as_of: datetime | None = None
) -> Standing | None:
    """How a window stands at a moment, or stood by what was counted `as_of` it; None where nothing was yet."""
    known = counts.reach(engine, as_of)
    if known is None:
        return None
    found = so_far(engine, span, moment, known.until, known.counting)
    usually = None
    if found.ahead:
        past = Span(known.until - USUAL_HOURS * HOUR, known.until)
        by_hour = {hour_index(one.start): one.count for one in counts.hourly(engine, past)}
        usually = usual(by_hour, hour_index(known.until), found.ahead, zone)
    phase = "before" if moment < span.start else "over" if moment >= span.end else "open"
    return Standing(found, phase, found.observed_hours(span) > 0, known.counting, known.until, usually)


def so_far(engine: Engine, span: Span, moment: datetime, origin: datetime, counting: str) -> SoFar:
    """The posts of a window at a moment, to the microsecond; `origin` is the end of the last counted hour."""
    seen = [Span(one.start, min(one.end, moment)) for one in coverage.covered(engine) if one.start < moment]
    until = min(max(seen[-1].end if seen else origin, span.start), span.end)
    unseen = timeline.holes(seen, span)
    missed = tuple(Span(hole.start, min(hole.end, origin)) for hole in unseen if hole.start < origin)
    ahead = tuple(Span(max(hole.start, origin), hole.end) for hole in unseen if hole.end > origin)
    return SoFar(coverage.posts_in(engine, Span(span.start, until), counting), until, missed, ahead)


def usual(by_hour: Mapping[int, float], origin: int, ahead: Sequence[Span], zone: ZoneInfo) -> float | None:
    """The mean count an hour, over the last 28 days, of the hours of the week that are still to come.

    `by_hour` are the counts of observed hours by their index, `origin` is the first that is not counted. Hours are
    those of the zone's clocks. None where nothing is to come, or half of these hours were never observed.
    """
    if not ahead:
        return None
    sums, times = [0.0] * 168, [0] * 168
    for hour in range(origin - USUAL_HOURS, origin):
        if hour in by_hour:
            key = _hour_of_week(hour, zone)
            sums[key] += by_hour[hour]
            times[key] += 1
    first = hour_index(ahead[0].start)
    parts = shares(ahead, first, hour_index(ceil_hour(ahead[-1].end)) - first)
    keys = [_hour_of_week(first + k, zone) for k in range(len(parts))]
    seen = [(part, sums[key] / times[key]) for part, key in zip(parts, keys, strict=True) if times[key]]
    weight = sum(part for part, _ in seen)
    if weight < sum(parts) / 2:
        return None
    return sum(part * rate for part, rate in seen) / weight


def shares(spans: Sequence[Span], first: int, hours: int) -> list[float]:
    """How much of each of `hours` hours from the hour `first` on lies in some spans that do not overlap."""
    starts = [timeline.from_hour_index(first + k) for k in range(hours)]
    return [sum(max((min(one.end, at + HOUR) - max(one.start, at)) / HOUR, 0.0) for one in spans) for at in starts]


def forecasts_of(engine: Engine, span: Span, counting: str, limit: int = 400) -> list[StoredWindowForecast]:
    """The forecasts of a window, of the posts that `counting` counts, from the last made back."""
    with reading(engine) as connection:
        return [_forecast(row) for row in connection.execute(_forecasts(span, counting).limit(limit))]


def newest(connection: Connection, span: Span, counting: str, moment: datetime) -> StoredWindowForecast | None:
    """The last forecast of a window that was made until a moment, whatever its brackets."""
    query = _forecasts(span, counting).where(WindowForecast.made_at <= moment)
    row = connection.execute(query.limit(1)).first()
    return None if row is None else _forecast(row)


def _forecasts(span: Span, counting: str) -> Select[Any]:
    names = (ModelMetadata.model_name, ModelMetadata.model_version, ModelMetadata.training_end_date)
    return (
        select(WindowForecast.__table__, *names)
        .join(ModelMetadata, ModelMetadata.id == WindowForecast.model_metadata_id)
        .where(
            WindowForecast.window_start == span.start,
            WindowForecast.window_end == span.end,
            WindowForecast.counting == counting,
        )
        .order_by(WindowForecast.made_at.desc(), WindowForecast.id.desc())
    )


def _forecast(row: Row[Any]) -> StoredWindowForecast:
    quantiles = sorted(stored.quantiles(row.quantiles).items())
    brackets = tuple(Bracket(lower, upper) for lower, upper in stored.brackets(row.brackets))
    probabilities = tuple(stored.probabilities(row.bracket_probabilities))
    alike = len(brackets) == len(probabilities)  # other programs may have written them
    return StoredWindowForecast(
        id=row.id,
        model_metadata_id=row.model_metadata_id,
        model=row.model_name,
        version=row.model_version,
        training_end=row.training_end_date,
        made_at=row.made_at,
        origin=row.forecast_time,
        span=Span(row.window_start, row.window_end),
        brackets=brackets if alike else (),
        probabilities=probabilities if alike else (),
        counting=row.counting,
        n_paths=row.n_paths,
        seed=row.seed,
        counted_until=row.counted_until,
        count_so_far=row.count_so_far,
        lower_bound=row.lower_bound,
        total=row.predicted_total,
        quantiles=tuple(quantiles),
        warnings=tuple(str(text) for text in stored.listing(row.warnings)),
        actual_total=row.actual_total,
    )


def _hour_of_week(hour: int, zone: ZoneInfo) -> int:
    local = timeline.from_hour_index(hour).astimezone(zone)
    return local.weekday() * 24 + local.hour
