"""What is stored, how fresh it is, and what to do next.

Exits with 0 however late the data are: scripts that need to know read `stages` in the --json output.
"""

from __future__ import annotations

import argparse
import dataclasses
from datetime import datetime
from typing import TYPE_CHECKING, Any

from musktracker.cli.command import add_json, doing, open_database, print_json, table
from musktracker.config import Settings
from musktracker.text import printable
from musktracker.timeline import now

if TYPE_CHECKING:
    from musktracker.db.queries.overview import NewestForecast, Overview
    from musktracker.runs import RunInfo

NEXT = {
    "import": "musktracker import FILE",
    "refresh": "musktracker refresh",
    "train": "musktracker train",
    "forecast": "musktracker forecast --horizon 7d",
    "score": "musktracker score",
}
INTERVALS = (0.5, 0.8, 0.95)
ACTIVE = ("id", "kind", "state", "progress", "message", "waits_until")  # what is said of a run that goes on


def configure(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    add_json(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print how things stand."""
    from musktracker import runs
    from musktracker.db.queries import overview

    moment = now()
    with open_database(settings) as engine:
        found = overview.read(engine, settings.zone, moment)
        active = runs.recent(engine, active=True)
    if arguments.json:
        print_json(_as_data(found, active, settings))
    else:
        _print(found, active, settings, moment)
    return 0


def _as_data(found: Overview, active: list[RunInfo], settings: Settings) -> dict[str, Any]:
    data = dataclasses.asdict(found) | {
        "account": settings.account,
        "database": settings.safe_database_url,
        "next": NEXT.get(found.next_step or ""),
        "active_runs": [{name: getattr(info, name) for name in ACTIVE} for info in active],
    }
    return {name: value for name, value in data.items() if name not in ("hours", "hours_start")}


def _print(found: Overview, active: list[RunInfo], settings: Settings, moment: datetime) -> None:
    print(f"@{settings.account} in {printable(settings.safe_database_url)}")
    print(f"{found.posts:,} posts; counted are {found.counting_meaning}; times in {settings.timezone}\n")
    rows = [
        (stage.name, stage.state, _time(stage.until, settings), _age(stage.until, moment), f"{stage.due or ''}")
        for stage in found.stages
    ]
    print(table(("stage", "state", "until", "age", "due"), rows))
    if found.posts:
        print()
        counts = [
            (
                window.name,
                f"{window.count:,}",
                "" if window.usual is None else f"{window.usual:,.0f}",
                f"{window.observed:.0%}",
            )
            for window in found.windows
        ]
        print(table(("since", "posts", "usual", "observed"), counts))
    if found.forecast is not None:
        print(f"\n{_forecast(found.forecast, settings)}")
    for info in active:
        percent = "" if info.progress is None else f" ({info.progress:.0%})"
        print(f"\nRun {info.id} ({info.kind}) is {info.state}{percent}: {doing(info.message, info.waits_until)}")
    if found.next_step:
        print(f"\nNext: {NEXT[found.next_step]}")


def _forecast(forecast: NewestForecast, settings: Settings) -> str:
    intervals = [(share, forecast.interval(share)) for share in INTERVALS]
    bounds = ", ".join(f"{share:.0%} {ends[0]:,.0f}–{ends[1]:,.0f}" for share, ends in intervals if ends)
    return (
        f"Newest forecast: {forecast.total:,.0f} posts in the {forecast.horizon_hours} h from "
        f"{_time(forecast.origin, settings)} ({bounds}) by {forecast.model} {forecast.version}"
    )


def _time(value: datetime | None, settings: Settings) -> str:
    return "never" if value is None else f"{value.astimezone(settings.zone):%Y-%m-%d %H:%M}"


def _age(value: datetime | None, moment: datetime) -> str:
    if value is None:
        return ""
    hours = (moment - value).total_seconds() / 3600
    return f"{hours * 60:.0f} min" if hours < 2 else f"{hours:.0f} h" if hours < 72 else f"{hours / 24:.0f} d"
