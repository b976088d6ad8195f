"""The database's own named settings, the same for every process: which posts count, above all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Engine, or_, select, true

from musktracker.db.engines import reading, writing
from musktracker.db.tables import Coverage, DatabaseSetting, RawTweet
from musktracker.db.upsert import upsert
from musktracker.errors import UsageError
from musktracker.timeline import now

COUNTING = "counting"


@dataclass(frozen=True, slots=True)
class Counting:
    """A definition of which posts count; `leaves_out` are the kinds that do not."""

    name: str
    meaning: str
    leaves_out: tuple[str, ...] = ()


COUNTINGS = {
    definition.name: definition
    for definition in (
        Counting("all", "every post, whatever its kind"),
        # A post of unknown kind counts: leaving it out would turn a file without kinds into silence.
        Counting(
            "without_replies", "originals, quotes, reposts and posts of unknown kind, but no replies", ("reply",)
        ),
    )
}
DEFAULT_COUNTING = "all"


def get(database: Engine | Connection, name: str) -> str | None:
    """The value of a setting; None where it was never set."""
    with _reading(database) as connection:
        value: str | None = connection.scalar(select(DatabaseSetting.value).where(DatabaseSetting.name == name))
    return value


def set(engine: Engine, name: str, value: str) -> None:
    """Set a setting. Raises UsageError for a counting that is not defined."""
    if name == COUNTING:
        known(value)
    columns, rows = ("name", "value", "updated_at"), [(name, value, now())]
    table = DatabaseSetting.__table__
    with writing(engine) as connection:
        upsert(connection, table, columns, rows, conflict=("name",), update=("value",), along=("updated_at",))


def counting(database: Engine | Connection) -> str:
    """The name of the definition of which posts count. After a change the next refresh counts everything anew."""
    return known(get(database, COUNTING) or DEFAULT_COUNTING).name


def counting_condition(name: str) -> ColumnElement[bool]:
    """The posts (rows of raw_tweets, deleted ones too) that count under a definition."""
    left_out = known(name).leaves_out
    return or_(RawTweet.kind.is_(None), RawTweet.kind.not_in(left_out)) if left_out else true()


def coverage_condition(name: str) -> ColumnElement[bool]:
    """The rows of coverage that say that every post a definition counts was seen."""
    return Coverage.counting.in_({DEFAULT_COUNTING, known(name).name})


def known(name: str) -> Counting:
    """A definition by its name. Raises UsageError."""
    try:
        return COUNTINGS[name]
    except KeyError:
        raise UsageError(f"There is no counting {name!r}", f"Choose one of {', '.join(COUNTINGS)}") from None


@contextmanager
def _reading(database: Engine | Connection) -> Iterator[Connection]:
    if isinstance(database, Connection):
        yield database
    else:
        with reading(database) as connection:
            yield connection
