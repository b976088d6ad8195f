"""Runs beside each other: a follower, a backfill, a reconciliation and an import share a database and a budget."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fake_x import NOON, FakeX
from sqlalchemy import Engine, select, update

from musktracker import runs, timeline
from musktracker.db.engines import reading, writing
from musktracker.db.queries import coverage, ingestion
from musktracker.db.tables import CoverageHole, HighWaterMark, RawTweet, RunRow
from musktracker.leases import LeaseHeld, LeaseLost
from musktracker.pipeline import spending, stages, store
from musktracker.pipeline.account import Account
from musktracker.pipeline.backfill import Backfill
from musktracker.pipeline.follow import Follower
from musktracker.pipeline.ingest import import_files
from musktracker.pipeline.reconcile import Reconciler
from musktracker.pipeline.walk import Walker
from musktracker.reporting import Run
from musktracker.run_info import STALE
from musktracker.simulator.process import running_simulator
from musktracker.timeline import DAY, HOUR, Span, iso, snowflake_time

MINUTE = timedelta(minutes=1)
START = NOON - 12 * DAY
FILE = Span(NOON - 10 * DAY, NOON - 4 * DAY)
LIVES = 8  # of each kind, of which most end early
TOKEN = "AAAAsecretToken"
COMMAND = [sys.executable, "-m", "musktracker.cli.main"]
LIMIT = 3_000 * spending.POST


class Killed(BaseException):
    """The process is gone; nothing may catch this."""


class Mortal(Run):
    """A run as a row that ends by kill -9 after so many steps, without another word."""

    def __init__(self, engine: Engine, kind: str, steps: int | None = None) -> None:
        super().__init__()
        self.id = runs.create(engine, kind, {}, lease=stages.lease(kind, {}))
        self._steps = steps

    def step(self) -> None:
        if self._steps is not None:
            self._steps -= 1
            if self._steps < 0:
                raise Killed

    def check(self) -> None:
        self.step()


Work = Callable[["World", Mortal], Awaitable[Any]]


class World:
    """An account, a file of some of its posts, and runs of every kind in threads of their own."""

    def __init__(self, engine: Engine, api: FakeX, account: Account, folder: Path) -> None:
        self.engine = engine
        self.api = api
        self.account = account
        self.file = folder / "posts.csv"
        self._here = threading.local()
        api.before_request = lambda _asked: self._here.run.step()

    def live(self, kind: str, steps: int | None = None) -> None:
        """One life of a run; where it was killed, half a minute passes for it."""
        run = self._here.run = Mortal(self.engine, kind, steps)
        end: dict[str, Any] = {"status": "succeeded", "lease": None}
        try:
            asyncio.run(self._work(kind, run))
        except Killed:
            end = {"heartbeat_at": timeline.now() - 2 * STALE}
        with writing(self.engine) as connection:
            connection.execute(update(RunRow).where(RunRow.id == run.id).values(end))

    def lives(self, kind: str, seed: int) -> None:
        """Many lives, one after the other, that end anywhere."""
        dice = random.Random(seed)
        for _ in range(LIVES):
            self.live(kind, dice.choice((None, dice.randint(0, 8), dice.randint(0, 60))))

    def clock(self) -> datetime:
        """The API's; it is asked inside of transactions, too."""
        self._here.run.step()
        return self.api.now

    async def _work(self, kind: str, run: Mortal) -> None:
        options: dict[str, Any] = {"clock": self.clock, "sleep": lambda _: asyncio.sleep(0.001)}
        if kind == "ingest":
            follower = Follower(self.engine, run, self.api, self.account, **options)
            for _ in range(5):
                await follower.poll()
                await follower.daily()
                self.api.now += MINUTE
        elif kind == "import":
            import_files(self.engine, run, files=[str(self.file)], covers=[*map(datetime.isoformat, FILE)])
        else:
            walker = Walker(self.engine, run, self.api, self.account, **options)
            if kind == "backfill":
                span = Span(START, self.api.now)
                backfill = Backfill(self.engine, run, self.api, self.account, walker)
                await backfill.carry_out(span, "auto", again=bool(run.id and run.id % 2))
            else:
                reconciler = Reconciler(self.engine, run, self.api, self.account, walker)
                await reconciler.look_up(START)
                await reconciler.compare(Span(START, self.api.now))


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_goes_on_beside_a_follower_and_whoever_is_killed_no_post_and_no_time_is_lost(
    engine: Engine, api: FakeX, account: Account, tmp_path: Path, seed: int
) -> None:
    spending.set_limit(engine, f"{LIMIT / 1_000_000}")
    ids = api.fill(Span(START, NOON + 4 * HOUR), 900, seed)  # those after noon come while it goes on
    api.page_size = 25
    api.oddities = {"swap": 0.05, "overlap": 0.05, "repeat": 0.05}
    api.deleted = set(ids[::50])
    world = World(engine, api, account, tmp_path)
    world.file.write_text("".join(f"{n}\n" for n in ids if FILE.start <= snowflake_time(n) < FILE.end))
    kinds = stages.POST_STORING
    with ThreadPoolExecutor(len(kinds)) as threads:
        for done in [threads.submit(world.lives, kind, seed + i) for i, kind in enumerate(kinds)]:
            done.result()
    api.now, api.deleted = NOON + 4 * HOUR + MINUTE, api.deleted | set(ids[7::50])
    for kind in kinds:
        world.live(kind)
    assert _stored(engine) == api.truth
    assert coverage.holes(engine, Span(START, NOON + 4 * HOUR)) == []
    assert ingestion.state(engine, api.now).open_ranges == ()
    with reading(engine) as connection:
        assert connection.execute(select(CoverageHole.__table__)).all() == []
        assert connection.scalar(select(HighWaterMark.post_id)) >= max(ids)
    assert [info for info in runs.recent(engine, active=True) if info.reserved] == []


