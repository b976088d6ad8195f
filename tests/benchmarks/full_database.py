"""A database as full as the console must bear: 100,000 posts, 5,000 events, 10,000 runs, 100,000 lines of one log."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from musktracker.db import engines, migrate
from musktracker.db.engines import writing
from musktracker.db.tables import Alert, ExogenousEvent, RunLogLine, RunRow
from musktracker.timeline import now, snowflake_floor

POSTS, EVENTS, RUNS, LINES = 100_000, 5_000, 10_000, 100_000
VERSIONS, FORECASTS, BACKTESTS, WINDOWS, ALERTS = 30, 60, 30, 24, 400
DAYS = 1_200
KINDS = ("ingest", "refresh", "forecast", "train", "score", "import")
STAGES = (
    ("refresh",),
    ("train", "--model", "seasonal_naive", "--promote"),
    ("train", "--model", "negative_binomial"),
    ("forecast", "--horizon", "7d", "--model", "seasonal_naive"),
    ("backtest", "--models", "seasonal_naive,negative_binomial", "--step", "400", "--paths", "200"),
)
COMMANDS = """
import json, sys
from musktracker.cli.main import main
for command in json.load(sys.stdin):
    if main(command):
        sys.exit(f"{command} failed")
"""


def fill(directory: Path) -> Path:
    """Make the database in this directory, which is the data directory too; returns its path."""
    path, chance = directory / "musktracker.db", random.Random(1)
    engine = engines.connect(f"sqlite:///{path}")
    migrate.ensure_current(engine)
    moment = now()
    _store_runs(engine, chance, moment)
    _store_events(engine, chance, moment)
    _store_alerts(engine, chance, moment)
    engine.dispose()
    posts = directory / "posts.csv"
    posts.write_text("id\n" + "\n".join(map(str, _posts(chance, moment))) + "\n")
    musktracker(directory, [("import", str(posts)), *STAGES, *_many(moment)])
    return path


def musktracker(directory: Path, commands: Sequence[Sequence[str]]) -> None:
    """Run commands on the database of this data directory, one after the other in one process."""
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS],
        env=os.environ | {"MUSKTRACKER_DATA_DIR": str(directory)},
        input=json.dumps(commands),
        text=True,
        check=False,
        capture_output=True,
    )
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])


def _many(moment: datetime) -> Iterator[tuple[str, ...]]:
    """What fills the lists of versions, forecasts, windows and backtests."""
    known = f"{moment - timedelta(hours=6 * FORECASTS + 24):%Y-%m-%dT%H:00Z}"  # of what forecasts may have known
    for _ in range(VERSIONS):
        yield "train", "--model", "seasonal_naive", "--until", known
    for i in range(FORECASTS):
        origin = f"{moment - timedelta(hours=6 * (FORECASTS - i)):%Y-%m-%dT%H:00Z}"
        yield "forecast", "--model", "seasonal_naive", "--as-of", origin
        if i < WINDOWS:
            yield "window", "--model", "seasonal_naive", "--as-of", origin
    for i in range(BACKTESTS):
        yield "backtest", "--models", "seasonal_naive", "--step", "4000", "--paths", "100", "--name", f"short {i}"
    yield ("score",)


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


def _store_alerts(engine: Any, chance: random.Random, moment: datetime) -> None:
    rows = []
    for i in range(ALERTS):
        at = moment - timedelta(hours=20 * i)
        when = {"raised_at": at, "last_seen_at": at, "resolved_at": at + timedelta(hours=1) if i > 2 else None}
        what = {"rule": "silence", "key": f"silence {i}", "severity": chance.choice(["info", "warning", "error"])}
        rows.append(when | what | {"message": f"Silent for {chance.uniform(3, 9):.1f} h", "details": "{}"})
    with writing(engine) as connection:
        connection.execute(insert(Alert), rows)


def _store_events(engine: Any, chance: random.Random, moment: datetime) -> None:
    rows = []
    for i in range(EVENTS):
        start = moment - timedelta(hours=6 * (EVENTS - i) - 300)
        when = {"event_start": start, "event_end": start + timedelta(hours=3), "created_at": moment}
        what = {"name": f"Event {i}", "category": chance.choice(["market", "launch", "politics"])}
        rows.append(when | what | {"intensity": chance.random(), "source": "manual"})
    with writing(engine) as connection:
        connection.execute(insert(ExogenousEvent), rows)
