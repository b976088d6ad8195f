"""What surrounds the plot of a fan chart: legend or read-out, both axes, the events, and the horizon's total."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment

from tui.widgets.fan import Band, Event, Values, View
from tui.widgets.fan_bands import columns
from tui.widgets.fan_scene import SHADES, Cells, Pair, Scene, cell_table, lane, place_text, segments, style
from tui.widgets.plot_axes import TimeTick, format_count, label_choices

Parts = list[tuple[str, str | None]]
SWATCH = 2
APART = 2  # cells between the words of an axis
TOTAL_BAND = 3  # cells


def legend(scene: Scene) -> list[Segment]:
    """What the lines and colours mean."""
    fan, colours = scene.fan, scene.colours
    parts: Parts = [(" " * scene.place.left, None)]
    if fan.actual:
        sign = "*" if scene.mode.glyphs == "ascii" else scene.marks.line
        parts += [(sign * SWATCH, colours.actual), (f" {fan.names[0]}   ", colours.text)]
    if fan.mean:
        plain = scene.marks.dots if scene.mode.depth == "none" else scene.marks.line
        sign = "+" if scene.mode.glyphs == "ascii" else plain
        parts += [(sign * SWATCH, colours.mean), (f" {fan.names[1]}   ", colours.text)]
    if fan.other:
        sign = "o" if scene.mode.glyphs == "ascii" else scene.marks.outline
        parts += [(sign * SWATCH, colours.event), (f" {fan.names[2]}   ", colours.text)]
    levels = [band.level for band in fan.bands]
    if not levels and fan.total is not None:
        levels = sorted((level for level, _, _ in fan.total.intervals), reverse=True)[:3]
    for index, level in list(enumerate(levels, 1))[::-1]:
        parts += [_swatch(scene, index), (f" {level:.0%}   ", colours.text)]
    return scene.fitted(parts, _width(scene))


def readout(scene: Scene, step: int) -> list[Segment]:
    """The values of one step in words."""
    fan, colours = scene.fan, scene.colours
    parts: Parts = []
    actual, mean, other = (_at(values, step) for values in (fan.actual, fan.mean, fan.other))
    missed = actual is not None and any(_outside(actual, band, step) for band in fan.bands[:1])
    if actual is not None:
        words = f" outside {fan.bands[0].level:.0%}" if missed else ""
        colour = colours.missed if missed else colours.actual
        parts += [(f"{fan.names[0]} ", colours.text), (f"{format_count(actual)}{words}   ", colour)]
    elif mean is None and fan.actual:
        parts.append(("not observed   ", colours.text))
    if mean is not None:
        parts += [(f"{fan.names[1]} ", colours.text), (f"{format_count(mean)}   ", colours.mean)]
    if other is not None:
        parts += [(f"{fan.names[2]} ", colours.text), (f"{format_count(other)}   ", colours.event)]
    for band in reversed(fan.bands):
        low, high = _at(band.lower, step), _at(band.upper, step)
        if low is not None and high is not None:
            interval = f"{format_count(round(low))}{scene.marks.dash}{format_count(round(high))}   "
            parts += [(f"{band.level:.0%} ", colours.text), (interval, colours.strong)]
    start, end = fan.moment(step), fan.moment(step + 1)
    happening: Parts = [
        (f"{scene.marks.event} {' '.join(filter(None, (event.name, event.note)))}   ", colours.event)
        for event in fan.events
        if event.start < end and event.end >= start
    ]
    return scene.fitted(_closed_up(scene, step, parts) + happening, _width(scene))


def value_axis(scene: Scene, tick: float | None) -> list[Segment]:
    """The left end of a row of the plot."""
    left, colours = scene.place.left, scene.colours
    if not left:
        return []
    label = "" if tick is None else format_count(tick)
    mark = scene.marks.vertical if tick is None else scene.marks.tick
    return scene.fitted([(label.rjust(left - 2) + " ", colours.text), (mark, colours.axis)], left)


def time_axis(scene: Scene) -> list[list[Segment]]:
    """Two rows: the axis with its marks, and the words below."""
    place, colours, fan = scene.place, scene.colours, scene.fan
    line: Cells = {}
    ticks = scene.time_ticks()
    line |= {x: (scene.marks.notch, colours.axis) for x, _ in ticks}
    words = _time_words(scene, ticks)
    marked = [(scene.column(fan.position(event.start)), scene.marks.event, colours.event) for event in fan.events]
    if scene.cursor is not None:
        marked.append((scene.column(scene.cursor + scene.at), scene.marks.pointer, colours.strong))
    line |= {x: (char, colour) for x, char, colour in marked if 0 <= x < place.width}
    zero = [("0 ".rjust(place.left - 1), colours.text), (scene.marks.corner, colours.axis)] if place.left else []
    return [
        scene.fitted(zero, place.left)
        + lane(scene, line, fill=scene.marks.horizontal, colour=colours.axis)
        + scene.fitted([], place.right),
        scene.fitted([], place.left) + lane(scene, words) + scene.fitted([], place.right),
    ]


def events(scene: Scene) -> list[Segment]:
    """The events in view: the time each takes tinted, and as much of its name as there is room for."""
    place, colours, fan = scene.place, scene.colours, scene.fan
    text = [" "] * place.width
    pairs: list[Pair] = [(None, colours.bands[0])] * place.width
    shown = [
        (start, end, event)
        for event in sorted(fan.events, key=lambda event: event.start)
        for start, end in [(scene.column(fan.position(event.start)), scene.column(fan.position(event.end)))]
        if end >= 0 and start < place.width
    ]
    following = [*(max(start, 0) for start, _, _ in shown), place.width][1:]
    free = 0  # the column after what is written already
    for (start, end, event), limit in zip(shown, following, strict=False):
        first = max(start, 0)
        for x in range(first, min(max(end, first) + 1, place.width)):
            text[x], pairs[x] = " ", (None, colours.event_ground)
        label = _label(scene, event, max(limit - first, 1))
        begin = first
        whole = _label(scene, event, place.width, after=True)
        if len(whole) > limit - first and len(whole) <= first + 1 - free:
            label, begin = whole, first + 1 - len(whole)
        for x, char in enumerate(label, begin):
            text[x], pairs[x] = char, (colours.event, pairs[x][1])
        free = begin + len(label) + 1
    return scene.fitted([], place.left) + segments(text, pairs) + scene.fitted([], place.right)


def total(scene: Scene) -> list[list[Segment]]:
    """The right end of each row of the plot: the horizon's total as a band of its own, with its figures."""
    place, found, colours = scene.place, scene.fan.total, scene.colours
    if not place.right or found is None:
        return [[] for _ in range(place.height)]
    widest_first = sorted(found.intervals, key=lambda interval: -interval[0])[:3]
    bands = [Band(level, (low,), (high,)) for level, low, high in widest_first]
    [column] = columns(bands, View(0, 1), (1, place.height), scene.top, at=0.5, stepped=True, quantum=scene.quantum)
    chars, pairs, grounds = cell_table(colours.bands, scene.mode)
    labels = _total_labels(scene)
    rows = []
    for y, code in enumerate(reversed(column)):
        fill = Segment(chars[code] * TOTAL_BAND, style(*pairs[code]))
        if y == scene.row(found.mean):
            fill = Segment(scene.marks.line * TOTAL_BAND, style(colours.mean, grounds[code]))
        text, colour = labels.get(y, ("", None))
        rows.append([*scene.fitted([], 1), fill, *scene.fitted([(" " + text, colour)], place.right - TOTAL_BAND - 1)])
    return rows


