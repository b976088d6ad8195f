"""Work away from the event loop: nobody waits for another's, and an error comes back to who asked."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tui import threads
from tui.threads import in_thread


async def test_two_pieces_of_work_go_on_beside_each_other() -> None:
    met = threading.Barrier(2, timeout=30)
    await asyncio.gather(in_thread(met.wait), in_thread(met.wait))


async def test_pieces_of_work_after_each_other_do_not_begin_a_thread_each() -> None:
    threads = {await in_thread(threading.get_ident) for _ in range(50)}
    assert len(threads) < 10
    assert threading.get_ident() not in threads


async def test_of_many_threads_few_are_kept_once_all_have_answered() -> None:
    met = threading.Barrier(40, timeout=30)

    def meet() -> threading.Thread:
        met.wait()
        return threading.current_thread()

    workers = await asyncio.gather(*(in_thread(meet) for _ in range(40)))
    most = 2 * threads.MOST_IDLE  # those that are done at the same time may be some more
    for _ in range(2_000):
        if sum(worker.is_alive() for worker in workers) <= most:
            break
        await asyncio.sleep(0.001)
    assert sum(worker.is_alive() for worker in workers) <= most


async def test_an_error_comes_back_and_the_thread_goes_on() -> None:
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)
    assert await in_thread(lambda: 7) == 7


async def test_nobody_who_quits_waits_for_a_thread() -> None:
    assert await in_thread(lambda: threading.current_thread().daemon)
