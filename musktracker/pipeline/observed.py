"""What a walk has observed when it ends, and what stays a hole: written down with the page that tells so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from musktracker.pipeline import ranges, store
from musktracker.pipeline.ranges import SOURCE, Range
from musktracker.timeline import Span

SETTLE = timedelta(seconds=30)  # before now, that no poll calls observed
UNREADABLE = "the X API gave posts that cannot be read"


class Moment(NamedTuple):
    """When something is written down, and up to when all posts have been made by then."""

    now: datetime
    settled: datetime

    @classmethod
    def of(cls, ours: datetime, theirs: datetime) -> Moment:
        """By both clocks: one that is fast must not make time observed."""
        return cls(ours, min(ours, theirs) - SETTLE)


def give_up(connection: Connection, left: Range, gaps: Sequence[Span], moment: Moment) -> Range:
    """Give up gaps of a range: each stays a hole, all above it is observed, and the range ends below it.

    The newest of a follower is not given up: it ends below it for now, and the next poll looks again.
    """
    for gap in gaps if left.purpose != "recheck" else ():
        ranges.close(connection, left)
        if is_newest(left, gap):
            left = left.ending(gap.start)
        else:
            above = Span(gap.end, min(left.span.end, moment.settled))
            store.cover(connection, SOURCE, [above], moment=moment.now)
            store.record_hole(connection, SOURCE, gap, UNREADABLE, moment.now)
            left = replace(left, span=Span(left.span.start, min(gap.start, left.span.end)))
        left = replace(left, id=None)
    return left


def finish(connection: Connection, done: Range, unseen: Span | None, reason: str, moment: Moment) -> None:
    """Nothing is left of a range: write down what it observed, and what of it could not be."""
    ranges.close(connection, done)
    if done.purpose == "recheck":
        return
    end = min(done.span.end, moment.settled)
    observed = Span(done.span.start if unseen is None else unseen.end, end)
    store.cover(connection, SOURCE, [observed], moment=moment.now)
    if unseen is not None:
        store.record_hole(connection, SOURCE, unseen, reason, moment.now)
    if done.purpose == "follow" and not ranges.any_left(connection, "follow"):
        ranges.raise_mark(connection, done.top, moment.now)


def is_newest(left: Range, gap: Span) -> bool:
    """Whether a follower has seen nothing yet above a gap: what lies there may be read when more has come."""
    return left.purpose == "follow" and gap.end >= left.span.end
