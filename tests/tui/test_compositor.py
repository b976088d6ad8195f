"""A screen shows the same, whether each widget is asked for all of its lines or only for those that are seen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from textual._compositor import Compositor
from textual.app import App, ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.widgets import Static

from tui.compositor import SparingCompositor, _without

WIDTH, HEIGHT = 40, 12
REGIONS = st.builds(Region, st.integers(0, 12), st.integers(0, 12), st.integers(1, 8), st.integers(1, 8))
CROPS = [Region(0, 0, WIDTH, HEIGHT), Region(0, 3, WIDTH, 1), Region(7, 2, 20, 5), Region(30, 9, 10, 3)]


class Overlapping(Screen[None]):
    """Widgets beside, inside and over each other, some of them scrolled out of view."""

    CSS = """
    Overlapping { layers: below above; }
    #over { layer: above; offset: 5 2; width: 12; height: 4; border: round red; }
    #docked { dock: bottom; height: 2; }
    Horizontal { height: 6; }
    VerticalScroll { width: 1fr; border: solid blue; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._compositor = SparingCompositor()

    def compose(self) -> ComposeResult:
        with Horizontal():
            with VerticalScroll(id="left"):
                yield Static("\n".join(f"left {i}" for i in range(30)))
            with VerticalScroll():
                yield Static("\n".join(f"right {i}" for i in range(3)))
        yield Static("below")
        yield Static("over all", id="over")
        yield Static("docked", id="docked")


class Shown(App[None]):
    """The screen, alone."""

    def get_default_screen(self) -> Screen[None]:
        return Overlapping()


async def test_every_part_of_a_screen_is_painted_as_by_the_toolkit() -> None:
    app = Shown()
    async with app.run_test(size=(WIDTH, HEIGHT)) as pilot:
        app.screen.query_one("#left").scroll_to(y=7, animate=False)
        await pilot.pause()
        for crop in CROPS:
            assert painted(SparingCompositor, app.screen, crop) == painted(Compositor, app.screen, crop)


async def test_what_is_covered_is_not_asked_for_its_lines() -> None:
    app = Shown()
    async with app.run_test(size=(WIDTH, HEIGHT)):
        docked = app.screen.query_one("#docked")
        asked = list(app.screen._compositor._get_renders(docked.region))
        assert [region for region, _, _ in asked] == [docked.region]


@given(REGIONS, REGIONS)
def test_what_is_left_of_a_region_and_what_was_hidden_are_all_of_it(piece: Region, cover: Region) -> None:
    left = [cell for part in _without(piece, cover) for cell in cells(part)]
    assert len(left) == len(set(left))
    assert set(left) == set(cells(piece)) - set(cells(cover))


def painted(kind: type[Compositor], screen: Screen[None], crop: Region) -> list[list[tuple[str, object]]]:
    """Each cell of a part of the screen, with its style."""
    compositor = screen._compositor
    rows = set(crop.line_range)
    renders = kind._get_renders.__get__(compositor)
    compositor._get_renders = renders  # type: ignore[method-assign]
    try:
        chops = Compositor._render_chops(compositor, crop, rows.__contains__)
    finally:
        del compositor._get_renders
    lines = (Strip.join(chops[y].values()).crop(crop.x, crop.right) for y in sorted(rows))
    return [[(text, segment.style) for segment in line for text in segment.text] for line in lines]


def cells(region: Region) -> list[tuple[int, int]]:
    """The cells of a region."""
    return [(x, y) for y in region.line_range for x in region.column_range]
