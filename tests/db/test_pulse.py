"""The pulse: equal while nothing is committed, different after any commit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from sqlite3 import OperationalError

import pytest
from sqlalchemy import Engine

from musktracker import runs
from musktracker.db import engines
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


def test_a_file_that_was_taken_away_has_no_pulse_and_one_in_its_place_has_its_own(
    sqlite_template: Path, tmp_path: Path
) -> None:
    path = tmp_path / "test.db"
    path.write_bytes(sqlite_template.read_bytes())
    engine = engines.connect(f"sqlite:///{path}")
    pulse = Pulse(engine)
    before = pulse.read()
    for file in tmp_path.iterdir():
        file.rename(file.with_name(f"{file.name}.away"))
    with pytest.raises(OperationalError):
        pulse.read()
    path.write_bytes(sqlite_template.read_bytes())
    assert pulse.read() != before
    pulse.close()
    engine.dispose()
