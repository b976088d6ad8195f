"""Work beside what is shown: nothing of it is left unawaited."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable

import pytest
from textual.app import App
from textual.containers import Container
from textual.css.query import NoMatches
from textual.widgets import Static
from textual.worker import WorkerFailed

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


class Whole(Container):
    """A place with a part, which work beside it asks for."""

    def __init__(self, wait: Callable[[], Awaitable[object]]) -> None:
        super().__init__(Static(id="part"))
        self.wait = wait
        self.met: list[type[BaseException]] = []

    async def work(self) -> None:
        await self.wait()
        try:
            self.query_one("#part")
        except NoMatches as error:
            self.met.append(type(error))
            raise


async def test_work_beside_a_place_that_goes_misses_its_parts_without_an_error() -> None:
    gone = asyncio.Event()
    async with App[None]().run_test() as pilot:
        place = Whole(gone.wait)
        await pilot.app.mount(place)
        begin(place, "one", place.work)
        await pilot.pause()
        place._pruning = True  # as it is from the moment that it is to go, before its parts are told
        await place.query_one("#part").remove()
        gone.set()
        while not all(worker.is_finished for worker in pilot.app.workers):
            await asyncio.sleep(0)
        assert place.met == [NoMatches]
        place._pruning = False


async def test_what_work_misses_of_a_place_that_stays_is_an_error() -> None:
    async def at_once() -> None:
        pass

    async def lose_a_part() -> None:
        async with App[None]().run_test() as pilot:
            place = Whole(at_once)
            await pilot.app.mount(place)
            await place.query_one("#part").remove()
            begin(place, "one", place.work)
            await pilot.pause()

    with pytest.raises(WorkerFailed, match="No nodes match '#part'"):
        await lose_a_part()
