"""What the client reads: ids, times and kinds of posts, each once, however the API words its answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from musktracker.simulator.answers import TEXT
from musktracker.simulator.process import Simulator
from musktracker.sources.x_api import STALLED_PAGES, LookedUp, Page, Post, Usage, XClient
from musktracker.sources.x_errors import PageTokenRefused
from musktracker.timeline import HOUR, snowflake_floor, snowflake_time

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
Make = Callable[..., XClient]


async def pages(walk: AsyncIterator[Page]) -> list[Page]:
    return [page async for page in walk]


async def kinds(walk: AsyncIterator[Page]) -> dict[int, str]:
    return {post.first_id: post.kind async for page in walk for post in page.posts}


async def test_a_timeline_gives_every_post_with_its_kind_and_the_time_in_its_id(
    simulator: Simulator, client: Make
) -> None:
    simulator.reset(clock=NOON.isoformat(), posts=450)
    async with client() as api:
        found = await pages(api.timeline(await api.user_id("simulated")))
        posts = [post for page in found for post in page.posts]
    assert {post.id: post.kind for post in posts} == simulator.posts()
    assert len({post.kind for post in posts}) == 4
    assert all(post.created_at == snowflake_time(post.id) for post in posts)
    assert [post.id for post in posts] == sorted(simulator.posts(), reverse=True)
    assert [page.result_count for page in found] == [100, 100, 100, 100, 50]
    assert [(page.newest_id, page.oldest_id) for page in found] == [
        (page.posts[0].id, page.posts[-1].id) for page in found
    ]
    assert [page.more for page in found] == [True, True, True, True, False]
    assert api.posts_received == 450


async def test_since_and_until_are_exclusive_and_times_half_open(simulator: Simulator, client: Make) -> None:
    first, second, third, fourth = simulator.add(*(NOON - i * HOUR for i in (4, 3, 2, 1)))
    async with client() as api:
        assert set(await kinds(api.timeline(4242, since_id=first, until_id=fourth))) == {second, third}
        assert set(await kinds(api.timeline(4242, start_time=NOON - 4 * HOUR, end_time=NOON - HOUR))) == {
            first,
            second,
            third,
        }
        assert set(await kinds(api.search("from:simulated", since_id=second))) == {third, fourth}


async def test_part_of_a_second_in_a_bound_never_narrows_it(simulator: Simulator, client: Make) -> None:
    [made] = simulator.add(NOON - HOUR)
    part = timedelta(milliseconds=400)
    async with client() as api:
        assert made in await kinds(api.timeline(4242, start_time=NOON - HOUR + part))
        assert made in await kinds(api.timeline(4242, end_time=NOON - HOUR + part))


async def test_replies_and_reposts_can_be_left_out(simulator: Simulator, client: Make) -> None:
    for kind in ("original", "reply", "quote", "repost"):
        simulator.add(NOON - HOUR, kind=kind)
    async with client() as api:
        found = await kinds(api.timeline(4242, exclude=("replies", "retweets")))
    assert sorted(found.values()) == ["original", "quote"]


async def test_search_finds_seven_days_and_the_archive_everything(simulator: Simulator, client: Make) -> None:
    old, older = simulator.add(NOON - timedelta(days=8), NOON - timedelta(days=400))
    [new] = simulator.add(NOON - HOUR)
    async with client() as api:
        assert set(await kinds(api.search("from:simulated"))) == {new}
        everything = api.search("from:simulated", scope="all", start_time=NOON - timedelta(days=500), max_results=500)
        assert set(await kinds(everything)) == {new, old, older}


async def test_counts_of_any_length_are_the_posts_of_each_hour(simulator: Simulator, client: Make) -> None:
    simulator.reset(clock=NOON.isoformat(), posts=6_000)
    start = NOON - timedelta(days=80)
    async with client() as api:
        counts = await api.counts("from:simulated", scope="all", start_time=start, end_time=NOON - HOUR)
    assert [count.start for count in counts] == [start + i * HOUR for i in range(len(counts))]
    assert counts[-1].end == NOON - HOUR
    low, high = snowflake_floor(start), snowflake_floor(NOON - HOUR)
    made = [snowflake_time(post) for post in simulator.posts() if low <= post < high]
    assert sum(count.posts for count in counts) == len(made) > 1_000
    busiest = max(counts, key=lambda count: count.posts)
    assert busiest.posts == sum(busiest.start <= moment < busiest.end for moment in made) > 1


async def test_lookup_tells_posts_that_are_there_from_those_that_are_not(simulator: Simulator, client: Make) -> None:
    there, gone = simulator.add(NOON - HOUR, NOON - 2 * HOUR)
    simulator.delete([gone])
    async with client() as api:
        assert await api.lookup([there, gone, there]) == LookedUp(
            {there: Post(there, snowflake_time(there), "original", there)}, frozenset({gone}), frozenset()
        )
        simulator.restore([gone])
        assert set((await api.lookup([gone])).found) == {gone}


async def test_lookup_asks_for_a_hundred_at_once(simulator: Simulator, client: Make) -> None:
    ids = simulator.add(*(NOON - i * HOUR for i in range(1, 251)))
    async with client() as api:
        assert set((await api.lookup(ids)).found) == set(ids)
    assert simulator.state()["requests"]["tweets"] == 3


async def test_a_post_of_which_nothing_is_said_is_asked_for_singly_before_it_is_called_deleted(
    simulator: Simulator, client: Make
) -> None:
    silent, mute = simulator.add(NOON - HOUR, NOON - 2 * HOUR)
    nothing = {"body": {"errors": []}}
    simulator.script(nothing, None, nothing)
    async with client() as api:
        found = await api.lookup([silent, mute])
    assert set(found.found) == {silent}
    assert found.unknown == {mute}
    assert not found.missing


async def test_a_post_that_is_withheld_is_not_called_deleted(simulator: Simulator, client: Make) -> None:
    problem = {"resource_id": "7", "resource_type": "tweet", "title": "Authorization Error"}
    simulator.script({"body": {"errors": [problem | {"type": "…/2/problems/not-authorized-for-resource"}]}})
    async with client() as api:
        assert await api.lookup([7]) == LookedUp({}, frozenset(), frozenset({7}))


@pytest.mark.parametrize("form", [str, int])
async def test_usage_is_read_from_text_and_from_numbers(simulator: Simulator, client: Make, form: Any) -> None:
    data = {"project_usage": form(812), "project_cap": form(3_000_000), "cap_reset_day": form(5)}
    simulator.script({"body": {"data": data}})
    async with client() as api:
        assert await api.usage() == Usage(812, 3_000_000, 5)


async def test_an_edited_post_counts_once_under_its_first_id(simulator: Simulator, client: Make) -> None:
    [first] = simulator.add(NOON - HOUR, kind="quote")
    newest = simulator.edit(simulator.edit(first, NOON - 2 * HOUR / 3), NOON - HOUR / 3)
    async with client() as api:
        [page] = await pages(api.timeline(4242))
    assert page.posts == (Post(newest, snowflake_time(first), "quote", first),)
    assert page.contradicted == ()


async def test_two_versions_of_a_post_on_a_page_are_one_post(simulator: Simulator, client: Make) -> None:
    old, new = (str(snowflake_floor(NOON - n * HOUR)) for n in (2, 1))
    time = {"created_at": "2026-03-01T10:00:00.000Z"}
    versions = [
        {"id": old, "edit_history_tweet_ids": [old]},
        {"id": new, "edit_history_tweet_ids": [old, new]} | time,
    ]
    simulator.script({"body": {"data": [*versions, versions[0]], "meta": {"result_count": 3}}})
    async with client() as api:
        [page] = await pages(api.timeline(4242))
    assert [(post.id, post.first_id) for post in page.posts] == [(int(new), int(old))]
    assert page.result_count == 3


async def test_a_stated_time_that_contradicts_the_id_is_reported_and_not_taken(
    simulator: Simulator, client: Make
) -> None:
    number = snowflake_floor(NOON - HOUR)
    late, right = {"created_at": "2026-03-01T11:00:04.000Z"}, {"created_at": "2026-03-01T11:00:00.000Z"}
    data = [{"id": str(number), **late}, {"id": str(number + 1), **right}, {"id": str(number + 2), "created_at": "?"}]
    simulator.script({"body": {"data": data, "meta": {"result_count": 3}}})
    async with client() as api:
        [page] = await pages(api.timeline(4242))
    assert page.contradicted == (number, number + 2)
    assert {post.created_at for post in page.posts} == {NOON - HOUR}


async def test_a_post_older_than_snowflakes_needs_its_stated_time(simulator: Simulator, client: Make) -> None:
    data = [{"id": "15434432", "created_at": "2010-06-04T18:31:57.000Z"}, {"id": "15434431"}]
    simulator.script({"body": {"data": data, "meta": {"result_count": 2}}})
    async with client() as api:
        [page] = await pages(api.timeline(4242))
    assert page.posts == (Post(15434432, datetime(2010, 6, 4, 18, 31, 57, tzinfo=UTC), "original", 15434432),)
    assert page.untimed == (15434431,)
    assert page.oldest_id == 15434431


@pytest.mark.parametrize("first", ["tweet", "post"])
@pytest.mark.parametrize("taken", ["both", "tweet", "post", "mixed", "ignored"])
async def test_kinds_are_read_in_whichever_spelling_the_api_takes(
    simulator: Simulator, client: Make, first: Any, taken: str
) -> None:
    simulator.reset(clock=NOON.isoformat(), posts=150, spelling=taken)
    async with client(spelling=first) as api:
        assert await kinds(api.timeline(4242)) == simulator.posts()
        asked = api.requests
        assert await kinds(api.timeline(4242)) == simulator.posts()
    assert api.requests - asked == 2  # it has learnt


async def test_pages_without_any_time_change_nothing(simulator: Simulator, client: Make) -> None:
    simulator.reset(clock=NOON.isoformat(), posts=150, faults={"rates": {"no_created_at": 1.0}})
    async with client() as api:
        assert await kinds(api.timeline(4242)) == simulator.posts()


async def test_a_token_that_was_given_before_ends_the_walk_and_says_so(simulator: Simulator, client: Make) -> None:
    simulator.reset(clock=NOON.isoformat(), posts=350)
    simulator.script(None, None, "loop", "loop")
    async with client() as api:
        found = await pages(api.timeline(4242))
    assert [page.looped for page in found] == [False, False, True]
    assert not found[-1].more
    assert len({post.id for page in found for post in page.posts}) == 300


async def test_a_walk_that_leads_nowhere_by_ever_new_tokens_ends(simulator: Simulator, client: Make) -> None:
    simulator.reset(clock=NOON.isoformat(), posts=350, faults={"rates": {"empty": 1.0}})
    async with client() as api:
        found = await pages(api.timeline(4242))
    assert len(found) == STALLED_PAGES
    assert [page.looped for page in found].index(True) == STALLED_PAGES - 1


async def test_empty_pages_on_the_way_end_nothing(simulator: Simulator, client: Make) -> None:
    simulator.reset(clock=NOON.isoformat(), posts=250)
    simulator.script("empty", "empty", None, "empty")
    async with client() as api:
        assert await kinds(api.timeline(4242)) == simulator.posts()


async def test_a_page_token_that_died_is_an_error_of_its_own(simulator: Simulator, client: Make) -> None:
    simulator.reset(clock=NOON.isoformat(), posts=150)
    wrong = {"parameters": {"pagination_token": ["x"]}, "message": "Invalid 'pagination_token':'x'"}
    simulator.script(None, {"status": 400, "body": {"title": "Invalid Request", "errors": [wrong]}})
    async with client() as api:
        walk = api.timeline(4242)
        assert len((await anext(walk)).posts) == 100
        with pytest.raises(PageTokenRefused, match="page token"):
            await anext(walk)


async def test_nothing_found_is_one_empty_page(simulator: Simulator, client: Make) -> None:
    async with client() as api:
        assert await pages(api.timeline(4242)) == [Page((), None, None, 0)]


async def test_text_is_in_nothing_that_the_client_returns(simulator: Simulator, client: Make) -> None:
    [there] = simulator.add(NOON - HOUR)
    async with client() as api:
        assert TEXT not in repr(await pages(api.timeline(4242)))
        assert TEXT not in repr(await api.lookup([there]))
