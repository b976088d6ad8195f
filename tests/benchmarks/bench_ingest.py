"""How long fetching and storing posts takes beside a bare httpx loop that only fetches and parses the same pages.

python tests/benchmarks/bench_ingest.py [--posts 100000] [--repeat 3] [--postgres URL]

A simulated API without limits, in a process of its own, serves one account's timeline in pages of 100. Each way is a
process of its own: the bare loop asks page after page with one client and parses the JSON; ours is a backfill into a
new copy of a migrated database, of the whole timeline as one range. Printed are medians, start-up apart: wall time,
the process's CPU time, their ratios to the bare loop's, and the memory that ours has at its peak and gains between a
tenth of the posts and the end. URL names a Postgres database, which is migrated, and emptied of posts.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy import text

from musktracker.db import engines, migrate
from musktracker.simulator.process import Simulator, running_simulator

BARE = """
import asyncio, json, sys, time
import httpx
async def main():
    url, user = sys.argv[1], sys.argv[2]
    names = {"max_results": "100", "tweet.fields": "created_at,referenced_tweets,edit_history_tweet_ids"}
    n = 0
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": "Bearer x"}, trust_env=False) as client:
        begin, cpu = time.perf_counter(), time.process_time()
        while True:
            body = json.loads((await client.get(f"/2/users/{user}/tweets", params=names)).content)
            n += len(body.get("data", []))
            token = body["meta"].get("next_token")
            if token is None:
                break
            names["pagination_token"] = token
        print(json.dumps({"posts": n, "wall": time.perf_counter() - begin, "cpu": time.process_time() - cpu}))
asyncio.run(main())
"""
OURS = """
import asyncio, json, sys, time
from musktracker.db import engines
from musktracker.pipeline import ranges
from musktracker.pipeline.account import Account
from musktracker.pipeline.walk import Walker
from musktracker.reporting import Run
from musktracker.sources.x_api import XClient
from musktracker.timeline import Span, now, parse_time

def memory(field):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field)) / 1024

async def main():
    url, user, database, start, wanted = sys.argv[1:]
    engine = engines.connect(database)
    early = []
    async with XClient(url, "x") as client:
        walker = Walker(engine, Run(), client, Account("simulated", int(user)), escalate=False)
        begin, cpu = time.perf_counter(), time.process_time()
        async def watch():
            while walker.tally.seen < int(wanted) // 10:
                await asyncio.sleep(0.02)
            early.append(memory("VmRSS"))
        watching = asyncio.create_task(watch())
        await walker.walk(ranges.of_span(Span(parse_time(start), now()), "backfill", "timeline"))
        wall, cpu = time.perf_counter() - begin, time.process_time() - cpu
        await watching
    engine.dispose()
    print(json.dumps({
        "posts": walker.tally.new, "wall": wall, "cpu": cpu,
        "peak": memory("VmHWM"), "gained": memory("VmRSS") - early[0],
    }))
asyncio.run(main())
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--postgres", metavar="URL")
    arguments = parser.parse_args()
    with (
        running_simulator(posts=arguments.posts, limits="none", reach=None) as simulator,
        tempfile.TemporaryDirectory() as folder,
    ):
        ways = {"bare httpx": lambda: run(BARE, simulator), "SQLite": on_sqlite(simulator, Path(folder), arguments)}
        if arguments.postgres:
            ways["Postgres"] = on_postgres(simulator, arguments.postgres, arguments)
        run(BARE, simulator)  # so that the simulator has rendered every post once
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
        for _ in range(arguments.repeat):
            for name, way in ways.items():
                found[name].append(way())
    report(found)


def report(found: dict[str, list[dict[str, Any]]]) -> None:
    """Medians, and ratios to the first way."""

    def median(name: str, key: str) -> float:
        return statistics.median(each.get(key, 0.0) for each in found[name])

    bare = next(iter(found))
    print(f"{'':12} {'posts':>8} {'wall':>8} {'ratio':>6} {'CPU':>8} {'ratio':>6} {'peak':>7} {'gained':>7}")
    for name in found:
        wall, cpu = median(name, "wall"), median(name, "cpu")
        print(
            f"{name:12} {found[name][0]['posts']:8,} {wall:6.2f} s {wall / median(bare, 'wall'):6.2f} {cpu:6.2f} s "
            f"{cpu / median(bare, 'cpu'):6.2f} {median(name, 'peak'):4.0f} MB {median(name, 'gained'):4.1f} MB"
        )


def on_sqlite(simulator: Simulator, folder: Path, arguments: argparse.Namespace) -> Any:
    """Ours, into a new SQLite database each time."""
    template = folder / "template.db"
    engine = engines.connect(f"sqlite:///{template}")
    migrate.ensure_current(engine)
    with engine.connect() as connection:
        connection.rollback()
        connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
    engine.dispose()

    def measure() -> dict[str, Any]:
        path = folder / "measured.db"
        for old in folder.glob("measured.db*"):
            old.unlink()
        shutil.copy(template, path)
        return run(OURS, simulator, f"sqlite:///{path}", start(simulator), str(arguments.posts))

    return measure


def on_postgres(simulator: Simulator, url: str, arguments: argparse.Namespace) -> Any:
    """Ours, into an emptied Postgres database each time."""
    engine = engines.connect(url)
    migrate.ensure_current(engine)

    def measure() -> dict[str, Any]:
        with engine.begin() as connection:
            connection.execute(text("TRUNCATE raw_tweets, coverage, fetch_ranges, bought_posts, spending"))
        return run(OURS, simulator, url, start(simulator), str(arguments.posts))

    return measure


def start(simulator: Simulator) -> str:
    """Before the account's first post."""
    from musktracker.timeline import DAY, iso, snowflake_time

    return iso(snowflake_time(min(simulator.posts())) - DAY)


def run(program: str, simulator: Simulator, *arguments: str) -> dict[str, Any]:
    """Carry out a program in a process of its own; returns what it measured."""
    command = [sys.executable, "-c", program, simulator.url, str(simulator.user_id), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})
    if done.returncode:
        sys.exit(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    main()