def test_what_two_cover_at_once_is_covered_whoever_commits_first(engine: Engine) -> None:
    spans = [Span(NOON - n * DAY, NOON - (n - 1) * DAY) for n in (3, 2, 1)]
    with writing(engine) as connection:
        store.cover(connection, "x_api", [spans[1]], moment=NOON)
    begun = threading.Event()

    def cover(span: Span, wait: Callable[[], Any], then: Callable[[], Any]) -> None:
        wait()
        with store.storing(engine, Run()) as connection:
            store.cover(connection, "x_api", [span], moment=NOON)
            then()

    def linger() -> None:
        begun.set()
        time.sleep(0.2)  # in which the other would read what this one has not committed

    with ThreadPoolExecutor(2) as threads:
        grows = threads.submit(cover, spans[2], lambda: None, linger)
        merges = threads.submit(cover, spans[0], begun.wait, lambda: None)
        grows.result(), merges.result()
    assert coverage.covered(engine) == [Span(spans[0].start, NOON)]


def test_of_two_that_may_spend_the_last_of_the_limit_the_second_waits(engine: Engine) -> None:
    spending.set_limit(engine, "1.00")
    first, second = Mortal(engine, "ingest"), Mortal(engine, "backfill")
    budgets = [spending.Budget(engine, run) for run in (first, second)]
    assert [budget.limited for budget in budgets] == [True, True]

    def reserve(budget: spending.Budget, most: int, least: int) -> int | None:
        with store.storing(engine, Run()) as connection:
            return budget.reserve(connection, most, least, NOON)

    assert reserve(budgets[0], 700_000, 25_000) == 700_000
    assert reserve(budgets[1], 500_000, 25_000) == 300_000
    assert reserve(budgets[1], 400_000, 400_000) is None
    assert not spending.affordable(engine, 25_000, NOON)
    budgets[0].release()
    assert reserve(budgets[1], 400_000, 400_000) == 400_000
    with writing(engine) as connection:
        connection.execute(update(RunRow).values(heartbeat_at=timeline.now() - 2 * STALE))
    assert reserve(budgets[0], 1_000_000, 25_000) == 1_000_000
    with writing(engine) as connection:
        spending.buy_request(connection, 990_000, NOON)
    with pytest.raises(spending.SpendingLimitReached, match=r"\$0\.99 are spent"):
        reserve(budgets[0], 500_000, 25_000)


def test_a_lost_run_that_lives_on_stores_no_file_beside_who_took_over(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "posts.csv").write_text("2023762104300863496\n")
    lost = Mortal(engine, "import")
    with writing(engine) as connection:
        connection.execute(update(RunRow).values(heartbeat_at=timeline.now() - 2 * STALE))
    Mortal(engine, "import")
    with pytest.raises(LeaseLost):
        import_files(engine, lost, files=[str(tmp_path / "posts.csv")])
    assert _stored(engine) == set()


@pytest.mark.parametrize("kind", stages.POST_STORING)
def test_each_kind_that_stores_posts_keeps_out_its_own_and_the_demo(engine: Engine, kind: str) -> None:
    holder = Mortal(engine, kind)
    for refused in (kind, "demo"):
        with pytest.raises(LeaseHeld, match=f"^{kind} is held by run {holder.id}, started by"):
            Mortal(engine, refused)
    for other in {*stages.POST_STORING} - {kind}:
        Mortal(engine, other)


def test_beside_a_demo_that_is_prepared_no_posts_are_stored(engine: Engine) -> None:
    holder = Mortal(engine, "demo")
    for kind in stages.POST_STORING:
        with pytest.raises(LeaseHeld, match=f"^{kind} is held by run {holder.id}"):
            Mortal(engine, kind)


def test_processes_together_spend_no_more_than_the_day_s_limit(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    allowed = spending.set_limit(engine, "0.75") or 0
    with running_simulator(posts=600, limits="none", token=TOKEN) as simulator:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("MUSKTRACKER_", "X_"))},
            "MUSKTRACKER_DATABASE_URL": database_url,
            "MUSKTRACKER_DATA_DIR": str(tmp_path / "data"),
            "MUSKTRACKER_X_API_BASE_URL": simulator.url,
            "MUSKTRACKER_ACCOUNT": simulator.username,
            "X_BEARER_TOKEN": TOKEN,
        }
        first = iso(snowflake_time(min(simulator.posts())))
        with writing(engine) as connection:
            posts = [
                store.NewPost(number, snowflake_time(number), kind) for number, kind in simulator.posts().items()
            ]
            store.store_posts(connection, "file", posts[::3], NOON)
        commands = (["ingest", "--backfill", "--since", first], ["reconcile", "--days", "9000"])
        processes = [
            subprocess.Popen([*COMMAND, *options], env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
            for options in commands
        ]
        said = [process.communicate(timeout=120)[1] for process in processes]
        assert all("The spending limit of $0.75 a day is reached" in words for words in said)
        assert simulator.state()["used"] * spending.POST <= allowed
    spent = ingestion.state(engine, timeline.now())
    assert allowed - 10 * spending.POST < round(spent.dollars_spent * 1_000_000) <= allowed


def _stored(engine: Engine) -> set[int]:
    with reading(engine) as connection:
        ids = connection.scalars(select(RawTweet.tweet_id).where(RawTweet.is_deleted.is_(False)))
        return set(map(int, ids))
