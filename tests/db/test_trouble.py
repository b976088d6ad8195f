"""What is wrong with a database is told in words, with what to do next."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from musktracker.db import engines
from musktracker.db.trouble import told


def advice(reason: str, url: str = "sqlite:////data/musk.db") -> tuple[str, str] | None:
    return told(OperationalError("SELECT 1", None, sqlite3.OperationalError(reason)), url)


@pytest.mark.parametrize(
    ("reason", "what", "hint"),
    [
        ("unable to open database file", "cannot be opened", "musktracker config"),
        ("database is locked", "Another program", "musktracker runs"),
        ("attempt to write a readonly database", "read here, but not written", "console --read-only"),
        ("database or disk is full", "no room left", "Free some"),
        ("no such table: forecasts", "lacks what this program reads", "musktracker migrate check"),
    ],
)
def test_what_a_file_refuses_is_told_with_the_next_step(reason: str, what: str, hint: str) -> None:
    found = advice(reason)
    assert found is not None
    assert what in found[0]
    assert hint in found[1]


def test_of_a_damaged_file_the_newest_copy_is_named(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'musk.db'}"
    assert "migrate up makes a new one" in (advice("database disk image is malformed", url) or ("", ""))[1]
    for day in ("20260101", "20260102"):
        (tmp_path / f"musk.{day}.backup.db").touch()
    assert (advice("database disk image is malformed", url) or ("", ""))[1].endswith("musk.20260102.backup.db")


def test_words_that_nobody_knows_stay_the_databases_own() -> None:
    assert advice("something new") is None


def test_a_table_that_is_missing_is_told_on_both_databases(engine: Engine) -> None:
    with pytest.raises(DBAPIError) as failure, engines.reading(engine) as connection:
        connection.execute(text("SELECT * FROM nowhere"))
    what, _ = told(failure.value, engine.url.render_as_string(hide_password=False)) or ("", "")
    assert what.startswith("The database lacks what this program reads")
    assert "nowhere" in what
