"""Copies of a SQLite database, made while others go on using it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import cast

from sqlalchemy import Engine

from musktracker.db.engines import sqlite_path
from musktracker.errors import MuskTrackerError
from musktracker.timeline import now


def backup(engine: Engine) -> Path:
    """Copy a SQLite database to `<name>.<UTC time>.backup.db` beside it, readable by its owner alone.

    Raises MuskTrackerError where it cannot be written; nothing is left of it then.
    """
    source = sqlite_path(engine)
    for n in range(1, 100):
        suffix = f"-{n}" if n > 1 else ""
        path = source.with_name(f"{source.stem}.{now():%Y%m%dT%H%M%SZ}{suffix}.backup.db")
        try:
            copy(engine, path)
        except FileExistsError:
            continue
        except (OSError, sqlite3.Error) as error:
            raise MuskTrackerError(
                f"The backup {path} could not be written: {error}", "Make room or give access, then try again"
            ) from None
        return path
    raise MuskTrackerError(f"{source.parent} holds too many backups of this second", "Try again")


def copy(engine: Engine, path: Path) -> None:
    """Copy what a SQLite database holds at this moment into a new file. Raises FileExistsError where there is one.

    The file has another name until it is whole: what is left where the process is killed passes for no copy.
    """
    part = path.with_name(f"{path.name}.part")
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    try:
        if path.exists():
            raise FileExistsError(path)
        with closing(engine.raw_connection()) as source, closing(sqlite3.connect(part)) as target:
            cast(sqlite3.Connection, source.driver_connection).backup(target)
            target.execute("PRAGMA journal_mode=DELETE")  # one file, without the WAL that a copy of it would miss
        part.rename(path)
    except BaseException:
        remove(part)
        raise


def remove(path: Path) -> None:
    """Take a copy away, and what SQLite may have laid beside it."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
