"""The simulator's rate limits: fixed windows that begin with their first request, and search/all's one a second."""

from __future__ import annotations

from datetime import datetime, timedelta

from musktracker.simulator.config import Config
from musktracker.timeline import EPOCH

ONE_A_SECOND = "tweets/search/all"


class RateLimits:
    """Counts the requests of each endpoint."""

    def __init__(self) -> None:
        self._windows: dict[str, tuple[datetime, int]] = {}
        self._last: dict[str, datetime] = {}

    def take(self, config: Config, endpoint: str, moment: datetime) -> tuple[bool, dict[str, str]]:
        """Count a request; whether it may be answered, and the headers of the answer."""
        limit = config.limit(endpoint)
        reset, used = self._windows.get(endpoint, (moment, 0))
        if moment >= reset:
            reset, used = _whole_second(moment + timedelta(seconds=config.window_seconds)), 0
        allowed = used < limit
        if allowed and endpoint == ONE_A_SECOND and config.limits != "none":
            last = self._last.get(endpoint)
            allowed = last is None or moment - last >= timedelta(seconds=1)
            self._last[endpoint] = moment
        self._windows[endpoint] = (reset, used + allowed)
        return allowed, headers(limit, limit - used - allowed, reset)


def headers(limit: int, remaining: int, reset: datetime) -> dict[str, str]:
    """How an answer tells of its window."""
    return {
        "x-rate-limit-limit": str(limit),
        "x-rate-limit-remaining": str(remaining),
        "x-rate-limit-reset": str((reset - EPOCH) // timedelta(seconds=1)),
    }


def _whole_second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0) + timedelta(seconds=1 if moment.microsecond else 0)
