"""musktracker status: how things stand, in words and as JSON."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, insert

from musktracker.cli import command, status, status_json
from musktracker.config import Settings
from musktracker.db.engines import writing
from musktracker.db.queries import overview
from musktracker.db.queries.newest_forecast import NewestForecast, SoFar
from musktracker.db.queries.overview import ComingEvent
from musktracker.db.queries.windows import WindowOdds
from musktracker.db.tables import Alert, Base, Coverage, RawTweet
from musktracker.db.upsert import upsert
from musktracker.timeline import DAY, HOUR, now, parse_time


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("environment")
def test_an_empty_database_is_told_to_import(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.invoke("status", []) == 0
    assert "Next: musktracker import FILE" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("since", "said"),
    [
        (timedelta(seconds=119), "1 min"),
        (timedelta(hours=1, minutes=59, seconds=40), "119 min"),
        (timedelta(hours=71, minutes=40), "71 h"),
        (timedelta(days=334, hours=13), "334 d"),
    ],
)
def test_ages_are_rounded_down_as_the_console_rounds_them(since: timedelta, said: str) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert status._age(moment - since, moment) == said


@pytest.mark.usefixtures("environment")
def test_json_names_what_counts_and_what_is_next(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    moment = now()
    posts = [(str(i), moment - timedelta(hours=i), "test", moment) for i in range(1, 4)]
    span = [("test", moment - timedelta(hours=4), moment, moment)]
    tables = Base.metadata.tables
    with writing(engine) as connection:
        upsert(
            connection,
            tables["raw_tweets"],
            ("tweet_id", "created_at", "source", "ingest_time"),
            posts,
            conflict=("tweet_id",),
        )
        upsert(
            connection,
            tables["coverage"],
            ("source", "span_start", "span_end", "created_at"),
            span,
            conflict=("id",),
        )
    assert command.invoke("status", ["--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["posts"], told["counting"], told["next"]) == (3, "all", "musktracker refresh")
    assert {stage["name"]: stage["state"] for stage in told["stages"]}["posts"] == "good"


@pytest.mark.usefixtures("environment")
def test_what_was_not_observed_has_no_count(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    moment = now() - timedelta(days=90)
    post = {"tweet_id": "1", "created_at": moment, "source": "test", "ingest_time": moment}
    with writing(engine) as connection:
        connection.execute(insert(RawTweet).values(post))
        seen = {"source": "test", "span_start": moment, "span_end": moment + timedelta(days=1), "created_at": moment}
        connection.execute(insert(Coverage).values(seen))
    assert command.invoke("status", []) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["today", "–", "0%"] in rows


@pytest.fixture
def watched(engine: Engine) -> datetime:
    """Two days of observed posts every two hours until now, an open alert, one that was seen and one that is over."""
    moment = now()
    posts = [
        {"tweet_id": str(k), "created_at": moment - k * HOUR, "source": "test", "ingest_time": moment}
        for k in range(2, 48, 2)
    ]
    span = {"source": "test", "span_start": moment - 2 * DAY, "span_end": moment, "created_at": moment}
    common = {"rule": "silence", "key": "x", "severity": "warning", "details": "{}", "last_seen_at": moment}
    common |= {"raised_at": moment - 3 * HOUR, "acknowledged_at": None, "acknowledged_by": None, "resolved_at": None}
    alerts = [
        common | {"message": "Silent for 5.2 h \x1b[31m"},
        common | {"message": "Seen", "acknowledged_at": moment, "acknowledged_by": "ada@tower"},
        common | {"message": "Over", "resolved_at": moment},
    ]
    with writing(engine) as connection:
        connection.execute(insert(RawTweet), posts)
        connection.execute(insert(Coverage), span)
        connection.execute(insert(Alert), alerts)
    return moment


@pytest.mark.usefixtures("environment", "watched")
def test_open_alerts_and_current_windows_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.invoke("status", []) == 0
    told = capsys.readouterr().out
    assert "Alert 1 (warning, 3 h old): Silent for 5.2 h" in told
    assert "Alert 2 (warning, 3 h old, acknowledged by ada@tower): Seen" in told
    assert "Over" not in told
    assert "\x1b" not in told
    assert [line.split()[0] for line in told.splitlines() if line.startswith(("fri-", "tue-", "month"))] == [
        "fri-noon",
        "tue-noon",
        "month",
    ]


@pytest.mark.usefixtures("environment")
def test_json_has_alerts_and_windows_with_their_pace(watched: datetime, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.invoke("status", ["--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(one["message"][:6], one["acknowledged_by"]) for one in told["alerts"]] == [
        ("Silent", None),
        ("Seen", "ada@tower"),
    ]
    week = told["market_windows"][0]
    assert (week["window"], week["forecast"]) == ("fri-noon", None)
    assert week["count"] == sum(parse_time(week["start"]) <= watched - k * HOUR for k in range(2, 48, 2))
    assert "week" not in told


def test_json_calls_each_thing_what_other_commands_call_it(engine: Engine, settings: Settings) -> None:
    origin, ends = datetime(2026, 1, 1, tzinfo=UTC), {0.5: (4.0, 6.0), 0.95: (1.0, 9.0)}
    quantiles = {0.025: 1.0, 0.25: 4.0, 0.5: 5.0, 0.75: 6.0, 0.975: 9.0}
    read = overview.read(engine, ZoneInfo("UTC"))
    found = dataclasses.replace(
        read,
        model=("pool", "v2"),
        champion=("pool", "v1"),
        forecast=NewestForecast("pool", "v1", origin, 24, 5.5, quantiles, (), SoFar(origin, 6, 3, 2.5, ends)),
        markets=(
            dataclasses.replace(
                read.markets[0],
                count=48,
                observed_hours=12.0,
                observed_until=read.markets[0].end - DAY,
                forecast=WindowOdds("pool", "v1", origin, origin, 5.5, ends, (("0-19", 0.9),)),
            ),
        ),
        events=(ComingEvent("Launch", origin, origin, 0.5),),
    )
    told = status_json.as_data(found, "musktracker train", [], [], settings)
    bounds = {"lower_50": 4.0, "upper_50": 6.0, "lower_95": 1.0, "upper_95": 9.0}
    assert (told["newest_version"], told["champion"]) == (
        {"model": "pool", "version": "v2"},
        {"model": "pool", "version": "v1"},
    )
    assert (told["forecast"]["forecast_time"], told["forecast"]["total"]) == (origin, {"mean": 5.5, **bounds})
    assert told["forecast"]["so_far"]["expected"] == {"mean": 2.5, **bounds}
    [window] = told["market_windows"]
    assert (window["window"], window["counted_until"]) == ("fri-noon", window["end"] - DAY)
    assert window["pace"] == {"per_hour": 4.0, "projected": 48 + 4 * 24}
    assert (window["forecast"]["forecast_time"], window["forecast"]["total"]) == (origin, {"mean": 5.5, **bounds})
    assert told["events"] == [{"name": "Launch", "event_start": origin, "event_end": origin, "intensity": 0.5}]
