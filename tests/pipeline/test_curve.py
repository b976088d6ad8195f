"""Scores of origins are told as they come, all of them, and seldom."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from musktracker.pipeline.curve import Curve
from musktracker.runs import Run

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
