"""Open the operator console: what is stored, how fresh it is, events, models and forecasts, by the keyboard alone."""

from __future__ import annotations

import argparse
import gc
import os
import sys

from musktracker.config import Settings
from musktracker.errors import UsageError

POOR = ("dumb", "unknown")  # terminals that move no cursor


def configure(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--read-only", action="store_true", help="look only: the database itself refuses any change")
    add_mouse(parser)


def add_mouse(parser: argparse.ArgumentParser) -> None:
    """The option of whatever opens the console."""
    parser.add_argument(
        "--mouse",
        action="store_true",
        help="take clicks and the wheel; without it the mouse is the terminal's, to select and copy text with",
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Open it in this terminal."""
    require_terminal("For scripts there is musktracker status; musktracker --help lists every command")
    return open_console(settings, read_only=arguments.read_only, mouse=arguments.mouse)


def require_terminal(instead: str) -> None:
    """Raise UsageError where standard input or output is no terminal; `instead` is what to do there."""
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout)):  # None where closed
        raise UsageError("The console needs a terminal", instead)
    if os.environ.get("TERM") in POOR:
        raise UsageError(f"The console cannot be drawn on a terminal that is TERM={os.environ['TERM']}", instead)


def open_console(settings: Settings, *, read_only: bool = False, mouse: bool = False) -> int:
    """Open the console with these settings; returns its exit code."""
    gc.disable()  # the console enables it once it has started
    from tui.app import run as run_console

    settings.with_data_dir_made()
    return run_console(settings, read_only=read_only, mouse=mouse)
