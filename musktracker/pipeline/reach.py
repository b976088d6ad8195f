"""How far back the endpoints of the X API reach, as far as is known, and which of them is asked for a range."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Engine, func, select

from musktracker.db.engines import reading
from musktracker.db.queries import coverage
from musktracker.db.tables import RawTweet
from musktracker.pipeline.account import Client
from musktracker.pipeline.ranges import Endpoint, Range
from musktracker.timeline import Span

REACH = 3_200  # posts of a timeline
SURELY_REACHED = 3_000  # stored posts from a range's end until now at which it may have been cut off
UNKNOWN_HOURS = 4  # above a range, of which too few posts are missing in that number to matter
RECENT = timedelta(days=7)
MARGIN = timedelta(minutes=2)  # by which a search of 7 days is asked for less


class Reach:
    """What walks have found out of one account's endpoints."""

    def __init__(self, engine: Engine, client: Client, *, escalate: bool) -> None:
        """With `escalate`, a search finds what a backfill asks of a timeline that does not reach that far."""
        self._engine = engine
        self._client = client
        self._escalate = escalate
        self._archive: bool | None = None  # whether the plan has the search of all posts; None: not tried
        self._timeline_ends: int | None = None  # the lowest id that the timeline was seen to reach

    @property
    def recent_start(self) -> datetime:
        """From when on the search of recent posts finds them."""
        return self._client.server_now() - RECENT + MARGIN

    def routed(self, left: Range) -> Range:
        """The same range by an endpoint that can reach it, as far as is known."""
        if not self._escalate:
            return left
        beyond = self._timeline_ends is not None and left.high < self._timeline_ends
        if left.endpoint == "timeline" and left.purpose != "follow" and beyond:
            left = replace(left, endpoint="all")
        if left.endpoint == "all" and self._archive is False:
            within = left.span.end > self.recent_start
            left = replace(left, endpoint="recent" if within else "timeline")
        return left

    def elsewhere(self, left: Range) -> Endpoint | None:
        """Where else a backfill finds what an endpoint does not reach."""
        if not self._escalate or left.purpose == "follow" or left.endpoint == "all":
            return None
        if self._archive is not False:
            return "all"
        return "recent" if left.endpoint == "timeline" and left.span.end > self.recent_start else None

    def without(self, endpoint: Endpoint) -> bool:
        """Hear that the plan has no such endpoint; returns whether a walk goes on by another."""
        if endpoint != "all" or not self._escalate:
            return False
        self._archive = False
        return True

    def ends(self, post_id: int) -> None:
        """Hear that the timeline ended at a post."""
        self._timeline_ends = min(post_id, self._timeline_ends or post_id)

    def is_doubtful(self, left: Range, came: int) -> bool:
        """Whether more posts may have been made since a range began than a timeline holds; `came` are not stored."""
        until_now = Span(left.span.end, self._client.server_now())
        missing = [] if left.purpose == "follow" else coverage.holes(self._engine, until_now)
        if sum(span.hours() for span in missing) > UNKNOWN_HOURS:
            return True
        newer = select(func.count()).select_from(RawTweet).where(RawTweet.created_at >= left.span.start)
        with reading(self._engine) as connection:  # after coverage: another run stores posts, then that they are all
            stored = connection.scalar(newer) or 0
        return stored + came >= SURELY_REACHED
