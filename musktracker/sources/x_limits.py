"""The X API's rate limits as its answers tell them, and the difference between its clock and this machine's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from musktracker.timeline import EPOCH

MARGIN = timedelta(seconds=1)  # resets and dates are whole seconds
LARGEST = 2**31 - 1  # requests or posts: what the database holds
LATEST = 2**36  # seconds since the epoch: long before no wait can be added to it
FARTHEST = timedelta(days=30)  # that a clock is off; a Date that says more is what is wrong
BURST = 0.5  # the share of a window's requests that may be spent at once; the rest is spread until the reset
ZERO = timedelta()


@dataclass(frozen=True, slots=True)
class RateLimit:
    """An endpoint's window as last heard: requests in it, requests left, when it starts anew (the API's clock)."""

    limit: int
    remaining: int
    reset: datetime

    def earliest(self, last: datetime) -> datetime:
        """When the next request may go out (the API's clock), if the last one went out at `last`.

        Half of a window may be spent at once; from there on what is left is spread evenly over what remains of it.
        """
        if self.remaining <= 0:
            return self.reset + MARGIN
        if self.remaining >= self.limit * (1 - BURST) or self.reset <= last:
            return last
        return last + (self.reset - last) / (self.remaining + 1)


def read_limit(headers: Mapping[str, str]) -> RateLimit | None:
    """The window that an answer's headers tell of, or None."""
    try:
        limit, remaining, reset = (int(headers[f"x-rate-limit-{name}"]) for name in ("limit", "remaining", "reset"))
    except (KeyError, ValueError):
        return None
    if max(abs(limit), abs(remaining)) > LARGEST or abs(reset) > LATEST:
        return None
    return RateLimit(limit, remaining, EPOCH + timedelta(seconds=reset))


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header, or None."""
    text = headers.get("retry-after", "")
    return float(text) if text.isdecimal() and len(text) < 9 else None


def read_skew(headers: Mapping[str, str], sent: datetime, received: datetime) -> timedelta | None:
    """How far the API's clock is ahead of this machine's, by the Date of an answer; zero where that cannot tell.

    None where there is no Date, or one that is off by more than FARTHEST. A Date is of whole seconds, and of a moment
    between `sent` and `received`.
    """
    try:
        date = parsedate_to_datetime(headers.get("date", ""))
        ahead, behind = date - received, sent - date - MARGIN
    except (ValueError, TypeError, OverflowError):
        return None
    if max(ahead, behind) > FARTHEST:
        return None
    if ahead > MARGIN:
        return ahead
    return -behind if behind > MARGIN else ZERO
