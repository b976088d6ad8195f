"""The simulated account: the same for the same seed, whatever window is asked for, and alive like a real one."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from musktracker.models.simulation import (
    HOURS_PER_YEAR,
    KIND_SHARES,
    MICROSECONDS_PER_HOUR,
    simulate_account,
    simulate_events,
)
from musktracker.timeline import snowflake_time

END = int(datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC).timestamp()) * 1_000_000
YEARS = 3 * HOURS_PER_YEAR * MICROSECONDS_PER_HOUR
DAY = 24 * MICROSECONDS_PER_HOUR


def hourly(seed: int) -> np.ndarray:
    times = simulate_account(END - YEARS, END, seed).times
    return np.bincount((times - (END - YEARS)) // MICROSECONDS_PER_HOUR, minlength=3 * HOURS_PER_YEAR)


def test_three_years_hold_about_60_000_posts_in_less_than_half_a_second() -> None:
    simulate_account(END - DAY, END, 1)
    begin = time.process_time()
    posts = simulate_account(END - YEARS, END, 1)
    assert time.process_time() - begin < 0.5
    assert 50_000 < len(posts.times) < 70_000


def test_over_many_seeds_the_account_makes_20_000_posts_a_year() -> None:
    yearly = [len(simulate_account(END - YEARS, END, seed).times) / 3 for seed in range(16)]
    assert np.mean(yearly) == pytest.approx(20_000, rel=0.08)


def test_posts_are_sorted_inside_the_window_and_their_ids_hold_their_times() -> None:
    posts = simulate_account(END - YEARS, END, 1)
    assert posts.times[0] >= END - YEARS
    assert posts.times[-1] < END
    assert np.all(np.diff(posts.times) >= 0)
    assert np.all(np.diff(posts.ids) > 0)
    for i in range(0, len(posts.ids), 997):
        assert snowflake_time(int(posts.ids[i])).timestamp() * 1e6 == pytest.approx(int(posts.times[i]), abs=1)


def test_kinds_come_in_their_shares() -> None:
    kinds = simulate_account(END - YEARS, END, 1).kinds
    assert np.bincount(kinds) / len(kinds) == pytest.approx(np.array(KIND_SHARES), abs=0.01)


@hypothesis_settings(max_examples=15)
@given(seed=st.integers(0, 9), cut=st.integers(1, 200 * 24 * 3600), tail=st.integers(1, 40 * 24 * 3600))
def test_any_two_windows_agree_on_the_time_they_share(seed: int, cut: int, tail: int) -> None:
    middle = END - cut * 1_000_000
    last = middle + tail * 1_000_000
    whole = simulate_account(END - 230 * DAY, last, seed)
    parts = [simulate_account(END - 230 * DAY, middle, seed), simulate_account(middle, last, seed)]
    for name in ("times", "ids", "kinds"):
        assert np.array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(whole, name))


def test_another_seed_is_another_account() -> None:
    assert not np.array_equal(hourly(1), hourly(2))


def test_the_account_sleeps_bursts_and_wanders_as_real_ones_do() -> None:
    counts = hourly(1)
    assert 0.3 < np.mean(counts == 0) < 0.6
    assert counts.var() / counts.mean() > 3
    start = (END - YEARS) // MICROSECONDS_PER_HOUR
    by_hour = np.bincount((start + np.arange(len(counts))) % 24, weights=counts)
    assert by_hour[9:12].sum() < 0.1 * by_hour[0:3].sum()  # early morning in New York against the evening
    months = counts[: len(counts) // 720 * 720].reshape(-1, 720).sum(axis=1)
    assert months.max() > 1.8 * months.min()


def test_posts_rise_in_events() -> None:
    ratios = []
    for seed in range(8):
        times = simulate_account(END - YEARS, END, seed).times
        events = simulate_events(END - YEARS, END, seed)
        weeks = [(events.start - 7 * DAY, events.end - 7 * DAY), (events.start, events.end)]
        before, during = (np.searchsorted(times, end) - np.searchsorted(times, start) for start, end in weeks)
        ratios.append(during.sum() / before.sum())
    assert np.mean(ratios) > 1.5


def test_events_are_few_known_before_they_begin_and_some_are_to_come() -> None:
    events = simulate_events(END - YEARS, END + 120 * DAY, 1)
    assert 20 <= len(events.start) <= 45
    assert np.all(events.known < events.start)
    assert np.all(events.start < events.end)
    assert np.all((events.intensity > 0) & (events.intensity <= 1))
    assert np.any((events.start > END) & (events.known < END))


def test_a_time_before_the_account_began_is_refused() -> None:
    with pytest.raises(ValueError, match="2016"):
        simulate_account(0, DAY, 1)
