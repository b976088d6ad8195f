"""`musktracker forecast --without` and `--with`: the forecast with events and without them, side by side."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from musktracker.cli.command import printable, table, whole_number
from musktracker.config import Settings
from musktracker.errors import UsageError
from musktracker.text import counted
from musktracker.timeline import iso, parse_time

FORM = "START..END,INTENSITY,CATEGORY"


def configure(parser: argparse.ArgumentParser) -> None:
    """The options that say which events."""
    parser.add_argument(
        "--without",
        action="extend",
        nargs="+",
        type=whole_number(1),
        default=[],
        metavar="ID",
        help="compare with and without these known events; nothing is stored",
    )
    parser.add_argument(
        "--with",
        dest="added",
        action="append",
        default=[],
        metavar=FORM,
        help="compare with and without an imagined event; may be given again",
    )


def parameters(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """The events as the stage takes them. Raises UsageError for text that is no event."""
    return {"without": arguments.without, "added": [_event(text, settings) for text in arguments.added]}


def show(result: Mapping[str, Any], settings: Settings) -> None:
    """Print totals and days with the events, without them, and the difference."""

    def local(text: str) -> str:
        return f"{parse_time(text).astimezone(settings.zone):%a %Y-%m-%d %H:%M}"

    print(f"{local(result['forecast_time'])} to {local(result['until'])} ({settings.timezone}); nothing is stored")
    for event in result["events"]:
        name = "imagined" if event["id"] is None else f"{event['id']}, {printable(event['name'])}"
        category = f", {printable(event['category'])}" if event["category"] else ""
        print(
            f"event      {name}: {local(event['start'])} to {local(event['end'])}, {event['intensity']:g}{category}"
        )
    print(
        f"model      {printable(result['model'])} {printable(result['version'])}; "
        f"{counted(result['n_paths'], 'path')}, seed {result['seed']}"
    )
    for warning in result["warnings"]:
        print(f"warning    {printable(warning)}")
    print()
    rows = [_row("total", result["horizon_hours"], *(result[part]["total"] for part in _PARTS))]
    for days in zip(*(result[part]["days"] for part in _PARTS), strict=True):
        rows.append(_row(days[0]["date"], days[0]["hours"], *days))
    header = (f"day ({settings.timezone})", "hours", "with", "95%", "without", "95%", "difference", "95%")
    print(table(header, rows))


_PARTS = ("with", "without", "difference")


def _event(text: str, settings: Settings) -> dict[str, Any]:
    span, *rest = text.split(",", 2)
    start, dots, end = span.partition("..")
    try:
        intensity = float(rest[0]) if rest else float("nan")
    except ValueError:
        intensity = float("nan")
    if not dots or not 0 <= intensity <= 1:
        raise UsageError(
            f"--with takes {FORM}, not {text!r}", "Such as 2025-12-05T21:00Z..2025-12-06T00:00Z,0.7,launch"
        )
    return {
        "start": iso(parse_time(start, settings.zone)),
        "end": iso(parse_time(end, settings.zone)),
        "intensity": intensity,
        "category": rest[1].strip() if len(rest) > 1 else None,
    }


def _row(name: str, hours: int, *parts: Mapping[str, float]) -> tuple[str, ...]:
    with_them, without_them, difference = parts
    return (
        name,
        f"{hours:>5}",
        *(f"{with_them['mean']:,.0f}", f"{with_them['lower_95']:.0f}-{with_them['upper_95']:.0f}"),
        *(f"{without_them['mean']:,.0f}", f"{without_them['lower_95']:.0f}-{without_them['upper_95']:.0f}"),
        *(f"{difference['mean']:+.1f}", f"{difference['lower_95']:+.0f} to {difference['upper_95']:+.0f}"),
    )
