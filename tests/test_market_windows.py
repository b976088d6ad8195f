"""Windows of the markets: moments of New York's clocks, end excluded, exact where the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musktracker import market_windows
from musktracker.errors import UsageError
from musktracker.market_windows import ET, PRESETS, current, following
from musktracker.timeline import Span

moments = st.datetimes(datetime(2010, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
presets = st.sampled_from(sorted(PRESETS))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ET).astimezone(UTC)


@pytest.mark.parametrize(
    ("name", "moment", "start", "end"),
    [
        ("fri-noon", "2025-12-10T09:20", "2025-12-05T12:00", "2025-12-12T12:00"),
        ("fri-noon", "2025-12-12T11:59:59.999999", "2025-12-05T12:00", "2025-12-12T12:00"),
        ("fri-noon", "2025-12-12T12:00", "2025-12-12T12:00", "2025-12-19T12:00"),
        ("tue-noon", "2025-12-09T11:00", "2025-12-02T12:00", "2025-12-09T12:00"),
        ("tue-noon", "2025-12-15T23:00", "2025-12-09T12:00", "2025-12-16T12:00"),
        ("48h", "2025-12-10T09:20", "2025-12-09T12:00", "2025-12-11T12:00"),
        ("48h", "2025-12-10T12:00", "2025-12-10T12:00", "2025-12-12T12:00"),
        ("month", "2025-12-31T23:30", "2025-12-01T00:00", "2026-01-01T00:00"),
        ("month", "2024-02-29T12:00", "2024-02-01T00:00", "2024-03-01T00:00"),
    ],
)
def test_the_current_window_holds_the_moment(name: str, moment: str, start: str, end: str) -> None:
    assert current(name, at(moment)) == Span(at(start), at(end))


@pytest.mark.parametrize("name", ["fri-noon", "tue-noon"])
@pytest.mark.parametrize(
    ("moment", "hours"), [("2025-03-09T12:00", 167), ("2025-11-02T12:00", 169), ("2025-07-01T12:00", 168)]
)
def test_a_week_over_a_change_of_clocks_has_an_hour_less_or_more(name: str, moment: str, hours: int) -> None:
    assert current(name, at(moment)).hours() == hours


def test_two_days_and_a_month_over_a_change_of_clocks_too() -> None:
    assert current("48h", at("2025-03-08T13:00")).hours() == 47
    assert current("48h", at("2025-11-01T13:00")).hours() == 49
    assert current("month", at("2025-03-15T00:00")).hours() == 31 * 24 - 1
    assert current("month", at("2025-11-15T00:00")).hours() == 30 * 24 + 1


@given(presets, moments)
def test_every_moment_is_in_its_window_and_windows_follow_one_another(name: str, moment: datetime) -> None:
    window = current(name, moment)
    assert window.start <= moment < window.end
    after = following(name, moment)
    assert after.start == window.end
    assert after.end > after.start


@given(st.sampled_from(["fri-noon", "tue-noon"]), moments)
def test_weeks_begin_and_end_at_noon_and_have_167_to_169_hours(name: str, moment: datetime) -> None:
    window = current(name, moment)
    local = [end.astimezone(ET) for end in window]
    assert [(end.hour, end.minute) for end in local] == [(12, 0), (12, 0)]
    shift = local[0].utcoffset() or timedelta(0)
    change = (local[1].utcoffset() or timedelta(0)) - shift
    assert window.hours() == 168 - change / timedelta(hours=1)


def test_an_unknown_preset_or_zone_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="no preset 'weekly'"):
        current("weekly", at("2025-12-10T09:20"))
    for name in ("Mars/Base", "../etc/passwd", ""):
        with pytest.raises(UsageError, match="no time zone"):
            market_windows.zone(name)
    assert market_windows.zone("ET") == ET
