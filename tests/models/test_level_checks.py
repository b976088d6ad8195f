"""A level that cannot be trusted says so, and one that can says nothing."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from musktracker.models.base import History
from musktracker.models.har_bootstrap import HarBootstrap
from musktracker.models.level import PRIOR, Rates, fit_level
from musktracker.models.level_checks import Checked, check

START = 480_000


def history(daily: NDArray[np.float64], seed: int = 1) -> History:
    rng = np.random.default_rng(seed)
    return History(START, rng.poisson(np.repeat(daily / 24, 24)).astype(float))


def wandering(days: int = 400, seed: int = 1) -> NDArray[np.float64]:
    return np.asarray(60 * np.exp(0.2 * np.random.default_rng(seed).standard_normal(days)))


def checked(known: History, *, ridge: float = 2000.0) -> Checked:
    rates = Rates(known, known.origin)
    return check(fit_level(rates, ridge=ridge, half_life=400), rates, ridge=ridge, half_life=400)


def test_a_level_whose_errors_are_chance_passes_in_silence() -> None:
    for seed in range(5):
        found = checked(history(wandering(seed=seed), seed))
        assert found.sound
        assert not found.warnings
        assert abs(found.autocorrelation) < 0.25


def test_days_that_go_by_twos_show_in_the_errors() -> None:
    found = checked(history(np.where(np.arange(400) % 2, 40.0, 90.0)))
    assert found.sound
    assert found.autocorrelation < -0.5
    assert "errors on days in a row are correlated" in found.warnings[0]


def test_four_weeks_on_one_side_of_the_level_are_told() -> None:
    daily = wandering()
    daily[-28:] = np.exp(np.linspace(np.log(60), np.log(60 * 40), 28))
    assert any("days of the last four weeks had" in text for text in checked(history(daily)).warnings)


def test_columns_that_say_the_same_are_not_sound_without_a_ridge() -> None:
    known = History(START, np.full(24 * 100, 3.0) + (np.arange(24 * 100) == 24 * 99) * 1e-4)
    rates = Rates(known, known.origin)
    level = fit_level(rates, ridge=2000, half_life=400)
    found = check(level, rates, ridge=0, half_life=400)
    assert not found.sound
    assert "close to singular" in found.warnings[0]
    assert check(level, rates, ridge=2000, half_life=400).sound


def test_weights_that_are_no_numbers_are_not_sound() -> None:
    known = history(wandering())
    rates = Rates(known, known.origin)
    level = fit_level(rates, ridge=2000, half_life=400)
    broken = dataclasses.replace(level, intercepts=np.full(3, np.nan))
    assert not check(broken, rates, ridge=2000, half_life=400).sound


def test_weights_that_run_away_are_told() -> None:
    known = history(wandering())
    rates = Rates(known, known.origin)
    level = dataclasses.replace(
        fit_level(rates, ridge=2000, half_life=400), weights=np.tile(1.2 * PRIOR / PRIOR.sum(), (3, 1))
    )
    assert any("add up to 1.20" in text for text in check(level, rates, ridge=2000, half_life=400).warnings)


def test_unobserved_days_are_left_out() -> None:
    known = history(wandering())
    known.counts[24 * 200 : 24 * 206] = np.nan
    found = checked(known)
    assert found.sound
    assert not found.warnings


@pytest.mark.parametrize("ridge", [2000.0, 1e6])
def test_a_fitted_model_tells_what_the_checks_found(ridge: float) -> None:
    known = history(np.where(np.arange(400) % 2, 40.0, 90.0))
    diagnostics = HarBootstrap(level_ridge=ridge).fit(known).diagnostics
    assert diagnostics is not None
    assert diagnostics.converged
    assert any("days in a row" in text for text in diagnostics.warnings)
    assert diagnostics.values["level_autocorrelation"] < -0.5
    assert diagnostics.values["level_condition"] >= 1
