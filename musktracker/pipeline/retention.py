"""How long records of the past are kept, so that a service that runs for years does not fill its disk.

Ended runs with their logs stay for 90 days; lines of a run that goes on stay for 30, or for 90 if they warn; alerts
stay for 90 days after they ceased to hold. Posts, coverage, holes and what each day cost are kept for good; of posts
paid for, yesterday's and today's are known.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine, delete

from musktracker import runs
from musktracker.db.engines import in_turn, writing
from musktracker.db.tables import Alert
from musktracker.pipeline import spending
from musktracker.runs import Run
from musktracker.timeline import DAY, now

RUNS_KEPT = 90 * DAY
ALERTS_KEPT = 90 * DAY
LINES_KEPT = {"debug": 7 * DAY, "info": 30 * DAY, "warning": 90 * DAY, "error": 90 * DAY}


def retain(engine: Engine, run: Run) -> dict[str, int]:
    """Prune, as a run; the result says how much of each was deleted."""
    pruned = prune(engine, now())
    run.info(
        ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in pruned.items()) + " deleted", **pruned
    )
    return pruned


def prune(engine: Engine, moment: datetime) -> dict[str, int]:
    """Delete what is older than the policy keeps; returns how much of each."""
    ended = runs.prune(engine, before=moment - RUNS_KEPT)
    lines = sum(runs.prune_lines(engine, before=moment - kept, levels=[level]) for level, kept in LINES_KEPT.items())
    with writing(engine) as connection:
        in_turn(connection, "posts")
        bought = spending.forget_bought(connection, (moment - DAY).date())
        alerts = connection.execute(delete(Alert).where(Alert.resolved_at < moment - ALERTS_KEPT)).rowcount
    return {"runs": ended, "lines": lines, "bought_posts": bought, "alerts": alerts}
