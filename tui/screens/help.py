"""Help on where the user stands: the keys of the screen, the focused widget and the console; words and marks."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Grid
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Static

from tui.screens.terms import Terms
from tui.widgets.keys import BACK
from tui.widgets.pane import Pane

KEY_WIDTH = 16
LAST = ("app.focus_next", "app.focus_previous", BACK)  # after what is the place's own
ON_SCREEN, IN_PANEL, EVERYWHERE = "On this screen", "In this panel", "Everywhere"


class HelpScreen(ModalScreen[None]):
    """What each key does here, and what the words and marks of the screen say."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "Close", id="help.close"),
    ]
    DEFAULT_CSS = """
    HelpScreen { align: center middle; }
    HelpScreen > Pane {
        width: 76; max-width: 100%; height: auto; max-height: 90%; padding: 0 2;
        background: $surface; border: round $border; border-title-color: $accent;
        border-subtitle-color: $text-muted;
    }
    HelpScreen .heading { color: $accent; text-style: bold; margin-top: 1; }
    HelpScreen .about { color: $text-muted; }
    HelpScreen .keys { margin-bottom: 1; }
    HelpScreen .terms {
        grid-size: 2; grid-columns: 16 1fr; grid-rows: auto; height: auto; margin-bottom: 1;
    }
    HelpScreen .term { color: $text-accent; }
    """

    def __init__(self, place: Screen[Any], focused: Widget | None) -> None:
        super().__init__()
        self._title = place.title or type(place).__name__
        self._about = inspect.getdoc(type(place)) or ""
        self._groups = _groups(place, focused)
        self._terms: Terms = getattr(place, "TERMS", ())

    def compose(self) -> ComposeResult:
        """The screen's own keys first, then the panel's, the words, and what works everywhere."""
        with Pane() as panel:
            panel.border_title = self._title
            panel.border_subtitle = "j k scroll   esc close"
            yield Static(self._about, markup=False, classes="about")
            for heading, bindings in self._groups:
                if heading == EVERYWHERE:
                    yield from self._words()
                yield Static(heading, markup=False, classes="heading")
                yield Static(Content("\n").join(self._line(binding) for binding in bindings), classes="keys")

    def _words(self) -> ComposeResult:
        if self._terms:
            yield Static("Words and marks", markup=False, classes="heading")
            with Grid(classes="terms"):
                for term, meaning in self._terms:
                    yield Static(term, markup=False, classes="term")
                    yield Static(meaning, markup=False)

    def _line(self, bindings: list[Binding]) -> Content:
        shown = [self.app.get_key_display(binding) for binding in bindings if "super+" not in binding.key]
        keys = " ".join(dict.fromkeys(shown))
        text = bindings[0].tooltip or bindings[0].description
        return Content.styled(f"{keys:<{KEY_WIDTH}}", "$text-accent") + Content(text)


def _groups(place: Screen[Any], focused: Widget | None) -> list[tuple[str, list[list[Binding]]]]:
    levels: dict[str, dict[str, list[Binding]]] = {}
    for active in place.active_bindings.values():
        if active.binding.description and not active.binding.system:
            actions = levels.setdefault(_level(active, place, focused), {})
            actions.setdefault(active.binding.action, []).append(active.binding)
    order = [ON_SCREEN, IN_PANEL, EVERYWHERE]
    for actions in levels.values():
        for last in LAST:
            if last in actions:
                actions[last] = actions.pop(last)
    return [(level, list(levels[level].values())) for level in order if level in levels]


def _level(active: ActiveBinding, place: Screen[Any], focused: Widget | None) -> str:
    node: DOMNode = active.node
    if node is place:
        return ON_SCREEN if active.binding.id else EVERYWHERE
    return IN_PANEL if isinstance(node, Widget) and focused is not None else EVERYWHERE
