"""The fan chart as a widget: a cursor that reads values out, zoom and pan by key."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import ClassVar, cast

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from musktracker.text import printable
from tui.exporting import Exported, of_series
from tui.widgets.fan import Fan, View, whole
from tui.widgets.fan_plot import Plot, draw, plot
from tui.widgets.fan_scene import Scene, compose, style
from tui.widgets.plot_palette import Mode, of_app, palette

ZOOM = 1.5
PAN = 0.25  # of what is in view
NARROWEST = 6.0  # steps


class FanChart(Widget, can_focus=True):
    """A fan chart over all the room it has. `set_fan` gives it data; without any it says what is missing."""

    DEFAULT_CSS = """
    FanChart { height: 1fr; min-height: 5; background: $background; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "left", "cursor(-1)", "Read off", key_display="←→", tooltip="Read values off, earlier", id="chart.left"
        ),
        Binding("right", "cursor(1)", "Later", show=False, tooltip="Read values off, later", id="chart.right"),
        Binding("shift+left", "cursor(-10)", "Far earlier", show=False, tooltip="Ten columns earlier"),
        Binding("shift+right", "cursor(10)", "Far later", show=False, tooltip="Ten columns later"),
        Binding("plus,equals_sign", "zoom(1)", "Zoom", key_display="+ −", tooltip="Show less, larger", id="chart.in"),
        Binding("minus", "zoom(-1)", "Zoom out", show=False, tooltip="Show more, smaller", id="chart.out"),
        Binding(
            "left_square_bracket,h", "pan(-1)", "Pan", key_display="[ ]", tooltip="Earlier times", id="chart.back"
        ),
        Binding("right_square_bracket,l", "pan(1)", "Pan on", show=False, tooltip="Later times", id="chart.on"),
        Binding("0", "reset", "Whole", show=False, tooltip="The view it began with", id="chart.reset"),
        Binding("home", "jump(0)", "Start", show=False, tooltip="Read off the start of the view"),
        Binding("end", "jump(1)", "End", show=False, tooltip="Read off the end of the view"),
        Binding("o", "origin", "Origin", show=False, tooltip="Read off where the forecast begins"),
    ]

    def __init__(self, *, id: str | None = None, empty: str = "Nothing to draw yet") -> None:
        super().__init__(id=id)
        self.fan: Fan | None = None
        self.cursor: int | None = None
        self.view: View | None = None
        self.empty = empty
        self._home: View | None = None
        self._mode: Mode | None = None
        self._strips: list[Strip] = []
        self._scene: Scene | None = None
        self._plot: Plot | None = None

    @property
    def mode(self) -> Mode:
        """What this terminal can show."""
        if self._mode is None:
            self._mode = of_app(self.app)
        return self._mode

    def set_fan(self, fan: Fan | None, *, view: View | None = None, keep: bool = False) -> None:
        """Show other data, in `view` at first; with `keep`, where the user has zoomed and read off stays."""
        fan = fan.sound() if fan is not None else None
        if keep and fan == self.fan and view in (None, self._home):
            return
        self.fan = fan
        self._home = view or (whole(fan) if fan is not None else None)
        if not keep or self.view is None:
            self.view, self.cursor = self._home, None
        self._redraw()

    def say(self, text: str) -> None:
        """The words that stand where there are no data."""
        if text != self.empty:
            self.empty = text
            if self.fan is None:
                self._redraw()

    def exported(self) -> Exported | None:
        """The steps in view with what was observed, the mean and the bands; None where there are no data."""
        if self.fan is None or self.view is None:
            return None
        first, last = max(int(self.view.first), 0), min(int(self.view.last), self.fan.steps)
        return of_series([self.fan.at(step) for step in range(first, last)])

    def render_line(self, y: int) -> Strip:
        """One line of the drawing, which is made when it is first asked for."""
        if not self._strips:
            self._draw()
        if y < len(self._strips):
            return self._strips[y]
        return Strip.blank(self.size.width, self.rich_style)

    def on_resize(self) -> None:
        """Another size is another drawing."""
        self._redraw()

    def on_mount(self) -> None:
        """Draw anew when the theme changes."""
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self._redraw())

    def action_cursor(self, by: int) -> None:
        """Move the read-out by columns, or by steps where a step is wider."""
        if self.fan is None or self.view is None or not self.fan.steps:
            return
        if self.cursor is None:
            self._read_off(self._first_cursor())
            return
        stride = max(round(self.view.span / max(self.size.width - 8, 1)), 1)
        self._read_off(self.cursor + by * stride)

    def action_jump(self, part: int) -> None:
        """Read off one end of what is in view."""
        if self.view is not None:
            self._read_off(int(self.view.last) - 1 if part else int(self.view.first))

    def action_origin(self) -> None:
        """Read off the first hour of the forecast."""
        if self.fan is not None and self.fan.origin is not None:
            self._read_off(int(self.fan.position(self.fan.origin)))

    def action_zoom(self, direction: int) -> None:
        """Show less or more time around the cursor, or around the origin."""
        if self.fan is None or self.view is None:
            return
        centre = self._centre()
        part = min(max((centre - self.view.first) / self.view.span, 0.0), 1.0)
        span = self.view.span / ZOOM if direction > 0 else self.view.span * ZOOM
        span = min(max(span, min(NARROWEST, whole(self.fan).span)), whole(self.fan).span)
        self._show(View(centre - part * span, centre - part * span + span))

    def action_pan(self, direction: int) -> None:
        """Show earlier or later times."""
        if self.view is not None:
            by = direction * self.view.span * PAN
            self._show(View(self.view.first + by, self.view.last + by))

    def action_reset(self) -> None:
        """Show what was shown at first, and the legend again."""
        self.view, self.cursor = self._home, None
        self._redraw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Without data there is nothing to move in."""
        return True if self.fan is not None or action not in ("cursor", "zoom", "pan") else None

    def on_click(self, event: events.Click) -> None:
        """Read off the column under the pointer, where the mouse is on."""
        if self._scene is not None and self.view is not None:
            place = self._scene.place
            position = self.view.first + (event.x - place.left + 0.5) * self.view.span / max(place.width, 1)
            self._read_off(int(position))

    def _read_off(self, step: int) -> None:
        if self.fan is None or self.view is None or self._scene is None or not self.fan.steps:
            return
        before = self._marked()
        self.cursor = min(max(step, 0), self.fan.steps - 1)
        if not self.view.first <= self.cursor < self.view.last:
            by = self.cursor + 0.5 - (self.view.first + self.view.last) / 2
            self._show(View(self.view.first + by, self.view.last + by))
            return
        self._draw()
        self.refresh(Region(0, 0, self.size.width, 1), *before, *self._marked())

    def _marked(self) -> list[Region]:
        """The cells that the cursor changes, beside the read-out: little for a slow line to carry."""
        scene = self._scene
        if scene is None or scene.cursor is None:
            return []
        place = scene.place
        x, top = place.left + scene.column(scene.cursor + scene.at), int(place.legend)
        regions = [Region(x, top + place.height, 1, 1)] if place.times else []
        point = scene.point()
        return regions if point is None else [*regions, Region(x, top + point[1], 1, 1)]

    def _show(self, view: View) -> None:
        if self.fan is None:
            return
        limits = whole(self.fan)
        span = min(view.span, limits.span)
        first = min(max(view.first, 0.0), limits.last - span)
        self.view = View(first, first + span)
        self._redraw()

    def _centre(self) -> float:
        if self.fan is None or self.view is None:
            return 0.0
        if self.cursor is not None:
            return self.cursor + 0.5
        origin = self.fan.position(self.fan.origin) if self.fan.origin is not None else None
        if origin is not None and self.view.first <= origin <= self.view.last:
            return origin
        return (self.view.first + self.view.last) / 2

    def _first_cursor(self) -> int:
        return min(max(int(self._centre()), 0), (self.fan.steps if self.fan else 1) - 1)

    def _redraw(self) -> None:
        self._strips, self._plot = [], None
        self.refresh()

    def _draw(self) -> None:
        width, height = self.size
        if self.fan is None or width < 1 or height < 1:
            self._scene = None
            self._strips = self._empty_strips(width, height, self.empty)
            return
        try:
            if self._scene is None or self._plot is None:
                self._scene = self._composed(self.fan, width, height)
                self._plot = plot(self._scene)
            else:  # only the cursor moved
                self._scene = replace(self._scene, cursor=self.cursor)
            self._strips = draw(self._scene, self._plot)
        except Exception as error:  # of figures that others wrote, and that cannot be: no reason to end
            self._scene = None
            words = printable(f"This cannot be drawn: {type(error).__name__}: {error}")
            self._strips = self._empty_strips(width, height, words)

    def _composed(self, fan: Fan, width: int, height: int) -> Scene:
        colours = palette(self.mode.depth, dark=self.app.current_theme.dark)
        return compose(fan, width, height, self.mode, colours, self.view, self.cursor, self._zone(), self._now())

    def _empty_strips(self, width: int, height: int, words: str) -> list[Strip]:
        lines = words.splitlines()
        colours = palette(self.mode.depth, dark=self.app.current_theme.dark)
        look = style(colours.text, colours.bands[0])
        strips = []
        for y in range(height):
            index = y - (height - len(lines)) // 2
            text = lines[index] if 0 <= index < len(lines) else ""
            strips.append(Strip([Segment(text[:width].center(width), look)], width))
        return strips

    def _zone(self) -> tzinfo:
        return cast(tzinfo, getattr(self.app, "zone", UTC))

    def _now(self) -> datetime | None:
        clock = getattr(self.app, "now", None)
        return clock() if clock is not None else None
