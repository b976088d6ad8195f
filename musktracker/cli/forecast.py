"""Forecast the hours that follow the last observed one, and store the forecast.

musktracker forecast                                  the next 24 hours
musktracker forecast --horizon 7d                     the next week
musktracker forecast --as-of 2025-12-01T17:00Z        as it would have been made then
musktracker forecast --without 12                     with event 12 and without it; stores nothing
musktracker forecast --with 2025-12-05T21:00Z..2025-12-06T00:00Z,0.7,launch   and with an imagined one
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from musktracker.cli import what_if
from musktracker.cli.command import add_json, moment, open_database, print_json, printable, run_stage, table
from musktracker.config import Settings
from musktracker.text import counted
from musktracker.timeline import parse_time

if TYPE_CHECKING:
    from sqlalchemy import Engine


def configure(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument(
        "--horizon", type=_hours, default=24, metavar="LENGTH", help="how far: 24h, 7d, or any up to 60d (24h)"
    )
    add_simulation(parser)
    parser.add_argument(
        "--plot", action=argparse.BooleanOptionalAction, help="draw the hours (by default on a terminal)"
    )
    what_if.configure(parser)
    add_json(parser)


def add_simulation(parser: argparse.ArgumentParser) -> None:
    """The options of whatever simulates the hours to come; `simulation` takes them."""
    parser.add_argument("--as-of", metavar="TIME", help="use only what was known at this time")
    parser.add_argument("--model", help="a model, har_bootstrap:v3 or @challenger (@champion)")
    parser.add_argument("--version", help="by this version of the model, such as v3")
    parser.add_argument("--paths", type=int, default=2000, metavar="N", help="how many sample paths (2000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same answer (1)")
    parser.add_argument("--allow-stale", action="store_true", help="even if the data end more than 24 h ago")


def simulation(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """The options of `add_simulation` as stages take them."""
    return {
        "model": arguments.model,
        "version": arguments.version,
        "as_of": moment(arguments.as_of, settings.zone),
        "n_paths": arguments.paths,
        "seed": arguments.seed,
        "allow_stale": arguments.allow_stale,
    }


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Forecast, and print it."""
    with open_database(settings) as engine:
        return _forecast(engine, settings, arguments)


def model_words(result: Mapping[str, Any]) -> str:
    """The version that a forecast was made with, and how it was chosen."""
    return f"{printable(result['model'])} {printable(result['version'])}{_CHOSEN[result['chosen']]}"


_CHOSEN = {
    "champion": " (champion)",
    "challenger": " (challenger)",
    "named": "",
    "newest": " (the newest: there is no champion)",
    "fallback": " (instead of the champion)",
}


def _forecast(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    parameters = {
        **simulation(arguments, settings),
        "horizon": arguments.horizon,
        "timezone": settings.timezone,
    }
    if arguments.without or arguments.added:
        compared = what_if.parameters(arguments, settings) | parameters
        result = run_stage(settings, engine, "what_if", compared, quiet=arguments.json)
        print_json(result) if arguments.json else what_if.show(result, settings)
        return 0
    result = run_stage(settings, engine, "forecast", parameters, quiet=arguments.json)
    wants_plot = sys.stdout.isatty() if arguments.plot is None else arguments.plot
    if arguments.json:
        print_json({**result, "hours": _stored_hours(engine, result)})
        return 0
    _print(result, settings)
    if wants_plot:
        from musktracker.cli.band_plot import band_plot

        width = shutil.get_terminal_size().columns
        print("\n" + band_plot(_stored_hours(engine, result), settings.zone, width))
    return 0


def _hours(text: str) -> int:
    found = re.fullmatch(r"([1-9][0-9]{0,3})([hd])", text.strip())
    if not found:
        raise argparse.ArgumentTypeError(f"write it as 24h or 7d, not {text!r}")
    return int(found[1]) * (24 if found[2] == "d" else 1)


def _stored_hours(engine: Engine, result: Mapping[str, Any]) -> list[dict[str, Any]]:
    from musktracker.pipeline.forecast import stored_hours

    origin = parse_time(result["forecast_time"])
    return stored_hours(engine, result["model_metadata_id"], origin, result["horizon_hours"])


def _print(result: Mapping[str, Any], settings: Settings) -> None:
    def local(text: str) -> str:
        return f"{parse_time(text).astimezone(settings.zone):%a %Y-%m-%d %H:%M}"

    total = result["total"]
    print(f"{local(result['forecast_time'])} to {local(result['until'])} ({settings.timezone})")
    print(f"total      {counted(round(total['mean']), 'post')} expected, median {total['median']:,.0f}")
    for level in (50, 80, 95):
        print(f"  {level}%      {total[f'lower_{level}']:,.0f} to {total[f'upper_{level}']:,.0f}")
    print(f"counting   {result['counting']}: {result['counting_meaning']}")
    print(
        f"model      {model_words(result)}, trained on data until {local(result['training_end'])}; "
        f"{counted(result['n_paths'], 'path')}, seed {result['seed']}"
    )
    print(f"data until {local(result['data_until'])}")
    for warning in result["warnings"]:
        print(f"warning    {printable(warning)}")
    print()
    rows = [_day(day) for day in result["days"]]
    print(table((f"day ({settings.timezone})", "hours", "mean", "50%", "80%", "95%"), rows))


def _day(day: Mapping[str, Any]) -> tuple[str, ...]:
    ranges = (f"{day[f'lower_{level}']:.0f}-{day[f'upper_{level}']:.0f}" for level in (50, 80, 95))
    return (day["date"], f"{day['hours']:>5}", f"{day['mean']:>4.0f}", *ranges)
