"""The fan chart as a pure function from data to strips of cells.

A cell has one foreground and one background. Bands are backgrounds, their edges drawn in eighths of a cell (halves,
or whole cells, where the font has no more); lines are braille on top, which keeps the band's colour beneath them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from rich.segment import Segment
from textual.strip import Strip

from tui.widgets import fan_margins as margins
from tui.widgets.fan import Fan, Values, View
from tui.widgets.fan_bands import columns, ground, sample
from tui.widgets.fan_scene import Cells, Scene, cell_table, compose, place_text, segments
from tui.widgets.plot_lines import (
    DOTS_ACROSS,
    DOTS_DOWN,
    Dots,
    Glyph,
    Point,
    ascii_line,
    ascii_marks,
    ascii_rings,
    ascii_stars,
    blocks,
    braille,
    dotted,
)
from tui.widgets.plot_palette import Mode, Palette, palette

DASH = 4  # dot columns of a dash, and of the gap after it
BandRows = list[tuple[int, ...]]
Upright = tuple[int, str, str | None, str]  # column, character, colour, name


def render(
    fan: Fan,
    *,
    width: int,
    height: int,
    mode: Mode | None = None,
    colours: Palette | None = None,
    view: View | None = None,
    cursor: int | None = None,
    zone: tzinfo = UTC,
    now: datetime | None = None,
) -> list[Strip]:
    """The chart as `height` strips of exactly `width` cells; whatever the data, it does not raise.

    `cursor` is the step that the top row reads out in place of the legend.
    """
    if width < 1 or height < 1:
        return []
    mode = mode or Mode()
    scene = compose(fan, width, height, mode, colours or palette(mode.depth), view, cursor, zone, now)
    return draw(scene, plot(scene))


@dataclass(frozen=True, slots=True)
class Plot:
    """What of a scene stays where it is while the cursor moves: the rows of bands and lines, and the events."""

    bands: BandRows
    over: list[Cells]
    ends: list[tuple[list[Segment], list[Segment]]]
    rows: list[Strip]
    events: list[Strip]


def plot(scene: Scene) -> Plot:
    """Most of the work of a drawing, whatever its cursor."""
    bands = _band_rows(scene)
    ticks = scene.value_ticks()
    over: list[Cells] = [{} for _ in bands]
    _draw_grid(scene, over, bands, ticks)
    uprights = _uprights(scene)
    _draw_uprights(over, uprights)
    _draw_lines(scene, over)
    _name_uprights(scene, over, bands, uprights)
    total = margins.total(scene)
    ends = [(margins.value_axis(scene, ticks.get(y)), total[y]) for y in range(len(bands))]
    rows = [_row(scene, *row) for row in zip(bands, over, ends, strict=True)]
    return Plot(bands, over, ends, rows, [_strip(scene, margins.events(scene))] if scene.place.events else [])


def draw(scene: Scene, plotted: Plot) -> list[Strip]:
    """All rows of a scene, from the legend to the events, over the plot that it has but for its cursor."""
    place = scene.place
    rows = list(plotted.rows)
    if (point := scene.point()) is not None:
        x, y = point
        cells = plotted.over[y] | {x: (scene.marks.point, scene.colours.strong)}
        rows[y] = _row(scene, plotted.bands[y], cells, plotted.ends[y])
    if place.legend:
        read = margins.legend(scene) if scene.cursor is None else margins.readout(scene, scene.cursor)
        rows.insert(0, _strip(scene, read))
    if place.times:
        rows += [_strip(scene, row) for row in margins.time_axis(scene)]
    return rows + plotted.events


def _row(scene: Scene, codes: tuple[int, ...], over: Cells, ends: tuple[list[Segment], list[Segment]]) -> Strip:
    chars, pairs, grounds = cell_table(scene.colours.bands, scene.mode)
    text, colours = [chars[code] for code in codes], [pairs[code] for code in codes]
    for x, (char, colour) in over.items():
        text[x], colours[x] = char, (colour, grounds[codes[x]])
    return _strip(scene, ends[0] + segments(text, colours) + ends[1])


def _strip(scene: Scene, row: list[Segment]) -> Strip:
    return Strip(row, scene.place.left + scene.place.width + scene.place.right)


def _band_rows(scene: Scene) -> BandRows:
    found = columns(
        scene.fan.bands,
        scene.view,
        (scene.place.width, scene.place.height),
        scene.top,
        at=scene.at,
        stepped=scene.fan.stepped,
        quantum=scene.quantum,
    )
    return list(zip(*found, strict=True))[::-1]


def _draw_grid(scene: Scene, over: list[Cells], bands: BandRows, ticks: dict[int, float]) -> None:
    marks, grid = scene.marks, scene.colours.grid
    if scene.mode.depth == "none":  # there bands are characters, and nothing would be faint
        return
    days = [x for x, tick in scene.time_ticks() if tick.major]
    for y, codes in enumerate(bands):
        row = over[y]
        for x in range(len(codes)) if y in ticks else days:
            code = codes[x]
            if not code & 7:
                row[x] = (marks.grid if y in ticks else marks.faint, grid[ground(code)])


def _uprights(scene: Scene) -> list[Upright]:
    """Now, and where the forecast begins, where they are in view."""
    fan, colours = scene.fan, scene.colours
    found: list[Upright] = []
    if fan.now is not None and fan.now != fan.origin:
        found.append((scene.column(fan.position(fan.now)), scene.marks.now, colours.now, fan.now_name))
    if fan.origin is not None:
        found.append((scene.column(fan.position(fan.origin)), scene.marks.vertical, colours.origin, "forecast"))
    return [upright for upright in found if 0 <= upright[0] < scene.place.width]


def _draw_uprights(over: list[Cells], uprights: list[Upright]) -> None:
    for x, char, colour, _ in uprights:
        for row in over:
            row[x] = (char, colour)


def _name_uprights(scene: Scene, over: list[Cells], bands: BandRows, uprights: list[Upright]) -> None:
    """Each name in the highest row where it covers no line and no edge of a band; at the top where there is none."""
    width, grid = scene.place.width, (scene.marks.grid, scene.marks.faint)
    named: set[int] = set()
    for line, (x, _, colour, words) in enumerate(reversed(uprights)):
        start = x + 2 if x + 2 + len(words) <= width else x - 1 - len(words)
        cells = range(max(start, 0), min(start + len(words), width))
        rows = [y for y in range(len(over)) if y not in named]
        free = (
            y for y in rows if all((x not in over[y] or over[y][x][0] in grid) and not bands[y][x] & 7 for x in cells)
        )
        y = next(free, next((y for y in rows if y >= line), None))
        if y is not None:
            named.add(y)
            place_text(over[y], start, words, colour, width)


def _draw_lines(scene: Scene, over: list[Cells]) -> None:
    fan, colours, mode = scene.fan, scene.colours, scene.mode
    glyph = _glyph(mode)
    if fan.bands and mode.depth != "none" and colours.bands[0] == colours.bands[1]:
        for edge in (fan.bands[0].lower, fan.bands[0].upper):  # no colour is left for the widest band
            dots = _dots(scene, edge)
            dots.thin(2)
            _put(over, dots, dotted if mode.glyphs == "blocks" else glyph, colours.text)
    if fan.other:
        dots = _dots(scene, fan.other)
        dots.dash(DASH)
        _put(over, dots, ascii_rings if mode.glyphs == "ascii" else glyph, colours.event)
    mean = _mean_dots(scene)
    if mode.depth == "none":  # what else would tell it from what was observed
        mean.thin(2)
    _put(over, mean, ascii_marks if mode.glyphs == "ascii" else glyph, colours.mean)
    _put(over, _dots(scene, fan.actual), glyph, colours.actual)


def _mean_dots(scene: Scene) -> Dots:
    """The mean, calmed to one value a column where columns hold several steps: it is an expectation, not a record."""
    fan, view, width = scene.fan, scene.view, scene.place.width
    if view.span <= width:
        return _dots(scene, fan.mean)
    dots = Dots(width, scene.place.height)
    values = sample(fan.mean, view, width, at=scene.at)
    dots.trace([None if v is None else (x * DOTS_ACROSS + 1, _dot_row(scene, v)) for x, v in enumerate(values)])
    return dots


def _dots(scene: Scene, values: Values) -> Dots:
    place, view = scene.place, scene.view
    dots = Dots(place.width, place.height)
    across = place.width * DOTS_ACROSS
    first, last = max(math.floor(view.first) - 1, 0), max(math.ceil(view.last) + 1, 0)
    within = (0.0, 1.0) if scene.fan.stepped else (scene.at,)
    points: list[Point] = []
    for step, value in enumerate(values[first:last], first):
        if value is None:
            points.append(None)
            continue
        y = _dot_row(scene, value)
        points += [(math.floor((step + part - view.first) / view.span * across), y) for part in within]
    dots.trace(points)
    return dots


def _dot_row(scene: Scene, value: float) -> int:
    down = scene.place.height * DOTS_DOWN
    return down - 1 - min(max(int(value / scene.top * down), 0), down - 1)


def _put(over: list[Cells], dots: Dots, glyph: Glyph, colour: str | None) -> None:
    for x, y, left, right in dots.cells():
        over[y][x] = (glyph(left, right), colour)


def _glyph(mode: Mode) -> Glyph:
    if mode.glyphs == "ascii":
        return ascii_stars if mode.depth == "none" else ascii_line
    return braille if mode.glyphs == "braille" else blocks
