"""A page of text in a panel: wrapped, scrolled within its ends, painted only where it differs."""

from __future__ import annotations

import pytest
from textual.app import App, ComposeResult
from textual.geometry import Region

from tui.widgets.prose import Prose

LONG = "\n".join(["── Up ──", *(f"line {n}" for n in range(1, 40))])


class Page(App[None]):
    """A page of ten rows."""

    CSS = "Prose { height: 10; width: 30; }"

    def compose(self) -> ComposeResult:
        yield Prose()


def rows(prose: Prose) -> list[str]:
    return [prose.render_line(y).text.rstrip() for y in range(prose.size.height)]


async def test_a_long_line_is_wrapped_and_nothing_of_it_is_lost() -> None:
    app = Page()
    async with app.run_test(size=(30, 10)):
        prose = app.query_one(Prose)
        text = "Coverage of kinds: of which posts a source saw every one"
        prose.set_text(text)
        assert " ".join(filter(None, rows(prose))) == text


async def test_it_scrolls_to_its_end_and_no_further() -> None:
    app = Page()
    async with app.run_test(size=(30, 10)) as pilot:
        prose = app.query_one(Prose)
        prose.set_text(LONG)
        await pilot.press("G", "j", "pagedown")
        assert rows(prose)[-1].startswith("line 39")
        await pilot.press("k")
        assert rows(prose)[-1].startswith("line 38")
        await pilot.press("g", "k")
        assert rows(prose)[0].startswith("── Up ──")


async def test_another_text_begins_at_its_start() -> None:
    app = Page()
    async with app.run_test(size=(30, 10)) as pilot:
        prose = app.query_one(Prose)
        prose.set_text(LONG)
        await pilot.press("G")
        prose.set_text("short")
        assert rows(prose) == ["short", *[""] * 9]


async def test_only_rows_that_differ_are_painted_and_only_as_far_as_they_reach(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = Page()
    async with app.run_test(size=(30, 10)) as pilot:
        prose = app.query_one(Prose)
        prose.set_text("one\ntwo\nthree")
        await pilot.pause()
        painted: list[Region] = []
        monkeypatch.setattr(prose, "refresh", lambda *regions, **_: painted.extend(regions))
        prose.set_text("one\nseven\nthree")
    assert painted == [Region(0, 1, 5, 1)]


async def test_what_is_untrusted_in_it_is_shown_as_text() -> None:
    app = Page()
    async with app.run_test(size=(30, 10)):
        prose = app.query_one(Prose)
        prose.set_text("[bold]no markup[/bold] \x1b[31m")
        assert rows(prose)[0].startswith("[bold]no markup[/bold]")
        assert "\x1b" not in "".join(rows(prose))
