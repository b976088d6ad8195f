"""The activity stream: what happens comes at once and typed, and whatever ends a connection, another follows."""

from __future__ import annotations

import asyncio
import json
import logging
import time as machine
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musktracker.simulator.answers import TEXT
from musktracker.simulator.process import Simulator
from musktracker.sources import x_errors, x_stream
from musktracker.sources.x_api import Timeouts, XClient
from musktracker.sources.x_pages import Malformed
from musktracker.sources.x_requests import TryAgain
from musktracker.sources.x_stream import Created, Deleted, Event, Lost, Opened, Waits, read_event, read_lines
from musktracker.timeline import snowflake_floor, snowflake_time

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOKEN = "AAAAsecretToken"
SECONDS = 10.0  # that anything may take
Make = Callable[..., XClient]


class Listening:
    """What comes, one after the other."""

    def __init__(self, events: AsyncGenerator[Event, None], simulator: Simulator) -> None:
        self._events = events
        self._simulator = simulator

    async def next(self) -> Event:
        async with asyncio.timeout(SECONDS):
            return await anext(self._events)

    async def happened(self) -> Created | Deleted:
        """The next thing that the account did."""
        while True:
            event = await self.next()
            if isinstance(event, Created | Deleted):
                return event

    async def opened(self) -> list[Lost]:
        """Wait until a connection stands; returns the losses before."""
        lost: list[Lost] = []
        while isinstance(event := await self.next(), Lost):
            lost.append(event)
        assert event == Opened()
        return lost


@pytest.fixture
def listening(simulator: Simulator, client: Make) -> Callable[..., Any]:
    @asynccontextmanager
    async def make(**options: Any) -> AsyncIterator[Listening]:
        async with client(**options) as api, aclosing(api.activity().events(simulator.user_id)) as events:
            yield Listening(events, simulator)

    return make


async def test_posts_and_deletions_come_as_they_happen(simulator: Simulator, listening: Any) -> None:
    async with listening() as heard:
        await heard.opened()
        for kind in ("original", "reply", "quote", "repost"):
            [number] = simulator.add(NOON, kind=kind)
            begun = machine.monotonic()
            assert await heard.happened() == Created(number, snowflake_time(number), kind, number)
            assert machine.monotonic() - begun < 1
        simulator.delete([number])
        assert await heard.happened() == Deleted(number, NOON)


async def test_a_new_version_of_a_post_comes_with_the_first_ones_id_and_time(
    simulator: Simulator, listening: Any
) -> None:
    async with listening() as heard:
        await heard.opened()
        [first] = simulator.add(NOON)
        await heard.happened()
        second = simulator.edit(first, NOON + timedelta(minutes=5))
        assert await heard.happened() == Created(second, snowflake_time(first), "original", first)


@pytest.mark.parametrize("spelling", ["tweet", "post"])
async def test_either_spelling_of_a_posts_fields_is_read(simulator: Simulator, listening: Any, spelling: str) -> None:
    simulator.change(spelling=spelling)
    async with listening() as heard:
        await heard.opened()
        simulator.add(NOON, kind="quote")
        assert (await heard.happened()).kind == "quote"


async def test_the_app_is_subscribed_once_to_what_is_needed(simulator: Simulator, listening: Any) -> None:
    simulator.change(streams=3)  # it takes a moment until one counts as closed
    for _ in range(3):
        async with listening() as heard:
            await heard.opened()
    made = simulator.state()["subscriptions"]
    assert sorted((entry["event_type"], entry["filter"]["user_id"]) for entry in made) == [
        ("post.create", "4242"),
        ("post.delete", "4242"),
    ]
    assert simulator.state()["requests"]["activity/subscriptions"] == 3 + 2


async def test_subscriptions_are_looked_for_on_every_page_and_of_this_account_alone(
    simulator: Simulator, listening: Any
) -> None:
    def subscription(kind: str, user: int) -> dict[str, Any]:
        return {"subscription_id": "9", "event_type": kind, "filter": {"user_id": str(user)}}

    pages: list[dict[str, Any]] = [
        {"data": [subscription("post.create", 1), subscription("post.delete", 4242)], "meta": {"next_token": "two"}},
        {"data": [subscription("post.create", 4242)], "meta": {}},
    ]
    simulator.script(*({"body": page} for page in pages))
    async with listening() as heard:
        await heard.opened()
    assert simulator.state()["subscriptions"] == []


