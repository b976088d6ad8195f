"""Posts from lines of text: delimited tables with or without a header, lists of ids, logs with posts' addresses.

Tables are read leniently: exports whose texts hold unescaped quotes break any CSV parser, yet each row's id can be
found.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

from musktracker.sources.file_posts import Posts, Unknown
from musktracker.sources.post_times import TOLERANCE, difference, readings
from musktracker.sources.rows import (
    ADDRESS,
    UNSAID,
    Fields,
    author_in,
    fields_of,
    is_deleted,
    kind_code,
    normal,
    post_id,
)
from musktracker.timeline import FIRST_SNOWFLAKE, LAST_SNOWFLAKE, snowflake_time

LONGEST_LINE = 1 << 24
SAMPLE_LINES = 60
DELIMITERS = (",", "\t", ";", "|")
NO_COLUMN = "none"  # given where a file's own times are not those of the posts
MOST_TITLES, LONGEST_TITLE = 8, 200  # lines before a table, and characters of one
FEW_COLUMNS = 3  # may be a post's id and those it refers to

Line = str | None  # None stands for a line too long to hold
Row = list[str] | None  # None stands for a row that is no table's


@dataclass(frozen=True, slots=True)
class Table:
    """How a table is written: delimiter ("" where there is one column), header, and what its columns hold."""

    delimiter: str
    width: int
    header: tuple[str, ...]
    fields: Fields


def read_lines(text: Iterator[str], posts: Posts, mapping: Mapping[str, str]) -> str:
    """Read the posts of a text of any of these forms; returns the form's name. Raises Unknown where it is none."""
    lines = split_lines(_watched(text, posts))
    sample = list(islice(lines, SAMPLE_LINES))
    shown = _shown(sample)
    if not mapping and _are_ids([line for line in shown if not _REMARK.match(line)]):
        _read_ids(chain(sample, lines), posts)
        return "list"
    begin, table = _found(sample, mapping, by_name=posts.author_is_named)
    if table is not None:
        if not mapping and not table.header and table.fields.time is None and len(shown) == 1:
            _require_one_id(shown[0])
        _TableReader(table, posts).read(chain(sample[begin:], lines), begin)
        return "csv" if table.delimiter else "list"
    if any(ADDRESS.search(line) for line in shown) and not mapping:
        _read_log(chain(sample, lines), posts)
        return "log"
    raise _why_unknown(shown, mapping)


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


def _watched(text: Iterator[str], posts: Posts) -> Iterator[str]:
    for piece in text:
        if piece:
            posts.ends_in_line = not piece.endswith("\n")
        yield piece


def _shown(sample: Sequence[Line]) -> list[str]:
    return [line for line in sample if line and not line.isspace() and "\0" not in line]


def _found(sample: Sequence[Line], mapping: Mapping[str, str], *, by_name: bool) -> tuple[int, Table | None]:
    """The table in a text, and with which line it begins: after remarks, and a title where a header comes later."""
    remarks = next((i for i, line in enumerate(sample) if line and not _REMARK.match(line)), 0)
    first = recognised(_shown(sample[remarks:]), mapping, by_name=by_name)
    begins_with_post = not remarks and _ID_INSIDE.search("".join(_shown(sample[:1])))
    if first is not None and (_is_named(first) or mapping or begins_with_post):
        return remarks, first
    for begin in range(min(len(sample), MOST_TITLES)):
        if begin and not _is_title(sample[begin - 1] or ""):
            break
        table = recognised(_shown(sample[begin:]), mapping, by_name=by_name)
        if table is not None and table.delimiter and _is_named(table):
            return begin, table
    return remarks, first


def _is_title(line: str) -> bool:
    return len(line) <= LONGEST_TITLE and not _ID_INSIDE.search(line)


def _is_named(table: Table) -> bool:
    named = fields_of(dict(enumerate(table.header)), {}).ids
    return table.fields.ids[0] in named


def _are_ids(sample: Sequence[str]) -> bool:
    """Whether lines are of nothing but posts' ids, with several in a line or with brackets around them.

    Raises Unknown where they may as well be a table of posts and those that they refer to.
    """
    rows = [_pieces(line) for line in sample]
    if not all(_WHOLE_ID.fullmatch(piece) for row in rows for piece in row):
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


def _require_one_id(line: str) -> None:
    """Refuse a single line of which nothing says what it is, with several ids in it. Raises Unknown."""
    if len(_LONG_ID.findall(line)) > 1:
        raise Unknown(
            "is one line with several ids and other words",
            "Write one id a line; or say which is the post's: --map id=1",
        )


def _pieces(line: str) -> list[str]:
    return [piece for piece in _BETWEEN.split(_NAME_BEFORE.sub("", line)) if piece]


