"""A redraw of the fan chart (two weeks of hours, three bands, 120x36), beside plotext drawing the same.

python tests/benchmarks/bench_fan_chart.py
"""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tui.widgets.fan import Band, Fan
from tui.widgets.fan_plot import render
from tui.widgets.plot_palette import Mode

WIDTH, HEIGHT, HOURS = 120, 36, 168
BUDGET_MS = 10.0
MODES = (Mode(), Mode("256"), Mode("16"), Mode("none"), Mode("truecolor", "ascii"))


def main() -> None:
    """Print the medians."""
    fan = two_weeks()
    for mode in MODES:
        median = measured(lambda mode=mode: render(fan, width=WIDTH, height=HEIGHT, mode=mode))  # type: ignore[misc]
        print(f"fan chart, {mode.depth}, {mode.glyphs}: {median:6.1f} ms a redraw (budget {BUDGET_MS:.0f} ms)")
    print(f"plotext, the same data:        {measured(lambda: with_plotext(fan), times=5):6.1f} ms a redraw")


def two_weeks() -> Fan:
    """A week of counts and a week of forecast."""
    chance = random.Random(1)
    actual = tuple(float(int(chance.expovariate(0.3))) for _ in range(HOURS))
    mean = tuple(4 + 3 * math.sin(hour / 24 * math.tau) for hour in range(HOURS))
    gap = (None,) * HOURS
    bands = tuple(
        Band(level, gap + tuple(max(m - width, 0.0) for m in mean), gap + tuple(m + 2 * width for m in mean))
        for level, width in ((0.5, 1.5), (0.8, 3.0), (0.95, 5.0))
    )
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return Fan(start, timedelta(hours=1), actual, gap + mean, bands, origin=start + timedelta(hours=HOURS)).sound()


def with_plotext(fan: Fan) -> str:
    """The same lines and filled bands."""
    import plotext

    figure = plotext.figure
    figure.clear()
    figure.plot_size(WIDTH, HEIGHT)
    ahead = list(range(HOURS, 2 * HOURS))
    for band in fan.bands:
        lower = figure.signal(ahead, list(band.lower[HOURS:]))
        figure.signal(ahead, list(band.upper[HOURS:])).fill(lower)
    figure.signal(ahead, list(fan.mean[HOURS:])).lines()
    figure.signal(list(range(HOURS)), list(fan.actual)).lines()
    return str(figure.build())


def measured(draw: Callable[[], object], *, times: int = 40) -> float:
    """Median milliseconds of CPU a call."""
    draw()
    taken = []
    for _ in range(times):
        began = time.process_time()
        draw()
        taken.append((time.process_time() - began) * 1000)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
