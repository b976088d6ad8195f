"""How every command runs: its parser, the settings, the database, and errors as words and exit codes.

A command is a module of this package with `configure(parser)` and `run(arguments, settings) -> exit code`; its
docstring is its help.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from musktracker.config import Settings, load
from musktracker.errors import MuskTrackerError
from musktracker.text import printable as printable
from musktracker.timeline import iso, parse_time

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from sqlalchemy import Engine

    from musktracker.reporting import Run
    from musktracker.run_log import LogLine

LARGEST = 2**31 - 1  # that a column of ids holds
_ACTS = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")  # on a terminal, though JSON lets it be
MODULES = {"import": "import_files"}  # where a command's name cannot be its module's


def invoke(name: str, argv: Sequence[str]) -> int:
    """Parse and run one command."""
    module = importlib.import_module(f"musktracker.cli.{MODULES.get(name, name)}")
    parser = Parser(
        prog=f"musktracker {name}",
        description=_fitted(module.__doc__ or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.configure(parser)
    try:
        arguments = parser.parse_args(argv)
    except _WrongArguments as wrong:
        hint = f"{wrong.prog} --help explains it"
        say(f"{wrong.usage}{wrong.prog}: error: {wrong.message}\n{hint}")
        if "--json" in argv:
            print_json_line({"error": wrong.message, "hint": hint, "exit_code": 2})
        raise SystemExit(2) from None
    settings: Settings | None = None
    try:
        settings = load()
        return int(module.run(arguments, settings))
    except MuskTrackerError as error:
        return fail(error, settings, as_json=getattr(arguments, "json", False))
    except KeyboardInterrupt:
        if getattr(arguments, "json", False):
            print_json_line({"error": "Interrupted", "hint": "", "exit_code": 130})
        return 130
    except BrokenPipeError:
        raise  # who read has enough: main says nothing of it
    except OSError as error:
        return fail(_system_error(error), settings, as_json=getattr(arguments, "json", False))
    except Exception as error:
        if type(error).__module__.startswith("sqlalchemy."):
            return fail(_database_error(error, settings), settings, as_json=getattr(arguments, "json", False))
        raise


class Parser(argparse.ArgumentParser):
    """argparse's, whose errors `invoke` prints, as JSON too where that is asked for."""

    def error(self, message: str) -> NoReturn:
        """Raise what `invoke` waits for."""
        raise _WrongArguments(self, message)


def fail(error: MuskTrackerError, settings: Settings | None, *, as_json: bool = False) -> int:
    """Say what went wrong on standard error (and as JSON on standard output where asked); returns the exit code."""
    scrub = settings.scrub if settings else str
    words = "\n".join(map(printable, f"musktracker: {error}".split("\n")))  # it may name a file, or quote it
    say(scrub(words))
    if as_json:
        told = {"error": scrub(error.message), "hint": scrub(error.hint or ""), "exit_code": error.exit_code}
        print_json_line({**told, **error.details})
    return error.exit_code


