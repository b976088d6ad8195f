"""One line of words in several tones, painted only when it differs."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from musktracker.text import printable

Parts = list[tuple[str, str]]  # texts, which may be untrusted, with the tone of each
TONES = {
    "": "",
    "dim": "$text-muted",
    "strong": "bold $accent",
    "good": "$success",
    "bad": "$error",
    "warning": "$warning",
}


class TonedLine(Static):
    """Words with a tone each: dim, strong, good, bad, warning or none. What has no room is cut off."""

    DEFAULT_CSS = "TonedLine { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self._line = Content("")

    def set_parts(self, parts: Parts) -> None:
        """Show these."""
        line = Content.assemble(*((printable(text), TONES[tone]) for text, tone in parts))
        if not line.is_same(self._line):
            self._line = line
            self.update(line)

    @property
    def text(self) -> str:
        """What it says."""
        return self._line.plain
