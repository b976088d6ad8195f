"""musktracker refresh: what it prints and what it returns."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, insert

from musktracker import runs
from musktracker.cli.main import main
from musktracker.config import Settings
from musktracker.db.engines import writing
from musktracker.db.tables import Coverage, RawTweet
from musktracker.timeline import HOUR, parse_time

START = parse_time("2025-03-06T00:00Z")
Command = Callable[..., int]


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run musktracker refresh on the test's database."""
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: main(["refresh", *arguments])


@pytest.fixture
def observed(engine: Engine) -> Engine:
    """Two observed days with one post."""
    span = {"source": "test", "span_start": START, "span_end": START + HOUR * 48, "created_at": START}
    values = {"tweet_id": "1", "created_at": START + HOUR, "source": "test", "ingest_time": START}
    with writing(engine) as connection:
        connection.execute(insert(Coverage).values(**span))
        connection.execute(insert(RawTweet).values(**values))
    return engine


def test_it_prints_what_was_stored_and_over_which_span(
    command: Command, observed: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command() == 0
    printed = capsys.readouterr()
    lines = [line.split() for line in printed.out.splitlines()]
    assert lines[2:5] == [
        ["hours", "48", "48", "0", "0"],
        ["days", "2", "2", "0", "0"],
        ["features", "49", "49", "0", "0"],
    ]
    assert "From 2025-03-06T00:00:00Z to 2025-03-08T00:00:00Z, counting all" in printed.out
    assert printed.err == ""


def test_a_second_one_says_that_nothing_changed(
    command: Command, observed: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    command()
    capsys.readouterr()
    assert command("--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["hours"] == {"total": 48, "inserted": 0, "changed": 0, "removed": 0}
    assert (result["counting"], result["full"]) == ("all", False)


def test_full_writes_everything_anew(command: Command, observed: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    command()
    capsys.readouterr()
    assert command("--full", "--json") == 0
    assert json.loads(capsys.readouterr().out)["features"]["inserted"] == 49


def test_without_any_coverage_it_is_refused_with_a_hint(
    command: Command, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--json") == 3
    printed = capsys.readouterr()
    assert json.loads(printed.out)["exit_code"] == 3
    assert "musktracker import" in printed.err


def test_it_is_a_run_that_others_can_follow(command: Command, observed: Engine) -> None:
    command()
    [info] = runs.recent(observed)
    assert (info.kind, info.status, info.lease) == ("refresh", "succeeded", None)
    assert info.result is not None
    assert info.result["hours"]["total"] == 48


def test_while_another_refresh_goes_on_it_says_who_holds_the_lease(
    command: Command, observed: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.create(observed, "refresh", {}, lease="refresh")
    assert command() == 1
    assert "refresh is held by run 1" in capsys.readouterr().err


def test_which_posts_count_is_set_for_the_database_and_counted_anew(
    command: Command, observed: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    reply = {"tweet_id": "2", "created_at": START + HOUR, "source": "test", "ingest_time": START, "kind": "reply"}
    with writing(observed) as connection:
        connection.execute(insert(RawTweet).values(**reply))
    command()
    capsys.readouterr()
    assert command("--count", "without_replies", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["counting"], result["hours"]["changed"]) == ("without_replies", 1)
    command("--json")
    assert json.loads(capsys.readouterr().out)["counting"] == "without_replies"


def test_a_counting_that_is_not_defined_is_wrong_use(command: Command, observed: Engine) -> None:
    assert command("--count", "some") == 2
