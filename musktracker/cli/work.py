"""Carry out a queued run. The console starts this as a process of its own; people have no need to."""

from __future__ import annotations

import argparse

from musktracker.cli.command import Reporter, open_database, whole_number
from musktracker.config import Settings
from musktracker.errors import Cancelled


def configure(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("run_id", type=whole_number(1), help="the queued run")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Do what the run's row asks for; how it went is in the row."""
    from musktracker import recorder, runs
    from musktracker.pipeline import stages

    with open_database(settings) as engine:
        queued = runs.get(engine, arguments.run_id)
        try:
            recorder.execute(
                engine,
                queued.kind,
                stages.stage(queued.kind),
                queued.parameters,
                run_id=queued.id,
                listener=Reporter(quiet=True),
                scrub=settings.scrub,
                level=settings.log_level,
            )
        except Cancelled as reason:
            return reason.exit_code
    return 0
