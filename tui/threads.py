"""Blocking work away from the event loop, in threads that never keep the console from ending."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")
MOST_IDLE = 8  # that wait for work: a database that hung had more of them begin


async def in_thread(function: Callable[..., Result], *arguments: Any) -> Result:
    """Await `function(*arguments)`, called in a thread that does nothing else meanwhile.

    The thread is a daemon: a database that does not answer delays nobody who quits.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def work() -> None:
        result, error = None, None
        try:
            result = function(*arguments)
        except BaseException as raised:
            error = raised
        with suppress(RuntimeError):  # the loop has ended: nobody waits
            loop.call_soon_threadsafe(settle, result, error)

    worker = _idle.pop() if _idle else _Worker()
    worker.jobs.put(work)
    return await future


class _Worker(threading.Thread):
    """A thread that waits for the next job: to begin one anew for each costs more than most of them."""

    def __init__(self) -> None:
        super().__init__(daemon=True, name="console-worker")
        self.jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.start()

    def run(self) -> None:
        """Do what is asked, one job after the other, until enough others wait for the next."""
        while True:
            self.jobs.get()()
            if len(_idle) >= MOST_IDLE:
                return
            _idle.append(self)


_idle: list[_Worker] = []
