"""The console in a pseudo-terminal: what its screen shows, what was written, and what the terminal was left with."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from contextlib import suppress
from pathlib import Path

import pyte

from musktracker.config import Settings

ROWS, COLUMNS = 36, 120
LIMIT_SECONDS = 30.0  # of waiting for something that does come
END_SECONDS = 10.0  # the promise is one second; a machine that does much else at once needs more
QUIET_SECONDS = 0.3  # more than anything that is shown waits for the cursor to rest
START = """
import signal, sys
if {ignore_hangup}: signal.signal(signal.SIGHUP, signal.SIG_IGN)
from musktracker.config import load
from tui.app import run
{before}
sys.exit(run(load(), mouse={mouse}))
"""
SWITCH = re.compile(rb"(?=\x1b\[\?1049[hl])")
MODES = {
    "alternate screen": 1049,
    "mouse": 1000,
    "any mouse": 1003,
    "mouse pixels": 1016,
    "focus": 1004,
    "paste": 2004,
}


class Terminal:
    """A pseudo-terminal, the process in it, and what its screen shows."""

    def __init__(
        self,
        settings: Settings,
        *,
        ignore_hangup: bool = False,
        mouse: bool = False,
        before: str = "",
        command: list[str] | None = None,
        **environ: str,
    ) -> None:
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.before = termios.tcgetattr(self.slave)
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self.stream = pyte.ByteStream(self.screen)
        self.written = b""
        self.process = subprocess.Popen(
            command or [sys.executable, "-c", START.format(ignore_hangup=ignore_hangup, mouse=mouse, before=before)],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
            preexec_fn=_as_a_shell_does,
            env={
                **{name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")},
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
            came = False
            while not came:  # what is shown is put together only once it may have changed: that takes milliseconds
                assert time.monotonic() < deadline, f"{text!r} never came:\n" + "\n".join(self.screen.display)
                came = self.read(0.1)

    def read(self, patience: float) -> bool:
        """Take in what was written; whether there was anything."""
        if not select.select([self.master], [], [], patience)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.written += data
        for part in SWITCH.split(data):  # the emulator knows no second screen: both begin empty
            if SWITCH.match(part):
                self.screen.reset()
            self.stream.feed(part)
        return bool(data)

    def settled(self) -> list[list[tuple[object, ...]]]:
        """Every cell as it is seen once nothing more comes: of a blank not the colour of what is not there."""
        while self.read(QUIET_SECONDS) or self._is_busy():
            pass
        rows = range(self.screen.lines)
        return [[_seen(self.screen.buffer[y][x]) for x in range(self.screen.columns)] for y in rows]

    def _is_busy(self) -> bool:
        """Whether a thread of the console works or waits for its turn: a busy machine lets it be silent for long."""
        with suppress(FileNotFoundError, ProcessLookupError):  # it ends
            for task in Path(f"/proc/{self.process.pid}/task").iterdir():
                if (task / "stat").read_text().rpartition(") ")[2][0] in "RD":
                    return True
        return False

    def resize(self, columns: int, rows: int) -> None:
        """Make the window another size."""
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.killpg(self.process.pid, signal.SIGWINCH)

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


def _as_a_shell_does() -> None:
    """The terminal is the process's own, and so are hang-ups, which whoever tests may ignore."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _seen(cell: pyte.screens.Char) -> tuple[object, ...]:
    blank = cell.data == " " and not (cell.reverse or cell.underscore or cell.bold)
    return (cell.data, cell.bg, *(() if blank else (cell.fg, cell.bold, cell.underscore, cell.reverse)))
