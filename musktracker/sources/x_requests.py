"""How a request reaches the X API: paced by its limits, bounded in time, tried again while that may help."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, TypeVar
from urllib.parse import urlencode, urlsplit

import httpx
import tenacity

from musktracker import __version__
from musktracker.errors import UsageError
from musktracker.sources import x_errors, x_limits
from musktracker.sources.x_limits import RateLimit
from musktracker.sources.x_pages import Malformed
from musktracker.text import printable

T = TypeVar("T")

LONGEST_RESET = timedelta(hours=1)  # after which a window is tried again, whatever it said
SHORTEST_REPORTED = 1.0  # seconds of waiting that are worth a word


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a request is tried, and the seconds between: doubling from the first to the longest, with jitter.

    `throttled` are those after a 429 that does not say when to come back.
    """

    attempts: int = 8
    first: float = 1.0
    longest: float = 64.0
    throttled: float = 60.0
    longest_throttled: float = 900.0


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect, of silence while an answer comes, for a whole request, between two lines of a stream."""

    connect: float = 10.0
    silence: float = 30.0
    total: float = 60.0
    between_lines: float = 30.0  # half as long again as a stream is ever quiet


class WaitReason(NamedTuple):
    """Why the client waits. `kind`: reset (a window is spent), pace (a budget is spread), retry (after a fault)."""

    kind: Literal["reset", "pace", "retry"]
    message: str


OnWait = Callable[[WaitReason, datetime], None]


class Endpoint(NamedTuple):
    """An address of the API: the name its limit goes by, what it gives in words, the least time between requests.

    Waits for one that is `aside` are told to nobody: the work goes on without it.
    """

    name: str
    words: str
    spacing: timedelta = timedelta()
    aside: bool = False


class Requests:
    """Sends requests to one API with one token, and remembers its limits and its clock."""

    def __init__(
        self,
        base_url: str,
        token: str | None,
        *,
        on_wait: OnWait | None,
        patience: Patience,
        timeouts: Timeouts,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        if not token:
            raise x_errors.Unauthorized(
                "There is no bearer token for the X API", "Put one in X_BEARER_TOKEN, in the environment or in .env"
            )
        if not (token.isascii() and token.isprintable() and " " not in token):
            raise x_errors.Unauthorized(
                "The bearer token for the X API holds characters that no token has",
                "Copy it into X_BEARER_TOKEN again",
            )
        self.base_url = base_url
        self.token = token
        self.limits: dict[str, RateLimit] = {}
        self.skew = timedelta()
        self.sent = 0
        self._local = _is_loopback(base_url)
        self._on_wait = on_wait
        self._patience = patience
        self.timeouts = timeouts
        self._clock = clock
        self._sleep = sleep
        self._last: dict[str, datetime] = {}
        self._http: httpx.AsyncClient | None = None

    def open(self) -> None:
        """Be ready to send."""
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {self.token}", "User-Agent": f"musktracker/{__version__}"},
            timeout=httpx.Timeout(self.timeouts.silence, connect=self.timeouts.connect),
            limits=httpx.Limits(max_connections=4, keepalive_expiry=60),
            trust_env=not self._local,  # a proxy leads nowhere from this machine to itself
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    def server_now(self) -> datetime:
        """The time by the API's clock."""
        return self._clock() + self.skew

    def __repr__(self) -> str:
        return f"Requests({self.base_url!r})"

    async def ask(self, endpoint: Endpoint, path: str, parameters: Mapping[str, str], read: Callable[[Any], T]) -> T:
        """Ask until there is an answer that `read` takes, waiting between; raise once patience is spent."""
        try:
            return await self.ask_once(endpoint, path, parameters, read)
        except TryAgain as failure:
            failed: list[Exception] = [failure]

        async def attempt() -> T:
            if failed:  # the first one, which was spared the cost of being tried again
                raise failed.pop()
            return await self.ask_once(endpoint, path, parameters, read)

        retrying = tenacity.AsyncRetrying(
            sleep=self._sleep,
            stop=tenacity.stop_after_attempt(self._patience.attempts),
            wait=self._wait_after,
            retry=tenacity.retry_if_exception_type(TryAgain),
            before_sleep=self._tell_of_retry,
            reraise=True,
        )
        try:
            return await retrying(attempt)
        except TryAgain as last:
            given_up = self._given_up(endpoint, last)
        raise given_up  # outside of the handler, so that it drags no other error with what that holds along

    async def ask_once(
        self,
        endpoint: Endpoint,
        path: str,
        parameters: Mapping[str, str],
        read: Callable[[Any], T],
        *,
        send: Mapping[str, Any] | None = None,
    ) -> T:
        """Ask, or `send` JSON, a single time; raise TryAgain where it may help to do so again."""
        await self._pace(endpoint)
        response = await self._send(endpoint, self._request(path, parameters, send), self.timeouts.total)
        body = _json(response)
        self._refuse(endpoint, response, body)
        if not isinstance(body, Mapping):
            kind = printable(response.headers.get("content-type", "no type"))[:40]
            raise TryAgain(f"the answer is not whole JSON ({kind}, {len(response.content):,} bytes)")
        try:
            return read(body)
        except Malformed as problem:
            reason = f"the answer cannot be used: {problem}"
        raise TryAgain(reason)

    @asynccontextmanager
    async def stream(self, endpoint: Endpoint, path: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """An answer without an end, as the chunks of its body; raise TryAgain where it does not begin or ends."""
        await self._pace(endpoint)
        request = self._request(path, {}, None)
        request.headers["Accept-Encoding"] = "identity"  # a line comes when it is written
        quiet = httpx.Timeout(self.timeouts.between_lines, connect=self.timeouts.connect)
        request.extensions["timeout"] = quiet.as_dict()
        response = await self._send(endpoint, request, self.timeouts.between_lines, stream=True)
        try:
            if response.status_code != 200:
                self._refuse(endpoint, response, _json(response))
                raise TryAgain(f"the server answered {response.status_code}")
            async with aclosing(_chunks(response)) as chunks:
                yield chunks
        finally:
            await response.aclose()

    def _request(self, path: str, parameters: Mapping[str, str], send: Mapping[str, Any] | None) -> httpx.Request:
        if self._http is None:
            raise RuntimeError("The client is used outside of its context")
        address = f"{self.base_url.rstrip('/')}{path}{'?' if parameters else ''}{urlencode(parameters)}"
        return self._http.build_request("GET" if send is None else "POST", address, json=send)

    async def _send(
        self, endpoint: Endpoint, request: httpx.Request, seconds: float, *, stream: bool = False
    ) -> httpx.Response:
        """The answer: whole, unless it is the `stream` that was asked for."""
        assert self._http is not None  # noqa: S101 - it made the request
        sent = self._last[endpoint.name] = self._clock()
        self.sent += 1
        try:
            async with asyncio.timeout(seconds):
                response = await self._http.send(request, stream=stream)
                if stream and response.status_code != 200:
                    await response.aread()
        except (httpx.RequestError, TimeoutError) as error:
            reason = _network_words(error)
        else:
            self._observe(endpoint, response, sent)
            return response
        raise TryAgain(reason, network=True)

    def _refuse(self, endpoint: Endpoint, response: httpx.Response, body: Any) -> None:
        """Raise what an answer other than the one asked for means."""
        if response.status_code == 429:
            raise self._throttled(endpoint, response, body)
        if response.status_code >= 500 or response.status_code == 408:
            raise TryAgain(f"the server answered {response.status_code}")
        if response.is_redirect:
            raise x_errors.XApiError(
                f"The X API's address redirects elsewhere ({response.status_code})",
                "Set x_api_base_url to where the API is; a token is not sent after a redirect",
            )
        if response.status_code >= 400:
            raise x_errors.refusal(response.status_code, body, endpoint.words, self.token)

    def _observe(self, endpoint: Endpoint, response: httpx.Response, sent: datetime) -> None:
        skew = x_limits.read_skew(response.headers, sent, self._clock())
        if skew is not None:
            self.skew = skew
        limit = x_limits.read_limit(response.headers)
        if limit is not None:
            self.limits[endpoint.name] = limit

    async def _pace(self, endpoint: Endpoint) -> None:
        last = self._last.get(endpoint.name)
        if last is None:
            return
        last = min(last, self._clock())  # a clock that was put back is no reason to wait
        earliest = last + endpoint.spacing
        kind: Literal["reset", "pace"] = "pace"
        limit = self.limits.get(endpoint.name)
        if limit is not None and limit.reset > self.server_now():
            kind = "reset" if limit.remaining <= 0 else "pace"
            earliest = max(earliest, limit.earliest(last + self.skew) - self.skew)
        seconds = min(earliest - self._clock(), LONGEST_RESET).total_seconds()
        if seconds <= 0:
            return
        spent = f"The rate limit of {endpoint.name} is spent: waiting for its reset"
        spread = f"Spreading the requests to {endpoint.name} over its rate limit"
        if not endpoint.aside:
            self._tell(kind, spent if kind == "reset" else spread, seconds)
        await self._sleep(seconds)

    def _throttled(self, endpoint: Endpoint, response: httpx.Response, body: Any) -> Exception:
        if x_errors.is_usage_cap(body):
            return x_errors.usage_cap(body, self.token)
        limit = x_limits.read_limit(response.headers)
        if limit is None:
            after = x_limits.read_retry_after(response.headers)
            reason = f"too many requests to {endpoint.name} (429 without a reset)"
            return TryAgain(reason, after=None if after is None else self._bounded(after), throttled="blind")
        if limit.remaining > 0:  # the limit of each second, not that of the window
            return TryAgain(f"too many requests to {endpoint.name} in a second (429)", throttled="second")
        left = (limit.reset - self.server_now() + x_limits.MARGIN).total_seconds()
        reason = f"the rate limit of {endpoint.name} is spent (429)"
        return TryAgain(reason, after=self._bounded(left), throttled="window")

    def _bounded(self, seconds: float) -> float:
        return min(max(seconds, self._patience.first), LONGEST_RESET.total_seconds())

    def _wait_after(self, state: tenacity.RetryCallState) -> float:
        failure = _failure(state)
        if failure.after is not None:
            return failure.after
        patience = self._patience
        if failure.throttled == "blind":
            return _backoff(patience.throttled, patience.longest_throttled)(state)
        return _backoff(patience.first, patience.longest)(state)

    def _tell_of_retry(self, state: tenacity.RetryCallState) -> None:
        failure, seconds = _failure(state), state.upcoming_sleep
        if failure.throttled == "window":
            self._tell("reset", f"{_sentence(failure.reason)}: waiting for its reset", seconds)
        else:
            attempts = f"{state.attempt_number} of {self._patience.attempts}"
            self._tell("retry", f"{_sentence(failure.reason)}: trying again (attempt {attempts} failed)", seconds)

    def _tell(self, kind: Literal["reset", "pace", "retry"], message: str, seconds: float) -> None:
        if self._on_wait is not None and seconds >= SHORTEST_REPORTED:
            self._on_wait(WaitReason(kind, message), self._clock() + timedelta(seconds=seconds))

    def _given_up(self, endpoint: Endpoint, last: TryAgain) -> x_errors.Unavailable:
        tried = f"{self._patience.attempts} attempts"
        message = f"The X API did not give {endpoint.words} in {tried}; the last: {last.reason}"
        if last.throttled:
            return x_errors.RateLimited(message, "Something else may use the same token; start again later")
        return x_errors.Unavailable(message, "Check the connection, then start again: it goes on where it stopped")


class TryAgain(Exception):
    """A request failed in a way that passes; `after` are the seconds to wait where the answer said so.

    `network`: there was no answer, or it broke off. `throttled`: there were too many requests (429).
    """

    def __init__(
        self,
        reason: str,
        *,
        after: float | None = None,
        throttled: Literal["window", "second", "blind"] | None = None,
        network: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after
        self.throttled = throttled
        self.network = network


async def _chunks(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    try:
        async for chunk in response.aiter_bytes():
            yield chunk
    except httpx.RequestError as error:
        reason = _network_words(error)
    else:
        reason = "the server ended it"
    raise TryAgain(reason, network=True)


def _json(response: httpx.Response) -> Any:
    """The body as JSON; None where it is none."""
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return None


def _network_words(error: Exception) -> str:
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return "no answer in time" if not isinstance(error, httpx.ConnectTimeout) else "no connection in time"
    detail = printable(" ".join(str(error).split()))[:200]
    return f"the connection failed ({type(error).__name__}{': ' + detail if detail else ''})"


def _backoff(first: float, longest: float) -> tenacity.wait.wait_base:
    """Doubling from `first` to `longest`: half of it certain, half at random."""
    certain = tenacity.wait_exponential(multiplier=first / 2, max=longest / 2)
    return certain + tenacity.wait_random_exponential(multiplier=first / 2, max=longest / 2)


def _failure(state: tenacity.RetryCallState) -> TryAgain:
    failure = state.outcome.exception() if state.outcome else None
    assert isinstance(failure, TryAgain)  # noqa: S101 - the only one that is retried
    return failure


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _is_loopback(base_url: str) -> bool:
    """Whether an address is this machine. Raises UsageError for none, or one that gets the token in the clear."""
    try:
        parts = urlsplit(base_url)
        parts.port  # noqa: B018 - raises where the port is no port
        host = parts.hostname or ""
    except ValueError as error:
        raise UsageError(f"x_api_base_url is {printable(base_url)!r}, which is no address: {error}") from None
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if parts.scheme != "https" and not local:
        raise UsageError(
            f"x_api_base_url is {printable(base_url)!r}, and a token must not be sent over a network unencrypted",
            "Begin it with https://",
        )
    return local
