"""A storm: every fault at random over real HTTP, the ingester killed about every second, and not a post is lost.

By default a small storm (1,000 posts, 5 kills on each database). MUSKTRACKER_STORM=full makes it 50,000 posts and at
least 30 kills, which takes some minutes:

MUSKTRACKER_STORM=full pytest tests/pipeline/test_fault_storm.py -n 0
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text, update
from sqlalchemy.exc import OperationalError

from musktracker import runs
from musktracker.db.engines import is_sqlite, reading, sqlite_path, writing
from musktracker.db.queries import coverage, ingestion
from musktracker.db.tables import RawTweet, RunRow
from musktracker.run_info import ACTIVE, STALE
from musktracker.simulator.answers import TEXT
from musktracker.simulator.config import FAULTS, STREAM_FAULTS
from musktracker.simulator.process import Simulator, running_simulator
from musktracker.timeline import DAY, Span, iso, now, snowflake_time

FULL = os.environ.get("MUSKTRACKER_STORM") == "full"
POSTS, KILLS, LIVES = (50_000, 30, 600) if FULL else (1_000, 5, 60)
GROWTH = 0.0 if FULL else 0.1  # lives become longer, so that a slow machine comes to an end too
PATIENCE = 120.0  # seconds that a life may take to begin, or the last one to end
TOKEN = "AAAAsecretToken"
OF_REQUESTS = ("throttle", "throttle_second", "server_error", "hang", "drop", "truncate", "not_json", "html")
RATES = {
    **dict.fromkeys(FAULTS | STREAM_FAULTS, 0.05),
    **dict.fromkeys((*OF_REQUESTS, "partial"), 0.015),  # the client waits a second for each, as long as a life
    "throttle_bare": 0.003,  # and a minute for this
    "late": 0.1,
}
COMMAND = [sys.executable, "-m", "musktracker.cli.main", "ingest"]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """An account whose posts go on coming, behind an API on which nothing is certain."""
    faults = {
        "seed": 7,
        "rates": RATES,
        "throttle_seconds": 0.2,
        "hang_seconds": 1.0,
        "late_seconds": 20.0,
        "settle_seconds": 600.0,
    }
    with running_simulator(posts=POSTS, speed=300.0, limits="none", reach=None, token=TOKEN, faults=faults) as made:
        yield made


class Storm:
    """Starts ingesters, kills them, and lets the next one take over."""

    def __init__(self, engine: Engine, url: str, simulator: Simulator, folder: Path) -> None:
        self.kills = 0
        self.lives = 0
        self._dice = random.Random(3)
        self._engine = engine
        self._output = folder / "output.txt"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("MUSKTRACKER_", "X_"))},
            "MUSKTRACKER_DATABASE_URL": url,
            "MUSKTRACKER_DATA_DIR": str(folder / "data"),
            "MUSKTRACKER_X_API_BASE_URL": simulator.url,
            "MUSKTRACKER_ACCOUNT": simulator.username,
            "X_BEARER_TOKEN": TOKEN,
        }
        self._folder = folder

    def live(self, *options: str) -> bool:
        """One life of an ingester, which ends by kill -9; True where it had done its work before that."""
        self.lives += 1
        assert self.lives < LIVES, f"no end after {self.lives} lives:\n{self.said()}"
        with self._output.open("a") as output:
            process = self.start(*options, output=output)
            self._await_run(process)
            try:
                process.wait(self._dice.uniform(0.2, 1.6) * (1 + GROWTH * self.lives))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                self.kills += 1
        self._let_the_lease_lapse()
        return process.returncode == 0

    def finish(self, *options: str) -> int:
        """A life that nobody ends."""
        self._let_the_lease_lapse()
        with self._output.open("a") as output:
            return self.start(*options, output=output).wait(PATIENCE)

    def start(self, *options: str, output: object = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*COMMAND, *options],
            env=self._environment,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )

    def said(self) -> str:
        return self._output.read_text(errors="replace")[-3_000:]

    def _await_run(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + PATIENCE
        while process.poll() is None and not self._running():
            assert time.monotonic() < end, "the ingester does not begin"
            time.sleep(0.02)

    def _running(self) -> bool:
        with reading(self._engine) as connection:
            query = select(RunRow.id).where(RunRow.status == "running")
            return connection.execute(query).first() is not None

    def _let_the_lease_lapse(self) -> None:
        """What else half a minute does."""
        while True:
            try:
                with writing(self._engine) as connection:
                    connection.execute(
                        update(RunRow)
                        .where(RunRow.status.in_(ACTIVE))
                        .values(heartbeat_at=now() - 2 * STALE, status="queued")
                    )
                return
            except OperationalError:
                time.sleep(0.1)


def test_a_storm_of_faults_and_kills_loses_no_post(
    engine: Engine, database_url: str, simulator: Simulator, tmp_path: Path
) -> None:
    storm = Storm(engine, database_url, simulator, tmp_path)
    first = snowflake_time(min(simulator.posts())) - DAY
    begun = time.monotonic()
    while not storm.live("--backfill", "--since", iso(first)):
        pass
    backfilled = time.monotonic() - begun
    while storm.kills < KILLS:
        storm.live("--follow", "--interval", "1", "--stream")
    end = simulator.advance(60)  # from here on it stands still, so that there is a truth to compare with
    simulator.change(faults={"rates": {**RATES, "throttle_bare": 0, "late": 0}})
    for _ in range(2):
        assert storm.finish() == 0, storm.said()
    stored = _stored(engine)
    print(
        f"{len(stored):,} posts, {storm.kills} kills in {storm.lives} lives; backfilled in {backfilled:.0f} s; "
        f"faults: {sum(simulator.state()['faults'].values())}"
    )
    truth = simulator.posts()
    assert stored == truth, f"{len(truth.keys() - stored.keys())} lost, {len(stored.keys() - truth.keys())} too many"
    assert coverage.holes(engine, Span(first, end - timedelta(minutes=2))) == []
    assert ingestion.state(engine, now()).open_ranges == ()
    assert set(simulator.state()["faults"]) >= set(FAULTS) - {"late", "throttle_bare"} or not FULL
    _assert_nothing_leaked(engine, storm.said())


def test_a_follower_that_is_asked_to_end_does_so_and_frees_its_lease(
    engine: Engine, database_url: str, simulator: Simulator, tmp_path: Path
) -> None:
    storm = Storm(engine, database_url, simulator, tmp_path)
    process = storm.start("--follow", "--interval", "1")
    storm._await_run(process)
    assert storm.start().wait(PATIENCE) == 1  # one at a time
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 130
    assert [info.status for info in runs.recent(engine)] == ["cancelled"]
    assert runs.recent(engine)[0].lease is None


def _stored(engine: Engine) -> dict[int, str]:
    query = select(RawTweet.tweet_id, RawTweet.kind).where(RawTweet.is_deleted.is_(False))
    with reading(engine) as connection:
        return {int(number): kind for number, kind in connection.execute(query)}


def _assert_nothing_leaked(engine: Engine, said: str) -> None:
    """Neither the posts' text nor the token is in the database or was printed."""
    if is_sqlite(engine):
        with engine.connect() as connection:
            connection.rollback()
            connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
        held = sqlite_path(engine).read_bytes().decode(errors="replace")
    else:
        with reading(engine) as connection:
            held = "".join(
                str(row)
                for table in ("runs", "run_log", "fetch_ranges", "database_settings")
                for row in connection.execute(text(f"SELECT * FROM {table}"))
            )
    for secret in (TEXT, TOKEN):
        assert secret not in held + said
