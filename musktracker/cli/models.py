"""Trained versions of models, and which of them is the champion that forecasts are made with.

musktracker models list                                  all versions, newest first, with their aliases
musktracker models show @champion                        hyperparameters, training span, diagnostics, backtest
musktracker models promote har_bootstrap                 its newest version becomes champion, if it passes the gate
musktracker models promote har_bootstrap:v3 --as challenger
musktracker models promote pool:v2 --reason "TEXT"       whatever the gate says; the reason is recorded
musktracker models rollback                              the champion before this one again
musktracker models history                               who changed which alias, when, why, by which figures

The gate fits the model with these hyperparameters anew at the last 120 origins, 73 h apart, before the end of the
version's data, and the champion's at the same. The 50% and 95% intervals of the totals of 24 h and 7 d must cover
what they say, and both totals must be forecast better than by the champion. A version of the champion's own model and
hyperparameters, trained on newer data, need not be better. What does not pass is exit code 3.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from musktracker.cli.command import add_json, open_database, print_json, printable, run_stage, table, whole_number
from musktracker.config import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.db.queries.models import ModelVersion
    from musktracker.pipeline.aliases import AliasChange

ALIASES = ("champion", "challenger")
TOTALS = {"total_24": "24 h", "total_168": "7 d"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Its actions and their options."""
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    actions.add_parser("list", help="all versions, newest first, with their aliases")
    showing = actions.add_parser("show", help="all that is known of one")
    promoting = actions.add_parser("promote", help="make one the champion or the challenger")
    for one in (showing, promoting):
        one.add_argument("name", metavar="MODEL[:VERSION]", help="without a version the newest; or @champion")
    rolling = actions.add_parser("rollback", help="the one before again")
    for one in (promoting, rolling):
        one.add_argument("--as", dest="alias", choices=ALIASES, default="champion", help="which alias (champion)")
        one.add_argument("--reason", metavar="TEXT", help="why; recorded")
    promoting.add_argument(
        "--jobs", type=whole_number(1), metavar="N", help="processes at work on the gate (one a core)"
    )
    log = actions.add_parser("history", help="changes of aliases, newest first")
    log.add_argument("--as", dest="alias", choices=ALIASES, help="of this alias only")
    log.add_argument("--limit", type=whole_number(1), default=20, help="how many (20)")
    for each in actions.choices.values():
        add_json(each)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry out the action."""
    with open_database(settings) as engine:
        return _ACTIONS[arguments.action](engine, settings, arguments)


def versions_table(versions: Sequence[ModelVersion], settings: Settings) -> str:
    """Versions a line each, or that there is none."""
    if not versions:
        return "Nothing has been trained yet: musktracker train"
    rows = [
        (
            printable(one.model),
            printable(one.version),
            ", ".join(one.aliases),
            _moment(one.trained_at, settings),
            _moment(one.training_end, settings),
            *("" if value is None else f"{value:.2f}" for value in (one.rmse, one.mae, one.mape)),
            one.counting or "",
        )
        for one in versions
    ]
    trained = f"trained ({settings.timezone})"
    header = ("model", "version", "alias", trained, "data until", "RMSE", "MAE", "MAPE %", "counting")
    return table(header, rows)


def _list(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    from musktracker.db.queries import models

    versions = models.versions(engine)
    if arguments.json:
        print_json([asdict(version) for version in versions])
    else:
        print(versions_table(versions, settings))
    return 0


def _show(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    from musktracker.db.engines import reading
    from musktracker.db.queries import models
    from musktracker.pipeline import aliases

    with reading(engine) as connection:
        key = aliases.find(connection, arguments.name).id
    [found] = [version for version in models.versions(engine) if version.id == key]
    changes = [one for one in aliases.history(engine, limit=10_000) if one.after == f"{found.model}:{found.version}"]
    if arguments.json:
        print_json({**asdict(found), "changes": [asdict(change) for change in changes]})
        return 0
    for line in _described(found, settings):
        print(printable(line))
    for change in changes:
        print(printable(f"alias        {_change_words(change, settings)}"))
    return 0


def _promote(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    parameters = {
        "model": arguments.name,
        "alias": arguments.alias,
        "reason": arguments.reason,
        "jobs": arguments.jobs,
    }
    result = run_stage(settings, engine, "promote", parameters, quiet=arguments.json)
    if arguments.json:
        print_json(result)
    elif result["changed"]:
        instead = f", instead of {printable(result['before'])}" if result["before"] else ""
        print(f"{result['alias']}: {printable(result['model'])}:{printable(result['version'])}{instead}")
    return 0


def _rollback(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    from musktracker.pipeline import aliases

    change = aliases.rollback(engine, arguments.alias, reason=arguments.reason)
    if arguments.json:
        print_json(asdict(change))
    else:
        print(printable(_change_words(change, settings)))
    return 0


def _history(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    from musktracker.pipeline import aliases

    changes = aliases.history(engine, arguments.alias, arguments.limit)
    if arguments.json:
        print_json([asdict(change) for change in changes])
        return 0
    rows = [
        (
            str(one.id),
            _moment(one.changed_at, settings),
            printable(one.who),
            one.alias,
            printable(one.before or ""),
            printable(one.after),
            _gate_words(one),
            printable(one.reason or ""),
        )
        for one in changes
    ]
    header = ("change", f"when ({settings.timezone})", "who", "alias", "before", "after", "gate", "reason")
    print(table(header, rows) if rows else "No alias has been given yet: musktracker models promote MODEL")
    return 0


_ACTIONS: Mapping[str, Callable[[Engine, Settings, argparse.Namespace], int]] = {
    "list": _list,
    "show": _show,
    "promote": _promote,
    "rollback": _rollback,
    "history": _history,
}


def _described(found: ModelVersion, settings: Settings) -> list[str]:
    named = f" ({', '.join(found.aliases)})" if found.aliases else ""
    span = f"{_moment(found.training_start, settings)} to {_moment(found.training_end, settings)}"
    lines = [
        f"{found.model}:{found.version}{named}",
        f"trained      {_moment(found.trained_at, settings)} ({settings.timezone})",
        f"on           {span}, counting {found.counting or 'as the database did'}",
        *(f"with         {name} = {_plain(value)}" for name, value in found.hyperparameters.items()),
        f"converged    {'not told' if found.converged is None else 'yes' if found.converged else 'no'}",
    ]
    if found.log_likelihood is not None:
        lines.append(f"likelihood   {found.log_likelihood:,.1f} (log)")
    for one in found.parameters:
        error = "" if one.standard_error is None else f" ± {one.standard_error:.4f}"
        lines.append(f"estimate     {one.name} = {'none' if one.estimate is None else f'{one.estimate:.4f}'}{error}")
    lines += [f"fit          {name} = {_plain(value)}" for name, value in found.values.items()]
    lines += [f"backtest     {name} = {_plain(value)}" for name, value in found.backtest.items()]
    lines += [f"warning      {text}" for text in found.warnings] + [f"note         {text}" for text in found.notes]
    return [*lines, f"forecasts    {found.forecasts:,}"]


def _change_words(change: AliasChange, settings: Settings) -> str:
    instead = f" instead of {change.before}" if change.before else ""
    back = ", rolled back" if change.undoes is not None else ""
    gate = f"; gate: {_gate_words(change)}" if change.gate is not None else ""
    reason = f"; {change.reason}" if change.reason else ""
    when = f"{_moment(change.changed_at, settings)} ({settings.timezone})"
    return f"{change.alias} is {change.after}{instead} since {when}, by {change.who}{back}{gate}{reason}"


def _gate_words(change: AliasChange) -> str:
    """Whether it passed, then what was held and the skill, by total."""
    if change.gate is None:
        return "rolled back" if change.undoes is not None else "none"
    parts = ["passed" if change.gate["passed"] else "failed"]
    for total, words in TOTALS.items():
        levels = change.gate["coverage"].get(total, {})
        part = "/".join(f"{one['share']:.0%}" for _, one in sorted(levels.items()))
        if skill := change.gate["skill"].get(total):
            part += f" skill {skill['skill']:+.1%}"
        if part:
            parts.append(f"{words} {part}")
    return ", ".join(parts)


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return (
        ",".join(map(str, value))
        if isinstance(value, list)
        else value
        if isinstance(value, str)
        else json.dumps(value)
    )


def _moment(value: Any, settings: Settings) -> str:
    return f"{value.astimezone(settings.zone):%Y-%m-%d %H:%M}"
