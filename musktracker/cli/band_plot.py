"""A forecast's hours as a band of characters for the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

BANDS = (("95", "░", 24), ("50", "▒", 32))  # level, character, colour of 256
HEIGHT = 16
WIDEST = 120


def band_plot(hours: Sequence[Mapping[str, Any]], zone: ZoneInfo, width: int) -> str:
    """Mean, 50% and 95% bounds of each hour, `width` columns wide; coloured where standard output is a terminal."""
    import plotext

    figure = plotext.figure.clear()
    figure.plot_size(min(width, WIDEST), HEIGHT)
    figure.canvas("default")
    figure.axes(pixel="default")
    x = list(range(len(hours)))
    for level, character, colour in BANDS:
        marker = plotext.marker(character, colour)
        edges = [
            figure.signal(x, [hour[f"{end}_bound_{level}"] for hour in hours], marker=marker).lines()
            for end in ("lower", "upper")
        ]
        figure.draw(edges[1].fill(edges[0]))
    mean = [hour["predicted_count"] for hour in hours]
    figure.draw(figure.signal(x, mean, marker=plotext.marker("braille", 214)).lines())
    ticks, labels = _ticks(hours, zone)
    figure.ruler("x").ticks(ticks, labels)
    first = hours[0]["target_time"].astimezone(zone)
    figure.title(f"Posts an hour from {first:%Y-%m-%d} on: mean, 50% ▒ and 95% ░")
    text = str(figure.build()) if _coloured() else plotext.uncolorize(figure.build())
    plotext.figure.clear()
    return str(text).rstrip("\n")


def _ticks(hours: Sequence[Mapping[str, Any]], zone: ZoneInfo) -> tuple[list[int], list[str]]:
    """The starts of days, or every sixth hour where there are few."""
    times = [hour["target_time"].astimezone(zone) for hour in hours]
    step, form = (6, "%H:%M") if len(hours) <= 48 else (24, "%a %d")
    chosen = [k for k, time in enumerate(times) if time.hour % step == 0]
    return chosen, [f"{times[k]:{form}}" for k in chosen]


def _coloured() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