async def test_a_subscription_that_another_process_makes_meanwhile_is_no_error(
    simulator: Simulator, listening: Any
) -> None:
    async with listening() as heard:
        await heard.opened()
    simulator.script({"body": {"meta": {}}})  # as long as the other has not made it
    async with listening() as heard:
        await heard.opened()
    assert len(simulator.state()["subscriptions"]) == 2


async def test_a_subscription_that_somebody_ended_is_made_again_within_the_hour(
    simulator: Simulator, listening: Any, time: Any
) -> None:
    simulator.change(keep_alive_seconds=0.05)
    async with listening() as heard:
        await heard.opened()
        for entry in simulator.state()["subscriptions"]:
            address = f"{simulator.url}/2/activity/subscriptions/{entry['subscription_id']}"
            httpx.delete(address, headers={"Authorization": "Bearer any"}).raise_for_status()
        hearing = asyncio.create_task(heard.happened())
        time.moment += timedelta(hours=1)
        async with asyncio.timeout(SECONDS):
            while len(simulator.state()["subscriptions"]) < 2:
                await asyncio.sleep(0.02)
        [number] = simulator.add(NOON)
        assert (await hearing).id == number


async def test_an_attempt_to_subscribe_that_fails_is_not_blindly_repeated(
    simulator: Simulator, listening: Any
) -> None:
    simulator.script(None, "truncate")  # the answer is lost, the subscription made
    async with listening() as heard:
        assert len(await heard.opened()) == 1
    assert len(simulator.state()["subscriptions"]) == 2


async def test_what_happens_while_the_connection_is_down_never_comes(simulator: Simulator, listening: Any) -> None:
    async with listening() as heard:
        await heard.opened()
        simulator.script("stream_drop")
        simulator.add(NOON)
        lost = await heard.next()
        assert isinstance(lost, Lost)
        assert "the connection failed" in lost.reason
        await heard.opened()
        [number] = simulator.add(NOON)
        assert (await heard.happened()).id == number


async def test_a_stream_that_says_nothing_for_too_long_is_left(simulator: Simulator, listening: Any) -> None:
    async with listening(timeouts=Timeouts(between_lines=0.3)) as heard:
        await heard.opened()
        assert await heard.next() == Lost("it said nothing for 0.3 seconds", 0.25)
        await heard.opened()


async def test_a_stream_whose_signs_of_life_come_is_not_left(simulator: Simulator, listening: Any) -> None:
    simulator.change(keep_alive_seconds=0.1)
    async with listening(timeouts=Timeouts(between_lines=1.5)) as heard:
        await heard.opened()
        asyncio.get_running_loop().call_later(2.0, simulator.add)
        assert isinstance(await heard.next(), Created)


async def test_a_line_that_never_ends_is_no_sign_of_life(listening: Any, simulator: Simulator) -> None:
    async def forever() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.05)
            yield b"x"

    async with XClient(simulator.url, TOKEN, timeouts=Timeouts(between_lines=0.3)) as api:
        with pytest.raises(TryAgain, match="said nothing"):
            await api.activity()._next(read_lines(forever()))


async def test_a_server_that_does_not_answer_is_left(simulator: Simulator, listening: Any) -> None:
    simulator.change(faults={"hang_seconds": 60})
    simulator.script(None, None, None, "hang")
    async with listening(timeouts=Timeouts(between_lines=0.3)) as heard:
        assert await heard.opened() == [Lost("no answer in time", 0.25)]


async def test_one_connection_follows_the_other_as_the_documentation_asks(
    simulator: Simulator, listening: Any, time: Any
) -> None:
    simulator.script(*["drop"] * 3, *["server_error"] * 3, *["throttle_bare"] * 2, "drop")
    async with listening() as heard:
        lost = await heard.opened()
    assert [round(loss.seconds, 2) for loss in lost] == [0.25, 0.5, 0.75, 5, 10, 20, 60, 120, 0.25]
    assert time.slept == [loss.seconds for loss in lost]


async def test_a_connection_that_stood_is_followed_at_once(simulator: Simulator, listening: Any, time: Any) -> None:
    simulator.script("server_error", "server_error")
    async with listening() as heard:
        await heard.opened()
        time.moment += timedelta(minutes=2)
        simulator.script("stream_drop")
        simulator.add(NOON)
        assert (await heard.next())[1] == 0.25
        await heard.opened()
        simulator.script("server_error", "stream_drop")
        simulator.add(NOON)
        assert [(await heard.next())[1] for _ in range(2)] == [0.5, 5.0]