def say(text: str, end: str = "\n") -> None:
    """Print on standard error; where nobody reads it any more nothing else is, and the work goes on."""
    try:
        print(text, end=end, file=sys.stderr, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


@contextmanager
def open_database(settings: Settings) -> Iterator[Engine]:
    """The settings' database, brought up to the newest schema; its connections end with the block.

    One that may not be written is looked at as it is.
    """
    from musktracker.db import engines, migrate

    settings.with_data_dir_made()
    engine = engines.connect(settings.database_url, read_only=not settings.may_write)
    try:
        behind = migrate.ensure_current(engine) if settings.may_write else None
        if behind is not None:
            say(f"The database was at revision {behind}, and is brought up to {migrate.head()}")
        yield engine
    finally:
        engine.dispose()


def run_stage(
    settings: Settings, engine: Engine, kind: str, parameters: Mapping[str, Any], *, quiet: bool = False
) -> Mapping[str, Any]:
    """Carry out a stage here, as a run that any console can follow; returns its result."""
    from musktracker import recorder
    from musktracker.pipeline import stages

    return recorder.execute(
        engine,
        kind,
        stages.stage(kind),
        parameters,
        lease=stages.lease(kind, parameters),
        listener=Reporter(quiet=quiet),
        scrub=settings.scrub,
        level=settings.log_level,
    )


def add_json(parser: argparse.ArgumentParser, *, lines: bool = False, within: bool = False) -> None:
    """Give a command that prints data its `--json`; `lines` where it prints an object a line as they come.

    An action `within` a command that takes `--json` too leaves be what was said before its name.
    """
    form = ", an object a line" if lines else ""
    default = argparse.SUPPRESS if within else False
    parser.add_argument("--json", action="store_true", default=default, help=f"print JSON on standard output{form}")


def whole_number(least: int, most: int = LARGEST) -> Callable[[str], int]:
    """The `type` of an argument that is a whole number from `least` to `most`; no id is larger than LARGEST."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least} to {most}, not {text!r}")
        return value

    return read


def moment(text: str | None, zone: ZoneInfo) -> str | None:
    """A time from the command line as stages take it; None where none was given. Raises UsageError for no time."""
    return None if text is None else iso(parse_time(text, zone))


def print_json(value: Any) -> None:
    """Print a value as JSON; datetimes as ISO 8601 in UTC."""
    print(_json(value, indent=2))


def print_json_line(value: Any) -> None:
    """Print a value as JSON on one line, at once: an error, or one of many as they come."""
    print(_json(value, indent=None), flush=True)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns of text, as every list of the command line is printed; cells do nothing but be read."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def doing(message: str | None, until: datetime | None) -> str:
    """What a run does, and until when it waits, where it does."""
    return printable(message or "") + ("" if until is None else f", until {iso(until)}")


class Reporter:
    """A run's reports on standard error: progress on one line of a terminal, then lines; warnings always."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._shown = ""

    def logged(self, line: LogLine) -> None:
        """Print a line above the progress, unless it holds points of a curve, which are for a console to draw."""
        if "points" in line.fields or (self._quiet and line.level in ("debug", "info")):
            return
        self._clear()
        prefix = "" if line.level == "info" else f"{line.level}: "
        say(printable(prefix + line.message))

    def progressed(self, run: Run) -> None:
        """Redraw the progress where there is a terminal to draw it on."""
        if not self._terminal or self._quiet:
            return
        percent = "" if run.fraction is None else f"{run.fraction:4.0%} "
        text = f"{percent}{run.stage or ''} {doing(run.message, run.until)}"[: _line_width()]
        if text != self._shown:
            self._clear()
            say(text, end="")
            self._shown = text

    def _clear(self) -> None:
        if self._shown:
            say("\r\x1b[2K", end="")
            self._shown = ""


def _fitted(text: str) -> str:
    """A command's words on a terminal of any width; its examples stay as they are."""
    width = max(shutil.get_terminal_size().columns - 2, 20)
    paragraphs = text.strip().split("\n\n")
    return "\n\n".join(one if one.startswith("musktracker ") else textwrap.fill(one, width) for one in paragraphs)


class _WrongArguments(Exception):
    def __init__(self, parser: argparse.ArgumentParser, message: str) -> None:
        super().__init__(message)
        self.prog, self.usage, self.message = parser.prog, parser.format_usage(), message


def _line_width() -> int:
    """Characters of progress that one line of the terminal holds: what is wrapped could not be taken back."""
    return min(shutil.get_terminal_size().columns - 1, 100)


def _system_error(error: OSError) -> MuskTrackerError:
    if error.filename is None:
        return MuskTrackerError(f"The system refused it: {error.strerror or error}")
    return MuskTrackerError(f"{error.filename}: {error.strerror}", "musktracker config shows which paths are used")


def _json(value: Any, *, indent: int | None) -> str:
    text = json.dumps(value, indent=indent, default=_plain, ensure_ascii=False)
    text = _ACTS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")  # half a character is escaped as JSON does


def _plain(value: Any) -> Any:
    from datetime import datetime

    if isinstance(value, datetime):
        return iso(value)
    return str(value)


def _database_error(error: Exception, settings: Settings | None) -> MuskTrackerError:
    from musktracker.db.trouble import told
    from musktracker.errors import describe

    known = told(error, settings.database_url if settings else "")
    if known is not None:
        return MuskTrackerError(*known)
    return MuskTrackerError(
        f"The database could not do this: {describe(error)}",
        "musktracker config shows which database is meant, musktracker migrate current its state",
    )
