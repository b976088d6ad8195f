"""The times that exports state are read in their own ways, and never taken for what they do not say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musktracker.sources.post_times import LAST_YEAR, TOLERANCE, difference, exact, readings

MADE = datetime(2026, 4, 18, 22, 41, 57, 347_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-04-18T22:41:57.347Z",
        "2026-04-18T22:41:57.347000000+00:00",
        "2026-04-18 22:41:57",
        "2026-04-18 18:41:57",
        "2026-04-18 22:41",
        "2026-04-18",
        "1776552117",
        "1776552117347",
        "Sat Apr 18 22:41:57 +0000 2026",
        "Apr 18, 6:41:57 PM EDT",
        "Apr 18, 2026 at 6:41 PM",
        "April 18, 2026, 6:41:57 PM",
        "18/04/2026 22:41:57",
        "04/18/2026, 06:41:57 PM",
        "Sat, 18 Apr 2026 22:41:57 GMT",
    ],
)
def test_a_right_time_is_within_the_tolerance_however_it_is_written(text: str) -> None:
    apart = difference(text, MADE)
    assert apart is not None
    assert apart <= TOLERANCE


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-04-18T22:42:07.347Z", 10),
        ("2026-04-18T18:41:57.347Z", 4 * 3600),
        ("2026-04-19", 3600 * 24 - (22 * 3600 + 41 * 60 + 57.347)),
        ("Apr 18, 6:41:47 PM EDT", 10.347),
    ],
)
def test_a_wrong_time_is_as_far_off_as_its_kindest_reading(text: str, seconds: float) -> None:
    assert difference(text, MADE) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "13:54:13", "12", "Apr 31, 6:41 PM", "2026-13-01", "x" * 100])
def test_what_is_no_whole_time_is_not_read(text: str) -> None:
    assert difference(text, MADE) is None


def test_a_time_without_a_year_is_of_the_years_around_the_post() -> None:
    made = datetime(2026, 1, 1, 3, 0, tzinfo=UTC)
    assert difference("Dec 31, 10:00:00 PM EST", made) == timedelta()


@pytest.mark.parametrize("text", ["2010-06-04 18:31:57", "03/04/2010 10:00:00 UTC", "Jun 4, 6:31 PM EDT", "soon"])
def test_only_a_time_without_doubt_stands_for_itself(text: str) -> None:
    with pytest.raises(ValueError, match="its time"):
        exact(text)


def test_an_exact_time_comes_in_utc() -> None:
    assert exact("Fri Jun 04 14:31:57 -0400 2010") == datetime(2010, 6, 4, 18, 31, 57, tzinfo=UTC)


@given(
    st.one_of(
        st.text(max_size=70), st.from_regex(r"[A-Z][a-z]{2} \d{1,2}[,:/ ]+\d{1,4}[:/ +-]+\d{1,4} ?[A-Za-z0-9+]*")
    )
)
def test_no_text_breaks_the_reading(text: str) -> None:
    assert all(reading.moment.year <= LAST_YEAR for reading in readings(text, 2026))
    difference(text, MADE)


@given(st.timedeltas(timedelta(), timedelta(days=9000)))
def test_a_time_that_was_written_is_the_time_that_is_read(later: timedelta) -> None:
    moment = datetime(2006, 3, 21, tzinfo=UTC) + later
    assert exact(moment.isoformat()) == moment
    assert exact(f"{moment:%a %b %d %H:%M:%S +0000 %Y}") == moment.replace(microsecond=0)
