"""The simulated API answers as the real one is documented to, and fails as it is told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time as clock
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
import requests
import tweepy
from requests.adapters import HTTPAdapter

from musktracker.simulator.config import FAULTS
from musktracker.simulator.process import Simulator
from musktracker.timeline import DAY, HOUR, snowflake_time

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TIMELINE = "/2/users/4242/tweets"
QUERY = {"query": "from:simulated"}
START = NOON.isoformat()


@pytest.fixture
def http(simulator: Simulator) -> Iterator[httpx.Client]:
    """A plain client with a token."""
    headers = {"Authorization": "Bearer any"}
    with httpx.Client(base_url=simulator.url, headers=headers, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
def tweepy_client(simulator: Simulator) -> tweepy.Client:
    """tweepy as it is, whose session finds the API's address here."""

    class Here(HTTPAdapter):
        def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
            request.url = request.url.replace("https://api.twitter.com", simulator.url)
            return super().send(request, **options)

    client = tweepy.Client("any")
    client.session.trust_env = False
    client.session.mount("https://api.twitter.com", Here())
    return client


def walk(http: httpx.Client, **parameters: Any) -> list[dict[str, Any]]:
    """The pages of a timeline, as they come."""
    found = []
    while True:
        page = http.get(TIMELINE, params={"max_results": 100, **parameters}).json()
        found.append(page)
        if "next_token" not in page["meta"] or len(found) > 50:
            return found
        parameters["pagination_token"] = page["meta"]["next_token"]


def ids(pages: list[dict[str, Any]]) -> list[int]:
    return [int(post["id"]) for page in pages for post in page.get("data", ())]


def test_tweepy_pages_through_a_whole_timeline(simulator: Simulator, tweepy_client: tweepy.Client) -> None:
    simulator.reset(clock=START, posts=730)
    user = tweepy_client.get_user(username="simulated").data
    pages = tweepy.Paginator(
        tweepy_client.get_users_tweets, user.id, max_results=100, tweet_fields=["created_at", "referenced_tweets"]
    )
    posts = list(pages.flatten())
    assert [post.id for post in posts] == sorted(simulator.posts(), reverse=True)
    assert all(post.created_at == snowflake_time(post.id).replace(microsecond=0) for post in posts)
    kinds = {"retweeted": "repost", "replied_to": "reply", "quoted": "quote"}
    said = {
        post.id: kinds[post.referenced_tweets[0].type] if post.referenced_tweets else "original" for post in posts
    }
    assert said == simulator.posts()


def test_tweepy_searches_counts_and_looks_up(simulator: Simulator, tweepy_client: tweepy.Client) -> None:
    there, gone = simulator.add(NOON - HOUR, NOON - 2 * HOUR)
    simulator.delete([gone])
    assert [post.id for post in tweepy_client.search_recent_tweets("from:simulated").data] == [there]
    assert tweepy_client.get_recent_tweets_count("from:simulated").meta["total_tweet_count"] == 1
    found = tweepy_client.get_tweets([there, gone])
    assert [post.id for post in found.data] == [there]
    assert [error["title"] for error in found.errors] == ["Not Found Error"]


def test_tweepy_understands_its_refusals(simulator: Simulator, tweepy_client: tweepy.Client) -> None:
    with pytest.raises(tweepy.BadRequest, match="max_results"):
        tweepy_client.get_users_tweets(4242, max_results=101)
    simulator.script("throttle", "server_error")
    with pytest.raises(tweepy.TooManyRequests):
        tweepy_client.get_users_tweets(4242)
    with pytest.raises(tweepy.TwitterServerError):
        tweepy_client.get_users_tweets(4242)
    simulator.change(token="another")
    with pytest.raises(tweepy.Unauthorized):
        tweepy_client.get_users_tweets(4242)


