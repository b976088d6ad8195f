"""Posts by hour of the week: of observed hours, in the zone's clocks."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from musktracker.db.queries import week_pattern
from musktracker.timeline import HOUR

NEW_YORK = ZoneInfo("America/New_York")
UNTIL = datetime(2026, 1, 15, 18, tzinfo=UTC)  # a Thursday


def test_a_mean_is_of_the_observed_hours_and_unknown_without_any() -> None:
    buckets = {UNTIL - HOUR: 4, UNTIL - HOUR - 168 * HOUR: 1, UNTIL - 2 * HOUR: 0}
    found = week_pattern.of_week(buckets, ZoneInfo("UTC"), UNTIL)
    thursday = found.means()[3]
    assert (thursday[17], thursday[16], thursday[15]) == (2.5, 0, None)
    assert (found.observed, found.possible) == (3, 8 * 168)


def test_hours_are_those_of_the_zone() -> None:
    found = week_pattern.of_week({datetime(2026, 1, 15, 3, tzinfo=UTC): 7}, NEW_YORK, UNTIL)
    assert found.means()[2][22] == 7


def test_the_hour_that_comes_twice_has_both_and_the_one_left_out_has_none() -> None:
    back, forward = datetime(2025, 11, 8, tzinfo=UTC), datetime(2026, 3, 14, tzinfo=UTC)
    for until, hour, times in ((back, 1, 2), (forward, 2, 0)):
        buckets = {until - k * HOUR: 1 for k in range(1, 169)}
        assert week_pattern.of_week(buckets, NEW_YORK, until, weeks=1).hours[6][hour] == times


@given(
    st.dictionaries(st.integers(1, 3 * 168), st.integers(0, 50)),
    st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]),
)
def test_no_post_and_no_hour_is_lost(counts: dict[int, int], zone: str) -> None:
    buckets = {UNTIL - k * HOUR: count for k, count in counts.items()}
    found = week_pattern.of_week(buckets, ZoneInfo(zone), UNTIL, weeks=3)
    assert sum(map(sum, found.counts)) == sum(counts.values())
    assert found.observed == len(counts)
