"""A stream that breaks, repeats itself and stalls, followers that end at any moment: the polls lose nothing by it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import suppress

import pytest
from sqlalchemy import Engine, select
from test_fault_storm import _assert_nothing_leaked

from musktracker.db.engines import reading
from musktracker.db.queries import coverage
from musktracker.db.tables import RawTweet
from musktracker.pipeline import ranges
from musktracker.pipeline.account import Account
from musktracker.pipeline.follow import Follower
from musktracker.pipeline.live import Live
from musktracker.reporting import Run
from musktracker.simulator.config import STREAM_FAULTS
from musktracker.simulator.process import Simulator, running_simulator
from musktracker.sources.x_api import Timeouts, XClient

TOKEN = "AAAAsecretToken"
LIVES, MOST_LIVES = 6, 40
GROWTH = 0.1  # lives become longer, so that a slow machine has the stream open when posts are deleted, too
BY_STREAM, GONE = "A new post, by the stream", "A post was deleted"
RATES = {**dict.fromkeys(STREAM_FAULTS, 0.1), "stream_stall": 0.03, "server_error": 0.02, "drop": 0.02}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """An account of which a day passes every four seconds."""
    faults = {"seed": 7, "rates": RATES, "hang_seconds": 1.0}
    with running_simulator(
        speed=20_000.0, limits="none", token=TOKEN, streams=99, keep_alive_seconds=0.1, faults=faults
    ) as made:
        yield made


async def test_posts_come_at_once_and_none_is_lost_or_twice_or_wrongly_deleted(
    engine: Engine, simulator: Simulator
) -> None:
    run, dice = Run(), random.Random(3)
    account = Account(simulator.username, simulator.user_id)

    async def live(seconds: float) -> None:
        """A follower that ends wherever it just is."""
        async with XClient(simulator.url, TOKEN, timeouts=Timeouts(between_lines=0.5)) as client:
            follower = Follower(engine, run, client, account)
            buyer = follower.walker.buyer
            beside = Live(engine, run, client.activity(), account, buyer, server_now=client.server_now)
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await beside.beside(follower.follow(1.5, beside))

    lives = 0
    while lives < LIVES or not (_told(run, BY_STREAM) and _told(run, GONE)):
        assert lives < MOST_LIVES, f"the stream never brought both: {run.lines}"
        longer = GROWTH * lives
        lives += 1
        living = asyncio.create_task(live(dice.uniform(0.7, 1.5) + longer))
        await asyncio.sleep(0.6 + longer / 2)
        there = list(simulator.posts())
        simulator.delete(dice.sample(there, min(len(there), 3)))
        await living
    simulator.advance(0)
    simulator.change(faults={"rates": {}})
    async with XClient(simulator.url, TOKEN) as client:
        await Follower(engine, run, client, account).poll()

    faults = simulator.state()["faults"]
    told = f"{_told(run, BY_STREAM)} by the stream, {_told(run, GONE)} deletions"
    print(f"{lives} lives, {len(simulator.posts())} posts, {told}; {faults}")
    stored = _stored(engine)
    truth, gone = simulator.posts(), simulator.deleted()
    assert truth.items() <= {number: kind for number, (kind, _) in stored.items()}.items()
    assert stored.keys() <= truth.keys() | gone
    assert {number for number, (_, is_deleted) in stored.items() if is_deleted} <= gone
    assert ranges.still_to_fetch(engine, "follow") == []
    assert len(coverage.spans(engine, source="x_api")) == 1
    _assert_nothing_leaked(engine, str(run.lines))


def _told(run: Run, message: str) -> int:
    return sum(line.message == message for line in run.lines)


def _stored(engine: Engine) -> dict[int, tuple[str, bool]]:
    with reading(engine) as connection:
        rows = connection.execute(select(RawTweet.tweet_id, RawTweet.kind, RawTweet.is_deleted))
        return {int(number): (kind, is_deleted) for number, kind, is_deleted in rows}
