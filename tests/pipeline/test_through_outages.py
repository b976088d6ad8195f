"""Work goes on over an outage of the database, and what was done before it is stored once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.exc import OperationalError, ProgrammingError

from musktracker.errors import Cancelled
from musktracker.pipeline.outages import pause, through_outages
from musktracker.reporting import Run

AWAY = OperationalError("", None, Exception("the server went away"))


class Asked(Run):
    """A run that is asked to stop after some looks."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def check(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cancelled("cancelled")


def failing(times: int, error: Exception = AWAY) -> Callable[[], str]:
    errors = iter([error] * times)

    def attempt() -> str:
        for left in errors:
            raise left
        return "done"

    return attempt


def no_sleep(_seconds: float) -> None:
    """Time passes at once."""


def test_what_is_tried_again_is_returned_and_the_outage_is_told_once() -> None:
    run = Run()
    assert through_outages(run, failing(3), sleep=no_sleep) == "done"
    told = [(line.level, line.message) for line in run.lines]
    [(level, message), again] = [one for one in told if one[0] != "debug"]
    assert level == "warning"
    assert message.startswith("The database does not answer, and is asked again")
    assert again == ("info", "The database answers again")


def test_an_error_for_good_is_raised_at_once() -> None:
    run = Run()
    with pytest.raises(ProgrammingError):
        through_outages(run, failing(1, ProgrammingError("", None, Exception("no such table"))), sleep=no_sleep)
    assert run.lines == []


def test_an_outage_that_is_too_long_is_raised_as_what_it_is() -> None:
    with pytest.raises(OperationalError, match="went away"):
        through_outages(Run(), failing(2), longest=0.0, sleep=no_sleep)


def test_whoever_waits_hears_that_it_is_to_stop() -> None:
    with pytest.raises(Cancelled):
        through_outages(Asked(after=5), failing(100), sleep=no_sleep)


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.25, 0.6, 2.0])
def test_a_pause_lasts_as_long_as_it_is_to(seconds: float) -> None:
    slept: list[float] = []
    pause(Run(), seconds, slept.append)
    assert sum(slept) == pytest.approx(seconds)
