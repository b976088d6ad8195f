"""The migrations that this program brings, read from their files without importing Alembic."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from musktracker.errors import MuskTrackerError


@dataclass(frozen=True, slots=True)
class Revision:
    """One step of the schema's history. `title` is the docstring's first line; `applied` is of one database."""

    revision: str
    down_revision: str | None
    title: str
    docstring: str
    applied: bool = False


def scripts() -> Path:
    """The directory of the Alembic environment: what a wheel brings, or the checkout's."""
    package = Path(__file__).resolve().parent.parent
    packaged = package / "_alembic" / "migrations"
    return packaged if packaged.is_dir() else package.parent / "migrations"


def known() -> tuple[str, ...]:
    """The ids of all revisions, oldest first, from the names of their files (`003_runs.py` is 003)."""
    return tuple(sorted(path.name.partition("_")[0] for path in _files()))


def head() -> str:
    """The newest revision."""
    return known()[-1]


def load() -> list[Revision]:
    """All revisions, oldest first."""
    return [_read(path) for path in _files()]


def _files() -> list[Path]:
    return sorted((scripts() / "versions").glob("[0-9]*_*.py"))


def _read(path: Path) -> Revision:
    source = path.read_text("utf-8")
    found = [pattern.search(source) for pattern in (_DOCSTRING, _REVISION, _DOWN_REVISION)]
    docstring, revision, down_revision = (match and match[1] for match in found)
    if not all(found) or docstring is None or revision is None:
        raise MuskTrackerError(
            f"{path} is not written like a migration", "Write it as migrations/script.py.mako does"
        )
    return Revision(revision, down_revision, docstring.partition("\n")[0].rstrip("."), docstring.strip())


# Not by ast.parse, which fails at random when threads of Python 3.11 parse at once.
_DOCSTRING = re.compile(r'\A"""(.*?)"""', re.DOTALL)
_REVISION = re.compile(r'^revision = "(\w+)"$', re.MULTILINE)
_DOWN_REVISION = re.compile(r'^down_revision = (?:"(\w+)"|None)$', re.MULTILINE)