def recognised(sample: Sequence[str], mapping: Mapping[str, str], *, by_name: bool = False) -> Table | None:
    """The table that begins with these lines, or None; `by_name` as in `fields_of`."""
    for delimiter in (*DELIMITERS, "", *_unusual_delimiters(sample)):
        rows = _rows(sample, delimiter)
        if rows and (len(rows[0]) > 1 or not delimiter):
            table = _table(rows, delimiter, mapping, by_name)
            if table is not None:
                return table
    return None


def _rows(sample: Sequence[str], delimiter: str) -> list[list[str]]:
    if not delimiter:
        return [[line.strip()] for line in sample]
    try:
        return [row for row in csv.reader((f"{line}\n" for line in sample), delimiter=delimiter) if row]
    except csv.Error:
        return [line.split(delimiter) for line in sample]


def _unusual_delimiters(sample: Sequence[str]) -> Iterator[str]:
    if any(ADDRESS.search(line) for line in sample):
        return  # a log: its words are no columns
    try:
        found = csv.Sniffer().sniff("\n".join(sample)[:4096]).delimiter
    except csv.Error:
        found = " "
    for delimiter in (found, " "):
        if len(delimiter) == 1 and not delimiter.isalnum() and delimiter not in DELIMITERS:
            yield delimiter


def _table(rows: list[list[str]], delimiter: str, mapping: Mapping[str, str], by_name: bool) -> Table | None:
    width = len(rows[0])
    header = () if any(_is_id(cell) for cell in rows[0]) else tuple(rows[0])
    whole = [row for row in rows[bool(header) :] if len(row) == width]
    positions = _positions(mapping, header, width)
    if positions is None:
        return None
    fields = fields_of(dict(enumerate(header)), positions, by_name=by_name)
    if "id" not in positions:
        ids = _id_columns(whole, header, fields.ids)
        if not ids or (not header and 2 * len(whole) < len(rows)):
            return None
        fields = replace(fields, ids=ids)
    if "created_at" not in positions:
        fields = replace(fields, times=_time_columns(whole, header, fields))
    return Table(delimiter, width, header, fields)


def _positions(mapping: Mapping[str, str], header: Sequence[str], width: int) -> dict[str, int | None] | None:
    found: dict[str, int | None] = {}
    for what, column in mapping.items():
        names = [normal(name) for name in header]
        if column in header:
            found[what] = header.index(column)
        elif normal(column) and normal(column) in names:
            found[what] = names.index(normal(column))
        elif column.isdecimal() and 1 <= int(column) <= width:
            found[what] = int(column) - 1
        elif what == "created_at" and column == NO_COLUMN:
            found[what] = None
        else:
            return None
    return found


def _id_columns(rows: list[list[str]], header: Sequence[str], named: Sequence[int]) -> tuple[int, ...]:
    """The columns to look for ids in, the best first: named ones, else one that holds little but ids."""
    shares = {i: _share(rows, i, _is_snowflake) for i in range(len(rows[0]) if rows else 0)}
    if named:
        digits = {i: _share(rows, i, _is_id) for i in shares}
        return tuple(sorted(named, key=lambda i: (shares.get(i, 0) < 0.5, digits.get(i, 0) < 0.5)))
    full = [
        i for i, share in shares.items() if share >= 0.5 and not (header and _OF_ANOTHER.search(normal(header[i])))
    ]
    distinct = [i for i in full if len({row[i] for row in rows}) == len(rows)]
    if full:
        return ((distinct or full)[0],)
    return (0,) if rows and not header and _share(rows, 0, _is_id) >= 0.5 else ()


def _time_columns(rows: list[list[str]], header: Sequence[str], fields: Fields) -> tuple[int, ...]:
    candidates = fields.times if header else range(len(rows[0]) if rows else 0)
    return tuple(i for i in candidates if i not in fields.ids and _share(rows, i, _is_time) >= 0.5)


def _share(rows: list[list[str]], column: int, test: Callable[[str], bool]) -> float:
    cells = [row[column] for row in rows if row[column]]
    return sum(map(test, cells)) / len(cells) if cells else 0.0


def _is_id(cell: str) -> bool:
    return bool(_ID.fullmatch(cell))


def _is_snowflake(cell: str) -> bool:
    return _is_id(cell) and FIRST_SNOWFLAKE <= post_id(cell) <= LAST_SNOWFLAKE


def _is_time(cell: str) -> bool:
    return next(readings(cell, 2020), None) is not None


