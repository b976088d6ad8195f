"""What a terminal can show, and the colours of charts in it.

With 256 colours every colour is one of the xterm cube exactly, and with 16 exactly one of the sixteen, so that the
terminal's own rounding never makes two bands one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from textual.app import App

from tui.ascii import given_environ, is_utf8

Depth = Literal["truecolor", "256", "16", "none"]
Glyphs = Literal["braille", "blocks", "ascii"]


@dataclass(frozen=True, slots=True)
class Mode:
    """How many colours a terminal has, and which characters its font."""

    depth: Depth = "truecolor"
    glyphs: Glyphs = "braille"


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of a chart as `#rrggbb`; None is the terminal's own.

    `bands` are backgrounds, from outside all bands to the innermost; `grid` lies on each of them.
    """

    bands: tuple[str | None, str | None, str | None, str | None]
    grid: tuple[str | None, str | None, str | None, str | None]
    actual: str | None
    missed: str | None
    mean: str | None
    axis: str | None
    text: str | None
    strong: str | None
    origin: str | None
    now: str | None
    event: str | None
    event_ground: str | None


NO_COLOURS = Palette((None,) * 4, (None,) * 4, *((None,) * 10))

DARK = Palette(
    bands=("#0f131a", "#172a45", "#1e4270", "#2a62a3"),
    grid=("#232b38", "#24395a", "#2c5183", "#3a73b5"),
    actual="#f3f6fa",
    missed="#ff8f87",
    mean="#ffc15e",
    axis="#4a566b",
    text="#8b97aa",
    strong="#dfe5ee",
    origin="#5fc8b4",
    now="#8b97aa",
    event="#c9a0f0",
    event_ground="#332a4a",
)
LIGHT = Palette(
    bands=("#fafbfc", "#dbe8f8", "#b4d0f1", "#86b2e6"),
    grid=("#e4e8ee", "#c9dbf2", "#a2c3ea", "#74a3da"),
    actual="#10161f",
    missed="#b3202b",
    mean="#9a3d00",
    axis="#a9b4c2",
    text="#5c6778",
    strong="#1c2530",
    origin="#00796b",
    now="#5c6778",
    event="#7b3fb8",
    event_ground="#eadff7",
)
DARK_256 = Palette(
    bands=("#121212", "#00005f", "#005f87", "#0087af"),
    grid=("#303030", "#000087", "#0087af", "#00afd7"),
    actual="#ffffff",
    missed="#ff8787",
    mean="#ffd75f",
    axis="#585858",
    text="#949494",
    strong="#ffffff",
    origin="#5fd7af",
    now="#949494",
    event="#d7afff",
    event_ground="#5f00af",
)
LIGHT_256 = Palette(
    bands=("#ffffff", "#d7ffff", "#afd7ff", "#87afff"),
    grid=("#d7d7ff", "#afd7d7", "#87afd7", "#5f87d7"),
    actual="#000000",
    missed="#d70000",
    mean="#870000",
    axis="#afafd7",
    text="#626262",
    strong="#1c1c1c",
    origin="#00875f",
    now="#808080",
    event="#8700af",
    event_ground="#ffd7ff",
)
# The sixteen colours as the terminal library rounds to them; the outermost band is an outline, not a ground.
_BLACK, _RED, _BLUE, _WHITE = "#000000", "#aa0000", "#0000aa", "#aaaaaa"
_GREY, _LIGHT_RED, _LIGHT_GREEN, _YELLOW = "#555555", "#ff5555", "#55ff55", "#ffff55"
_LIGHT_BLUE, _LIGHT_MAGENTA, _LIGHT_CYAN, _BRIGHT = "#5555ff", "#ff55ff", "#55ffff", "#ffffff"
DARK_16 = Palette(
    bands=(_BLACK, _BLACK, _BLUE, _LIGHT_BLUE),
    grid=(_GREY, _GREY, _LIGHT_BLUE, _BLUE),
    actual=_BRIGHT,
    missed=_LIGHT_RED,
    mean=_YELLOW,
    axis=_GREY,
    text=_WHITE,
    strong=_BRIGHT,
    origin=_LIGHT_GREEN,
    now=_WHITE,
    event=_LIGHT_MAGENTA,
    event_ground=_GREY,
)
LIGHT_16 = Palette(
    bands=(_BRIGHT, _BRIGHT, "#aaaaaa", _LIGHT_CYAN),
    grid=(_WHITE, _WHITE, _GREY, _GREY),
    actual=_BLACK,
    missed=_RED,
    mean=_RED,
    axis=_GREY,
    text=_GREY,
    strong=_BLACK,
    origin="#00aa00",
    now=_GREY,
    event="#aa00aa",
    event_ground=_WHITE,
)
_PALETTES: dict[tuple[Depth, bool], Palette] = {
    ("truecolor", True): DARK,
    ("truecolor", False): LIGHT,
    ("256", True): DARK_256,
    ("256", False): LIGHT_256,
    ("16", True): DARK_16,
    ("16", False): LIGHT_16,
}
_DEPTHS: dict[str | None, Depth] = {"256": "256", "standard": "16", "windows": "16", None: "none"}


def palette(depth: Depth, *, dark: bool = True) -> Palette:
    """The colours for a terminal of this depth, on a dark or a light theme."""
    return _PALETTES.get((depth, dark), NO_COLOURS)


def detect(environ: Mapping[str, str], color_system: str | None, *, no_color: bool = False) -> Mode:
    """What the terminal can show, from its variables and the colours that were found."""
    depth: Depth = "none" if no_color else _DEPTHS.get(color_system, "truecolor")
    if not is_utf8(environ):
        return Mode(depth, "ascii")
    return Mode(depth, "blocks" if environ.get("TERM") == "linux" else "braille")


def of_app(app: App[Any]) -> Mode:
    """What the terminal of an app can show; without a terminal, everything."""
    if app.is_headless:
        return Mode()
    return detect(given_environ(), app.console.color_system, no_color=app.no_color)
