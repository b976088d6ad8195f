"""The plots of a backtest fit their cells, can be read in every terminal, and say what the figures say."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.color import Color
from rich.console import Console
from rich.style import Style
from textual.strip import Strip

from musktracker.db.queries.backtests import Skill
from tui.screens import backtest_plots as plots
from tui.screens import calibration_plots
from tui.widgets.live_curve import draw_ascent, draw_curve
from tui.widgets.plot import Sheet, span_ticks
from tui.widgets.plot_palette import DARK, Mode, palette

CONSOLE = Console(color_system="truecolor", width=300)
MODES = [
    Mode(depth, glyphs) for depth, glyphs in product(("truecolor", "16", "none"), ("braille", "blocks", "ascii"))
]
SKILLS = (
    plots.SkillBar("better", Skill(0.2, 0.1, 0.3, 58, 20)),
    plots.SkillBar("alike", Skill(0.02, -0.05, 0.1, 58, 20)),
    plots.SkillBar("worse", Skill(-0.2, -0.3, -0.1, 58, 20)),
)
anything = st.none() | st.floats() | st.sampled_from([math.nan, math.inf, 1e300, -1e300, 1e20, 5e-324])
shares = st.lists(st.floats(0, 1), min_size=10, max_size=10).map(lambda found: [x / (sum(found) or 1) for x in found])
scores = st.lists(st.none() | st.floats(0, 1e5, allow_subnormal=False), min_size=1, max_size=168)


def drawn(draw: Callable[[Sheet], None], mode: Mode | None = None, width: int = 58, height: int = 11) -> list[Strip]:
    mode = mode or Mode()
    sheet = Sheet(width, height, mode, palette(mode.depth))
    draw(sheet)
    return sheet.strips(CONSOLE, Style())


def texts(strips: list[Strip]) -> list[str]:
    return [strip.text for strip in strips]


def all_plots() -> list[Callable[[Sheet], None]]:
    by_lead = [1.5 + lead / 300 for lead in range(168)]
    return [
        partial(plots.draw_skills, bars=SKILLS),
        partial(plots.draw_pit, shares=[0.16, 0.1, 0.08, 0.06, 0.1, 0.1, 0.06, 0.08, 0.1, 0.16]),
        partial(plots.draw_pit, shares=[0.1] * 10, by_chance=(0.02, 0.18)),
        partial(plots.draw_coverage, coverage={50: [0.45] * 28, 80: [0.75] * 28, 95: [0.97] * 28}),
        partial(plots.draw_leads, mine=by_lead, theirs=[value + 0.4 for value in by_lead]),
        partial(draw_curve, scores=[10.0, 12.0, None, 8.0], of=20),
    ]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(24, 5), (58, 11), (78, 12), (198, 40)])
def test_every_plot_fills_its_cells_in_every_terminal(mode: Mode, size: tuple[int, int]) -> None:
    for draw in all_plots():
        strips = drawn(draw, mode, *size)
        assert len(strips) == size[1]
        assert {strip.cell_length for strip in strips} == {size[0]}
        if mode.glyphs == "ascii":
            assert all(text.isascii() for text in texts(strips))
        if mode.glyphs != "braille":
            assert not any("\u2800" <= char <= "\u28ff" for text in texts(strips) for char in text)
        if mode.depth == "none":
            assert not any(segment.style and segment.style.color for strip in strips for segment in strip)
        assert not any(segment.style and segment.style.bgcolor for strip in strips for segment in strip)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.floats(-5, 1), st.floats(0, 2), st.floats(0, 2)), max_size=9),
    shares,
    scores,
    st.integers(24, 120),
    st.integers(5, 40),
)
def test_no_figure_breaks_a_plot(
    skills: list[tuple[float, float, float]], pit: list[float], values: list[float | None], width: int, height: int
) -> None:
    bars = [plots.SkillBar(f"model {k}", Skill(s, s - low, s + up, 9)) for k, (s, low, up) in enumerate(skills)]
    for draw in (
        partial(plots.draw_skills, bars=bars),
        partial(plots.draw_pit, shares=pit),
        partial(plots.draw_coverage, coverage={50: pit}),
        partial(plots.draw_leads, mine=values, theirs=values[::-1]),
        partial(draw_curve, scores=values, of=len(values)),
    ):
        assert {strip.cell_length for strip in drawn(draw, None, width, height)} == {width}


def test_whatever_a_figure_is_the_process_goes_on() -> None:
    """In a process of its own, as plotext would end it."""
    command = "import test_backtest_plots; test_backtest_plots.no_figure_at_all_breaks_a_plot()"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", command], env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


@settings(max_examples=40, deadline=None, database=None)
@given(st.lists(anything, min_size=10, max_size=10), st.tuples(anything, anything, anything), st.integers(24, 90))
def no_figure_at_all_breaks_a_plot(values: list[Any], figures: tuple[Any, Any, Any], width: int) -> None:
    one, low, high = figures
    shares = [value or 0.0 for value in figures]
    scored = SimpleNamespace(pit=values, coverages=shares, horizon=24, n=9, above_95=2, below_95=1)
    scored.expected = lambda share: (share / 2, share)
    scored.beyond, scored.few = (lambda found, share: found > share), False
    end = datetime(2026, 1, 1, tzinfo=UTC)
    weeks = [SimpleNamespace(crps=value, reference_crps=one, end=end) for value in values]
    for draw in (
        partial(plots.draw_skills, bars=[plots.SkillBar(f"{one}", Skill(one, low, high, 9)), *SKILLS]),
        partial(plots.draw_pit, shares=values),
        partial(plots.draw_coverage, coverage={50: values, 95: values[::-1]}),
        partial(plots.draw_leads, mine=values, theirs=values[::-1]),
        partial(calibration_plots.draw_pit, found=scored),
        partial(calibration_plots.draw_coverage, found=[scored]),
        partial(calibration_plots.draw_weeks, weeks=weeks, zone=UTC, now=end),
        partial(draw_curve, scores=values, of=10),
        partial(draw_ascent, values=[1.0, *values]),
        partial(draw_anyhow, values=values),
    ):
        with suppress(ValueError):  # of no room between the ends of an axis; the plot says so
            assert {strip.cell_length for strip in drawn(draw, None, width, 9)} == {width}


def draw_anyhow(sheet: Sheet, values: list[Any]) -> None:
    """Everything that a sheet takes, on axes that know nothing of it."""
    sheet.line(values, values[::-1], sheet.fine, None)
    sheet.points(values[::-1], values, sheet.dot, None)
    for value in values:
        sheet.column((0.2, 0.8), value, None)
    sheet.x_axis(0.0, 1.0, [(0.0, "0")])
    sheet.y_axis(-1.0, 1.0, [(0.0, "0")])


def test_a_figure_that_is_none_leaves_the_others_as_they_are() -> None:
    scores = [10.0, 12.0, None, 8.0]
    rows = texts(drawn(partial(draw_curve, scores=scores, of=20)))
    for other in (math.nan, math.inf, -math.inf, 1e308):
        assert texts(drawn(partial(draw_curve, scores=[10.0, 12.0, other, 8.0], of=20))) == rows


def test_what_lies_outside_the_axes_is_not_drawn_at_their_ends() -> None:
    def draw(sheet: Sheet) -> None:
        sheet.points([0.5], [1e20], sheet.point, None)
        sheet.x_axis(0.0, 1.0, [])
        sheet.y_axis(0.0, 1.0, [])

    assert "●" not in "".join(texts(drawn(draw)))


def test_a_bar_goes_from_zero_towards_its_skill_and_is_shaded_inside_its_interval() -> None:
    rows = texts(drawn(partial(plots.draw_skills, bars=SKILLS)))
    better, worse = (next(row for row in rows if word in row) for word in ("better", "worse"))
    zero = next(row for row in rows if "│" in row and "better" not in row).rindex("│")
    assert better[zero + 1] == "█"
    assert better.index("█") < better.index("▒") < better.index("●") < better.rindex("─")
    assert worse.rindex("█") == zero - 1
    assert worse.index("─") < worse.index("●") < worse.index("▒") < worse.index("█")


def test_a_skill_is_better_or_worse_only_where_its_interval_leaves_zero_out() -> None:
    assert [plots.verdict(bar.skill) for bar in SKILLS] == ["▲", "≈", "▼"]
    assert plots.verdict(Skill(0.4, None, None, 58, 20)) == " "


def test_of_too_few_that_lie_apart_no_skill_has_a_mark_or_a_colour() -> None:
    few = [plots.SkillBar(bar.label, replace(bar.skill, apart=19)) for bar in SKILLS]
    assert {plots.verdict(bar.skill) for bar in few} == {" "}
    marked, plain = (colours_of(drawn(partial(plots.draw_skills, bars=bars), None, 78, 12)) for bars in (SKILLS, few))
    verdicts = {Color.parse(tone).get_truecolor() for tone in (DARK.origin, DARK.missed) if tone}
    assert verdicts <= marked
    assert not verdicts & plain
    assert plots.few_text(few) == " · 19 apart: too few to judge"
    assert (plots.few_text(SKILLS), plots.few_text([few[0], *SKILLS])) == ("", " · some 19 apart: too few to judge")


def test_a_pit_shows_where_chance_would_take_its_bars() -> None:
    rows = texts(drawn(partial(plots.draw_pit, shares=[0.1] * 10, by_chance=(0.0, 0.18)), None, 78, 14))
    assert sum(row.count("·") > 40 for row in rows) == 1
    assert not any("·" in row for row in texts(drawn(partial(plots.draw_pit, shares=[0.1] * 10), None, 78, 14)))
    assert plots.pit_points([0.1], (0.0, 0.18))[0] == {
        "from": 0.0,
        "to": 1.0,
        "share": 0.1,
        "expected_low": 0.0,
        "expected_high": 0.18,
    }


def colours_of(strips: list[Strip]) -> set[Any]:
    styles = [segment.style for strip in strips for segment in strip if segment.style and segment.style.color]
    return {style.color.get_truecolor() for style in styles if style.color}


def test_the_pit_has_a_line_at_what_each_bin_would_hold() -> None:
    rows = texts(drawn(partial(plots.draw_pit, shares=[0.1] * 10)))
    [line] = [row for row in rows if "╌" in row]
    assert line.startswith("10%┤")


def test_coverage_has_a_line_at_each_level() -> None:
    found = {50: [0.6] * 28, 80: [0.88] * 28, 95: [0.99] * 28}
    rows = texts(drawn(partial(plots.draw_coverage, coverage=found), None, 78, 20))
    assert [row[:3] for row in rows if "╌" in row] == ["95%", "80%", "50%"]


def test_where_every_origin_was_refused_there_is_still_a_plot() -> None:
    assert any(
        "95%" in line for line in texts(drawn(partial(plots.draw_coverage, coverage={50: [], 80: [], 95: []})))
    )


def test_the_first_hours_stay_single_and_later_ones_are_six_together() -> None:
    places, means = plots.calmed([float(k) for k in range(168)])
    assert places[:7] == [1, 2, 3, 4, 5, 6, 9.5]
    assert means[6] == 8.5
    assert len(places) == 6 + 27
    assert plots.calmed([]) == ([], [])


@given(st.floats(-10, 10), st.floats(0.01, 20), st.integers(1, 12))
def test_ticks_lie_inside_and_hold_zero_where_it_does(lower: float, span: float, most: int) -> None:
    ticks = span_ticks(lower, lower + span, most)
    assert all(lower - 1e-9 <= tick <= lower + span + 1e-9 for tick in ticks)
    assert 0.0 in ticks or not lower <= 0 <= lower + span


def test_drawing_takes_less_than_thirty_milliseconds_of_a_processor() -> None:
    for draw in all_plots():
        spent = []
        for _ in range(5):
            begin = time.process_time()
            drawn(draw, None, 118, 20)
            spent.append(time.process_time() - begin)
        assert min(spent) < 0.03


def test_what_is_drawn_does_not_depend_on_what_was_drawn_before() -> None:
    first: list[Any] = [texts(drawn(draw)) for draw in all_plots()]
    assert [texts(drawn(draw)) for draw in reversed(all_plots())][::-1] == first
