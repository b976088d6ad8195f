"""The first hour follows what the last minutes say, by the exact times of posts where they are known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from musktracker.models.base import History
from musktracker.models.first_hour import REGRESSION_SHARE, FirstHour, States, fit_first_hour, splice

START = 480_000
HOUR = 3_600_000_000
FLAT = np.ones(24)


def bursts(days: int = 200, seed: int = 1) -> History:
    """Bursts of an hour and a half that begin at any minute: who sees the last minutes knows the next hour."""
    rng = np.random.default_rng(seed)
    size = 24 * days
    begins = np.sort(rng.uniform(0, size, rng.poisson(0.15 * size)))
    times = np.concatenate([rng.uniform(begin, begin + 1.5, rng.poisson(15)) for begin in begins])
    times = np.sort(times[times < size])
    counts = np.bincount(times.astype(int), minlength=size).astype(float)
    return History(START, counts, posts=np.round((START + times) * HOUR).astype(np.int64))


def states(history: History, origin: int | None = None, *, exact: bool = True) -> States:
    return States(history, history.origin if origin is None else origin, FLAT, exact=exact)


def drawn(
    first: FirstHour, history: History, origin: int, *, exact: bool = True
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray(first.draw(states(history, origin, exact=exact), 400, np.random.default_rng(2)))


def test_posts_in_the_last_minutes_announce_more() -> None:
    history = bursts()
    first = fit_first_hour(states(history))
    hours = np.arange(history.origin - 24 * 8, history.origin)
    assert history.posts is not None
    since = hours - (history.posts / HOUR)[np.searchsorted(history.posts, hours * HOUR) - 1]
    means = np.array([drawn(first, history, int(hour)).mean() for hour in hours])
    came = history.counts[hours - START]
    assert means[since < 0.05].mean() > 2 * means[since > 1].mean()
    assert np.corrcoef(means, came)[0, 1] > 0.4
    assert means.mean() == pytest.approx(came.mean(), rel=0.2)


def test_exact_times_say_more_than_counts_of_hours() -> None:
    history = bursts()
    hours = range(history.origin - 24 * 6, history.origin)
    came = np.array([history.counts[hour - START] for hour in hours])
    errors = []
    for exact in (True, False):
        first = fit_first_hour(states(history, exact=exact))
        means = np.array([drawn(first, history, hour, exact=exact).mean() for hour in hours])
        errors.append(np.abs(means - came).mean())
    assert errors[0] < 0.95 * errors[1]


def test_nothing_from_the_origin_on_is_used() -> None:
    history = bursts()
    origin = history.origin - 100
    first = fit_first_hour(states(history.until(origin), origin))
    assert np.array_equal(drawn(first, history, origin), drawn(first, history.until(origin), origin))


def test_a_hole_just_before_the_origin_is_refused_in_words() -> None:
    history = bursts()
    first = fit_first_hour(states(history))
    counts = history.counts.copy()
    counts[-4] = np.nan
    with pytest.raises(ValueError, match="8 hours before it were not all observed"):
        drawn(first, History(START, counts, posts=history.posts), history.origin)


def test_a_fit_to_exact_times_needs_them_to_forecast() -> None:
    history = bursts(60)
    with pytest.raises(ValueError, match="exact times of posts, which this history does not have"):
        states(History(START, history.counts))


def test_counts_follow_the_level() -> None:
    history = bursts()
    first = fit_first_hour(states(history))
    assert history.posts is not None
    doubled = History(START, history.counts * 2, posts=np.repeat(history.posts, 2))
    assert drawn(first, doubled, history.origin).mean() == pytest.approx(
        2 * drawn(first, history, history.origin).mean(), rel=0.25
    )


def test_spliced_draws_keep_the_ranks_of_the_paths() -> None:
    rng = np.random.default_rng(1)
    paths = rng.poisson(5, (300, 3)).astype(float)
    paths[:, 1] = paths[:, 0] * 10
    before = paths.copy()
    first = rng.poisson(50, 300).astype(float)
    splice(paths, first, rng)
    assert sorted(paths[:, 0]) == sorted(first)
    assert np.array_equal(paths[:, 1:], before[:, 1:])
    assert np.corrcoef(paths[:, 0], paths[:, 1])[0, 1] > 0.9


def test_too_few_hours_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="only 24 hours have a known level"):
        fit_first_hour(states(bursts(29)))


def test_a_share_of_the_draws_is_the_regressions() -> None:
    history = bursts()
    first = fit_first_hour(states(history))
    assert first.regression is not None
    past = states(history)
    plain = dataclasses.replace(first, regression=None).draw(past, 4000, np.random.default_rng(1))
    mean, _ = first.regression.mean_and_size(past.columns[-1], float(past.level[-1]))
    expected = (1 - REGRESSION_SHARE) * plain.mean() + REGRESSION_SHARE * mean
    assert first.draw(past, 4000, np.random.default_rng(1)).mean() == pytest.approx(expected, rel=0.03)


def test_a_fit_comes_back_from_its_arrays() -> None:
    history = bursts(100)
    first = fit_first_hour(states(history))
    again = FirstHour.restore(first.parameters())
    assert np.array_equal(drawn(first, history, history.origin), drawn(again, history, history.origin))


def test_a_fit_stored_before_there_was_a_regression_still_draws() -> None:
    history = bursts(100)
    first = fit_first_hour(states(history))
    stored = {name: value for name, value in first.parameters().items() if name not in ("first_slopes", "first_size")}
    assert drawn(FirstHour.restore(stored), history, history.origin).shape == (400,)


def test_draws_vary_less_than_independent_ones() -> None:
    history = bursts(100)
    first, past = fit_first_hour(states(history)), states(history)
    means = [first.draw(past, 200, np.random.default_rng(seed)).mean() for seed in range(40)]
    deviation = first.draw(past, 20_000, np.random.default_rng(0)).std()
    assert np.std(means) < 0.5 * deviation / np.sqrt(200)
