"""ctrl+z and back, in a real shell: the terminal is the shell's while the console is stopped, and as it was."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_terminal import END_SECONDS, Terminal

from musktracker.config import Settings

CONSOLE = f"{sys.executable} -m musktracker.cli.main console"
BASH = ["bash", "--norc", "--noprofile", "--noediting", "-i"]
SUSPEND = "\x1a"


@pytest.fixture
def shell(populated: Settings) -> Iterator[Terminal]:
    """An interactive shell."""
    made = Terminal(populated, command=BASH, PS1="shell: ", HISTFILE="", LC_ALL="C.UTF-8")
    made.wait_for("shell:")
    yield made
    for child in children(made):
        os.kill(child, signal.SIGKILL)
    made.close()


def children(shell: Terminal) -> list[int]:
    """The processes that a shell started."""
    listed = Path(f"/proc/{shell.process.pid}/task/{shell.process.pid}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []


def open_console(shell: Terminal) -> int:
    """Start the console from the shell; returns its process."""
    shell.press(f"{CONSOLE}\r")
    shell.wait_for("ada@tower")
    return children(shell)[0]


def test_ctrl_z_gives_the_terminal_to_the_shell_and_fg_gives_it_back(shell: Terminal) -> None:
    open_console(shell)
    shown = "Last runs"
    for key, text in (("2", "Schema at"), ("1", "Last runs")):
        shell.press(SUSPEND)
        shell.wait_for("Stopped")
        assert shell.left_behind() == []
        shell.press("stty -a | grep -o ' icanon'\r")
        shell.wait_for("\n icanon")
        shell.press("fg\r")
        shell.wait_for(shown)
        shell.press(key)
        shell.wait_for(text)
        shown = text
    shell.press("q")
    shell.wait_for("shell:")
    assert shell.left_behind() == []
    shell.press("exit\r")
    assert shell.end() == 0


def test_ctrl_z_works_over_what_is_open_too(shell: Terminal) -> None:
    open_console(shell)
    shell.wait_for("Last runs")
    shell.press("i")
    shell.wait_for("Import posts")
    shell.press(SUSPEND)
    shell.wait_for("Stopped")
    assert shell.left_behind() == []
    shell.press("fg\r")
    shell.wait_for("Import posts")


def test_it_comes_back_from_the_background(shell: Terminal) -> None:
    open_console(shell)
    shell.press(SUSPEND)
    shell.wait_for("Stopped")
    shell.press("bg; sleep 0.5; echo then\r")
    shell.wait_for("\nthen")
    assert shell.left_behind() == []
    shell.press("fg\r")
    shell.wait_for("Last runs")
    shell.press("2")
    shell.wait_for("Schema at")
    shell.press("q")
    shell.wait_for("shell:")
    assert shell.left_behind() == []


def test_after_a_stop_that_nothing_can_catch_it_has_the_terminal_again_and_leaves_it_as_it_was(
    shell: Terminal,
) -> None:
    console = open_console(shell)
    os.kill(console, signal.SIGSTOP)
    shell.wait_for("Stopped")
    entered = shell.written.count(b"\x1b[?1049h")
    shell.press("fg\r")
    while shell.written.count(b"\x1b[?1049h") == entered:
        shell.read(0.1)
    shell.wait_for("ada@tower")
    shell.press("2")
    shell.wait_for("Schema at")
    shell.press("q")
    shell.wait_for("shell:")
    assert shell.left_behind() == []
    shell.press("stty -a | grep -o ' icanon'\r")
    shell.wait_for("\n icanon")


@pytest.mark.parametrize("ignored", [False, True])
def test_a_line_that_is_cut_while_it_is_stopped_ends_it(shell: Terminal, ignored: bool) -> None:
    if ignored:
        shell.press("trap '' HUP\r")
    console = open_console(shell)
    shell.press(SUSPEND)
    shell.wait_for("Stopped")
    shell.hang_up()
    if ignored:
        os.kill(console, signal.SIGCONT)
    deadline = time.monotonic() + END_SECONDS
    while Path(f"/proc/{console}/stat").exists() and " Z " not in Path(f"/proc/{console}/stat").read_text():
        assert time.monotonic() < deadline, "It did not end"
        time.sleep(0.05)