def test_waits_grow_to_their_bounds() -> None:
    def longest(failure: TryAgain) -> float:
        waits = Waits()
        return [waits.after(failure) for _ in range(100)][-1]

    assert longest(TryAgain("", network=True)) == 16
    assert longest(TryAgain("")) == 320
    assert longest(TryAgain("", throttled="blind")) == 960
    assert Waits().after(TryAgain("", throttled="window", after=700)) == 700
    assert Waits().after(TryAgain("", throttled="window", after=1)) == 60


async def test_a_connection_too_many_waits_as_for_too_many_requests(simulator: Simulator, listening: Any) -> None:
    async with listening() as first, listening() as second:
        await first.opened()
        assert (await second.next())[1] == 60


async def test_a_rate_limit_that_is_spent_is_waited_for_without_a_word_to_who_polls(
    simulator: Simulator, listening: Any, time: Any
) -> None:
    simulator.change(limits={"activity/stream": 2}, streams=99)
    async with listening() as heard:
        for _ in range(4):
            await heard.opened()
            simulator.script("stream_drop")
            simulator.add(NOON)
            await heard.next()
    assert any(slept > 300 for slept in time.slept)
    assert time.waits == []


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"streams": 0}, x_errors.Forbidden),
        ({"allowed": False}, x_errors.Forbidden),
        ({"token": "another"}, x_errors.Unauthorized),
    ],
)
async def test_what_no_attempt_mends_is_raised_in_words(
    simulator: Simulator, listening: Any, settings: dict[str, Any], error: type[x_errors.XApiError]
) -> None:
    simulator.change(**settings)
    async with listening() as heard:
        with pytest.raises(error) as caught:
            await heard.next()
    assert caught.value.hint


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (404, {"title": "Not Found"}, x_errors.NotFound),
        (402, {"title": "CreditsDepleted"}, x_errors.CreditsDepleted),
        (429, {"title": "UsageCapExceeded"}, x_errors.UsageCapReached),
    ],
)
async def test_a_refusal_of_the_stream_itself_is_raised(
    simulator: Simulator, listening: Any, status: int, body: dict[str, Any], error: type[x_errors.XApiError]
) -> None:
    simulator.script(None, None, None, {"status": status, "body": body})
    async with listening() as heard:
        with pytest.raises(error, match=r"usage cap|stream of the account's activity|payment"):
            await heard.next()


