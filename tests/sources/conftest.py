"""A simulated X API, one process for all tests of a worker, and time that passes only when somebody waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from musktracker.simulator.process import Simulator, running_simulator
from musktracker.sources.x_api import Patience, WaitReason, XClient

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOKEN = "AAAAsecretToken"


class StoppedTime:
    """The client's clock and the simulator's: they stand still until the client waits, then both move on."""

    def __init__(self, simulator: Simulator) -> None:
        self.moment = NOON
        self.slept: list[float] = []
        self.waits: list[tuple[WaitReason, datetime]] = []
        self._simulator = simulator

    def __call__(self) -> datetime:
        return self.moment

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.moment += timedelta(seconds=seconds)
        self._simulator.advance(seconds)

    def told(self, reason: WaitReason, until: datetime) -> None:
        self.waits.append((reason, until))


@pytest.fixture(scope="session")
def simulator_process() -> Iterator[Simulator]:
    with running_simulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(simulator_process: Simulator) -> Simulator:
    """An account without posts, its clock at NOON, without limits."""
    simulator_process.reset(clock=NOON.isoformat(), limits="none")
    return simulator_process


@pytest.fixture
def time(simulator: Simulator) -> StoppedTime:
    return StoppedTime(simulator)


@pytest.fixture
def client(simulator: Simulator, time: StoppedTime) -> Callable[..., XClient]:
    """Makes a client of the simulator that lives in stopped time."""

    def make(**options: Any) -> XClient:
        options = {"on_wait": time.told, "clock": time, "sleep": time.sleep, "patience": Patience()} | options
        return XClient(simulator.url, TOKEN, **options)

    return make
