"""The schema's way up and down: all steps of one change in one transaction, alone on the database, or none of them.

Alembic is imported only where there is something to do.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Engine, event, inspect, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from musktracker.db import revisions
from musktracker.db.backup import backup as backup
from musktracker.db.backup import copy, remove
from musktracker.db.engines import connect, is_sqlite, reading, sqlite_path
from musktracker.db.revisions import Revision as Revision
from musktracker.db.revisions import head as head
from musktracker.db.schema_lock import schema_transaction
from musktracker.errors import MuskTrackerError, UsageError

VERSION_TABLE = "alembic_version"
COMPARE: dict[str, Any] = {
    "compare_type": True,
    "compare_server_default": True,
    "autogenerate_plugins": ["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"],
}
Command = Literal["upgrade", "downgrade"]
Direction = Literal["up", "down"]
_ALEMBIC = threading.Lock()  # its context is a global of the process


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """Where a database stands. `pending` is oldest first, `revisions` newest first."""

    current: str | None
    head: str
    pending: tuple[str, ...]
    revisions: tuple[Revision, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One revision that was applied or reverted, and how long it took."""

    revision: str
    title: str
    ms: float


@dataclass(frozen=True, slots=True)
class UpgradeReport:
    """What an upgrade or a downgrade did; `backup` is the copy that was made first."""

    from_revision: str | None
    to_revision: str | None
    steps: tuple[Step, ...]
    backup: Path | None


@dataclass(frozen=True, slots=True)
class Loss:
    """What a downgrade would drop: a table with its rows, or a column with the rows that have a value in it."""

    table: str
    column: str | None
    rows: int


class TimedStatement(NamedTuple):
    """A statement and how long it took."""

    statement: str
    ms: float


def ensure_current(engine: Engine) -> str | None:
    """Bring the schema up to date; one SELECT where it is. Returns the revision that was left behind, if any.

    Raises MuskTrackerError where it is newer than this program.
    """
    at = current(engine)
    if at != head():
        upgrade(engine)
        return at
    return None


def current(engine: Engine) -> str | None:
    """The database's revision; None before the first migration, or where there is no database yet."""
    if is_sqlite(engine) and not sqlite_path(engine).exists():
        return None
    try:
        with reading(engine) as connection:
            return _only(_stored(connection))
    except (OperationalError, ProgrammingError):
        with reading(engine) as connection:
            if inspect(connection).has_table(VERSION_TABLE):
                raise
        return None


def is_current(engine: Engine) -> bool:
    """Whether the database is at this program's newest revision."""
    return current(engine) == head()


def status(engine: Engine) -> SchemaStatus:
    """Where the database stands among the revisions that this program knows."""
    at = current(engine)
    history = revisions.load()
    count = _position(history, at) if at in (None, *revisions.known()) else len(history)
    shown = [replace(revision, applied=i < count) for i, revision in enumerate(history)]
    pending = tuple(revision.revision for revision in shown if not revision.applied)
    return SchemaStatus(at, head(), pending, tuple(reversed(shown)))


def upgrade(
    engine: Engine, revision: str = "head", *, on_step: Callable[[Step], None] | None = None
) -> UpgradeReport:
    """Go up to a revision (`head`, an id, or `+2`). A SQLite database that holds rows is copied first.

    Raises MuskTrackerError where the database is newer than this program, or another migration keeps it; UsageError
    for a revision that is not above. The database is as it was wherever this raises.
    """
    return _migrate(engine, "upgrade", revision, on_step)


def downgrade(engine: Engine, revision: str, *, on_step: Callable[[Step], None] | None = None) -> UpgradeReport:
    """Go down to a revision (an id, `-1`, or `base`); `losses` tells what goes with it. Otherwise as `upgrade`."""
    return _migrate(engine, "downgrade", revision, on_step)


def losses(engine: Engine, revision: str) -> list[Loss]:
    """What a downgrade to this revision would drop, with the rows that are stored in it."""
    target = _target("downgrade", current(engine), revision)
    with _scratch(target) as scratch, reading(engine) as connection:
        now, then = inspect(connection), inspect(scratch)
        kept = set(then.get_table_names())
        found = []
        for table in sorted(set(now.get_table_names()) & _tables()):
            if table not in kept:
                found.append(Loss(table, None, _count(connection, f"SELECT count(*) FROM {table}")))
                continue
            columns = {column["name"] for column in then.get_columns(table)}
            found += [
                Loss(table, column["name"], _count(connection, f"SELECT count({column['name']}) FROM {table}"))
                for column in now.get_columns(table)
                if column["name"] not in columns
            ]
        return found


