"""What is longer than its place: scrolled by the keys that lists have."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll


class Pane(VerticalScroll, can_focus=True):
    """A scrolling box."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "Down", show=False, tooltip="Scroll down", id="pane.down"),
        Binding("k", "scroll_up", "Up", show=False, tooltip="Scroll up", id="pane.up"),
        Binding("g", "scroll_home", "Start", show=False, tooltip="Go to the start", id="pane.start"),
        Binding("G", "scroll_end", "End", show=False, tooltip="Go to the end", id="pane.end"),
    ]
