"""What the terminal shows, cell by cell, so that only what differs from it is sent over the line."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from rich.cells import cell_len, split_graphemes
from rich.color import ColorSystem
from rich.console import Console as RichConsole
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.cache import LRUCache
from textual.strip import Strip

SPLIT_TEXTS = 512  # of which the cells are remembered
WORTH_A_MOVE = 6  # cells: to send as many again is no longer than to move the cursor over them
EMOJI = "\U0001f000"  # from here on, terminals follow one version of Unicode or another
KEPT_STRIPS = 256  # of which the cells are remembered
Cells = tuple[list[str], list["Pen"], bool]  # texts, pens, and whether each cell holds just one character
Piece = tuple[int, int, Strip]  # row, column, and what stands there from that column on


class Pen(NamedTuple):
    """How a cell is drawn: the parts of an SGR sequence; an empty colour is the terminal's own, None is any."""

    attributes: str
    colour: str | None
    ground: str


NO_PEN = Pen("", "", "")


class Row(NamedTuple):
    """The cells of a row; None is a cell of which nothing is known. A wide character's second cell holds nothing."""

    texts: list[str | None]
    pens: list[Pen | None]


class Frame:
    """The cells that the terminal shows, as far as they are known."""

    def __init__(self) -> None:
        self._rows: dict[int, Row] = {}
        self._pens: dict[Hashable, Pen] = {}
        self._of_strips: LRUCache[int, tuple[Strip, Cells]] = LRUCache(KEPT_STRIPS)

    def forget(self) -> None:
        """Know of no cell any more: whatever comes is sent whole."""
        self._rows.clear()

    def sequence(self, pieces: Iterable[Piece], system: ColorSystem) -> str:
        """What to send so that the terminal shows these pieces; it leaves the terminal's pen as it was at first."""
        line = _Line()
        for y, x, strip in pieces:
            texts, pens, even = self._cells_kept(strip, system)
            known = self._row(y, x + len(texts))
            for start, end in _differing(known, x, texts, pens, even=even):
                line.write(y, start, texts[start - x : end - x], pens[start - x : end - x])
            if not even:
                line.lose_place()  # terminals differ about how wide such characters are
            _replace(known, x, texts, pens)
        return line.ended()

    def _row(self, y: int, width: int) -> Row:
        row = self._rows.setdefault(y, Row([], []))
        missing = width - len(row.texts)
        if missing > 0:
            row.texts.extend([None] * missing)
            row.pens.extend([None] * missing)
        return row

    def _cells_kept(self, strip: Strip, system: ColorSystem) -> Cells:
        """Widgets send the very strips again that they sent before, at another row or beside one that changed."""
        kept = self._of_strips.get(id(strip))
        if kept is None or kept[0] is not strip:
            kept = self._of_strips[id(strip)] = (strip, self._cells(strip, system))
        return kept[1]

    def _cells(self, strip: Strip, system: ColorSystem) -> Cells:
        """Text and pen of every cell, and whether each holds just one character."""
        texts: list[str] = []
        pens: list[Pen] = []
        even = True
        for text, style, control in strip:
            if control:
                continue
            cells, simple = (text, True) if text.isascii() else _split(text)
            even = even and simple
            pen = self._pen(style, system)
            texts += cells
            if pen.attributes or " " not in text:
                pens += [pen] * len(cells)
            else:  # of a blank nobody sees in which colour it is written
                blank = Pen("", None, pen.ground)
                pens += [blank if cell == " " else pen for cell in cells]
        return texts, pens, even

    def _pen(self, style: Style | None, system: ColorSystem) -> Pen:
        if style is None:
            return NO_PEN
        # a style's own hash also counts what is drawn nowhere, such as where in its text a cell is
        key = (style.color, style.bgcolor, style._attributes & style._set_attributes, system)
        pen = self._pens.get(key)
        if pen is None:
            pen = self._pens[key] = _pen(style, system)
        return pen


class Sparing(CompositorUpdate):
    """An update of the compositor, of which only what the terminal does not show yet is sent."""

    def __init__(self, update: LayoutUpdate | ChopsUpdate, frame: Frame) -> None:
        self._update = update
        self._frame = frame

    def render_segments(self, console: RichConsole) -> str:
        """The sequence to send."""
        pieces = _chops(self._update) if isinstance(self._update, ChopsUpdate) else _lines(self._update)
        return self._frame.sequence(pieces, console._color_system or ColorSystem.TRUECOLOR)


