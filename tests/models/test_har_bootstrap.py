"""The bootstrap draws whole past weeks like the present, moved to its level, its profile and its first hour."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from musktracker.models import analogs, count_regression
from musktracker.models.analogs import Likeness, Spread
from musktracker.models.base import Diagnostics, History, SimulationWarning
from musktracker.models.har_bootstrap import HarBootstrap
from musktracker.models.level import BLOCKS, Rates, fit_level

START = 480_000
WIDE = Likeness(days=900, half_life=1e5, activity_bandwidth=1000, level_bandwidth=1000, reach=2)
PLAIN = HarBootstrap(splice_first=0, jitter=0)


def made(days: int = 300, *, seed: int = 1, peak: int = 18, level: float = 60.0, deviation: float = 0.0) -> History:
    """Overdispersed hours with a rhythm, about a log level that wanders with this deviation from day to day."""
    rng = np.random.default_rng(seed)
    hour = (START + np.arange(24 * days)) % 24
    daily = np.exp(np.log(level) + deviation * np.cumsum(rng.standard_normal(days)))
    rate = np.repeat(daily / 24, 24) * (1 + 0.9 * np.cos(2 * np.pi * (hour - peak) / 24))
    return History(START, rng.poisson(rate * rng.gamma(1.0, 1.0, len(rate))).astype(float))


def paths(model: HarBootstrap, history: History, *, n: int = 1000, horizon: int = 168) -> NDArray[np.float64]:
    return np.asarray(model.fit(history).simulate(history.origin, horizon, n, np.random.default_rng(1)))


def diagnosed(model: HarBootstrap, history: History) -> Diagnostics:
    diagnostics = model.fit(history).diagnostics
    assert diagnostics is not None
    return diagnostics


def test_windows_begin_near_the_origins_hour_and_end_before_it() -> None:
    history = made()
    origin = history.origin - 7
    found = analogs.find(history, origin, WIDE)
    assert set(((found.starts - origin + 12) % 24 - 12).tolist()) == {-2, -1, 0, 1, 2}
    assert found.starts.max() + 168 <= origin


def test_a_window_with_an_unobserved_hour_is_never_drawn() -> None:
    history = made()
    counts = history.counts.copy()
    counts[24 * 150 + 3] = np.nan
    found = analogs.find(History(START, counts), START + len(counts), WIDE)
    hole = START + 24 * 150 + 3
    assert not ((found.starts <= hole) & (found.starts + 168 > hole)).any()
    assert not np.isnan(found.counts(np.arange(len(found.starts)))).any()


def test_recent_and_alike_windows_weigh_more() -> None:
    history = made(deviation=0.1)
    origin = history.origin
    recent = analogs.find(history, origin, dataclasses.replace(WIDE, half_life=30))
    age = (origin - recent.starts) / 24
    assert recent.weights == pytest.approx(0.5 ** (age / 30), rel=1e-3)
    alike = analogs.find(history, origin, dataclasses.replace(WIDE, level_bandwidth=0.2))
    away = np.abs(alike.features[:, 2] - alike.now[0, 2])
    assert np.average(away, weights=alike.weights) < 0.6 * away.mean()
    history = made()
    active = analogs.find(history, origin, dataclasses.replace(WIDE, activity_bandwidth=0.3))
    last = np.array([history.before(int(start), 3).sum() for start in active.starts])
    came = history.before(origin, 3).sum()
    assert np.average(np.abs(last - came), weights=active.weights) < 0.8 * np.abs(last - came).mean()


def test_draws_follow_the_weights() -> None:
    chosen = analogs.systematic(np.array([1.0, 0.0, 3.0]), 1000, np.random.default_rng(1))
    assert np.bincount(chosen, minlength=3).tolist() == pytest.approx([250, 0, 750], abs=1)


def test_errors_come_along_as_they_were_without_exponents() -> None:
    history = made(deviation=0.1)
    rates = Rates(history, history.origin)
    level = fit_level(rates, ridge=1000, half_life=400)
    found = analogs.find(history, history.origin, WIDE)
    drawn = np.arange(10)
    expected = level.predict(found.now)
    errors = found.errors(level, expected, drawn, Spread(0, 0))
    came, then = rates.ahead(found.starts[drawn]), level.predict(rates.features(found.starts[drawn]))
    assert errors == pytest.approx(came - then)


def test_errors_shrink_as_the_level_rises_and_grow_with_volatility() -> None:
    history = made(deviation=0.1)
    level = fit_level(Rates(history, history.origin), ridge=1000, half_life=400)
    found = analogs.find(history, history.origin, WIDE)
    drawn = np.arange(len(found.starts))
    higher = level.predict(found.features).max(axis=0) + 1.0
    plain = found.errors(level, higher[None], drawn, Spread(0, 0))
    assert found.errors(level, higher[None], drawn, Spread(0.3, 0)).std() < 0.8 * plain.std()
    calm = dataclasses.replace(found, volatility=np.full(len(drawn), 0.7))
    assert calm.errors(level, higher[None], drawn, Spread(0, 0.5)) == pytest.approx(plain * 0.7**0.5)


def test_totals_of_blocks_are_level_times_error() -> None:
    history = made(deviation=0.1)
    model = PLAIN.fit(history)
    found = analogs.find(history, history.origin, PLAIN.likeness)
    level = model.foundation.level
    week = model.simulate(history.origin, 168, 4000, np.random.default_rng(1))
    for block, (a, b) in enumerate(BLOCKS):
        daily = week[:, a:b].sum(axis=1) * 24 / (b - a)
        errors = found.errors(level, level.predict(found.now), np.arange(len(found.starts)), PLAIN.spread)
        expected = np.average(np.expm1(level.predict(found.now)[0, block] + errors[:, block]), weights=found.weights)
        assert daily.mean() == pytest.approx(expected, rel=0.04)


def test_a_week_from_a_low_level_is_moved_to_a_high_one() -> None:
    history = made(300)
    risen = np.concatenate([history.counts[:-24], made(70, seed=2, level=240.0).counts])
    drawn = paths(PLAIN, History(START, risen))
    assert drawn.sum(axis=1).mean() == pytest.approx(7 * 240, rel=0.15)


def test_drawn_weeks_follow_the_profile_of_now() -> None:
    counts = np.concatenate([made(240, peak=18).counts, made(60, seed=2, peak=12).counts])
    plan = dataclasses.replace(PLAIN, profile_half_life=14.0, analog_half_life=1e5)
    found = paths(plan, History(START, counts)).reshape(-1, 7, 24).mean(axis=(0, 1))
    hour = (START + len(counts) + np.arange(24)) % 24
    assert abs(hour[found.argmax()] - 12) <= 2
    assert found[hour == 18] < 0.75 * found.max()


def test_a_later_week_goes_on_from_the_first() -> None:
    weeks = paths(PLAIN, made(deviation=0.08), horizon=24 * 21, n=2000).reshape(2000, 3, 168).sum(axis=2)
    assert np.corrcoef(np.log1p(weeks[:, 0]), np.log1p(weeks[:, 1]))[0, 1] > 0.3
    assert np.log1p(weeks).std(axis=0)[2] > np.log1p(weeks).std(axis=0)[0]


def test_features_after_a_path_are_those_of_a_history_with_it() -> None:
    history = made(100)
    week = made(7, seed=5).counts
    longer = History(START, np.concatenate([history.counts, week]))
    expected = Rates(longer, longer.origin).features(np.array([longer.origin]))
    assert analogs.features_after(history, history.origin, week[None]) == pytest.approx(expected)


def test_intervals_hold_what_comes_as_often_as_they_say() -> None:
    inside = []
    history = made(500, deviation=0.08)
    for origin in range(START + 24 * 350, history.origin - 168, 24 * 7):
        week = PLAIN.fit(history.until(origin)).simulate(origin, 168, 500, np.random.default_rng(origin))
        low, high = np.quantile(week.sum(axis=1), [0.1, 0.9])
        inside.append(low <= history.before(origin + 168, 168).sum() <= high)
    assert 0.55 <= np.mean(inside) <= 0.98


def test_a_hole_before_the_origin_leaves_the_first_hour_like_the_others_and_says_so() -> None:
    history = made(100)
    counts = history.counts.copy()
    counts[-3:] = np.nan
    fitted = HarBootstrap().fit(history)
    broken = HarBootstrap().restore(fitted.parameters(), History(START, counts))
    with pytest.warns(SimulationWarning, match="first hour is forecast like all others: the 8 hours before it"):
        broken.simulate(history.origin, 24, 100, np.random.default_rng(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted.simulate(history.origin, 24, 100, np.random.default_rng(1))


def test_a_long_hole_is_refused_in_words() -> None:
    history = made(100)
    counts = history.counts.copy()
    counts[-40 * 24 :] = np.nan
    fitted = HarBootstrap().restore(HarBootstrap().fit(history).parameters(), History(START, counts))
    with pytest.raises(ValueError, match="only a part of the last eight weeks"):
        fitted.simulate(history.origin, 24, 100, np.random.default_rng(1))


def test_diagnostics_tell_the_level_and_what_is_drawn_from() -> None:
    diagnostics = diagnosed(HarBootstrap(), made())
    assert diagnostics.converged
    assert diagnostics.notes == ("the first hour is fitted to hourly counts, as no times of posts were given",)
    assert diagnostics.values["windows"] > 1000
    assert 20 < diagnostics.values["effective_windows"] < diagnostics.values["windows"]
    weight, error = diagnostics.estimates["24-72h:7d"]
    assert weight == pytest.approx(0.25, abs=0.1)
    assert error > 0


def test_hyperparameters_travel_with_the_fit() -> None:
    chosen: dict[str, Any] = {"reach": 1, "analog_days": 200, "jitter": 0.2, "splice_first": 0}
    history = made(250)
    fitted = HarBootstrap(**chosen).fit(history)
    restored = HarBootstrap().restore(fitted.parameters(), history)
    draws = [one.simulate(history.origin, 48, 50, np.random.default_rng(1)) for one in (fitted, restored)]
    assert np.array_equal(*draws)


def test_smoothed_errors_vary_as_before_and_fill_the_gaps() -> None:
    rng = np.random.default_rng(1)
    few = np.repeat(rng.standard_normal((10, 3)) * np.array([0.2, 0.3, 0.4]), 500, axis=0)
    found = analogs.smoothed(few, 0.1, rng)
    assert found.mean(axis=0) == pytest.approx(few.mean(axis=0), abs=0.01)
    assert found.std(axis=0) == pytest.approx(few.std(axis=0), rel=0.03)
    assert len(np.unique(found[:, 0])) == len(few)
    assert analogs.smoothed(few, 0.0, rng) == pytest.approx(few)


def test_errors_narrower_than_the_jitter_are_not_turned_over() -> None:
    few = np.repeat([[-0.01] * 3, [0.01] * 3], 500, axis=0)
    found = analogs.smoothed(few, 0.0999, np.random.default_rng(1))
    assert found[:500].mean() < found[500:].mean() + 0.02
    assert found.std() == pytest.approx(0.1, rel=0.1)


def test_a_quantile_of_the_errors_hardly_varies_by_seed() -> None:
    history = made(deviation=0.1)
    level = fit_level(Rates(history, history.origin), ridge=1000, half_life=400)
    found = analogs.find(history, history.origin, WIDE)
    residuals = found.residuals(level)

    def upper(seed: int) -> float:
        rng = np.random.default_rng(seed)
        drawn = residuals[found.draw(level, found.weights, 500, rng)]
        return float(np.quantile(analogs.smoothed(drawn, 0.1, rng) @ analogs.SHARES, 0.95))

    def independent(seed: int) -> float:
        rng = np.random.default_rng(seed)
        drawn = residuals[rng.choice(len(residuals), 500, p=found.weights / found.weights.sum())]
        return float(np.quantile((drawn + 0.1 * rng.standard_normal((500, 1))) @ analogs.SHARES, 0.95))

    assert np.std([upper(seed) for seed in range(40)]) < 0.6 * np.std([independent(seed) for seed in range(40)])


def test_the_order_of_draws_says_nothing_of_their_errors() -> None:
    history = made(deviation=0.1)
    level = fit_level(Rates(history, history.origin), ridge=1000, half_life=400)
    found = analogs.find(history, history.origin, WIDE)
    rng = np.random.default_rng(1)
    drawn = found.residuals(level)[found.draw(level, found.weights, 4000, rng)]
    week = analogs.smoothed(drawn, 0.1, rng) @ analogs.SHARES
    assert abs(np.corrcoef(week[:-1], week[1:])[0, 1]) < 0.06
    assert abs(np.corrcoef(week, np.arange(len(week)))[0, 1]) < 0.06


def test_a_regression_that_did_not_settle_is_no_convergence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(count_regression, "STEPS", 1)
    diagnostics = diagnosed(HarBootstrap(), made())
    assert not diagnostics.converged
    assert "the search for the first hour's regression did not settle" in diagnostics.warnings
    assert diagnosed(PLAIN, made()).converged
