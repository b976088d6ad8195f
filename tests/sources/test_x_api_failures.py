"""What passes is waited for and tried again, with bounds; what does not stops at once, with words and what to do."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from musktracker.errors import UsageError
from musktracker.simulator.answers import TEXT
from musktracker.simulator.process import Simulator
from musktracker.sources import x_errors
from musktracker.sources.x_api import WHOLE_PAGE_TRIES, Patience, Timeouts, XClient
from musktracker.timeline import HOUR, snowflake_floor

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOKEN = "AAAAsecretToken"
PASSING = (
    "throttle",
    "throttle_second",
    "throttle_bare",
    "server_error",
    "drop",
    "truncate",
    "not_json",
    "html",
    "partial",
)
Make = Callable[..., XClient]


async def timeline(api: XClient) -> set[int]:
    return {post.first_id async for page in api.timeline(4242) for post in page.posts}


@pytest.mark.parametrize("fault", PASSING)
async def test_a_fault_that_passes_costs_time_and_no_post(
    simulator: Simulator, client: Make, time: Any, fault: str
) -> None:
    simulator.reset(clock=NOON.isoformat(), posts=250, limits="none")
    simulator.script(None, fault, fault, None, fault)
    async with client() as api:
        assert await timeline(api) == set(simulator.posts())
        assert api.requests == 6
    assert len(time.slept) == 3
    assert min(time.slept) >= 0.5


async def test_a_server_that_does_not_answer_is_given_up_in_time_and_asked_again(
    simulator: Simulator, client: Make
) -> None:
    simulator.reset(clock=NOON.isoformat(), posts=20, faults={"hang_seconds": 60})
    simulator.script("hang")
    async with client(timeouts=Timeouts(silence=0.2)) as api:
        assert await timeline(api) == set(simulator.posts())
    simulator.script("hang")
    async with client(timeouts=Timeouts(total=0.2)) as api:
        assert await timeline(api) == set(simulator.posts())


@pytest.mark.parametrize("fault", PASSING)
async def test_a_fault_that_stays_is_given_up_after_some_attempts(
    simulator: Simulator, client: Make, fault: str
) -> None:
    simulator.reset(clock=NOON.isoformat(), posts=20, faults={"rates": {fault: 1.0}})
    async with client(patience=Patience(attempts=4)) as api:
        with pytest.raises(x_errors.Unavailable) as caught:
            await timeline(api)
        assert api.requests == 4
    assert isinstance(caught.value, x_errors.RateLimited) == fault.startswith("throttle")
    assert "4 attempts" in caught.value.message
    assert caught.value.hint
    assert TEXT not in describe(caught.value)


async def test_waits_between_attempts_double_and_are_spread_at_random(
    simulator: Simulator, client: Make, time: Any
) -> None:
    simulator.change(faults={"rates": {"server_error": 1.0}})
    async with client(patience=Patience(attempts=7, first=2.0, longest=16.0)) as api:
        for _ in range(5):
            with pytest.raises(x_errors.Unavailable):
                await timeline(api)
    by_attempt = list(zip(*(time.slept[i : i + 6] for i in range(0, 30, 6)), strict=True))
    for waits, longest in zip(by_attempt, (2, 4, 8, 16, 16, 16), strict=True):
        assert all(longest / 2 <= wait <= longest for wait in waits)
    assert all(len(set(waits)) > 1 for waits in by_attempt)


async def test_each_wait_is_told_with_its_reason_and_its_end(simulator: Simulator, client: Make, time: Any) -> None:
    simulator.script("server_error", "drop")
    async with client(patience=Patience(first=4.0)) as api:
        await timeline(api)
    (first, until), (second, later) = time.waits
    assert (first.kind, second.kind) == ("retry", "retry")
    assert "The server answered 50" in first.message
    assert "attempt 1 of 8" in first.message
    assert "The connection failed" in second.message
    assert (until - NOON).total_seconds() == pytest.approx(time.slept[0], abs=1e-5)
    assert (later - until).total_seconds() == pytest.approx(time.slept[1], abs=1e-5)


async def test_a_server_that_is_not_there_is_named_as_such(unused_tcp_port: int, time: Any) -> None:
    sleep = time.sleep
    async with XClient(
        f"http://127.0.0.1:{unused_tcp_port}", TOKEN, clock=time, sleep=sleep, patience=Patience(attempts=2)
    ) as api:
        with pytest.raises(x_errors.Unavailable, match="the connection failed"):
            await api.usage()


REFUSALS: tuple[tuple[dict[str, Any], type[x_errors.XApiError], str], ...] = (
    ({"token": "another"}, x_errors.Unauthorized, "X_BEARER_TOKEN"),
    ({"allowed": False}, x_errors.Forbidden, "plan"),
    ({"credits": False}, x_errors.CreditsDepleted, "credits"),
    ({"usage_used": 10, "usage_cap": 10}, x_errors.UsageCapReached, "usage cap"),
    ({"account": "suspended"}, x_errors.AccountSuspended, "suspended"),
    ({"account": "protected"}, x_errors.AccountProtected, "protected"),
    ({"account": "missing"}, x_errors.AccountNotFound, "account"),
)


@pytest.mark.parametrize(("world", "error", "word"), REFUSALS, ids=lambda value: getattr(value, "__name__", None))
async def test_what_does_not_pass_stops_at_the_first_request(
    simulator: Simulator, client: Make, time: Any, world: dict[str, Any], error: type[Exception], word: str
) -> None:
    simulator.reset(clock=NOON.isoformat(), posts=20, **world)
    async with client() as api:
        with pytest.raises(error) as caught:
            await timeline(api)
        assert api.requests == 1
    assert time.slept == []
    assert word in str(caught.value)
    assert caught.value.hint
    assert TOKEN not in describe(caught.value)


async def test_an_account_that_is_not_there_is_named(simulator: Simulator, client: Make) -> None:
    async with client() as api:
        with pytest.raises(x_errors.AccountNotFound, match="@nobody"):
            await api.user_id("nobody")
        simulator.change(account="suspended")
        with pytest.raises(x_errors.AccountSuspended, match="@simulated"):
            await api.user_id("simulated")


ANSWERS: tuple[tuple[dict[str, Any], type[x_errors.XApiError]], ...] = (
    ({"status": 404, "body": "<html>", "type": "text/html"}, x_errors.NotFound),
    ({"status": 403, "body": "<html>", "type": "text/html"}, x_errors.Forbidden),
    ({"status": 401, "body": {"errors": [{"code": 32, "message": "Could not authenticate"}]}}, x_errors.Unauthorized),
    ({"status": 302, "headers": {"Location": "https://elsewhere.example/"}}, x_errors.XApiError),
    ({"status": 400, "body": {"title": "Invalid Request"}}, x_errors.InvalidRequest),
    ({"status": 429, "body": {"title": "UsageCapExceeded", "period": "Monthly"}}, x_errors.UsageCapReached),
    ({"body": {"errors": [{"type": "…/disallowed-resource", "title": "Disallowed"}]}}, x_errors.XApiError),
)  # fmt: skip


@pytest.mark.parametrize(("answer", "error"), ANSWERS)
async def test_refusals_are_understood_in_each_of_their_shapes(
    simulator: Simulator, client: Make, answer: dict[str, Any], error: type[x_errors.XApiError]
) -> None:
    simulator.script(answer)
    async with client() as api:
        with pytest.raises(error) as caught:
            await timeline(api)
        assert api.requests == 1
    assert type(caught.value) is error


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"id": "1"}, "meta": {}},
        {"data": [{"text": "no id"}], "meta": {}},
        {"data": [{"id": 1.58e18}], "meta": {}},
        {"data": [{"id": str(2**63)}], "meta": {}},
        {"data": [{"id": "9" * 5000}], "meta": {}},
        {"data": [None], "meta": {}},
        {"data": [{"id": "12"}]},
        {"meta": {"next_token": 5}},
        {},
        [],
        "null",
        "[" * 100_000,
    ],
)
async def test_an_answer_in_no_known_form_is_asked_for_again(simulator: Simulator, client: Make, body: Any) -> None:
    [there] = simulator.add(NOON)
    simulator.change(clock=None)
    simulator.script({"body": body})
    async with client() as api:
        assert await timeline(api) == {there}
        assert api.requests == 2


def listed(*numbers: Any, **meta: Any) -> dict[str, Any]:
    """An answer with these posts."""
    return {"body": {"data": [{"id": number} for number in numbers], "meta": meta}}


@pytest.mark.parametrize("told", [3, "3"])
async def test_a_page_that_holds_fewer_posts_than_it_says_is_asked_for_again(
    simulator: Simulator, client: Make, told: Any
) -> None:
    there = simulator.add(*(NOON - HOUR * i for i in range(3)))
    simulator.script(listed(*map(str, there[:2]), result_count=told))
    async with client() as api:
        assert await timeline(api) == set(there)
        assert api.requests == 2


async def test_posts_that_are_withheld_for_good_are_not_missing_from_a_page(
    simulator: Simulator, client: Make
) -> None:
    [there] = simulator.add(NOON)
    answer = listed(str(there), result_count=2)
    answer["body"]["errors"] = [{"type": "…/not-authorized-for-resource", "title": "Authorization Error"}]
    simulator.script(answer)
    async with client() as api:
        [page] = [page async for page in api.timeline(4242)]
        assert api.requests <= 2  # the fields are asked for in another spelling, too
    assert page.lacking == ""


BAD: tuple[Any, ...] = (None, {}, {"id": None}, {"id": "many"}, {"id": 1.5e18}, {"id": str(2**63)}, "post", 7, [])


@pytest.mark.parametrize("bad", BAD, ids=repr)
@pytest.mark.parametrize(("place", "gap"), [(0, (None, 0)), (1, (0, 1)), (3, (2, None))])
async def test_a_post_that_cannot_be_read_hides_no_other_of_its_page(
    simulator: Simulator, client: Make, bad: Any, place: int, gap: tuple[int | None, int | None]
) -> None:
    ids = [snowflake_floor(NOON - HOUR * i) for i in range(3)]
    data: list[Any] = [{"id": str(number), "created_at": None, "referenced_tweets": []} for number in ids]
    data.insert(place, bad)
    answer = {"body": {"data": data, "meta": {"result_count": 4}}}
    simulator.script(*[answer] * (WHOLE_PAGE_TRIES + 1))
    async with client() as api:
        [page] = [page async for page in api.timeline(4242)]
        assert api.requests == WHOLE_PAGE_TRIES
        assert [post.id for post in page.posts] == ids
        assert page.gap == tuple(None if i is None else ids[i] for i in gap)
        assert page.lacking == "1 posts in it have no usable id"
        assert [page.lacking async for page in api.timeline(4242)] == [page.lacking]
        assert api.requests == WHOLE_PAGE_TRIES + 1  # it is known by now


async def test_where_posts_are_in_no_order_one_that_cannot_be_read_may_lie_anywhere_on_its_page(
    simulator: Simulator, client: Make
) -> None:
    ids = [str(snowflake_floor(NOON - HOUR * i)) for i in (2, 1, 3)]
    simulator.script(*[listed(ids[0], None, *ids[1:])] * 2 * WHOLE_PAGE_TRIES)
    async with client() as api:
        [page] = [page async for page in api.timeline(4242)]
    assert (len(page.posts), page.gap) == (3, (None, None))
    assert page.lacking


async def test_words_of_the_api_are_shown_as_text_and_without_the_token(simulator: Simulator, client: Make) -> None:
    simulator.script({"status": 403, "body": {"title": "No", "detail": f"\x1b[31m Bearer {TOKEN} is bad\n" * 99}})
    async with client() as api:
        with pytest.raises(x_errors.Forbidden) as caught:
            await timeline(api)
    assert str(caught.value).isprintable()
    assert TOKEN not in str(caught.value)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("token", [None, ""])
def test_without_a_token_it_says_where_to_put_one(token: str | None) -> None:
    with pytest.raises(x_errors.Unauthorized, match="X_BEARER_TOKEN"):
        XClient("https://api.x.com", token)


@pytest.mark.parametrize("token", ["se cret", "secret\n", "sécret", "secret\x00"])
def test_a_token_that_no_header_can_carry_is_refused_unseen(token: str) -> None:
    with pytest.raises(x_errors.Unauthorized) as caught:
        XClient("https://api.x.com", token)
    assert token not in str(caught.value)


@pytest.mark.parametrize("url", ["http://api.x.com", "http://10.0.0.7:8080", "http://localhost.example"])
def test_a_token_is_not_sent_over_a_network_in_the_clear(url: str) -> None:
    with pytest.raises(UsageError, match="unencrypted"):
        XClient(url, TOKEN)


@pytest.mark.parametrize("url", ["https://api.x.com:port", "http://127.0.0.1:99999", "http://[::1"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="x_api_base_url"):
        XClient(url, TOKEN)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1", "https://api.x.com"])
def test_nothing_shows_the_token(url: str) -> None:
    assert TOKEN not in repr(XClient(url, TOKEN))
    assert TOKEN not in repr(vars(XClient(url, TOKEN)))


async def test_neither_token_nor_text_is_ever_logged(
    simulator: Simulator, client: Make, caplog: pytest.LogCaptureFixture
) -> None:
    simulator.reset(clock=NOON.isoformat(), posts=120)
    simulator.script("server_error", "truncate", "not_json", "drop", None, "partial")
    with caplog.at_level(logging.DEBUG):
        async with client() as api:
            assert await timeline(api) == set(simulator.posts())
    said = caplog.text + "".join(str(record.args) for record in caplog.records)
    assert "GET" in said
    assert TOKEN not in said
    assert TEXT not in said


def describe(error: BaseException) -> str:
    """All that a traceback would print of it, and all that hangs on it."""
    chained, found = [error.__cause__, error.__context__], "".join(traceback.format_exception(error))
    return found + repr(error.args) + "".join(repr(vars(other)) for other in chained if other is not None)


@pytest.mark.parametrize("references", [[3], [{"id": "1"}], 5, "quoted", [None]])
async def test_a_post_that_refers_to_others_in_no_known_form_is_kept_with_its_kind_unknown(
    simulator: Simulator, client: Make, references: Any
) -> None:
    number = snowflake_floor(NOON)
    simulator.script({"body": {"data": [{"id": str(number), "referenced_tweets": references}], "meta": {}}})
    async with client() as api:
        [page] = [page async for page in api.timeline(1)]
    assert [(post.id, post.kind) for post in page.posts] == [(number, None)]
