"""Alerts: rules set beforehand, looked at by the service; an alert is one row for as long as its condition holds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select, update

from musktracker.db import settings, stored
from musktracker.db.engines import reading, writing
from musktracker.db.tables import Alert, AlertRule
from musktracker.db.upsert import upsert
from musktracker.errors import Cancelled, MuskTrackerError, UsageError, describe
from musktracker.pipeline import alert_snapshot
from musktracker.pipeline.alert_conditions import CONDITIONS, SHARES, Condition, Finding, Snapshot
from musktracker.reporting import Run
from musktracker.text import storable
from musktracker.timeline import iso, now, parse_time

KEY_LENGTH = 255
MOST_MINUTES = 366 * 24 * 60


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as it is set: whether it is looked at, with which parameters, how often the same may be told."""

    name: str
    meaning: str
    enabled: bool
    parameters: Mapping[str, float]
    cooldown_minutes: int


@dataclass(frozen=True, slots=True)
class Raised:
    """An alert that was raised just now, as whoever is told of it needs it."""

    id: int
    rule: str
    key: str
    severity: str
    raised_at: datetime
    message: str
    details: Mapping[str, Any]


def rules(engine: Engine) -> list[Rule]:
    """The rules as they are set; one that was never set has its defaults. Nothing is written."""
    with reading(engine) as connection:
        stored = {row.name: row for row in connection.execute(select(AlertRule.__table__))}
    return [_rule(name, condition, stored.get(name)) for name, condition in CONDITIONS.items()]


def rule(engine: Engine, name: str) -> Rule:
    """One rule. Raises UsageError where there is none of this name."""
    return next(one for one in rules(engine) if one.name == _known(name))


def explained(name: str) -> str:
    """When a rule tells, in words that name its parameters. Raises UsageError where there is no such rule."""
    return " ".join((CONDITIONS[_known(name)].look.__doc__ or CONDITIONS[name].meaning).replace("`", "").split())


def defaults(name: str) -> Mapping[str, float]:
    """What a rule's parameters begin with. Raises UsageError where there is no such rule."""
    return CONDITIONS[_known(name)].parameters


def change(
    engine: Engine,
    name: str,
    *,
    enabled: bool | None = None,
    cooldown_minutes: int | str | None = None,
    parameters: Mapping[str, str] | None = None,
) -> Rule:
    """Set what is given of a rule; returns it. Raises UsageError for a name or a value that cannot be."""
    before = rule(engine, name)
    values = {key: parameter(name, key, text) for key, text in (parameters or {}).items()}
    after = Rule(
        name,
        before.meaning,
        before.enabled if enabled is None else enabled,
        {**before.parameters, **values},
        before.cooldown_minutes if cooldown_minutes is None else cooldown(cooldown_minutes),
    )
    _store([after], engine, replace=True)
    return after


def cooldown(minutes: int | str) -> int:
    """Minutes before the same may be told again. Raises UsageError for what cannot be."""
    text = str(minutes).strip()
    if not (text.isascii() and text.isdigit() and int(text) <= MOST_MINUTES):
        raise UsageError(f"The cooldown must be 0 to {MOST_MINUTES:,} minutes, not {text!r}")
    return int(text)


def parameter(name: str, key: str, text: str) -> float:
    """The value of a rule's parameter. Raises UsageError for one that it has not, or that cannot be this."""
    known = CONDITIONS[name].parameters
    if key not in known:
        raise UsageError(f"{name} has no parameter {key!r}", f"It has {', '.join(known)}")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= (1 if key in SHARES else 1e9):
        kind = "a share from 0 to 1" if key in SHARES else "a number from 0 on"
        raise UsageError(f"{key} must be {kind}, not {text!r}")
    return value


def look(engine: Engine, run: Run, moment: datetime) -> list[Raised]:
    """Look at all rules; returns the alerts that are new.

    One that still holds is seen again, one that does not is resolved. What comes back before the cooldown is over is
    the same alert, open again, and no news. A condition that cannot be told is logged and changes nothing.
    """
    known = rules(engine)
    _store(known, engine, replace=False)
    snapshot = alert_snapshot.read(engine, moment)
    found: dict[str, list[Finding]] = {}
    for one in known:
        try:
            found[one.name] = CONDITIONS[one.name].look(snapshot, one.parameters) if one.enabled else []
        except Cancelled:  # a signal can end the run at any line
            raise
        except Exception as error:
            run.error(f"The rule {one.name} cannot be looked at: {describe(error)}")
    settings.set(engine, alert_snapshot.LOOKED_SETTING, iso(moment))
    with writing(engine) as connection:  # the last that can fail: what is raised here must reach who asked
        return [alert for one in known if one.name in found for alert in _update(connection, one, found, moment)]


def looked_at(engine: Engine) -> datetime | None:
    """When the rules were last looked at."""
    found = settings.get(engine, alert_snapshot.LOOKED_SETTING)
    return None if found is None else parse_time(found)


