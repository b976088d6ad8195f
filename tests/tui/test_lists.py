"""Every list is filtered, sorted and left by the same keys, and remembers how it was left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, insert

from musktracker import runs
from musktracker.config import Settings
from musktracker.db.engines import writing
from musktracker.db.tables import RunRow
from tui.app import Console
from tui.screens.ingestion import IngestionScreen
from tui.screens.models import ModelsScreen, VersionTable
from tui.widgets.log_view import LogView
from tui.widgets.record_table import Column, RecordTable
from tui.widgets.run_log import RunLog
from tui.widgets.run_table import RunTable

Opened = Callable[..., Console]
MANY = 10_000


async def press(pilot: Any, settled: Any, *keys: str) -> Any:
    for key in keys:
        await pilot.press(key)
        await settled(pilot)
    return pilot.app.screen


def drawn(table: RecordTable[Any]) -> list[str]:
    return [table.render_line(y).text.rstrip() for y in range(table.size.height)]


async def test_a_slash_filters_any_list_as_one_types_and_escape_shows_all(
    populated: Settings, console: Opened, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        for screen, table, words, left in (
            ("1", "RunTable", "TRAIN failed", 1),
            ("2", "RevisionTable", "001", 1),
            ("2", "SizeTable", "event", 2),
            ("3", "RunTable", "posts.csv.gz", 1),
            ("4", "EventTable", "public", 1),
            ("5", "VersionTable", "binomial", 1),
            ("6", "ForecastTable", "seasonal", 2),
        ):
            await press(pilot, settled, screen)
            found: RecordTable[Any] = app.screen.query_one(table, RecordTable)
            before = found.count
            found.focus()
            await press(pilot, settled, "slash", *words)
            assert found.count == left < before, (screen, table)
            await press(pilot, settled, "enter")
            assert app.focused is found, (screen, table)
            await press(pilot, settled, "escape")
            assert (found.count, app.focused) == (before, found), (screen, table)


async def test_a_filter_says_how_much_it_leaves_and_when_nothing_holds_it(
    populated: Settings, console: Opened, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        screen = await press(pilot, settled, "5", "slash", *"binomial")
        table = screen.query_one(VersionTable)
        assert "1 of 2" in str(table.query_one("FilterLine Static").content)  # type: ignore[attr-defined]
        await press(pilot, settled, *"[b]")
        assert drawn(table)[1] == "Nothing here holds “binomial[b]”; esc shows all"


async def test_runs_beyond_the_page_that_is_loaded_are_found(
    populated: Settings, populated_engine: Engine, console: Opened, settled: Any, frozen: Any
) -> None:
    row = {"status": "succeeded", "parameters": "{}", "host": "tower", "who": "bob@tower"}
    made = [
        {"id": 100 + i, "kind": "score", "created_at": frozen - timedelta(minutes=i), "finished_at": frozen, **row}
        for i in range(MANY)
    ]
    with writing(populated_engine) as connection:
        connection.execute(insert(RunRow), made)
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        screen = await press(pilot, settled, "3")
        assert isinstance(screen, IngestionScreen)
        table = screen.query_one(RunTable)
        assert table.count < MANY
        await press(pilot, settled, "slash", *"converge")
        assert [info.id for info in table.records] == [3]


def test_runs_are_found_by_all_words_whatever_their_case(populated_engine: Engine) -> None:
    def ids(words: str) -> list[int]:
        return [info.id for info in runs.recent(populated_engine, holding=words)]

    assert ids("TRAIN failed") == [3]
    assert ids("ada@tower import") == [1]
    assert ids("100%") == []
    assert ids("lost") == [7]  # it may be: its heart tells
    assert len(ids("")) == 7


def test_ten_thousand_records_are_filtered_within_one_frame_once_they_are_read() -> None:
    table: RecordTable[int] = RecordTable((Column("N", 6),), lambda n: (f"record {n}",), lambda n: n)
    table.set_records(range(MANY))
    spent = []
    for _ in range(5):
        table.filter_text = "record"
        table._arranged()
        table.filter_text = "record 77"
        begun = time.process_time()
        found = table._arranged()
        spent.append(time.process_time() - begun)
        assert len(found) == 280
    assert min(spent) < 0.1


async def test_o_sorts_by_one_column_after_another_and_marks_it(
    populated: Settings, console: Opened, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        screen = await press(pilot, settled, "5")
        assert isinstance(screen, ModelsScreen)
        table = screen.query_one(VersionTable)
        first = [found.id for found in table.records]
        await press(pilot, settled, "o")
        assert [found.model for found in table.records] == ["negative_binomial", "seasonal_naive"]
        assert "↑Model" in drawn(table)[0]
        await press(pilot, settled, "O")
        assert [found.model for found in table.records] == ["seasonal_naive", "negative_binomial"]
        assert "↓Model" in drawn(table)[0]
        seen = []
        while table.sorted_by is not None:
            seen.append(table.sorted_by[0])
            await press(pilot, settled, "o")
        assert seen[:2] == ["Model", "Trained"]
        assert len(seen) == len(set(seen))
        assert [found.id for found in table.records] == first


@given(values=st.lists(st.none() | st.integers(0, 9)), reverse=st.booleans())
def test_sorting_keeps_every_record_and_puts_what_is_not_known_last(
    values: Sequence[int | None], reverse: bool
) -> None:
    column = Column("N", 2, order=lambda pair: pair[1])
    table: RecordTable[Any] = RecordTable((column,), lambda pair: (str(pair[1]),), lambda pair: pair[0])
    table._all = list(enumerate(values))
    table.sorted_by = ("N", reverse)
    found = [value for _, value in table._arranged()]
    known = sorted((value for value in values if value is not None), reverse=reverse)
    assert found == [*known, *[None] * (len(values) - len(known))]


async def test_filters_orders_kinds_views_and_levels_are_there_again_at_the_next_start(
    populated: Settings, console: Opened, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, settled, "5", "o", "slash", *"naive", "enter", "v")
        await press(pilot, settled, "6", "v", "3", "t", "l")
    app = console(replace(populated))
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert isinstance(app.screen, IngestionScreen)
        assert [info.kind for info in app.screen.query_one(RunTable).records] == ["import"]
        assert app.screen.query_one(RunLog).query_one(LogView).lines.threshold == 1
        screen = await press(pilot, settled, "5")
        table = screen.query_one(VersionTable)
        assert (table.sorted_by, [found.model for found in table.records]) == (("Model", False), ["seasonal_naive"])
        screen = await press(pilot, settled, "6")
        assert str(screen.query_one("#forecast-chart").border_title).startswith("Posts a day")


async def test_escape_gives_the_keys_back_to_the_list(populated: Settings, console: Opened, settled: Any) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        for screen, away in (("2", "#step"), ("3", "LogView"), ("5", "LogView"), ("6", "FanChart")):
            place = await press(pilot, settled, screen)
            home = app.focused
            assert home is not None
            place.query_one(away).focus()
            await press(pilot, settled, "escape")
            assert app.focused is home, screen


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_a_filtered_and_sorted_list_as_a_picture(
    size: tuple[int, int], populated: Settings, console: Opened, settled: Any, snapshot: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await press(pilot, settled, "4", "o", "slash", *"launch")
        snapshot(app, f"events-filtered-{size[0]}x{size[1]}")


async def test_the_forms_of_following_and_of_export_as_pictures(
    populated: Settings, console: Opened, settled: Any, snapshot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.paths.Path.cwd", lambda: Path("/srv"))
    app = console(replace(populated, x_bearer_token="token"))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, settled, "3", "a")
        snapshot(app, "follow-form-80x24")
        await press(pilot, settled, "escape", "X", "right")
        await pilot.pause(0.3)
        await settled(pilot)
        snapshot(app, "export-form-80x24")


async def test_escape_takes_the_hours_away_that_stand_in_place_of_the_forecasts(
    populated: Settings, console: Opened, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        screen = await press(pilot, settled, "6", "t")
        assert app.focused is screen.query_one("HourTable")
        await press(pilot, settled, "escape")
        assert app.focused is screen.query_one("ForecastTable")
        assert screen.query_one("ForecastTable").region


@pytest.mark.parametrize(
    ("keys", "table", "detail"),
    [
        ("2", "RevisionTable", "#step-text"),
        ("3", "RunTable", "RunProgress"),
        ("4", "EventTable", "#event-detail"),
        ("5", "VersionTable", "#model-detail"),
        ("6", "ForecastTable", "#forecast-chart"),
        ("6 d", "ScoreTable", "#plot-pit"),
        ("5 b enter", "ModelTable", "#plot-pit"),
        ("5 b space j space c", "#pair-models", "#pair-plot"),
        ("1 A", "AlertTable", "#alert-chosen"),
        ("1 C", "SettingTable", "#setting-chosen"),
    ],
)
async def test_what_tells_of_a_row_says_where_the_filter_leaves_none(
    keys: str,
    table: str,
    detail: str,
    backtested: Settings,
    alarmed: Engine,
    console: Opened,
    settled: Any,
) -> None:
    app = console(backtested)
    async with app.run_test(size=(160, 50)) as pilot:
        await settled(pilot)
        await press(pilot, settled, *keys.split())
        app.screen.query_one(table).focus()
        told = await said(pilot, settled, detail)
        assert told.strip()
        await press(pilot, settled, "slash", *"zz")
        assert "Nothing here holds “zz”; esc shows all" in await said(pilot, settled, detail)
        await press(pilot, settled, "z", "enter")
        assert "Nothing here holds “zzz”; esc shows all" in await said(pilot, settled, detail)
        await press(pilot, settled, "escape")
        assert await said(pilot, settled, detail) == told


async def said(pilot: Any, settled: Any, selector: str) -> str:
    """What stands in a part of the screen once the cursor has rested."""
    await settled(pilot)
    screen = pilot.app.screen
    region = screen.query_one(selector).region
    rows = screen._compositor.render_strips(pilot.app.size)[region.y : region.bottom]
    return "\n".join(row.crop(region.x, region.right).text for row in rows)
