"""The simulated API itself: a request in, a body out; its clock, its limits, its bill and its faults."""

from __future__ import annotations

import json
import random
import re
import zlib
from collections import Counter, deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from musktracker.simulator import answers
from musktracker.simulator.account import Account, made_at
from musktracker.simulator.activity import Activity
from musktracker.simulator.answers import Refused
from musktracker.simulator.config import STREAM_FAULTS, Config
from musktracker.simulator.limits import RateLimits
from musktracker.simulator.pages import Segment, Walk, fingerprint
from musktracker.simulator.parameters import FIRST_ARCHIVED, FIRST_TIME, Parameters, seconds
from musktracker.timeline import DAY, floor_day, floor_hour, iso, parse_time, snowflake_floor

LAST_ID = 1 << 63
EXCLUDED = {"replies": "reply", "retweets": "repost"}
REACH_WITHOUT_REPLIES = 800
RECENT = timedelta(days=7)
COUNTED_AT_ONCE = timedelta(days=31)
GRANULARITIES = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": DAY}
STREAM_LOSSES = ("stream_drop", "stream_stall")
PAGE_FAULTS = (
    "partial", "duplicate", "overlap", "shuffle", "swap", "empty", "loop", "subset", "no_created_at",
    "stray", "short", "bad_entry", "cut",
)  # fmt: skip
REQUEST_FAULTS = (
    "throttle", "throttle_second", "throttle_bare", "server_error", "hang", "drop", "truncate", "not_json", "html",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of the API, and what goes wrong with the page that answers it."""

    path: str
    endpoint: str
    names: dict[str, str]
    query: dict[str, str]
    faults: Collection[str]
    method: str = "GET"
    body: Any = None


def request(
    path: str, query: dict[str, str], faults: Collection[str], method: str = "GET", body: Any = None
) -> Request:
    """The request that a path and its query make. Raises Refused (404) for a path that there is not."""
    for pattern, endpoint, methods in _ADDRESSES:
        found = pattern.fullmatch(path)
        if found and method in methods:
            return Request(path, endpoint, found.groupdict(), query, faults, method, body)
    raise Refused(404, answers.plain(404, "Not Found"))


class World:
    """One simulated API. `scripted` are the faults of the next answers, one entry each, before chance decides."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.scripted: deque[Any] = deque()
        self.requests: Counter[str] = Counter()
        self.fired: Counter[str] = Counter()
        self.used = config.usage_used
        self.limits = RateLimits()
        self.clock = parse_time(config.clock) if config.clock else None
        self.account = Account(config.seed)
        self.account.begin(config.posts, config.seed, self.now(), config.speed)
        self.activity = Activity(self.account)
        self._dice = random.Random(config.faults.seed)  # noqa: S311 - a simulation, nothing secret
        self._billed: tuple[datetime | None, set[int]] = (None, set())
        self._rendered: dict[frozenset[str], dict[int, bytes]] = {}
        self._floor: tuple[int, int] = (-1, 0)

    def now(self) -> datetime:
        """The time by the simulator's clock."""
        return self.clock if self.clock is not None else datetime.now(UTC)

    def draw(self) -> tuple[Any, Collection[str]]:
        """What goes wrong with the next answer: a scripted one, or a fault of requests; and faults of its page."""
        if self.scripted:
            entry = self.scripted.popleft()
            names = [entry] if isinstance(entry, str) else entry if isinstance(entry, list) else []
            self.fired.update(names)
            whole = entry if isinstance(entry, dict) else next((n for n in names if n in REQUEST_FAULTS), None)
            return whole, names
        rates = self.config.faults.rates
        whole = next((name for name in REQUEST_FAULTS if self._happens(rates.get(name, 0))), None)
        page = () if whole else [name for name in PAGE_FAULTS if self._happens(rates.get(name, 0))]
        self.fired.update(page)
        if whole:
            self.fired[whole] += 1
        return whole, page

    def draw_line(self, *, alive: bool = False) -> str | None:
        """What goes wrong with the next line of the stream: an event, or only a sign that it is `alive`."""
        rates = self.config.faults.rates
        able = STREAM_LOSSES if alive else STREAM_FAULTS
        if self.activity.scripted and self.activity.scripted[0] in able:
            fault: str | None = self.activity.scripted.popleft()
        else:
            fault = next((name for name in able if self._happens(rates.get(name, 0))), None)
        self.fired.update([fault] if fault else [])
        return fault

    def choose(self, values: tuple[int, ...]) -> int:
        """One of some numbers, by the faults' seed."""
        return self._dice.choice(values)

    def authorize(self, header: str | None) -> None:
        """Refuse who has no token (401), or the wrong plan (403)."""
        token = (header or "").removeprefix("Bearer ")
        if not token or not (header or "").startswith("Bearer ") or self.config.token not in (None, token):
            raise Refused(401, answers.plain(401, "Unauthorized"))
        if not self.config.allowed:
            raise Refused(403, answers.client_forbidden())

    def answer(self, asked: Request) -> bytes:
        """The body for a request. Raises Refused."""
        return _HANDLERS[asked.endpoint](self, asked)

    def refuse_spent(self) -> None:
        """Refuse reads of posts that nobody pays for (402), or that are over the month's cap (429)."""
        if not self.config.credits:
            raise Refused(402, answers.credits_depleted())
        if self.used >= self.config.usage_cap:
            raise Refused(429, answers.usage_capped())

    def user(self, asked: Request) -> bytes:
        """GET /2/users/by/username/:username"""
        parameters = Parameters(asked.query, self.config.spelling)
        parameters.choices("user.fields", ("created_at", "id", "name", "protected", "public_metrics", "username"))
        parameters.finish()
        name = asked.names["username"]
        is_known = name.lower() == self.config.username.lower() and self.config.account in ("ok", "protected")
        if not is_known:
            state = self.config.account if name.lower() == self.config.username.lower() else "missing"
            return _json({"errors": [answers.account_problem(state, name, "username")]})
        return _json(
            {"data": {"id": str(self.config.user_id), "name": "Simulated", "username": self.config.username}}
        )

    def timeline(self, asked: Request) -> bytes:
        """GET /2/users/:id/tweets"""
        parameters = Parameters(asked.query, self.config.spelling)
        size = parameters.number("max_results", 10, 5, 100)
        since, until = parameters.post_id("since_id"), parameters.post_id("until_id")
        start = parameters.time("start_time", FIRST_TIME, self.now())
        end = parameters.time("end_time", FIRST_TIME, self.now())
        excluded = {EXCLUDED[word] for word in parameters.choices("exclude", tuple(EXCLUDED)) if word in EXCLUDED}
        token = parameters.text("pagination_token")
        fields = parameters.fields()
        parameters.order(start, end)
        parameters.finish()
        state = self.config.account if asked.names["id"] == str(self.config.user_id) else "missing"
        if state != "ok":
            return _json({"errors": [answers.account_problem(state, asked.names["id"], "id")]})
        self.refuse_spent()
        segment = _segment(since, until, start, end)
        low = max(segment.low, self._reach("reply" in excluded) - 1)
        segment = Segment(segment.high, low)
        return self._page(asked, segment, size, excluded, fields, "pagination_token", token)

    def search(self, asked: Request) -> bytes:
        """GET /2/tweets/search/recent and /2/tweets/search/all"""
        is_recent = asked.endpoint.endswith("recent")
        parameters = Parameters(asked.query, self.config.spelling)
        text = parameters.text("query", required=True)
        size = parameters.number("max_results", 10, 10, 100 if is_recent else 500)
        since, until = parameters.post_id("since_id"), parameters.post_id("until_id")
        start, end = self._span(parameters, is_recent)
        parameters.choice("sort_order", ("recency", "relevancy"), "recency")
        token = parameters.text("next_token") or parameters.text("pagination_token")
        fields = parameters.fields()
        is_ours, excluded = self._operators(parameters, text)
        first = snowflake_floor(self.now() - RECENT)
        if is_recent and since is not None and since < first:
            parameters.refuse("since_id", f"'since_id' must be a tweet id created after [{iso(self.now() - RECENT)}]")
        parameters.finish()
        self.refuse_spent()
        default = self.now() - (RECENT if is_recent else timedelta(days=30))
        lower = start or (default if since is None or is_recent else None)
        segment = _segment(since, until, lower, end or self.now() - seconds(30))
        if not is_ours:
            segment = Segment(0, 0)
        return self._page(asked, segment, size, excluded, fields, "next_token", token)

    def counts(self, asked: Request) -> bytes:
        """GET /2/tweets/counts/recent and /2/tweets/counts/all"""
        is_recent = asked.endpoint.endswith("recent")
        parameters = Parameters(asked.query, self.config.spelling)
        text = parameters.text("query", required=True)
        step = GRANULARITIES[parameters.choice("granularity", tuple(GRANULARITIES), "hour")]
        start, end = self._span(parameters, is_recent)
        token = parameters.text("next_token", "[0-9]+")
        is_ours, excluded = self._operators(parameters, text)
        parameters.finish()
        if not self.config.credits:
            raise Refused(402, answers.credits_depleted())
        end = end or self.now() - seconds(30)
        start = start or self.now() - (RECENT if is_recent else timedelta(days=30))
        if token.isdecimal():
            end = datetime.fromtimestamp(int(token), UTC)
        first = max(start, _floor(end - COUNTED_AT_ONCE, step)) if not is_recent else start
        return self._counted(first, end, step, excluded, is_ours, None if first <= start else int(first.timestamp()))

    def lookup(self, asked: Request) -> bytes:
        """GET /2/tweets"""
        parameters = Parameters(asked.query, self.config.spelling)
        ids = parameters.ids()
        fields = parameters.fields()
        parameters.finish()
        self.refuse_spent()
        found, errors = [], []
        silent = {number for number in ids if "partial" in asked.faults and self._dice.random() < 0.3}
        for number in dict.fromkeys(ids):
            current = self.account.current(number)
            if current is None or current in self.account.deleted or self.config.account != "ok":
                if number not in silent:
                    errors.append(answers.post_not_found(number))
            elif number not in silent:
                history, kind = self.account.history(current), self.account.kinds[current]
                found.append(answers.post(number, kind, history, fields, self.config.user_id))
        self.bill(ids)
        data = b'"data":[' + b",".join(found) + b"]" if found else b""
        problems = b'"errors":' + _json(errors) if errors else b""
        return b"{" + b",".join(filter(None, (data, problems))) + b"}"

    def usage(self, asked: Request) -> bytes:
        """GET /2/usage/tweets"""
        parameters = Parameters(asked.query, self.config.spelling)
        parameters.number("days", 7, 1, 90)
        parameters.text("usage.fields")
        parameters.finish()
        data = {"project_usage": str(self.used), "project_cap": str(self.config.usage_cap)}
        return _json({"data": {**data, "cap_reset_day": 5, "project_id": "4242"}})

    def subscriptions(self, asked: Request) -> bytes:
        """GET, POST and DELETE /2/activity/subscriptions"""
        return self.activity.answer(asked.method, asked.body, asked.names.get("id"), self.now())

    def _page(
        self,
        asked: Request,
        segment: Segment,
        size: int,
        excluded: set[str],
        fields: frozenset[str],
        token_name: str,
        token: str,
    ) -> bytes:
        walk = Walk(
            self.account,
            [segment],
            size,
            self._visible(excluded, "subset" in asked.faults),
            fingerprint(asked.path, asked.query, token_name),
            token_name,
            dice=self._dice,
        )
        if token:
            walk.resume(token)
        body, shown = walk.page(asked.faults, self._renderer(fields))
        self.bill(shown)
        return body

    def _visible(self, excluded: set[str], some_missing: bool) -> Callable[[int], bool]:
        kinds, faults, now = self.account.kinds, self.config.faults, self.now()
        late = faults.rates.get("late", 0)
        lateness = snowflake_floor(now - seconds(faults.late_seconds))
        settled = snowflake_floor(now - seconds(faults.settle_seconds))

        def visible(number: int) -> bool:
            if kinds[number] in excluded:
                return False
            if late and number > lateness:
                share = zlib.crc32(f"{faults.seed}:{number}".encode()) / 2**32
                if share < late and made_at(number) + seconds(faults.late_seconds * share / late) > now:
                    return False
            return not (some_missing and number > settled and self._dice.random() < 0.3)

        if not excluded and not late and not some_missing:
            return _always
        return visible

    def _renderer(self, fields: frozenset[str]) -> Callable[[int], bytes]:
        rendered = self._rendered.setdefault(fields, {})
        account, author = self.account, self.config.user_id

        def render(number: int) -> bytes:
            entry = rendered.get(number)
            if entry is None:
                entry = answers.post(number, account.kinds[number], account.history(number), fields, author)
                rendered[number] = entry
            return entry

        return render

    def _reach(self, without_replies: bool) -> int:
        """The lowest id that a timeline shows."""
        if self.config.reach is None:
            return 0
        if self._floor[0] != self.account.changes:
            lowest = 0
            for i, number in enumerate(self.account.downwards(LAST_ID, 0), 1):
                lowest = number
                if i == self.config.reach:
                    break
            self._floor = (self.account.changes, lowest)
        lowest = self._floor[1]
        if without_replies:
            kinds = self.account.kinds
            shown = (n for n in self.account.downwards(LAST_ID, lowest - 1) if kinds[n] != "reply")
            for i, number in enumerate(shown, 1):
                if i == REACH_WITHOUT_REPLIES:
                    return number
        return lowest

    def _span(self, parameters: Parameters, is_recent: bool) -> tuple[datetime | None, datetime | None]:
        earliest = self.now() - RECENT if is_recent else FIRST_ARCHIVED
        start = parameters.time("start_time", earliest, self.now() - seconds(10))
        end = parameters.time("end_time", earliest, self.now() - seconds(10))
        parameters.order(start, end)
        return start, end

    def _operators(self, parameters: Parameters, text: str) -> tuple[bool, set[str]]:
        """Whether a query is for this account's posts, and the kinds that it leaves out."""
        is_ours, excluded = False, set()
        for word in text.split():
            author = re.fullmatch(r"from:@?([A-Za-z0-9_]{1,19})", word)
            if author:
                is_ours = author[1].lower() in (self.config.username.lower(), str(self.config.user_id))
            elif word in _NEGATED:
                excluded.add(_NEGATED[word])
            else:
                parameters.refuse(
                    "query", f"There were errors processing your request: no viable alternative '{word}'"
                )
        return is_ours and self.config.account == "ok", excluded

    def _counted(
        self, start: datetime, end: datetime, step: timedelta, excluded: set[str], is_ours: bool, token: int | None
    ) -> bytes:
        found: Counter[datetime] = Counter()
        if is_ours:
            visible = self._visible(excluded, False)
            numbers = self.account.downwards(snowflake_floor(end), snowflake_floor(start) - 1)
            found.update(_floor(made_at(number), step) for number in numbers if visible(number))
        noun = "post" if self.config.spelling == "post" else "tweet"
        data, bucket = [], _floor(start, step)
        while bucket < end:
            edges = {"start": _milliseconds(max(bucket, start)), "end": _milliseconds(min(bucket + step, end))}
            data.append({**edges, f"{noun}_count": found[bucket]})
            bucket += step
        meta: dict[str, Any] = {f"total_{noun}_count": sum(found.values())}
        return _json({"data": data, "meta": meta if token is None else meta | {"next_token": str(token)}})

    def bill(self, numbers: Collection[int]) -> None:
        """Posts are billed, each once a day."""
        today = floor_day(self.now())
        if self._billed[0] != today:
            self._billed = (today, set())
        new = set(numbers) - self._billed[1]
        self._billed[1].update(new)
        self.used += len(new)

    def _happens(self, rate: float) -> bool:
        return rate > 0 and self._dice.random() < rate


def _always(_number: int) -> bool:
    return True


def _segment(since: int | None, until: int | None, start: datetime | None, end: datetime | None) -> Segment:
    high = min(until if until is not None else LAST_ID, snowflake_floor(end) if end else LAST_ID)
    return Segment(high, max(since or 0, snowflake_floor(start) - 1 if start else 0))


def _floor(moment: datetime, step: timedelta) -> datetime:
    if step == DAY:
        return floor_day(moment)
    return floor_hour(moment) if step == GRANULARITIES["hour"] else moment.replace(second=0, microsecond=0)


def _milliseconds(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


_NEGATED = {"-is:reply": "reply", "-is:retweet": "repost", "-is:repost": "repost", "-is:quote": "quote"}
_Handler = Callable[[World, Request], bytes]
_HANDLERS: dict[str, _Handler] = {
    "users/by/username/:username": World.user,
    "users/:id/tweets": World.timeline,
    "tweets/search/recent": World.search,
    "tweets/search/all": World.search,
    "tweets/counts/recent": World.counts,
    "tweets/counts/all": World.counts,
    "tweets": World.lookup,
    "usage/tweets": World.usage,
    "activity/subscriptions": World.subscriptions,
}
_ADDRESSES = (
    (re.compile(r"/2/users/by/username/(?P<username>[^/]+)"), "users/by/username/:username", ("GET",)),
    (re.compile(r"/2/users/(?P<id>[0-9]{1,19})/tweets"), "users/:id/tweets", ("GET",)),
    (re.compile(r"/2/activity/stream"), "activity/stream", ("GET",)),
    (re.compile(r"/2/activity/subscriptions"), "activity/subscriptions", ("GET", "POST")),
    (re.compile(r"/2/activity/subscriptions/(?P<id>[0-9]{1,19})"), "activity/subscriptions", ("DELETE",)),
    *((re.compile(f"/2/{name}"), name, ("GET",)) for name in _HANDLERS if ":" not in name),
)
