"""Which file of posts to import, and what is in it, before anything is stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musktracker.errors import Cancelled, MuskTrackerError, UsageError
from tui.paths import typed_file, typed_path, working_directory
from tui.sizes import shown_bytes
from tui.widgets.form import Field, FormScreen, Refused, Values, refused

if TYPE_CHECKING:
    from sqlalchemy import Engine

SOURCE = "file"
LARGEST_PREVIEW = 8_000_000  # bytes; reading more would take the console's time
SHOWN = 2  # bad rows and warnings


def import_form() -> FormScreen:
    """A form that is dismissed with the parameters of the import, None if it was left."""
    look = _Preview()

    def save(engine: Engine, values: Values) -> dict[str, Any]:
        found = _parameters(engine, values)
        look.require_usable(engine, values)
        return found

    return FormScreen(
        "Import posts",
        [
            Field("path", "File", hint="such as ~/posts.csv.gz; CSV, JSON, JSONL, zip, tweets.js"),
            Field("source", "Source", SOURCE, "the name under which it counts as observed"),
            Field("strict", "Bad rows", "skip", choices=(("skip", "skip and list"), ("strict", "stop at the first"))),
        ],
        check=_problems,
        preview=look,
        save=save,
        submit="import",
    )


class _Preview:
    """Says what a file holds by a dry run; a newer question ends the one before."""

    def __init__(self) -> None:
        self._asked = 0
        self._known: dict[tuple[Path, int, str], tuple[str, bool]] = {}

    def __call__(self, engine: Engine, values: Values) -> str:
        self._asked += 1
        if not values["path"].strip():
            return f"Relative to {working_directory()}"
        path = typed_path(values["path"])
        if path.is_dir():
            return f"{path} is a directory: {_listed(path)}"
        if not path.is_file():
            return f"There is no file {path}; beside it: {_listed(path.parent)}"
        found = path.stat()
        changed = datetime.fromtimestamp(found.st_mtime, UTC)
        first = f"{shown_bytes(found.st_size)}, changed {changed:%Y-%m-%d %H:%M} UTC"
        if found.st_size > LARGEST_PREVIEW:
            return f"{first}\nToo large to look into here: the import checks it before it stores anything"
        text, _ = self._told(engine, values, path)
        return f"{first}\n{text}"

    def require_usable(self, engine: Engine, values: Values) -> None:
        """Refuse a file of which the import would store nothing, where it is small enough to tell."""
        path = typed_path(values["path"])
        if path.stat().st_size <= LARGEST_PREVIEW:
            self._asked += 1
            text, is_usable = self._told(engine, values, path)
            if not is_usable:
                raise Refused({"path": text})

    def _told(self, engine: Engine, values: Values, path: Path) -> tuple[str, bool]:
        key = (path, path.stat().st_mtime_ns, values["strict"])
        if key not in self._known:
            self._known[key] = self._look(engine, values)
        return self._known[key]

    def _look(self, engine: Engine, values: Values) -> tuple[str, bool]:
        """What a dry run says, and whether the import would do anything."""
        from musktracker.pipeline.ingest import import_files
        from musktracker.reporting import Run

        preview, mine = self, self._asked

        class Look(Run):
            def check(self) -> None:
                if preview._asked != mine:
                    raise Cancelled("Another file is looked into")

        try:
            return outcome_text(import_files(engine, Look(), dry_run=True, **_parameters(engine, values))), True
        except Cancelled:
            raise
        except MuskTrackerError as error:
            return str(error), False


def outcome_text(result: Mapping[str, Any]) -> str:
    """What a dry run found, in lines."""
    [outcome] = result["files"]
    counts = (("imported", "new"), ("already_there", "known"), ("repeated", "repeated"), ("bad", "bad rows"))
    found = ", ".join(f"{outcome[name]:,} {word}" for name, word in counts if outcome[name])
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in outcome["kinds"].items() if n)
    lines = [f"{outcome['form'] or 'File'}: {found or 'no posts'}", f"Kinds: {kinds}" if kinds else ""]
    if outcome["span"]:
        first, last = (datetime.fromisoformat(moment) for moment in outcome["span"])
        lines.append(f"From {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC")
    lines += [f"{row['where']}: {row['reason']}" for row in outcome["bad_rows"][:SHOWN]]
    lines += outcome["warnings"][:SHOWN]
    return "\n".join(line for line in lines if line)


def _problems(values: Values) -> Mapping[str, str]:
    from musktracker.pipeline import requests

    problems = {} if values["path"].strip() else {"path": "Name a file"}
    return problems | refused({"source": lambda: requests.source_name(values["source"])})


def _parameters(engine: Engine, values: Values) -> dict[str, Any]:  # noqa: ARG001
    path = typed_file(values["path"])
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    return {"files": [str(path)], "source": values["source"].strip(), "strict": values["strict"] == "strict"}


def _listed(directory: Path) -> str:
    try:
        names = sorted(
            child.name + "/" * child.is_dir() for child in directory.iterdir() if not child.name.startswith(".")
        )
    except OSError as error:
        return error.strerror or "cannot be read"
    return (", ".join(names[:12]) + (" …" if len(names) > 12 else "")) or "nothing"
