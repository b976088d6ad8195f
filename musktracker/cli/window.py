"""How many posts a window of time will hold: the count so far, the projected total, the probability of each bracket.

musktracker window                                    the week from noon ET Friday that goes on now
musktracker window --preset tue-noon --next           the one after the current week from Tuesday
musktracker window --preset 48h --brackets "<40,40-64,65-89,90+"
musktracker window --start 2025-12-05T12:00 --end 2025-12-07T12:00 --tz ET
musktracker window --as-of 2025-12-01T17:00Z          as it would have been made then

Presets: fri-noon and tue-noon (weeks from noon ET), 48h (two days from the last noon ET), month (calendar month ET).
What a model forecasts is stored, and scored once the window is over (--no-store: not).
The end is not part of a window. Brackets are a width (20) or a list of first counts or ranges, the last without end.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from musktracker.cli.command import add_json, moment, open_database, print_json, printable, run_stage, table
from musktracker.cli.forecast import add_simulation, model_words, simulation
from musktracker.config import Settings
from musktracker.errors import UsageError
from musktracker.market_windows import PRESETS, zone
from musktracker.text import counted
from musktracker.timeline import parse_time

if TYPE_CHECKING:
    from sqlalchemy import Engine

SHOWN = 0.001  # brackets that are less likely are summed up at the ends of the list


def configure(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--preset", choices=PRESETS, help="the current window of this kind (fri-noon)")
    parser.add_argument("--next", action="store_true", help="the preset's window after the current one")
    parser.add_argument("--start", metavar="TIME", help="a window of your own: its start")
    parser.add_argument("--end", metavar="TIME", help="and its end, which is not part of it")
    parser.add_argument("--tz", metavar="ZONE", help="where --start and --end are meant, such as ET (the display's)")
    parser.add_argument("--brackets", metavar="20|LIST", help="width, first counts or ranges (the preset's, or 20)")
    add_simulation(parser)
    parser.add_argument("--no-store", action="store_true", help="only look: keep no forecast to be scored")
    add_json(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Work the window out, and print it."""
    parameters = _parameters(arguments, settings)
    with open_database(settings) as engine:
        return _window(engine, settings, arguments, parameters)


def _window(engine: Engine, settings: Settings, arguments: argparse.Namespace, parameters: Mapping[str, Any]) -> int:
    result = run_stage(settings, engine, "window", parameters, quiet=arguments.json)
    if arguments.json:
        print_json(result)
    else:
        _print(result, as_of=arguments.as_of is not None)
    return 0


def _parameters(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    own = arguments.start is not None or arguments.end is not None
    if arguments.tz and not own:
        raise UsageError("--tz says where --start and --end are meant; presets are in ET")
    timezone = arguments.tz or settings.timezone
    where = zone(timezone)
    return {
        "preset": arguments.preset or (None if own else "fri-noon"),
        "following": arguments.next,
        "start": moment(arguments.start, where),
        "end": moment(arguments.end, where),
        "timezone": str(where),
        "brackets": arguments.brackets,
        **simulation(arguments, settings),
        "store": not arguments.no_store,
    }


def _print(result: Mapping[str, Any], *, as_of: bool) -> None:
    where = zone(result["timezone"])

    def local(text: str) -> str:
        return f"{parse_time(text).astimezone(where):%a %Y-%m-%d %H:%M}"

    name = "window" if result["window"] == "custom" else result["window"]
    print(f"{name}: {local(result['start'])} to {local(result['end'])} ({where}), {result['hours']:g} h")
    if as_of:
        print(f"as of      {local(result['moment'])}: nothing later was used")
    print(f"counting   {result['counting']}: {result['counting_meaning']}")
    for line in _count(result, local(result["counted_until"])):
        print(line)
    total = result["total"]
    if result["model"] is None:
        print(
            f"total      {'at least ' if result['lower_bound'] else ''}{result['count']:,}: nothing is still to come"
        )
    else:
        print(f"total      {counted(round(total['mean']), 'post')} expected, median {total['median']:,.0f}")
        for level in (50, 80, 95):
            print(f"  {level}%      {total[f'lower_{level}']:,.0f} to {total[f'upper_{level}']:,.0f}")
        print(
            f"model      {model_words(result)}, trained on data until {local(result['training_end'])}; "
            f"{counted(result['n_paths'], 'path')}, seed {result['seed']}"
        )
    print(f"data until {local(result['data_until'])}")
    for warning in result["warnings"]:
        print(f"warning    {printable(warning)}")
    print()
    header = ("bracket", "probability", "to enter /h", "to overrun /h")
    print(table(header, [_row(bracket) for bracket in _folded(result["brackets"])]))
    if result["usual_per_hour"] is not None:
        print(f"\n/h: posts an hour in the hours to come; usual in these hours: {result['usual_per_hour']:.2f}")


def _count(result: Mapping[str, Any], until: str) -> list[str]:
    if result["state"] == "before":
        return [f"so far     not begun; {result['hours_left']:.1f} h long"]
    if result["pace"] is None:
        return [f"so far     not observed yet; {result['hours_left']:.1f} h left"]
    least = "at least " if result["lower_bound"] else ""
    lines = [
        f"so far     {least}{counted(result['count'], 'post')}, counted until {until}; "
        f"{result['hours_left']:.1f} h left"
    ]
    pace = result["pace"]
    if result["hours_to_come"]:
        lines.append(f"pace       {pace['per_hour']:.2f} an hour; {pace['projected']:,.0f} if it goes on like this")
    return lines


def _folded(brackets: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The brackets worth a line each; the dead, and the unlikely before and after those, are a line together."""
    worth = [k for k, one in enumerate(brackets) if one["probability"] >= SHOWN or one["state"] == "in"]
    first, last = worth[0], worth[-1]
    dead = sum(one["state"] == "dead" for one in brackets[:first])
    return [
        *_one(brackets[:dead]),
        *_one(brackets[dead:first]),
        *brackets[first : last + 1],
        *_one(brackets[last + 1 :]),
    ]


def _one(brackets: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    if len(brackets) < 2:
        return list(brackets)
    lower, upper = brackets[0], brackets[-1]
    return [
        {
            "bracket": f"{lower['lower']}+" if upper["upper"] is None else f"{lower['lower']}-{upper['upper']}",
            "probability": sum(one["probability"] for one in brackets),
            "state": lower["state"],
            "enter_per_hour": lower["enter_per_hour"],
            "overrun_per_hour": upper["overrun_per_hour"],
        }
    ]


def _row(bracket: Mapping[str, Any]) -> tuple[str, ...]:
    def rate(name: str) -> str:
        return "" if bracket[name] is None else f"{bracket[name]:.2f}"

    if bracket["state"] == "dead":
        return (bracket["bracket"], f"{'dead':>11}", "", "")
    entering = "in it" if bracket["state"] == "in" else f"{rate('enter_per_hour'):>8}"
    return (bracket["bracket"], f"{bracket['probability']:>11.1%}", entering, f"{rate('overrun_per_hour'):>10}")
