"""What every model promises: reproducible paths from what was known, and nothing known later."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from musktracker.errors import UsageError
from musktracker.models import registry
from musktracker.models.base import Events, Fitted, History, Model
from musktracker.models.features import MICROSECONDS

START = 480_000
HOURS = 60 * 24
NAMES = sorted(registry.models())


QUICK: dict[str, dict[str, Any]] = {"sarimax": {"window_days": 24, "most_steps": 5}, "pool": {"stretch_days": 14}}


def history(seed: int = 0, hours: int = HOURS) -> History:
    """Overdispersed counts with a daily rhythm, their posts at any time of the hour."""
    rng = np.random.default_rng(seed)
    rate = np.exp(0.8 + np.sin(2 * np.pi * np.arange(hours) / 24))
    counts = rng.poisson(rate * rng.gamma(1.5, 1 / 1.5, hours))
    times = np.repeat(START + np.arange(hours), counts) + rng.random(counts.sum())
    return History(START, counts.astype(float), posts=np.sort(times * MICROSECONDS).astype(np.int64))


def create(name: str) -> Model:
    return registry.create(name, QUICK.get(name))


def simulate(
    fitted: Fitted, *, horizon: int = 30, n_paths: int = 50, seed: int = 3, origin: int = START + HOURS
) -> Any:
    return fitted.simulate(origin, horizon, n_paths, np.random.default_rng(seed))


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def fitted(name: str) -> Fitted:
    return create(name).fit(history())


def test_paths_are_whole_counts_of_the_shape_asked_for(fitted: Fitted) -> None:
    paths = simulate(fitted)
    assert paths.shape == (50, 30)
    assert (paths >= 0).all()
    assert (paths == np.floor(paths)).all()


def test_the_same_seed_gives_the_same_paths_and_another_does_not(fitted: Fitted) -> None:
    assert np.array_equal(simulate(fitted), simulate(fitted))
    assert not np.array_equal(simulate(fitted), simulate(fitted, seed=4))


def test_a_shorter_horizon_is_the_beginning_of_a_longer_one(fitted: Fitted) -> None:
    assert np.array_equal(simulate(fitted, horizon=30), simulate(fitted, horizon=100)[:, :30])


def test_what_comes_after_the_origin_changes_no_path(name: str) -> None:
    known = history()
    origin = START + 50 * 24
    counts = known.counts.copy()
    counts[50 * 24 :] = np.random.default_rng(9).integers(0, 500, 10 * 24)
    late = np.array([(origin + 1) * 3_600_000_000])
    posts = known.until(origin).posts
    assert posts is not None
    later = origin * MICROSECONDS + np.arange(0, 10 * 24 * MICROSECONDS, 1_000_000_000)
    events = Events.named(late - 7_200_000_000, late + 7_200_000_000, np.ones(1), late, ["launch"])
    replaced = History(START, counts, events, np.concatenate([posts, later]))
    fits = [create(name).fit(one.until(origin)) for one in (known, replaced)]
    assert np.array_equal(simulate(fits[0], origin=origin), simulate(fits[1], origin=origin))
    on_all = create(name).restore(fits[0].parameters(), replaced)  # handed what came, it must not look
    assert np.array_equal(simulate(fits[0], origin=origin), simulate(on_all, origin=origin))


def test_a_stored_fit_gives_identical_paths(name: str, fitted: Fitted) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **fitted.parameters())
    buffer.seek(0)
    restored = create(name).restore(dict(np.load(buffer, allow_pickle=False)), history())
    assert np.array_equal(simulate(restored), simulate(fitted))


def test_paths_have_the_level_and_the_rhythm_of_the_counts(fitted: Fitted) -> None:
    paths = simulate(fitted, horizon=168, n_paths=500)
    expected = np.exp(0.8 + np.sin(2 * np.pi * np.arange(HOURS, HOURS + 168) / 24))
    assert paths.mean() == pytest.approx(expected.mean(), rel=0.25)
    assert np.corrcoef(paths.mean(axis=0), expected)[0, 1] > 0.8


def test_a_history_that_is_too_short_is_refused_in_words(name: str) -> None:
    with pytest.raises(ValueError, match="only"):
        create(name).fit(history(hours=100))


@pytest.mark.parametrize(
    ("begin", "end", "count"),
    [
        (0, HOURS, 0),
        (0, HOURS, 1),
        (-21 * 24, HOURS, 0),
        (-30, -29, 5000),
        (-1, HOURS, 5000),
        (-24, HOURS, 40),
        (-30, -6, np.nan),
        (-21 * 24, -72, np.nan),
    ],
    ids=["no post", "one an hour", "silent", "burst", "burst now", "tenfold", "unobserved", "three weeks unobserved"],
)
@pytest.mark.filterwarnings("error::RuntimeWarning", "ignore::musktracker.models.base.SimulationWarning")
def test_strange_histories_give_finite_whole_counts_or_are_refused_in_words(
    name: str, begin: int, end: int, count: float
) -> None:
    strange = history()
    strange.counts[begin:end] = count
    observed = np.nan_to_num(strange.counts).astype(int)
    times = (START + np.repeat(np.arange(HOURS), observed)) * MICROSECONDS
    posts = times + np.concatenate([np.arange(n) * MICROSECONDS // n for n in observed if n] or [times])
    try:
        paths = simulate(create(name).fit(replace(strange, posts=posts)), horizon=200)
    except ValueError as refusal:
        paths, words = np.zeros((1, 1)), str(refusal).split()
    else:
        words = []
    assert not 0 < len(words) < 6
    assert np.isfinite(paths).all()
    assert (paths >= 0).all()
    assert (paths == np.floor(paths)).all()


@pytest.mark.parametrize(
    ("model", "hyperparameters", "said"),
    [
        ("prophet", {}, "no model 'prophet'"),
        ("seasonal_naive", {"days": 3}, "no hyperparameter 'days'"),
        ("seasonal_naive", {"window_days": "many"}, "whole number, not 'many'"),
        ("seasonal_naive", {"window_days": 2}, "7 to 3650"),
        ("seasonal_naive", {"window_days": True}, "whole number"),
        ("negative_binomial", {"features": "lag_1h,lag_2h"}, "'lag_2h'"),
        ("negative_binomial", {"features": "lag_1h,lag_1h"}, "twice"),
        ("negative_binomial", {"features": "rolling_std_24h"}, "rolling_std_24h"),
        ("negative_binomial", {"features": "day_of_week,is_weekend"}, "follows from"),
        ("negative_binomial", {"features": 3}, "names with commas"),
        ("negative_binomial", {"harmonics": 12}, "1 to 11"),
        ("negative_binomial", {"window_days": 3}, "14 to 3650"),
        ("har_bootstrap", {"reach": 12}, "reach must be 0 to 11, not 12"),
        ("har_bootstrap", {"analog_half_life": "soon"}, "must be a number"),
        ("har_negative_binomial", {"level_half_life": 1}, "3 to 100000"),
        ("hawkes", {"components": 4}, "1 to 3"),
        ("hawkes", {"error_share": -0.5}, "0 to 1"),
        ("hawkes", {"window_days": 2}, "7 to 3650"),
        ("hawkes", {"jitter": 2}, "jitter must be 0 to 1"),
        ("pool", {"models": "hawkes"}, "two or more"),
        ("pool", {"models": "hawkes,hawkes"}, "each once"),
        ("pool", {"models": "hawkes,pool"}, "cannot hold 'pool'"),
        ("pool", {"models": "hawkes,prophet"}, "cannot hold 'prophet'"),
        ("pool", {"stretch_days": 7}, "14 to 730"),
        ("pool", {"prior": -1}, "prior"),
        ("sarimax", {"window_days": 13}, "14 to 365"),
        ("sarimax", {"most_steps": 0}, "5 to 1000"),
    ],
)
def test_a_model_that_cannot_be_is_wrong_use(model: str, hyperparameters: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        registry.create(model, hyperparameters)


def test_hyperparameters_come_back_as_they_went_in() -> None:
    model = registry.create("negative_binomial", {"window_days": "90", "features": "lag_1h, hour_of_day"})
    found = registry.hyperparameters(model)
    assert found == {"window_days": 90, "harmonics": 4, "features": ["lag_1h", "hour_of_day"]}
    assert registry.create("negative_binomial", found) == model


def test_counts_before_an_origin_are_unknown_outside_the_history() -> None:
    known = History(10, np.array([1.0, np.nan, 3.0]))
    assert np.array_equal(known.before(13, 3), [1, np.nan, 3], equal_nan=True)
    assert np.array_equal(known.before(12, 4), [np.nan, np.nan, 1, np.nan], equal_nan=True)
    assert np.array_equal(known.before(15, 3), [3, np.nan, np.nan], equal_nan=True)
    assert np.isnan(known.before(5, 3)).all()
    assert np.isnan(known.before(50, 3)).all()


def test_what_is_said_to_be_too_little_for_a_fit_is_too_little(name: str) -> None:
    recipe = registry.read(name)
    with pytest.raises(ValueError, match="only"):
        registry.create(name).fit(history(hours=recipe.least_hours() - 1))