def sql(engine: Engine, revision: str, direction: Direction = "up") -> str:
    """The SQL of one step on this kind of database, up to the revision or down from it. Nothing is run on it."""
    step = _known_step(revision)
    command: Command = "upgrade" if direction == "up" else "downgrade"
    start, end = step.down_revision or "base", step.revision
    if direction == "down":
        start, end = end, start
    if not is_sqlite(engine):
        return _offline(command, start, end)
    with _scratch(None if start == "base" else start) as scratch:
        recorded: list[TimedStatement] = []
        _migrate(scratch, command, end, recorded=recorded)
    return "".join(f"{statement.statement};\n\n" for statement in recorded).strip()


def dry_run(engine: Engine, revision: str = "head") -> list[TimedStatement]:
    """Each statement that an upgrade would run, and how long it takes.

    It runs on a copy of a SQLite database; on Postgres in a transaction that is taken back, during which others wait.
    """
    recorded: list[TimedStatement] = []
    if not is_sqlite(engine):
        with suppress(_TakeBack):
            _migrate(engine, "upgrade", revision, recorded=recorded, keep=False)
        return recorded
    with TemporaryDirectory(prefix="musktracker-") as directory:
        path = Path(directory) / "copy.db"
        if sqlite_path(engine).exists():
            copy(engine, path)
        with _opened(path) as copied:
            _migrate(copied, "upgrade", revision, recorded=recorded, save=False)
    return recorded


def check(engine: Engine) -> list[str]:
    """How the schema differs from what this program expects, in words; empty where it does not."""
    at = current(engine)
    if at != head():
        return [f"The database is at {at or 'base'}, this program at {head()}"]
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from musktracker.db.tables import Base

    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={**COMPARE, "target_metadata": Base.metadata})
        found = compare_metadata(context, Base.metadata)
    return [_in_words(difference) for item in found for difference in (item if isinstance(item, list) else [item])]


class _TakeBack(Exception):
    """Ends a dry run's transaction without a commit."""


def _migrate(
    engine: Engine,
    command: Command,
    revision: str,
    on_step: Callable[[Step], None] | None = None,
    *,
    recorded: list[TimedStatement] | None = None,
    save: bool = True,
    keep: bool = True,
) -> UpgradeReport:
    saved: Path | None = None
    try:
        with schema_transaction(engine) as connection:
            at = _only(_stored(connection)) if inspect(connection).has_table(VERSION_TABLE) else None
            target = _target(command, at, revision)
            _refuse_strangers(connection, at)
            if at == target:
                return UpgradeReport(at, at, (), None)
            if save and is_sqlite(engine) and _holds_rows(connection):
                saved = backup(engine)
            steps = _run(connection, command, target, on_step, recorded)
            if not keep:
                raise _TakeBack
    except BaseException:
        if saved:
            remove(saved)
        raise
    return UpgradeReport(at, target, tuple(steps), saved)


def _run(
    connection: Connection,
    command: Command,
    target: str | None,
    on_step: Callable[[Step], None] | None,
    recorded: list[TimedStatement] | None,
) -> list[Step]:
    titles = {revision.revision: revision.title for revision in revisions.load()}
    steps: list[Step] = []
    importlib.import_module("alembic.command")  # before the first step's time begins
    begun = time.perf_counter()

    def applied(*, step: Any, **_: Any) -> None:
        nonlocal begun
        done = Step(step.up_revision_id, titles.get(step.up_revision_id, ""), (time.perf_counter() - begun) * 1000)
        steps.append(done)
        if on_step:
            on_step(done)
        begun = time.perf_counter()

    with _recording(connection, recorded):
        _alembic(command, target or "base", connection=connection, on_version_apply=applied)
    return steps


