"""A line to type in, which keeps what a line can hold: a whole file may be pasted by mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.events import Key, Paste
from textual.geometry import Region
from textual.widgets import Input

from musktracker.text import printable

if TYPE_CHECKING:
    from tui.app import Console

LONGEST = 4096  # of a path; nothing else that is typed comes near it
TOLD_SECONDS = 4.0
DELETIONS = "delete_"  # how the actions begin that take characters away


class Entry(Input):
    """Textual's, with a cursor that does not blink and at most `longest` characters, but for what it began with."""

    app: Console

    def __init__(
        self,
        value: str = "",
        *,
        longest: int = LONGEST,
        placeholder: str = "",
        id: str | None = None,
        compact: bool = True,
        select_on_focus: bool = True,
    ) -> None:
        super().__init__(value, placeholder=placeholder, id=id, compact=compact, select_on_focus=select_on_focus)
        self.cursor_blink = False
        self._longest = longest
        self._told_at = float("-inf")

    def replace(self, text: str, start: int, end: int) -> None:
        """Put a text in the place of a part, cut off where it is too long."""
        start, end = sorted((max(0, start), min(len(self.value), end)))
        stays = len(self.value) - (end - start)
        kept = text[: max(self._longest - stays, 0)]
        if kept or start < end:
            super().replace(kept, start, end)
        if len(kept) > 1:  # its width is known only once it is drawn
            self.call_after_refresh(self._show_cursor)
        if kept != text and self.app.monotonic() - self._told_at > TOLD_SECONDS:  # what comes in pieces is told once
            self._told_at = self.app.monotonic()
            self.notify(f"This line holds {self._longest:,} characters", severity="warning", timeout=TOLD_SECONDS)

    async def _on_key(self, event: Key) -> None:
        """Delete at once: it would be done after the letters that were typed behind it.

        Other keys have their turn with those of the form: whoever goes two fields down, then right, means that field.
        """
        bindings = self._bindings.key_to_bindings.get(event.key, [])
        deletion = next((binding.action for binding in bindings if binding.action.startswith(DELETIONS)), None)
        if deletion is not None:
            event.stop()
            event.prevent_default()
            await self.run_action(deletion)

    @property
    def _value(self) -> Text:
        """What is drawn: controls that others wrote are marks, and stay what they are until somebody mends them."""
        return Text(printable(self.value), no_wrap=True, overflow="ignore", end="")

    def _show_cursor(self) -> None:
        self.scroll_to_region(Region(self._cursor_offset, 0, 1, 1), force=True, animate=False)

    def _on_paste(self, event: Paste) -> None:
        """Only its first line, which is told, and no controls; what Textual's does with it comes after this."""
        lines = event.text.strip("\r\n").splitlines() if event.text.strip() else [""]
        event.text = printable(lines[0])
        if any(line.strip() for line in lines[1:]):
            words = f"Only the first of {len(lines):,} lines was pasted: this holds one"
            self.notify(words, severity="warning", timeout=TOLD_SECONDS)
