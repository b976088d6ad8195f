"""Paths as people type them, and where those begin that do not say."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from musktracker.errors import UsageError


class UnusablePath(UsageError):
    """A path that was typed and cannot be taken: forms say so at their field of that name."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.problems = {"path": reason}


def working_directory() -> Path:
    """Where the console was started; the home directory, where that was deleted since."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path.home()


def typed_path(text: str) -> Path:
    """The absolute path that was meant, whether it is there or not. Raises UnusablePath for what can be none.

    Users and files are looked up, which may take its time: to be called in threads.
    """
    typed = text.strip()
    try:
        path = working_directory() / Path(typed).expanduser()
        with suppress(FileNotFoundError, NotADirectoryError):
            path.stat()
    except RuntimeError:
        raise UnusablePath(f"No home directory is known of {typed.partition('/')[0]}") from None
    except (OSError, ValueError) as error:
        raise UnusablePath(f"{getattr(error, 'strerror', 'This can be no path')}: {typed}") from None
    return path


def typed_file(text: str) -> Path:
    """The same of a file that is to be read."""
    path = typed_path(text)
    if path.is_dir():
        raise UnusablePath("This is a directory")
    if not path.is_file():
        raise UnusablePath("There is no such file")
    return path
