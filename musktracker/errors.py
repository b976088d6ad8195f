"""The errors that users meet: what happened, what to do next, and the exit code that scripts see."""

from collections.abc import Mapping
from typing import Any


class MuskTrackerError(Exception):
    """Something that the user can understand and act on.

    `hint` says what to do next; `exit_code` is what the command line returns; `details` are JSON values for programs.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details or {}

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message


class UsageError(MuskTrackerError):
    """The request itself is wrong: an option, a setting or a value that cannot be."""

    exit_code = 2


class DataError(MuskTrackerError):
    """Refused because the data that an honest answer needs are stale or missing."""

    exit_code = 3


class Cancelled(MuskTrackerError):
    """A run ended because someone asked it to; where a signal did, its number is in the exit code."""

    exit_code = 130

    def __init__(self, message: str, hint: str | None = None, *, signal: int | None = None) -> None:
        super().__init__(message, hint)
        self.exit_code = self.exit_code if signal is None else 128 + signal


def describe(failure: BaseException) -> str:
    """An error in one line, for a row or a terminal."""
    if isinstance(failure, MuskTrackerError):
        return str(failure)
    reason = str(getattr(failure, "orig", None) or failure)
    return " ".join(f"{type(failure).__name__}: {reason}".split())
