"""What the migrations screen asks of the schema, in threads: where SQL is told, by a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from musktracker.config import Settings
from musktracker.errors import MuskTrackerError

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

    from musktracker.db.migrate import Loss, Step, UpgradeReport
    from musktracker.db.revisions import Revision


def about(revision: Revision) -> str:
    """What a step is for, its paragraphs unwrapped."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in revision.docstring.split("\n\n"))


def detail(settings: Settings, revision: Revision) -> str:
    """What a step is for, and its SQL up and down. Raises MuskTrackerError where that cannot be told."""
    up, down = (_said_by(settings, "sql", revision.revision, *more) for more in ((), ("--down",)))
    return f"{about(revision)}\n\n── Up ──\n{_dense(up)}\n\n── Down ──\n{_dense(down)}"


def dry_run(settings: Settings, revision: Revision, _engine: Engine) -> str:
    """Run the steps up to this one where nothing is kept; returns what took how long."""
    timed = _said_by(settings, "up", "--dry-run", "--revision", revision.revision)
    return f"── Dry run up to {revision.revision} ──\n{timed}"


def losses(engine: Engine, target: str) -> list[Loss]:
    """What goes for good when the schema goes down to `target`."""
    from musktracker.db import migrate

    return migrate.losses(engine, target)


def move(engine: Engine, *, direction: str, revision: str, on_step: Callable[[Step], None]) -> UpgradeReport:
    """Go up or down to a revision; `on_step` is called after each step."""
    from musktracker.db import migrate

    go = migrate.upgrade if direction == "upgrade" else migrate.downgrade
    return go(engine, revision, on_step=on_step)


def verify(engine: Engine) -> tuple[str, bool]:
    """Whether integrity is sound and the schema as it should be, in words, and as a truth."""
    from musktracker.db import migrate
    from musktracker.db.queries import schema

    faults, drift = schema.integrity(engine), migrate.check(engine)
    if not faults and not drift:
        return "Integrity is sound, and the schema is what this program expects", True
    return "; ".join([*faults, *drift]), False


def backup(engine: Engine) -> Path:
    """Copy a SQLite database beside itself; returns where."""
    from musktracker.db import migrate

    return migrate.backup(engine)


def backups(engine: Engine) -> tuple[str, ...]:
    """The names of the copies beside a SQLite database, the newest first."""
    from musktracker.db.engines import is_sqlite, sqlite_path

    if not is_sqlite(engine):
        return ()
    path = sqlite_path(engine)
    return tuple(sorted((found.name for found in path.parent.glob(f"{path.stem}.*.backup.db")), reverse=True))


def _said_by(settings: Settings, *arguments: str) -> str:
    """What the command line says of migrations: this process stays small without Alembic in it."""
    done = subprocess.run(
        [sys.executable, "-m", "musktracker.cli.main", "migrate", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        cwd=settings.data_dir,
        env={**os.environ, **settings.environment()},
    )
    if done.returncode:
        raise MuskTrackerError(done.stderr.strip().removeprefix("musktracker: ") or "musktracker migrate failed")
    return done.stdout


def _dense(sql: str) -> str:
    return "\n".join(line.rstrip() for line in sql.expandtabs(4).splitlines() if line.strip()) or "Nothing to run"
