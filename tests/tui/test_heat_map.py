"""The heat map: grounds where there are colours, characters where there are none, and marks for the unknown."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from rich.color import ColorSystem, ColorType

from musktracker.db.queries.week_pattern import WeekPattern
from musktracker.timeline import DAY, Span
from tui.widgets.heat_map import ASCII_RAMP, HeatMap, drawn, level_of
from tui.widgets.plot_palette import Depth, Glyphs, Mode

MEANS: list[list[float | None]] = [[float(hour) for hour in range(24)] for _ in range(7)]
MEANS[2] = [None] * 24
MEANS[3] = [0.0] * 24


def texts(depth: Depth, glyphs: Glyphs = "braille", width: int = 76, height: int = 9) -> list[str]:
    return [strip.text for strip in drawn(MEANS, width, height, Mode(depth, glyphs))]


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("depth", ["truecolor", "256", "16"])
def test_each_depth_has_grounds_that_differ_from_step_to_step(depth: Depth, dark: bool) -> None:
    scale = drawn(MEANS, 76, 9, Mode(depth), dark=dark)[-1]
    grounds = [segment.style.bgcolor for segment in scale if segment.style and segment.style.bgcolor]
    assert len(set(grounds)) == len(grounds) >= 5


def test_with_256_colours_the_grounds_are_of_the_cube() -> None:
    for dark in (True, False):
        for strip in drawn(MEANS, 76, 9, Mode("256"), dark=dark):
            for ground in [segment.style.bgcolor for segment in strip if segment.style and segment.style.bgcolor]:
                rounded = ground.downgrade(ColorSystem.EIGHT_BIT)
                assert rounded.type is ColorType.EIGHT_BIT
                assert rounded.get_truecolor() == ground.get_truecolor()


def test_without_colours_more_posts_are_darker_characters() -> None:
    monday = texts("none")[0][4:]
    assert monday[0] == " "
    assert monday[-1] == "█"
    assert [mark for mark in " ░▒▓█" if mark in monday] == sorted(set(monday), key=" ░▒▓█".index)


@pytest.mark.parametrize("other", [math.nan, math.inf, -math.inf, 1e308])
@pytest.mark.parametrize("depth", ["truecolor", "none"])
def test_what_is_no_mean_is_shown_as_unobserved(depth: Depth, other: float) -> None:
    expected = drawn([[None, *MEANS[0][1:]], *MEANS[1:]], 76, 9, Mode(depth))
    assert drawn([[other, *MEANS[0][1:]], *MEANS[1:]], 76, 9, Mode(depth)) == expected


def test_a_terminal_of_ascii_gets_ascii_alone() -> None:
    lines = texts("none", "ascii")
    assert all(line.isascii() for line in lines)
    assert lines[0][4:].rstrip()[-1] == ASCII_RAMP[-1]


@pytest.mark.parametrize(("glyphs", "mark"), [("braille", "·"), ("ascii", "?")])
def test_an_hour_that_was_never_observed_is_no_zero(glyphs: Glyphs, mark: str) -> None:
    lines = texts("none", glyphs)
    assert set(lines[2][4:]) == {mark}
    assert set(lines[3][4:]) == {" "}


def test_the_scale_tells_the_highest_mean() -> None:
    assert "23.0 an hour" in texts("truecolor")[-1]


@pytest.mark.parametrize(("width", "height"), [(30, 9), (52, 9), (100, 16), (10, 3), (52, 1), (0, 0)])
def test_every_room_is_drawn_in(width: int, height: int) -> None:
    assert len(texts("truecolor", width=width, height=height)) <= height


def test_days_take_more_rows_where_there_is_room() -> None:
    lines = texts("truecolor", height=16)
    assert [line[:3] for line in lines[:4]] == ["Mon", "   ", "Tue", "   "]


@pytest.mark.parametrize(("mean", "level"), [(0.0, 0), (0.01, 1), (5.0, 3), (10.0, 4)])
def test_only_nothing_is_on_the_lowest_level(mean: float, level: int) -> None:
    assert level_of(mean, 10.0, 5) == level


def test_it_can_be_exported_with_what_was_observed() -> None:
    span = Span(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC) + 56 * DAY)
    chart = HeatMap()
    assert chart.exported() is None
    counts = tuple((8,) * 24 for _ in range(7))
    hours = tuple((4,) * 24 if day else (0,) * 24 for day in range(7))
    chart._pattern = WeekPattern(span, counts, hours, 1344)
    exported = chart.exported()
    assert exported is not None
    assert exported.records[0] == {"weekday": "Mon", "hour": 0, "mean": None, "posts": 8, "hours_observed": 0}
    assert exported.records[-1]["mean"] == 2.0
    assert exported.rows[1][:3] == ["Tue", "2.0", "2.0"]
