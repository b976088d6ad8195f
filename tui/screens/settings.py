"""Settings: every one with its value and where that came from, secrets masked, and what to edit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from musktracker.config import ENVIRONMENT, config_file
from tui.copying import copy
from tui.places import place_keys
from tui.screens import terms
from tui.screens.base import ConsoleScreen
from tui.widgets.lines import LineList
from tui.widgets.record_table import Cell, Column, RecordTable
from tui.widgets.text_page import TextPage
from tui.widgets.toned_line import Parts, TonedLine

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tui.app import Console

COLUMNS = (
    Column("Setting", 14, order=lambda one: one.name),
    Column("Value", 19, grow=2),
    Column("From", 11, grow=1, order=lambda one: one.origin),
    Column("Variable", 26, order=lambda one: one.variable),
)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, its secret masked; `origin` is the default, a file, a variable or the demo."""

    name: str
    value: str
    origin: str
    variable: str


@dataclass(frozen=True, slots=True)
class SettingsData:
    """What the screen shows; `files` are those that are read, the later wins, each with whether it is there."""

    settings: tuple[Setting, ...]
    files: tuple[tuple[str, bool], ...]


class SettingTable(RecordTable["Setting"]):
    """Settings, in the order of `musktracker config`."""

    app: Console

    def __init__(self) -> None:
        super().__init__(COLUMNS, _row, lambda one: one.name)


class SettingsScreen(ConsoleScreen):
    """What this console runs with: it is read at the start, from files and variables, of which the later wins."""

    TITLE: ClassVar[str] = "Settings"
    TERMS = terms.SETTINGS
    CSS_PATH = "settings.tcss"
    AUTO_FOCUS = "SettingTable"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "Copy", tooltip="Copy the name of the file to edit", id="settings.copy"),
        *place_keys("settings"),
        Binding("escape", "back", "Back", tooltip="Back to where you came from", id="settings.back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._data: SettingsData | None = None

    def compose_body(self) -> ComposeResult:
        """Where to change them, the settings, the one under the cursor in full."""
        yield TonedLine(id="settings-file")
        yield TonedLine(id="settings-dotenv")
        yield SettingTable()
        yield TonedLine(id="setting-chosen")

    def fetch(self, engine: Engine) -> SettingsData:  # noqa: ARG002
        """The settings, and which files there are."""
        shown = self.app.settings.shown()
        files = (config_file(), Path.cwd() / ".env")
        return SettingsData(
            tuple(Setting(name, value, origin, ENVIRONMENT[name]) for name, (value, origin) in shown.items()),
            tuple((str(path), path.is_file()) for path in files),
        )

    def show(self, data: SettingsData) -> None:
        """Bring everything up to date."""
        self._data = data
        (toml, there), (dotenv, _) = data.files
        missing = "" if there else " (not there yet)"
        self.query_one("#settings-file", TonedLine).set_parts([("Edit ", "dim"), (toml, ""), (missing, "dim")])
        line: Parts = [("or set variables, which win, in ", "dim"), (dotenv, ""), ("; then start anew", "dim")]
        self.query_one("#settings-dotenv", TonedLine).set_parts(line)
        self.query_one(SettingTable).set_records(data.settings)
        self._show_chosen()

    def action_copy(self) -> None:
        """Copy the name of the file to edit."""
        if self._data is not None:
            copy(self.app, self.app.settings, self._data.files[0][0], "the file's name")

    @on(LineList.Moved, "SettingTable")
    def _moved(self) -> None:
        self._show_chosen()

    @on(RecordTable.Opened, "SettingTable")
    def _open(self) -> None:
        one = self.query_one(SettingTable).record
        if one is not None and self._data is not None:
            self.app.push_screen(TextPage(one.name, _page(one, self._data)))

    def _show_chosen(self) -> None:
        table = self.query_one(SettingTable)
        one = table.record
        parts: Parts = [(table.found_nothing, "dim")]
        if one is not None:
            parts = [(f"{one.name} ", "strong"), (f"{one.value or '–'} ", ""), (f"from {_origin(one)}", "dim")]
        self.query_one("#setting-chosen", TonedLine).set_parts(parts)


def _row(one: Setting) -> Sequence[Cell]:
    is_default = one.origin == "default"
    return (
        one.name,
        (one.value or "–", "dim" if is_default else ""),
        (_short(one), "dim" if is_default else "accent"),
        (one.variable, "dim"),
    )


def _short(one: Setting) -> str:
    """Where a value came from, in a word: the name of a file, not its path."""
    if one.origin.startswith("environment"):
        return "environment"
    return one.origin.removesuffix(f" ({one.variable})").rpartition("/")[2]


def _origin(one: Setting) -> str:
    return "its default" if one.origin == "default" else one.origin


def _page(one: Setting, data: SettingsData) -> str:
    (toml, there), (dotenv, dotenv_there) = data.files
    return "\n".join(
        [
            f"Value     {one.value or '–'}",
            f"From      {_origin(one)}",
            "",
            "To change it, set one of these; the later wins:",
            f'  {one.name} = "…" in {toml}{"" if there else " (not there yet)"}',
            f"  {one.variable}=… in {dotenv}{'' if dotenv_there else ' (not there yet)'}",
            f"  {one.variable} in the environment",
            "Then start the console anew. A service keeps what it was started with.",
        ]
    )
