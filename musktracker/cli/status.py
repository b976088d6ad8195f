"""What is stored, how fresh it is, and what to do next.

Exits with 0 however late the data are: scripts that need to know read `stages` in the --json output.
"""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import TYPE_CHECKING

from musktracker.cli.command import add_json, doing, open_database, print_json, table
from musktracker.cli.status_json import INTERVALS, as_data
from musktracker.config import Settings
from musktracker.text import counted, printable
from musktracker.timeline import now

if TYPE_CHECKING:
    from musktracker.db.queries.alerts import StoredAlert
    from musktracker.db.queries.newest_forecast import NewestForecast
    from musktracker.db.queries.overview import Overview
    from musktracker.db.queries.windows import MarketWindow
    from musktracker.run_info import RunInfo

NEXT = {
    "import": "musktracker import FILE",
    "refresh": "musktracker refresh",
    "train": "musktracker train",
    "forecast": "musktracker forecast --horizon 7d",
    "score": "musktracker score",
}
ALERTS = 20  # open ones that are told of
MARKETS = ("window", "so far", "left", "a day", "at pace", "forecast", "95%", "likeliest", "origin")


def configure(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    add_json(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print how things stand."""
    from musktracker import runs
    from musktracker.db.queries import alerts, overview

    moment = now()
    with open_database(settings) as engine:
        found = overview.read(engine, settings.zone, moment)
        active = runs.recent(engine, active=True)
        open_alerts = alerts.listed(engine, limit=ALERTS, resolved=False)
    if arguments.json:
        print_json(as_data(found, NEXT.get(found.next_step or ""), active, open_alerts, settings))
    else:
        _print(found, active, open_alerts, settings, moment)
    return 0


def _print(
    found: Overview, active: list[RunInfo], open_alerts: list[StoredAlert], settings: Settings, moment: datetime
) -> None:
    print(f"@{settings.account} in {printable(settings.safe_database_url)}")
    print(f"{counted(found.posts, 'post')}; counted are {found.counting_meaning}; times in {settings.timezone}\n")
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
                f"{window.count:,}" if window.count or window.observed > 0 else "–",
                "" if window.usual is None else f"{window.usual:,.0f}",
                f"{window.observed:.0%}",
            )
            for window in found.windows
        ]
        print(table(("since", "posts", "usual", "observed"), counts))
        print()
        print(table(MARKETS, [_market(market, moment) for market in found.markets]))
    if found.forecast is not None:
        print(f"\n{_forecast(found.forecast, settings)}")
    for alert in open_alerts:
        seen = "" if alert.acknowledged_at is None else f", acknowledged by {printable(str(alert.acknowledged_by))}"
        raised = f"{_age(alert.raised_at, moment)} old{seen}"
        print(f"\nAlert {alert.id} ({printable(alert.severity)}, {raised}): {printable(alert.message)}")
    for info in active:
        percent = "" if info.progress is None else f" ({info.progress:.0%})"
        print(f"\nRun {info.id} ({info.kind}) is {info.state}{percent}: {doing(info.message, info.waits_until)}")
    if found.next_step:
        print(f"\nNext: {NEXT[found.next_step]}")


def _market(market: MarketWindow, moment: datetime) -> tuple[str, ...]:
    """A window as a row below MARKETS."""
    pace, at_pace, found = market.per_day, market.at_pace, market.forecast
    ends = None if found is None else found.intervals.get(0.95)
    return (
        market.name,
        f"{'at least ' if market.missed_hours else ''}{market.count:,}" if market.observed_hours else "",
        f"{market.hours_left:.0f} h",
        "" if pace is None else f"{pace:,.1f}",
        "" if at_pace is None else f"{at_pace:,.0f}",
        "" if found is None else f"{found.total:,.0f}",
        "" if ends is None else f"{ends[0]:,.0f}–{ends[1]:,.0f}",
        "" if found is None or not found.brackets else "{} {:.0%}".format(*found.brackets[0]),
        "" if found is None else f"{_age(found.origin, moment)}",
    )


def _forecast(forecast: NewestForecast, settings: Settings) -> str:
    intervals = [(share, forecast.interval(share)) for share in INTERVALS]
    bounds = ", ".join(f"{share:.0%} {ends[0]:,.0f}–{ends[1]:,.0f}" for share, ends in intervals if ends)
    return (
        f"Newest forecast: {forecast.total:,.0f} posts in the {forecast.horizon_hours} h from "
        f"{_time(forecast.origin, settings)} ({bounds}) by {forecast.model} {forecast.version}"
        f"{_so_far(forecast, settings)}"
    )


def _so_far(forecast: NewestForecast, settings: Settings) -> str:
    so_far = forecast.so_far
    if so_far is None:
        return ""
    where = ""
    if so_far.intervals:
        where = f", outside {max(so_far.intervals):.0%}" if so_far.inside is None else f", inside {so_far.inside:.0%}"
    origin = "its origin" if so_far.origin == forecast.origin else f"the origin {_time(so_far.origin, settings)}"
    came = f"{counted(so_far.count, 'post')} came where {so_far.expected:,.1f} were expected"
    return f"\n{came}, in the {so_far.hours} h from {origin}{where}"


def _time(value: datetime | None, settings: Settings) -> str:
    return "never" if value is None else f"{value.astimezone(settings.zone):%Y-%m-%d %H:%M}"


def _age(value: datetime | None, moment: datetime) -> str:
    if value is None:
        return ""
    minutes = int((moment - value).total_seconds() // 60)  # whole ones that are over, as everywhere else
    hours = minutes // 60
    return f"{minutes} min" if hours < 2 else f"{hours} h" if hours < 72 else f"{hours // 24} d"
