"""Scores of origins and steps of a fit are told as they come, all of them, and seldom."""

from __future__ import annotations

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from musktracker.pipeline.curve import Ascent, Curve
from musktracker.reporting import Run

MODELS = ("hawkes", "pool")


@given(
    st.lists(
        st.tuples(st.sampled_from(MODELS), st.none() | st.floats(0, 1e6), st.floats(0, 3)),
        max_size=40,
    )
)
def test_every_point_is_told_once_and_no_two_lines_of_a_model_within_a_second(
    scored: list[tuple[str, float | None, float]],
) -> None:
    run, moment = Run(), [0.0]
    told_at: dict[str, list[float]] = {model: [] for model in MODELS}
    curve = Curve(run, "total_168", dict.fromkeys(MODELS, 40), seconds=1.0, clock=lambda: moment[0])
    for origin, (model, value, later) in enumerate(scored):
        moment[0] += later
        before = len(run.lines)
        curve.add(model, origin, value)
        for line in run.lines[before:]:
            told_at[line.fields["model"]].append(moment[0])
    curve.tell()
    points = [(line.fields["model"], value) for line in run.lines for _, value in line.fields["points"]]
    expected = [(model, value if value is None else round(value, 4)) for model, value, _ in scored]
    assert sorted(points, key=repr) == sorted(expected, key=repr)
    for times in told_at.values():
        assert all(b - a >= 1.0 for a, b in itertools.pairwise(times))


def test_a_line_says_which_score_it_is_and_how_many_origins_there_are() -> None:
    run = Run()
    curve = Curve(run, "total_168", {"hawkes": 3}, seconds=0.0, clock=lambda: 0.0)
    curve.add("hawkes", 500_000, float("nan"))
    [line] = run.lines
    assert line.message == "hawkes: 1 of 3 origins"
    assert line.fields == {
        "model": "hawkes",
        "score": "total_168",
        "of": 3,
        "points": [("2027-01-15T08:00:00Z", None)],
    }


@given(st.lists(st.tuples(st.integers(1, 2), st.floats(), st.floats(0, 0.3)), max_size=40))
def test_every_step_is_told_once_and_at_most_ten_times_a_second(taken: list[tuple[int, float, float]]) -> None:
    run, moment, told_at = Run(), [0.0], [0.0]
    ascent = Ascent(run, "hawkes", clock=lambda: moment[0])
    for step, (search, value, later) in enumerate(taken, 1):
        moment[0] += later
        before = len(run.lines)
        ascent.add(search, step, value)
        told_at += [moment[0]] if len(run.lines) > before else []
    ascent.tell()
    points = [(line.fields["search"], *point) for line in run.lines for point in line.fields["points"]]
    assert sorted((search, step) for search, step, _ in points) == sorted(
        (search, step) for step, (search, _, _) in enumerate(taken, 1)
    )
    assert all(value is None or math.isfinite(value) for _, _, value in points)
    assert all(b - a >= 0.1 for a, b in itertools.pairwise(told_at))


def test_a_line_says_what_the_fit_has_reached() -> None:
    run = Run()
    ascent = Ascent(run, "hawkes", clock=lambda: 0.0)
    ascent.add(1, 1, -1500.25)
    ascent.add(1, 2, -1400.0)
    ascent.tell()
    [line] = run.lines
    assert line.message == "hawkes: log-likelihood -1,400.00 after 2 steps of search 1"
    assert line.fields == {
        "model": "hawkes",
        "score": "log_likelihood",
        "search": 1,
        "points": [(1, -1500.25), (2, -1400.0)],
    }
