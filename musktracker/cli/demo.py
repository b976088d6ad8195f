"""See everything at work on a simulated account, in a database of its own: three years, about 60,000 posts.

The console opens at once and its screens fill as the stages end. Opened again, the account has gone on until now.
"""

from __future__ import annotations

import argparse

from musktracker.cli.command import open_database, run_stage, whole_number
from musktracker.cli.console import add_mouse, open_console, require_terminal
from musktracker.config import Settings, for_demo
from musktracker.text import counted


def configure(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--seed", type=whole_number(0), help="which account (1 where there is none yet)")
    parser.add_argument("--reset", action="store_true", help="forget the demo that there is, and begin anew")
    add_mouse(parser)
    parser.add_argument("--no-console", action="store_true", help="prepare it here, and say how to look at it")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Prepare the demo, and open the console on it."""
    if not arguments.no_console:
        require_terminal("Prepare the demo without one: musktracker demo --no-console")
    settings = for_demo(settings.with_data_dir_made())
    from musktracker.pipeline import demo

    if arguments.reset:
        demo.forget(settings)
    if arguments.no_console:
        return _prepare(settings, arguments.seed)
    demo.start(settings, seed=arguments.seed)
    return open_console(settings, mouse=arguments.mouse)


def _prepare(settings: Settings, seed: int | None) -> int:
    parameters = {"artifact_dir": str(settings.artifact_dir), "seed": seed, "timezone": settings.timezone}
    with open_database(settings) as engine:
        result = run_stage(settings, engine, "demo", parameters)
    print(
        f"The demo is ready: {counted(result['posts'], 'new post')}, {counted(result['events'], 'new event')}, "
        f"until {result['until']}."
    )
    print("\nSee it in the console:  musktracker demo")
    print(f"On the command line:    MUSKTRACKER_DATABASE_URL={settings.safe_database_url} musktracker status")
    return 0
