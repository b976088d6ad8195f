"""What errors of a database mean to people, and what to do about them."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.exc import DBAPIError

from musktracker.db.engines import is_passing

UNKNOWN = ("42P01", "42703", "3F000")  # to Postgres: a table, a column, a schema
LACKING = ("no such table", "no such column")
BROKEN = ("database disk image is malformed", "file is not a database")
OF_SQLITE = {
    "unable to open database file": (
        "The database file cannot be opened",
        "It may have been moved or deleted, or its folder may be closed to you: musktracker config shows where it "
        "should lie",
    ),
    "database is locked": (
        "Another program keeps the database to itself",
        "Try again once it has ended; musktracker runs shows what goes on, and `fuser` on the file who has it open",
    ),
    "attempt to write a readonly database": (
        "The database may be read here, but not written",
        "To look: musktracker console --read-only. To use it: make the file and its folder writable for you",
    ),
    "database or disk is full": (
        "There is no room left on the disk for the database",
        "Free some, or move the database to another disk; what was to be written now was not, all before is kept",
    ),
}


def told(error: BaseException, url: str) -> tuple[str, str] | None:
    """What happened and what to do, for an error of the database at `url`; None where its own words must do."""
    if not isinstance(error, DBAPIError) or error.orig is None:
        return None
    reason = " ".join(str(error.orig).split())
    if getattr(error.orig, "sqlstate", None) in UNKNOWN or reason.startswith(LACKING):
        said = reason.partition(" LINE ")[0]
        return (
            f"The database lacks what this program reads: {said}",
            "musktracker migrate check lists what is missing, musktracker migrate up takes the steps that are left",
        )
    if _is_sqlite(error):
        if any(words in reason for words in BROKEN):
            return f"The database file is damaged: {reason}", _restoring(Path(url.partition(":///")[2]))
        return next((found for words, found in OF_SQLITE.items() if words in reason), None)
    if is_passing(error):
        return (
            f"There is no connection to the database: {reason.removesuffix('?')}",
            "See that its server runs, is reachable and lets you in: musktracker config shows the address",
        )
    return None


def _is_sqlite(error: DBAPIError) -> bool:
    return type(error.orig).__module__.startswith("sqlite3")


def _restoring(path: Path) -> str:
    copies = sorted(path.parent.glob(f"{path.stem}.*.backup.db"))  # their names hold when they were made
    if not copies:
        return (
            "No copy of it lies beside it. Put it aside: musktracker migrate up makes a new one, into which posts "
            f"can be imported again; sqlite3 {path.name} .recover saves what can still be read"
        )
    return (
        f"End what has it open, put {path.name}, -wal and -shm aside, and copy its newest backup there: {copies[-1]}"
    )
