"""Notices stand over the header, where they hide least: neither details nor the field under edit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from places import go, shown
from textual.pilot import Pilot
from textual.widgets._toast import Toast

from musktracker.config import Settings
from musktracker.errors import DataError
from tui.app import Console
from tui.widgets.form import FormScreen

Opened = Callable[..., Console]
LONG = DataError("Data end at 2026-01-13 18:00 UTC, 2 days before 2026-01-15 18:07 UTC", "Bring newer posts in")


async def notices(pilot: Pilot[Any], number: int) -> list[Toast]:
    """The notices, once there are as many and each has its place."""
    while True:
        found = list(pilot.app.screen.query(Toast))
        if len(found) == number and all(toast.region for toast in found):
            return found
        await pilot.pause()


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_a_notice_takes_the_top_lines_as_few_as_it_needs(
    populated: Settings, console: Opened, settled: Any, size: tuple[int, int]
) -> None:
    app = console(populated)
    async with app.run_test(size=size, notifications=True) as pilot:
        await go(pilot, settled, "models")
        app.notify("Run 8 (train) started")
        [first] = await notices(pilot, 1)
        assert shown(app).splitlines()[0].rstrip().endswith("Run 8 (train) started")
        app.complain(LONG)
        [_, second] = await notices(pilot, 2)
        assert (first.region.height, second.region.y, second.region.height) == (1, 1, 4)


async def test_a_notice_hides_neither_the_field_under_edit_nor_what_the_form_says(
    populated: Settings, console: Opened, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await go(pilot, settled, "backtest-form")
        await pilot.press("tab", "tab")
        app.notify("Run 8 (train) is done")
        [toast] = await notices(pilot, 1)
        assert isinstance(app.screen, FormScreen)
        assert app.focused is not None
        for widget in (app.focused, *app.screen.query("#form-preview, #form-keys")):
            assert not toast.region.overlaps(widget.region)