def findings(engine: Engine, name: str, moment: datetime) -> list[Finding]:
    """What a rule finds at a moment, whether it is enabled or not; nothing is stored. Raises UsageError as `rule`."""
    one = rule(engine, name)
    snapshot: Snapshot = alert_snapshot.read(engine, moment)
    return CONDITIONS[name].look(snapshot, one.parameters)


def acknowledge(engine: Engine, alert_id: int, who: str) -> None:
    """Note that somebody has seen an alert. Raises MuskTrackerError where there is none with this id."""
    with writing(engine) as connection:
        if connection.scalar(select(Alert.id).where(Alert.id == alert_id)) is None:
            raise MuskTrackerError(f"There is no alert {alert_id}", "musktracker alerts list shows them")
        connection.execute(
            update(Alert)
            .where(Alert.id == alert_id, Alert.acknowledged_at.is_(None))
            .values(acknowledged_at=now(), acknowledged_by=who)
        )


def undelivered(engine: Engine, since: datetime) -> list[Raised]:
    """The open alerts raised since a time of which nobody has been told yet, the oldest first."""
    columns = (Alert.id, Alert.rule, Alert.key, Alert.severity, Alert.raised_at, Alert.message, Alert.details)
    untold = (Alert.delivered_at.is_(None), Alert.delivery_error.is_(None), Alert.resolved_at.is_(None))
    with reading(engine) as connection:
        found = connection.execute(select(*columns).where(*untold, Alert.raised_at >= since).order_by(Alert.id)).all()
    return [Raised(*row[:-1], stored.mapping(row.details)) for row in found]


def note_delivery(engine: Engine, alert_id: int, moment: datetime, error: str | None) -> None:
    """Note what came of the operator's command."""
    values = {"delivered_at": moment} if error is None else {"delivery_error": error}
    with writing(engine) as connection:
        connection.execute(update(Alert).where(Alert.id == alert_id).values(**values))


def _known(name: str) -> str:
    if name not in CONDITIONS:
        raise UsageError(f"There is no rule {name!r}", f"Rules: {', '.join(CONDITIONS)}")
    return name


def _update(
    connection: Connection, one: Rule, found: Mapping[str, Sequence[Finding]], moment: datetime
) -> list[Raised]:
    """Bring a rule's alerts up to what it found; returns the new ones."""
    by_key = {storable(finding.key)[:KEY_LENGTH]: finding for finding in found[one.name]}
    query = select(Alert.id, Alert.key).where(Alert.rule == one.name, Alert.resolved_at.is_(None))
    open_ids = {key: alert_id for alert_id, key in connection.execute(query)}
    recent = select(func.max(Alert.id), Alert.key).where(
        Alert.rule == one.name, Alert.raised_at > moment - timedelta(minutes=one.cooldown_minutes)
    )
    cooling = {key: alert_id for alert_id, key in connection.execute(recent.group_by(Alert.key))}
    raised = []
    for key, finding in by_key.items():
        alert_id = open_ids.get(key, cooling.get(key))
        if alert_id is None:
            raised.append(_insert(connection, one.name, key, finding, moment))
        else:
            connection.execute(
                update(Alert).where(Alert.id == alert_id).values(resolved_at=None, **_seen(finding, moment))
            )
    over = [alert_id for key, alert_id in open_ids.items() if key not in by_key]
    if over:
        connection.execute(update(Alert).where(Alert.id.in_(over)).values(resolved_at=moment))
    return raised


def _insert(connection: Connection, name: str, key: str, finding: Finding, moment: datetime) -> Raised:
    values = {"rule": name, "key": key, "raised_at": moment, **_seen(finding, moment)}
    alert_id = int(connection.execute(insert(Alert).values(values).returning(Alert.id)).scalar_one())
    return Raised(alert_id, name, key, finding.severity, moment, values["message"], finding.details)


def _seen(finding: Finding, moment: datetime) -> dict[str, Any]:
    return {
        "severity": finding.severity,
        "last_seen_at": moment,
        "message": storable(finding.message),
        "details": json.dumps(dict(finding.details), sort_keys=True, default=str),
    }


def _store(known: Sequence[Rule], engine: Engine, *, replace: bool) -> None:
    columns = ("name", "enabled", "parameters", "cooldown_minutes")
    rows = [
        (one.name, one.enabled, json.dumps(dict(one.parameters), sort_keys=True), one.cooldown_minutes)
        for one in known
    ]
    table = AlertRule.__table__
    with writing(engine) as connection:
        upsert(connection, table, columns, rows, conflict=("name",), update=columns[1:] if replace else ())


def _rule(name: str, condition: Condition, row: Any) -> Rule:
    if row is None:
        return Rule(name, condition.meaning, True, dict(condition.parameters), condition.cooldown_minutes)
    found = stored.mapping(row.parameters)
    parameters = {key: found.get(key, value) for key, value in condition.parameters.items()}
    return Rule(name, condition.meaning, row.enabled, parameters, row.cooldown_minutes)
