"""The line below a list in which a filter is typed, and which says how much it leaves."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from tui.widgets.entry import Entry

LONGEST = 200  # characters of a filter: each word is looked for in every column


class FilterLine(Horizontal):
    """A text to type, and a count beside it. Its list gets `Typed` at each change, and `Done` for enter."""

    DEFAULT_CSS = """
    FilterLine { dock: bottom; height: 1; background: $panel;
        & > Input { width: 1fr; height: 1; border: none; padding: 0 1; background: $panel; }
        & > Static { width: auto; height: 1; padding: 0 1; color: $text-muted; }
    }
    """

    class Typed(Message):
        """The text changed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Done(Message):
        """Enter was pressed."""

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """The text, and the count."""
        yield Entry(self._text, longest=LONGEST, placeholder="show what holds these words")
        yield Static(markup=False)

    def open(self) -> None:
        """Ask for the text."""
        self.display = True
        self.query_one(Input).focus()

    def clear(self) -> None:
        """No text, and no more asking."""
        self.query_one(Input).clear()
        self.display = False

    def tell(self, text: str) -> None:
        """Say what the filter leaves."""
        count = self.query_one(Static)
        if count.content != text:
            count.update(text)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Typed(event.value))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Done())
