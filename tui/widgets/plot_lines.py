"""Lines drawn with dots, two by four to a cell, and the glyphs that show them: braille, half blocks or ASCII.

A dot column is one integer, its lowest bit the top dot, so that a vertical stroke is one operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

DOTS_ACROSS, DOTS_DOWN = 2, 4
LEFT_DOTS, RIGHT_DOTS = (0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80)

Point = tuple[int, int] | None
Glyph = Callable[[int, int], str]


class Dots:
    """A canvas of `width` by `height` cells."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.columns = [0] * (width * DOTS_ACROSS)

    def trace(self, points: Sequence[Point]) -> None:
        """Connect neighbouring points (dot column, dot row from the top); None is a gap. Columns may lie outside."""
        before: Point = None
        for point in points:
            if point is not None:
                if before is None:
                    self.stroke(point[0], point[1], point[1])
                else:
                    self._connect(*before, *point)
            before = point

    def stroke(self, x: int, y: int, to: int) -> None:
        """A vertical stroke in one dot column, both ends included."""
        if 0 <= x < len(self.columns):
            top, bottom = (y, to) if y <= to else (to, y)
            self.columns[x] |= ((1 << (bottom - top + 1)) - 1) << top

    def thin(self, period: int) -> None:
        """Keep every `period`th dot column, so that a line becomes a dotted one."""
        for x in range(len(self.columns)):
            if x % period:
                self.columns[x] = 0

    def dash(self, length: int) -> None:
        """Keep and take away `length` dot columns in turn, so that a line becomes a dashed one."""
        for x in range(len(self.columns)):
            if x // length % 2:
                self.columns[x] = 0

    def cells(self) -> Iterator[tuple[int, int, int, int]]:
        """The cells that hold dots: column, row, and the four dots of their left and right half as bits."""
        columns = self.columns
        for x in range(self.width):
            left, right = columns[2 * x], columns[2 * x + 1]
            rest = left | right
            while rest:
                y = ((rest & -rest).bit_length() - 1) >> 2
                yield x, y, left >> 4 * y & 15, right >> 4 * y & 15
                rest &= ~(15 << 4 * y)

    def _connect(self, x0: int, y0: int, x1: int, y1: int) -> None:
        if x0 == x1:
            self.stroke(x0, y0, y1)
            return
        rise, run = y1 - y0, x1 - x0
        first, last = max(x0 + 1, 0), min(x1, len(self.columns) - 1)
        y = y0 + round(rise * (first - 1 - x0) / run)
        self.stroke(first - 1, y, y)
        for x in range(first, last + 1):
            before, y = y, y0 + round(rise * (x - x0) / run)
            if -1 <= y - before <= 1:
                self.columns[x] |= 1 << y
            else:
                middle = (before + y) // 2
                self.stroke(x - 1, before, middle)
                self.stroke(x, middle + (1 if y > before else 0), y)


def braille(left: int, right: int) -> str:
    """The braille pattern of a cell's dots."""
    return _BRAILLE[left << 4 | right]


def blocks(left: int, right: int) -> str:
    """Half blocks, for terminals whose font has no braille."""
    both = left | right
    return "█" if both & 3 and both & 12 else "▀" if both & 3 else "▄"


def dotted(left: int, right: int) -> str:  # noqa: ARG001
    """A point in the middle: an outline that half blocks would make a wall."""
    return "·"


def ascii_line(left: int, right: int) -> str:
    """A mark high, in the middle or low in the cell, or a stroke through it."""
    both = left | right
    if both & 1 and both & 8:
        return "|"
    return "'" if both & 1 else "-" if both & 6 else "."


def ascii_stars(left: int, right: int) -> str:  # noqa: ARG001
    """A star: a line that stands out from bands drawn with characters."""
    return "*"


def ascii_marks(left: int, right: int) -> str:  # noqa: ARG001
    """A plus sign: a second line, told from the first where there is no colour."""
    return "+"


def ascii_rings(left: int, right: int) -> str:  # noqa: ARG001
    """A ring: a third line, told from the others where there is no colour."""
    return "o"


def _patterns() -> list[str]:
    found = []
    for left in range(16):
        for right in range(16):
            dots = sum(LEFT_DOTS[i] for i in range(4) if left >> i & 1)
            dots += sum(RIGHT_DOTS[i] for i in range(4) if right >> i & 1)
            found.append(chr(0x2800 + dots))
    return found


_BRAILLE = _patterns()
