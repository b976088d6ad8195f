"""Ask before what cannot be undone: the safe answer has the focus, and the worst has to be typed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from musktracker.text import printable
from tui.widgets.entry import Entry


class Confirm(ModalScreen[bool]):
    """A question with what its yes would do; closes with True only for that yes.

    With `typed`, the yes is open only after that very text has been typed.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(False)", "Keep things as they are", id="confirm.no"),
        Binding("left,h", "app.focus_previous", "Other answer", show=False, id="confirm.left"),
        Binding("right,l", "app.focus_next", "Other answer", show=False, id="confirm.right"),
    ]
    DEFAULT_CSS = """
    Confirm { align: center middle; }
    Confirm > VerticalScroll {
        width: 72; max-width: 100%; height: auto; max-height: 100%; padding: 0 2;
        background: $surface; border: round $warning; border-title-color: $warning;
    }
    Confirm #lines { height: auto; margin-top: 1; }
    Confirm .line { height: auto; min-height: 1; }
    Confirm #ask { margin-top: 1; color: $warning; }
    Confirm Input { border: none; height: 1; padding: 0 1; background: $panel; }
    Confirm Input:focus { border: none; background: $block-cursor-blurred-background; }
    Confirm Horizontal { height: 1; margin: 1 0; align-horizontal: right; }
    Confirm Button { margin-left: 2; }
    Confirm #yes:disabled, Confirm #no:disabled {
        opacity: 100%; text-opacity: 100%; background: $surface; color: $text-faint;
    }
    """

    def __init__(
        self, title: str, lines: Sequence[str], *, yes: str, no: str = "Cancel", typed: str | None = None
    ) -> None:
        super().__init__()
        self._question, self._lines, self._yes, self._no, self._typed = title, lines, yes, no, typed

    def compose(self) -> ComposeResult:
        """The question, what it would do, and the answers."""
        with VerticalScroll(can_focus=False) as panel:
            panel.border_title = Content(printable(self._question))
            with Vertical(id="lines"):
                for line in self._lines:
                    yield Static(printable(line), markup=False, classes="line")
            if self._typed is not None:
                yield Static(f"Type {printable(self._typed)} to go on:", markup=False, id="ask")
                yield Entry(id="typed", compact=False)
            with Horizontal():
                yield Button(self._no, id="no", compact=True)
                yield Button(self._yes, id="yes", variant="error", compact=True, disabled=self._typed is not None)

    def on_mount(self) -> None:
        """Focus the safe answer, or where the text is typed."""
        self.query_one("#no" if self._typed is None else "#typed").focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Open the yes for the right text alone."""
        self.query_one("#yes", Button).disabled = event.value.strip() != self._typed

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter after the right text means yes: the first, where several come at once."""
        if self.is_current and event.value.strip() == self._typed:
            self.dismiss(True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        self.dismiss(event.button.id == "yes")
