"""Every screen and everything that opens over one, at any size: below the smallest it says so, and it comes back."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from textual.screen import ModalScreen

from musktracker.config import Settings
from tui.app import SMALLEST, Console

SCREENS = ("1", "2", "3", "4", "5", "6", "5 b", "1 A", "1 S", "1 C")
OVER = {
    "help": "1 question_mark",
    "palette": "1 colon",
    "import": "3 i",
    "event": "4 a",
    "train": "5 t",
    "forecast": "6 n",
    "backtest": "5 b n",
    "export": "6 X",
    "run": "3 enter",
    "cancel": "3 x",
}
WIDTHS, HEIGHTS = (1, 2, 7, 20, 59, 60, 61, 80, 300), (1, 2, 5, 15, 16, 24, 100)
SIZES = (  # every width and every height, each at least once beside what is too small and what is not
    *((width, (100, 16, 5)[i % 3]) for i, width in enumerate(WIDTHS)),
    *(((60, 20, 80)[i % 3], height) for i, height in enumerate(HEIGHTS)),
    *product((59, 60), (15, 16)),
    (1, 1),
    (300, 100),
)


def text(app: Console) -> str:
    """What the terminal shows, line by line."""
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips(app.size))


@pytest.mark.parametrize("keys", [*SCREENS, *OVER.values()], ids=lambda keys: keys.replace(" ", "-"))
async def test_no_size_breaks_it_and_one_too_small_says_what_it_needs(
    keys: str, populated: Settings, console: Callable[..., Console], settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        for key in keys.split():
            await pilot.press(key)
            await settled(pilot)
        opened, focused = app.screen, app.focused
        for size in SIZES:
            await pilot.resize_terminal(*size)
            while app.screen.size != size:
                await pilot.pause(0.01)
            await pilot.pause()
            small = size[0] < SMALLEST[0] or size[1] < SMALLEST[1]
            if size[0] >= 30 and size[1] >= 3:
                assert ("at least 60 columns by 16 rows" in text(app)) == small, (size, text(app))
        await pilot.resize_terminal(120, 36)
        await settled(pilot)
        assert app.screen is opened
        assert app.focused is focused
        assert isinstance(opened, ModalScreen) == (keys in OVER.values())
        assert len(text(app).splitlines()) == 36
