"""Features are what their definitions say, use nothing from their reference on, and a part equals the whole."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musktracker.models.base import Events, History
from musktracker.models.feature_names import FEATURES, HISTORY_FEATURES, LAGS
from musktracker.models.features import (
    MICROSECONDS,
    Features,
    calendar,
    compute,
    event_columns,
    events_known_at,
)
from musktracker.timeline import from_hour_index, hour_index

START = hour_index(datetime(2024, 2, 27, 5, tzinfo=UTC))
OBSERVED = st.lists(st.integers(0, 30), min_size=1, max_size=400)
GAPPY = st.lists(st.one_of(st.integers(0, 30), st.none()), min_size=1, max_size=400)
FAST = settings(max_examples=40)


def array(counts: Sequence[int | None]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([np.nan if count is None else count for count in counts], dtype=float)


def events(*spans: tuple[float, float, float], known: int = 0) -> Events:
    """Events from (start, end, intensity), start and end in hours after START."""
    start, end, intensity = (list(column) for column in zip(*spans, strict=True)) if spans else ([], [], [])
    return Events(
        np.array([round((START + hour) * MICROSECONDS) for hour in start], dtype=np.int64),
        np.array([round((START + hour) * MICROSECONDS) for hour in end], dtype=np.int64),
        np.array(intensity, dtype=float),
        np.full(len(spans), known, dtype=np.int64),
        np.zeros(len(spans), dtype=np.int64),
        ("",),
    )


def same(left: Features, right: Features, names: Sequence[str] = FEATURES) -> bool:
    return all(np.array_equal(left.column(n), right.column(n), equal_nan=n in HISTORY_FEATURES) for n in names)


def defined(counts: Sequence[int | None], position: int) -> dict[str, float]:
    """The history features at a position, straight from their definitions."""

    def hour(back: int) -> int | None:
        index = position - back
        return counts[index] if 0 <= index < len(counts) else None

    found: dict[str, float] = {}
    for name, lag in LAGS.items():
        value = hour(lag)
        found[name] = math.nan if value is None else value
    for suffix, width in (("24h", 24), ("7d", 168)):
        window = [hour(back) for back in range(1, width + 1)]
        known = [value for value in window if value is not None]
        whole = len(known) == width
        found[f"rolling_mean_{suffix}"] = statistics.fmean(known) if whole else math.nan
        found[f"rolling_std_{suffix}"] = statistics.stdev(known) if whole else math.nan
    return found


@FAST
@given(GAPPY | OBSERVED, st.data())
def test_lags_and_rolling_statistics_follow_their_definitions(counts: list[int | None], data: st.DataObject) -> None:
    position = data.draw(st.integers(-5, len(counts) + 200))
    computed = compute(START, array(counts), Events.none(), np.array([START + position]))
    for name, value in defined(counts, position).items():
        assert computed.column(name)[0] == pytest.approx(value, rel=1e-12, nan_ok=True), name


@FAST
@given(OBSERVED, st.integers(0, 399), st.lists(st.one_of(st.integers(0, 99), st.none()), max_size=400))
def test_nothing_at_or_after_a_reference_changes_its_features(
    counts: list[int], cut: int, later: list[int | None]
) -> None:
    cut = min(cut, len(counts))
    references = slice(START, START + cut + 1)
    before = compute(START, array(counts), Events.none(), references)
    after = compute(START, array([*counts[:cut], *later]), Events.none(), references)
    assert same(before, after)


@FAST
@given(GAPPY, st.data())
def test_a_few_references_equal_the_same_of_all_bit_for_bit(counts: list[int | None], data: st.DataObject) -> None:
    chosen = np.array(data.draw(st.lists(st.integers(0, len(counts)), max_size=5)), dtype=np.int64)
    outside = events((3.5, 40, 0.5), (100, 100, 0.9), (-30, 2, 0.1))
    part = compute(START, array(counts), outside, START + chosen)
    whole = compute(START, array(counts), outside, slice(START, START + len(counts) + 1))
    for name in FEATURES:
        assert np.array_equal(part.column(name), whole.column(name)[chosen], equal_nan=name in HISTORY_FEATURES)


def test_a_longer_history_changes_no_known_feature_bit_for_bit() -> None:
    counts = np.random.default_rng(1).poisson(7, 3000).astype(float)
    references = slice(START + 2900, START + 3001)
    assert same(
        compute(START, counts, Events.none(), references),
        compute(START + 2700, counts[2700:], Events.none(), references),
    )


def test_features_before_the_history_are_unknown_and_not_zero() -> None:
    computed = compute(START, np.ones(200), Events.none(), slice(START, START + 201))
    for name, needed in {**LAGS, "rolling_mean_24h": 24, "rolling_std_24h": 24, "rolling_std_7d": 168}.items():
        assert np.isnan(computed.column(name)).tolist() == [i < needed for i in range(201)], name


def test_an_unobserved_hour_makes_every_window_that_holds_it_unknown() -> None:
    counts = np.ones(400)
    counts[200] = np.nan
    computed = compute(START, counts, Events.none(), slice(START, START + 401))
    assert np.flatnonzero(np.isnan(computed.lag_6h[10:])).tolist() == [196]
    assert np.flatnonzero(np.isnan(computed.rolling_mean_24h[30:])).tolist() == list(range(171, 195))


def test_no_history_at_all_gives_unknown_features() -> None:
    computed = compute(START, np.empty(0), Events.none(), np.array([START]))
    assert all(np.isnan(computed.column(name)[0]) for name in HISTORY_FEATURES)
    assert (computed.event_intensity[0], computed.events_in_window[0]) == (0, 0)


def test_no_references_give_empty_features() -> None:
    computed = compute(START, np.ones(5), events((0, 1, 0.5)), np.empty(0, dtype=np.int64))
    assert {len(computed.column(name)) for name in FEATURES} == {0}


def test_each_path_has_the_features_of_its_own_counts() -> None:
    paths = np.random.default_rng(2).poisson(3, (4, 200)).astype(float)
    references = np.array([START + 170, START + 200])
    together = compute(START, paths, Events.none(), references)
    for i, path in enumerate(paths):
        alone = compute(START, path, Events.none(), references)
        for name in HISTORY_FEATURES:
            assert np.array_equal(together.column(name)[i], alone.column(name)), name


@FAST
@given(
    st.lists(
        st.tuples(st.integers(-60, 60), st.sampled_from([0, 0, 1, 15, 30, 60, 61, 1500, 3000]), st.floats(0, 1)),
        max_size=6,
    )
)
def test_events_count_where_they_overlap_the_24_hours_before(drawn: list[tuple[int, int, float]]) -> None:
    spans = [(start / 2, start / 2 + minutes / 60, intensity) for start, minutes, intensity in drawn]
    hours = np.arange(-60, 120)
    intensity, count = event_columns(START + hours, events(*spans))
    for hour, strongest, number in zip(hours.tolist(), intensity.tolist(), count.tolist(), strict=True):
        inside = [
            level
            for start, end, level in spans
            if start < hour and (end >= hour - 24 if start == end else round(end - (hour - 24), 9) > 0)
        ]
        assert (strongest, number) == (max(inside, default=0), len(inside)), hour


def test_references_need_no_order() -> None:
    some = events((0, 5, 0.5), (20, 30, 0.25))
    forward = event_columns(START + np.arange(50), some)
    backward = event_columns(START + np.arange(50)[::-1], some)
    assert [column[::-1].tolist() for column in backward] == [column.tolist() for column in forward]


def test_an_event_is_known_from_the_hour_that_begins_after_it_was_entered() -> None:
    entered = events((0, 5, 0.5), known=START * MICROSECONDS + 1)
    assert len(events_known_at(entered, START).start) == 0
    assert len(events_known_at(entered, START + 1).start) == 1


def test_a_history_cut_at_an_origin_knows_no_later_hour_and_no_later_event() -> None:
    entered = events((0, 5, 0.5), known=(START + 3) * MICROSECONDS)
    cut = History(START, np.arange(10.0), entered).until(START + 2)
    assert (cut.counts.tolist(), cut.origin, len(cut.events.start)) == ([0, 1], START + 2, 0)


@given(st.integers(0, 600_000))
def test_the_calendar_is_utc(hour: int) -> None:
    moment = from_hour_index(hour)
    hour_of_day, day_of_week, is_weekend = calendar(np.array([hour]))
    assert (hour_of_day[0], day_of_week[0], is_weekend[0]) == (moment.hour, moment.weekday(), moment.weekday() > 4)


def test_the_names_are_those_of_the_columns_in_their_order() -> None:
    assert tuple(field.name for field in fields(Features)) == FEATURES