@pytest.mark.parametrize("header", [None, "", "Bearer", "any", "Basic any", "OAuth any"])
def test_a_bearer_token_is_required(simulator: Simulator, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = httpx.get(f"{simulator.url}{TIMELINE}", headers=headers)
    assert (answer.status_code, answer.json()["title"]) == (401, "Unauthorized")


WRONG: tuple[tuple[str, dict[str, str], str], ...] = (
    (TIMELINE, {"max_results": "4"}, "max_results"),
    (TIMELINE, {"max_results": "101"}, "max_results"),
    (TIMELINE, {"max_results": "ten"}, "max_results"),
    (TIMELINE, {"since_id": "1e9"}, "since_id"),
    (TIMELINE, {"start_time": "2026-01-01"}, "start_time"),
    (TIMELINE, {"start_time": "2026-13-01T00:00:00Z"}, "start_time"),
    (TIMELINE, {"end_time": "2009-01-01T00:00:00Z"}, "end_time"),
    (TIMELINE, {"start_time": "2026-01-02T00:00:00Z", "end_time": "2026-01-01T00:00:00Z"}, "end_time"),
    (TIMELINE, {"exclude": "quotes"}, "exclude"),
    (TIMELINE, {"tweet.fields": "created_at,nothing"}, "tweet.fields"),
    (TIMELINE, {"pagination_token": "made-up"}, "pagination_token"),
    (TIMELINE, {"page": "2"}, "page"),
    ("/2/tweets/search/recent", {}, "query"),
    ("/2/tweets/search/recent", {"query": "from:simulated ("}, "query"),
    ("/2/tweets/search/recent", QUERY | {"max_results": "9"}, "max_results"),
    ("/2/tweets/search/recent", QUERY | {"max_results": "500"}, "max_results"),
    ("/2/tweets/search/recent", QUERY | {"start_time": "2026-02-22T11:00:00Z"}, "start_time"),
    ("/2/tweets/search/recent", QUERY | {"end_time": "2026-03-01T11:59:55Z"}, "end_time"),
    ("/2/tweets/search/recent", QUERY | {"since_id": "20"}, "since_id"),
    ("/2/tweets/search/all", QUERY | {"max_results": "501"}, "max_results"),
    ("/2/tweets/counts/recent", QUERY | {"granularity": "week"}, "granularity"),
    ("/2/tweets", {"ids": ",".join(map(str, range(1, 102)))}, "ids"),
    ("/2/tweets", {"ids": "12,x"}, "ids"),
    ("/2/tweets", {}, "ids"),
)


@pytest.mark.parametrize(("path", "parameters", "named"), WRONG)
def test_what_cannot_be_is_refused_by_name(
    http: httpx.Client, path: str, parameters: dict[str, str], named: str
) -> None:
    answer = http.get(path, params=parameters)
    assert (answer.status_code, answer.json()["title"]) == (400, "Invalid Request")
    assert [name for error in answer.json()["errors"] for name in error["parameters"]] == [named]


def test_a_page_token_is_good_for_its_own_request_alone(simulator: Simulator, http: httpx.Client) -> None:
    simulator.reset(clock=START, posts=20)
    token = http.get(TIMELINE, params={"max_results": 5}).json()["meta"]["next_token"]
    follow = {"max_results": 5, "pagination_token": token}
    assert http.get(TIMELINE, params=follow).status_code == 200
    assert http.get(TIMELINE, params=follow | {"exclude": "replies"}).status_code == 400
    assert http.get(TIMELINE, params=follow | {"pagination_token": token[:-1]}).status_code == 400


def test_unknown_addresses_and_accounts(http: httpx.Client) -> None:
    assert http.get("/2/nothing").status_code == 404
    for path in ("/2/users/by/username/nobody", "/2/users/7/tweets"):
        answer = http.get(path)
        assert (answer.status_code, list(answer.json())) == (200, ["errors"])


def test_limits_count_down_refuse_and_start_anew(simulator: Simulator, http: httpx.Client) -> None:
    simulator.reset(clock=START, limits={"users/:id/tweets": 2}, window_seconds=60)
    answers = [http.get(TIMELINE) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["x-rate-limit-remaining"] for answer in answers] == ["1", "0", "0"]
    assert {answer.headers["x-rate-limit-reset"] for answer in answers} == {str(int(NOON.timestamp()) + 60)}
    assert http.get("/2/usage/tweets").status_code == 200
    simulator.advance(60)
    assert http.get(TIMELINE).headers["x-rate-limit-remaining"] == "1"


def test_the_archive_is_searched_once_a_second(simulator: Simulator, http: httpx.Client) -> None:
    simulator.reset(clock=START)
    first, second = (http.get("/2/tweets/search/all", params=QUERY) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 429)
    assert int(second.headers["x-rate-limit-remaining"]) > 0


def test_a_timeline_reaches_back_3200_posts_and_then_is_empty(simulator: Simulator, http: httpx.Client) -> None:
    simulator.reset(clock=START, posts=3_400)
    newest = sorted(simulator.posts(), reverse=True)
    assert ids(walk(http)) == newest[:3_200]
    assert http.get(TIMELINE, params={"until_id": newest[3_199]}).json() == {"meta": {"result_count": 0}}
    kinds = simulator.posts()
    without_replies = ids(walk(http, exclude="replies"))
    assert without_replies == [post for post in newest if kinds[post] != "reply"][:800]


def test_any_number_of_posts_is_made_up_exactly(simulator: Simulator) -> None:
    simulator.reset(clock=START, posts=12_345)
    made = [snowflake_time(post) for post in simulator.posts()]
    assert len(made) == 12_345
    assert NOON - 2 * DAY < max(made) < NOON


def test_posts_arrive_faster_than_really(simulator: Simulator, http: httpx.Client) -> None:
    simulator.reset(clock=START, speed=100.0)
    assert simulator.posts() == {}
    later = simulator.advance(86_400)
    arrived = simulator.posts()
    assert 2_000 < len(arrived) < 12_000
    assert all(NOON <= snowflake_time(post) <= later for post in arrived)


def test_time_passes_by_itself_unless_it_is_told_to_stand(simulator: Simulator) -> None:
    simulator.reset()
    assert abs(simulator.now() - datetime.now(UTC)) < timedelta(minutes=1)
    simulator.advance(0)
    assert simulator.now() == simulator.now()


def test_an_edit_is_a_new_id_for_the_same_post(simulator: Simulator, http: httpx.Client) -> None:
    [first] = simulator.add(NOON - HOUR)
    second = simulator.edit(first)
    [page] = walk(http)
    assert page["data"][0]["edit_history_tweet_ids"] == [str(first), str(second)]
    assert ids([page]) == [second]
    assert set(simulator.posts()) == {first}
    assert ids([http.get("/2/tweets", params={"ids": first}).json()]) == [first]
    simulator.delete([first])
    assert simulator.deleted() == {first}
    assert ids(walk(http)) == []


def test_deleted_posts_vanish_everywhere_until_they_return(simulator: Simulator, http: httpx.Client) -> None:
    [post] = simulator.add(NOON - HOUR)
    simulator.delete([post])
    assert ids(walk(http)) == []
    assert "data" not in http.get("/2/tweets", params={"ids": post}).json()
    assert http.get("/2/tweets/counts/recent", params=QUERY).json()["meta"]["total_tweet_count"] == 0
    simulator.restore([post])
    assert ids(walk(http)) == [post]


def test_a_post_is_billed_once_a_day_and_reads_end_at_the_cap(simulator: Simulator, http: httpx.Client) -> None:
    simulator.reset(clock=START, posts=10, usage_cap=20)
    for _ in range(2):
        walk(http)
    assert http.get("/2/usage/tweets").json()["data"]["project_usage"] == "10"
    simulator.advance(86_400)
    walk(http)
    refused = http.get(TIMELINE)
    assert (refused.status_code, refused.json()["title"]) == (429, "UsageCapExceeded")
    assert int(refused.headers["x-rate-limit-remaining"]) > 0


FAILURES: tuple[tuple[str, Callable[[httpx.Response], bool]], ...] = (
    ("throttle", lambda a: a.status_code == 429 and a.headers["x-rate-limit-remaining"] == "0"),
    ("throttle_second", lambda a: a.status_code == 429 and a.headers["x-rate-limit-remaining"] != "0"),
    ("throttle_bare", lambda a: a.status_code == 429 and "x-rate-limit-reset" not in a.headers),
    ("server_error", lambda a: a.status_code >= 500 and a.text.startswith("<!DOCTYPE")),
    ("html", lambda a: a.status_code == 200 and a.text.startswith("<!DOCTYPE")),
    ("not_json", lambda a: a.status_code == 200 and a.text.startswith('{"') and not a.text.endswith("}")),
)


@pytest.mark.parametrize(("fault", "seen"), FAILURES, ids=lambda value: value if isinstance(value, str) else "")
def test_an_answer_fails_as_it_is_told_to(
    simulator: Simulator, http: httpx.Client, fault: str, seen: Callable[[httpx.Response], bool]
) -> None:
    simulator.script(fault)
    assert seen(http.get(TIMELINE))
    assert http.get(TIMELINE).status_code == 200


@pytest.mark.parametrize(
    ("fault", "error", "timeout"),
    [("drop", httpx.ReadError, 30), ("truncate", httpx.RemoteProtocolError, 30), ("hang", httpx.ReadTimeout, 0.3)],
)
def test_a_connection_fails_as_it_is_told_to(
    simulator: Simulator, http: httpx.Client, fault: str, error: type[Exception], timeout: float
) -> None:
    simulator.script(fault)
    with pytest.raises(error):
        http.get(TIMELINE, timeout=timeout)
    assert http.get(TIMELINE).status_code == 200


def test_pages_overlap_repeat_and_lose_their_order_without_losing_a_post(
    simulator: Simulator, http: httpx.Client
) -> None:
    for fault in ("duplicate", "overlap", "shuffle", "swap"):
        simulator.reset(clock=START, posts=450, faults={"rates": {fault: 0.5}})
        found, posts = ids(walk(http)), sorted(simulator.posts(), reverse=True)
        assert found != posts, fault
        assert set(found) == set(posts), fault
        assert (max(Counter(found).values()) > 1) == (fault in ("duplicate", "overlap"))


def test_a_partial_answer_names_what_it_lacks(simulator: Simulator, http: httpx.Client) -> None:
    simulator.reset(clock=START, posts=90)
    simulator.script("partial")
    [page] = walk(http)
    lacking = {int(error["resource_id"]) for error in page["errors"]}
    assert lacking
    assert lacking | set(ids([page])) == set(simulator.posts())


def test_a_loop_leads_to_the_page_itself(simulator: Simulator, http: httpx.Client) -> None:
    simulator.reset(clock=START, posts=250, faults={"rates": {"loop": 1.0}})
    pages = walk(http)
    assert len(pages) == 51
    assert len({page["meta"]["next_token"] for page in pages}) == 1


def test_recent_posts_are_left_out_at_random_until_they_settle(simulator: Simulator, http: httpx.Client) -> None:
    simulator.reset(clock=START, faults={"rates": {"subset": 1.0}})
    posts = simulator.add(*(NOON - timedelta(minutes=n) for n in range(1, 61)))
    seen = [frozenset(ids(walk(http))) for _ in range(12)]
    assert len(set(seen)) > 1
    assert frozenset.union(*seen) == set(posts)
    simulator.advance(7_200)
    assert set(ids(walk(http))) == set(posts)


def test_some_posts_show_up_late(simulator: Simulator, http: httpx.Client) -> None:
    simulator.reset(clock=START, faults={"rates": {"late": 0.5}})
    posts = simulator.add(*(NOON - timedelta(seconds=n) for n in range(1, 61)))
    soon = set(ids(walk(http)))
    assert 0 < len(soon) < 60
    simulator.advance(120)
    sooner = set(ids(walk(http)))
    assert soon < sooner
    simulator.advance(600)
    assert set(ids(walk(http))) == set(posts)


def test_times_are_left_out(simulator: Simulator, http: httpx.Client) -> None:
    simulator.reset(clock=START, posts=50, faults={"rates": {"no_created_at": 1.0}})
    [page] = walk(http, **{"tweet.fields": "created_at"})
    assert any("created_at" not in post for post in page["data"])


def test_the_date_is_as_wrong_as_it_is_told_to_be(simulator: Simulator, http: httpx.Client) -> None:
    simulator.change(faults={"date_skew": 90.0})
    assert parsedate_to_datetime(http.get(TIMELINE).headers["Date"]) == NOON + timedelta(seconds=90)


def test_pages_may_hold_a_post_out_of_place_fewer_than_they_say_one_without_id_or_lack_their_token(
    simulator: Simulator, http: httpx.Client
) -> None:
    simulator.reset(clock=START, posts=50)
    simulator.script("stray", "short", "bad_entry", "cut")
    stray, short, bad, cut = (http.get(TIMELINE, params={"max_results": 20}).json() for _ in range(4))
    assert int(stray["data"][-1]["id"]) == min(simulator.posts())
    assert len(short.get("data", ())) < short["meta"]["result_count"] == 20
    assert [entry["id"] for entry in bad["data"]].count(None) == 1
    assert (len(cut["data"]), "next_token" in cut["meta"]) == (20, False)


def test_the_same_seed_brings_the_same_faults(simulator: Simulator, http: httpx.Client) -> None:
    rates = dict.fromkeys((name for name in FAULTS if name not in ("hang", "drop", "truncate")), 0.2)

    def happened(seed: int) -> list[int]:
        simulator.reset(clock=START, posts=30, faults={"rates": rates, "seed": seed})
        return [http.get(TIMELINE).status_code for _ in range(30)]

    assert happened(1) == happened(1)
    assert happened(1) != happened(2)


def test_every_fault_happens_at_its_rate(simulator: Simulator, http: httpx.Client) -> None:
    simulator.reset(clock=START, posts=30, faults={"rates": {"html": 0.2, "shuffle": 0.5}})
    for _ in range(200):
        http.get(TIMELINE)
    fired = simulator.state()["faults"]
    assert 20 <= fired["html"] <= 60
    assert 50 <= fired["shuffle"] <= 110


def _answers(url: str) -> bool:
    try:
        httpx.get(url)
    except httpx.TransportError:
        return False
    return True


def test_it_ends_with_whoever_started_it() -> None:
    holder = (
        "from musktracker.simulator.process import running_simulator\n"
        "with running_simulator() as simulator:\n"
        "    print(simulator.url, flush=True)\n"
        "    input()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert httpx.get(url).status_code == 401
        process.kill()
    deadline = clock.monotonic() + 20
    while _answers(url):
        assert clock.monotonic() < deadline


def test_the_command_serves_until_a_signal(tmp_path: Any) -> None:
    command = [sys.executable, "-m", "musktracker.cli.main", "simulate", "--posts", "7", "--speed", "0"]
    environment = os.environ | {"MUSKTRACKER_DATA_DIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        answer = httpx.get(f"{url}{TIMELINE}", headers={"Authorization": "Bearer simulated"})
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert answer.json()["meta"]["result_count"] == 7


@pytest.mark.parametrize(
    "option", [["--fault", "rain=1"], ["--fault", "html=x"], ["--storm", "2"], ["--posts", "-1"]]
)
def test_the_command_refuses_what_cannot_be(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    from musktracker.cli.main import main

    try:
        code: object = main(["simulate", *option])
    except SystemExit as refused:
        code = refused.code
    assert code == 2
    assert option[1].partition("=")[0] in capsys.readouterr().err
