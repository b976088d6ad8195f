"""What tests of ingestion share: an X API in memory and a clock of its own."""

from __future__ import annotations

import pytest
from fake_x import Clock, FakeX

from musktracker.pipeline.account import Account


@pytest.fixture
def api() -> FakeX:
    """An API at noon, of an account without posts."""
    return FakeX()


@pytest.fixture
def clock(api: FakeX) -> Clock:
    return Clock(api)


@pytest.fixture
def account() -> Account:
    return Account("simulated", 4_242)
