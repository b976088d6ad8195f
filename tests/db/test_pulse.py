"""The pulse: equal while nothing is committed, different after any commit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from musktracker import runs
from musktracker.db.queries.pulse import Pulse


@pytest.fixture
def pulse(engine: Engine) -> Iterator[Pulse]:
    made = Pulse(engine)
    yield made
    made.close()


def test_a_commit_changes_the_pulse(engine: Engine, pulse: Pulse) -> None:
    before = pulse.read()
    runs.create(engine, "refresh", {})
    assert pulse.read() != before


def test_reading_leaves_the_pulse_as_it_was(engine: Engine, pulse: Pulse) -> None:
    def stays() -> bool:
        before = pulse.read()
        runs.recent(engine)
        return pulse.read() == before

    assert any(stays() for _ in range(50))  # a server may serve others, whose commits it tells of as well


def test_a_pulse_closed_by_the_server_is_taken_again(engine: Engine, pulse: Pulse) -> None:
    pulse.read()
    assert pulse._connection is not None
    pulse._connection.driver_connection.close()  # type: ignore[union-attr]
    with pytest.raises(Exception, match="closed"):
        pulse.read()
    assert pulse.read() is not None
