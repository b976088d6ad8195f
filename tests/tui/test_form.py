"""A form: checked while typed, saved without losing what was typed, left without a question only if untouched."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from places import go, shown
from sqlalchemy import Engine
from stored_versions import store_artifact, store_version
from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import Static

from musktracker import launching
from musktracker.config import Settings
from musktracker.errors import MuskTrackerError
from tui.app import Console
from tui.screens.base import ConsoleScreen
from tui.widgets.form import PREVIEW_SECONDS, Choice, Field, FormScreen, Values

FIELDS = (
    Field("name", "Name", hint="what people call it"),
    Field("count", "Count", value="3"),
    Field("mode", "Mode", value="a", choices=(("a", "Mode A"), ("b", "Mode B"))),
)


def check(values: Values) -> dict[str, str]:
    return {} if values["count"].isdigit() else {"count": "must be a number"}


Opened = Callable[..., Any]


class Empty(ConsoleScreen):
    """A screen of nothing, for a form to stand on."""

    TITLE = "Empty"

    def fetch(self, engine: Engine) -> None:
        return None

    def show(self, data: None) -> None:
        pass


@pytest.fixture
def opened(
    populated: Settings, console: Callable[..., Console], settled: Any, monkeypatch: pytest.MonkeyPatch
) -> Opened:
    """Opens a form over a console: `async with opened(save=…) as (pilot, form, results)`."""
    monkeypatch.setattr(Console, "MODES", {"overview": Empty})

    @asynccontextmanager
    async def open_form(
        fields: Sequence[Field] = FIELDS, **options: Any
    ) -> AsyncIterator[tuple[Pilot[Any], FormScreen, list[Any]]]:
        app = console(populated)
        async with app.run_test(size=(80, 24)) as pilot:
            await settled(pilot)
            form, results = FormScreen("Title [b]", fields, **{"check": check, **options}), []
            app.push_screen(form, results.append)
            await settled(pilot)
            yield pilot, form, results

    return open_form


def note(form: FormScreen, name: str) -> str:
    return str(form.query_one(f"#note-{name}", Static).content)


def keys(form: FormScreen) -> str:
    return str(form.query_one("#form-keys", Static).content)


async def test_enter_gives_the_values(opened: Opened) -> None:
    async with opened() as (pilot, _form, results):
        await pilot.press(*"Ada", "tab", "backspace", "7", "tab", "right", "enter")
        await pilot.pause()
        assert results == [{"name": "Ada", "count": "7", "mode": "b"}]


async def test_an_error_shows_at_its_field_while_typing_and_goes_when_mended(opened: Opened) -> None:
    async with opened() as (pilot, form, _results):
        await pilot.press("tab", "x")
        await pilot.pause()
        assert note(form, "count") == "must be a number"
        await pilot.press("backspace")
        await pilot.pause()
        assert note(form, "count") == ""


async def test_a_wrong_form_is_not_saved_and_the_first_wrong_field_gets_the_cursor(opened: Opened) -> None:
    async with opened() as (pilot, form, results):
        await pilot.press("tab", "backspace", "shift+tab", "enter")
        await pilot.pause()
        assert (results, pilot.app.screen) == ([], form)
        assert form.focused is not None
        assert form.focused.id == "field-count"


async def test_what_save_raises_is_shown_and_the_form_stays(opened: Opened, settled: Any) -> None:
    def save(engine: object, values: Values) -> None:
        raise MuskTrackerError("The disk is full", "Make room")

    async with opened(save=save) as (pilot, form, results):
        await pilot.press(*"Ada", "enter")
        await settled(pilot)
        assert "The disk is full. Make room" in str(form.query_one("#form-trouble", Static).content)
        assert (results, form.values["name"]) == ([], "Ada")


async def test_problems_by_field_are_shown_at_the_fields(opened: Opened, settled: Any) -> None:
    class Refused(MuskTrackerError):
        problems = {"name": "is taken"}  # noqa: RUF012

    def save(engine: object, values: Values) -> None:
        raise Refused("no")

    async with opened(save=save) as (pilot, form, _results):
        await pilot.press("enter")
        await settled(pilot)
        assert note(form, "name") == "is taken"


async def test_the_result_of_save_is_handed_back(opened: Opened, settled: Any) -> None:
    async with opened(save=lambda engine, values: 42) as (pilot, _form, results):
        await pilot.press("enter")
        await settled(pilot)
        assert results == [42]


async def test_escape_leaves_an_untouched_form_at_once(opened: Opened) -> None:
    async with opened() as (pilot, _form, results):
        await pilot.press("escape")
        await pilot.pause()
        assert results == [None]


async def test_escape_asks_once_where_something_was_typed(opened: Opened) -> None:
    async with opened() as (pilot, form, results):
        await pilot.press("x", "escape", "y")
        await pilot.pause()
        assert (results, form.values["name"]) == ([], "xy")
        await pilot.press("escape", "backspace", "escape")
        await pilot.pause()
        assert (results, form.values["name"]) == ([], "x")
        await pilot.press("escape")
        await pilot.pause()
        assert results == [None]


async def test_the_preview_follows_what_is_typed_and_is_plain_text(opened: Opened) -> None:
    def preview(engine: object, values: Values) -> str:
        return f"[red]{values['name']}[/red]\x1b[31m"

    async with opened(preview=preview) as (pilot, form, _results):
        await pilot.press(*"Bo")
        for _ in range(400):
            if "Bo" in str(form.query_one("#form-preview", Static).content):
                break
            await pilot.pause(0.01)
        assert str(form.query_one("#form-preview", Static).content) == "[red]Bo[/red]�[31m"


async def test_keys_that_come_at_once_move_from_field_to_field_before_they_choose(
    opened: Opened, settled: Any
) -> None:
    async with opened() as (pilot, form, _results):
        for key in ("down", "down", "right"):
            pilot.app.post_message(Key(key, None))
        await settled(pilot)
        assert form.values["mode"] == "b"


async def test_a_choice_goes_around_its_ends(opened: Opened) -> None:
    async with opened() as (pilot, form, _results):
        choice = form.query_one(Choice)
        choice.focus()
        await pilot.press("left")
        assert choice.value == "b"
        await pilot.press("space")
        assert choice.value == "a"


async def test_a_form_that_nobody_has_typed_in_complains_of_nothing(opened: Opened, settled: Any) -> None:
    def refuse(_engine: Engine, values: Values) -> str:
        raise MuskTrackerError(f"{values['name']!r} is no name")

    async with opened(preview=refuse) as (pilot, form, _):
        await pilot.pause(2 * PREVIEW_SECONDS)
        await settled(pilot)
        assert str(form.query_one("#form-preview", Static).content) == ""
        await pilot.press("x")
        await pilot.pause(2 * PREVIEW_SECONDS)
        await settled(pilot)
        assert "'x' is no name" in str(form.query_one("#form-preview", Static).content)


async def test_a_form_with_choices_says_which_keys_choose(opened: Opened) -> None:
    async with opened() as (_, form, _results):
        assert "← → choose" in keys(form)


async def test_a_check_that_fails_is_told_and_nothing_is_saved(opened: Opened, settled: Any) -> None:
    def broken(values: Values) -> dict[str, str]:
        raise RuntimeError(f"nobody foresaw {values['name']!r}")

    async with opened(check=broken) as (pilot, form, results):
        for pressed in ("x", "enter"):
            await pilot.press(pressed)
            await settled(pilot)
            assert "nobody foresaw 'x'" in str(form.query_one("#form-trouble", Static).content)
        assert results == []


async def test_enters_that_come_at_once_close_a_form_once(opened: Opened, settled: Any) -> None:
    async with opened() as (pilot, _form, results):
        for _ in range(3):
            pilot.app.post_message(Key("enter", None))
        await settled(pilot)
        assert isinstance(pilot.app.screen, Empty)
        assert len(results) == 1


async def test_while_it_is_saved_a_form_takes_nothing_in_and_cannot_be_left(opened: Opened, settled: Any) -> None:
    may_end = threading.Event()

    def save(engine: object, values: Values) -> str:
        may_end.wait()
        return values["name"]

    async with opened(save=save) as (pilot, form, results):
        await pilot.press("x", "enter", "y", "tab", "z", "escape", "escape")
        assert pilot.app.screen is form
        assert form.values["name"] == "x"
        assert "too late to leave" in keys(form)
        may_end.set()
        await settled(pilot)
        assert results == ["x"]


async def test_controls_in_labels_hints_and_values_are_drawn_as_marks_and_values_stay_what_they_are(
    opened: Opened, settled: Any
) -> None:
    evil = "e\x1b]0;own\x07\nv"
    async with opened((Field("name", evil, evil, evil),), check=None) as (pilot, _form, results):
        assert shown(pilot.app).count("e�]0;own� v") == 3
        await pilot.press("enter")
        await settled(pilot)
        assert results == [{"name": evil}]


@pytest.mark.parametrize(
    ("place", "keys"),
    [
        ("train-form", ("tab", "9", "0")),
        ("promote-form", ("tab", "x")),
        ("backtest-form", tuple("pool")),
        ("forecast-form", ("left",)),
        ("service-start", ("down", "right")),
    ],
)
async def test_where_a_run_cannot_start_its_form_says_why_and_stays_as_it_was_filled(
    place: str,
    keys: tuple[str, ...],
    populated: Settings,
    populated_engine: Engine,
    console: Callable[..., Console],
    settled: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store_version(populated_engine, 9)  # one to forecast with
    store_artifact(populated_engine, 2)  # of the one that is to be promoted

    def refuse(*_: Any, **__: Any) -> int:
        raise MuskTrackerError("The lease is held by run 7")

    monkeypatch.setattr(launching, "launch", refuse)
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await go(pilot, settled, place)
        await pilot.press(*keys)
        form: Any = app.screen
        filled = form.values
        await pilot.press("enter")
        await settled(pilot)
        assert app.screen is form
        assert form.values == filled
        assert "held by run 7" in str(form.query_one("#form-trouble", Static).content)


async def test_in_a_low_window_the_fields_scroll_and_what_is_below_them_stays(opened: Opened, settled: Any) -> None:
    fields = [Field(f"field{k}", f"Field {k}") for k in range(9)]
    lines = "\n".join(f"line {k}" for k in range(6))
    async with opened(fields, check=None, preview=lambda _engine, _values: lines) as (pilot, form, _results):
        await pilot.press(*["tab"] * 5)
        preview = form.query_one("#form-preview", Static)
        while not str(preview.content):
            await pilot.pause(PREVIEW_SECONDS)
        await pilot.resize_terminal(60, 16)
        await settled(pilot)
        assert form.focused is not None
        for widget in (form.focused, form.query_one("#note-field5"), form.query_one("#form-keys")):
            assert form.region.contains_region(widget.region)
            assert widget.region.bottom < form.region.bottom
        assert not form.focused.region.overlaps(preview.region)


async def test_what_is_longer_than_its_line_is_told_below_once_the_window_is_narrower(
    opened: Opened, settled: Any
) -> None:
    wrong = "a reason that fits its line in a window of eighty columns"
    async with opened(FIELDS[:1], check=lambda _values: {"name": wrong}) as (pilot, form, _results):
        await pilot.press("enter")
        await settled(pilot)
        trouble = form.query_one("#form-trouble", Static)
        assert (note(form, "name"), trouble.display) == (wrong, False)
        await pilot.resize_terminal(60, 24)
        await settled(pilot)
        assert (str(trouble.content), trouble.display) == (wrong, True)


async def test_what_is_wrong_with_a_field_that_the_form_lacks_is_told_below(opened: Opened) -> None:
    async with opened(check=lambda values: {"source": "is too long"}) as (pilot, form, results):
        await pilot.press("enter")
        await pilot.pause()
        assert str(form.query_one("#form-trouble", Static).content) == "source: is too long"
        assert results == []
