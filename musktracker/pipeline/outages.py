"""Go on over an outage of the database: it restarts, hangs or is busy, and the work of hours is not lost by it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TypeVar

import tenacity

from musktracker.db.engines import is_passing
from musktracker.errors import describe
from musktracker.reporting import Run

LONGEST_WAIT = 30.0  # seconds between attempts
LONGEST_OUTAGE = 3_600.0  # seconds that work which is done waits to be stored
CHECK_SECONDS = 0.25  # between looks at whether the run is to stop
T = TypeVar("T")


def through_outages(
    run: Run,
    attempt: Callable[[], T],
    *,
    longest: float = LONGEST_OUTAGE,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """What `attempt` returns, made again and again while the database is away, for `longest` seconds.

    An attempt may have succeeded though its answer was lost: the next one has to find that out. Raises what the
    database raises for good or in the end, and Cancelled soon after the run was asked to stop.
    """

    def tell(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        words = describe(error) if error else ""
        level = "warning" if state.attempt_number == 1 else "debug"
        run.log(level, f"The database does not answer, and is asked again: {words}")

    trying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(is_passing),
        wait=tenacity.wait_random_exponential(multiplier=1, max=LONGEST_WAIT),
        stop=tenacity.stop_after_delay(longest),
        sleep=lambda seconds: pause(run, seconds, sleep),
        before_sleep=tell,
        reraise=True,
    )
    found = trying(lambda: _made(run, attempt))
    if trying.statistics.get("attempt_number", 1) > 1:
        run.info("The database answers again")
    return found


def pause(run: Run, seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """Sleep, and raise Cancelled soon after the run was asked to stop."""
    for _ in range(math.ceil(seconds / CHECK_SECONDS)):
        run.check()
        sleep(min(seconds, CHECK_SECONDS))
        seconds -= CHECK_SECONDS
    run.check()


def _made(run: Run, attempt: Callable[[], T]) -> T:
    try:
        return attempt()
    except Exception:
        run.check()  # an error may be all that is left of a signal which cut off a query
        raise
