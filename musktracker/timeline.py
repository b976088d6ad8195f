"""UTC discipline: aware datetimes only, the hour grid, half-open spans, and the time inside a post's id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from musktracker.errors import UsageError

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SNOWFLAKE_EPOCH_MS = 1_288_834_974_657
FIRST_SNOWFLAKE = 29_700_859_247  # ids below were handed out in sequence and hold no time
LAST_SNOWFLAKE = 2**63 - 1


class NaiveDatetime(UsageError):
    """A datetime without a zone reached a place that needs a moment in time."""


def now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)


def utc(value: datetime) -> datetime:
    """The same moment in UTC. Raises NaiveDatetime for a datetime without a zone."""
    if value.tzinfo is None or value.utcoffset() is None:
        raise NaiveDatetime(
            f"{value.isoformat()} has no time zone, so it names no moment",
            "Add one: a trailing Z for UTC, or an offset such as -05:00",
        )
    return value.astimezone(UTC)


def parse_time(text: str, zone: ZoneInfo | None = None) -> datetime:
    """Read an ISO 8601 date or time; `zone` is where a text without an offset is taken to be.

    Raises UsageError where the text is no time, or one that the clocks of the zone skip or show twice; NaiveDatetime
    where it has no offset and no `zone` is given.
    """
    try:
        value = datetime.fromisoformat(text.strip())
        return utc(value) if value.tzinfo is not None or zone is None else _by_clocks(value, zone)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text!r} is not a time", "Write it as 2025-12-31, 2025-12-31T18:00Z or 2025-12-31T13:00-05:00"
        ) from None


def typed_time(moment: datetime, zone: ZoneInfo) -> str:
    """A moment as one would type it for `parse_time`; with all its digits where fewer would be another, or none."""
    text = f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"
    try:
        return text if parse_time(text, zone) == moment else iso(moment)
    except UsageError:  # the clocks show it twice
        return iso(moment)


def _by_clocks(value: datetime, zone: ZoneInfo) -> datetime:
    """The moment at which the clocks of a zone show a local time."""
    before, after = (value.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    first, second = utc(before), utc(after)
    if first == second:
        return first
    if first.astimezone(zone).replace(tzinfo=None) != value:
        raise UsageError(
            f"{value:%Y-%m-%d %H:%M} does not exist in {zone}: the clocks skip it", "Choose another time"
        )
    raise UsageError(
        f"{value:%Y-%m-%d %H:%M} comes twice in {zone}, where the clocks are set back",
        f"Write {before.isoformat()} for the first, {after.isoformat()} for the second",
    )


def iso(value: datetime) -> str:
    """ISO 8601 in UTC with a Z, the form every machine-readable output uses."""
    return utc(value).isoformat().replace("+00:00", "Z")


def utc_text(value: datetime, *, seconds: bool = False) -> str:
    """A moment in a text that is stored, for whoever reads it in whichever zone: 2026-12-01 17:00 UTC."""
    return f"{utc(value):{'%Y-%m-%d %H:%M:%S' if seconds else '%Y-%m-%d %H:%M'}} UTC"


def floor_hour(value: datetime) -> datetime:
    """The start of the UTC hour that holds `value`."""
    return utc(value).replace(minute=0, second=0, microsecond=0)


def ceil_hour(value: datetime) -> datetime:
    """The first UTC hour boundary at or after `value`."""
    floor = floor_hour(value)
    return floor if floor == value else floor + HOUR


def floor_day(value: datetime) -> datetime:
    """The start of the UTC day that holds `value`."""
    return floor_hour(value).replace(hour=0)


def hour_index(value: datetime) -> int:
    """Whole hours from the epoch to the hour that holds `value`: the integer grid of the numeric code."""
    return (utc(value) - EPOCH) // HOUR


def from_hour_index(index: int) -> datetime:
    """The start of the hour with this index."""
    return EPOCH + HOUR * int(index)


def microseconds(value: datetime) -> int:
    """Microseconds from the epoch to `value`."""
    return (value - EPOCH) // MICROSECOND


def from_microseconds(count: int) -> datetime:
    """The moment that many microseconds after the epoch."""
    return EPOCH + MICROSECOND * count


def snowflake_time(post_id: int) -> datetime:
    """When a post was made, to the millisecond, from its id.

    Raises ValueError for an id that is older than snowflakes or that no snowflake can be.
    """
    if not FIRST_SNOWFLAKE <= post_id <= LAST_SNOWFLAKE:
        raise ValueError(f"{post_id} is not a snowflake id, so it holds no time")
    return EPOCH + timedelta(milliseconds=(post_id >> 22) + SNOWFLAKE_EPOCH_MS)


def snowflake_floor(value: datetime) -> int:
    """The smallest id that a post made at `value` or later can have."""
    milliseconds = (utc(value) - EPOCH) // timedelta(milliseconds=1)
    return max(milliseconds - SNOWFLAKE_EPOCH_MS, 0) << 22


class Span(NamedTuple):
    """A stretch of time, start included, end excluded."""

    start: datetime
    end: datetime

    def whole_hours(self) -> Span:
        """The largest stretch of whole hours inside; empty (end <= start) where there is none."""
        return Span(ceil_hour(self.start), floor_hour(self.end))

    def hours(self) -> float:
        """Its length in hours."""
        return (self.end - self.start) / HOUR


def union(spans: Iterable[Span]) -> list[Span]:
    """The same time as sorted spans that neither overlap nor touch; empty spans vanish."""
    merged: list[Span] = []
    for span in sorted(span for span in spans if span.end > span.start):
        if merged and span.start <= merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged


def holes(spans: Iterable[Span], within: Span) -> list[Span]:
    """What of `within` no span covers."""
    return list(_holes(union(spans), within))


def _holes(covered: list[Span], within: Span) -> Iterator[Span]:
    cursor = within.start
    for span in covered:
        if span.end <= cursor:
            continue
        if span.start >= within.end:
            break
        if span.start > cursor:
            yield Span(cursor, span.start)
        cursor = span.end
    if cursor < within.end:
        yield Span(cursor, within.end)
