"""Every screen and everything that opens over one, at any size: below the smallest it says so, and it comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from places import EVERYWHERE, SCREENS, resized, walk, walk_name, walks
from textual.screen import ModalScreen

from musktracker.config import Settings
from tui.app import Console
from tui.too_small import SMALLEST

OPENED = {
    *("help", "palette", "import-form", "event-line", "train-form", "forecast-form", "backtest-form"),
    *("export-form", "run", "confirm-cancel"),
}
PLACES = [place for place in EVERYWHERE if place in SCREENS or place == "settings" or place in OPENED]
SIZES = (  # many widths and heights, each beside what is too small or what is not, and the smallest that is enough
    *((1, 100), (2, 16), (7, 5), (20, 2), (61, 100), (80, 24), (300, 5), (60, 1)),
    *((59, 16), (60, 15), (59, 15), (60, 16)),
    *((1, 1), (300, 100)),
)


def text(app: Console) -> str:
    """What the terminal shows, line by line."""
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips(app.size))


@pytest.mark.parametrize("places", walks(PLACES), ids=walk_name)
async def test_no_size_breaks_it_and_one_too_small_says_what_it_needs(
    places: list[str], populated: Settings, console: Callable[..., Console], settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        async for place in walk(pilot, settled, places):
            opened, focused = app.screen, app.focused
            for size in SIZES:
                await pilot.resize_terminal(*size)
                while app.screen.size != size:
                    await pilot.pause(0.01)
                await pilot.pause()
                small = size[0] < SMALLEST[0] or size[1] < SMALLEST[1]
                if size[0] >= 30 and size[1] >= 3:
                    told = "at least 60 columns by 16 rows" in text(app)
                    assert told == small, (place, size, text(app))
            await resized(pilot, settled, (120, 36))
            assert app.screen is opened, place
            assert app.focused is focused, place
            assert isinstance(opened, ModalScreen) == (place in OPENED), place
            assert len(text(app).splitlines()) == 36, place
