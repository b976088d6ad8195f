"""Bring the database's schema up, down, or show where it is.

musktracker migrate up                    apply what is pending
musktracker migrate down --revision -1    revert the last step
musktracker migrate current               where the database is
musktracker migrate history               every revision, the newest first
musktracker migrate sql 003               what a step would run
musktracker migrate check                 whether the schema is what this program expects
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from musktracker.cli.command import add_json, print_json, printable, table
from musktracker.config import Settings
from musktracker.errors import MuskTrackerError, UsageError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.db.migrate import Direction, Loss, UpgradeReport


def configure(parser: argparse.ArgumentParser) -> None:
    """Its actions."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    up = actions.add_parser("up", help="apply what is pending")
    up.add_argument("--revision", default="head", help="how far: an id, or +1 for one step (all)")
    up.add_argument("--dry-run", action="store_true", help="time each statement and keep nothing")
    down = actions.add_parser("down", help="revert steps")
    down.add_argument("--revision", help="how far: an id, -1 for one step, or base")
    down.add_argument("--yes", action="store_true", help="go on although rows will be lost")
    current = actions.add_parser("current", help="where the database is")
    history = actions.add_parser("history", help="every revision, the newest first")
    sql = actions.add_parser("sql", help="what a step would run, on this kind of database")
    sql.add_argument("revision", nargs="?", help="which step (the first that is pending, or the newest)")
    sql.add_argument("--down", action="store_true", help="reverting it rather than applying it")
    check = actions.add_parser("check", help="whether the schema is what this program expects")
    for action, function in (
        (up, _up),
        (down, _down),
        (current, _current),
        (history, _history),
        (sql, _sql),
        (check, _check),
    ):
        action.set_defaults(action=function)
        add_json(action)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry out the action, on the schema as it is found."""
    from musktracker.db import engines

    read_only = arguments.action not in (_up, _down) or (
        getattr(arguments, "dry_run", False) and settings.database_url.startswith("sqlite")
    )
    if not read_only:
        settings.with_data_dir_made()
    engine = engines.connect(settings.database_url, read_only=read_only)
    try:
        return int(arguments.action(engine, arguments))
    finally:
        engine.dispose()


def _up(engine: Engine, arguments: argparse.Namespace) -> int:
    from musktracker.db import migrate

    if arguments.dry_run:
        return _dry_run(engine, arguments)
    report = migrate.upgrade(engine, arguments.revision)
    if arguments.json:
        print_json(_as_data(report))
    else:
        _print_report(report, "applied")
    return 0


def _dry_run(engine: Engine, arguments: argparse.Namespace) -> int:
    from musktracker.db import migrate

    statements = migrate.dry_run(engine, arguments.revision)
    if arguments.json:
        print_json([{"statement": statement, "ms": round(ms, 3)} for statement, ms in statements])
        return 0
    for statement, ms in statements:
        print(f"{ms:9.2f} ms  {' '.join(printable(statement).split())}")
    print(f"{sum(ms for _, ms in statements):9.2f} ms  in all; nothing was kept")
    return 0


def _down(engine: Engine, arguments: argparse.Namespace) -> int:
    from musktracker.db import migrate

    if arguments.revision is None:
        raise UsageError(
            "migrate down needs --revision: a downgrade drops tables and columns with what is stored in them",
            "Say how far: --revision -1 for one step, or an id that musktracker migrate history lists",
        )
    lost = [loss for loss in migrate.losses(engine, arguments.revision) if loss.rows]
    if lost:
        print(_lost_text(lost), file=sys.stderr if arguments.json else sys.stdout)
    if lost and not arguments.yes:
        _confirm(engine, lost)
    report = migrate.downgrade(engine, arguments.revision)
    if arguments.json:
        print_json({**_as_data(report), "lost": [asdict(loss) for loss in lost]})
    else:
        _print_report(report, "reverted")
    return 0


def _confirm(engine: Engine, lost: Iterable[Loss]) -> None:
    from musktracker.db import migrate

    if not sys.stdin.isatty():
        raise UsageError(
            f"Rows would be lost: {_brief(lost)}. Nothing was changed", "Add --yes to go on all the same"
        )
    at = migrate.current(engine)
    print(f"Type {at}, the revision to leave, to go on: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != at:
        raise MuskTrackerError("Not confirmed; nothing was changed")


def _current(engine: Engine, arguments: argparse.Namespace) -> int:
    from musktracker.db import migrate

    found = migrate.status(engine)
    if arguments.json:
        print_json(
            {
                "current": found.current,
                "head": found.head,
                "pending": found.pending,
                "up_to_date": found.current == found.head,
            }
        )
        return 0
    if found.pending:
        detail = f"{len(found.pending)} pending: {', '.join(found.pending)}; musktracker migrate up applies them"
    else:
        detail = "head" if found.current == found.head else f"newer than this program, whose head is {found.head}"
    print(f"{found.current or 'base'} ({detail})")
    return 0


def _history(engine: Engine, arguments: argparse.Namespace) -> int:
    from musktracker.db import migrate

    found = migrate.status(engine)
    if arguments.json:
        print_json([asdict(revision) for revision in found.revisions])
        return 0
    rows = [
        (revision.revision, "applied" if revision.applied else "pending", revision.title)
        for revision in found.revisions
    ]
    print(table(("revision", "state", "title"), rows))
    return 0


def _sql(engine: Engine, arguments: argparse.Namespace) -> int:
    from musktracker.db import migrate

    revision = arguments.revision
    if revision is None:
        found = migrate.status(engine)
        revision = found.pending[0] if found.pending else found.head
    direction: Direction = "down" if arguments.down else "up"
    text = migrate.sql(engine, revision, direction)
    if arguments.json:
        print_json({"revision": revision, "direction": direction, "sql": text})
    else:
        print(text)
    return 0


def _check(engine: Engine, arguments: argparse.Namespace) -> int:
    from musktracker.db import migrate

    drift = migrate.check(engine)
    if arguments.json:
        print_json({"drift": drift})
    else:
        print("\n".join(map(printable, drift)) or "The schema is what this program expects")
    return 1 if drift else 0


def _as_data(report: UpgradeReport) -> dict[str, Any]:
    return {
        "from": report.from_revision,
        "to": report.to_revision,
        "steps": [{**asdict(step), "ms": round(step.ms, 3)} for step in report.steps],
        "backup": report.backup and str(report.backup),
    }


def _print_report(report: UpgradeReport, done: str) -> None:
    if report.backup:
        print(f"Backup: {report.backup}")
    for step in report.steps:
        print(f"{step.revision} {done} in {step.ms:.0f} ms: {step.title}")
    if report.steps:
        print(f"The database is at {report.to_revision or 'base'}")
    else:
        print(f"The database is at {report.to_revision or 'base'} already; nothing to do")


def _lost_text(lost: Iterable[Loss]) -> str:
    rows = [(loss.table, loss.column or "(whole table)", f"{loss.rows:,}") for loss in lost]
    return "What is stored and will be lost:\n" + table(("table", "column", "rows"), rows)


def _brief(lost: Iterable[Loss]) -> str:
    return ", ".join(f"{loss.table}{'.' + loss.column if loss.column else ''} {loss.rows:,}" for loss in lost)


if __name__ == "__main__":
    from musktracker.cli.main import main

    sys.exit(main(["migrate", *sys.argv[1:]]))