class _Line:
    """Writes cells where they belong, with as few moves and changes of the pen as it takes."""

    def __init__(self) -> None:
        self._sent: list[str] = []
        self._place: tuple[int, int] | None = None
        self._pen: Pen | None = None
        self._wanted: Pen | None = None  # which may leave open what `_pen` had to settle

    def write(self, y: int, x: int, texts: list[str], pens: list[Pen]) -> None:
        """Write cells from a place on."""
        if self._place is None or self._place[0] != y:
            self._sent.append(f"\x1b[{y + 1};{x + 1}H")
        elif self._place[1] != x:
            self._sent.append(f"\x1b[{x + 1}G")
        for column, (text, pen) in enumerate(zip(texts, pens, strict=True), x):
            if pen is not self._wanted and pen != self._wanted:
                self._take(pen)
            self._sent.append(_apart(text, column) if _is_odd(text) else text)
        self._place = (y, x + len(texts))

    def lose_place(self) -> None:
        """Move the cursor before anything else is written."""
        self._place = None

    def ended(self) -> str:
        """All that is to be sent."""
        if self._pen is not None:
            self._sent.append("\x1b[0m")
        return "".join(self._sent)

    def _take(self, pen: Pen) -> None:
        self._wanted, before = pen, self._pen
        if pen.colour is None:
            plain = before is not None and not before.attributes
            pen = pen._replace(colour=before.colour if before is not None and plain else "")
        if pen != before:
            self._sent.append(_change(before, pen))
            self._pen = pen


def _differing(known: Row, x: int, texts: list[str], pens: list[Pen], *, even: bool) -> Iterator[tuple[int, int]]:
    """First column of what to send, and the one after its last; in uneven rows all, if anything differs."""
    end = x + len(texts)
    old_texts, old_pens = known.texts[x:end], known.pens[x:end]
    if old_texts == texts and old_pens == pens:
        return
    if not (even and _is_even(old_texts)):
        yield x, end
        return
    start = last = -1
    cells = zip(old_texts, texts, old_pens, pens, strict=True)
    for column, (old_text, text, old_pen, pen) in enumerate(cells, x):
        if old_text == text and (old_pen is pen or old_pen == pen):
            continue
        if start < 0:
            start = column
        elif column - last > WORTH_A_MOVE:
            yield start, last
            start = column
        last = column + 1
    yield start, last


def _is_even(texts: list[str | None]) -> bool:
    """Whether each cell that is known holds just one character."""
    known = [text for text in texts if text is not None]
    return "" not in known and len("".join(known)) == len(known)


def _replace(known: Row, x: int, texts: list[str], pens: list[Pen]) -> None:
    """Note what is shown now; of a wide character that lost a half, the other is not known any more."""
    end = x + len(texts)
    if x and texts and known.texts[x] == "":
        known.texts[x - 1] = None
    if end < len(known.texts) and known.texts[end] == "":
        known.texts[end] = None
    known.texts[x:end] = texts
    known.pens[x:end] = pens


def _chops(update: ChopsUpdate) -> Iterator[Piece]:
    for y, x1, x2 in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is None or x > x2 or end <= x1:
                continue
            yield y, x, strip if x2 > x >= x1 and end <= x2 else strip.crop(0, min(end, x2) - x)


def _lines(update: LayoutUpdate) -> Iterator[Piece]:
    for y, strips in enumerate(update.strips, update.region.y):
        x = update.region.x
        for strip in strips:
            yield y, x, strip
            x += strip.cell_length


def _is_odd(text: str) -> bool:
    """Whether some terminals give it fewer cells, some more: characters that make one, flags and emoji."""
    return len(text) > 1 or text >= EMOJI


def _apart(text: str, column: int) -> str:
    """An odd text, such that whatever room it is given, what follows stands in its place."""
    width = cell_len(text)
    return f"{' ' * width}\x1b[{column + 1}G{text}\x1b[{column + width + 1}G"


@lru_cache(maxsize=SPLIT_TEXTS)
def _split(text: str) -> tuple[Sequence[str], bool]:
    """The cells of a text: what joins the character before has none of its own, a wide character has two."""
    cells: list[str] = []
    simple = True
    for start, end, width in split_graphemes(text)[0]:
        simple = simple and width == 1 and not _is_odd(text[start:end])
        if width:
            cells += [text[start:end], *[""] * (width - 1)]
    return cells, simple


def _pen(style: Style, system: ColorSystem) -> Pen:
    colours = [
        ";".join(colour.downgrade(system).get_ansi_codes(foreground)) if colour is not None else ""
        for colour, foreground in ((style.color, True), (style.bgcolor, False))
    ]
    return Pen(Strip.render_ansi(style.without_color, system), *colours)


def _change(before: Pen | None, pen: Pen) -> str:
    if before is None or before.attributes != pen.attributes:
        return f"\x1b[{';'.join(('0', *filter(None, pen)))}m"
    codes = []
    if pen.colour != before.colour:
        codes.append(pen.colour or "39")
    if pen.ground != before.ground:
        codes.append(pen.ground or "49")
    return f"\x1b[{';'.join(codes)}m"
