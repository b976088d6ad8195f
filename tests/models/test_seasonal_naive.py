"""Seasonal naive draws whole days that were observed, at the origin's hour, and no others."""

from __future__ import annotations

import numpy as np
import pytest

from musktracker.models.base import History
from musktracker.models.seasonal_naive import SeasonalNaive


def days(n: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Hour h of day d counts 100 d + h, so that every hour tells where it came from."""
    return (100 * np.arange(n)[:, None] + np.arange(24)[None, :]).astype(float).ravel()


def drawn(
    history: History, horizon: int = 72, n_paths: int = 400
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    rng = np.random.default_rng(1)
    return np.asarray(SeasonalNaive().fit(history).simulate(history.origin, horizon, n_paths, rng))


def test_each_day_of_a_path_is_a_whole_past_day() -> None:
    paths = drawn(History(0, days(40)))
    for day in range(3):
        block = paths[:, 24 * day : 24 * day + 24]
        assert (block - np.arange(24) == block[:, :1]).all()


def test_days_begin_at_the_origins_hour() -> None:
    shifted = days(41)[7 : 7 + 40 * 24]
    assert set(drawn(History(7, shifted))[:, 0] % 100) == {7.0}


def test_only_the_days_of_the_window_are_drawn_and_all_of_them_are() -> None:
    assert set(drawn(History(0, days(40)))[:, 0]) == {100.0 * day for day in range(12, 40)}


def test_a_day_with_an_unobserved_hour_is_never_drawn() -> None:
    counts = days(40)
    counts[24 * 30 + 5] = np.nan
    paths = drawn(History(0, counts))
    assert not np.isnan(paths).any()
    assert 3000.0 not in paths[:, 0]


def test_fewer_than_seven_whole_days_are_refused() -> None:
    counts = days(40)
    counts[-22 * 24 :: 24] = np.nan
    with pytest.raises(ValueError, match="only 6 of the 28 days"):
        SeasonalNaive().fit(History(0, counts))


def test_unobserved_days_are_told() -> None:
    counts = days(40)
    counts[-30] = np.nan
    diagnostics = SeasonalNaive().fit(History(0, counts)).diagnostics
    assert diagnostics is not None
    assert diagnostics.notes == ("1 of the last 28 days have unobserved hours",)
