"""Whether the forecasts can be trusted: scores by model version and horizon, week by week, and what has changed.

musktracker monitor                                   forecasts of the last 30 days
musktracker monitor --days 90 --model har_bootstrap
musktracker monitor --since 2025-12-01

Scores are those that the last `musktracker score` made. Skill is over a seasonal naive forecast of the same hours,
with its 95% interval. Of targets that overlap few are evidence: where too few lie apart, counts stand for shares.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from musktracker.cli.command import add_json, open_database, print_json, printable, table
from musktracker.cli.score import log_score
from musktracker.config import Settings
from musktracker.errors import UsageError
from musktracker.text import counted
from musktracker.timeline import now, parse_time

LEVELS = (50, 80, 95)
BARS = "▁▂▃▄▅▆▇█"
USUAL_DAYS = 30


def configure(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    when = parser.add_mutually_exclusive_group()
    when.add_argument(
        "--days", type=int, metavar="N", help=f"forecasts made in the last N days ({USUAL_DAYS})", default=USUAL_DAYS
    )
    when.add_argument("--since", metavar="TIME", help="forecasts made at or after this time")
    parser.add_argument("--model", help="only this model")
    add_json(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Read the scores, and print them."""
    begin = _begin(arguments, settings)
    with open_database(settings) as engine:
        from musktracker.models import registry
        from musktracker.pipeline import calibration

        if arguments.model is not None:
            registry.check(arguments.model)
        result = calibration.report(engine, begin=begin, model=arguments.model)
    if arguments.json:
        print_json(result)
    else:
        _print(result, settings)
    return 0


def bars(values: Sequence[float | None], top: float | None = None) -> str:
    """Values as a line of bars, `top` (by default the highest of them) the tallest; a dot for None."""
    known = [value for value in values if value is not None]
    highest = top or max(known, default=0.0) or 1.0
    return "".join(
        "·" if value is None else BARS[min(int(value / highest * len(BARS)), len(BARS) - 1)] for value in values
    )


def _begin(arguments: argparse.Namespace, settings: Settings) -> datetime:
    if arguments.since is not None:
        return parse_time(arguments.since, settings.zone)
    if not 1 <= arguments.days <= 36_500:
        raise UsageError(f"--days must be 1 to 36500, not {arguments.days}")
    return now() - timedelta(days=arguments.days)


def _print(result: Mapping[str, Any], settings: Settings) -> None:
    since = parse_time(result["since"]).astimezone(settings.zone)
    print(f"Forecasts made since {since:%Y-%m-%d %H:%M} ({settings.timezone}), counting {result['counting']}")
    if result["horizons"]:
        _print_horizons(result["horizons"])
    elif result["newest_scored"] is not None and parse_time(result["newest_scored"]) < parse_time(result["since"]):
        newest = parse_time(result["newest_scored"]).astimezone(settings.zone)
        print(
            f"\nNo forecast made since then was scored; the newest that was is from {newest:%Y-%m-%d %H:%M}: --since"
        )
    else:
        print("\nNo forecast made since then was scored: musktracker score, once hours have passed")
    if result["unscorable"]:
        print(f"\nWithout scores here: {counted(result['unscorable'], 'forecast')} stored before quantiles were kept")
    if result["windows"]:
        _print_windows(result["windows"])
    _print_change(result["change"])
    _print_notices(result["notices"], settings)


def _print_horizons(found: Sequence[Mapping[str, Any]]) -> None:
    measures = ("n", "apart", "CRPS", "naive", "skill (95%)", *(f"in {level}%" for level in LEVELS))
    header = ("model", "version", "horizon", *measures, "above", "below", "bias", "PIT")
    print("\nTotals by horizon")
    print(table(header, [_horizon(one) for one in found]))
    print(
        "apart: targets that do not overlap; above, below: misses of 95%; PIT: ten bins, level where calibrated"
        + ("; few: too few lie apart to tell" if any(one["few"] for one in found) else "")
    )
    print("of few posts an interval holds more than its share, as counts are whole: there the PIT tells")
    print("\nCRPS by week, oldest first")
    rows = [(*_named(one), *_weeks(one["weeks"])) for one in found]
    print(table(("model", "version", "horizon", "weeks", "CRPS", "naive", "last week", "naive"), rows))


