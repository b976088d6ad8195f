"""musktracker status: how things stand, in words and as JSON."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from musktracker.cli import command
from musktracker.config import Settings
from musktracker.db.engines import writing
from musktracker.db.tables import Base
from musktracker.db.upsert import upsert
from musktracker.timeline import now


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("environment")
def test_an_empty_database_is_told_to_import(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.invoke("status", []) == 0
    assert "Next: musktracker import FILE" in capsys.readouterr().out


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
