"""The table of records: the cursor stays on its record, and only rows that changed are painted."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App, ComposeResult
from textual.geometry import Region

from tui.theme import THEMES
from tui.widgets.lines import fitted
from tui.widgets.record_table import Column, RecordTable

Row = tuple[int, str]


class Table(RecordTable[Row]):
    """A table of pairs that remembers what it painted."""

    def __init__(self) -> None:
        columns = (Column("Id", 4, right=True), Column("Extra", 10, rank=1), Column("Text", 8, grow=1))
        super().__init__(columns, lambda row: (str(row[0]), "extra", row[1]), lambda row: row[0], empty="Nothing")
        self.painted: list[Region | None] = []

    def refresh(self, *regions: Region, **options: bool) -> Table:
        self.painted += list(regions) or [None]
        super().refresh(*regions, **options)
        return self


class Host(App[None]):
    def __init__(self) -> None:
        super().__init__()
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = THEMES[0].name

    def compose(self) -> ComposeResult:
        yield Table()


def rows(keys: Sequence[int]) -> list[Row]:
    return [(key, f"text {key}") for key in keys]


def seen(table: Table) -> list[str]:
    return [table.render_line(y).text for y in range(table.size.height)]


async def test_the_cursor_stays_on_its_record_and_its_line_when_rows_come_above() -> None:
    async with Host().run_test(size=(40, 8)) as pilot:
        table = pilot.app.query_one(Table)
        table.set_records(rows(range(20)))
        await pilot.press(*["j"] * 10)
        line = table.cursor - table.top
        table.set_records(rows(range(-5, 20)))
        assert (table.record, table.cursor - table.top) == ((10, "text 10"), line)


async def test_only_the_row_that_changed_is_painted() -> None:
    async with Host().run_test(size=(40, 8)) as pilot:
        table = pilot.app.query_one(Table)
        table.set_records(rows(range(5)))
        await pilot.pause()
        table.painted.clear()
        table.set_records([*rows(range(3)), (3, "other"), (4, "text 4")])
        assert table.painted == [Region(0, 4, 40, 1)]
        table.painted.clear()
        table.set_records([*rows(range(3)), (3, "other"), (4, "text 4")])
        assert table.painted == []


async def test_rows_that_come_above_the_first_are_seen_at_once() -> None:
    async with Host().run_test(size=(40, 10)) as pilot:
        table = pilot.app.query_one(Table)
        table.set_records(rows(range(20)))
        await pilot.press("j")
        table.set_records(rows(range(-2, 20)))
        assert (table.top, table.record) == (0, (1, "text 1"))


async def test_moving_the_cursor_paints_two_rows() -> None:
    async with Host().run_test(size=(40, 8)) as pilot:
        table = pilot.app.query_one(Table)
        table.set_records(rows(range(5)))
        table.focus()
        await pilot.pause()
        table.painted.clear()
        await pilot.press("j")
        assert table.painted == [Region(0, 1, 40, 1), Region(0, 2, 40, 1)]


@pytest.mark.parametrize(("width", "header"), [(40, "  Id  Extra       Text"), (20, "  Id  Text")])
async def test_a_narrow_table_leaves_out_what_matters_least(width: int, header: str) -> None:
    async with Host().run_test(size=(width, 8)) as pilot:
        table = pilot.app.query_one(Table)
        table.set_records(rows([1]))
        assert seen(table)[0].rstrip() == header


async def test_the_titles_stand_over_their_columns_also_beside_a_scroll_mark() -> None:
    async with Host().run_test(size=(40, 8)) as pilot:
        table = pilot.app.query_one(Table)
        table.set_columns((Column("Id", 4, grow=1), Column("Extra", 10), Column("Text", 8)))
        for count in (3, 20):
            table.set_records(rows(range(100, 100 + count)))
            header, first = seen(table)[:2]
            assert header.index("Text") == first.index("text 100")
            assert header.index("Extra") == first.index("extra")


async def test_an_empty_table_says_so_and_its_keys_do_nothing() -> None:
    async with Host().run_test(size=(40, 8)) as pilot:
        table = pilot.app.query_one(Table)
        await pilot.press("j", "G", "g", "enter", "pagedown")
        assert (seen(table)[1].rstrip(), table.record) == ("Nothing", None)


async def test_cells_are_text_whatever_they_hold() -> None:
    async with Host().run_test(size=(40, 8)) as pilot:
        table = pilot.app.query_one(Table)
        table.set_records([(1, "[b]x[/b]\x1b[2J")])
        assert seen(table)[1].rstrip().endswith("[b]x[/b]�[2J")


@given(keys=st.lists(st.integers(0, 50), unique=True, max_size=40), text=st.text(max_size=12))
def test_a_text_fits_its_cells_exactly(keys: list[int], text: str) -> None:
    from rich.cells import cell_len

    for width in (1, 5, 9):
        assert cell_len(fitted(text, width)) == width
        assert fitted(text, width).isprintable()


@pytest.mark.parametrize("count", [3, 30], ids=["all rows fit", "more rows than fit"])
async def test_a_title_ends_where_the_numbers_below_it_end(count: int) -> None:
    async with Host().run_test(size=(40, 8)) as pilot:
        table = pilot.app.query_one(Table)
        table.set_columns((Column("Name", 8, grow=1), Column("Extra", 10, grow=1), Column("Posts", 8, right=True)))
        table.set_records(rows(range(count)))
        await pilot.pause()
        header, row = (line.rstrip(" │┃▐█▕").rstrip() for line in seen(table)[:2])
        assert header.endswith("Posts")
        assert len(header) == len(row)
