"""The process is recovered from what it made, its paths are its own, and it says how well it fits."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest

from musktracker.models import hawkes
from musktracker.models.base import Diagnostics, History, SimulationWarning
from musktracker.models.excitation import Kernel
from musktracker.models.hawkes import FittedHawkes, Hawkes
from musktracker.models.hyperparameters import MOST_COMPONENTS

START = 480_000
HOUR = 3_600_000_000
TRUE = Kernel(1.0, np.array([0.5, 0.25]), np.array([12.0, 1.0]))
WEEKS = 26


def process(weeks: int = WEEKS, *, kernel: Kernel = TRUE, per_day: float = 96.0, seed: int = 1) -> History:
    """Posts of the process itself, by Ogata's (1981) thinning, not by the clusters that the model simulates."""
    rng = np.random.default_rng(seed)
    end = 168.0 * weeks
    base = per_day / 24 * (1 - kernel.branching_ratio)
    time, excited, times = 0.0, np.zeros(len(kernel.rates)), []
    while True:
        bound = base + excited.sum()
        gap = rng.exponential(1 / bound)
        time += gap
        if time >= end:
            break
        excited *= np.exp(-kernel.rates * gap)
        if rng.random() * bound < base + excited.sum():
            times.append(time)
            excited += kernel.ratios * kernel.rates
    made = np.array(times)
    counts = np.bincount(made.astype(int), minlength=168 * weeks).astype(float)
    return History(START, counts, posts=np.round((START + made) * HOUR).astype(np.int64))


@pytest.fixture(scope="module")
def history() -> History:
    return process()


@pytest.fixture(scope="module")
def fitted(history: History) -> FittedHawkes:
    return Hawkes().fit(history)


def diagnosed(fitted: FittedHawkes) -> Diagnostics:
    assert fitted.diagnostics is not None
    return fitted.diagnostics


def test_what_made_the_posts_is_recovered_within_its_errors(fitted: FittedHawkes) -> None:
    found = diagnosed(fitted)
    assert found.converged
    assert found.values["components"] == 2
    for name, true in {"ratio_1": 0.5, "ratio_2": 0.25, "delay_minutes_1": 5.0, "delay_minutes_2": 60.0}.items():
        value, error = found.estimates[name]
        assert 0 < error < 0.5 * true, name
        assert abs(value - true) < 4 * error, name
    assert fitted.kernel.branching_ratio == pytest.approx(0.75, abs=0.06)


def test_one_exponential_is_chosen_where_one_made_the_posts() -> None:
    kernel = Kernel(1.0, np.array([0.6]), np.array([6.0]))
    found = diagnosed(Hawkes().fit(process(14, kernel=kernel)))
    assert found.values["components"] == 1
    assert found.estimates["ratio_1"][0] == pytest.approx(0.6, abs=0.06)


def test_rescaled_gaps_of_a_right_model_are_exponential_and_of_a_wrong_one_not(history: History) -> None:
    right = diagnosed(Hawkes().fit(history))
    assert right.values["ks_probability"] > 0.01
    assert "as a right model would have them" in right.notes[0]
    like_a_clock = np.concatenate(
        [
            (START + hour) * HOUR + HOUR * np.arange(1, n + 1) // (n + 1)
            for hour, n in enumerate(history.counts.astype(int))
        ]
    )
    wrong = diagnosed(Hawkes(components=1).fit(History(START, history.counts, posts=like_a_clock)))
    assert wrong.values["ks_probability"] < 0.01
    assert "farther than a right model" in wrong.notes[0]


def test_the_kolmogorov_smirnov_test_is_that_of_scipy() -> None:
    from scipy.stats import kstest

    gaps = np.random.default_rng(1).exponential(1.1, 500)
    distance, probability = hawkes._kolmogorov_smirnov(gaps)
    expected = kstest(gaps, "expon", method="asymp")
    assert (distance, probability) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-6)


