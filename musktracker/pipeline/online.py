"""Stages that talk to the X API: a client from the settings, the account's id, and cancelling in time.

The loop of asyncio lives here and nowhere else; what a stage does with the database stays synchronous.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Engine

from musktracker import config
from musktracker.config import Settings
from musktracker.db import settings as database_settings
from musktracker.errors import Cancelled
from musktracker.pipeline.account import Account
from musktracker.reporting import Run
from musktracker.sources.x_api import WaitReason, XClient
from musktracker.timeline import iso

T = TypeVar("T")

CHECK_SECONDS = 0.5  # between looks at whether the run was cancelled
KNOWN_IDS = {"elonmusk": 44196397}
STAGES = {"reset": "waiting", "pace": "pacing", "retry": "backing off"}  # what a run shows while the client waits
LONG_RETRY = 10  # seconds of backing off that are worth a warning


def online(engine: Engine, run: Run, work: Callable[[XClient, Account], Awaitable[T]]) -> T:
    """Carry out work with a client of the API of this process's settings; returns its result.

    Raises Cancelled within a second of being asked to stop, Unauthorized without a token, and what the work raises.
    """
    settings = config.load()

    async def connected() -> T:
        async with XClient(settings.x_api_base_url, settings.x_bearer_token, on_wait=waits(run)) as client:
            return await work(client, await account(engine, settings, client))

    return asyncio.run(_until_cancelled(run, connected()))


async def account(engine: Engine, settings: Settings, client: XClient) -> Account:
    """The account of the settings; an id that is not known is looked up once, and then stored."""
    name = settings.account
    stored = database_settings.get(engine, f"account_id:{name.lower()}")
    if stored is not None:
        return Account(name, int(stored))
    known = KNOWN_IDS.get(name.lower())
    if known is not None:
        return Account(name, known)
    found = await client.user_id(name)
    database_settings.set(engine, f"account_id:{name.lower()}", str(found))
    return Account(name, found)


def waits(run: Run) -> Callable[[WaitReason, datetime], None]:
    """What tells a run of the client's waits: in its progress always, in its log where they are long."""

    def tell(reason: WaitReason, until: datetime) -> None:
        if reason.kind == "reset":
            run.info(reason.message, until=iso(until))
        elif reason.kind == "retry":
            long = (until - datetime.now(until.tzinfo)).total_seconds() >= LONG_RETRY
            run.log("warning" if long else "debug", reason.message, until=iso(until))
        run.progress(stage=STAGES[reason.kind], message=reason.message, until=until)

    return tell


async def _until_cancelled(run: Run, work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.create_task(work)
    reasons: list[Cancelled] = []

    def end(reason: Cancelled) -> None:
        reasons.append(reason)
        task.cancel()

    with _ending_on_signals(end):
        while not (await asyncio.wait({task}, timeout=CHECK_SECONDS))[0]:
            try:
                run.check()
            except Cancelled as reason:
                end(reason)
            if reasons:  # again: a task that was just ending another may have taken it for that one's
                task.cancel()
    if reasons and (task.cancelled() or task.exception()):
        raise reasons[0]
    return task.result()


@contextmanager
def _ending_on_signals(end: Callable[[Cancelled], None]) -> Iterator[None]:
    """Hear signals between two steps of the loop: an exception out of a handler could be lost in a callback."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number in before:
        loop.add_signal_handler(number, end, Cancelled(f"Ended by {number.name}"))
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
