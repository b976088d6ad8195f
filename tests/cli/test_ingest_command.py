"""musktracker ingest, coverage and reconcile: what they print and return, against a simulated API over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from musktracker import run_log, runs, timeline
from musktracker.cli.main import main
from musktracker.db.engines import reading, writing
from musktracker.db.queries import coverage
from musktracker.db.tables import RawTweet
from musktracker.machine import whoami
from musktracker.pipeline import ranges, stages, store
from musktracker.simulator.answers import TEXT
from musktracker.simulator.process import Simulator, running_simulator
from musktracker.timeline import DAY, HOUR, Span, iso

TOKEN = "AAAAsecretToken"
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def process() -> Iterator[Simulator]:
    with running_simulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(process: Simulator, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    """An account with posts of two weeks, and a process that is to follow it."""
    process.reset(limits="none", token=TOKEN)
    now = datetime.now(UTC)
    process.add(*(now - HOUR * (i + 0.5) for i in range(14 * 24)))
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "MUSKTRACKER_DATABASE_URL": database_url,
        "MUSKTRACKER_DATA_DIR": str(tmp_path / "data"),
        "MUSKTRACKER_X_API_BASE_URL": process.url,
        "MUSKTRACKER_ACCOUNT": process.username,
        "X_BEARER_TOKEN": TOKEN,
    }.items():
        monkeypatch.setenv(name, value)
    return process


def test_once_fetches_what_is_new_and_says_what_it_cost(simulator: Simulator, capsys: Capture) -> None:
    assert main(["ingest"]) == 0
    assert (
        capsys.readouterr().out == "26 new posts of 28 read, for $0.135\n"
    )  # a half cent of it for the day's counts
    simulator.add()
    assert main(["ingest", "--json"]) == 0
    said = capsys.readouterr()
    result = json.loads(said.out)
    assert (result["new"], result["dollars"], result["holes"]) == (1, 0.005, [])
    assert said.err == ""


def test_the_account_is_looked_up_once(simulator: Simulator) -> None:
    for _ in range(3):
        assert main(["ingest"]) == 0
    assert simulator.state()["requests"]["users/by/username/:username"] == 1


def test_a_backfill_fetches_what_is_not_covered_as_a_run(
    simulator: Simulator, engine: Engine, capsys: Capture
) -> None:
    since = iso(datetime.now(UTC) - 10 * DAY)
    assert main(["ingest", "--backfill", "--since", since]) == 0
    said = capsys.readouterr()
    assert "238 new posts of 240 read, for $1.200" in said.out
    assert "9.9 days to fetch" in said.err
    [info] = runs.recent(engine)
    assert (info.kind, info.status, info.result["new"]) == ("backfill", "succeeded", 238)
    assert TOKEN not in str(info) + str(run_log.lines_after(engine, info.id))
    assert main(["ingest", "--backfill", "--since", since]) == 0
    assert "0 new posts" in capsys.readouterr().out


def test_a_dry_run_says_the_price_and_buys_nothing(simulator: Simulator, capsys: Capture) -> None:
    since = iso(datetime.now(UTC) - 10 * DAY)
    assert main(["ingest", "--backfill", "--since", since, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "About 605 posts for $3.035, estimated: 61 posts a day assumed" in said
    assert "Nothing was bought" in said
    assert simulator.state()["used"] == 0
    assert main(["ingest", "--backfill", "--since", since, "--dry-run", "--exact", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert 237 <= found["posts"] <= 239
    assert (found["daily_limit_dollars"], found["ranges_left"]) == (None, 0)
    assert [list(span) for span in found["spans"]] == [["start", "end"]]
    assert found["dollars"] == pytest.approx(found["posts"] * 0.005 + 0.01)  # and the counts of all posts
    assert simulator.state()["used"] == 0
    assert main(["ingest", "--dry-run"]) == 0
    assert "About 66 posts for $0.33" in capsys.readouterr().out


def test_a_daily_limit_is_set_kept_and_obeyed(simulator: Simulator, engine: Engine, capsys: Capture) -> None:
    assert main(["ingest", "--daily-limit", "0.25"]) == 0
    assert capsys.readouterr().out == "At most $0.25 in a UTC day\n"
    assert runs.recent(engine) == []
    since = iso(datetime.now(UTC) - 10 * DAY)
    assert main(["ingest", "--backfill", "--since", since, "--dry-run"]) == 0
    assert "it takes 13 days" in capsys.readouterr().out
    assert main(["ingest", "--backfill", "--since", since]) == 1
    assert "The spending limit of $0.25 a day is reached" in capsys.readouterr().err
    assert 46 <= simulator.state()["used"] <= 50
    assert main(["ingest", "--daily-limit", "none"]) == 0
    assert main(["ingest", "--backfill"]) == 0
    assert "Finishing 2 ranges that an earlier backfill left" in capsys.readouterr().err
    assert simulator.state()["used"] == 238


def test_what_a_backfill_left_can_be_forgotten(engine: Engine, simulator: Simulator, capsys: Capture) -> None:
    span = Span(datetime.now(UTC) - 9 * DAY, datetime.now(UTC) - 8 * DAY)
    with writing(engine) as connection:
        ranges.save(connection, ranges.of_span(span, "backfill", "timeline"), datetime.now(UTC))
    assert main(["ingest", "--backfill", "--forget"]) == 0
    assert capsys.readouterr().out == "Forgotten: 1 range that a backfill left\n"
    assert main(["ingest", "--backfill"]) == 0
    assert simulator.state()["used"] == 0


def test_who_comes_second_is_told_who_holds_the_lease(simulator: Simulator, engine: Engine, capsys: Capture) -> None:
    with writing(engine) as connection:
        store.cover(connection, "file", [Span(datetime.now(UTC) - DAY, datetime.now(UTC))], moment=timeline.now())
    commands = {
        "ingest": (["ingest"], ["ingest", "--follow"]),
        "backfill": (["coverage", "--fill"], ["ingest", "--backfill"], ["ingest", "--backfill", "--forget"]),
        "reconcile": (["reconcile"],),
        "import": (["import", "posts.csv"],),
    }
    for kind, refused in commands.items():
        holder = runs.create(engine, kind, {}, lease=stages.lease(kind, {}))
        for command in refused:
            assert main(command) == 1
            assert f"{kind} is held by run {holder}, started by {whoami()}" in capsys.readouterr().err


def test_a_follower_with_the_stream_hears_of_posts_and_deletions_at_once(
    simulator: Simulator, engine: Engine
) -> None:
    with following(engine, "--stream") as run_id:
        eventually(lambda: simulator.state()["streams"] == 1 and ranges.high_water_mark(engine) is not None)
        known = (coverage.spans(engine), ranges.high_water_mark(engine))
        begun = time.monotonic()
        there, gone = simulator.add(timeline.now(), timeline.now(), kind="reply")
        simulator.delete([gone])
        eventually(lambda: stored_posts(engine, there, gone) == {there: ("reply", False), gone: ("reply", True)})
        assert time.monotonic() - begun < 30  # a poll would come after 60
        assert known == (coverage.spans(engine), ranges.high_water_mark(engine))
    info = runs.get(engine, run_id)
    assert (info.status, info.parameters) == ("cancelled", {"follow": True, "stream": True})
    said = str(run_log.lines_after(engine, run_id))
    assert "A new post, by the stream" in said
    assert TOKEN not in said
    assert TEXT not in said


def test_a_follower_whose_plan_has_no_stream_says_so_once_and_polls(simulator: Simulator, engine: Engine) -> None:
    simulator.change(streams=0)
    with following(engine, "--stream", "--interval", "1") as run_id:
        eventually(lambda: ranges.high_water_mark(engine) is not None)
        [number] = simulator.add()
        eventually(lambda: number in stored_posts(engine, number))
    [said] = [line.message for line in run_log.lines_after(engine, run_id) if "stream" in line.message]
    assert "does not allow the stream of the account's activity" in said
    assert "It goes on by polling" in said


@contextmanager
def following(engine: Engine, *options: str) -> Iterator[int]:
    """A follower that goes on beside the test; the id of its run."""
    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(main, ["ingest", "--follow", *options])
        eventually(lambda: bool(runs.recent(engine)) or ending.done())
        [info] = runs.recent(engine)
        try:
            yield info.id
        finally:
            runs.request_cancel(engine, info.id)
            assert ending.result(30) == 130


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end, "it does not come to that"
        time.sleep(0.05)


def stored_posts(engine: Engine, *ids: int) -> dict[int, tuple[str, bool]]:
    wanted = RawTweet.tweet_id.in_([str(number) for number in ids])
    with reading(engine) as connection:
        rows = connection.execute(select(RawTweet.tweet_id, RawTweet.kind, RawTweet.is_deleted).where(wanted))
        return {int(number): (kind, is_deleted) for number, kind, is_deleted in rows}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"token": "another"}, "refuses the bearer token (401)"),
        ({"credits": False}, "wants payment"),
        ({"allowed": False}, "does not allow"),
        ({"usage_cap": 0}, "usage cap"),
        ({"account": "suspended"}, "suspended the account"),
    ],
)
def test_what_no_retry_mends_ends_with_words(
    simulator: Simulator, engine: Engine, capsys: Capture, change: dict[str, object], words: str
) -> None:
    simulator.change(**change)
    assert main(["ingest", "--follow"]) == 1
    said = capsys.readouterr()
    assert words in said.err
    assert TOKEN not in said.err
    assert [info.status for info in runs.recent(engine)] == ["failed"]


def test_without_a_token_it_says_where_to_put_one(
    simulator: Simulator, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("X_BEARER_TOKEN")
    assert main(["ingest"]) == 1
    assert "Put one in X_BEARER_TOKEN" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ["--since", "2025-01-01"],
        ["--interval", "5"],
        ["--stream"],
        ["--backfill", "--stream"],
        ["--backfill", "--until", "2025-01-01"],
        ["--exact"],
        ["--follow", "--interval", "0.1"],
        ["--daily-limit", "much"],
        ["--backfill", "--since", "someday"],
    ],
)
def test_options_that_make_no_sense_are_refused(simulator: Simulator, options: list[str]) -> None:
    assert main(["ingest", *options]) == 2


def test_coverage_lists_spans_holes_and_reasons(simulator: Simulator, engine: Engine, capsys: Capture) -> None:
    assert main(["coverage"]) == 0
    assert "Nothing is covered yet" in capsys.readouterr().out
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with writing(engine) as connection:
        store.cover(connection, "file", [Span(start, start + DAY)], moment=start)
        store.cover(connection, "x_api", [Span(start + 2 * DAY, datetime.now(UTC))], moment=start)
        hole = Span(start + DAY, start + DAY + 6 * HOUR)
        store.record_hole(connection, "x_api", hole, "the timeline reaches back 3,200 posts", start)
    assert main(["coverage"]) == 0
    said = capsys.readouterr().out
    for words in (
        "2026-01-01 00:00:00  2026-01-02 00:00:00",
        "2026-01-02 00:00:00  2026-01-02 06:00:00  0.25  the timeline reaches back 3,200 posts",
        "2026-01-02 06:00:00  2026-01-03 00:00:00  0.75  not fetched",
        "of the time since the first of these was observed in full: every post was\nseen that counts (all: every",
    ):
        assert words in said
    assert main(["coverage", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [span["source"] for span in found["spans"]] == ["file", "x_api"]
    assert [hole["reason"] for hole in found["holes"]][:2] == ["the timeline reaches back 3,200 posts", None]


def test_fill_fetches_the_holes(simulator: Simulator, engine: Engine, capsys: Capture) -> None:
    assert main(["coverage", "--fill"]) == 3
    now = datetime.now(UTC)
    with writing(engine) as connection:
        store.cover(connection, "file", [Span(now - 12 * DAY, now - 9 * DAY)], moment=now)
        store.cover(connection, "file", [Span(now - 5 * DAY, now - 3 * HOUR)], moment=now)
        store.record_hole(connection, "x_api", Span(now - 9 * DAY, now - 8 * DAY), "for a test", now)
    assert main(["coverage", "--fill", "--dry-run"]) == 0
    assert "4.0 days" in capsys.readouterr().out
    assert main(["coverage", "--fill"]) == 0
    assert "97 new posts" in capsys.readouterr().out
    assert coverage.holes(engine, Span(now - 12 * DAY, now - timedelta(hours=2, minutes=1))) == []
    assert main(["coverage", "--json"]) == 0
    assert all(hole["reason"] is None for hole in json.loads(capsys.readouterr().out)["holes"])


def test_a_hole_before_all_that_is_covered_is_listed_and_filled(
    simulator: Simulator, engine: Engine, capsys: Capture
) -> None:
    now = datetime.now(UTC)
    with writing(engine) as connection:
        store.cover(connection, "x_api", [Span(now - 5 * DAY, now - 3 * HOUR)], moment=now)
        store.record_hole(connection, "x_api", Span(now - 9 * DAY, now - 5 * DAY), "for a test", now)
    assert main(["coverage", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["holes"][0]["reason"] == "for a test"
    assert main(["coverage", "--fill"]) == 0
    assert coverage.holes(engine, Span(now - 9 * DAY, now - timedelta(hours=2, minutes=1))) == []


def test_reconcile_marks_what_is_gone_and_says_so(simulator: Simulator, engine: Engine, capsys: Capture) -> None:
    main(["ingest"])
    gone = sorted(simulator.posts())[-3]
    simulator.delete([gone])
    capsys.readouterr()
    assert main(["reconcile", "--days", "3"]) == 0
    said = capsys.readouterr().out
    assert "26 posts looked up: 1 newly deleted, 0 back" in said
    simulator.restore([gone])
    assert main(["reconcile", "--days", "3", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["deleted"], result["returned"], result["still_lacking"]) == (0, 1, [])
    assert main(["reconcile", "--counts-only"]) == 0
    assert "looked up" not in capsys.readouterr().out
    assert coverage.post_count(engine) == 26


@pytest.mark.usefixtures("simulator")
def test_setting_the_limit_as_json_prints_json(capsys: Capture) -> None:
    assert main(["ingest", "--daily-limit", "0.25", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"daily_limit_dollars": 0.25}


@pytest.mark.usefixtures("simulator")
@pytest.mark.parametrize(("option", "words"), [("--dry-run", "Nothing was bought"), ("--forget", "No backfill left")])
def test_a_limit_does_not_swallow_what_else_was_asked(option: str, words: str, capsys: Capture) -> None:
    assert main(["ingest", "--daily-limit", "0.25", option]) == 0
    assert words in capsys.readouterr().out