async def test_lines_that_cannot_be_read_are_skipped_and_counted(
    simulator: Simulator, client: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    whole = {"id": "2000000000000000000", "author_id": "4242", "text": TEXT}
    wrong = [
        "{",
        "[]",
        "[" * 100_000,
        '{"data": 1}',
        "9" * 10_000,
        "x" * (x_stream.LONGEST_LINE + 1),
        *(
            json.dumps({"data": {"event_type": "post.create", "filter": {"user_id": "4242"}, "payload": payload}})
            for payload in (None, {}, whole | {"id": 1.5}, whole | {"id": "-3"}, whole | {"id": "20"})
        ),
        json.dumps({"data": {"event_type": "post.delete", "payload": {"id": "2000000000000000000"}}}),
        json.dumps({"data": {"event_type": "post.delete", "filter": {"user_id": "4242"}, "payload": {"data": {}}}}),
    ]
    async with client() as api:
        stream = api.activity()
        async with aclosing(stream.events(4242)) as events:
            assert await anext(events) == Opened()
            simulator.script("stream_malformed")
            first = simulator.add(NOON)
            assert [(await anext(events)).id] == first
            for line in wrong:
                simulator.say(line)
            second = simulator.add(NOON)
            async with asyncio.timeout(SECONDS):
                assert [(await anext(events)).id] == second
        assert stream.malformed == len(wrong) + 1
    assert TEXT not in caplog.text
    assert TOKEN not in caplog.text


async def test_a_post_of_a_time_to_come_is_left_out(simulator: Simulator, client: Make) -> None:
    def made(moment: datetime) -> str:
        payload = {"id": str(snowflake_floor(moment)), "author_id": "4242"}
        return json.dumps({"data": {"event_type": "post.create", "payload": payload}})

    async with client() as api:
        stream = api.activity()
        async with aclosing(stream.events(4242)) as events:
            await anext(events)
            simulator.say(made(NOON + timedelta(hours=20)))
            simulator.say(made(NOON + timedelta(minutes=4)))
            async with asyncio.timeout(SECONDS):
                event = await anext(events)
        assert isinstance(event, Created)
        assert event.created_at == NOON + timedelta(minutes=4)
        assert stream.malformed == 1


async def test_what_other_accounts_do_is_left_out(simulator: Simulator, client: Make) -> None:
    def said(kind: str, author: str | None, filtered: str) -> str:
        payload = {"id": "2000000000000000000"} | ({} if author is None else {"author_id": author})
        return json.dumps({"data": {"event_type": kind, "filter": {"user_id": filtered}, "payload": payload}})

    async with client() as api:
        stream = api.activity()
        async with aclosing(stream.events(4242)) as events:
            await anext(events)
            for kind in ("post.create", "post.delete"):
                simulator.say(said(kind, "1", "1"))
                simulator.say(said(kind, "1", "4242"))
                simulator.say(said(kind, None, "1"))
            simulator.say(said("like.create", "4242", "4242"))
            simulator.say(said("post.delete", None, "4242"))
            async with asyncio.timeout(SECONDS):
                assert isinstance(await anext(events), Deleted)
        assert (stream.foreign, stream.malformed) == (6, 0)


async def test_an_end_that_the_api_announces_is_told_in_its_words(simulator: Simulator, listening: Any) -> None:
    problem = {"title": "operational-disconnect", "detail": f"Bye [red]{TOKEN}\x1b[31m"}
    async with listening() as heard:
        await heard.opened()
        simulator.say(json.dumps({"errors": [problem]}))
        lost = await heard.next()
        assert isinstance(lost, Lost)
        assert lost.reason.startswith("the X API ended it: operational-disconnect: Bye")
        assert TOKEN not in lost.reason
        assert "\x1b" not in lost.reason


def test_an_event_is_read_in_either_shape() -> None:
    post = {"id": "2000000000000000000", "author_id": "4242", "created_at": "2025-12-14T03:07:11.000Z"}
    event = {"event_type": "post.create", "filter": {"user_id": "4242"}, "payload": post}
    nested = event | {"payload": {"data": post}}
    shapes = [event, {"data": event}, {"data": nested}, nested]
    found = {read_event(json.dumps(shape).encode(), NOON) for shape in shapes}
    assert found == {("4242", Created(2 * 10**18, snowflake_time(2 * 10**18), "original", 2 * 10**18))}


def test_a_post_that_comes_without_its_fields_is_of_a_kind_that_nobody_knows() -> None:
    payload = {"id": "2000000000000000000", "author_id": "4242", "text": TEXT}
    line = json.dumps({"data": {"event_type": "post.create", "filter": {"user_id": "4242"}, "payload": payload}})
    _, event = read_event(line.encode(), NOON)
    assert isinstance(event, Created)
    assert event.kind is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["data", "event_type", "payload", "filter", "id", "errors", "author_id"]) | st.text(),
                inner,
            )
        ),
    )
)
def test_whatever_a_line_holds_it_is_read_or_refused(value: Any) -> None:
    for shape in (value, {"data": {"event_type": "post.create", "payload": value, "filter": value}}):
        with suppress(Malformed, TryAgain):
            read_event(json.dumps(shape).encode(), NOON)


@given(st.lists(st.binary(max_size=20).map(lambda part: part.replace(b"\n", b""))), st.integers(1, 7))
def test_lines_are_the_same_however_they_are_cut(lines: list[bytes], size: int) -> None:
    whole = b"".join(line + b"\n" for line in lines) + b"an unfinished one"

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(whole), size):
            yield whole[at : at + size]

    async def read() -> list[bytes | None]:
        return [line async for line in read_lines(chunks())]

    assert asyncio.run(read()) == lines


def test_deletions_and_subscriptions_can_be_asked_for_over_plain_http(simulator: Simulator) -> None:
    headers = {"Authorization": "Bearer any"}
    with httpx.Client(base_url=simulator.url, headers=headers, trust_env=False) as http:
        path = "/2/activity/subscriptions"
        assert http.get(path).json() == {"meta": {"total_subscriptions": 0}}
        wanted = {"event_type": "post.create", "filter": {"user_id": "4242"}}
        [made] = http.post(path, json=wanted).json()["data"]
        assert http.post(path, json=wanted).status_code == 409
        assert http.post(path, json={"event_type": "moon.rise", "filter": {}}).status_code == 400
        assert http.get(path).json()["data"] == [made]
        assert http.delete(f"{path}/{made['subscription_id']}").json()["data"] == {"deleted": True}
        assert http.delete(f"{path}/{made['subscription_id']}").status_code == 404
