"""Show the settings of this process and where each came from; secrets are masked.

Later wins: defaults, config.toml in the user's configuration directory (or the file that MUSKTRACKER_CONFIG names),
.env in the current directory, the environment.
"""

from __future__ import annotations

import argparse

from musktracker.cli.command import add_json, print_json, printable, table
from musktracker.config import ENVIRONMENT, Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    add_json(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print every setting with its value, its variable and its origin."""
    shown = settings.shown()
    if arguments.json:
        print_json({name: {"value": value, "origin": origin} for name, (value, origin) in shown.items()})
        return 0
    rows = [(name, printable(value) or "-", ENVIRONMENT[name], origin) for name, (value, origin) in shown.items()]
    print(table(("setting", "value", "variable", "origin"), rows))
    return 0
