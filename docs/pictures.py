"""Draw the README's pictures from the demo: `python docs/pictures.py`, after `musktracker demo --no-console`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from musktracker.config import for_demo, load
from tui.app import SCREENS, Console

SIZE = (120, 36)
HERE = Path(__file__).parent


async def main(names: list[str]) -> None:
    """Export one picture for each screen that is named, or for all."""
    for name in names or list(SCREENS):
        app = Console(for_demo(load()))
        async with app.run_test(size=SIZE) as pilot:
            while app.engine is None:
                await pilot.pause(0.05)
            app.action_go(name)
            await pilot.pause(2.0)
            (HERE / f"{name}.svg").write_text(app.export_screenshot(title=f"MuskTracker · {SCREENS[name]}"), "utf-8")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