class _TableReader:
    """Takes the rows of a table one by one, and mends those that unescaped quotes broke."""

    def __init__(self, table: Table, posts: Posts) -> None:
        self._table = table
        self._posts = posts
        self._kinds = table.fields.say_kind
        self._deletions = bool(table.fields.deletions)
        self._header = list(table.header)
        self._broken: list[str] = []  # fields of a row whose end may be on the next lines
        self._broken_at = 0
        self._taken = False

    def read(self, lines: Iterator[Line], before: int = 0) -> None:
        """Read every row; so many lines came `before`."""
        fields, width = self._table.fields, self._table.width
        id_column, time, author, add = fields.ids[0], fields.time, fields.author, self._posts.add
        for number, row in records(lines, self._table.delimiter, self._row_in, self._id_of, before):
            if row is None or len(row) != width or not row[id_column].isdecimal():
                self._take_odd(number, row)
                continue
            if self._broken:
                self._end_broken()
            if author is None or self._posts.wants(row[author]):
                code = kind_code(row, fields) if self._kinds else UNSAID
                deleted = self._deletions and is_deleted(row, fields)
                add(number, row[id_column], None if time is None else row[time], code, deleted)
        self._end_broken()

    def _take_odd(self, number: int, row: Row) -> None:
        if row is None:
            self._end_broken()
            self._posts.reject(number, _TOO_LONG)
        elif any("\0" in cell for cell in row):
            self._end_broken()
            self._posts.reject(number, "it holds NUL bytes")
        elif row == self._header:
            self._end_broken()
        elif self._broken and self._id_cell(row) is None and (len(row) != self._table.width or self._has_time(row)):
            self._broken += row
            self._go_on(row)
        else:
            self._end_broken()
            self._broken, self._broken_at = row, number
            self._go_on(row)

    def _go_on(self, latest: list[str]) -> None:
        """Take the row that is being put together once it has its id; be done with it once it has its end."""
        width = self._table.width
        if not self._taken and (len(self._broken) >= width or self._id_cell(self._broken) is not None):
            self._take(self._broken_at, self._broken)
            self._taken = True
        ends = self._table.fields.time is None or len(self._broken) == len(latest) == width or self._has_time(latest)
        if len(self._broken) >= width and ends:
            self._broken, self._taken = [], False

    def _end_broken(self) -> None:
        if self._broken and not self._taken:
            self._take(self._broken_at, self._broken)
        self._broken, self._taken = [], False

    def _take(self, number: int, row: list[str]) -> None:
        fields = self._table.fields
        cell = self._id_cell(row)
        if len(row) < self._table.width and self._table.delimiter:  # one quote too many holds several fields together
            apart = [piece.strip(_QUOTES) for field in row for piece in field.split(self._table.delimiter)]
            found = self._id_cell(apart)
            if found is not None and (cell is None or self._is_confirmed(found, apart)):
                row, cell = apart, found
        whole = len(row) == self._table.width
        if cell is None:
            cell = self._cell(row, fields.ids[0])
        if not self._table.delimiter and len(pieces := _pieces(cell)) > 1 and all(map(_WHOLE_ID.fullmatch, pieces)):
            _add_ids(number, pieces, self._posts)
            return
        author = author_in(cell) if fields.author is None else self._cell(row, fields.author)
        if (author is not None or fields.author is not None) and not self._posts.wants(author):
            return
        code = kind_code(row, fields) if whole and self._kinds else UNSAID
        deleted = whole and self._deletions and is_deleted(row, fields)
        self._posts.add(number, cell, self._time_cell(row), code, deleted)

    def _id_cell(self, row: list[str]) -> str | None:
        """The first field that holds an id, counted from the left, then, in a broken row, from the right.

        Of several in a broken row, rather the one that the row's time confirms.
        """
        cells = [row[i] for i in self._places(row, *self._table.fields.ids)]
        found = [cell for cell in cells if _is_id(cell) or ADDRESS.search(cell)]
        if len(found) > 1 and len(row) != self._table.width:
            found.sort(key=lambda cell: not self._is_confirmed(cell, row))
        return found[0] if found else None

    def _is_confirmed(self, cell: str, row: list[str]) -> bool:
        """Whether a time in a broken row is that of the id in a field."""
        number = post_id(cell)
        if self._table.fields.time is None or not FIRST_SNOWFLAKE <= number <= LAST_SNOWFLAKE:
            return False
        stated = (difference(time, snowflake_time(number)) for time in self._time_cells(row) if time)
        return any(apart is not None and apart <= TOLERANCE for apart in stated)

    def _time_cell(self, row: list[str]) -> str | None:
        column = self._table.fields.time
        if column is None:
            return None
        if len(row) == self._table.width:
            return str(row[column])
        return next(filter(_is_time, self._time_cells(row)), "")

    def _has_time(self, row: list[str]) -> bool:
        return self._table.fields.time is not None and any(map(_is_time, self._time_cells(row)))

    def _time_cells(self, row: list[str]) -> list[str]:
        """Where the time of a broken row may be: its place from either side, or over two fields."""
        return [*(row[i] for i in self._places(row, self._table.fields.time)), ",".join(row[-2:])]

    def _cell(self, row: list[str], column: int) -> str:
        return next((row[i] for i in self._places(row, column)), "")

    def _places(self, row: list[str], *columns: int) -> Iterator[int]:
        for column in columns:
            places = (column, column - self._table.width + len(row))
            yield from (place for place in dict.fromkeys(places) if 0 <= place < len(row))

    def _id_of(self, row: list[str]) -> int | None:
        """The id of a row that is whole."""
        cell = self._id_cell(row) if len(row) == self._table.width else None
        return None if cell is None else post_id(cell)

    def _row_in(self, line: str) -> int | None:
        """The id in a line inside a quoted field that is in truth a row of its own, which a stray quote swallowed."""
        if not _ID_INSIDE.search(line):
            return None
        row = [cell.strip(_QUOTES) for cell in line.split(self._table.delimiter)]  # quotes are what cannot be trusted
        cell = self._id_cell(row)
        if cell is None or not _is_snowflake(cell):
            return None
        confirmed = (
            len(row) >= self._table.width if self._table.fields.time is None else self._is_confirmed(cell, row)
        )
        return post_id(cell) if confirmed else None


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


