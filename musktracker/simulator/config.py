"""What a simulator simulates: the account, the limits, the spelling of fields, and which faults come how often."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from musktracker.errors import UsageError

FAULTS = {
    "throttle": "429 with a reset in throttle_seconds",
    "throttle_second": "429 although requests remain in the window",
    "throttle_bare": "429 without any header",
    "server_error": "500, 502, 503 or 504 with an HTML page",
    "hang": "no answer for hang_seconds, then none at all",
    "drop": "the connection is reset",
    "truncate": "the connection ends in the middle of the body",
    "not_json": "200 with JSON that is cut short",
    "html": "200 with an HTML page",
    "partial": "some posts of a page are replaced by an error",
    "duplicate": "posts of a page come twice",
    "overlap": "a page begins with posts of the page before",
    "shuffle": "the posts of a page are in any order",
    "swap": "a page comes after the page that follows it",
    "empty": "a page without posts before the one that was asked for",
    "loop": "a page leads to itself",
    "subset": "recent posts (settle_seconds) are left out at random",
    "late": "of all posts, this share shows up to late_seconds late",
    "no_created_at": "posts come without their time",
    "stray": "a page holds the account's oldest post, out of its place",
    "short": "a page holds fewer posts than it says",
    "bad_entry": "a post of a page has no id",
    "cut": "a page has no token although others follow",
}
STREAM_FAULTS = {
    "stream_drop": "it is reset in place of an event or a sign of life",
    "stream_stall": "the stream says nothing more, without an end",
    "stream_malformed": "a line that is cut short comes before an event",
    "stream_repeat": "an event comes twice",
    "stream_swap": "an event comes after the one that follows it",
}
LIMITS = {
    "users/by/username/:username": 300,
    "users/:id/tweets": 10_000,
    "tweets/search/recent": 450,
    "tweets/search/all": 300,
    "tweets/counts/recent": 300,
    "tweets/counts/all": 300,
    "tweets": 3_500,
    "usage/tweets": 50,
    "activity/stream": 50,
    "activity/subscriptions": 500,
}
SPELLINGS = ("both", "tweet", "post", "mixed", "ignored")
UNLIMITED = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Faults:
    """Which faults come at which rate (0..1: of answers, of a stream's lines, for `late` of posts), by a seed."""

    seed: int = 0
    rates: dict[str, float] = field(default_factory=dict)
    throttle_seconds: float = 1.0
    hang_seconds: float = 30.0
    settle_seconds: float = 7_200.0
    late_seconds: float = 600.0
    date_skew: float = 0.0  # seconds that Date is ahead of the simulator's clock

    def checked(self) -> Faults:
        """The same. Raises UsageError for a fault or a rate that there is not."""
        for name, rate in self.rates.items():
            if name not in FAULTS | STREAM_FAULTS:
                raise UsageError(f"There is no fault {name!r}", f"Known: {', '.join(FAULTS | STREAM_FAULTS)}")
            if not 0 <= rate <= 1:
                raise UsageError(f"The rate of {name} must be from 0 to 1, not {rate}")
        return self


@dataclass(frozen=True, slots=True)
class Config:
    """A simulated world. Times are ISO 8601; seconds are of the simulator's clock.

    `posts` is how many the account has at the start, made up by `seed`; with `speed` more come, that many times
    faster than a real account's (0: none). `clock` is when a clock begins that stands still until it is advanced;
    without it the clock is this machine's. `limits`: real, none, or requests in a window by endpoint. `reach` is how
    many posts a timeline shows (None: all).
    """

    username: str = "simulated"
    user_id: int = 4_242
    token: str | None = None  # None: any token will do
    posts: int = 0
    seed: int = 1
    speed: float = 0.0
    clock: str | None = None
    limits: str | dict[str, int] = "real"
    window_seconds: float = 900.0
    reach: int | None = 3_200
    spelling: str = "both"
    usage_cap: int = 3_000_000
    usage_used: int = 0
    account: str = "ok"  # ok, suspended, protected, missing
    credits: bool = True
    allowed: bool = True  # whether the plan includes the endpoints
    streams: int = 1  # how many connections to the stream the plan includes; 0: not even one
    keep_alive_seconds: float = 20.0  # between a stream's signs of life, by this machine's clock
    faults: Faults = field(default_factory=Faults)

    def limit(self, endpoint: str) -> int:
        """Requests in a window of an endpoint."""
        if isinstance(self.limits, dict):
            return self.limits.get(endpoint, LIMITS[endpoint])
        return LIMITS[endpoint] if self.limits == "real" else UNLIMITED

    def changed(self, values: dict[str, Any]) -> Config:
        """With some values changed. Raises UsageError for a name or a value that there is not."""
        known = {entry.name for entry in fields(self)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise UsageError(f"The simulator has no setting {unknown[0]!r}", f"Known: {', '.join(sorted(known))}")
        faults = values.get("faults", {})
        if not isinstance(faults, Faults):
            try:
                faults = replace(self.faults, **faults)
            except TypeError as error:
                raise UsageError(f"The faults cannot be: {error}") from None
        config = replace(self, **{**values, "faults": faults.checked()})
        if config.spelling not in SPELLINGS:
            raise UsageError(f"There is no spelling {config.spelling!r}", f"Known: {', '.join(SPELLINGS)}")
        return config

    def as_json(self) -> dict[str, Any]:
        """As JSON values, which `changed` takes."""
        return asdict(self)
