"""The form that writes what a screen shows to a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from musktracker.text import counted
from tui.exporting import Part, write_file
from tui.paths import typed_path
from tui.widgets.form import Field, FormScreen, Values

if TYPE_CHECKING:
    from sqlalchemy import Engine

FORMS = (("csv", "CSV"), ("json", "JSON"), ("md", "Markdown"))
SCREEN = ("svg", "SVG of all")
ALONE = ("part", "SVG of it")


def export_form(name: str, parts: Sequence[Part], screen: str, directory: Path) -> FormScreen:
    """Write one of the parts of a screen, or the picture of all of the `screen`; closes with the path of the file."""
    forms = (*FORMS, SCREEN, ALONE) if parts else (SCREEN,)
    titles = tuple((str(i), part.title) for i, part in enumerate(parts))

    def chosen(values: Values) -> Part | None:
        return None if values["form"] == SCREEN[0] else parts[int(values["part"])]

    def preview(_engine: Engine, values: Values) -> str:
        path, part = _path(values), chosen(values)
        what = "the whole screen" if part is None else part.title
        if part is not None and values["form"] != ALONE[0]:
            what += f": {counted(len(part.exported.rows), 'row')}"
        return f"{what} to {path}" + (", which exists" if path.exists() else "")

    def save(_engine: Engine, values: Values) -> Path:
        path, part = _path(values), chosen(values)
        text = [screen] if part is None else _text(part, values["form"])
        write_file(path, text, replace=values["exists"] == "replace")
        return path

    fields = (
        Field("form", "As", forms[0][0], choices=forms),
        Field("part", "What", "0", choices=titles),
        Field("path", "File", str(_free(directory / name)), "the ending is added where there is none"),
        Field("exists", "If it exists", "keep", choices=(("keep", "keep it"), ("replace", "replace it"))),
    )
    return FormScreen(
        "Export what is shown",
        [field for field in fields if field.name != "part" or parts],
        check=_problems,
        preview=preview,
        save=save,
        submit="write",
    )


def _free(path: Path) -> Path:
    """The path, or one with a number behind it: a second part is often written in the minute that names the first."""
    names = chain([path], (path.with_name(f"{path.name}-{i}") for i in count(2)))
    endings = [f".{form}" for form, _ in (*FORMS, SCREEN)]
    return next(each for each in names if not any(each.with_suffix(ending).exists() for ending in endings))


def _text(part: Part, form: str) -> Iterable[str]:
    return [part.picture()] if form == ALONE[0] else part.exported.pieces(form)


def _problems(values: Values) -> Mapping[str, str]:
    return {} if values["path"].strip() else {"path": "must not be empty"}


def _path(values: Values) -> Path:
    path = typed_path(values["path"])
    form = SCREEN[0] if values["form"] == ALONE[0] else values["form"]
    return path if path.suffix else path.with_suffix(f".{form}")