def _read_log(lines: Iterator[Line], posts: Posts) -> None:
    for number, line in enumerate(lines, 1):
        if line is None:
            posts.reject(number, _TOO_LONG)
            continue
        posts_there = {found[1]: author_in(line, found.start()) for found in ADDRESS.finditer(line)}
        for cell, author in posts_there.items():
            if author is None or posts.wants(author):
                posts.add(number, cell)


def _read_ids(lines: Iterator[Line], posts: Posts) -> None:
    for number, line in enumerate(lines, 1):
        if line is None:
            posts.reject(number, _TOO_LONG)
        elif not _REMARK.match(line):
            _add_ids(number, _pieces(line), posts)


def _add_ids(line: int, cells: Sequence[str], posts: Posts) -> None:
    for cell in cells:
        author = author_in(cell)
        if author is None or posts.wants(author):
            posts.add(line, cell)


def _why_unknown(sample: Sequence[str], mapping: Mapping[str, str]) -> Unknown:
    if not sample:
        return Unknown("holds no text")
    names = {normal(name) for name in re.split(r"[,;\t|]", sample[0])}
    if names & _COUNTS and names & _PERIODS:
        return Unknown(
            "holds counts, not posts: hours cannot be made of days", "Import the posts themselves, or just their ids"
        )
    if mapping:
        return Unknown(f"has no column for {', '.join(f'{what}={name}' for what, name in mapping.items())}")
    if any(_ROUNDED.search(line) for line in sample):
        return Unknown("holds ids that a spreadsheet rounded (1.58E+18)", "Export it again with the ids as text")
    return Unknown("is in no form that is known: no post ids were found", "Say where they are: --map id=COLUMN")


_QUOTES = "\"' "
_END: Line = "\0end"
_TOO_LONG = f"the line is longer than {LONGEST_LINE:,} characters"
_ID = re.compile(r"""\s*[="']*(?:[0-9]{1,19}|https?://\S+/status(?:es)?/[0-9]{1,19}(?:[/?#]\S*)?)["']*\s*""")
_ID_INSIDE = re.compile(r"[0-9]{11}")
_OF_ANOTHER = re.compile(r"author|user|reply|replied|conversation|quote|retweet|repost")
_WHOLE_ID = re.compile(r"[0-9]{17,19}|\S*/status(?:es)?/[0-9]{1,19}(?:[/?#]\S*)?")  # never a time, too
_BETWEEN = re.compile(r"[\s,;|\[\](){}\"']+")
_NAME_BEFORE = re.compile(r"^\s*[A-Za-z_]\w*\s*[=:](?!//)")
_LONG_ID = re.compile(r"(?<![0-9])[0-9]{17,19}(?![0-9])")
_BRACKET = re.compile(r"[\[\](){}]")
_REMARK = re.compile(r"\s*(?:#|sep=.?\s*$|$)")
_ROUNDED = re.compile(r"[0-9](?:\.[0-9]+)?[eE]\+1[0-9]")
_COUNTS = frozenset(("posts", "tweets", "count", "counts", "postcount", "tweetcount", "cumulativeposts", "total"))
_PERIODS = frozenset(("date", "day", "hour", "week", "month", "start", "end", "datetime", "time", "bucketstart"))
