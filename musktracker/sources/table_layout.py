"""How a table is written, guessed from its first lines: delimiter, header, and what its columns hold."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from musktracker.sources.id_lists import REMARK
from musktracker.sources.post_times import readings
from musktracker.sources.records import Line
from musktracker.sources.rows import ADDRESS, Fields, fields_of, normal, post_id
from musktracker.timeline import FIRST_SNOWFLAKE, LAST_SNOWFLAKE

DELIMITERS = (",", "\t", ";", "|")
NO_COLUMN = "none"  # given where a file's own times are not those of the posts
MOST_TITLES, LONGEST_TITLE = 8, 200  # lines before a table, and characters of one
ID_INSIDE = re.compile(r"[0-9]{11}")


@dataclass(frozen=True, slots=True)
class Table:
    """How a table is written: delimiter ("" where there is one column), header, and what its columns hold."""

    delimiter: str
    width: int
    header: tuple[str, ...]
    fields: Fields


def find_table(sample: Sequence[Line], mapping: Mapping[str, str], *, by_name: bool) -> tuple[int, Table | None]:
    """The table in a text, and with which line it begins: after remarks, and a title where a header comes later."""
    remarks = next((i for i, line in enumerate(sample) if line and not REMARK.match(line)), 0)
    first = _recognised(shown(sample[remarks:]), mapping, by_name=by_name)
    begins_with_post = not remarks and ID_INSIDE.search("".join(shown(sample[:1])))
    if first is not None and (_is_named(first) or mapping or begins_with_post):
        return remarks, first
    for begin in range(min(len(sample), MOST_TITLES)):
        if begin and not _is_title(sample[begin - 1] or ""):
            break
        table = _recognised(shown(sample[begin:]), mapping, by_name=by_name)
        if table is not None and table.delimiter and _is_named(table):
            return begin, table
    return remarks, first


def shown(sample: Sequence[Line]) -> list[str]:
    """The lines that say something."""
    return [line for line in sample if line and not line.isspace() and "\0" not in line]


def _is_title(line: str) -> bool:
    return len(line) <= LONGEST_TITLE and not ID_INSIDE.search(line)


def _is_named(table: Table) -> bool:
    named = fields_of(dict(enumerate(table.header)), {}).ids
    return table.fields.ids[0] in named


def _recognised(sample: Sequence[str], mapping: Mapping[str, str], *, by_name: bool = False) -> Table | None:
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
    header = () if any(is_id(cell) for cell in rows[0]) else tuple(rows[0])
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
    shares = {i: _share(rows, i, is_snowflake) for i in range(len(rows[0]) if rows else 0)}
    if named:
        digits = {i: _share(rows, i, is_id) for i in shares}
        return tuple(sorted(named, key=lambda i: (shares.get(i, 0) < 0.5, digits.get(i, 0) < 0.5)))
    full = [
        i for i, share in shares.items() if share >= 0.5 and not (header and _OF_ANOTHER.search(normal(header[i])))
    ]
    distinct = [i for i in full if len({row[i] for row in rows}) == len(rows)]
    if full:
        return ((distinct or full)[0],)
    return (0,) if rows and not header and _share(rows, 0, is_id) >= 0.5 else ()


def _time_columns(rows: list[list[str]], header: Sequence[str], fields: Fields) -> tuple[int, ...]:
    candidates = fields.times if header else range(len(rows[0]) if rows else 0)
    return tuple(i for i in candidates if i not in fields.ids and _share(rows, i, is_time) >= 0.5)


def _share(rows: list[list[str]], column: int, test: Callable[[str], bool]) -> float:
    cells = [row[column] for row in rows if row[column]]
    return sum(map(test, cells)) / len(cells) if cells else 0.0


def is_id(cell: str) -> bool:
    """Whether a cell may be a post's id or address."""
    return bool(_ID.fullmatch(cell))


def is_snowflake(cell: str) -> bool:
    """Whether a cell is an id that holds its time."""
    return is_id(cell) and FIRST_SNOWFLAKE <= post_id(cell) <= LAST_SNOWFLAKE


def is_time(cell: str) -> bool:
    """Whether a cell can be read as a time."""
    return next(readings(cell, 2020), None) is not None


_ID = re.compile(r"""\s*[="']*(?:[0-9]{1,19}|https?://\S+/status(?:es)?/[0-9]{1,19}(?:[/?#]\S*)?)["']*\s*""")
_OF_ANOTHER = re.compile(r"author|user|reply|replied|conversation|quote|retweet|repost")
