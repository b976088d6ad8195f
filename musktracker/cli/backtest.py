"""Score models by what they would have forecast, origin by origin, and compare what is stored of it.

musktracker backtest                                  all models over the last 365 days
musktracker backtest --models har_bootstrap,hawkes --from 2025-01-01 --to 2026-01-01
musktracker backtest list                             the backtests that are stored
musktracker backtest show NAME                        scores, coverage, skill, CRPS by lead, PIT
musktracker backtest compare NAME OTHER               the skill of each model of NAME over the same of OTHER

An origin every 73 hours, all history before it, 2,000 paths of a week. An event counts from when it was entered, or
from the beginning with --retrospective-events, which every list and table of that backtest says. The same call again
goes on where it was cut off; --name keeps it under a name of your own.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from musktracker.cli.command import (
    add_json,
    moment,
    open_database,
    print_json,
    printable,
    run_stage,
    table,
    whole_number,
)
from musktracker.config import Settings
from musktracker.errors import UsageError

if TYPE_CHECKING:
    from musktracker.db.queries.backtests import StoredBacktest

USUAL_REFERENCE = "seasonal_naive"
ACTIONS = ("run", "list", "show", "compare")
SCORES = ("hourly_168", "hourly_24", "lead_1", "total_24", "in_play", "total_168", "log_score")
TOTALS = ("total_24", "in_play", "total_168")
RETROSPECTIVE = "Retrospective: every event counted as known from the beginning, whenever it was entered"
LEADS = ((1, 1), (2, 6), (7, 24), (25, 72), (73, 168))


def configure(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("action", nargs="?", choices=ACTIONS, default="run", help="run, list, show or compare (run)")
    parser.add_argument("names", nargs="*", metavar="NAME", help="of stored backtests, to show or compare")
    parser.add_argument("--models", metavar="A,B", help="which models (all)")
    parser.add_argument("--from", dest="begin", metavar="TIME", help="the first origin (365 days before the end)")
    parser.add_argument("--to", dest="end", metavar="TIME", help="where the last week ends (the end of the counts)")
    parser.add_argument(
        "--step", type=whole_number(1), default=73, metavar="HOURS", help="from origin to origin (73)"
    )
    parser.add_argument(
        "--every", action="append", default=[], metavar="MODEL=N", help="only each Nth origin of a model (sarimax=3)"
    )
    parser.add_argument("--set", action="append", default=[], metavar="MODEL.KEY=VALUE", help="a hyperparameter")
    parser.add_argument("--paths", type=int, default=2000, metavar="N", help="sample paths at each origin (2000)")
    parser.add_argument("--seed", type=whole_number(0), default=1, help="of the paths (1)")
    parser.add_argument("--jobs", type=whole_number(1), metavar="N", help="processes at work (one a core)")
    parser.add_argument("--backend", choices=("dask", "ray"), help="let a cluster work, as dask or ray is configured")
    parser.add_argument(
        "--retrospective-events", action="store_true", help="every event counts as known from the beginning"
    )
    parser.add_argument("--name", help="keep it under this name")
    parser.add_argument(
        "--reference", metavar="MODEL", default=USUAL_REFERENCE, help="what skill is over (seasonal_naive)"
    )
    add_json(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run a backtest, or read what is stored."""
    expected = {"run": 0, "list": 0, "show": 1, "compare": 2}[arguments.action]
    if len(arguments.names) != expected:
        raise UsageError(
            f"backtest {arguments.action} takes {expected} name{'s' * (expected != 1)}, not {len(arguments.names)}",
            "musktracker backtest list shows them",
        )
    with open_database(settings) as engine:
        result = _run(engine, arguments, settings) if arguments.action == "run" else _read(engine, arguments)
    if arguments.json:
        print_json(result)
    else:
        _PRINTED[arguments.action](result, settings)
    return 0


