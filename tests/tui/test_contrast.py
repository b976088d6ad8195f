"""Contrast as WCAG 2 measures it, of everything that is drawn, in every place and in both themes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from typing import Any

import pytest
from places import EVERYWHERE, walk, walk_name, walks
from rich.color import Color
from rich.segment import Segment
from textual.geometry import Region
from textual.screen import ModalScreen
from textual.theme import Theme

from musktracker.config import Settings
from tui.app import Console
from tui.theme import THEMES

TEXT, GRAPHIC = 4.5, 3.0  # the least ratios: of what is read, and of what is disabled or a line of a chart
BRAILLE = range(0x2800, 0x2900)
DRAWING = range(0x2500, 0x25A0)  # frames, grids, tracks, bars and bands: what they say is written beside them
TONES = ("text-muted", "foreground", "primary", "accent", "success", "warning", "error")
GROUNDS = ("background", "surface", "panel", "block-cursor-background", "block-cursor-blurred-background")


def luminance(color: Color) -> float:
    """Relative luminance."""
    parts = (part / 255 for part in color.get_truecolor())
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@cache
def contrast(one: Color, other: Color) -> float:
    """From 1 (equal) to 21 (black and white)."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def least(text: str, color: Color, theme: Theme) -> float:
    """What the contrast of a drawn text must be at least."""
    marks = {ord(character) for character in text if not character.isspace()}
    if marks <= set(DRAWING):
        return 1.0
    if marks <= {*DRAWING, *BRAILLE} or color == Color.parse(theme.variables["text-faint"]):
        return GRAPHIC
    return TEXT


def drawn(app: Console) -> Iterator[Segment]:
    """What is on the screen; of a dialog only itself: what it lies over is dimmed on purpose."""
    screen = app.screen
    region = screen.children[0].region if isinstance(screen, ModalScreen) else screen.region
    region = region.intersection(Region(0, 0, *app.size))
    for line in screen._compositor.render_strips(app.size)[region.y : region.bottom]:
        for segment in line.crop(region.x, region.right):
            if segment.text.strip():
                yield segment


def too_faint(app: Console, theme: Theme) -> Iterator[str]:
    """What is drawn with less contrast than it must have."""
    for text, style, _ in drawn(app):
        assert style is not None
        assert style.color is not None
        assert style.bgcolor is not None
        ratio = contrast(style.color, style.bgcolor)
        if ratio < least(text, style.color, theme):
            yield f"{text.strip()[:40]!r} {style.color.name} on {style.bgcolor.name}: {ratio:.2f}"


@pytest.mark.parametrize("places", walks(EVERYWHERE), ids=walk_name)
async def test_whatever_is_drawn_can_be_told_from_its_ground(
    places: list[str], backtested: Settings, console: Callable[..., Console], settled: Any
) -> None:
    app, faint = console(backtested), []
    async with app.run_test(size=(120, 36)) as pilot:
        async for place in walk(pilot, settled, places):
            for theme in sorted(THEMES, key=lambda theme: theme.name != app.theme):  # a change takes the most
                app.theme = theme.name
                await settled(pilot)
                faint += [f"{place}, {theme.name}: {words}" for words in too_faint(app, theme)]
    assert not faint, "\n".join(dict.fromkeys(faint))


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_every_tone_of_a_theme_can_be_read_on_every_ground(theme: Theme) -> None:
    def colour(name: str) -> Color:
        return Color.parse(theme.variables.get(name) or getattr(theme, name))

    ratios = {
        f"{tone} on {ground}": contrast(colour(tone), colour(ground)) for tone, ground in product(TONES, GROUNDS)
    }
    assert {pair: ratio for pair, ratio in ratios.items() if ratio < TEXT} == {}


def test_the_ratio_is_that_of_the_standard() -> None:
    assert contrast(Color.parse("#000000"), Color.parse("#ffffff")) == pytest.approx(21)
    assert contrast(Color.parse("#777777"), Color.parse("#ffffff")) == pytest.approx(4.48, abs=0.01)
