"""The form that writes what a screen shows to a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tui.exporting import Exported, write_file
from tui.widgets.form import Field, FormScreen, Values

if TYPE_CHECKING:
    from sqlalchemy import Engine

FORMS = (("csv", "CSV"), ("json", "JSON"), ("md", "Markdown"))
PICTURE = ("svg", "picture (SVG)")


def export_form(name: str, exported: Exported | None, picture: str, directory: Path) -> FormScreen:
    """Write a table or the screen's picture; closes with the path of the file."""
    forms = (*FORMS, PICTURE) if exported is not None else (PICTURE,)

    def preview(_engine: Engine, values: Values) -> str:
        path = _path(values)
        what = "the whole screen" if values["form"] == "svg" or exported is None else f"{len(exported.rows):,} rows"
        return f"{what} to {path}" + (", which exists" if path.exists() else "")

    def save(_engine: Engine, values: Values) -> Path:
        path = _path(values)
        write_file(path, _text(exported, picture, values["form"]), replace=values["exists"] == "replace")
        return path

    return FormScreen(
        "Export what is shown",
        (
            Field("form", "As", forms[0][0], choices=forms),
            Field("path", "File", str(directory / name), "the ending is added where there is none"),
            Field("exists", "If it exists", "keep", choices=(("keep", "keep it"), ("replace", "replace it"))),
        ),
        check=_problems,
        preview=preview,
        save=save,
        submit="write",
    )


def _text(exported: Exported | None, picture: str, form: str) -> str:
    if form == "svg" or exported is None:
        return picture
    return {"csv": exported.as_csv, "json": exported.as_json, "md": exported.as_markdown}[form]()


def _problems(values: Values) -> Mapping[str, str]:
    return {} if values["path"].strip() else {"path": "must not be empty"}


def _path(values: Values) -> Path:
    path = Path(values["path"].strip()).expanduser()
    return path if path.suffix else path.with_suffix(f".{values['form']}")