def _run(engine: Any, arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    from musktracker.pipeline import backtest

    parameters = _parameters(arguments, settings)
    result = dict(run_stage(settings, engine, "backtest", parameters, quiet=arguments.json))
    if arguments.reference in (USUAL_REFERENCE, result["reference"]):
        return result
    return result | backtest.describe(engine, result["name"], reference=arguments.reference)


def _read(engine: Any, arguments: argparse.Namespace) -> Any:
    from musktracker.db.queries import backtests
    from musktracker.pipeline import backtest

    if arguments.action == "list":
        return [_stored(one) for one in backtests.listed(engine)]
    if arguments.action == "compare":
        return {
            "models": backtest.compare(engine, *arguments.names),
            "retrospective_events": {name: backtest.is_retrospective(engine, name) for name in arguments.names},
        }
    [name] = arguments.names
    return {"name": name, **backtest.describe(engine, name, reference=arguments.reference)}


def _stored(one: StoredBacktest) -> dict[str, Any]:
    return {
        "name": one.name,
        "created_at": one.created_at,
        "start": one.begin,
        "end": one.end,
        "counting": one.counting,
        "retrospective_events": one.retrospective_events,
        "models": one.models,
        "done": one.done,
        "planned": one.planned,
    }


def _parameters(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    models = [part.strip() for part in arguments.models.split(",")] if arguments.models else None
    hyperparameters, every = _hyperparameters(arguments.set), dict(_step(text) for text in arguments.every)
    reference = [] if arguments.reference == USUAL_REFERENCE else [arguments.reference]
    _require_among(models, [*hyperparameters, *every, *reference])
    return {
        "models": models,
        "hyperparameters": hyperparameters,
        "every": every,
        "spacing": arguments.step,
        "n_paths": arguments.paths,
        "seed": arguments.seed,
        "jobs": arguments.jobs,
        "backend": arguments.backend,
        "name": arguments.name,
        "retrospective_events": arguments.retrospective_events,
        "begin": moment(arguments.begin, settings.zone),
        "end": moment(arguments.end, settings.zone),
    }


def _require_among(models: Sequence[str] | None, named: Sequence[str]) -> None:
    """Raise UsageError for a model that there is not, or of which is said something though it takes no part."""
    from musktracker.models import registry

    for name in (*(models or ()), *named):
        registry.check(name)
    apart = [name for name in named if models is not None and name not in models]
    if apart:
        raise UsageError(f"This backtest is not of {apart[0]}", f"It is of {', '.join(models or ())}")


def _hyperparameters(texts: list[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for text in texts:
        left, equals, value = text.partition("=")
        model, dot, key = left.partition(".")
        if not (equals and dot and model and key):
            raise UsageError(f"--set takes MODEL.KEY=VALUE here, not {text!r}")
        found.setdefault(model, {})[key] = value
    return found


def _step(text: str) -> tuple[str, int]:
    model, _, number = text.partition("=")
    if not model or not number.isdecimal() or not int(number):
        raise UsageError(f"--every takes MODEL=N, N 1 or more, not {text!r}")
    return model, int(number)


def _print_list(found: Sequence[Mapping[str, Any]], settings: Settings) -> None:
    if not found:
        print("No backtest is stored yet: musktracker backtest")
        return
    rows = [
        (
            printable(one["name"]),
            *(f"{one[key].astimezone(settings.zone):%Y-%m-%d %H:%M}" for key in ("created_at", "start", "end")),
            f"{one['done']:,} of {one['planned']:,}",
            one["counting"],
            "retrospective" if one["retrospective_events"] else "as entered",
            " ".join(map(printable, one["models"])),
        )
        for one in found
    ]
    print(
        table(("name", f"made ({settings.timezone})", "from", "to", "scored", "counting", "events", "models"), rows)
    )


def _print_scores(result: Mapping[str, Any], _: Settings) -> None:
    models = result["models"]
    print(f"Backtest {printable(result['name'])}; of all scores lower is better")
    print(f"{RETROSPECTIVE}\n" if result["retrospective_events"] else "")
    rows = [
        (
            name,
            f"{one['scores']['origins']:.0f}",
            str(one["refused"]),
            *(_number(one["scores"].get(score), 3) for score in SCORES),
            _number(1000 * (one["scores"].get("seconds") or 0.0), 0),
        )
        for name, one in models.items()
    ]
    print(table(("model", "origins", "refused", *SCORES, "ms"), rows))
    print("\nCoverage of 50, 80 and 95%, and misses above and below 95%")
    rows = [(name, *(_covered(one["scores"], total) for total in TOTALS)) for name, one in models.items()]
    print(table(("model", *TOTALS), rows))
    print("\nHourly CRPS by lead")
    rows = [(name, *(_number(_mean(one["by_lead"], a, b), 3) for a, b in LEADS)) for name, one in models.items()]
    print(table(("model", *(f"{a}-{b} h" if a < b else f"{a} h" for a, b in LEADS)), rows))
    print("\nPIT of the 7 days' total in ten bins, each 10% where calibrated")
    rows = [(name, *(f"{share:.0%}" for share in one["pit"].get("total_168", []))) for name, one in models.items()]
    for row in rows:
        print("  ".join((f"{row[0]:<{max(map(len, models))}}", *(f"{cell:>4}" for cell in row[1:]))))
    skills = {name: one["skill"] for name, one in models.items() if one["skill"]}
    if skills:
        print(f"\nSkill over {printable(result['reference'])} on the same origins, with its 95% interval")
        _print_skills(skills)


def _print_comparison(result: Mapping[str, Any], _: Settings) -> None:
    for name, is_retrospective in result["retrospective_events"].items():
        if is_retrospective:
            print(f"{printable(name)}: {RETROSPECTIVE}")
    _print_skills(result["models"])


def _print_skills(skills: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    names = [score for score in SCORES if any(score in one for one in skills.values())]
    rows = [(printable(model), *(_skill(one.get(score)) for score in names)) for model, one in skills.items()]
    print(table(("model", *names), rows))


def _skill(one: Mapping[str, float] | None) -> str:
    return "" if one is None else f"{one['skill']:.1%} ({100 * one['lower']:.0f}..{100 * one['upper']:.0f})"


def _covered(scores: Mapping[str, float | None], total: str) -> str:
    shares = [scores.get(f"covered_{level}_{total}") for level in (50, 80, 95)]
    misses = [scores.get(f"{side}_95_{total}") for side in ("above", "below")]
    return " ".join(_number(share, 2) for share in shares) + " | " + " ".join(_number(miss, 2) for miss in misses)


def _mean(by_lead: Mapping[str, float], first: int, last: int) -> float:
    return sum(by_lead[str(lead)] for lead in range(first, last + 1)) / (last - first + 1)


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


_PRINTED: Mapping[str, Callable[[Any, Settings], None]] = {
    "run": _print_scores,
    "list": _print_list,
    "show": _print_scores,
    "compare": _print_comparison,
}
