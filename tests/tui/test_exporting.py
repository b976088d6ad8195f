"""What a screen shows leaves it as a file: tables, series, pictures."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import made_backtests
import pytest
from places import walk, walk_name, walks
from sqlalchemy import Engine, insert
from textual.widgets import Input, Static

from musktracker.config import Settings
from musktracker.db import tables
from musktracker.db.engines import writing
from musktracker.errors import MuskTrackerError
from musktracker.timeline import DAY, HOUR, Span
from tui.app import Console
from tui.exporting import Exported, parts_of, record_of, write_file
from tui.widgets.coverage_bar import CoverageBar
from tui.widgets.fan_chart import FanChart
from tui.widgets.form import FormScreen
from tui.widgets.log_view import LogView

START = datetime(2026, 1, 15, 18, tzinfo=UTC)
NUMBERED = {  # the screens, and what can be picked of each
    "overview": {"Last runs", "Posts an hour to 01-15 18:00"},
    "migrations": {"Steps", "Tables"},
    "ingestion": {"coverage bar", "minute bars", "all runs"},
    "events": {"event table"},
    "models": {"version table"},
    "forecasts": {"Posts an hour", "forecast table"},
}


@dataclass(frozen=True)
class Thing:
    name: str
    start: datetime
    day: date
    parts: tuple[float, float] | None


THINGS = [Thing("a | b", START, START.date(), (1.5, 2.0)), Thing('say "x"', START, START.date(), None)]
EXPORTED = Exported([record_of(thing) for thing in THINGS], ["Name", "Start"], [["a | b", "18:00"], ["x\x1b[1m", ""]])


def test_csv_has_every_field_with_times_in_utc() -> None:
    rows = list(csv.DictReader(EXPORTED.as_csv().splitlines()))
    assert rows[0] == {"name": "a | b", "start": "2026-01-15T18:00:00Z", "day": "2026-01-15", "parts": "[1.5, 2.0]"}
    assert (rows[1]["name"], rows[1]["parts"]) == ('say "x"', "")


def test_json_has_every_field_with_its_type() -> None:
    [first, second] = json.loads(EXPORTED.as_json())
    assert first == {"name": "a | b", "start": "2026-01-15T18:00:00Z", "day": "2026-01-15", "parts": [1.5, 2.0]}
    assert second["parts"] is None


def test_a_number_has_no_digits_that_nobody_counted() -> None:
    exported = Exported([{"mean": 78.66900000000001, "n": 93.0}], ["Mean"], [["79"]])
    assert exported.as_csv().splitlines()[1] == "78.669,93.0"
    assert json.loads(exported.as_json()) == [{"mean": 78.669, "n": 93.0}]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_in_json_is_null(number: float) -> None:
    exported = Exported([{"mean": number, "parts": {"ends": (1.5, number)}}], ["Mean"], [["–"]])

    def refuse(name: str) -> None:
        raise AssertionError(name)

    [record] = json.loads(exported.as_json(), parse_constant=refuse)
    assert record == {"mean": None, "parts": {"ends": [1.5, None]}}
    [row] = csv.DictReader(exported.as_csv().splitlines())
    assert json.loads(row["parts"], parse_constant=refuse) == {"ends": [1.5, None]}


def test_markdown_has_what_the_screen_shows_and_no_control_characters() -> None:
    lines = EXPORTED.as_markdown().splitlines()
    assert lines[:3] == ["| Name | Start |", "| --- | --- |", "| a \\| b | 18:00 |"]
    assert "\x1b" not in lines[3]


def test_a_file_that_exists_is_kept_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "new" / "things.csv"
    write_file(path, ["o", "ne"], replace=False)
    with pytest.raises(MuskTrackerError, match="exists"):
        write_file(path, ["two"], replace=False)
    write_file(path, ["two"], replace=True)
    assert path.read_text() == "two"
    assert [found.name for found in path.parent.iterdir()] == ["things.csv"]


@pytest.mark.parametrize("places", walks(NUMBERED), ids=walk_name)
async def test_every_screen_can_be_written_to_a_file(
    places: list[str],
    populated: Settings,
    console: Callable[..., Console],
    settled: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        async for place in walk(pilot, settled, places):
            for presses, suffix in enumerate(("csv", "json", "md", "svg", "svg")):
                target = tmp_path / place / f"{presses}"
                target.mkdir(parents=True)
                monkeypatch.chdir(target)
                await pilot.press("X", *["right"] * presses, "enter")
                await settled(pilot)
                trouble = app.screen.query("#form-trouble").results(Static)
                assert not isinstance(app.screen, FormScreen), [place, *(str(part.content) for part in trouble)]
                [path] = target.iterdir()
                assert path.suffix == f".{suffix}", place
                text = path.read_text("utf-8")
                assert text, place
                if suffix == "json":
                    assert json.loads(text), place
                if suffix == "svg":
                    assert text.startswith("<svg"), place


async def test_what_is_written_in_the_same_minute_goes_to_a_file_of_its_own(
    populated: Settings,
    console: Callable[..., Console],
    settled: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = tmp_path / "written"
    there.mkdir()
    monkeypatch.chdir(there)
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        for keys in (("X", "enter"), ("X", "right", "enter"), ("X", "enter")):
            await pilot.press(*keys)
            await settled(pilot)
    first = min((path.stem for path in there.iterdir()), key=len)
    assert sorted(path.name for path in there.iterdir()) == [f"{first}-2.json", f"{first}-3.csv", f"{first}.csv"]


async def test_the_chart_is_written_as_its_series_where_it_has_the_focus(
    populated: Settings, console: Callable[..., Console], settled: Any, tmp_path: Path
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        for key in "6c":
            await pilot.press(key)
            await settled(pilot)
        assert isinstance(app.focused, FanChart)
        await pilot.press("X", "tab")
        app.screen.query_one("#field-path", Input).value = str(tmp_path / "chart")
        await pilot.press("enter")
        await settled(pilot)
    rows = list(csv.DictReader((tmp_path / "chart.csv").read_text().splitlines()))
    assert list(rows[0])[:3] == ["start", "observed", "mean"]
    assert {"lower_95", "upper_95", "lower_50"} <= set(rows[0])
    ahead = [row for row in rows if row["mean"]]
    assert ahead
    assert float(ahead[0]["lower_95"]) <= float(ahead[0]["mean"]) <= float(ahead[0]["upper_95"])


def held(app: Console) -> dict[str, Exported]:
    return {part.title: part.exported for part in parts_of(app.screen, "Test")}


@pytest.mark.parametrize("places", walks(NUMBERED), ids=walk_name)
async def test_every_table_and_drawing_of_a_screen_can_be_picked(
    places: list[str], populated: Settings, console: Callable[..., Console], settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        async for place in walk(pilot, settled, places):
            assert NUMBERED[place] <= held(app).keys(), place
            parts = held(app).values()
            assert all(part.rows and part.as_csv() and part.as_markdown() for part in parts), place


async def test_the_coverage_bar_is_written_as_spans_without_a_gap(
    populated: Settings, console: Callable[..., Console], settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await pilot.press("3")
        await settled(pilot)
        spans = held(app)["coverage bar"].records
    assert [span["observed"] for span in spans] == [True]
    bar = CoverageBar()
    day = Span(START, START + DAY)
    bar.set_spans([Span(START + 2 * HOUR, START + 3 * HOUR)], day)
    exported = bar.exported()
    assert exported is not None
    assert [record["observed"] for record in exported.records] == [False, True, False]
    assert [record["end"] for record in exported.records][:-1] == [record["start"] for record in exported.records][1:]


async def test_plots_of_a_backtest_are_written_as_what_they_draw(
    populated: Settings, populated_engine: Engine, console: Callable[..., Console], settled: Any
) -> None:
    made_backtests.store(populated_engine, "autumn", START - 150 * DAY, made=START)
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await pilot.press("5", "b")
        await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)
        parts = list(held(app).values())
    names = [set(part.records[0]) for part in parts]
    assert {"name", "skill", "lower_95", "upper_95", "origins"} in names
    assert {"from", "to", "share", "expected_low", "expected_high"} in names
    assert {"lead", "crps", "reference_crps"} in names
    assert any({"lead_from", "lead_to", "held_50", "held_95"} <= name for name in names)
    pit = next(part for part in parts if "share" in part.records[0])
    assert sum(record["share"] for record in pit.records) == pytest.approx(1)


async def test_a_part_alone_is_a_picture_of_nothing_else(
    populated: Settings, console: Callable[..., Console], settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await pilot.press("2")
        await settled(pilot)
        part = next(part for part in parts_of(app.screen, "Migrations") if part.title == "Tables")
        picture = part.picture()
    assert str(part.exported.rows[0][0]) in picture
    assert "Migrations&#160;·&#160;Tables" in picture
    assert "elonmusk" not in picture


async def test_the_log_is_written_whole_with_its_fields_by_the_level_that_is_shown(
    populated: Settings, populated_engine: Engine, console: Callable[..., Console], settled: Any, tmp_path: Path
) -> None:
    with writing(populated_engine) as connection:
        connection.execute(
            insert(tables.RunLogLine),
            [
                {
                    "run_id": 7,
                    "time": START,
                    "level": level,
                    "message": f"poll {i}",
                    "fields": json.dumps({"posts": i}),
                }
                for i in range(200)
                for level in ("info", "error")
            ],
        )
    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("3")
        await settled(pilot)
        view = app.screen.query_one(LogView)
        view.set_level(3)
        view.focus()
        await settled(pilot)
        await pilot.press("X", "tab", "tab")
        await settled(pilot)
        assert "200 rows" in str(app.screen.query_one("#form-preview", Static).content)
        app.screen.query_one("#field-path", Input).value = str(tmp_path / "log")
        await pilot.press("enter")
        await settled(pilot)
        [log] = [part for part in parts_of(app.screen, "Ingestion") if part.title == "log view"]
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text().splitlines()))
    assert [(row["level"], row["message"]) for row in rows] == [("error", f"poll {i}") for i in range(200)]
    assert rows[-1] == {
        "time": "2026-01-15T18:00:00Z",
        "level": "error",
        "message": "poll 199",
        "fields": '{"posts": 199}',
    }
    assert json.loads(log.exported.as_json())[0]["fields"] == {"posts": 0}
    assert log.exported.as_markdown().splitlines()[2] == "| 2026-01-15 18:00:00+0000 | error | poll 0 | posts=0 |"
