"""Bars of brackets: legible without colour and in ASCII, with the cursor where it was."""

from __future__ import annotations

import math

import pytest
from textual.app import App, ComposeResult

from tui.ascii import plain
from tui.widgets.bracket_bars import Bar, BracketBars


class Page(App[None]):
    """Bars alone."""

    def compose(self) -> ComposeResult:
        yield BracketBars()


def bars(*chances: float | None, dead: int = 1) -> tuple[Bar, ...]:
    states = ["dead"] * dead + ["in"] + ["ahead"] * (len(chances) - dead - 1)
    return tuple(
        Bar(f"{20 * k}-{20 * k + 19}", state, chance, chance)
        for k, (state, chance) in enumerate(zip(states, chances, strict=True))
    )


def rows(widget: BracketBars) -> list[str]:
    return [widget.render_line(y).text.rstrip() for y in range(widget.size.height)]


async def test_marks_words_and_lengths_say_what_colour_would() -> None:
    async with Page().run_test(size=(50, 10)) as pilot:
        widget = pilot.app.query_one(BracketBars)
        widget.set_bars(bars(0.0, 0.25, 0.5, 0.0002, 0.2498))
        await pilot.pause()
        header, dead, present, likeliest, unlikely, _ = rows(widget)[:6]
        assert header.split() == ["Posts", "Chance", "Or", "more"]
        assert dead.split() == ["✗", "0-19", "dead"]
        assert present.startswith("▶ 20-39   25.0%")
        assert likeliest.count("█") == 23
        assert present.endswith("█" * 11 + "▌")
        assert "<0.1%" in unlikely


@pytest.mark.parametrize("chance", [math.nan, math.inf, 1e300, -1.0])
async def test_what_is_no_probability_has_neither_bar_nor_figure(chance: float) -> None:
    async with Page().run_test(size=(50, 10)) as pilot:
        widget = pilot.app.query_one(BracketBars)
        widget.set_bars(bars(0.0, chance, 0.5))
        await pilot.pause()
        assert rows(widget)[2].split() == ["▶", "20-39"]
        assert rows(widget)[3].count("█") == 23


async def test_in_ascii_every_row_says_the_same() -> None:
    async with Page().run_test(size=(50, 10)) as pilot:
        widget = pilot.app.query_one(BracketBars)
        widget.set_bars(bars(0.0, 0.25, 0.75))
        await pilot.pause()
        shown = [plain(row) for row in rows(widget)]
        assert shown[1].startswith("x ")
        assert shown[2].startswith("> ")
        assert shown[3].count("#") == 3 * shown[2].count("#") + shown[3].count("#") % 3
        assert "?" not in "".join(shown)


async def test_the_cursor_begins_on_the_likeliest_and_stays_on_its_bracket() -> None:
    async with Page().run_test(size=(50, 10)) as pilot:
        widget = pilot.app.query_one(BracketBars)
        widget.set_bars(bars(0.0, 0.1, 0.7, 0.2))
        await pilot.pause()
        assert widget.cursor == 2
        await pilot.press("j")
        widget.set_bars(bars(0.0, 0.8, 0.1, 0.1))
        assert widget.cursor == 3
        await pilot.press("m")
        assert widget.cursor == 1


async def test_brackets_without_a_forecast_have_neither_figure_nor_bar() -> None:
    async with Page().run_test(size=(50, 10)) as pilot:
        widget = pilot.app.query_one(BracketBars)
        widget.set_bars(bars(None, None, None))
        await pilot.pause()
        assert rows(widget)[2].split() == ["▶", "20-39"]
        widget.set_bars(bars(0.0, 0.2, 0.8))
        assert widget.cursor == 2


async def test_all_brackets_leave_the_console() -> None:
    async with Page().run_test(size=(50, 10)) as pilot:
        widget = pilot.app.query_one(BracketBars)
        assert widget.exported() is None
        widget.set_bars(bars(0.0, 0.25, 0.75))
        exported = widget.exported()
        assert exported is not None
        assert exported.rows[1] == ["20-39", "in", "25.0%", "25.0%"]
        assert exported.as_csv().splitlines()[3] == "40-59,ahead,0.75,0.75"
