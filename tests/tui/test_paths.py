"""Paths that are typed: forms say what is wrong with them, and the console goes on, with or without its directory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from places import go
from textual.widgets import Input, Static

from musktracker.config import Settings
from musktracker.errors import UsageError
from tui.app import Console
from tui.paths import typed_file, typed_path, working_directory
from tui.widgets.form import FormScreen

MakeConsole = Callable[..., Console]
TOO_LONG = "a" * 300
WITH_A_PATH = ("import-form", "export-form", "events-import", "events-export")


def noted(form: Any) -> str:
    return str(form.query_one("#note-path", Static).content)


@pytest.mark.parametrize("typed", ["~nobody_at_all/x", TOO_LONG, f"/{TOO_LONG}/x", "a\0b", "\ud800"])
def test_what_can_be_no_path_is_said_in_words(typed: str) -> None:
    with pytest.raises(UsageError):
        typed_path(typed)


def test_what_may_not_be_looked_at_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, **_: Any) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(UsageError, match="Permission denied"):
        typed_path("/locked/x")


def test_a_path_begins_in_the_working_directory_or_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ada")
    assert typed_path(" new.csv ") == tmp_path / "new.csv"
    assert typed_path("~/new.csv") == Path("/home/ada/new.csv")
    assert typed_path("/etc/../new.csv") == Path("/etc/../new.csv")


def test_a_file_to_read_is_there_and_is_no_directory(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        typed_file(str(tmp_path / "new.csv"))
    with pytest.raises(UsageError, match="directory"):
        typed_file(str(tmp_path))


def test_where_the_working_directory_is_gone_paths_begin_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    _leave_without_directory(tmp_path, monkeypatch)
    assert working_directory() == tmp_path
    assert typed_path("new.csv") == tmp_path / "new.csv"


@pytest.mark.parametrize("place", WITH_A_PATH)
async def test_a_form_says_what_is_wrong_with_a_path_and_stays(
    place: str, populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await go(pilot, settled, place)
        form, field = app.screen, app.screen.query_one("#field-path", Input)
        for typed in ("~nobody_at_all", f"/{TOO_LONG}/x"):
            field.value = typed
            await settled(pilot)
            field.focus()
            await pilot.press("enter")
            await settled(pilot)
            assert app.screen is form, typed
            assert typed in noted(form)


@pytest.mark.parametrize("place", ["import-form", "events-import"])
async def test_a_path_is_looked_up_in_threads_alone(
    place: str,
    populated: Settings,
    console: MakeConsole,
    settled: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, by = Path.stat, set()

    def stat(self: Path, **options: Any) -> Any:
        if self.name == "posts.csv":
            by.add(threading.current_thread())
        return real(self, **options)

    monkeypatch.setattr(Path, "stat", stat)
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await go(pilot, settled, place)
        app.screen.query_one("#field-path", Input).value = str(tmp_path / "posts.csv")
        await settled(pilot)
        assert str(app.screen.query_one("#form-preview", Static).content).startswith("There is no ")
        await pilot.press("enter")
        await settled(pilot)
        assert noted(app.screen) == "There is no such file"
    assert by
    assert threading.main_thread() not in by


@pytest.mark.parametrize("place", ["import-form", "export-form", "events-export"])
async def test_a_form_opens_where_the_working_directory_is_gone(
    place: str,
    populated: Settings,
    console: MakeConsole,
    settled: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        _leave_without_directory(tmp_path, monkeypatch)
        await go(pilot, settled, place)
        assert isinstance(app.screen, FormScreen)
        begins = app.screen.values["path"] or str(app.screen.query_one("#form-preview", Static).content)
        assert "/home/ada" in begins


def _leave_without_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
