"""Brackets cover every total once, and their probabilities sum to 1, whatever was simulated."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musktracker.brackets import Bracket, parse
from musktracker.evaluation import scores
from musktracker.evaluation.brackets import probabilities, settled

totals = st.lists(st.integers(0, 5000), min_size=1, max_size=300)
lists = st.one_of(
    st.integers(1, 10_000).map(str),
    st.lists(st.integers(0, 3000), min_size=2, max_size=140, unique=True).map(
        lambda firsts: ",".join(map(str, sorted(firsts)))
    ),
)


def described(text: str) -> list[str]:
    return [str(bracket) for bracket in parse(text)]


def test_a_width_is_a_hundred_brackets_the_last_without_end() -> None:
    found = parse("20")
    assert (len(found), str(found[0]), str(found[1]), str(found[-1])) == (100, "0-19", "20-39", "1980+")


@pytest.mark.parametrize(
    ("text", "brackets"),
    [
        ("0,200,220", ["0-199", "200-219", "220+"]),
        ("200,220", ["0-199", "200-219", "220+"]),
        ("<200, 200-219, 220+", ["0-199", "200-219", "220+"]),
        ("200–219,220–239", ["0-199", "200-219", "220-239", "240+"]),
        ("0,1,2", ["0", "1", "2+"]),
        ("100+", ["0-99", "100+"]),
        ("0-499", ["0-499", "500+"]),
    ],
)
def test_a_list_names_first_counts_or_ranges(text: str, brackets: list[str]) -> None:
    assert described(text) == brackets


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no bracket"),
        ("0", "width"),
        ("20000", "width"),
        ("20,,40", "is no bracket"),
        ("a,b", "is no bracket"),
        ("-5,10", "is no bracket"),
        ("<0,10", "below 0"),
        ("<100-200,300", "is no bracket"),
        ("40,20", "ascend"),
        ("20,20", "ascend"),
        ("0-19,21-39", "gap or an overlap"),
        ("0-20,20-39", "gap or an overlap"),
        ("30-20,40", "ends before it begins"),
        ("20+,40", "only the last"),
        (",".join(map(str, range(1001))), "more than 1000"),
    ],
)
def test_what_is_no_list_of_brackets_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(text)


@given(lists, st.integers(0, 20_000))
def test_every_total_is_in_exactly_one_bracket(text: str, total: int) -> None:
    brackets = parse(text)
    assert settled(brackets, total).sum() == 1
    assert brackets[0].lower == 0
    assert brackets[-1].upper is None
    assert all(before.upper == after.lower - 1 for before, after in pairwise(brackets))


@given(lists, totals, st.integers(0, 4000))
def test_probabilities_sum_to_one_and_only_passed_brackets_have_none(text: str, rest: list[int], count: int) -> None:
    brackets = parse(text)
    found = probabilities(np.array(rest, dtype=float) + count, brackets, count)
    assert found.sum() == pytest.approx(1, abs=1e-12)
    assert [p > 0 for p in found] == [not bracket.passed(count) for bracket in brackets]


@given(lists, totals, st.integers(0, 4000))
def test_the_order_of_the_paths_changes_nothing(text: str, rest: list[int], count: int) -> None:
    brackets, values = parse(text), np.array(rest, dtype=float) + count
    shuffled = np.random.default_rng(1).permutation(values)
    assert (probabilities(values, brackets, count) == probabilities(shuffled, brackets, count)).all()


def test_before_the_start_they_are_those_that_the_backtest_scores() -> None:
    simulated = np.random.default_rng(1).negative_binomial(9, 0.017, 2000).astype(float)
    assert probabilities(simulated, parse("20")) == pytest.approx(scores.bracket_probabilities(simulated), abs=2e-4)


def test_with_nothing_more_to_expect_the_bracket_of_the_count_has_all_but_the_uniform_share() -> None:
    found = probabilities(np.full(500, 39.0), parse("20"), 39)
    assert found[1] == pytest.approx(0.99 + 0.01 / 99)


def test_what_lies_below_the_count_is_reflected_and_not_lost() -> None:
    rest = np.random.default_rng(1).poisson(2, 5000).astype(float)
    found = probabilities(39 + rest, parse("20"), 39)
    assert found[1] == pytest.approx(np.exp(-2), abs=0.06)
    assert found[0] == 0


def test_a_bracket_is_passed_once_the_count_exceeds_it() -> None:
    bracket = Bracket(20, 39)
    assert [bracket.passed(count) for count in (19, 39, 40)] == [False, False, True]
    assert [bracket.holds(count) for count in (19, 20, 39, 40)] == [False, True, True, False]
    assert not Bracket(20, None).passed(10**9)
