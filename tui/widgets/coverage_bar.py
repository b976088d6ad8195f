"""Which time was observed, as one line of cells: full, in part, not at all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from musktracker.timeline import Span, holes
from tui.exporting import Exported, of_series

if TYPE_CHECKING:
    from rich.style import Style

FULL, PART, NONE = "█", "▒", "·"


class CoverageBar(Widget):
    """A stretch of time from left to right; `set_spans` says what of it was observed."""

    COMPONENT_CLASSES = {"coverage--full", "coverage--part", "coverage--none"}  # noqa: RUF012
    DEFAULT_CSS = """
    CoverageBar {
        height: 1;
        & > .coverage--full { color: $success; }
        & > .coverage--part { color: $warning; }
        & > .coverage--none { color: $error; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._spans: Sequence[Span] = ()
        self._within: Span | None = None

    def set_spans(self, spans: Sequence[Span], within: Span) -> None:
        """Show what of `within` the spans cover."""
        if (spans, within) != (self._spans, self._within):
            self._spans, self._within = spans, within
            self.refresh()

    def exported(self) -> Exported | None:
        """What was observed and what was not, span by span."""
        if self._within is None:
            return None
        within, missing = self._within, holes(self._spans, self._within)
        spans = [(hole, False) for hole in missing] + [(span, True) for span in holes(missing, within)]
        spans.sort(key=lambda each: each[0].start)
        return of_series([{"start": s.start, "end": s.end, "observed": observed} for s, observed in spans])

    def render_line(self, y: int) -> Strip:  # noqa: ARG002
        """The bar; neighbours that look alike are one segment."""
        width, base = self.size.width, self.rich_style
        if self._within is None:
            return Strip.blank(width, base)
        looks = {FULL: "full", PART: "part", NONE: "none"}
        styles: dict[str, Style] = {
            mark: self.get_component_rich_style(f"coverage--{name}") for mark, name in looks.items()
        }
        segments: list[Segment] = []
        for mark in coverage_marks(self._spans, self._within, width):
            if segments and segments[-1].text[0] == mark:
                segments[-1] = Segment(segments[-1].text + mark, styles[mark])
            else:
                segments.append(Segment(mark, styles[mark]))
        return Strip(segments, width)


def coverage_marks(spans: Sequence[Span], within: Span, width: int) -> str:
    """One mark for each of `width` equal parts of `within`: covered in full, in part, or not."""
    missing = holes(spans, within)
    step = (within.end - within.start) / max(width, 1)
    marks = []
    for i in range(width):
        start = within.start + i * step
        end = start + step if i < width - 1 else within.end
        lost = sum((max(min(hole.end, end) - max(hole.start, start), timedelta()) for hole in missing), timedelta())
        marks.append(FULL if not lost else NONE if lost >= end - start else PART)
    return "".join(marks)
