"""Only what the terminal does not show yet is sent to it, and what it shows is what it was to show."""

from __future__ import annotations

from typing import Any

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui.frame import Frame

WIDTH, HEIGHT = 12, 3
STYLES = [
    Style(),
    Style(color="#ff0000"),
    Style(color="#00ff00", bgcolor="#101010"),
    Style(bgcolor="#202020", bold=True),
    Style(color="#0000ff", bgcolor="#202020", underline=True),
    Style(reverse=True),
]
TEXTS = st.text(alphabet="ab  ─⣿é", min_size=1, max_size=WIDTH)
UNEVEN = st.text(alphabet="ab 宽한", min_size=1, max_size=WIDTH // 2)


@st.composite
def pieces(draw: Any, texts: st.SearchStrategy[str] = TEXTS) -> tuple[int, int, Strip]:
    """Something to show in a place of the terminal."""
    segments = draw(st.lists(st.builds(_segment, texts, st.sampled_from(STYLES)), min_size=1, max_size=4))
    x = draw(st.integers(0, WIDTH - 2))
    return draw(st.integers(0, HEIGHT - 1)), x, Strip(segments).crop(0, WIDTH - x)


def _segment(text: str, style: Style) -> Segment:
    return Segment(text, style)


class Shown:
    """A terminal, and what it shows."""

    def __init__(self) -> None:
        self.screen = pyte.Screen(WIDTH, HEIGHT)
        self.stream = pyte.Stream(self.screen)

    def whole(self, y: int, x: int, strip: Strip) -> None:
        """Show a piece as a terminal would be told by Rich."""
        drawn = "".join((style or Style()).render(text) for text, style, _ in strip)
        self.stream.feed(f"\x1b[{y + 1};{x + 1}H{drawn}")

    def cells(self) -> list[list[tuple[Any, ...]]]:
        """Every cell, as it is seen: of a blank not the colour of what is not there."""
        return [[_seen(self.screen.buffer[y][x]) for x in range(WIDTH)] for y in range(HEIGHT)]


def _seen(cell: Any) -> tuple[Any, ...]:
    blank = cell.data == " " and not (cell.reverse or cell.underscore or cell.bold)
    return (cell.data, cell.bg, *(() if blank else (cell.fg, cell.bold, cell.underscore, cell.reverse)))


@given(st.lists(st.lists(pieces(), max_size=4), max_size=6))
def test_the_terminal_shows_what_it_would_have_shown_if_everything_was_sent(
    updates: list[list[tuple[int, int, Strip]]],
) -> None:
    frame, sparing, whole = Frame(), Shown(), Shown()
    scrolled = [[(HEIGHT - 1 - y, x, strip) for y, x, strip in update] for update in updates]
    for update in updates + scrolled:  # the very strips again, elsewhere
        sparing.stream.feed(frame.sequence(update, ColorSystem.TRUECOLOR))
        for piece in update:
            whole.whole(*piece)
        assert sparing.cells() == whole.cells()


@given(st.lists(pieces(UNEVEN), max_size=6))
def test_wide_characters_are_shown_as_they_would_have_been(found: list[tuple[int, int, Strip]]) -> None:
    frame, sparing, whole = Frame(), Shown(), Shown()
    for y, _, strip in found:
        row = (y, 0, strip.adjust_cell_length(WIDTH))
        sparing.stream.feed(frame.sequence([row], ColorSystem.TRUECOLOR))
        whole.whole(*row)
        assert sparing.cells() == whole.cells()


@pytest.mark.parametrize("odd", ["👩\u200d👩\u200d👧", "⚠\ufe0f", "e\u0301", "1\ufe0f\u20e3", "🇩🇪"])
def test_what_follows_a_character_is_in_its_place_whatever_room_a_terminal_gives(
    odd: str,
) -> None:
    frame, terminal = Frame(), Shown()
    for before in (f"{odd}│ab", f"xx{odd}│ab"):
        strip = Strip([Segment(before)])
        terminal.stream.feed(frame.sequence([(0, 0, Strip.blank(WIDTH)), (0, 0, strip)], ColorSystem.TRUECOLOR))
        assert terminal.screen.buffer[0][strip.cell_length - 3].data == "│"
        beside = (0, strip.cell_length, Strip([Segment("┃")]))
        assert "┃" in frame.sequence([beside], ColorSystem.TRUECOLOR)  # it is not taken for shown already
        terminal.stream.feed(frame.sequence([(0, strip.cell_length, Strip([Segment(" ")]))], ColorSystem.TRUECOLOR))


@given(pieces())
def test_what_is_shown_already_is_not_sent_again(piece: tuple[int, int, Strip]) -> None:
    frame = Frame()
    frame.sequence([piece], ColorSystem.TRUECOLOR)
    assert frame.sequence([piece], ColorSystem.TRUECOLOR) == ""


@given(pieces())
def test_what_was_forgotten_is_sent_again(piece: tuple[int, int, Strip]) -> None:
    frame = Frame()
    first = frame.sequence([piece], ColorSystem.TRUECOLOR)
    frame.forget()
    assert frame.sequence([piece], ColorSystem.TRUECOLOR) == first


def test_a_cursor_that_moves_costs_what_changes_and_no_more() -> None:
    plain, chosen = Style(color="#ccd3de", bgcolor="#0f131a"), Style(color="#ccd3de", bgcolor="#243a5a")
    frame = Frame()
    rows = ["2026-12-07 17:40  0.41", "2026-12-07 11:40  0.33"]
    frame.sequence([(y, 0, Strip([Segment(row, plain)])) for y, row in enumerate(rows)], ColorSystem.TRUECOLOR)
    changed = Strip([Segment(rows[0][:-1] + "2", plain)])
    assert frame.sequence([(0, 0, changed)], ColorSystem.TRUECOLOR) == (
        "\x1b[1;22H\x1b[0;38;2;204;211;222;48;2;15;19;26m2\x1b[0m"
    )
    chosen_row = Strip([Segment(rows[1], chosen)])
    assert len(frame.sequence([(1, 0, chosen_row)], ColorSystem.TRUECOLOR)) < len(rows[1]) + 50
