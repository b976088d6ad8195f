"""The console in a real terminal: it paints first, moves, and hands the terminal back whatever ends it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import NOW
from real_terminal import END_SECONDS, LIMIT_SECONDS, Terminal
from sqlalchemy import Engine, insert

from musktracker.config import Settings
from musktracker.db import engines, tables
from tui.places import SCREENS
from tui.terminal import PASTE_BEGINS

CLOCK_STANDS = """
import datetime
from tui.app import Console
Console.__init__.__kwdefaults__["clock"] = lambda: datetime.datetime(2026, 1, 15, 18, 7, tzinfo=datetime.UTC)
"""


@pytest.fixture
def terminal(populated: Settings) -> Iterator[Terminal]:
    made = Terminal(populated, before=CLOCK_STANDS)  # its minutes would change what is compared
    yield made
    made.close()


@pytest.fixture(scope="module")
def ended(populated_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A terminal in which somebody moved between screens, and ended the console by its key: tests only look at it."""
    folder = tmp_path_factory.mktemp("ended")
    path = shutil.copy(populated_template, folder / "populated.db")
    made = Terminal(Settings(data_dir=folder, database_url=f"sqlite:///{path}"))
    try:
        for key, text in (("", "Last runs"), ("2", "Schema at"), ("1", "Last runs")):
            made.press(key)
            made.wait_for(text)
        made.press("q")
        made.end()
        yield made
    finally:
        made.close()


def test_it_moves_between_screens_and_ends_by_its_key(ended: Terminal) -> None:
    assert ended.process.returncode == 0
    assert ended.left_behind() == []


def test_the_mouse_is_the_terminals_unless_it_is_asked_for(ended: Terminal) -> None:
    assert b"\x1b[?1000h" not in ended.written


def test_once_a_screen_is_read_the_others_are_imported_ahead(populated: Settings, tmp_path: Path) -> None:
    told = tmp_path / "imported"
    before = f"""
import pathlib, threading, time
def tell():
    while not all("tui.screens." + name in sys.modules for name in {list(SCREENS)}): time.sleep(0.05)
    pathlib.Path({str(told)!r}).touch()
threading.Thread(target=tell, daemon=True).start()
"""
    terminal = Terminal(populated, before=before)
    deadline = time.monotonic() + LIMIT_SECONDS
    try:
        terminal.wait_for("Last runs")
        while not told.exists():
            assert time.monotonic() < deadline
            terminal.read(0.05)
        terminal.press("q")
        assert terminal.end() == 0
    finally:
        terminal.close()


def test_where_the_locale_is_not_utf8_every_character_is_one_of_ascii(populated: Settings) -> None:
    terminal = Terminal(populated, LC_ALL="C", LANG="en_US.UTF-8")
    try:
        terminal.wait_for("Last runs")
        for key, text in (("2", "Schema at"), ("4", "events"), ("6", "-Posts an hour")):
            terminal.press(key)
            terminal.wait_for(text)
        assert terminal.written.isascii()
        terminal.press("q")
        assert terminal.end() == 0
    finally:
        terminal.close()


def test_wherever_keys_and_sizes_led_it_shows_what_it_would_if_all_were_sent_anew(
    populated: Settings, populated_engine: Engine
) -> None:
    with engines.writing(populated_engine) as connection:
        for i, name in enumerate(("宽字符", "👩\u200d👧🚀", "שלום", "⚠\ufe0f e\u0301", "🇩🇪🇺🇸", "ﷺ") * 6):
            connection.execute(insert(tables.ExogenousEvent).values(event_values(f"{name} {i}", i)))
    chance, terminal = random.Random(7), Terminal(populated, before=CLOCK_STANDS)
    try:
        terminal.wait_for("Last runs")
        terminal.press("4")
        terminal.wait_for("past")
        for _ in range(12):
            for keys in chance.choices(["j", "\x1b[6~", "G", "g", "/", "\x1b", "?", "t", "\x14", "6", "4", "4"], k=4):
                terminal.press(keys)
                terminal.read(0.02)
            if chance.random() < 0.3:
                terminal.resize(*chance.choice([(80, 24), (100, 30), (120, 36)]))
            shown = terminal.settled()
            terminal.press("\x0c")
            assert shown == terminal.settled()
    finally:
        terminal.close()


def test_what_was_painted_for_another_size_is_not_sent_to_a_window_that_became_too_small(empty: Settings) -> None:
    terminal = Terminal(empty)
    try:
        terminal.wait_for("Import")
        terminal.settled()
        for size in ((50, 12), (40, 5), (59, 16)):
            terminal.resize(*size)
            terminal.settled()
            lines = [line.strip() for line in terminal.screen.display if line.strip()]
            assert lines == ["Too small: make this window", "at least 60 columns by 16 rows.", "ctrl+q quits"]
    finally:
        terminal.close()


def test_it_empties_its_own_screen_before_it_gives_the_other_back(ended: Terminal) -> None:
    drawn = ended.written.rpartition(b"\x1b[?1049l")[0]
    assert drawn.rfind(b"\x1b[2J") > drawn.rfind(b"Last runs") > 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_a_signal_ends_it_and_the_terminal_is_as_it_was(terminal: Terminal, number: int, code: int) -> None:
    terminal.wait_for("Last runs")
    terminal.process.send_signal(number)
    assert terminal.end() == code
    assert terminal.left_behind() == []


@pytest.mark.parametrize("ignored", [False, True])
def test_a_cut_line_ends_it_even_where_hangups_are_ignored(populated: Settings, ignored: bool) -> None:
    terminal = Terminal(populated, ignore_hangup=ignored)
    try:
        terminal.wait_for("Last runs")
        terminal.hang_up()
        assert terminal.end() == 129
    finally:
        terminal.close()


