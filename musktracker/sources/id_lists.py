"""Lists of nothing but posts' ids: one or several in a line, with whatever is between them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from musktracker.sources.file_posts import Posts, Unknown
from musktracker.sources.records import TOO_LONG, Line
from musktracker.sources.rows import author_in

FEW_COLUMNS = 3  # may be a post's id and those it refers to
REMARK = re.compile(r"\s*(?:#|sep=.?\s*$|$)")  # a line that is about no post
WHOLE_ID = re.compile(r"[0-9]{17,19}|\S*/status(?:es)?/[0-9]{1,19}(?:[/?#]\S*)?")  # never a time, too


def are_ids(sample: Sequence[str]) -> bool:
    """Whether lines are of nothing but posts' ids, with several in a line or with brackets around them.

    Raises Unknown where they may as well be a table of posts and those that they refer to.
    """
    rows = [pieces_of(line) for line in sample]
    if not all(WHOLE_ID.fullmatch(piece) for row in rows for piece in row):
        return False
    widths = {len(row) for row in rows if row}
    if max(widths, default=0) < 2:
        return any(map(_BRACKET.search, sample)) and bool(widths)
    if len(rows) > 1 and len(widths) == 1 and min(widths) <= FEW_COLUMNS and not any(map(_BRACKET.search, sample)):
        raise Unknown(
            "holds several ids in each line, and nothing says which is the post's",
            "Say which: --map id=1; or write one id a line",
        )
    return True


def require_one_id(line: str) -> None:
    """Refuse a single line of which nothing says what it is, with several ids in it. Raises Unknown."""
    if len(_LONG_ID.findall(line)) > 1:
        raise Unknown(
            "is one line with several ids and other words",
            "Write one id a line; or say which is the post's: --map id=1",
        )


def read_ids(lines: Iterator[Line], posts: Posts) -> None:
    """Take every id of a list."""
    for number, line in enumerate(lines, 1):
        if line is None:
            posts.reject(number, TOO_LONG)
        elif not REMARK.match(line):
            add_ids(number, pieces_of(line), posts)


def add_ids(line: int, cells: Sequence[str], posts: Posts) -> None:
    """Take the ids of a line."""
    for cell in cells:
        author = author_in(cell)
        if author is None or posts.wants(author):
            posts.add(line, cell)


def pieces_of(line: str) -> list[str]:
    """What a line holds, without what is between, and without a name before it."""
    return [piece for piece in _BETWEEN.split(_NAME_BEFORE.sub("", line)) if piece]


_BETWEEN = re.compile(r"[\s,;|\[\](){}\"']+")
_NAME_BEFORE = re.compile(r"^\s*[A-Za-z_]\w*\s*[=:](?!//)")
_LONG_ID = re.compile(r"(?<![0-9])[0-9]{17,19}(?![0-9])")
_BRACKET = re.compile(r"[\[\](){}]")
