"""What errors of a database mean to people, and what to do about them."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

from musktracker.db.engines import is_passing

UNKNOWN = ("42P01", "42703", "3F000")  # to Postgres: a table, a column, a schema


def told(error: BaseException) -> tuple[str, str] | None:
    """What happened and what to do, for an error of a database; None where its own words must do."""
    if not isinstance(error, DBAPIError) or error.orig is None:
        return None
    reason = " ".join(str(error.orig).split())
    state = getattr(error.orig, "sqlstate", None)
    if state in UNKNOWN or reason.startswith(("no such table", "no such column")):
        said = reason.partition(" LINE ")[0]
        return (
            f"The database lacks what this program reads: {said}",
            "musktracker migrate current shows its schema, musktracker migrate up brings it up to date",
        )
    if not _is_sqlite(error) and is_passing(error):
        return (
            f"There is no connection to the database: {reason}",
            "See that its server runs, is reachable and lets you in: musktracker config shows the address",
        )
    return None


def _is_sqlite(error: DBAPIError) -> bool:
    return type(error.orig).__module__.startswith("sqlite3")
