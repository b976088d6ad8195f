"""The fan chart: exact in size whatever the data, true to within half a cell, honest about what is missing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.color import Color, ColorSystem
from rich.palette import Palette as Colours
from textual.app import App, ComposeResult
from textual.strip import Strip

from tui.widgets.fan import Band, Event, Fan, Total, View, whole
from tui.widgets.fan_bands import EIGHTHS, above, below, columns, nested, sample
from tui.widgets.fan_chart import FanChart
from tui.widgets.fan_plot import draw, plot, render
from tui.widgets.fan_scene import compose
from tui.widgets.plot_axes import format_count, time_ticks, value_ticks
from tui.widgets.plot_lines import Dots
from tui.widgets.plot_palette import DARK, DARK_16, DARK_256, LIGHT, LIGHT_16, LIGHT_256, Mode, Palette, detect

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
EASTERN = ZoneInfo("America/New_York")
MODES = [
    Mode(depth, glyphs) for depth in ("truecolor", "256", "16", "none") for glyphs in ("braille", "blocks", "ascii")
]

anything = st.one_of(st.none(), st.floats(), st.floats(0, 60), st.integers(-3, 10**30).map(float))
values = st.lists(anything, max_size=60).map(tuple)
bands = st.builds(Band, st.floats(0, 1), values, values)
moments = st.integers(-500, 500).map(lambda hours: START + hours * HOUR)
events = st.builds(Event, moments, moments, st.text(max_size=20))
totals = st.builds(
    Total, st.floats(), st.lists(st.tuples(st.floats(0, 1), st.floats(), st.floats()), max_size=4).map(tuple)
)
fans = st.builds(
    Fan,
    start=st.just(START),
    step=st.sampled_from([HOUR, timedelta(days=1)]),
    actual=values,
    mean=values,
    other=values,
    bands=st.lists(bands, max_size=4).map(tuple),
    events=st.lists(events, max_size=3).map(tuple),
    origin=st.none() | moments,
    now=st.none() | moments,
    total=st.none() | totals,
    stepped=st.booleans(),
    at_end=st.booleans(),
)
views = st.none() | st.builds(View, st.floats(), st.floats()) | st.builds(View, st.floats(-9, 50), st.floats(0, 90))


def text(strips: Iterable[Strip]) -> list[str]:
    return [strip.text for strip in strips]


def fan(*, actual: Iterable[float | None] = (), mean: Iterable[float | None] = (), **more: object) -> Fan:
    return Fan(START, HOUR, tuple(actual), tuple(mean), **more)  # type: ignore[arg-type]


@settings(max_examples=300)
@given(fans, st.integers(1, 130), st.integers(1, 40), views, st.none() | st.integers(-5, 70), st.sampled_from(MODES))
def test_any_data_fill_exactly_the_cells_given(
    chart: Fan, width: int, height: int, view: View | None, cursor: int | None, mode: Mode
) -> None:
    strips = render(chart, width=width, height=height, view=view, cursor=cursor, mode=mode, zone=EASTERN)
    assert len(strips) == height
    for strip in strips:
        assert sum(segment.cell_length for segment in strip) == width
        if mode.glyphs == "ascii":
            assert strip.text.isascii()
        if mode.depth == "none":
            assert not any(segment.style and (segment.style.color or segment.style.bgcolor) for segment in strip)


@settings(max_examples=100)
@given(fans, st.integers(1, 130), st.integers(1, 40), st.lists(st.integers(0, 59)), st.sampled_from(MODES))
def test_a_cursor_that_moves_over_a_plot_reads_off_what_a_new_drawing_would(
    chart: Fan, width: int, height: int, cursors: list[int], mode: Mode
) -> None:
    scene = compose(chart, width, height, mode, DARK, None, None, EASTERN)
    plotted = plot(scene)
    for cursor in (c for c in cursors if c < scene.fan.steps):
        anew = render(chart, width=width, height=height, cursor=cursor, mode=mode, colours=DARK, zone=EASTERN)
        assert draw(replace(scene, cursor=cursor), plotted) == anew


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=3, max_size=3),
    st.integers(3, 40),
    st.sampled_from([1, 4, 8]),
)
def test_each_edge_of_a_band_is_within_half_a_cell_of_the_truth(
    pairs: list[tuple[float, float]], height: int, quantum: int
) -> None:
    found = [Band(level, (min(p),), (max(p),)) for level, p in zip((0.95, 0.8, 0.5), pairs, strict=True)]
    [cells] = columns(found, View(0, 1), (1, height), 100.0, at=0.5, stepped=True, quantum=quantum)
    intervals = nested([band.lower[0] for band in found], [band.upper[0] for band in found])
    assert intervals is not None
    for y, code in enumerate(cells):  # whatever level a cell shows is true somewhere within half a cell of it
        edge = y + (code & 7) / EIGHTHS
        parts = [(below(code), y, edge), (above(code), edge, y + 1)] if code & 7 else [(above(code), y, y + 1)]
        for level, low, high in parts:
            slack = 0.5 + quantum / EIGHTHS  # half a cell, and a band of no width drawn with one quantum
            assert level in _levels(intervals, (low - slack) / height * 100, (high + slack) / height * 100)


def _levels(intervals: list[tuple[float, float]], low: float, high: float) -> set[int]:
    edges = sorted({low, high, *(x for interval in intervals for x in interval if low <= x <= high)})
    probes = edges + [(a + b) / 2 for a, b in pairwise(edges)] + [-1.0]
    found = {sum(a <= probe <= b for a, b in intervals) for probe in probes}
    return set(range(min(found), max(found) + 1))


@given(
    st.lists(st.none() | st.floats(0, 1e6), min_size=3, max_size=3),
    st.lists(st.none() | st.floats(0, 1e6), min_size=3, max_size=3),
)
def test_a_wider_band_always_holds_the_narrower(lower: list[float | None], upper: list[float | None]) -> None:
    pairs = [sorted(p) if None not in p else p for p in zip(lower, upper, strict=True)]  # type: ignore[type-var]
    found = nested([p[0] for p in pairs], [p[1] for p in pairs])
    if found is None:
        assert all(None in p for p in pairs)
    else:
        (a, f), (b, e), (c, d) = found
        assert a <= b <= c <= d <= e <= f


@given(st.lists(st.floats(0, 50), min_size=1, max_size=30), st.integers(1, 30))
def test_the_levels_of_a_column_rise_and_fall_once(upper: list[float], height: int) -> None:
    found = [Band(level, (0.0,) * len(upper), tuple(v * level for v in upper)) for level in (0.95, 0.8, 0.5)]
    for column in columns(found, View(0, len(upper)), (7, height), 50.0, at=0.5, stepped=False, quantum=1):
        levels = [level for code in column for level in ((below(code), above(code)) if code & 7 else (above(code),))]
        peak = levels.index(max(levels))
        assert levels[:peak] == sorted(levels[:peak])
        assert levels[peak:] == sorted(levels[peak:], reverse=True)


def test_a_missing_hour_is_a_gap_and_not_a_zero() -> None:
    zero = render(fan(actual=[5, 5, 5, 0, 5, 5, 5]), width=60, height=12)
    gap = render(fan(actual=[5, 5, 5, None, 5, 5, 5]), width=60, height=12)
    bottom = slice(9, 10)
    assert any("⠀" < char <= "⣿" for row in text(zero)[bottom] for char in row)
    assert not any("⠀" < char <= "⣿" for row in text(gap)[bottom] for char in row)


def test_a_single_observed_hour_is_a_dot() -> None:
    shown = "".join(text(render(fan(actual=[None, 4, None]), width=40, height=10))[1:])
    assert sum("⠀" < char <= "⣿" for char in shown) == 1


def test_a_line_on_a_band_keeps_the_bands_colour_beneath_it() -> None:
    chart = fan(mean=[5] * 20, bands=(Band(0.95, (1,) * 20, (9,) * 20),))
    rows = render(chart, width=60, height=14)
    dots = [s for row in rows[1:] for s in row if any("⠀" < char <= "⣿" for char in s.text)]
    assert {segment.style.bgcolor for segment in dots if segment.style} == {Color.parse(str(DARK.bands[1]))}


def test_columns_that_hold_several_hours_show_their_mean() -> None:
    assert sample((1, 3, 5, 7), View(0, 4), 2) == [2, 6]
    assert sample((1, None, None, None), View(0, 4), 2) == [1, None]


def test_columns_narrower_than_an_hour_lie_on_the_line_between_two() -> None:
    assert sample((0, 8), View(0, 2), 8) == [0, 0, 1, 3, 5, 7, 8, 8]


def test_a_gap_between_two_hours_is_not_bridged() -> None:
    assert sample((4, None, 4), View(0, 3), 6) == [4, 4, None, None, 4, 4]


def test_the_read_out_tells_time_values_and_intervals_in_the_display_zone() -> None:
    chart = fan(
        actual=[None, 30],
        mean=[None, 4.25],
        bands=tuple(Band(level, (None, low), (None, high)) for level, low, high in ((0.5, 2, 6), (0.95, 0, 14))),
        events=(Event(START + HOUR, START + 2 * HOUR, "Launch [b]"),),
    )
    line = text(render(chart, width=120, height=12, cursor=1, zone=EASTERN, now=START))[0]
    shown = "Sat 28 Feb 20:00–21:00 observed 30 outside 95% mean 4.2 50% 2–6 95% 0–14 ◆ Launch [b]"
    assert " ".join(line.split()) == shown


def test_a_read_out_of_another_year_tells_it_and_fits_eighty_columns() -> None:
    bands = tuple(Band(level, (low,), (high,)) for level, low, high in ((0.5, 3, 8), (0.8, 1, 11), (0.95, 0, 15)))
    chart = fan(actual=[12], mean=[5.2], bands=bands)
    line = text(render(chart, width=80, height=12, cursor=0, zone=EASTERN, now=START + 300 * 24 * HOUR))[0]
    assert line.startswith(" Sat 28 Feb 19:00–20:00   observed 12   mean 5.2   50% 3–8 ")
    line = text(render(chart, width=80, height=12, cursor=0, zone=EASTERN, now=START + 400 * 24 * HOUR))[0]
    shown = "Sat 28 Feb 2026 19:00–20:00 observed 12 mean 5.2 50% 3–8 80% 1–11 95% 0–15"
    assert " ".join(line.split()) == shown
    chart = replace(chart, actual=(22.0,))
    line = text(render(chart, width=80, height=12, cursor=0, zone=EASTERN, now=START + 400 * 24 * HOUR))[0]
    shown = "28 Feb 2026 19:00 observed 22 outside 95% mean 5.2 50% 3–8 80% 1–11 95% 0–15"
    assert line.strip() == shown


def test_the_read_out_of_an_unobserved_hour_says_so() -> None:
    assert "not observed" in text(render(fan(actual=[1, None, 2]), width=60, height=8, cursor=1))[0]


def test_the_legend_names_what_is_drawn_and_nothing_else() -> None:
    line = text(render(fan(actual=[1, 2], bands=(Band(0.8, (0, 0), (3, 3)),)), width=60, height=8))[0]
    assert "observed" in line
    assert "80%" in line
    assert "mean" not in line


def test_a_second_mean_is_dashed_named_and_read_off() -> None:
    two = fan(mean=(9.0,) * 40, other=(3.0,) * 40, names=("observed", "with", "without"))
    strips = text(render(two, width=50, height=12))
    assert "with" in strips[0]
    assert "without" in strips[0]
    assert "without 3" in text(render(two, width=50, height=12, cursor=5))[0]
    dashes = next(line for line in strips[6:10] if any("\u2800" < char <= "\u28ff" for char in line))
    drawn = ["\u2800" < char <= "\u28ff" for char in dashes]
    assert 0.3 < sum(drawn) / 40 < 0.7


def test_a_second_mean_is_told_from_the_first_without_colour() -> None:
    two = fan(mean=(9.0,) * 40, other=(3.0,) * 40, names=("observed", "with", "without"))
    strips = text(render(two, width=50, height=12, mode=Mode("none", "ascii")))
    assert "++ with   oo without" in strips[0]
    assert any(line.count("o") > 10 for line in strips[5:11])


def test_names_stand_in_the_legend_the_read_out_and_what_is_exported() -> None:
    named = fan(actual=(1.0, 2.0), mean=(3.0, 4.0), names=("so far", "total", ""))
    assert "so far 2   total 4" in text(render(named, width=70, height=8, cursor=1))[0]
    assert list(named.at(1)) == ["start", "so far", "total"]


def test_the_read_out_says_what_is_known_of_an_event() -> None:
    launch = Event(START, START + HOUR, "Launch", "+35%")
    assert "◆ Launch +35%" in text(render(fan(mean=(1.0, 2.0), events=(launch,)), width=70, height=12, cursor=0))[0]


def test_the_word_at_the_origin_is_whole_at_the_right_end_too() -> None:
    strips = text(render(fan(mean=(9.0, *[1.0] * 39), origin=START + 38 * HOUR), width=60, height=12))
    assert "forecast" in strips[1]


def test_the_total_stands_beside_the_plot_with_its_figures() -> None:
    chart = fan(mean=[0, 100, 531], total=Total(531, ((0.95, 340, 760), (0.5, 470, 590))))
    shown = "\n".join(text(render(chart, width=100, height=30)))
    for figure in ("531", "340", "760", "470", "590"):
        assert figure in shown


def test_an_event_near_the_right_end_has_its_name_before_its_mark() -> None:
    chart = fan(mean=[3] * 48, events=(Event(START + 46 * HOUR, START + 47 * HOUR, "Court hearing"),))
    assert "Court hearing ◆" in text(render(chart, width=60, height=14))[-1]


def test_the_names_of_now_and_of_the_origin_cover_no_edge_of_a_band() -> None:
    band = Band(0.95, (8.0,) * 48, (9.0,) * 48)
    chart = fan(mean=[8.5] * 48, bands=(band,), origin=START + 4 * HOUR, now=START + 6 * HOUR)
    named = [row for row in text(render(chart, width=60, height=14))[1:] if "forecast" in row or "now" in row]
    assert len(named) == 2
    assert not set("".join(named)) & set("▁▂▃▄▅▆▇")


def test_an_event_shows_its_name_as_text() -> None:
    chart = fan(actual=[1] * 48, events=(Event(START + 5 * HOUR, START + 9 * HOUR, "[red]Earnings\x1b[31m"),))
    assert "◆ [red]Earnings�[31m" in text(render(chart, width=100, height=14))[-1]


@pytest.mark.parametrize(
    ("depth", "colours"), [("256", DARK_256), ("256", LIGHT_256), ("16", DARK_16), ("16", LIGHT_16)]
)
def test_poor_terminals_show_the_very_colours_of_the_palette(depth: str, colours: Palette) -> None:
    from rich._palettes import EIGHT_BIT_PALETTE, STANDARD_PALETTE

    system = ColorSystem.EIGHT_BIT if depth == "256" else ColorSystem.STANDARD
    table: Colours = EIGHT_BIT_PALETTE if depth == "256" else STANDARD_PALETTE
    for colour in _colours(colours):
        shown = Color.parse(colour).downgrade(system).number
        assert shown is not None
        assert table[shown].hex == colour


@pytest.mark.parametrize("colours", [DARK, LIGHT, DARK_256, LIGHT_256])
def test_every_band_has_a_ground_of_its_own(colours: Palette) -> None:
    assert len(set(colours.bands)) == 4


@pytest.mark.parametrize("colours", [DARK, LIGHT, DARK_256, LIGHT_256, DARK_16, LIGHT_16])
def test_both_lines_stand_out_from_every_band(colours: Palette) -> None:
    for ground in colours.bands:
        for line in (colours.actual, colours.mean):
            assert _contrast(str(line), str(ground)) > 2.5


def test_without_colours_the_mean_is_dotted_as_its_legend_is() -> None:
    chart = fan(actual=[5.0] * 40, mean=[9.0] * 40)
    plain, coloured = (text(render(chart, width=60, height=12, mode=Mode(depth))) for depth in ("none", "256"))
    assert ("━━ observed   ┄┄ mean" in plain[0], "━━ observed   ━━ mean" in coloured[0]) == (True, True)
    assert [row.count("⠒") + row.count("⠤") + row.count("⠉") + row.count("⣀") > 20 for row in coloured[1:10]].count(
        True
    ) == 2
    assert [row.count("⠒") + row.count("⠤") + row.count("⠉") + row.count("⣀") > 20 for row in plain[1:10]].count(
        True
    ) == 1


def test_sixteen_colours_dot_the_edge_of_the_widest_band() -> None:
    chart = fan(bands=(Band(0.95, (1,) * 30, (9,) * 30), Band(0.5, (4,) * 30, (6,) * 30)))
    rows = render(chart, width=60, height=20, mode=Mode("16"))
    assert sum(any("⠀" < char <= "⣿" for char in row) for row in text(rows)[1:]) == 2


@given(st.floats(1e-3, 1e12), st.integers(1, 20))
def test_ticks_are_round_evenly_spaced_and_not_too_many(top: float, most: int) -> None:
    ticks = value_ticks(top, most)
    assert ticks[0] == 0
    assert len(ticks) <= most + 1
    assert ticks[-1] <= top * (1 + 1e-9)
    if len(ticks) > 1:
        digits = f"{ticks[1]:e}".partition("e")[0].rstrip("0").rstrip(".")
        assert digits in ("1", "2", "5")


@given(st.floats(1.0, 1e9), st.integers(2, 20))
def test_an_axis_with_room_for_two_ticks_never_has_zero_alone(top: float, most: int) -> None:
    assert len(value_ticks(top, most)) > 1


def test_time_ticks_are_local_midnights_across_a_change_of_clocks() -> None:
    ticks = time_ticks(START, START + 14 * 24 * HOUR, EASTERN, 14)
    assert {tick.time.astimezone(EASTERN).hour for tick in ticks} == {0}
    assert [tick.label for tick in ticks][7:9] == ["Sun 8", "Mon 9"]


@pytest.mark.parametrize(
    ("start", "hours", "now", "width", "shown"),
    [
        (START, 14 * 24, START, 80, "Sun 1 Mar Thu 5 Sat 7 Mon 9 Wed 11 Fri 13"),
        (START, 14 * 24, START + 400 * 24 * HOUR, 80, "Sun 1 Mar 2026 Thu 5 Sat 7 Mon 9 Wed 11 Fri 13"),
        (START, 14 * 24, START + 400 * 24 * HOUR, 60, "Sun 1 Mar 2026 Sat 7 Mon 9 Wed 11 Fri 13"),
        (datetime(2025, 12, 29, tzinfo=UTC), 7 * 24, START, 80, "Mon 29 Dec 2025 Thu 1 Jan 2026 Fri 2 Sat 3 Sun 4"),
        (datetime(2025, 12, 30, 12, tzinfo=UTC), 6 * 24, START, 60, "Thu 1 Jan 2026 Sat 3 Sun 4 Mon 5"),
        (START + 7 * HOUR, 10, START + 400 * 24 * HOUR, 80, "Sun 1 Mar 2026 08:00 12:00 14:00 16:00"),
        (START + 7 * HOUR, 30, START + 400 * 24 * HOUR, 80, "12:00 18:00 Mon 2 Mar 2026 06:00 12:00"),
        (START, 400 * 24, START, 80, "Apr 2026 Jul 2026 Oct 2026 Jan 2027 Apr 2027"),
    ],
)
def test_the_first_day_of_an_axis_has_its_month_and_where_it_is_not_plain_each_year_once(
    start: datetime, hours: int, now: datetime, width: int, shown: str
) -> None:
    chart = Fan(start, HOUR, actual=(1.0,) * hours)
    assert " ".join(text(render(chart, width=width, height=12, now=now))[-1].split()) == shown


@given(st.integers(1, 100_000), st.integers(1, 40))
def test_there_are_never_more_time_ticks_than_room_for(hours: int, most: int) -> None:
    assert len(time_ticks(START, START + hours * HOUR, EASTERN, most)) <= most + 1


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (0.41, "0.4"),
        (7, "7"),
        (4.25, "4.2"),
        (531.4, "531"),
        (1250, "1,250"),
        (12_500, "12.5k"),
        (1e20, "1e+20"),
        (math.inf, "–"),
    ],
)
def test_counts_are_short(value: float, shown: str) -> None:
    assert format_count(value) == shown


def test_a_line_is_connected_however_steep() -> None:
    dots = Dots(4, 5)
    dots.trace([(0, 19), (1, 0), (7, 10)])
    for left, right in zip(dots.columns, dots.columns[1:], strict=False):
        near = left | left << 1 | left >> 1
        assert near & right


@pytest.mark.parametrize(
    ("environ", "system", "no_color", "mode"),
    [
        ({}, "truecolor", False, Mode("truecolor", "braille")),
        ({"LANG": "en_US.UTF-8"}, "256", False, Mode("256", "braille")),
        ({"TERM": "linux"}, "standard", False, Mode("16", "blocks")),
        ({"LANG": "C"}, "256", False, Mode("256", "ascii")),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "de_DE.ISO-8859-1"}, "256", False, Mode("256", "ascii")),
        ({}, "truecolor", True, Mode("none", "braille")),
        ({}, None, False, Mode("none", "braille")),
    ],
)
def test_the_terminal_is_taken_for_what_it_is(
    environ: dict[str, str], system: str | None, no_color: bool, mode: Mode
) -> None:
    assert detect(environ, system, no_color=no_color) == mode


class Shown(App[None]):
    """A chart alone."""

    def __init__(self, chart: Fan | None) -> None:
        super().__init__()
        self.chart = chart

    def compose(self) -> ComposeResult:
        yield FanChart(empty="No forecast yet")

    def on_mount(self) -> None:
        self.query_one(FanChart).set_fan(self.chart)
        self.query_one(FanChart).focus()


def week() -> Fan:
    return fan(
        actual=[float(i % 7) for i in range(120)],
        mean=[None] * 120 + [3.0] * 48,
        bands=(Band(0.95, (None,) * 120 + (0.0,) * 48, (None,) * 120 + (9.0,) * 48),),
        origin=START + 120 * HOUR,
    )


@example([53.0, 126.0, 54.0, 85.0, 88.0, 110.0, 118.0], 14)
@given(st.lists(st.floats(50, 150), min_size=7, max_size=7), st.integers(10, 16))
def test_names_of_moments_close_by_never_lie_over_each_other(totals: list[float], height: int) -> None:
    gap = (None,) * 18
    bands = tuple(
        Band(level, gap + tuple(max(m - width, 0.0) for m in totals), gap + tuple(m + 2 * width for m in totals))
        for level, width in ((0.95, 60.0), (0.8, 40.0), (0.5, 20.0))
    )
    origin = START + 18 * HOUR
    chart = fan(actual=[90.0] * 18, mean=[*gap, *totals], bands=bands, origin=origin, now=origin + HOUR / 2)
    rows = text(render(chart, width=66, height=height))[1:]
    assert sum("forecast" in row for row in rows) == sum("now" in row for row in rows) == 1


async def test_the_arrow_keys_read_values_off_from_the_origin() -> None:
    app = Shown(week())
    async with app.run_test(size=(100, 20)) as pilot:
        chart = app.query_one(FanChart)
        await pilot.press("right")
        assert chart.cursor == 120
        await pilot.press("left")
        assert chart.cursor is not None
        assert chart.cursor < 120
        assert "observed" in chart.render_line(0).text


async def test_zooming_keeps_the_hour_read_off_in_view() -> None:
    app = Shown(week())
    async with app.run_test(size=(100, 20)) as pilot:
        chart = app.query_one(FanChart)
        await pilot.press("right", "plus", "plus", "plus", "plus")
        assert chart.view is not None
        assert chart.cursor is not None
        assert chart.view.first <= chart.cursor < chart.view.last
        assert chart.view.span < 40
        await pilot.press(*["minus"] * 9)
        assert chart.view == whole(week())


async def test_panning_stops_at_the_ends_of_the_data() -> None:
    app = Shown(week())
    async with app.run_test(size=(100, 20)) as pilot:
        chart = app.query_one(FanChart)
        await pilot.press("plus", *["left_square_bracket"] * 20)
        assert chart.view is not None
        assert chart.view.first == 0
        await pilot.press(*["right_square_bracket"] * 20)
        assert chart.view.last == 168


async def test_without_data_it_says_what_is_missing_and_no_key_breaks_it() -> None:
    app = Shown(None)
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.press("left", "right", "plus", "minus", "home", "end", "o", "0", "left_square_bracket")
        lines = [app.query_one(FanChart).render_line(y).text for y in range(12)]
        assert any("No forecast yet" in line for line in lines)


def test_a_drawing_takes_a_part_of_the_frame_it_is_given() -> None:
    place = compose(week(), 100, 30, Mode(), DARK, None, None, UTC).place
    assert place.left + place.width + place.right == 100


def _colours(colours: Palette) -> set[str]:
    found: set[str] = set()
    for field in fields(colours):
        value = getattr(colours, field.name)
        found |= set(value) if isinstance(value, tuple) else {value}
    return found


def _contrast(one: str, other: str) -> float:
    lights = sorted(_luminance(colour) for colour in (one, other))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def _luminance(colour: str) -> float:
    triplet = Color.parse(colour).triplet
    assert triplet is not None
    parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in triplet.normalized]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
