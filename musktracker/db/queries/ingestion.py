"""How ingestion stands: what could not be observed and why, what is still to fetch, budgets, and what was spent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Engine, func, select

from musktracker import timeline
from musktracker.db import settings
from musktracker.db.engines import reading
from musktracker.db.queries import coverage
from musktracker.db.tables import ApiLimit, CoverageHole, FetchRange, HighWaterMark, RawTweet, Spending
from musktracker.timeline import FIRST_SNOWFLAKE, Span, snowflake_time

MINUTE = timedelta(minutes=1)
MINUTES = 60


@dataclass(frozen=True, slots=True)
class Hole:
    """A stretch of time that no source observed; `reason` is None where nobody tried or it is still to fetch."""

    start: datetime
    end: datetime
    reason: str | None


@dataclass(frozen=True, slots=True)
class OpenRange:
    """Time that is still to fetch: `purpose` is follow or backfill; `begun` whether posts of it came."""

    purpose: str
    endpoint: str
    start: datetime
    end: datetime
    begun: bool


@dataclass(frozen=True, slots=True)
class Budget:
    """Requests of an endpoint (or posts of the plan's month) in all and left, as the API last told."""

    name: str
    total: int
    remaining: int
    reset_at: datetime | None
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Ingestion:
    """Up to when the follower's walks are complete, what is open, the API's budgets, and the UTC day's spending."""

    complete_until: datetime | None
    open_ranges: tuple[OpenRange, ...]
    budgets: tuple[Budget, ...]
    day: date
    dollars_spent: float


@dataclass(frozen=True, slots=True)
class Observed:
    """What was observed and what was not, since the first that is known of either.

    `spans` are by source, `covered` is the time of which some source saw every post that `counting` counts, and
    `holes` is the rest of `within`.
    """

    within: Span
    counting: str
    spans: tuple[coverage.CoverageSpan, ...]
    covered: tuple[Span, ...]
    holes: tuple[Hole, ...]
    open_ranges: tuple[OpenRange, ...]
    complete_until: datetime | None

    @property
    def share(self) -> float:
        """How much of the time was observed, from 0 to 1; 0 where nothing was."""
        return 1.0 - self.hours_missing / self.within.hours() if self.spans else 0.0

    @property
    def hours_missing(self) -> float:
        """How long all holes are together."""
        return sum(Span(hole.start, hole.end).hours() for hole in self.holes)


@dataclass(frozen=True, slots=True)
class RecentMinutes:
    """Posts that are not deleted, of every kind, by the minute: `counts[i]` is of the minute `start + i`.

    A count is None where no source observed any of the minute and no post of it is stored.
    """

    start: datetime
    counts: tuple[int | None, ...]


def state(engine: Engine, moment: datetime) -> Ingestion:
    """How it stands at a moment."""
    day = timeline.utc(moment).date()
    limits = select(ApiLimit.name, ApiLimit.budget, ApiLimit.remaining, ApiLimit.reset_at, ApiLimit.seen_at)
    with reading(engine) as connection:
        mark = connection.scalar(select(HighWaterMark.post_id).order_by(HighWaterMark.post_id.desc()).limit(1))
        ranges = connection.execute(select(FetchRange.__table__).order_by(FetchRange.high_id.desc())).all()
        budgets = tuple(Budget(*row) for row in connection.execute(limits.order_by(ApiLimit.name)))
        spent = connection.execute(select(Spending.__table__).where(Spending.day == day)).one_or_none()
    return Ingestion(
        complete_until=_moment(mark + 1) if mark is not None else None,
        open_ranges=tuple(
            OpenRange(
                row.purpose,
                row.endpoint,
                row.span_start,
                row.span_end if row.high_id == row.top_id else _moment(row.high_id + 1) or row.span_end,
                row.high_id < row.top_id,
            )
            for row in ranges
        ),
        budgets=budgets,
        day=day,
        dollars_spent=0.0 if spent is None else spent.microdollars / 1_000_000,
    )


def observed(engine: Engine, moment: datetime) -> Observed:
    """What was observed until a moment, and what was not."""
    within = Span(begin(engine) or moment, moment)
    now = state(engine, moment)
    return Observed(
        within=within,
        counting=settings.counting(engine),
        spans=tuple(coverage.spans(engine)),
        covered=tuple(coverage.covered(engine)),
        holes=tuple(holes(engine, within)),
        open_ranges=now.open_ranges,
        complete_until=now.complete_until,
    )


def holes(engine: Engine, within: Span) -> list[Hole]:
    """What of a span no source observed, in pieces by the reason that was recorded."""
    missing = coverage.holes(engine, within)
    query = select(CoverageHole.span_start, CoverageHole.span_end, CoverageHole.reason)
    with reading(engine) as connection:
        recorded = [(Span(row.span_start, row.span_end), row.reason) for row in connection.execute(query)]
    found = [piece for span in missing for piece in _by_reason(span, recorded)]
    return sorted(found, key=lambda hole: hole.start)


def begin(engine: Engine) -> datetime | None:
    """Since when it is known what was observed: the start of what is covered first, or recorded as a hole."""
    with reading(engine) as connection:
        hole = connection.scalar(select(func.min(CoverageHole.span_start)))
    starts = [span.start for span in coverage.covered(engine)[:1]]
    return min([*starts, *([hole] if hole is not None else [])], default=None)


def recorded_holes(engine: Engine) -> tuple[int, str | None]:
    """How many holes were recorded that nothing has covered since, and why the newest could not be observed."""
    newest = select(CoverageHole.reason).order_by(CoverageHole.found_at.desc(), CoverageHole.id.desc()).limit(1)
    with reading(engine) as connection:
        count = connection.scalar(select(func.count()).select_from(CoverageHole))
        return int(count or 0), connection.scalar(newest)


def recent_minutes(engine: Engine, moment: datetime, minutes: int = MINUTES) -> RecentMinutes:
    """Posts by the minute, of the whole minutes that end at or before a moment."""
    end = timeline.utc(moment).replace(second=0, microsecond=0)
    within = Span(end - minutes * MINUTE, end)
    query = select(RawTweet.created_at).where(
        RawTweet.is_deleted.is_(False), RawTweet.created_at >= within.start, RawTweet.created_at < within.end
    )
    with reading(engine) as connection:
        found = Counter((made - within.start) // MINUTE for made in connection.scalars(query))
    unseen = coverage.holes(engine, within)
    counts = []
    for i in range(minutes):
        start = within.start + i * MINUTE
        hidden = any(hole.start <= start and start + MINUTE <= hole.end for hole in unseen)
        counts.append(None if hidden and not found[i] else found[i])
    return RecentMinutes(within.start, tuple(counts))


def _by_reason(span: Span, recorded: list[tuple[Span, str]]) -> list[Hole]:
    pieces, left = [], [span]
    for known, reason in recorded:
        outside = [part for each in left for part in timeline.holes([known], each)]
        inside = [part for each in left for part in timeline.holes(outside, each)]
        pieces += [Hole(part.start, part.end, reason) for part in inside]
        left = outside
    return pieces + [Hole(part.start, part.end, None) for part in left]


def _moment(post_id: int) -> datetime | None:
    return snowflake_time(post_id) if post_id >= FIRST_SNOWFLAKE else None
