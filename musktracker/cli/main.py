"""The entry point: find the command, run it, and turn errors into one line and an exit code."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from musktracker import __version__

COMMANDS = {
    "console": "open the operator console (also what no command does)",
    "demo": "open the console on a simulated account, beside your own data",
    "import": "bring in posts from files",
    "ingest": "fetch posts from the X API: what is new, for good, or what was before",
    "coverage": "what was observed and what was not, and fill the holes",
    "reconcile": "find deleted posts and missing ones, by asking the X API",
    "refresh": "count hours and days, and compute features",
    "events": "list, add, edit, remove, restore, import and export events",
    "train": "fit a model, as a new version",
    "models": "trained versions: list, show, promote to champion or challenger, roll back",
    "forecast": "forecast the hours to come, and store it",
    "window": "how many posts a window will hold: so far, projected, by bracket",
    "backtest": "how models would have forecast: scores, skill, coverage, stored to compare",
    "score": "fill in what happened, score it, and print error and coverage",
    "monitor": "how forecasts came out by horizon and week, and what has changed",
    "run": "serve: ingest, count, score and forecast every hour, train every day",
    "alerts": "what the service was to tell you of, and on which conditions",
    "status": "what is stored, how fresh it is, and what to do next",
    "runs": "list, show, follow and cancel runs",
    "migrate": "bring the database's schema up, down, or show where it is",
    "simulate": "serve a simulated X API, with faults, to try things on",
    "config": "show the settings and where each came from",
}
HIDDEN = {"work": "carry out a queued run"}
OF_THE_CONSOLE = ("--read-only", "--mouse")  # which needs no name


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 done, 1 failed, 2 wrong use, 3 data stale or missing."""
    _fill_closed_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # of a mark that the locale lacks, as Latin-1 does a bar
    try:
        try:
            return _carry_out(list(sys.argv[1:] if argv is None else argv))
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:  # before the command was there to meet it
        return 130
    except BrokenPipeError:  # who read has enough
        _discard_output()
        return 0
    except OSError as error:
        _discard_output()
        print(f"musktracker: the output could not be written: {error.strerror}", file=sys.stderr)
        return 1


def _fill_closed_streams() -> None:
    """Let streams that were closed before the start lead nowhere: the next file that opens would take their place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - open until the end


def _carry_out(arguments: list[str]) -> int:
    name = arguments[0] if arguments else "console"
    if name in OF_THE_CONSOLE:
        name, arguments = "console", ["console", *arguments]
    if name == "help" and len(arguments) > 1:
        name, arguments = arguments[1], [arguments[1], "--help"]
    if name in ("-h", "--help", "help"):
        print(_help())
        return 0
    if name in ("-V", "--version"):
        print(f"musktracker {__version__}")
        return 0
    if name not in COMMANDS and name not in HIDDEN:
        return _unknown(name, as_json="--json" in arguments)
    from musktracker.cli.command import invoke

    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the matrices are small: more threads only spin
    return invoke(name, arguments[1:])


def _unknown(name: str, *, as_json: bool) -> int:
    """Say that there is no such command, and which one may be meant."""
    import difflib
    import json

    meant = difflib.get_close_matches(name, COMMANDS, n=1)
    message = f"There is no command {name!r}"
    hint = f"Did you mean musktracker {meant[0]}?" if meant else "musktracker --help lists every command"
    if as_json:
        print(json.dumps({"error": message, "hint": hint, "exit_code": 2}))
    print(f"musktracker: {message}. {hint}" + ("" if meant else f"\n\n{_help()}"), file=sys.stderr)
    return 2


def _discard_output() -> None:
    """Let what is still to be written vanish: Python would try it again at its end, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _help() -> str:
    """What there is, on a terminal of any width."""
    import shutil
    import textwrap

    columns = max(shutil.get_terminal_size().columns - 2, 30)
    width = max(map(len, COMMANDS))
    paragraphs = [
        "Usage: musktracker [COMMAND] [OPTIONS]",
        "",
        "Count the posts of one account, and forecast how many will come.",
        "",
        *(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()),
        "",
        "musktracker COMMAND --help explains a command. Exit codes: 0 done, 1 failed, 2 wrong use, "
        "3 refused because data are stale or missing.",
    ]
    hang = " " * (width + 4)
    return "\n".join(
        textwrap.fill(one, columns, subsequent_indent=hang if one.startswith(" ") else "") for one in paragraphs
    )


if __name__ == "__main__":
    sys.exit(main())
