"""Text that comes in pieces as lines, and lines as rows of cells, where quotes cannot be trusted."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterator

LONGEST_LINE = 1 << 24
TOO_LONG = f"the line is longer than {LONGEST_LINE:,} characters"

Line = str | None  # None stands for a line too long to hold
Row = list[str] | None  # None stands for a row that is no table's


def split_lines(text: Iterator[str]) -> Iterator[Line]:
    """The lines of a text that comes in pieces, without their ends."""
    rest, lost = "", False
    for piece in text:
        lines = (rest + piece).split("\n")
        rest = lines.pop()
        if lost and lines:
            del lines[0]
            lost = False
            yield None
        yield from lines
        if len(rest) > LONGEST_LINE:
            rest, lost = "", True
    if lost:
        yield None
    elif rest:
        yield rest


def records(
    lines: Iterator[Line],
    delimiter: str,
    row_in: Callable[[str], int | None],
    id_of: Callable[[list[str]], int | None],
    before: int = 0,
) -> Iterator[tuple[int, Row]]:
    """The rows of a table, each with the number of its first line, after those `before`; empty lines are left out.

    A quoted field goes on over line ends, but not into a line with a `row_in` it of another id than the row's.
    """
    waiting: deque[Line] = deque()
    number = before
    while True:
        line = waiting.popleft() if waiting else next(lines, _END)
        if line is _END:
            return
        number += 1
        if line is None:
            yield number, None
        elif not delimiter:
            if line and not line.isspace():
                yield number, [line.strip()]
        elif '"' not in line:
            if line and not line.isspace():
                yield number, line.split(delimiter)
        else:
            block, row = _quoted(line, lines, waiting, delimiter, row_in, id_of)
            yield number, row
            number += len(block) - 1


def _quoted(
    line: str,
    lines: Iterator[Line],
    waiting: deque[Line],
    delimiter: str,
    row_in: Callable[[str], int | None],
    id_of: Callable[[list[str]], int | None],
) -> tuple[list[str], Row]:
    block = [line]

    def feed() -> Iterator[str]:
        yield f"{line}\n"
        while (more := waiting.popleft() if waiting else next(lines, _END)) is not _END:
            if more is None:
                waiting.appendleft(None)
                return
            block.append(more)
            yield f"{more}\n"

    row = _next_row(feed(), delimiter, csv.field_size_limit())  # which bounds how far a stray quote reaches
    if len(block) == 1 and row is not None:
        return block, row
    own = None if row is None else id_of(row)
    swallowed = (i for i, more in enumerate(block) if row_in(more) not in (None, own))
    cut = max(1, next(swallowed, 1 if row is None else len(block)))
    read = len(block)
    if cut < read:
        waiting.extendleft(reversed(block[cut:]))
        block = block[:cut]
    if row is None or cut < read:
        row = _next_row((f"{more}\n" for more in block), delimiter, LONGEST_LINE)
    return block, row


def _next_row(lines: Iterator[str], delimiter: str, longest: int) -> Row:
    limit = csv.field_size_limit(longest)
    try:
        return next(csv.reader(lines, delimiter=delimiter), None)
    except csv.Error:
        return None
    finally:
        csv.field_size_limit(limit)


_END: Line = "\0end"
