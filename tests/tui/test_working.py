"""Work beside what is shown: nothing of it is left unawaited."""

from __future__ import annotations

import asyncio
import gc

import pytest
from textual.app import App

from tui.working import begin


async def test_work_that_another_takes_the_place_of_before_it_began_leaves_nothing_behind(
    recwarn: pytest.WarningsRecorder,
) -> None:
    done = []

    async def work(what: str) -> None:
        done.append(what)

    app: App[None] = App()
    async with app.run_test():
        for what in ("first", "second"):
            begin(app, "one", work, what, exclusive=True)
        while not all(worker.is_finished for worker in app.workers):
            await asyncio.sleep(0)
    gc.collect()
    assert done == ["second"]
    assert not recwarn.list
