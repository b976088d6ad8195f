"""The level is a regression on past rates that forgets slowly, and takes nothing unobserved for silence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from musktracker.models import level
from musktracker.models.base import History
from musktracker.models.level import PRIOR, WINDOWS, Rates

START = 480_000
HUGE = 1e12


def history(days: int = 400, seed: int = 1, deviation: float = 0.0) -> History:
    """Poisson hours about a log level that wanders from day to day."""
    rng = np.random.default_rng(seed)
    daily = np.exp(np.log(50) + deviation * np.cumsum(rng.standard_normal(days)))
    return History(START, rng.poisson(np.repeat(daily / 24, 24)).astype(float))


def fitted(known: History, ridge: float = 1000.0) -> level.LogHar:
    return level.fit_level(Rates(known, known.origin), ridge=ridge, half_life=400)


def at(*origins: int) -> NDArray[np.int64]:
    return np.array(origins, dtype=np.int64)


def test_features_are_logs_of_mean_daily_rates() -> None:
    known = history(100)
    found = Rates(known, known.origin).features(at(START + 80 * 24))
    before = known.counts[: 80 * 24]
    assert found[0] == pytest.approx([np.log1p(before[-24 * days :].sum() / days) for days in WINDOWS])


def test_unobserved_hours_are_left_out_of_a_rate_and_not_zero() -> None:
    counts = np.full(24 * 90, 3.0)
    counts[-24 * 10 : -24 * 9] = np.nan
    found = Rates(History(START, counts), START + len(counts)).features(at(START + len(counts)))
    assert found[0] == pytest.approx(np.full(6, np.log1p(72)))


def test_the_next_longer_window_stands_in_for_one_that_was_not_observed() -> None:
    counts = np.concatenate([np.full(24 * 70, 1.0), np.full(24 * 7, 3.0), np.full(24, np.nan)])
    found = Rates(History(START, counts), START + len(counts)).features(at(START + len(counts)))
    assert found[0, 0] == found[0, 1] == found[0, 2]
    assert found[0, 3] < found[0, 2]


def test_a_level_needs_half_of_the_longest_window() -> None:
    known = history(40)
    found = Rates(known, known.origin).features(at(START + 27 * 24, START + 28 * 24))
    assert np.isnan(found).any(axis=1).tolist() == [True, False]


def test_what_came_is_known_only_where_every_hour_was_observed() -> None:
    counts = np.full(24 * 20, 2.0)
    counts[24 * 5 + 30] = np.nan
    found = Rates(History(START, counts), START + len(counts)).ahead(at(START + 24 * 5, START + 24 * 7))
    assert np.isnan(found).tolist() == [[False, True, False], [False, False, False]]
    assert found[1] == pytest.approx(np.log1p(48))


def test_nothing_at_or_after_an_origin_enters_its_rates() -> None:
    known = history(100)
    origin = START + 80 * 24
    longer = Rates(known, origin)
    cut = Rates(known.until(origin), origin)
    for some in (origin - 24, origin):
        assert np.array_equal(longer.features(at(some)), cut.features(at(some)))
    assert longer.end == origin


def test_a_strong_ridge_leaves_the_prior_and_only_fits_the_mean() -> None:
    known = history(deviation=0.2)
    found = fitted(known, ridge=HUGE)
    assert found.weights == pytest.approx(np.tile(PRIOR, (3, 1)), abs=1e-6)
    rates = Rates(known, known.origin)
    origins = np.arange(known.origin - 24 * 300, known.origin - 168, 24)
    errors = rates.ahead(origins) - found.predict(rates.features(origins))
    assert np.abs(errors.mean(axis=0)).max() < 0.15


def test_without_a_ridge_the_weights_are_those_of_weighted_least_squares() -> None:
    known = history(deviation=0.2)
    rates = Rates(known, known.origin)
    origins = np.arange(known.origin - 24, START, -24)
    features, ahead = rates.features(origins), rates.ahead(origins)[:, 0]
    usable = ~np.isnan(features).any(axis=1) & ~np.isnan(ahead)
    root = np.sqrt(0.5 ** ((known.origin - origins[usable]) / 24 / 400))
    design = np.column_stack([np.ones(usable.sum()), features[usable]])
    expected, *_ = np.linalg.lstsq(design * root[:, None], ahead[usable] * root, rcond=None)
    found = fitted(known, ridge=0)
    assert [found.intercepts[0], *found.weights[0]] == pytest.approx(expected, rel=1e-6)


def test_weights_that_made_the_days_are_recovered() -> None:
    rng = np.random.default_rng(3)
    logs = [4.0] * 56
    true = np.array([0.4, 0.0, 0.3, 0.0, 0.0, 0.2])
    for _ in range(1500):
        means = [np.log1p(np.mean(np.expm1(logs[-days:]))) for days in WINDOWS.tolist()]
        logs.append(0.4 + float(true @ means) + 0.1 * rng.standard_normal())
    counts = np.repeat(np.expm1(logs) / 24, 24)
    found = level.fit_level(Rates(History(START, counts), START + len(counts)), ridge=0, half_life=1e6)
    short = found.weights[0]
    for value, truth, error in zip(short, true, found.errors[0, 1:], strict=True):
        assert abs(value - truth) < 4 * error
    assert found.deviations[0] == pytest.approx(0.1, rel=0.1)


def test_too_few_days_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="only 7 days have four weeks"):
        fitted(history(41))


def test_a_fit_comes_back_from_its_arrays() -> None:
    found = fitted(history())
    again = level.LogHar.restore(found.parameters())
    features = np.random.default_rng(1).random((4, 6))
    assert np.array_equal(found.predict(features), again.predict(features))
    assert again.estimates() == found.estimates()
    assert set(found.values()) == {"residual_0_24h", "residual_24_72h", "residual_72_168h", "level_rows"}


def test_the_volatility_is_the_deviation_of_the_last_days() -> None:
    daily = np.concatenate([np.full(30, 48.0), np.tile([24.0, 96.0], 7)])
    counts = np.repeat(daily / 24, 24)
    rates = Rates(History(START, counts), START + len(counts))
    found = rates.volatility(at(START + 30 * 24, START + len(counts), START + 24 * 3))
    assert found[0] == pytest.approx(0, abs=1e-6)
    assert found[1] == pytest.approx(np.std(np.log1p([24, 96])), rel=1e-9)
    assert np.isnan(found[2])


def rhythm(days: int, peak: int) -> NDArray[Any]:
    hour = (START + np.arange(24 * days)) % 24
    return 4 + 3 * np.cos(2 * np.pi * (hour - peak) / 24)


def test_the_profile_is_by_utc_hour_and_of_mean_one() -> None:
    found = level.profile(History(START, rhythm(60, 18)), START + 60 * 24, half_life=30)
    assert found.mean() == pytest.approx(1)
    assert (int(found.argmax()), int(found.argmin())) == (18, 6)
    assert found == pytest.approx((4 + 3 * np.cos(2 * np.pi * (np.arange(24) - 18) / 24)) / 4, rel=1e-6)


def test_the_profile_follows_recent_days_and_skips_unobserved_hours() -> None:
    counts = np.concatenate([rhythm(100, 6), rhythm(40, 18)])
    counts[-24 * 5 : -24 * 4] = np.nan
    origin = START + len(counts)
    assert level.profile(History(START, counts), origin, half_life=10).argmax() == 18
    assert level.profile(History(START, counts), origin, half_life=1000).argmax() == 6


def test_profiles_tell_the_days_of_then_from_those_of_now() -> None:
    counts = np.concatenate([rhythm(140, 6), rhythm(70, 18)])
    origin = START + len(counts) + 0
    found = level.profiles(History(START, counts), origin, half_life=7, weeks=25)
    assert found.shape == (26, 24)
    assert found.mean(axis=1) == pytest.approx(1)
    assert (found[0].argmax(), found[-1].argmax()) == (18, 6)


def test_a_day_without_any_post_has_no_profile() -> None:
    with pytest.raises(ValueError, match="only hours without posts"):
        level.profile(History(START, np.zeros(1000)), START + 1000, half_life=30)