def _time_words(scene: Scene, ticks: Sequence[tuple[int, TimeTick]]) -> Cells:
    """The words below the axis, each where it is two cells from others."""
    place, colours = scene.place, scene.colours
    words: Cells = {}
    for i, choices in label_choices([tick for _, tick in ticks], dated=scene.dated):
        x, tick = ticks[i]
        for label in choices:
            start = min(max(x - len(label) // 2, 0), place.width - len(label))
            if start >= 0 and not any(column in words for column in range(start - APART, start + len(label) + APART)):
                place_text(words, start, label, colours.strong if tick.major else colours.text, place.width)
                break
    return words


def _swatch(scene: Scene, level: int) -> tuple[str, str | None]:
    colours = scene.colours
    if scene.mode.depth == "none":
        return SHADES[scene.mode.glyphs == "ascii"][level] * SWATCH, None
    if colours.bands[level] == colours.bands[0]:
        return scene.marks.outline * SWATCH, colours.text
    if scene.mode.glyphs == "ascii":
        return "##", colours.bands[level]
    return scene.marks.swatch * SWATCH, colours.bands[level]


def _total_labels(scene: Scene) -> dict[int, tuple[str, str | None]]:
    found = scene.fan.total
    if found is None:
        return {}
    labels = {scene.row(found.mean): (format_count(found.mean), scene.colours.mean)}
    for _, low, high in sorted(found.intervals, key=lambda interval: -interval[0]):
        for value in (high, low):
            labels.setdefault(scene.row(value), (format_count(value), scene.colours.text))
    return labels


def _label(scene: Scene, event: Event, room: int, *, after: bool = False) -> list[str]:
    """A mark and a name (the mark `after` it) as cells, a wide character followed by an empty one; at most `room`."""
    parts = [scene.marks.event, *([scene.plain(event.name)] if room > 3 else [])]
    text = " ".join(reversed(parts) if after else parts)
    if cell_len(text) > room:
        text = set_cell_size(text, room - 1) + ("~" if scene.mode.glyphs == "ascii" else "…")
    cells: list[str] = []
    for char in text:
        size = cell_len(char)
        if size == 0:
            if cells:
                cells[-1] += char
            continue
        cells += [char, *[""] * (size - 1)]
    return cells[:room]


def _closed_up(scene: Scene, step: int, parts: Parts) -> Parts:
    """When and what, nearer to each other and in brief where there is no room."""
    colours = scene.colours
    for gap, brief in ((3, False), (2, False), (2, True), (1, True)):
        found = [(text.rstrip(" ") + " " * gap if text.endswith("   ") else text, colour) for text, colour in parts]
        found.insert(0, (f" {_when(scene, step, brief=brief)}{' ' * gap}", colours.strong))
        if sum(cell_len(text) for text, _ in found) - gap <= _width(scene):
            break
    return found


def _when(scene: Scene, step: int, *, brief: bool) -> str:
    fan = scene.fan
    try:
        start, middle, end = (fan.moment(step + part).astimezone(scene.zone) for part in (0.0, 0.5, 1.0))
    except (OverflowError, ValueError):
        return f"step {step}"
    if fan.at_end:
        return f"until {_date(end, year=scene.dated, weekday=not brief)} {end:%H:%M}"
    if fan.step >= timedelta(days=1):
        return _date(middle, year=True, weekday=not brief)
    until = "" if brief else f"{scene.marks.dash}{end:%H:%M}"
    return f"{_date(start, year=scene.dated, weekday=not brief)} {start:%H:%M}{until}"


def _date(moment: datetime, *, year: bool, weekday: bool) -> str:
    return f"{f'{moment:%a} ' if weekday else ''}{moment.day} {moment:%b}{f' {moment.year}' if year else ''}"


def _outside(actual: float, band: Band, step: int) -> bool:
    low, high = _at(band.lower, step), _at(band.upper, step)
    return low is not None and high is not None and not low <= actual <= high


def _at(values: Values, step: int) -> float | None:
    return values[step] if step < len(values) else None


def _width(scene: Scene) -> int:
    return scene.place.left + scene.place.width + scene.place.right
