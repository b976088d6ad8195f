"""The console in a real terminal: it paints first, moves, and hands the terminal back whatever ends it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pyte
import pytest

from musktracker.config import Settings

ROWS, COLUMNS = 36, 120
LIMIT_SECONDS = 30.0  # of waiting for something that does come
END_SECONDS = 10.0  # the promise is one second; a machine that does much else at once needs more
START = """
import signal, sys
if {ignore_hangup}: signal.signal(signal.SIGHUP, signal.SIG_IGN)
from musktracker.config import load
from tui.app import run
sys.exit(run(load()))
"""
MODES = {"alternate screen": 1049, "mouse": 1000, "any mouse": 1003, "focus": 1004, "paste": 2004}


class Terminal:
    """A pseudo-terminal, the process in it, and what its screen shows."""

    def __init__(self, settings: Settings, *, ignore_hangup: bool = False, **environ: str) -> None:
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.before = termios.tcgetattr(self.slave)
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self.stream = pyte.ByteStream(self.screen)
        self.written = b""
        self.process = subprocess.Popen(
            [sys.executable, "-c", START.format(ignore_hangup=ignore_hangup)],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={
                **os.environ,
                **settings.environment(),
                "TERM": "xterm-256color",
                "COLORTERM": "truecolor",
                **environ,
            },
        )

    def wait_for(self, text: str) -> None:
        """Read until a text is on the screen."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while text not in "\n".join(self.screen.display):
            assert time.monotonic() < deadline, f"{text!r} never came:\n" + "\n".join(self.screen.display)
            self.read(0.1)

    def read(self, patience: float) -> bool:
        """Take in what was written; whether there was anything."""
        if not select.select([self.master], [], [], patience)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.written += data
        self.stream.feed(data)
        return bool(data)

    def press(self, keys: str) -> None:
        """Send keys."""
        os.write(self.master, keys.encode())

    def end(self) -> int:
        """Wait until the process has ended; returns its exit code."""
        deadline = time.monotonic() + END_SECONDS
        while self.process.poll() is None:
            assert time.monotonic() < deadline, "It did not end"
            if self.master >= 0:
                self.read(0.02)
            else:
                time.sleep(0.02)
        while self.master >= 0 and self.read(0.05):
            pass
        return self.process.returncode

    def hang_up(self) -> None:
        """Cut the line."""
        os.close(self.slave)
        os.close(self.master)
        self.master = self.slave = -1

    def close(self) -> None:
        """Leave nothing behind."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for descriptor in (self.master, self.slave):
            if descriptor >= 0:
                os.close(descriptor)

    def left_behind(self) -> list[str]:
        """What the terminal was not given back without."""
        left = [name for name, mode in MODES.items() if self._is_on(mode)]
        if self.written.rfind(b"\x1b[?25l") > self.written.rfind(b"\x1b[?25h"):
            left.append("hidden cursor")
        if self.written.count(b"\x1b[>") > self.written.count(b"\x1b[<u"):
            left.append("keyboard protocol")
        if termios.tcgetattr(self.slave) != self.before:
            left.append("termios")
        return left

    def _is_on(self, mode: int) -> bool:
        return self.written.rfind(b"\x1b[?%dh" % mode) > self.written.rfind(b"\x1b[?%dl" % mode)


@pytest.fixture
def terminal(populated: Settings) -> Iterator[Terminal]:
    made = Terminal(populated)
    yield made
    made.close()


def test_it_moves_between_screens_and_ends_by_its_key(terminal: Terminal) -> None:
    terminal.wait_for("Last runs")
    terminal.press("2")
    terminal.wait_for("Schema at")
    terminal.press("1")
    terminal.wait_for("Last runs")
    terminal.press("q")
    assert terminal.end() == 0
    assert terminal.left_behind() == []


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


IMPORTS = """
import asyncio, json, sys
from musktracker.config import load
from tui.app import SCREENS, Console

async def visit():
    app = Console(load())
    painted = []
    app.connect = lambda: painted.append("sqlalchemy" in sys.modules) or Console.connect(app)
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
