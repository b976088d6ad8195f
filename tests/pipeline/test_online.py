"""What the stages that talk to the X API share: they end when they are told to."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress

import pytest

from musktracker.errors import Cancelled
from musktracker.pipeline import online
from musktracker.reporting import Run


def test_a_signal_ends_work_that_took_it_for_the_end_of_a_task_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(online, "CHECK_SECONDS", 0.01)

    async def work() -> str:
        os.kill(os.getpid(), signal.SIGTERM)
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(5)
        return "went on"

    with pytest.raises(Cancelled, match="SIGTERM"):
        asyncio.run(online._until_cancelled(Run(), work()))
