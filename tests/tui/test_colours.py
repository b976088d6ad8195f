"""Every screen in terminals of 256, 16 and no colours, and with the mouse on."""

from __future__ import annotations

import re

from real_terminal import Terminal

from musktracker.config import Settings

PLACES = (("2", "Schema at"), ("3", "Log of run"), ("4", "events"), ("5", "Models"), ("6", "Posts an hour"))
COLOURED = re.compile(rb"\x1b\[[0-9;:]*?(?:(?<![0-9])(?:3[0-7]|4[0-7]|9[0-7]|10[0-7])(?![0-9])|[34]8[;:])[0-9;:]*m")
TRUE_COLOUR = re.compile(rb"[34]8[;:]2[;:]")
FROM_256 = re.compile(rb"[34]8[;:]5[;:]")


def visit(terminal: Terminal) -> bytes:
    """Go through the screens and end; returns what was written."""
    try:
        terminal.wait_for("Last runs")
        for key, text in PLACES:
            terminal.press(key)
            terminal.wait_for(text)
        terminal.press("q")
        assert terminal.end() == 0
        assert terminal.left_behind() == []
    finally:
        terminal.close()
    return terminal.written


def test_without_true_colours_there_are_256(populated: Settings) -> None:
    written = visit(Terminal(populated, COLORTERM=""))
    assert FROM_256.search(written)
    assert not TRUE_COLOUR.search(written)


def test_a_terminal_of_16_colours_is_sent_no_other(populated: Settings) -> None:
    written = visit(Terminal(populated, COLORTERM="", TERM="xterm"))
    assert COLOURED.search(written)
    assert not FROM_256.search(written)
    assert not TRUE_COLOUR.search(written)


def test_with_no_color_there_is_no_hue(populated: Settings) -> None:
    written = visit(Terminal(populated, NO_COLOR="1"))
    hues = re.findall(rb"[34]8[;:]2[;:](\d+)[;:](\d+)[;:](\d+)", written)
    assert all(red == green == blue for red, green, blue in hues)


def test_with_the_mouse_on_it_hears_of_it_and_gives_it_back(populated: Settings) -> None:
    written = visit(Terminal(populated, mouse=True))
    assert b"\x1b[?1000h" in written
