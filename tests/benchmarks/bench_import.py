"""How long an import takes beside the least that could do it: gzip, csv and one executemany into the same tables.

python tests/benchmarks/bench_import.py [FILE] [--postgres URL] [--repeat 3]

FILE is a CSV of tweet_id,created_at (gzip or not); without it 70,000 posts are made up. Each way is a process of its
own, on a new copy of a migrated database; the medians of whole processes and of the import alone (both without and
with Python's start) are printed with their ratios, and the peak memory. URL names a Postgres database that is
migrated, and emptied of posts and coverage.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from musktracker.db import engines, migrate
from musktracker.timeline import snowflake_time

BARE = """
import csv, gzip, json, resource, sqlite3, sys, time
begin = time.perf_counter()
with open(sys.argv[1], "rb") as file:
    packed = file.read(2) == b"\\x1f\\x8b"
with (gzip.open if packed else open)(sys.argv[1], "rt", newline="") as file:
    reader = csv.reader(file)
    next(reader)
    rows = [(i, t[:10] + " " + t[11:-1] + "000", "bare", "2026-01-01 00:00:00.000000") for i, t in reader]
database = sqlite3.connect(sys.argv[2])
database.executemany(
    "INSERT INTO raw_tweets (tweet_id, created_at, source, ingest_time, is_deleted) VALUES (?, ?, ?, ?, 0)", rows
)
database.commit()
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"seconds": time.perf_counter() - begin, "memory": memory, "imported": len(rows)}))
"""
OURS = """
import json, resource, sys, time
begin = time.perf_counter()
from musktracker.db import engines
from musktracker.pipeline.ingest import import_files
from musktracker.runs import Run
loaded = time.perf_counter()
held, writing = [], engines.writing
import musktracker.pipeline.ingest as ingest
from contextlib import contextmanager
@contextmanager
def timed(engine):
    with writing(engine) as connection:
        begin = time.perf_counter()
        yield connection
    held.append(time.perf_counter() - begin)
ingest.writing = timed
engine = engines.connect(sys.argv[2])
result = import_files(engine, Run(), files=[sys.argv[1]])
engine.dispose()
heavy = sorted({"pandas", "numpy", "scipy"} & set(sys.modules))
print(json.dumps({
    "seconds": time.perf_counter() - loaded,
    "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    "imported": result["imported"],
    "held": max(held, default=0),
    "heavy": heavy,
}))
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--postgres", metavar="URL")
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.file or made_up(Path(folder) / "posts.csv.gz")
        measures = on_sqlite(path, Path(folder), arguments.repeat)
        if arguments.postgres:
            measures |= on_postgres(path, arguments.postgres, arguments.repeat)
    bare = measures["bare csv + sqlite3"]
    print(f"{'':24}  posts   process  ratio    import  ratio  longest lock    peak")
    for name, found in measures.items():
        print(
            f"{name:24} {found['imported']:6,} {found['process']:7.2f} s {found['process'] / bare['process']:5.1f}x "
            f"{found['seconds']:7.2f} s {found['seconds'] / bare['seconds']:5.1f}x "
            f"{1000 * found.get('held', 0):10.0f} ms {found['memory'] / 1024:6.0f} MB"
        )


def made_up(path: Path, n: int = 70_000) -> Path:
    """A file of posts at random times, in their order."""
    draw = random.Random(7)
    number = 1_587_442_891_894_538_240
    with gzip.open(path, "wt") as file:
        file.write("tweet_id,created_at\n")
        for _ in range(n):
            number += int(draw.expovariate(1 / 1_400_000)) + 1 << 22
            number += draw.randrange(1 << 12)
            file.write(f"{number},{snowflake_time(number).isoformat(timespec='milliseconds')[:-6]}Z\n")
    return path


def on_sqlite(path: Path, folder: Path, repeat: int) -> dict[str, dict[str, Any]]:
    """The bare way, ours, and ours again on what is there already."""
    template, database = folder / "template.db", folder / "copy.db"
    engine = engines.connect(f"sqlite:///{template}")
    migrate.ensure_current(engine)
    engine.dispose()

    def anew() -> None:
        for left in folder.glob("copy.db*"):
            left.unlink()
        shutil.copy(template, database)

    arguments = (str(path), f"sqlite:///{database}")
    return {
        "bare csv + sqlite3": measured(BARE, (str(path), str(database)), repeat, anew),
        "SQLite": measured(OURS, arguments, repeat, anew),
        "SQLite, once more": measured(OURS, arguments, repeat, lambda: None),
    }


def on_postgres(path: Path, url: str, repeat: int) -> dict[str, dict[str, Any]]:
    """Ours by COPY, and again."""
    engine = engines.connect(url)
    migrate.ensure_current(engine)

    def anew() -> None:
        with engines.writing(engine) as connection:
            connection.exec_driver_sql("TRUNCATE raw_tweets, coverage")

    try:
        return {
            "Postgres": measured(OURS, (str(path), url), repeat, anew),
            "Postgres, once more": measured(OURS, (str(path), url), repeat, lambda: None),
        }
    finally:
        engine.dispose()


def measured(script: str, arguments: tuple[str, ...], repeat: int, anew: Callable[[], None]) -> dict[str, Any]:
    """Medians of `repeat` processes, each after `anew`."""
    import time

    found = []
    for _ in range(repeat):
        anew()
        begin = time.perf_counter()
        output = subprocess.run(
            [sys.executable, "-c", script, *arguments], check=True, capture_output=True, text=True
        )
        found.append(json.loads(output.stdout) | {"process": time.perf_counter() - begin})
        if found[-1].get("heavy"):
            raise SystemExit(f"The import loaded {found[-1]['heavy']}")
    return {
        name: found[0][name] if name == "imported" else statistics.median(each[name] for each in found)
        for name in found[0]
        if name != "heavy"
    }


if __name__ == "__main__":
    main()
