"""Which file to import: its path, and what there is at it before anything is read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from musktracker.errors import UsageError
from tui.sizes import shown_bytes
from tui.widgets.form import Field, FormScreen, Values

if TYPE_CHECKING:
    from sqlalchemy import Engine


def import_form() -> FormScreen:
    """A form that is dismissed with the path of a file to import, None if it was left."""
    return FormScreen(
        "Import posts",
        [Field("path", "File", hint="CSV, JSON, JSONL, gzip or zip of them, tweets.js, or a list of ids; ~ is home")],
        check=_missing,
        preview=_preview,
        save=_checked,
        submit="import",
    )


def _missing(values: Values) -> Mapping[str, str]:
    return {} if values["path"].strip() else {"path": "Name a file"}


def _preview(engine: Engine, values: Values) -> str:  # noqa: ARG001
    path = _path(values)
    if not values["path"].strip():
        return f"Relative to {Path.cwd()}"
    if path.is_dir():
        names = sorted(
            child.name + "/" * child.is_dir() for child in path.iterdir() if not child.name.startswith(".")
        )
        return f"{path} is a directory: " + ", ".join(names[:12]) + (" …" if len(names) > 12 else "")
    if not path.exists():
        return f"There is no {path}"
    found = path.stat()
    changed = datetime.fromtimestamp(found.st_mtime, UTC)
    return f"{path}\n{shown_bytes(found.st_size)}, changed {changed:%Y-%m-%d %H:%M} UTC"


def _checked(engine: Engine, values: Values) -> str:  # noqa: ARG001
    path = _path(values)
    if not path.is_file():
        raise UsageError(f"{path} is not a file", "Name a file that holds posts")
    with path.open("rb"):
        return str(path)


def _path(values: Values) -> Path:
    return Path(values["path"].strip()).expanduser().absolute()
