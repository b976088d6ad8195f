"""The follower is kept alive, but never against an operator's will, nor beside another run that fetches."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from musktracker.pipeline.attempts import Attempt
from musktracker.pipeline.upkeep import decide
from musktracker.timeline import HOUR

BEGUN = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOW = BEGUN + 3 * HOUR
MINUTE = timedelta(minutes=1)
FOLLOWER = Attempt(7, "ingest", "running", {"follow": True}, BEGUN, BEGUN, None, NOW, None, "ingest")


def failed(ago: timedelta, lived: timedelta = MINUTE, number: int = 7) -> Attempt:
    begun = NOW - ago - lived
    return Attempt(number, "ingest", "failed", {"follow": True}, begun, begun, NOW - ago, NOW - ago, None)


def test_without_a_follower_one_is_started() -> None:
    assert decide([], NOW, BEGUN).start


def test_a_living_follower_is_left_alone_whoever_started_it() -> None:
    decision = decide([FOLLOWER], NOW, BEGUN)
    assert (decision.start, decision.following, decision.run_id) == (False, True, 7)


def test_while_another_run_fetches_no_follower_is_started() -> None:
    demo = replace(FOLLOWER, kind="demo", parameters={}, lease="ingest backfill reconcile import")
    decision = decide([demo], NOW, BEGUN)
    assert (decision.start, decision.following) == (False, False)
    assert "run 7 (demo) has to end" in decision.words


def test_a_lost_follower_is_replaced() -> None:
    assert decide([replace(FOLLOWER, heartbeat_at=NOW - HOUR)], NOW, BEGUN).start


def test_one_that_failed_is_started_again_later_each_time() -> None:
    assert not decide([failed(timedelta(seconds=5))], NOW, BEGUN).start
    assert decide([failed(timedelta(seconds=16))], NOW, BEGUN).start
    many = [failed(k * 2 * MINUTE, number=20 - k) for k in range(1, 8)]
    assert not decide(many, NOW, BEGUN).start
    assert "the next one begins at" in decide(many, NOW, BEGUN).words
    assert decide(many, NOW + 15 * MINUTE, BEGUN).start


def test_one_that_had_worked_for_long_is_started_again_soon() -> None:
    worked = failed(timedelta(seconds=16), lived=5 * HOUR)
    assert decide([worked, *(failed(6 * HOUR, number=k) for k in (6, 5, 4))], NOW, BEGUN).start


def test_one_that_somebody_called_off_is_not_started_again_and_it_says_so() -> None:
    called_off = replace(FOLLOWER, status="cancelled", finished_at=NOW, cancel_requested_at=NOW, lease=None)
    decision = decide([called_off], NOW + HOUR, BEGUN)
    assert (decision.start, decision.called_off) == (False, True)
    assert "run 7 was called off" in decision.words


def test_a_new_service_does_not_hold_to_what_was_called_off_before() -> None:
    called_off = replace(FOLLOWER, status="cancelled", finished_at=NOW, cancel_requested_at=NOW, lease=None)
    assert decide([called_off], NOW + HOUR, NOW + MINUTE).start


def test_one_that_a_signal_ended_is_started_again() -> None:
    ended = replace(FOLLOWER, status="cancelled", finished_at=NOW - MINUTE, lease=None)
    assert decide([ended], NOW, BEGUN).start


def test_one_that_a_signal_ended_before_the_service_began_holds_up_nothing() -> None:
    ended = BEGUN - timedelta(seconds=2)
    decision = decide([replace(FOLLOWER, status="cancelled", finished_at=ended, lease=None)], BEGUN, BEGUN)
    assert decision.start
    assert "failed" not in decision.words


def test_a_single_poll_is_no_follower() -> None:
    polled = replace(FOLLOWER, status="failed", parameters={}, finished_at=NOW, lease=None)
    assert decide([polled], NOW, BEGUN).start