def test_with_errors_sent_elsewhere_it_is_on_the_terminal_all_the_same(populated: Settings, tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    command = f"{sys.executable} -m musktracker.cli.main console 2>{errors}"
    terminal = Terminal(populated, command=["bash", "-c", command])
    try:
        terminal.wait_for("Last runs")
        terminal.press("q")
        assert terminal.end() == 0
        assert terminal.left_behind() == []
        assert errors.read_text() == ""
    finally:
        terminal.close()


def test_without_standard_streams_it_refuses_in_words(populated: Settings) -> None:
    command = f"{sys.executable} -m musktracker.cli.main console <&- >&-"
    done = subprocess.run(
        ["bash", "-c", command], env={**os.environ, **populated.environment()}, stderr=subprocess.PIPE, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith(b"musktracker: The console needs a terminal")


def test_a_terminal_that_moves_no_cursor_is_refused_in_words(populated: Settings) -> None:
    terminal = Terminal(populated, command=[sys.executable, "-m", "musktracker.cli.main"], TERM="dumb")
    try:
        assert terminal.end() == 2
        assert terminal.written.startswith(
            b"musktracker: The console cannot be drawn on a terminal that is TERM=dumb"
        )
    finally:
        terminal.close()


def test_a_line_that_stalls_does_not_keep_a_signal_from_ending_it(terminal: Terminal) -> None:
    terminal.wait_for("Last runs")
    for _ in range(60):  # far more than a terminal takes that nobody reads
        terminal.press("21")
        time.sleep(0.02)
    terminal.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + END_SECONDS
    while terminal.process.poll() is None:
        assert time.monotonic() < deadline, "It did not end"
        time.sleep(0.05)
    assert terminal.process.returncode == 143
    assert termios.tcgetattr(terminal.slave) == terminal.before


def event_values(name: str, i: int) -> dict[str, object]:
    """A row of an event that is over."""
    start = NOW - (i + 1) * timedelta(hours=9)
    times = {"event_start": start, "event_end": start + timedelta(hours=2), "created_at": start}
    return {"name": name, "category": "market", "intensity": 0.5, "source": "manual", **times}


IMPORTS = """
import asyncio, json, sys
from musktracker.config import load
from tui.app import Console
from tui.places import SCREENS

async def visit():
    app = Console(load())
    painted = []
    connect = app.connection.open
    app.connection.open = lambda: painted.append("sqlalchemy" in sys.modules) or connect()
    async with app.run_test(size=(100, 30)) as pilot:
        while not painted or app.workers._workers:
            await pilot.pause(0.05)
        for key in range(1, len(SCREENS) + 1):
            await pilot.press(str(key))
            await pilot.pause()
            while any(worker.is_running for worker in app.workers):
                await pilot.pause(0.02)
        assert app.engine is not None
    heavy = [name for name in ("numpy", "pandas", "scipy", "statsmodels") if name in sys.modules]
    print(json.dumps({"at first paint": painted, "heavy": heavy}))

asyncio.run(visit())
"""


def test_it_paints_before_the_database_is_imported_and_never_imports_numbers(populated: Settings) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS],
        env={**os.environ, **populated.environment()},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=Path(populated.data_dir),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == '{"at first paint": [false], "heavy": []}'


@pytest.mark.parametrize(
    "garbled", ["\x1b[1114112u", "\x1b[97;1;99999999u", "\x1b[999999999999999999999999~"], ids=["no", "key", "at all"]
)
def test_a_sequence_that_was_garbled_on_its_way_is_passed_over(terminal: Terminal, garbled: str) -> None:
    terminal.wait_for("Last runs")
    terminal.press(garbled)
    terminal.settled()
    terminal.press("2")
    terminal.wait_for("Schema at")
    terminal.press("q")
    assert terminal.end() == 0


def test_what_a_terminal_tells_of_itself_unasked_is_no_key(terminal: Terminal) -> None:
    terminal.wait_for("Last runs")
    before = terminal.settled()
    for reply in ("\x1b[?1u", "\x1b[?1;2c", "\x1b[>41;370;0c", "\x1bP>|XTerm(370)\x1b\\", "\x1b]11;rgb:0/0/0\x07"):
        terminal.press(reply)
        assert terminal.settled() == before


@pytest.mark.parametrize("typed", ["/zq", "/dq"], ids=["zone", "remove"])
def test_what_is_typed_at_once_goes_where_the_key_before_it_led(terminal: Terminal, typed: str) -> None:
    terminal.wait_for("Last runs")
    terminal.press("4")
    terminal.wait_for("past")
    terminal.settled()
    terminal.press(typed)
    terminal.wait_for(f" {typed[1:]} ")
    terminal.settled()
    assert "removed" not in "\n".join(terminal.screen.display).lower()
    terminal.press("\x11")
    assert terminal.end() == 0


def test_a_paste_whose_end_got_lost_ends_by_itself(terminal: Terminal) -> None:
    terminal.wait_for("Last runs")
    terminal.press("4")
    terminal.wait_for("past")
    terminal.press("a")
    terminal.wait_for("Add an event in one line")
    terminal.press(f"{PASTE_BEGINS}whose end is lost")
    terminal.wait_for("whose end is lost")
    terminal.press("\x11")
    assert terminal.end() == 0


def test_the_size_is_the_terminals_own_whatever_was_exported(populated: Settings) -> None:
    terminal = Terminal(populated, COLUMNS="40", LINES="10")
    try:
        terminal.wait_for("Last runs")
    finally:
        terminal.close()
