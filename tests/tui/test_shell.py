"""The shell: it opens, and brings the database to the screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from musktracker.config import Settings
from tui.app import Console


async def test_the_console_opens_on_the_overview(
    populated: Settings, console: Callable[..., Console], settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert app.engine is not None
        assert app.current_mode == "overview"
        assert app.status.last_post is not None
