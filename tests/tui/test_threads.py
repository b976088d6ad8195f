"""Work away from the event loop: nobody waits for another's, and an error comes back to who asked."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tui.threads import in_thread


async def test_two_pieces_of_work_go_on_beside_each_other() -> None:
    met = threading.Barrier(2, timeout=5)
    await asyncio.gather(in_thread(met.wait), in_thread(met.wait))


async def test_pieces_of_work_after_each_other_do_not_begin_a_thread_each() -> None:
    threads = {await in_thread(threading.get_ident) for _ in range(50)}
    assert len(threads) < 10
    assert threading.get_ident() not in threads


async def test_an_error_comes_back_and_the_thread_goes_on() -> None:
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)
    assert await in_thread(lambda: 7) == 7


async def test_nobody_who_quits_waits_for_a_thread() -> None:
    assert await in_thread(lambda: threading.current_thread().daemon)
