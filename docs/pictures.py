"""Draw the README's pictures from the demo, which is prepared in a directory of its own: `python docs/pictures.py`.

Names of pictures draw these alone. `--data-dir DIR` keeps the demo there, for the next time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import update
from textual.pilot import Pilot

from musktracker import runs
from musktracker.config import Settings, for_demo
from musktracker.db import engines
from musktracker.db.tables import RunRow
from tui import state
from tui.app import Console
from tui.theme import DARK, LIGHT

HERE = Path(__file__).parent
SIZE = (120, 36)


@dataclass(frozen=True)
class Picture:
    """The keys that lead there from the start, and how it looks."""

    keys: str
    theme: str = DARK.name


PICTURES = {
    "overview": Picture("1"),
    "service": Picture("1S"),
    "migrations": Picture("2"),
    "ingestion": Picture("3"),
    "events": Picture("4tjjj"),
    "models": Picture("5"),
    "backtest": Picture("5b\n"),
    "forecasts": Picture("6"),
    "window": Picture("6w"),
    "calibration": Picture("6d"),
    "forecasts-light": Picture("6", LIGHT.name),
}


def main(arguments: list[str]) -> None:
    """Prepare the demo, and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PICTURES))
    parser.add_argument("--data-dir", type=Path, metavar="DIR")
    asked = parser.parse_args(arguments)
    with _directory(asked.data_dir) as directory:
        mine = Settings(data_dir=directory, database_url=f"sqlite:///{directory / 'musktracker.db'}")
        moment = _prepared(mine)
        os.environ["HOME"] = str(directory)  # paths are shown from there
        for name in asked.names or PICTURES:
            asyncio.run(_draw(name, PICTURES[name], for_demo(mine), moment))


@contextmanager
def _directory(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        yield kept.absolute()
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def _prepared(mine: Settings) -> datetime:
    """Bring the demo up to now; returns the moment of the pictures."""
    _command(mine, "demo", "--no-console")
    demo = for_demo(mine)
    engine = engines.connect(demo.database_url)
    moment = next(info.finished_at for info in runs.recent(engine, kinds=["demo"]) if info.finished_at is not None)
    with engines.writing(engine) as connection:  # whoever draws, and wherever, is not shown
        connection.execute(update(RunRow).values(who="ada@tower", host="tower"))
    engine.dispose()
    return moment


def _command(settings: Settings, *arguments: str) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "X_BEARER_TOKEN"}
    subprocess.run(
        [sys.executable, "-m", "musktracker.cli.main", *arguments],
        env={**environ, **settings.environment()},
        check=True,
        cwd=settings.data_dir,
    )


async def _draw(name: str, picture: Picture, settings: Settings, moment: datetime) -> None:
    (settings.data_dir / state.NAME).unlink(missing_ok=True)  # the place where the picture before was taken
    app = Console(settings, clock=lambda: moment)
    app.theme = picture.theme
    async with app.run_test(size=SIZE) as pilot:
        await _settle(pilot)
        for key in picture.keys:
            await pilot.press("enter" if key == "\n" else key)
            await _settle(pilot)
        title = f"MuskTracker · {app.screen.title}"
        (HERE / f"{name}.svg").write_text(_portable(app.export_screenshot(title=title)), "utf-8")
    print(HERE / f"{name}.svg")


async def _settle(pilot: Pilot[None]) -> None:
    """Wait until everything that was asked for is shown."""
    await pilot.pause(0.3)
    while any(worker.is_running for worker in pilot.app.workers):
        await pilot.app.workers.wait_for_complete()
        await pilot.pause(0.2)


def _portable(svg: str) -> str:
    """The same without fonts from elsewhere, and without a number that changes with every drawing."""
    return re.sub(r"terminal-\d+", "terminal", re.sub(r"\s*@font-face \{[^}]*\}", "", svg))


if __name__ == "__main__":
    main(sys.argv[1:])
