"""Chances of brackets that a forecast was not asked for, and of those that a count has left possible."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musktracker.brackets import Bracket, parse
from musktracker.chances import Chances
from musktracker.db.queries.window_scores import MIDPOINTS
from musktracker.evaluation.brackets import probabilities

FLOOR = 230
TOTALS = FLOOR + np.random.default_rng(5).negative_binomial(9, 9 / (9 + 280), 20_000).astype(float)


@pytest.fixture
def made() -> Chances:
    """A forecast in brackets of 20, as it is stored."""
    return forecast("20")


def forecast(text: str) -> Chances:
    brackets = parse(text)
    quantiles = list(zip(MIDPOINTS, np.quantile(TOTALS, MIDPOINTS).tolist(), strict=True))
    return Chances(brackets, probabilities(TOTALS, brackets, FLOOR).tolist(), quantiles, FLOOR)


def test_its_own_brackets_have_the_chances_that_were_forecast(made: Chances) -> None:
    brackets = parse("20")
    assert made.exact(brackets)
    assert made.of(brackets) == pytest.approx(probabilities(TOTALS, brackets, FLOOR).tolist())


def test_wider_brackets_have_the_sums_of_those_they_hold(made: Chances) -> None:
    narrow, wide = made.of(parse("20")), made.of(parse("<400,400-499,500+"))
    assert narrow is not None
    assert made.exact(parse("<400,400-499,500+"))
    assert wide == pytest.approx([sum(narrow[:20]), sum(narrow[20:25]), sum(narrow[25:])])


@pytest.mark.parametrize("text", ["<400,400-449,450-499,500-549,550+", "25", "30", "7"])
def test_other_brackets_have_about_the_chances_that_a_forecast_of_them_gives(made: Chances, text: str) -> None:
    brackets = parse(text)
    assert made.of(brackets) == pytest.approx(probabilities(TOTALS, brackets, FLOOR).tolist(), abs=0.01)


@pytest.mark.parametrize("count", [FLOOR, 441, 460, 700])
def test_what_a_count_left_possible_has_the_chances_of_the_totals_that_reach_it(made: Chances, count: int) -> None:
    left = [int(total) for total in TOTALS if total >= count]
    came = [float(np.mean([one.holds(total) for total in left])) for one in parse("20")]
    assert made.of(parse("20"), count) == pytest.approx(came, abs=0.04)


def test_a_count_that_hardly_could_be_leaves_no_chances(made: Chances) -> None:
    assert made.of(parse("20"), int(TOTALS.max()) + 1) is None


@pytest.mark.parametrize(
    "made", [lambda: Chances((), (), [(0.25, 300.0), (0.5, 400.0), (0.75, 500.0)], 200), lambda: forecast("100,150")]
)
def test_a_forecast_that_says_little_still_gives_each_total_to_one_bracket(made: Callable[[], Chances]) -> None:
    found = made().of(parse("20"), 310)
    assert found is not None
    assert sum(found) == pytest.approx(1)


def test_brackets_without_quantiles_are_spread_evenly() -> None:
    made = Chances([Bracket(0, 9), Bracket(10, None)], [0.5, 0.5], [], 0)
    assert made.of([Bracket(0, 4), Bracket(5, 9), Bracket(10, None)]) == [0.25, 0.25, 0.5]


@given(
    st.lists(st.integers(0, 900), min_size=1, max_size=60),
    st.integers(1, 90),
    st.integers(1, 90),
    st.integers(0, 900),
)
def test_whatever_was_forecast_chances_are_none_below_zero_and_sum_to_one(
    totals: list[int], stored: int, asked: int, at_least: int
) -> None:
    floor, drawn, own = min(totals), np.array(totals, dtype=float), parse(str(stored))
    quantiles = list(zip(MIDPOINTS, np.quantile(drawn, MIDPOINTS).tolist(), strict=True))
    made = Chances(own, probabilities(drawn, own, floor).tolist(), quantiles, floor)
    found = made.of(parse(str(asked)), at_least)
    assert found is None or (min(found) >= 0 and sum(found) == pytest.approx(1))
    if found is not None:
        assert all(chance == 0 for one, chance in zip(parse(str(asked)), found, strict=True) if one.passed(at_least))
