"""The posts of a table, row by row.

Tables are read leniently: exports whose texts hold unescaped quotes break any CSV parser, yet each row's id can be
found.
"""

from __future__ import annotations

from collections.abc import Iterator

from musktracker.sources.file_posts import Posts
from musktracker.sources.id_lists import WHOLE_ID, add_ids, pieces_of
from musktracker.sources.post_times import TOLERANCE, difference
from musktracker.sources.records import TOO_LONG, Line, Row, records
from musktracker.sources.rows import ADDRESS, UNSAID, author_in, is_deleted, kind_code, post_id
from musktracker.sources.table_layout import ID_INSIDE, Table, is_id, is_snowflake, is_time
from musktracker.timeline import FIRST_SNOWFLAKE, LAST_SNOWFLAKE, snowflake_time


class TableReader:
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
            self._posts.reject(number, TOO_LONG)
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
        if not self._table.delimiter and len(pieces := pieces_of(cell)) > 1 and all(map(WHOLE_ID.fullmatch, pieces)):
            add_ids(number, pieces, self._posts)
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
        found = [cell for cell in cells if is_id(cell) or ADDRESS.search(cell)]
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
        return next(filter(is_time, self._time_cells(row)), "")

    def _has_time(self, row: list[str]) -> bool:
        return self._table.fields.time is not None and any(map(is_time, self._time_cells(row)))

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
        if not ID_INSIDE.search(line):
            return None
        row = [cell.strip(_QUOTES) for cell in line.split(self._table.delimiter)]  # quotes are what cannot be trusted
        cell = self._id_cell(row)
        if cell is None or not is_snowflake(cell):
            return None
        confirmed = (
            len(row) >= self._table.width if self._table.fields.time is None else self._is_confirmed(cell, row)
        )
        return post_id(cell) if confirmed else None


_QUOTES = "\"' "
