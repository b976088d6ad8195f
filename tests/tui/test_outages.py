"""A Postgres that is stopped, frozen, dropped or locked under an open console, in a real terminal."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import populate
from own_postgres import PASSWORD, OwnPostgres
from real_terminal import Terminal

from musktracker.config import Settings
from musktracker.db import engines, migrate

AWAY = "There is no connection to the database"
WRONG = "wrong-but-secret"


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[OwnPostgres]:
    """A server with a populated database, which every test leaves running."""
    made = OwnPostgres()
    engine = engines.connect(made.url)
    migrate.ensure_current(engine)
    populate(engine)
    engine.dispose()
    yield made
    made.close()


@pytest.fixture
def served(own_postgres: OwnPostgres, tmp_path: Path) -> Settings:
    """Settings on it."""
    return Settings(data_dir=tmp_path / "data", database_url=own_postgres.url).with_data_dir_made()


@pytest.fixture
def terminal(served: Settings) -> Iterator[Terminal]:
    made = Terminal(served)
    made.wait_for("Last runs")
    yield made
    made.close()
    assert PASSWORD.encode() not in made.written
    for path in served.data_dir.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes()


def test_a_restart_of_the_server_is_told_and_recovered_from_and_no_key_is_dead_meanwhile(
    terminal: Terminal, own_postgres: OwnPostgres
) -> None:
    own_postgres.stop()
    terminal.press("r")
    terminal.wait_for(AWAY)
    terminal.wait_for("See that its server runs")
    for key, title in (("?", "esc"), ("\x1b", AWAY), ("4", AWAY), ("6", AWAY), (":", "What to do"), ("\x1b", AWAY)):
        terminal.press(key)
        terminal.wait_for(title)
    terminal.press("i1")
    own_postgres.start()
    wait_until_gone(terminal, AWAY)
    terminal.wait_for("Last runs")
    quit_at_once(terminal)


def test_it_ends_at_once_while_the_server_is_stopped(terminal: Terminal, own_postgres: OwnPostgres) -> None:
    own_postgres.stop()
    terminal.press("r")
    terminal.wait_for(AWAY)
    quit_at_once(terminal)
    own_postgres.start()


def test_a_server_that_hangs_is_told_and_delays_nobody_who_quits(
    terminal: Terminal, own_postgres: OwnPostgres
) -> None:
    own_postgres.freeze()
    try:
        terminal.press("r")
        terminal.wait_for("The database has not answered for")
        terminal.press("4")
        terminal.wait_for("a Add")
        quit_at_once(terminal)
    finally:
        own_postgres.thaw()


def test_a_server_that_hung_is_read_again_once_it_answers(terminal: Terminal, own_postgres: OwnPostgres) -> None:
    own_postgres.freeze()
    try:
        terminal.press("r")
        terminal.wait_for("The database has not answered for")
    finally:
        own_postgres.thaw()
    wait_until_gone(terminal, "has not answered")


def test_a_database_renamed_under_it_is_told_at_no_cost_and_found_again(
    terminal: Terminal, own_postgres: OwnPostgres
) -> None:
    own_postgres.cut_off()
    own_postgres.do("ALTER DATABASE musk RENAME TO gone")
    try:
        terminal.press("r")
        terminal.wait_for('database "musk" does not exist')
        used, end = spent(terminal), time.monotonic() + 5
        while time.monotonic() < end:
            terminal.read(0.1)
        assert spent(terminal) - used < 1
    finally:
        own_postgres.do("ALTER DATABASE gone RENAME TO musk")
    wait_until_gone(terminal, AWAY)
    quit_at_once(terminal)


def test_an_empty_database_in_its_place_is_told_with_what_brings_its_schema(
    terminal: Terminal, own_postgres: OwnPostgres
) -> None:
    own_postgres.cut_off()
    own_postgres.do("ALTER DATABASE musk RENAME TO gone", "CREATE DATABASE musk")
    try:
        terminal.press("r")
        terminal.wait_for("The database lacks what this program reads")
        terminal.wait_for("musktracker migrate up")
        quit_at_once(terminal)
    finally:
        own_postgres.cut_off()
        own_postgres.do("DROP DATABASE musk", "ALTER DATABASE gone RENAME TO musk")


def test_a_changed_password_is_told_and_none_is_shown(terminal: Terminal, own_postgres: OwnPostgres) -> None:
    own_postgres.do("ALTER USER postgres PASSWORD 'another'")
    own_postgres.cut_off()
    try:
        terminal.press("r")
        terminal.wait_for("password authentication failed")
        terminal.press("!")
        terminal.wait_for("What to do")
        terminal.wait_for("Traceback")
        terminal.press("\x1b")
        wait_until_gone(terminal, "The last error")
        quit_at_once(terminal)
    finally:
        own_postgres.do(f"ALTER USER postgres PASSWORD '{PASSWORD}'")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (PASSWORD, WRONG, "password authentication failed"),
        ("/musk", "/nowhere", 'database "nowhere" does not exist'),
        ("127.0.0.1", "nowhere.invalid", "nowhere.invalid"),
    ],
    ids=["password", "database", "host"],
)
def test_a_start_that_cannot_connect_says_why_and_tells_no_secret(
    old: str, new: str, told: str, served: Settings
) -> None:
    settings = Settings(data_dir=served.data_dir, database_url=served.database_url.replace(old, new))
    done = subprocess.run(
        [sys.executable, "-m", "musktracker.cli.main", "status", "--json"],
        env={**os.environ, **settings.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert told in done.stderr
    assert '"exit_code": 1' in done.stdout
    terminal = Terminal(settings)
    try:
        terminal.wait_for("The database cannot be opened")
        terminal.wait_for("What to do")
        quit_at_once(terminal)
        shown = terminal.written.decode() + done.stdout + done.stderr
        assert PASSWORD not in shown
        assert WRONG not in shown
    finally:
        terminal.close()


def quit_at_once(terminal: Terminal) -> None:
    terminal.press("q")
    assert terminal.end() == 0
    assert terminal.left_behind() == []


def wait_until_gone(terminal: Terminal, text: str) -> None:
    deadline = time.monotonic() + 15
    while text in "\n".join(terminal.screen.display):
        assert time.monotonic() < deadline, "\n".join(terminal.screen.display)
        terminal.read(0.1)


def spent(terminal: Terminal) -> float:
    """Seconds of the processor that the console has used."""
    fields = Path(f"/proc/{terminal.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
