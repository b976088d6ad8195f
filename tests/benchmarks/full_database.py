"""A database as full as the console must bear: 100,000 posts, 5,000 events, 10,000 runs, 100,000 lines of one log."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from musktracker.db import engines, migrate
from musktracker.db.engines import writing
from musktracker.db.tables import ExogenousEvent, RunLogLine, RunRow
from musktracker.timeline import now, snowflake_floor

POSTS, EVENTS, RUNS, LINES = 100_000, 5_000, 10_000, 100_000
DAYS = 1_200
KINDS = ("ingest", "refresh", "forecast", "train", "score", "import")
STAGES = (
    ("refresh",),
    ("train", "--model", "seasonal_naive", "--promote"),
    ("train", "--model", "negative_binomial"),
    ("forecast", "--horizon", "7d", "--model", "seasonal_naive"),
    ("backtest", "--models", "seasonal_naive,negative_binomial", "--step", "400", "--paths", "200"),
)


def fill(directory: Path) -> Path:
    """Make the database in this directory, which is the data directory too; returns its path."""
    path, chance = directory / "musktracker.db", random.Random(1)
    engine = engines.connect(f"sqlite:///{path}")
    migrate.ensure_current(engine)
    moment = now()
    _store_runs(engine, chance, moment)
    _store_events(engine, chance, moment)
    engine.dispose()
    posts = directory / "posts.csv"
    posts.write_text("id\n" + "\n".join(map(str, _posts(chance, moment))) + "\n")
    for stage in (("import", str(posts)), *STAGES):
        musktracker(directory, *stage)
    return path


def musktracker(directory: Path, *arguments: str) -> None:
    """Run a command on the database of this data directory."""
    environment = os.environ | {"MUSKTRACKER_DATA_DIR": str(directory)}
    command = [sys.executable, "-m", "musktracker.cli.main", *arguments]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


def _posts(chance: random.Random, moment: datetime) -> Iterable[int]:
    seconds = DAYS * 86_400
    times = (moment - timedelta(seconds=60 + chance.random() * seconds) for _ in range(POSTS))
    return sorted({snowflake_floor(time) + chance.randrange(1 << 22) for time in times})


def _store_runs(engine: Any, chance: random.Random, moment: datetime) -> None:
    rows: list[dict[str, Any]] = []
    for i in range(RUNS):
        at = moment - timedelta(minutes=10 * (RUNS - i))
        ended = {"started_at": at, "finished_at": at + timedelta(seconds=9), "heartbeat_at": at}
        status = chance.choice(["succeeded"] * 9 + ["failed"])
        doing = {"kind": chance.choice(KINDS), "status": status, "message": f"Did thing {i}", "progress": 1.0}
        rows.append(doing | ended | {"parameters": "{}", "created_at": at, "host": "tower", "pid": 1, "who": "op"})
    levels = ["debug"] * 3 + ["info"] * 10 + ["warning"] * 2 + ["error"]
    with writing(engine) as connection:
        newest = connection.execute(insert(RunRow).returning(RunRow.id), rows).scalars().all()[-1]
        lines = [
            {
                "run_id": newest,
                "time": moment - timedelta(seconds=LINES - i),
                "level": chance.choice(levels),
                "message": f"Asked for page {i} and stored {chance.randrange(50)} posts",
                "fields": json.dumps({"page": i}),
            }
            for i in range(LINES)
        ]
        connection.execute(insert(RunLogLine), lines)


def _store_events(engine: Any, chance: random.Random, moment: datetime) -> None:
    rows = []
    for i in range(EVENTS):
        start = moment - timedelta(hours=6 * (EVENTS - i) - 300)
        when = {"event_start": start, "event_end": start + timedelta(hours=3), "created_at": moment}
        what = {"name": f"Event {i}", "category": chance.choice(["market", "launch", "politics"])}
        rows.append(when | what | {"intensity": chance.random(), "source": "manual"})
    with writing(engine) as connection:
        connection.execute(insert(ExogenousEvent), rows)
