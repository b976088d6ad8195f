"""Fill in what happened to every forecast whose hours are over, and print error and coverage.

musktracker score
musktracker score --since 2025-12-01T00:00Z           forecasts made from then on

It also scores every horizon of each forecast whose own hours are complete, and gives notice where the account's level
or its hours of posting changed: musktracker monitor shows these.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from musktracker.cli.command import add_json, moment, open_database, print_json, printable, run_stage, table
from musktracker.config import Settings
from musktracker.text import counted

MEASURES = ("n", "MAE", "RMSE", "bias", "in 50%", "in 80%", "in 95%", "above", "below", "width 95%")


def configure(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--since", metavar="TIME", help="only forecasts made at or after this time")
    add_json(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Score, and print it."""
    since = moment(arguments.since, settings.zone)
    with open_database(settings) as engine:
        result = run_stage(settings, engine, "score", {"since": since}, quiet=arguments.json)
    if arguments.json:
        print_json(result)
    else:
        _print(result)
    return 0


def _print(result: Mapping[str, Any]) -> None:
    hours, totals, windows = (counted(result[f"{name}s_filled"], name) for name in ("hour", "total", "window"))
    print(f"Filled in or corrected: {hours}, {totals} and {windows}, counting {result['counting']}")
    for title, key, label in (("Totals", "totals", "horizon"), ("Hours", "hourly", "lead")):
        found = result[key]
        if not found:
            print(f"\n{title}: none has come to pass yet")
            continue
        rows = [(printable(one["model"]), printable(one["version"]), _span(one), *_measured(one)) for one in found]
        print(f"\n{title}")
        print(table(("model", "version", label, *MEASURES), rows))
    _print_windows(result["windows"])
    for message in result["changes"]:
        print(f"\nNotice: {printable(message)}")
    if result["totals"] or result["hourly"] or result["windows"]:
        print("\nabove and below: how often the count lay outside the 95% bounds; bias: predicted less actual")


def _print_windows(found: Sequence[Mapping[str, Any]]) -> None:
    if not found:
        print("\nWindows: none has come to pass yet")
        return
    header = ("model", "version", "window", "n", "CRPS", "log score", "PIT", *MEASURES[3:-1])
    print("\nWindows")
    print(table(header, [_window(one) for one in found]))
    print("log score: of the bracket that came; PIT: mean, 0.5 if neither too high nor too low")


def _window(one: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        printable(one["model"]),
        printable(one["version"]),
        printable(one["window"]),
        f"{one['n']:,}",
        f"{one['crps']:.2f}",
        log_score(one),
        f"{sum(one['pit']) / one['n']:.2f}",
        f"{one['bias']:.2f}",
        *(f"{one[f'coverage_{level}']:.0%}" for level in (50, 80, 95)),
        f"{one['above_95']:,}",
        f"{one['below_95']:,}",
    )


def log_score(one: Mapping[str, Any]) -> str:
    """The log score of windows, and how many are not in it, whose bracket had been held impossible."""
    mean = "" if one["log_score"] is None else f"{one['log_score']:.2f}"
    return f"{mean} (inf: {one['impossible']})".lstrip() if one["impossible"] else mean


def _span(one: Mapping[str, Any]) -> str:
    return str(one["lead"]) if "lead" in one else f"{one['horizon_hours']} h"


def _measured(one: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        f"{one['n']:,}",
        *(f"{one[name]:.2f}" for name in ("mae", "rmse", "bias")),
        *(f"{one[f'coverage_{level}']:.0%}" for level in (50, 80, 95)),
        f"{one['above_95']:,}",
        f"{one['below_95']:,}",
        f"{one['width_95']:.1f}",
    )
