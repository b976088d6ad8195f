"""A file pasted by mistake: nothing freezes, what is kept is bounded, and the keys work afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import go, shown
from real_terminal import Terminal
from textual.events import Key, Paste
from textual.widgets import Input

from musktracker.config import Settings
from tui.app import Console
from tui.terminal import BURST, PASTE_BEGINS, PASTE_ENDS, Pastes

MakeConsole = Callable[..., Console]
FILE = ("lorem ipsum !0.5 #cat +2h 14:00 until [b]y[/b] " * 3000)[:100_000]
ONE_SECOND = 1.0


@pytest.mark.parametrize(
    ("place", "keys", "kept"),
    [
        ("event-line", (), 4096),
        ("event-form", (), 4096),
        ("events", ("slash",), 200),
        ("ingestion", ("slash",), 200),
    ],
)
async def test_of_a_pasted_file_a_line_keeps_what_it_can_hold_and_says_so(
    place: str, keys: tuple[str, ...], kept: int, populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        await go(pilot, settled, place)
        await pilot.press(*keys)
        app.post_message(Paste(FILE))
        await settled(pilot)
        entry = app.focused
        assert isinstance(entry, Input)
        assert entry.value == FILE[:kept]
        assert [notice.message for notice in app._notifications] == [f"This line holds {kept:,} characters"]
        await pilot.press("backspace", "at")
        await settled(pilot)
        assert entry.value == FILE[: kept - 1] + "@"
        assert entry.value[-20:] in shown(app)
        assert entry.styles.scrollbar_size_horizontal == 0  # it would lie over the text


async def test_a_line_that_began_with_more_than_it_would_take_can_be_shortened(
    populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await go(pilot, settled, "event-line")
        entry = app.screen.query_one(Input)
        entry.value = "x" * 5000
        entry.cursor_position = 5000
        await pilot.press("backspace", "at")
        assert len(entry.value) == 4999


async def test_controls_in_what_is_pasted_become_marks_and_its_first_line_is_taken(
    populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await go(pilot, settled, "event-line")
        app.post_message(Paste("\n\x9b31mtoday\x07\tx\r\nsecond line\n"))
        await settled(pilot)
        assert app.screen.query_one(Input).value == "�31mtoday� x"


@pytest.mark.parametrize(
    ("pasted", "told"),
    [
        ("fri launch\r\nsat landing\nsun rest\n", ["Only the first of 3 lines was pasted: this holds one"]),
        ("fri launch\r\n\n", []),
    ],
)
async def test_lines_that_are_not_taken_from_what_is_pasted_are_told(
    pasted: str, told: list[str], populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        await go(pilot, settled, "event-line")
        app.post_message(Paste(pasted))
        await settled(pilot)
        assert app.screen.query_one(Input).value == "fri launch"
        assert [notice.message for notice in app._notifications] == told


def test_what_comes_at_once_is_a_paste_but_not_what_is_typed_held_down_or_told_by_the_terminal() -> None:
    assert Pastes().typed("ab\r\n" * BURST) == ""
    for keys in ("ab" * 10, "j" * BURST, "\x1b[A" * BURST):
        assert Pastes().typed(keys) == keys
    told = Pastes()
    for part in (PASTE_BEGINS[:3], PASTE_BEGINS[3:] + "ab" * BURST, "ab" * BURST, "ab" + PASTE_ENDS):
        assert told.typed(part) == part
    assert not told.is_coming
    assert told.typed("ab" * BURST) == ""


def test_a_key_right_behind_a_paste_is_a_key_and_makes_none_of_what_was_pasted() -> None:
    pastes = Pastes()
    assert pastes.typed("ab" * BURST + "\x7f@") == "\x7f@"
    assert pastes.pasted() == "ab" * BURST
    assert pastes.typed("q") == "q"


@given(st.lists(st.text("ab \r\n\tž漢🚀", min_size=1, max_size=40), max_size=8))
def test_a_paste_is_whole_however_small_the_pieces_are_that_follow_its_beginning(pieces: list[str]) -> None:
    pastes = Pastes()
    begin = "begin\n" * BURST
    assert [pastes.typed(piece) for piece in (begin, *pieces)] == [""] * (len(pieces) + 1)
    assert pastes.pasted() == begin + "".join(pieces)
    assert not pastes.is_coming


def test_of_lines_pasted_in_many_pieces_a_terminal_that_says_nothing_has_the_first_one_taken(
    populated: Settings,
) -> None:
    terminal = Terminal(populated)
    try:
        terminal.wait_for("Last runs")
        terminal.press("4")
        terminal.wait_for("past")
        terminal.press("a")
        terminal.wait_for("Add an event in one line")
        paste(terminal, "the first line\r" + "another line\r" * 3000)
        terminal.settled()
        terminal.press("@")
        terminal.wait_for("the first line@")
        assert not any("another" in line for line in terminal.screen.display)
    finally:
        terminal.close()


@pytest.mark.parametrize("bracketed", [True, False], ids=["bracketed", "raw"])
@pytest.mark.parametrize(
    ("keys", "title", "kept"), [("4a", "Add an event in one line", 4096), ("4/", "esc leaves", 200)]
)
def test_in_a_real_terminal_a_pasted_file_holds_up_the_keys_for_less_than_a_second(
    bracketed: bool, keys: str, title: str, kept: int, populated: Settings
) -> None:
    terminal = Terminal(populated)
    try:
        terminal.wait_for("Last runs")
        terminal.press(keys[0])
        terminal.wait_for("past")
        terminal.press(keys[1])
        terminal.wait_for(title)
        terminal.settled()
        used = spent(terminal)
        paste(terminal, f"{PASTE_BEGINS}{FILE}{PASTE_ENDS}" if bracketed else FILE)
        terminal.press("\x7f@")
        terminal.wait_for(FILE[kept - 20 : kept - 1] + "@")
        assert spent(terminal) - used < ONE_SECOND
        terminal.press("\x11")
        assert terminal.end() == 0
        assert terminal.left_behind() == []
    finally:
        terminal.close()


async def test_a_key_that_takes_back_is_done_before_the_letters_typed_behind_it(
    populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await go(pilot, settled, "event-line")
        for key, character in (("a", "a"), ("b", "b"), ("backspace", None), ("c", "c")):
            app.post_message(Key(key, character))
        await settled(pilot)
        assert app.screen.query_one(Input).value == "ac"


def test_a_file_pasted_where_nothing_is_typed_in_does_nothing(populated: Settings) -> None:
    terminal = Terminal(populated)
    try:
        terminal.wait_for("Last runs")
        paste(terminal, "q2q3q " * 5000)
        terminal.settled()
        terminal.press("4")
        terminal.wait_for("past")
        terminal.press("q")
        assert terminal.end() == 0
    finally:
        terminal.close()


def paste(terminal: Terminal, text: str) -> None:
    """Write all of a text, and take in what comes of it meanwhile: neither side waits for the other for ever."""
    os.set_blocking(terminal.master, False)
    left = memoryview(text.encode())
    while left:
        try:
            left = left[os.write(terminal.master, left[:4096]) :]
        except BlockingIOError:
            terminal.read(0.005)
    os.set_blocking(terminal.master, True)


def spent(terminal: Terminal) -> float:
    """Seconds of the processor that the console has used."""
    fields = Path(f"/proc/{terminal.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