def test_clusters_have_the_means_and_the_variance_of_the_process() -> None:
    rates = np.full((2500, 168), 2.0)
    none = (np.empty(0, dtype=np.int64), np.empty(0))
    counts, _ = hawkes._clusters(TRUE, rates, none, np.random.default_rng(1))
    later = counts[:, 48:]
    assert later.mean() == pytest.approx(2.0 / (1 - 0.75), rel=0.02)
    by_thinning = process(120, per_day=24 * 8.0).counts.reshape(-1, 24)
    days = later.reshape(-1, 24)
    assert days.sum(axis=1).std() == pytest.approx(by_thinning.sum(axis=1).std(), rel=0.08)
    assert later.std() == pytest.approx(by_thinning.std(), rel=0.08)


def test_children_that_come_after_a_week_are_handed_on() -> None:
    slow = Kernel(1.0, np.array([0.5]), np.array([0.01]))
    rates = np.full((500, 168), 1.0)
    none = (np.empty(0, dtype=np.int64), np.empty(0))
    counts, (paths, times) = hawkes._clusters(slow, rates, none, np.random.default_rng(1))
    assert counts.sum() + len(paths) == pytest.approx(rates.sum() + 0.5 * counts.sum(), rel=0.01)
    assert (times >= 0).all()
    assert set(paths.tolist()) <= set(range(500))
    pending, _ = hawkes._clusters(slow, np.zeros_like(rates), (paths, times), np.random.default_rng(1))
    assert pending.sum() > 0.5 * len(paths)


def test_a_burst_just_before_the_origin_goes_on(fitted: FittedHawkes, history: History) -> None:
    assert history.posts is not None
    origin = history.origin
    quiet = history.posts[history.posts < (origin - 6) * HOUR]
    burst = origin * HOUR - np.arange(20, 0, -1) * 15_000_000
    means = []
    for posts in (quiet, np.concatenate([quiet, burst])):
        one = dataclasses.replace(fitted, history=History(START, history.counts, posts=posts))
        means.append(one.simulate(origin, 24, 2000, np.random.default_rng(1)).mean(axis=0))
    assert means[1][0] > means[0][0] + 8
    assert means[1][12:].mean() == pytest.approx(means[0][12:].mean(), rel=0.1)


def test_paths_have_the_level_of_the_posts(fitted: FittedHawkes, history: History) -> None:
    paths = fitted.simulate(history.origin, 336, 1000, np.random.default_rng(1))
    weekly = history.counts.sum() / WEEKS
    assert paths[:, :168].sum(axis=1).mean() == pytest.approx(weekly, rel=0.15)
    assert paths[:, 168:].sum(axis=1).mean() == pytest.approx(weekly, rel=0.15)


def test_unobserved_hours_take_no_part_in_the_fit(history: History) -> None:
    counts = history.counts.copy()
    counts[-24 * 30 : -24 * 20] = np.nan
    assert history.posts is not None
    hours = history.posts // HOUR
    hole = (hours >= history.origin - 24 * 30) & (hours < history.origin - 24 * 20)
    fits = [
        Hawkes(components=1).fit(History(START, counts, posts=posts))
        for posts in (history.posts, history.posts[~hole])
    ]
    assert fits[0].kernel.ratios == pytest.approx(fits[1].kernel.ratios)
    assert diagnosed(fits[0]).values["posts"] == diagnosed(fits[1]).values["posts"]
    assert fits[0].kernel.ratios.sum() == pytest.approx(0.7, abs=0.1)


def test_unobserved_hours_before_the_origin_are_told(fitted: FittedHawkes, history: History) -> None:
    counts = history.counts.copy()
    counts[-5:] = np.nan
    broken = dataclasses.replace(fitted, history=History(START, counts, posts=history.posts))
    with pytest.warns(SimulationWarning, match="not observed bring none"):
        broken.simulate(history.origin, 24, 100, np.random.default_rng(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted.simulate(history.origin, 24, 100, np.random.default_rng(1))


def test_counts_alone_are_refused_in_words(history: History) -> None:
    with pytest.raises(ValueError, match="needs the times of the posts"):
        Hawkes().fit(History(START, history.counts))


def test_too_few_posts_are_refused_in_words() -> None:
    quiet = process(12, per_day=1.2)
    with pytest.raises(ValueError, match=r"only \d+ posts of the last 90 days"):
        Hawkes().fit(quiet)


def test_there_is_a_first_guess_for_as_many_components_as_can_be_asked_for() -> None:
    assert len(hawkes.FIRST_GUESSES) == MOST_COMPONENTS
