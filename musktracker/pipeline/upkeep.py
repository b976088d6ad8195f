"""Upkeep of the follower: whether the service is to start one, wait, or let it be. Past runs in, decision out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from musktracker.pipeline.attempts import Attempt
from musktracker.pipeline.schedule import backoff
from musktracker.timeline import utc_text

KINDS = ("ingest", "demo")  # what holds the lease of ingestion
LEASE = "ingest"
FIRST_DELAY = timedelta(seconds=15)
LONGEST_DELAY = timedelta(minutes=15)
SETTLED = timedelta(minutes=10)  # a follower that lived longer had worked: its end begins a new count of failures


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to start a follower; the run that is in the way or at it; and how it stands, in words."""

    start: bool
    words: str
    run_id: int | None = None
    following: bool = False
    called_off: bool = False


def decide(past: Sequence[Attempt], moment: datetime, begun: datetime) -> Decision:
    """What to do about the follower, from the newest runs of KINDS, the last asked for first.

    `begun` is when the service began. A follower that somebody called off since then stays so until somebody starts
    one, or the service anew; one that failed is started again, each time later. What a signal ended before the
    service began, Ctrl+C or the end of the service before it, is no failure.
    """
    holder = next((one for one in past if one.holds(LEASE) and one.going(moment)), None)
    if holder is not None and follows(holder):
        return Decision(False, f"run {holder.id} follows the account", holder.id, following=True)
    if holder is not None:
        return Decision(False, f"run {holder.id} ({holder.kind}) has to end before a follower can begin", holder.id)
    followers = [one for one in past if follows(one)]
    if followers and followers[0].called_off(begun):
        text = f"run {followers[0].id} was called off: nobody follows until musktracker ingest --follow is started"
        return Decision(False, text, followers[0].id, called_off=True)
    failures = _failures(followers, moment, begun)
    if not failures:
        return Decision(True, "nobody follows yet")
    until = followers[0].ended + backoff(failures, LONGEST_DELAY, followers[0].id, FIRST_DELAY)
    words = f"the follower failed, as run {followers[0].id}; the next one begins at {utc_text(until, seconds=True)}"
    return Decision(moment >= until, words, followers[0].id)


def follows(attempt: Attempt) -> bool:
    """Whether a run is a follower's."""
    return attempt.kind == "ingest" and bool(attempt.parameters.get("follow"))


def _failures(followers: Sequence[Attempt], moment: datetime, begun: datetime) -> int:
    """How many of the newest followers failed in a row, each soon after the one before."""
    failures = 0
    for one in followers:
        if not one.failed(moment) or (one.status == "cancelled" and one.ended < begun):
            break
        failures += 1
        if one.ended - one.begun >= SETTLED:
            break
    return failures
