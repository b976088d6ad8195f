"""The likelihood is its definition as a sum over all pairs, its gradient the slope, and holes hold nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from musktracker.models import excitation
from musktracker.models.excitation import Events, Kernel

ONE = Kernel(0.5, np.array([0.6]), np.array([5.0]))
THREE = Kernel(0.5, np.array([0.4, 0.2, 0.1]), np.array([20.0, 2.0, 0.05]))
WAYS = [False, True] if excitation._compiled() else [False]
HOURS = 40.0
Spans = list[tuple[float, float]]


def events(times: NDArray[np.float64], spans: Spans | None = None) -> Events:
    starts, ends = (np.array(column) for column in zip(*(spans or [(0.0, HOURS)]), strict=True))
    inside, gaps, left = excitation.stretches(times, starts, ends)
    kept = times[inside]
    return Events(kept, gaps, left, 1 + np.sin(kept) ** 2, 1.5 * float((ends - starts).sum()))


def by_pairs(kernel: Kernel, spans: Spans, some: Events) -> float:
    """The log-likelihood straight from its definition, each span a process of its own."""
    value = -kernel.base * some.exposure
    for start, end in spans:
        times = some.times[(some.times >= start) & (some.times < end)]
        for i, time in enumerate(times):
            before = time - times[:i]
            excited = sum(n * b * np.exp(-b * before).sum() for n, b in zip(kernel.ratios, kernel.rates, strict=True))
            value += np.log(kernel.base * (1 + np.sin(time) ** 2) + excited)
            value -= sum(n * -np.expm1(-b * (end - time)) for n, b in zip(kernel.ratios, kernel.rates, strict=True))
    return float(value)


@pytest.mark.parametrize("compiled", WAYS)
@pytest.mark.parametrize("kernel", [ONE, THREE])
@settings(max_examples=30)
@given(st.lists(st.floats(0, HOURS, exclude_max=True), min_size=1, max_size=120, unique=True))
def test_the_likelihood_is_its_definition(kernel: Kernel, compiled: bool, drawn: list[float]) -> None:
    some = events(np.sort(drawn))
    value, _ = excitation.log_likelihood(kernel, some, compiled=compiled)
    assert value == pytest.approx(by_pairs(kernel, [(0.0, HOURS)], some), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("compiled", WAYS)
def test_stretches_are_processes_of_their_own(compiled: bool) -> None:
    spans = [(0.0, 9.5), (12.0, 30.0), (31.0, HOURS)]
    some = events(np.sort(np.random.default_rng(1).uniform(0, HOURS, 400)), spans)
    value, _ = excitation.log_likelihood(THREE, some, compiled=compiled)
    assert value == pytest.approx(by_pairs(THREE, spans, some), rel=1e-10)


@pytest.mark.parametrize("compiled", WAYS)
@pytest.mark.parametrize("kernel", [ONE, THREE])
def test_the_gradient_is_the_slope(kernel: Kernel, compiled: bool) -> None:
    some = events(np.sort(np.random.default_rng(1).uniform(0, HOURS, 500)), [(0.0, 20.0), (25.0, HOURS)])
    k = len(kernel.ratios)
    at = np.concatenate([[kernel.base], kernel.ratios, kernel.rates])
    _, gradient = excitation.log_likelihood(kernel, some, compiled=compiled)
    for i, found in enumerate(gradient):
        step = np.zeros(len(at))
        step[i] = 1e-5 * at[i]
        values = [
            excitation.log_likelihood(Kernel(one[0], one[1 : k + 1], one[k + 1 :]), some, compiled=compiled)[0]
            for one in (at + step, at - step)
        ]
        assert found == pytest.approx((values[0] - values[1]) / (2 * step[i]), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 1000, 4099])
def test_the_recursion_of_any_length_is_the_plain_one(n: int) -> None:
    times = np.sort(np.random.default_rng(n).uniform(0, n / 3, n))
    sums, moments = excitation.recursion(np.diff(times, prepend=times[0] - excitation.FAR), THREE.rates)
    total, moment = np.zeros(3), np.zeros(3)
    for i in range(1, n):
        gap = times[i] - times[i - 1]
        decay = np.exp(-THREE.rates * gap)
        total, moment = decay * (total + 1), decay * (moment + gap * (total + 1))
        if i in (1, n // 2, n - 1):
            assert sums[:, i] == pytest.approx(total, rel=1e-9)
            assert moments[:, i] == pytest.approx(moment, rel=1e-7)


def test_residuals_are_the_compensators_differences() -> None:
    some = events(np.sort(np.random.default_rng(1).uniform(0, HOURS, 200)), [(0.0, 15.0), (20.0, HOURS)])
    cumulative = 1.5 * some.times - np.sin(2 * some.times) / 4
    found = excitation.residuals(THREE, some, cumulative)

    def compensator(time: float, start: float) -> float:
        before = some.times[(some.times >= start) & (some.times < time)]
        ours = 1.5 * time - np.sin(2 * time) / 4
        excited = sum(
            n * -np.expm1(-b * (time - before)).sum() for n, b in zip(THREE.ratios, THREE.rates, strict=True)
        )
        return float(THREE.base * ours + excited)

    expected = []
    for start, end in ((0.0, 15.0), (20.0, HOURS)):
        inside = some.times[(some.times >= start) & (some.times < end)]
        expected += np.diff([compensator(time, start) for time in inside]).tolist()
    assert found == pytest.approx(expected)
