"""Drift tests hold their level on accounts that only wander, and see a level or a day that changed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from musktracker.evaluation import drift
from musktracker.models import simulation
from musktracker.models.base import History
from musktracker.timeline import from_hour_index

Floats = NDArray[np.float64]
HOUR = 3_600_000_000
END = 24 * 20_089  # a midnight at the beginning of 2025
BEGIN = END - 24 * 1000
ET_HOURS = np.array([from_hour_index(hour).astimezone(simulation.HOME).hour for hour in range(BEGIN, END)])
PROFILE_HOURS = 30 * 168
ACCOUNTS = 30


@pytest.fixture(scope="module")
def accounts() -> list[Floats]:
    """Hourly counts of simulated accounts, whose level wanders but is the same in the long run."""
    return [simulated(seed) for seed in range(ACCOUNTS)]


@pytest.fixture(scope="module")
def steady() -> list[Floats]:
    """Accounts whose level wanders little."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "LEVEL_DEVIATION", 0.1)
        return [simulated(seed) for seed in range(ACCOUNTS)]


def simulated(seed: int) -> Floats:
    posts = simulation.simulate_account(BEGIN * HOUR, END * HOUR, seed)
    return np.bincount(posts.times // HOUR - BEGIN, minlength=END - BEGIN).astype(float)


def level(counts: Floats) -> drift.LevelDrift:
    found = drift.level(History(BEGIN, counts))
    assert found is not None
    return found


def profile(counts: Floats) -> drift.ProfileDrift:
    found = drift.profile(History(BEGIN, counts), ET_HOURS[: len(counts)][-PROFILE_HOURS:])
    assert found is not None
    return found


def months(accounts: list[Floats]) -> list[Floats]:
    """Every account as of the end of each of its last six spells of 28 days."""
    return [counts[: len(counts) - 28 * 24 * k] for counts in accounts for k in range(6)]


def changed(counts: Floats, days: int, change: Callable[[Floats], Floats]) -> Floats:
    return np.concatenate([counts[: -24 * days], change(counts[-24 * days :])])


def test_of_the_level_few_false_alarms_are_raised(accounts: list[Floats]) -> None:
    assert np.mean([level(counts).found for counts in months(accounts)]) <= drift.LEVEL_ALPHA


def test_of_the_profile_few_false_alarms_are_raised(accounts: list[Floats]) -> None:
    found = [profile(counts) for counts in months(accounts)]
    alarms = [one.found for one in found]
    assert np.mean(alarms) <= drift.PROFILE_ALPHA + 2 * (drift.PROFILE_ALPHA / len(alarms)) ** 0.5
    assert np.mean([one.p_value for one in found]) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("factor", "rose"), [(2, True), (0.5, False)])
def test_a_doubled_or_halved_level_of_a_steady_account_is_found(
    steady: list[Floats], factor: float, rose: bool
) -> None:
    rng = np.random.default_rng(1)

    def change(counts: Floats) -> Floats:
        return counts * 2 if rose else rng.binomial(counts.astype(int), factor).astype(float)

    found = [level(changed(counts, 14, change)) for counts in steady]
    alarms = [one for one in found if one.found]
    assert len(alarms) > 0.6 * len(found)
    assert np.mean([one.rose == rose for one in alarms]) > 0.95
    ages = [(one.until - one.since) / 24 for one in alarms if one.since is not None]
    assert np.median(ages) == pytest.approx(14, abs=2)
    ratios = [one.ratio for one in alarms if one.ratio is not None]
    assert np.median(ratios) == pytest.approx(factor, rel=0.15)


def test_a_doubled_level_of_a_wandering_account_is_found_more_often_than_chance_would(accounts: list[Floats]) -> None:
    found = [level(changed(counts, 14, lambda some: some * 2)).found for counts in accounts]
    assert np.mean(found) > 2 * drift.LEVEL_ALPHA


def test_a_day_lived_four_hours_later_is_found(accounts: list[Floats]) -> None:
    found = [profile(changed(counts, 28, lambda some: np.roll(some, 4))) for counts in accounts]
    assert np.mean([one.found for one in found]) > 0.9
    since = [(one.until - one.since) / 168 for one in found if one.since is not None]
    assert np.median(since) == 4


def test_a_level_that_fell_is_no_other_profile(accounts: list[Floats]) -> None:
    rng = np.random.default_rng(1)

    def halved(counts: Floats) -> Floats:
        return rng.binomial(counts.astype(int), 0.5).astype(float)

    found = [profile(changed(counts, 28, halved)).found for counts in accounts]
    assert np.mean(found) <= 0.05


def test_a_single_day_makes_no_level(steady: list[Floats]) -> None:
    found = [level(changed(counts, 1, lambda some: some * 20)).found for counts in steady]
    assert np.mean(found) <= 0.1


def test_the_level_of_the_last_days_is_set_against_what_was_expected(steady: list[Floats]) -> None:
    windows = level(changed(steady[0], 28, lambda some: some * 4)).windows
    assert [one.days for one in windows] == [7, 28]
    assert windows[1].observed == pytest.approx(4 * steady[0][-28 * 24 :].mean() * 24)
    assert windows[1].lower < windows[1].expected < windows[1].upper < windows[1].observed
    assert windows[1].outside
    assert not level(steady[0]).windows[1].outside


def test_unobserved_days_are_missing_and_not_quiet(steady: list[Floats]) -> None:
    def lost(counts: Floats) -> Floats:
        return np.where(np.arange(len(counts)) < 24 * 10, np.nan, counts)

    found = [level(changed(counts, 20, lost)) for counts in steady]
    assert np.mean([one.found for one in found]) <= 0.15
    assert not any(one.found and not one.rose for one in found[:10])


def test_a_verdict_is_that_of_the_last_midnight(steady: list[Floats]) -> None:
    counts = steady[0]
    assert level(counts[:-1]) == level(counts[:-24])
    assert level(counts[:-24]).until == END - 24


def test_too_little_known_gives_no_verdict(steady: list[Floats]) -> None:
    counts = steady[0]
    assert drift.level(History(0, np.empty(0))) is None
    assert drift.level(History(END - 24 * 90, counts[-24 * 90 :])) is None
    assert drift.profile(History(END - 24 * 90, counts[-24 * 90 :]), ET_HOURS[-PROFILE_HOURS:]) is None
    unseen = changed(counts, 25, lambda some: np.full(len(some), np.nan))
    assert drift.level(History(BEGIN, unseen)) is None
    assert drift.profile(History(BEGIN, unseen), ET_HOURS[-PROFILE_HOURS:]) is None


def test_cusum_adds_what_exceeds_the_allowance_and_skips_what_is_unknown() -> None:
    found = drift.cusum(np.array([1.25, np.nan, 0.5, -3.0, 1.25]))
    assert found.tolist() == [1.0, 1.0, 1.25, 0.0, 1.0]


def test_an_account_that_never_posts_has_no_alarm() -> None:
    silent = np.zeros(24 * 1000)
    assert not level(silent).found
    assert drift.profile(History(BEGIN, silent), ET_HOURS[-PROFILE_HOURS:]) is None
