"""Fit a model to the counted hours and keep it as a new version.

musktracker train                                     the default model, on all that is known
musktracker train --model seasonal_naive              another one
musktracker train --set level_half_life=200           with a hyperparameter of your own
musktracker train --until 2025-12-01T00:00Z           on what was known then, for a forecast as of that time
musktracker train --promote                           and make it the champion, if it passes the gate
musktracker train --list                              the models, their hyperparameters, and what has been trained
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from musktracker.cli.command import add_json, moment, open_database, print_json, run_stage
from musktracker.cli.event_effects import effects_table
from musktracker.cli.models import versions_table
from musktracker.config import Settings
from musktracker.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Engine

DEFAULT = "har_bootstrap"


def configure(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--model", default=DEFAULT, help=f"which model ({DEFAULT}); --list shows them")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a hyperparameter; may be given again"
    )
    parser.add_argument("--until", metavar="TIME", help="use only what was known at this time")
    parser.add_argument("--backtest-origins", type=int, default=20, metavar="N", help="how many to test on (20)")
    parser.add_argument("--seed", type=int, default=1, help="of the backtest's paths (1)")
    parser.add_argument("--promote", action="store_true", help="make it the champion: musktracker models --help")
    parser.add_argument("--list", action="store_true", help="show models and trained versions instead")
    add_json(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Train, or list."""
    with open_database(settings) as engine:
        return (
            _list(engine, settings, as_json=arguments.json) if arguments.list else _train(engine, settings, arguments)
        )


def _train(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    parameters = {
        "model": arguments.model,
        "hyperparameters": _pairs(arguments.set),
        "until": moment(arguments.until, settings.zone),
        "backtest_origins": arguments.backtest_origins,
        "seed": arguments.seed,
        "artifact_dir": str(settings.artifact_dir),
    }
    result = run_stage(settings, engine, "train", parameters, quiet=arguments.json)
    if not arguments.json:
        _print(result, arguments.backtest_origins)
    if arguments.promote:
        chosen = {"model": result["model"], "version": result["version"]}
        result = {**result, "promotion": run_stage(settings, engine, "promote", chosen, quiet=arguments.json)}
    if arguments.json:
        print_json(result)
    return 0


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--set takes KEY=VALUE, not {text!r}")
        pairs[key.strip()] = value.strip()
    return pairs


def _print(result: Mapping[str, Any], origins: int) -> None:
    print(f"{result['model']} {result['version']}, fitted in {result['seconds']} s")
    print(f"trained on   {result['training_start']} to {result['training_end']}, counting {result['counting']}")
    if result["log_likelihood"] is not None:
        print(f"likelihood   {result['log_likelihood']:,.1f} (log)")
    if result["mae"] is None:
        why = "too little history before its origins" if origins else "no origins were asked for"
        print(f"backtest     none: {why}")
    else:
        percent = "" if result["mape"] is None else f", MAPE {result['mape']:.0f}% of hours with posts"
        print(f"backtest     RMSE {result['rmse']:.2f}, MAE {result['mae']:.2f} posts an hour over 24 h{percent}")
    if result["event_effects"]:
        print("events       by how much an event of intensity 1 raises the hourly rate")
        print(effects_table(result["event_effects"]))
    if not result["converged"]:
        print("converged    no: see the warnings")
    print("next         musktracker forecast")


def _list(engine: Engine, settings: Settings, *, as_json: bool) -> int:
    from musktracker.db.queries import models as queries
    from musktracker.models import registry

    models = {name: registry.hyperparameters(registry.create(name)) for name in registry.models()}
    versions = queries.versions(engine)
    if as_json:
        print_json({"models": models, "versions": [asdict(version) for version in versions]})
        return 0
    for name, hyperparameters in models.items():
        print(name)
        for key, value in hyperparameters.items():
            print(f"  {key} = {','.join(value) if isinstance(value, list) else value}")
    print("\n" + versions_table(versions, settings))
    return 0