def _horizon(one: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        *_named(one),
        f"{one['n']:,}",
        f"{one['apart']:,}",
        f"{one['crps']:.2f}",
        _number(one["reference_crps"]),
        _skill(one),
        *(_share(one[f"coverage_{level}"], one) for level in LEVELS),
        f"{one['above_95']:,}",
        f"{one['below_95']:,}",
        f"{round(one['bias'], 1) + 0.0:.1f}",
        "few" if one["few"] else bars(one["pit"]),
    )


def _named(one: Mapping[str, Any]) -> tuple[str, str, str]:
    return printable(one["model"]), printable(one["version"]), f"{one['horizon_hours']} h"


def _skill(one: Mapping[str, Any]) -> str:
    if one["skill"] is None:
        return ""
    if one["skill_lower"] is None:
        return f"{round(100 * one['skill'])}% (few)"
    skill, lower, upper = (round(100 * one[name]) for name in ("skill", "skill_lower", "skill_upper"))
    return f"{skill}% ({lower}..{upper})"


def _share(share: float, one: Mapping[str, Any]) -> str:
    return f"{round(share * one['n'])}/{one['n']}" if one["few"] else f"{share:.0%}"


def _weeks(weeks: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    ours, theirs = ([week[name] for week in weeks] for name in ("crps", "reference_crps"))
    top = max((value for value in (*ours, *theirs) if value is not None), default=0.0)
    scored = [week for week in weeks if week["n"]]
    last = scored[-1] if scored else {"crps": None, "reference_crps": None}
    return (
        f"{len(scored)}",
        bars(ours, top),
        bars(theirs, top),
        _number(last["crps"]),
        _number(last["reference_crps"]),
    )


def _print_windows(found: Sequence[Mapping[str, Any]]) -> None:
    print("\nWindows")
    header = ("model", "version", "window", "n", "apart", "CRPS", "log score", *(f"in {level}%" for level in LEVELS))
    rows = [
        (
            *(printable(one[name]) for name in ("model", "version", "window")),
            f"{one['n']:,}",
            f"{one['apart']:,}",
            f"{one['crps']:.2f}",
            log_score(one),
            *(f"{round(one[f'coverage_{level}'] * one['n'])}/{one['n']}" for level in LEVELS),
            f"{one['above_95']:,}",
            f"{one['below_95']:,}",
        )
        for one in found
    ]
    print(table((*header, "above", "below"), rows))


def _print_change(change: Mapping[str, Mapping[str, Any]]) -> None:
    level, profile = change.get("level_drift"), change.get("profile_drift")
    print("\nDrift, as of the last midnight (UTC)")
    if level is None:
        print("level      too few days were observed to tell")
    else:
        for one in level["windows"]:
            print(
                f"level      last {counted(one['days'], 'day')}: {one['observed']:.0f} posts a day, expected "
                f"{one['expected']:.0f} ({one['lower_95']:.0f} to {one['upper_95']:.0f})"
                + (": outside" if one["outside"] else "")
            )
        print(f"level      CUSUM {level['cusum']:.1f}, alarm above {level['limit']:.1f}")
    if profile is None:
        print("profile    too few weeks were observed to tell")
    else:
        print(f"profile    last 4 weeks against the 26 before: {_chance(profile['p_value'])}")


def _chance(p_value: float) -> str:
    return "chance is hardly ever as far" if p_value < 0.001 else f"chance is as far {p_value:.1%} of the time"


def _print_notices(found: Sequence[Mapping[str, Any]], settings: Settings) -> None:
    print("\nNotices" if found else "\nNo notice of change")
    for one in found:
        seen = parse_time(one["found_at"]).astimezone(settings.zone)
        over = one["resolved_at"] and parse_time(one["resolved_at"]).astimezone(settings.zone)
        print(
            f"{printable(one['message'])}; found {seen:%Y-%m-%d}"
            + (f", no longer since {over:%Y-%m-%d}" if over else "")
        )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
