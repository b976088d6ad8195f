"""Notices of change: whether the account's level or its hours of posting drifted, in words, kept until it is over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, insert, select, update
from sqlalchemy.exc import IntegrityError

from musktracker.db.engines import writing
from musktracker.db.tables import Notice
from musktracker.evaluation import drift
from musktracker.evaluation.drift import LevelDrift, ProfileDrift
from musktracker.market_windows import ET
from musktracker.models.base import FloatArray, History, IntArray
from musktracker.pipeline.history import Known
from musktracker.reporting import Run
from musktracker.timeline import from_hour_index, iso, now

LEVEL, PROFILE = "level_drift", "profile_drift"
PROFILE_HOURS = 168 * (drift.PROFILE_WEEKS + drift.PROFILE_BEFORE)
SAME = ("rose", "counting")  # figures that tell one change from another
STRETCH = 4  # hours of the day that are named as where posts became more, or fewer


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a test says: its figures as JSON can hold them; with an alarm, since when, and in words.

    Without one, `over` tells whether an earlier alarm is over too.
    """

    kind: str
    figures: Mapping[str, Any]
    since: datetime | None = None
    message: str = ""
    over: bool = True


def verdicts(history: History) -> list[Verdict]:
    """What both tests say of a history; none of a test that too little is known for."""
    found: list[Verdict] = []
    if (level := drift.level(history)) is not None:
        found.append(_of_level(level))
    if (profile := drift.profile(history, _local_hours(history))) is not None:
        found.append(_of_profile(profile))
    return found


def check(engine: Engine, run: Run, known: Known) -> list[Verdict]:
    """Keep what the tests say: open a notice for a new alarm, bring an open one up to date, close one that is over.

    An alarm the other way, or of other posts that count, is another notice. Where a test has no verdict, its notice
    stays as it is. A second time with the same counts changes nothing.
    """
    found = [replace(one, figures={**one.figures, "counting": known.counting}) for one in verdicts(known.history)]
    for verdict in found:
        try:
            with writing(engine) as connection:
                news = _keep(connection, verdict, now())
        except IntegrityError:  # somebody else opened it in this moment
            continue
        if news:
            run.log("warning" if verdict.since else "info", news, kind=verdict.kind)
    return found


def _keep(connection: Connection, verdict: Verdict, moment: datetime) -> str | None:
    """What is new, in words; None where nothing is."""
    query = select(Notice.__table__).where(Notice.kind == verdict.kind, Notice.resolved_at.is_(None))
    row = connection.execute(query).one_or_none()
    before = {} if row is None else json.loads(row.details)
    same = bool(before) and all(before.get(name) == verdict.figures.get(name) for name in SAME)
    if same and verdict.since is None and not verdict.over:
        return None
    same = same and verdict.since is not None
    if row is not None and not same:
        connection.execute(update(Notice).where(Notice.id == row.id).values(resolved_at=moment))
    if verdict.since is None:
        return None if row is None else f"No longer so: {row.message}"
    values = {"since": verdict.since, "message": verdict.message, "details": json.dumps(verdict.figures)}
    if row is None or not same:
        connection.execute(insert(Notice).values(kind=verdict.kind, found_at=moment, **values))
        return verdict.message
    if any(getattr(row, name) != value for name, value in values.items()):
        connection.execute(update(Notice).where(Notice.id == row.id).values(**values))
    return None


def _of_level(found: LevelDrift) -> Verdict:
    figures = {
        "until": iso(from_hour_index(found.until)),
        "cusum": round(found.statistic, 3),
        "limit": round(found.limit, 3),
        "rose": found.rose,
        "ratio": None if found.ratio is None else round(found.ratio, 3),
        "windows": [
            {
                "days": one.days,
                "observed": round(one.observed, 1),
                "expected": round(one.expected, 1),
                "lower_95": round(one.lower, 1),
                "upper_95": round(one.upper, 1),
                "outside": one.outside,
            }
            for one in found.windows
        ],
    }
    if found.since is None:
        return Verdict(LEVEL, figures)
    since = from_hour_index(found.since)
    change = None if found.ratio is None else 5 * round(20 * abs(found.ratio - 1))
    agrees = found.ratio is not None and (found.ratio > 1) == found.rose
    by = f" by about {change}%" if change and agrees else ""
    return Verdict(LEVEL, figures, since, f"the level {'rose' if found.rose else 'fell'}{by} around {since:%Y-%m-%d}")


def _of_profile(found: ProfileDrift) -> Verdict:
    figures = {
        "until": iso(from_hour_index(found.until)),
        "distance": round(found.distance, 3),
        "p_value": round(found.p_value, 5),
        "timezone": str(ET),
        "recent": np.round(found.recent, 3).tolist(),
        "before": np.round(found.before, 3).tolist(),
    }
    if found.since is None:
        return Verdict(PROFILE, figures, over=found.over)
    since, change = from_hour_index(found.since), found.recent - found.before
    return Verdict(
        PROFILE,
        figures,
        since,
        f"the hours of posting changed around {since:%Y-%m-%d}: more at {_stretch(change)}, "
        f"fewer at {_stretch(-change)} (ET)",
    )


def _stretch(change: FloatArray) -> str:
    """The hours in a row in which a change by hour of the day is greatest, as 08-12."""
    sums = np.convolve(np.concatenate([change, change[: STRETCH - 1]]), np.ones(STRETCH), mode="valid")
    first = int(sums.argmax())
    return f"{first:02}-{(first + STRETCH) % 24:02}"


def _local_hours(history: History) -> IntArray:
    """The hours of the day in ET, which the account's clocks and its markets follow, up to the last UTC midnight."""
    until = history.origin - history.origin % 24
    return np.array([from_hour_index(hour).astimezone(ET).hour for hour in range(until - PROFILE_HOURS, until)])
