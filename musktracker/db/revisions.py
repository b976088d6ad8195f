"""The migrations that this program brings, read from their files without importing Alembic."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path


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
    module = ast.parse(path.read_text("utf-8"))
    values = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in module.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id in ("revision", "down_revision")
    }
    docstring = ast.get_docstring(module) or path.stem
    title = docstring.partition("\n")[0].rstrip(".")
    return Revision(values["revision"], values["down_revision"], title, docstring)
