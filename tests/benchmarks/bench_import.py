"""How long an import takes beside the least that could do it: gzip, csv and one executemany (Postgres: one COPY).

python tests/benchmarks/bench_import.py [FILE] [--postgres URL] [--repeat 3]

FILE is a CSV of tweet_id,created_at (gzip or not); without it 70,000 posts are made up. Each way is a process of its
own, on a new copy of a migrated database. Printed are medians and their ratios to the bare way: of the whole process,
of its CPU time (what to go by on a busy machine), and of the import without the start of Python and the loading of
libraries; then how long the longest write transaction lasted, and the peak memory. URL names a Postgres database,
which is migrated, and emptied of posts and coverage.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from musktracker.db import engines, migrate
from musktracker.timeline import snowflake_time

PEAK = """
def peak():  # in MB; not ru_maxrss, which counts what the process was started from
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
"""
BARE = """
import csv, gzip, json, sqlite3, sys, time
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
print(json.dumps({"seconds": time.perf_counter() - begin, "memory": peak(), "imported": len(rows)}))
"""
BARE_COPY = """
import csv, gzip, json, psycopg, sys, time
begin = time.perf_counter()
with open(sys.argv[1], "rb") as file:
    packed = file.read(2) == b"\\x1f\\x8b"
n = 0
with (gzip.open if packed else open)(sys.argv[1], "rt", newline="") as file:
    reader = csv.reader(file)
    next(reader)
    columns = "tweet_id, created_at, source, ingest_time"
    with psycopg.connect(sys.argv[2]) as connection, connection.cursor() as cursor:
        with cursor.copy(f"COPY raw_tweets ({columns}) FROM STDIN") as copy:
            for i, t in reader:
                copy.write_row((i, t, "bare", "2026-01-01T00:00:00Z"))
                n += 1
print(json.dumps({"seconds": time.perf_counter() - begin, "memory": peak(), "imported": n}))
"""
OURS = """
import json, sys, time
begin = time.perf_counter()
from musktracker.db import engines
from musktracker.pipeline.ingest import import_files
from musktracker.reporting import Run
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
    "memory": peak(),
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
    print(f"{'':20}  posts     whole  ratio       CPU  ratio    import  ratio  longest lock   peak")
    for name, found in measures.items():
        bare = measures["bare csv + COPY" if name.startswith("Postgres") else "bare csv + sqlite3"]
        times = "  ".join(
            f"{found[key]:6.2f} s {found[key] / bare[key]:5.1f}x" for key in ("whole", "cpu", "seconds")
        )
        lock = 1000 * found.get("held", 0)
        print(f"{name:20} {found['imported']:6,}  {times} {lock:10.0f} ms {found['memory']:3.0f} MB")


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
    """The bare way, ours by COPY, and ours again."""
    engine = engines.connect(url)
    migrate.ensure_current(engine)

    def anew() -> None:
        with engines.writing(engine) as connection:
            connection.exec_driver_sql("TRUNCATE raw_tweets, coverage")

    try:
        return {
            "bare csv + COPY": measured(BARE_COPY, (str(path), url.replace("+psycopg", "")), repeat, anew),
            "Postgres": measured(OURS, (str(path), url), repeat, anew),
            "Postgres, once more": measured(OURS, (str(path), url), repeat, lambda: None),
        }
    finally:
        engine.dispose()


def measured(script: str, arguments: tuple[str, ...], repeat: int, anew: Callable[[], None]) -> dict[str, Any]:
    """Medians of `repeat` processes, each after `anew`."""
    found: list[dict[str, Any]] = []
    for _ in range(repeat):
        anew()
        begin, spent = time.perf_counter(), cpu_of_children()
        program = [sys.executable, "-c", PEAK + script, *arguments]
        output = subprocess.run(program, check=True, capture_output=True, text=True)
        whole, cpu = time.perf_counter() - begin, cpu_of_children() - spent
        found.append(json.loads(output.stdout) | {"whole": whole, "cpu": cpu})
        if found[-1].get("heavy"):
            raise SystemExit(f"The import loaded {found[-1]['heavy']}")
    return {
        name: found[0][name] if name == "imported" else statistics.median(each[name] for each in found)
        for name in found[0]
        if name != "heavy"
    }


def cpu_of_children() -> float:
    """Seconds of CPU that ended processes have taken."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
