"""Each condition of an alert: when it is met, when it is not, and what it says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musktracker.pipeline.alert_conditions import (
    CONDITIONS,
    Ended,
    Finding,
    Snapshot,
    Total,
    WindowTotal,
    quantile,
)
from musktracker.timeline import DAY, HOUR, Span

NOW = datetime(2026, 3, 6, 15, 20, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MONTH = Span(NOW - 35 * DAY, NOW)
SPREAD = {0.025: -40, 0.25: -10, 0.5: 0, 0.75: 10, 0.975: 40}


def found(rule: str, snapshot: Snapshot, **parameters: float) -> list[Finding]:
    condition = CONDITIONS[rule]
    return condition.look(snapshot, {**condition.parameters, **parameters})


def total(mean: float, origin: datetime = NOW, **changes: Any) -> Total:
    quantiles = {p: mean + d for p, d in SPREAD.items()}
    return replace(Total("hawkes", origin, 168, "all", mean, quantiles), **changes)


STALE = Snapshot(NOW, NOW - DAY, (Span(NOW - 2 * DAY, NOW - 31 * MINUTE),))


def test_stale_data_are_told_once_nothing_was_observed_for_longer_than_that() -> None:
    [finding] = found("stale_data", STALE)
    assert (finding.severity, finding.key) == ("error", "data")
    assert "Nothing was observed for 31 min, since 03-06 14:49 UTC" in finding.message
    assert found("stale_data", STALE, minutes=31) == []


def test_where_nobody_is_to_follow_old_data_are_in_order() -> None:
    assert found("stale_data", replace(STALE, ingesting_since=None)) == []


def test_who_has_just_begun_to_follow_is_given_time() -> None:
    assert found("stale_data", replace(STALE, ingesting_since=NOW - 29 * MINUTE)) == []


def test_to_have_observed_nothing_at_all_is_stale_too() -> None:
    assert len(found("stale_data", replace(STALE, observed=()))) == 1
    assert found("stale_data", Snapshot(NOW, NOW - MINUTE)) == []


HOURS = {NOW.replace(minute=0) - k * HOUR: 5 + k % 5 for k in range(1, 28 * 24)}


def burst_snapshot(posts: int, **changes: Any) -> Snapshot:
    last = tuple(NOW - HOUR + k * timedelta(seconds=30) for k in range(posts))
    return replace(Snapshot(NOW, observed=(MONTH,), posts=last, hours=HOURS), **changes)


def test_more_than_the_quantile_of_the_hours_around_this_time_of_day_is_a_burst() -> None:
    [finding] = found("burst", burst_snapshot(10))
    assert finding.details["usual"] == 9
    assert finding.details["hours"] >= 80
    assert "10 posts in the hour to 03-06 15:20 UTC" in finding.message
    assert found("burst", burst_snapshot(9)) == []


def test_other_times_of_the_day_do_not_matter() -> None:
    nights = {start: count if 13 <= start.hour <= 17 else 99 for start, count in HOURS.items()}
    assert len(found("burst", burst_snapshot(10, hours=nights))) == 1


def test_few_posts_are_no_burst_however_quiet_it_is_otherwise() -> None:
    assert found("burst", burst_snapshot(9, hours=dict.fromkeys(HOURS, 0))) == []


def test_without_enough_to_learn_from_nothing_is_told() -> None:
    few = {start: count for start, count in HOURS.items() if start > NOW - 7 * DAY}
    assert found("burst", burst_snapshot(50, hours=few)) == []


def test_an_hour_that_was_not_observed_in_full_is_not_judged() -> None:
    assert found("burst", burst_snapshot(50, observed=(Span(NOW - 30 * MINUTE, NOW),))) == []


def silence_snapshot(silent: timedelta) -> Snapshot:
    """A post every 20 minutes, but for the six hours from midnight, then nothing."""
    last = NOW - silent
    times = [last - k * 20 * MINUTE for k in range(34 * 72)]
    posts = tuple(sorted(at for at in times if at.hour >= 6 or at == last))
    return Snapshot(NOW, observed=(MONTH,), posts=posts)


def test_longer_than_the_silences_that_began_around_this_time_is_told() -> None:
    [finding] = found("silence", silence_snapshot(90 * MINUTE))
    assert "Silent for 90 min, since 03-06 13:50 UTC: longer than 99% of the silences" in finding.message
    assert finding.details == {"since": "2026-03-06T13:50:00Z", "hours": 1.5, "usual_hours": 0.33}


def test_a_silence_has_a_least_length() -> None:
    assert found("silence", silence_snapshot(50 * MINUTE)) == []
    assert len(found("silence", silence_snapshot(50 * MINUTE), at_least_minutes=30)) == 1


def test_a_silence_as_every_night_is_none() -> None:
    night = datetime(2026, 3, 6, 4, tzinfo=UTC)
    posts = tuple(
        at - DAY for day in range(30, 0, -1) for at in [night + k * 20 * MINUTE - day * DAY for k in range(6, 60)]
    )
    last = posts[-1]
    snapshot = Snapshot(last + 5 * HOUR, observed=(Span(last - 40 * DAY, last + 5 * HOUR),), posts=posts)
    assert found("silence", snapshot) == []
    assert (
        len(
            found(
                "silence",
                replace(snapshot, moment=last + 11 * HOUR, observed=(Span(last - 40 * DAY, last + 11 * HOUR),)),
            )
        )
        == 1
    )


def test_what_was_not_observed_is_no_silence() -> None:
    snapshot = silence_snapshot(5 * HOUR)
    hole = (Span(MONTH.start, NOW - 4 * HOUR), Span(NOW - 3 * HOUR, NOW))
    assert found("silence", replace(snapshot, observed=hole)) == []
    assert found("silence", replace(snapshot, posts=snapshot.posts[-20:])) == []


def test_a_forecast_that_moved_farther_than_half_the_interval_of_the_one_before_is_told() -> None:
    before = total(400, NOW - 6 * HOUR)
    [finding] = found("forecast_moved", Snapshot(NOW, totals=(total(411), total(405, NOW - HOUR), before)))
    assert "The forecast of next 168 h moved from 400 to 411 posts in 6.0 h (hawkes, all)" in finding.message
    assert found("forecast_moved", Snapshot(NOW, totals=(total(410), before))) == []


@pytest.mark.parametrize(
    "other",
    [
        {"horizon": 24},
        {"model": "pool"},
        {"counting": "without_replies"},
        {"origin": NOW - 13 * HOUR},
        {"origin": NOW - HOUR},
    ],
)
def test_forecasts_of_something_else_do_not_compare(other: dict[str, Any]) -> None:
    before = replace(total(100, NOW - 6 * HOUR), **other)
    assert found("forecast_moved", Snapshot(NOW, totals=(total(400), before))) == []


def test_windows_are_compared_with_themselves() -> None:
    span = Span(NOW - DAY, NOW + 6 * DAY)
    now, before = (window(mean, at, span) for mean, at in ((300, NOW), (250, NOW - 6 * HOUR)))
    [finding] = found("forecast_moved", Snapshot(NOW, windows=(now, before)))
    assert "fri-noon to 03-12 15:20 UTC moved from 250 to 300" in finding.message
    other = replace(before, span=Span(NOW - 8 * DAY, NOW - DAY))
    assert found("forecast_moved", Snapshot(NOW, windows=(now, other))) == []


def window(mean: float, at: datetime, span: Span, *probabilities: float) -> WindowTotal:
    shares = probabilities or (0.2, 0.3, 0.5)
    brackets = ((0, 19, shares[0]), (20, 39, shares[1]), (40, None, shares[2]))
    return WindowTotal(
        "hawkes", "fri-noon", at, span, "all", mean, {p: mean + d for p, d in SPREAD.items()}, brackets
    )


SPAN = Span(NOW - DAY, NOW + DAY)


def bracket_snapshot(posts: int, *windows: WindowTotal) -> Snapshot:
    times = tuple(SPAN.start + k * MINUTE for k in range(posts))
    return Snapshot(NOW, posts=times, windows=windows or (window(30, NOW, SPAN),))


def test_a_bracket_about_to_be_entered_is_told() -> None:
    [finding] = found("bracket", bracket_snapshot(17))
    assert "17 posts so far, 3 more take it from 0-19 to 20-39" in finding.message
    assert finding.key.endswith(": 20")
    [last] = found("bracket", bracket_snapshot(39))
    assert "1 more take it from 20-39 to 40+" in last.message


@pytest.mark.parametrize("posts", [16, 20, 36, 40, 50])
def test_in_the_middle_of_a_bracket_nothing_is_told(posts: int) -> None:
    assert found("bracket", bracket_snapshot(posts)) == []


def test_edges_of_brackets_that_are_not_likely_are_passed_without_a_word() -> None:
    unlikely = window(60, NOW, SPAN, 0.01, 0.02, 0.97)
    assert found("bracket", bracket_snapshot(19, unlikely)) == []


def test_only_the_window_that_goes_on_counts() -> None:
    assert found("bracket", bracket_snapshot(17, window(30, NOW, Span(NOW + HOUR, NOW + DAY)))) == []


def test_odds_that_cross_the_threshold_are_told_either_way() -> None:
    now = window(30, NOW, SPAN, 0.1, 0.55, 0.35)
    before = window(30, NOW - HOUR, SPAN, 0.1, 0.35, 0.55)
    findings = found("bracket", bracket_snapshot(5, now, before))
    assert [finding.key.partition(": ")[2] for finding in findings] == ["20-39 over 0.5", "40+ under 0.5"]
    assert "20-39 went from 35% to 55%" in findings[0].message
    assert found("bracket", bracket_snapshot(5, now, replace(now, made_at=NOW - HOUR))) == []
    assert found("bracket", bracket_snapshot(5, now, replace(before, model="pool"))) == []


def scored(inside: int, outside: int, apart: timedelta = DAY) -> Snapshot:
    actual = [400] * inside + [500] * outside
    origins = [NOW - (k + 2) * apart for k in range(len(actual))]
    made = (total(400, at, horizon=24, actual=a) for at, a in zip(origins, actual, strict=True))
    return Snapshot(NOW, scored=tuple(made))


def test_intervals_that_hold_too_seldom_are_told() -> None:
    [finding] = found("calibration", scored(25, 5))
    assert finding.message == "83% of the last 30 totals of 24 h were inside their 95% interval"
    assert found("calibration", scored(26, 4)) == []


def test_intervals_that_always_hold_are_told_where_that_is_out_of_range() -> None:
    assert found("calibration", scored(30, 0)) == []
    assert len(found("calibration", scored(30, 0), highest=0.99)) == 1


def test_only_the_last_totals_count() -> None:
    assert found("calibration", scored(30, 20)) == []


def test_totals_that_overlap_say_the_same_twice() -> None:
    assert found("calibration", scored(0, 100, apart=HOUR)) == []
    assert len(found("calibration", scored(0, 24 * 25, apart=HOUR))) == 1


def test_a_few_totals_are_not_enough() -> None:
    assert found("calibration", scored(0, 19)) == []


def test_the_last_of_its_kind_that_failed_is_told_until_one_succeeds() -> None:
    failed = Ended(7, "train hawkes", True, NOW - HOUR, "Too little history")
    [finding] = found("run_failed", Snapshot(NOW, ended=(failed,)))
    assert (finding.key, finding.severity) == ("train hawkes", "error")
    assert finding.message == "Run 7 (train hawkes) failed: Too little history"
    done = Ended(8, "train hawkes", False, NOW - MINUTE)
    assert found("run_failed", Snapshot(NOW, ended=(done, failed))) == []
    other = Ended(8, "train pool", False, NOW - MINUTE)
    assert len(found("run_failed", Snapshot(NOW, ended=(other, failed)))) == 1


def test_one_that_failed_since_the_last_look_is_told_even_where_another_succeeded() -> None:
    failed, done = Ended(7, "score", True, NOW - MINUTE, "Busy"), Ended(8, "score", False, NOW)
    assert len(found("run_failed", Snapshot(NOW, ended=(done, failed), looked_at=NOW - 2 * MINUTE))) == 1
    assert found("run_failed", Snapshot(NOW, ended=(done, failed), looked_at=NOW - MINUTE)) == []


def test_what_failed_long_ago_is_forgotten() -> None:
    assert found("run_failed", Snapshot(NOW, ended=(Ended(7, "score", True, NOW - 25 * HOUR),))) == []


def test_each_kind_of_failed_run_is_told_once() -> None:
    failed = tuple(Ended(9 - k, "score", True, NOW - k * MINUTE, "Busy") for k in range(5))
    assert [finding.details["run"] for finding in found("run_failed", Snapshot(NOW, ended=failed))] == [9]


@pytest.mark.parametrize("rule", CONDITIONS)
def test_of_an_empty_database_nothing_is_told(rule: str) -> None:
    assert found(rule, Snapshot(NOW)) == []


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.floats(0, 1))
def test_quantiles_are_those_of_numpy(values: list[float], probability: float) -> None:
    assert quantile(values, probability) == pytest.approx(float(np.quantile(values, probability)), rel=1e-9, abs=1e-6)
