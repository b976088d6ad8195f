"""The client keeps within the API's rate limits: it spreads its requests, waits for resets, and says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musktracker.simulator.process import Simulator
from musktracker.sources.x_api import Patience, RateLimit, XClient
from musktracker.sources.x_limits import MARGIN, read_limit, read_skew

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TIMELINE = "users/:id/tweets"
Make = Callable[..., XClient]


async def timeline(api: XClient, size: int = 5) -> set[int]:
    return {post.first_id async for page in api.timeline(4242, max_results=size) for post in page.posts}


async def test_a_spent_window_is_waited_for_and_told_once(simulator: Simulator, client: Make, time: Any) -> None:
    simulator.reset(clock=NOON.isoformat(), posts=20, limits={TIMELINE: 1}, window_seconds=900)
    async with client() as api:
        assert await timeline(api) == set(simulator.posts())
        assert api.requests == 4
    assert [reason.kind for reason, _ in time.waits] == ["reset", "reset", "reset"]
    assert time.waits[0][1] == NOON + timedelta(seconds=900) + MARGIN
    assert TIMELINE in time.waits[0][0].message


async def test_requests_are_spread_over_the_window_so_that_none_is_refused(
    simulator: Simulator, client: Make, time: Any
) -> None:
    simulator.reset(clock=NOON.isoformat(), posts=200, limits={TIMELINE: 20}, window_seconds=100)
    async with client() as api:
        assert await timeline(api) == set(simulator.posts())
        assert api.requests == 40
    assert {reason.kind for reason, _ in time.waits} <= {"pace", "reset"}
    assert time.slept[:9] == pytest.approx([10.0] * 9)


async def test_half_of_a_window_may_be_spent_at_once(simulator: Simulator, client: Make, time: Any) -> None:
    simulator.reset(clock=NOON.isoformat(), posts=50, limits={TIMELINE: 20}, window_seconds=900)
    async with client() as api:
        assert await timeline(api) == set(simulator.posts())
    assert time.slept == []


async def test_the_whole_archive_is_asked_once_a_second(simulator: Simulator, client: Make, time: Any) -> None:
    simulator.reset(clock=NOON.isoformat(), posts=40)
    async with client() as api:
        walk = api.search("from:simulated", scope="all", start_time=NOON - timedelta(days=90), max_results=10)
        assert {post.id async for page in walk for post in page.posts} == set(simulator.posts())
        assert api.requests == 4
    assert time.slept == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("ahead", [-7200.0, -30.0, 30.0, 7200.0])
async def test_a_reset_is_awaited_by_the_clock_of_the_api_however_wrong_ours_is(
    simulator: Simulator, client: Make, time: Any, ahead: float
) -> None:
    simulator.reset(clock=NOON.isoformat(), posts=10, limits={TIMELINE: 1}, window_seconds=900)
    time.moment -= timedelta(seconds=ahead)
    async with client() as api:
        assert await timeline(api) == set(simulator.posts())
        assert api.skew.total_seconds() == pytest.approx(ahead, abs=1)
        assert api.requests == 2
    assert 900 <= sum(time.slept) <= 903


async def test_a_refusal_with_a_reset_is_waited_out(simulator: Simulator, client: Make, time: Any) -> None:
    simulator.reset(clock=NOON.isoformat(), posts=5, faults={"throttle_seconds": 600})
    simulator.script("throttle")
    async with client() as api:
        assert await timeline(api) == set(simulator.posts())
    assert sum(time.slept) == 601
    [(reason, until)] = time.waits
    assert (reason.kind, until) == ("reset", NOON + timedelta(seconds=601))


async def test_a_refusal_for_a_second_is_not_waited_out_for_a_window(
    simulator: Simulator, client: Make, time: Any
) -> None:
    simulator.script("throttle_second")
    async with client() as api:
        await timeline(api)
    assert 0.5 <= sum(time.slept) <= 1


async def test_a_refusal_without_a_reset_is_waited_out_for_a_minute_and_then_for_longer(
    simulator: Simulator, client: Make, time: Any
) -> None:
    simulator.script("throttle_bare", "throttle_bare", "throttle_bare")
    async with client() as api:
        await timeline(api)
    assert all(low <= seconds <= 2 * low for seconds, low in zip(time.slept, (30, 60, 120), strict=True))


async def test_a_refusal_that_says_when_to_come_back_is_believed_within_reason(
    simulator: Simulator, client: Make, time: Any
) -> None:
    simulator.script(*({"status": 429, "headers": {"Retry-After": after}} for after in ("77", "0", "9999999")))
    async with client() as api:
        await timeline(api)
    assert time.slept == [77, 1, 3600]


async def test_a_reset_in_the_past_is_no_reason_to_ask_at_once(simulator: Simulator, client: Make, time: Any) -> None:
    headers = {f"x-rate-limit-{name}": value for name, value in (("limit", "9"), ("remaining", "0"), ("reset", "1"))}
    simulator.script(*[{"status": 429, "headers": headers}] * 3)
    async with client(patience=Patience(first=2.0)) as api:
        await timeline(api)
    assert len(time.slept) == 3
    assert min(time.slept) >= 1


async def test_limits_are_known_after_an_answer(simulator: Simulator, client: Make) -> None:
    simulator.reset(clock=NOON.isoformat(), limits="real")
    async with client() as api:
        assert api.limits == {}
        await timeline(api)
        assert api.limits == {TIMELINE: RateLimit(10_000, 9_999, NOON + timedelta(seconds=900))}


@given(limit=st.integers(1, 500), seconds=st.integers(1, 900), latency=st.floats(0, 30))
def test_pacing_spends_a_window_whole_and_evenly_and_never_overspends_it(
    limit: int, seconds: int, latency: float
) -> None:
    reset = NOON + timedelta(seconds=seconds)
    moment, sent = NOON, []
    while moment < reset:
        sent.append(moment)
        told = RateLimit(limit, limit - len(sent), reset)
        moment = max(told.earliest(moment), moment + timedelta(seconds=latency))
    assert len(sent) <= limit
    if latency == 0:
        assert len(sent) == limit
        waits = [(later - earlier).total_seconds() for earlier, later in pairwise(sent) if later > earlier]
        assert waits == pytest.approx([seconds / (len(waits) + 1)] * len(waits), abs=1e-3)


@given(ahead=st.floats(-1e6, 1e6), latency=st.floats(0, 20), share=st.floats(0, 1), part=st.integers(0, 999_999))
def test_skew_is_known_to_the_date_s_second_the_margin_and_the_latency(
    ahead: float, latency: float, share: float, part: int
) -> None:
    sent = NOON + timedelta(microseconds=part)
    received = sent + timedelta(seconds=latency)
    served = sent + timedelta(seconds=latency * share + ahead)
    date = format_datetime(served.replace(microsecond=0), usegmt=True)
    skew = read_skew({"date": date}, sent, received)
    assert skew is not None
    assert abs(skew.total_seconds() - ahead) <= latency + 1 + MARGIN.total_seconds() + 1e-5
    assert skew.total_seconds() * ahead >= 0


@pytest.mark.parametrize(
    "date",
    [
        "",
        "yesterday",
        "Thu, 99 Jan 2026 00:00:00 GMT",
        "0",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Wed, 21 Oct 2065 07:28:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
    ],
)
def test_a_date_that_cannot_be_says_nothing(date: str) -> None:
    assert read_skew({"date": date}, NOON, NOON) is None


@pytest.mark.parametrize("reset", ["", "soon", "1e9", "9" * 30, "253402300799"])
def test_limits_that_cannot_be_read_say_nothing(reset: str) -> None:
    headers = {"x-rate-limit-limit": "9", "x-rate-limit-remaining": "3", "x-rate-limit-reset": reset}
    assert read_limit(headers) is None


@pytest.mark.parametrize("name", ["limit", "remaining"])
def test_limits_that_no_database_holds_say_nothing(name: str) -> None:
    headers = {"x-rate-limit-limit": "9", "x-rate-limit-remaining": "3", "x-rate-limit-reset": "0"}
    assert read_limit(headers) is not None
    assert read_limit({**headers, f"x-rate-limit-{name}": "3000000000"}) is None