def _alembic(command: Command, revision: str, *, output: StringIO | None = None, **attributes: Any) -> None:
    from alembic import command as commands
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config(output_buffer=output)
    config.set_main_option("script_location", str(revisions.scripts()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes.update(attributes)
    try:
        with _ALEMBIC:
            getattr(commands, command)(config, revision, sql=output is not None)
    except CommandError as error:
        raise MuskTrackerError(f"The migration was not run: {error}") from None


def _offline(command: Command, start: str, end: str) -> str:
    output = StringIO()
    _alembic(command, f"{start}:{end}", output=output, dialect="postgresql")
    return output.getvalue().strip()


def _target(command: Command, at: str | None, revision: str) -> str | None:
    history = revisions.load()
    here = _position(history, at)
    if revision[:1] in "+-" and revision[1:].isdecimal():
        there = here + int(revision)
    elif revision in ("head", "base"):
        there = len(history) if revision == "head" else 0
    else:
        there = _position(history, _known_step(revision).revision)
    if not 0 <= there <= len(history):
        raise UsageError(f"There is no revision {revision} from {at or 'base'}", _KNOWN)
    if (there < here) if command == "upgrade" else (there > here):
        up_or_down = "below" if command == "upgrade" else "above"
        other = "down" if command == "upgrade" else "up"
        raise UsageError(
            f"Revision {revision} is {up_or_down} the database's {at or 'base'}",
            f"musktracker migrate {other} goes there",
        )
    return history[there - 1].revision if there else None


def _position(history: Sequence[Revision], at: str | None) -> int:
    ids = [None, *(revision.revision for revision in history)]
    if at not in ids:
        raise MuskTrackerError(
            f"The database is at revision {at}, which is newer than this program, whose newest is {ids[-1]}",
            "Install a newer MuskTracker; with it the schema can also be taken down to this one",
        )
    return ids.index(at)


def _known_step(revision: str) -> Revision:
    for step in revisions.load():
        if step.revision == revision:
            return step
    raise UsageError(f"There is no revision {revision!r}", _KNOWN)


_KNOWN = "musktracker migrate history lists them"


def _stored(connection: Connection) -> Sequence[str]:
    return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalars().all()


def _only(stored: Sequence[str]) -> str | None:
    if len(stored) > 1:
        raise MuskTrackerError(
            f"The database is at several revisions at once: {', '.join(sorted(stored))}",
            f"Which step is the last is not known; put {VERSION_TABLE} right first",
        )
    return stored[0] if stored else None


def _refuse_strangers(connection: Connection, at: str | None) -> None:
    found = sorted(_tables() & set(inspect(connection).get_table_names())) if at is None else []
    if found:
        raise MuskTrackerError(
            f"The database has tables ({', '.join(found)}) but no record of their revision",
            "If they are another program's, name an empty database in MUSKTRACKER_DATABASE_URL; if their record "
            "got lost, alembic stamp REVISION writes it anew (001: the document's six tables and no more)",
        )


def _tables() -> set[str]:
    from musktracker.db.tables import Base

    return set(Base.metadata.tables)


def _holds_rows(connection: Connection) -> bool:
    present = _tables() & set(inspect(connection).get_table_names())
    return any(connection.execute(text(f"SELECT 1 FROM {table} LIMIT 1")).first() for table in present)


def _count(connection: Connection, query: str) -> int:
    return int(connection.execute(text(query)).scalar_one())


@contextmanager
def _scratch(revision: str | None) -> Iterator[Engine]:
    with TemporaryDirectory(prefix="musktracker-") as directory, _opened(Path(directory) / "scratch.db") as engine:
        if revision is not None:
            upgrade(engine, revision)
        yield engine


@contextmanager
def _opened(path: Path) -> Iterator[Engine]:
    engine = connect(f"sqlite:///{path}")
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _recording(connection: Connection, recorded: list[TimedStatement] | None) -> Iterator[None]:
    if recorded is None:
        yield
        return
    begun = 0.0

    def before(*_: Any) -> None:
        nonlocal begun
        begun = time.perf_counter()

    def after(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        ms = (time.perf_counter() - begun) * 1000
        if statement.split(None, 1)[0].upper() not in ("SELECT", "PRAGMA"):  # how Alembic looks around
            recorded.append(TimedStatement(statement.strip(), ms))

    event.listen(connection, "before_cursor_execute", before)
    event.listen(connection, "after_cursor_execute", after)
    try:
        yield
    finally:
        event.remove(connection, "before_cursor_execute", before)
        event.remove(connection, "after_cursor_execute", after)


def _in_words(difference: Any) -> str:
    kind, *parts = difference
    if kind.startswith("modify_"):
        _schema, table, column, _details, stored, expected = parts
        return f"{table}.{column}: {kind.removeprefix('modify_')} is {stored!r}, expected {expected!r}"
    verb, _, what = kind.partition("_")
    subject = parts[-1]
    name = getattr(subject, "name", None) or subject
    table = getattr(getattr(subject, "table", None), "name", None)
    where = f"{table}." if table else ""
    return f"{where}{name}: {what} {'is missing' if verb == 'add' else 'is not expected'}"
