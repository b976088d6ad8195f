"""Time: aware and in UTC, the hour grid, spans, and the time inside an id."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musktracker.errors import UsageError
from musktracker.timeline import (
    DAY,
    EPOCH,
    FIRST_SNOWFLAKE,
    HOUR,
    LAST_SNOWFLAKE,
    NaiveDatetime,
    Span,
    ceil_hour,
    floor_day,
    floor_hour,
    from_hour_index,
    from_microseconds,
    holes,
    hour_index,
    iso,
    microseconds,
    now,
    parse_time,
    snowflake_floor,
    snowflake_time,
    union,
    utc,
    utc_text,
)

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = (
    st.datetimes(timezones=st.just(UTC))
    .filter(lambda m: 1 < m.year < 9999)
    .flatmap(lambda moment: OFFSETS.map(moment.astimezone))
)
SPANS = st.builds(
    lambda start, length: Span(EPOCH + start * HOUR, EPOCH + (start + length) * HOUR),
    st.integers(0, 40),
    st.integers(-3, 12),
)


def test_the_current_time_is_aware_utc() -> None:
    assert now().tzinfo is UTC


@given(moment=MOMENTS)
def test_utc_is_the_same_moment(moment: datetime) -> None:
    assert utc(moment) == moment
    assert utc(moment).tzinfo is UTC


def test_a_naive_datetime_is_refused_with_what_to_do() -> None:
    naive = datetime(2025, 6, 1, 12)  # noqa: DTZ001
    for act in (utc, iso, utc_text, floor_hour, ceil_hour, floor_day, hour_index, snowflake_floor):
        with pytest.raises(NaiveDatetime, match=r"2025-06-01T12:00:00 has no time zone.*Add one: a trailing Z"):
            act(naive)


def test_a_moment_in_a_stored_text_names_its_zone() -> None:
    moment = datetime(2025, 6, 1, 8, 0, 30, tzinfo=ZoneInfo("America/New_York"))
    assert utc_text(moment) == "2025-06-01 12:00 UTC"
    assert utc_text(moment, seconds=True) == "2025-06-01 12:00:30 UTC"


@given(moment=MOMENTS)
def test_iso_is_read_back_as_the_same_moment(moment: datetime) -> None:
    assert iso(moment).endswith("Z")
    assert parse_time(iso(moment)) == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-06-01T12:00Z", NOON),
        (" 2025-06-01 08:00:00-04:00 ", NOON),
        ("2025-06-01T12:00:00.000001Z", NOON.replace(microsecond=1)),
    ],
)
def test_a_time_with_an_offset_is_read(text: str, moment: datetime) -> None:
    assert parse_time(text) == moment


def test_a_time_without_an_offset_is_taken_in_the_zone_given() -> None:
    assert parse_time("2025-06-01T08:00", NEW_YORK) == NOON
    assert parse_time("2025-12-31", NEW_YORK) == datetime(2025, 12, 31, 5, tzinfo=UTC)
    with pytest.raises(NaiveDatetime):
        parse_time("2025-06-01T08:00")


@pytest.mark.parametrize("text", ["", "noon", "2025-13-01Z", "0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time"):
        parse_time(text)


@given(moment=MOMENTS)
def test_the_hour_that_holds_a_moment_begins_at_most_an_hour_before_it(moment: datetime) -> None:
    assert floor_hour(moment) <= moment < floor_hour(moment) + HOUR
    assert floor_hour(moment).minute == 0
    assert ceil_hour(moment) - HOUR < moment <= ceil_hour(moment)
    assert floor_day(moment) <= moment < floor_day(moment) + DAY
    assert floor_day(moment).hour == 0


@given(moment=MOMENTS)
def test_an_hour_index_names_the_hour(moment: datetime) -> None:
    assert from_hour_index(hour_index(moment)) == floor_hour(moment)
    assert hour_index(moment + HOUR) == hour_index(moment) + 1


@given(moment=MOMENTS)
def test_a_moment_is_its_microseconds_and_back(moment: datetime) -> None:
    assert from_microseconds(microseconds(moment)) == moment
    assert microseconds(floor_hour(moment)) == hour_index(moment) * 3_600_000_000


def test_hours_of_a_zone_that_is_not_on_the_hour_are_utc_hours() -> None:
    kathmandu = datetime(2025, 6, 1, 12, 15, tzinfo=ZoneInfo("Asia/Kathmandu"))  # 06:30 UTC
    assert floor_hour(kathmandu) == datetime(2025, 6, 1, 6, tzinfo=UTC)


def test_an_id_holds_its_time() -> None:
    assert snowflake_time(1541815603606036480) == datetime(2022, 6, 28, 16, 7, 40, 105000, tzinfo=UTC)


@given(post_id=st.integers(FIRST_SNOWFLAKE, LAST_SNOWFLAKE))
def test_the_floor_of_an_ids_time_is_at_most_the_id(post_id: int) -> None:
    moment = snowflake_time(post_id)
    assert snowflake_floor(moment) <= post_id < snowflake_floor(moment + timedelta(milliseconds=1))


def test_the_floor_of_a_time_before_snowflakes_is_zero() -> None:
    assert snowflake_floor(datetime(2009, 1, 1, tzinfo=UTC)) == 0


@pytest.mark.parametrize("post_id", [0, -1, FIRST_SNOWFLAKE - 1, LAST_SNOWFLAKE + 1])
def test_an_id_without_a_time_is_refused(post_id: int) -> None:
    with pytest.raises(ValueError, match="not a snowflake"):
        snowflake_time(post_id)


@given(spans=st.lists(SPANS))
def test_a_union_covers_the_same_hours_by_sorted_spans_apart(spans: list[Span]) -> None:
    merged = union(spans)
    assert _hours(merged) == _hours(spans)
    assert all(first.end < second.start for first, second in pairwise(merged))
    assert all(span.end > span.start for span in merged)
    assert union(merged) == merged


@given(spans=st.lists(SPANS), within=SPANS)
def test_holes_are_what_the_spans_leave(spans: list[Span], within: Span) -> None:
    found = holes(spans, within)
    assert _hours(found) == _hours([within]) - _hours(spans)
    assert union(found) == found


@given(start=MOMENTS, length=st.timedeltas(timedelta(0), timedelta(days=3)))
def test_whole_hours_lie_inside(start: datetime, length: timedelta) -> None:
    span = Span(utc(start), utc(start) + length)
    whole = span.whole_hours()
    assert span.start <= whole.start
    assert whole.end <= span.end
    assert span.hours() - whole.hours() < 2


def _hours(spans: list[Span]) -> set[int]:
    return {hour for span in spans for hour in range(hour_index(span.start), hour_index(span.end))}


@pytest.mark.parametrize(
    ("zone", "text", "offsets"),
    [
        ("America/New_York", "2026-11-01 01:30", ("-04:00", "-05:00")),
        ("Europe/London", "2026-10-25T01:00", ("+01:00", "+00:00")),
        ("Australia/Lord_Howe", "2026-04-05 01:45", ("+11:00", "+10:30")),
    ],
)
def test_a_local_time_that_comes_twice_is_refused_with_what_to_write_for_each(
    zone: str, text: str, offsets: tuple[str, str]
) -> None:
    with pytest.raises(UsageError, match="comes twice") as refused:
        parse_time(text, ZoneInfo(zone))
    assert all(offset in str(refused.value.hint) for offset in offsets)
    first, second = (parse_time(text + offset) for offset in offsets)
    assert timedelta() < second - first <= HOUR


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("America/New_York", "2026-03-08 02:30"),
        ("Europe/London", "2026-03-29 01:00"),
        ("Australia/Lord_Howe", "2026-10-04 02:15"),
    ],
)
def test_a_local_time_that_the_clocks_skip_is_refused(zone: str, text: str) -> None:
    with pytest.raises(UsageError, match="the clocks skip it"):
        parse_time(text, ZoneInfo(zone))
