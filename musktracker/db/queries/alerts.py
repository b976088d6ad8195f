"""Alerts as they are stored: what holds now, and what did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Row, case, func, select

from musktracker.db import stored
from musktracker.db.engines import reading
from musktracker.db.tables import Alert

SEVERITIES = ("error", "warning", "info")
LONGEST = 10_000  # characters of a text that is listed; other programs may have written more


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert. `resolved_at` is None while it holds."""

    id: int
    rule: str
    key: str
    severity: str
    raised_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    message: str
    details: Mapping[str, Any]
    delivered_at: datetime | None
    delivery_error: str | None

    @property
    def state(self) -> str:
        """`open`, `acknowledged` (and still open) or `resolved`."""
        if self.resolved_at is not None:
            return "resolved"
        return "open" if self.acknowledged_at is None else "acknowledged"


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """What an overview shows of an alert that holds and that nobody has acknowledged."""

    id: int
    severity: str
    raised_at: datetime
    message: str


def unseen(engine: Engine, limit: int = 10) -> tuple[tuple[OpenAlert, ...], int]:
    """The open alerts that nobody has acknowledged, the worst and then the newest first, and how many there are."""
    holds = (Alert.resolved_at.is_(None), Alert.acknowledged_at.is_(None))
    badness = case({name: place for place, name in enumerate(SEVERITIES)}, value=Alert.severity)
    query = select(Alert.id, Alert.severity, Alert.raised_at, Alert.message).where(*holds)
    with reading(engine) as connection:
        found = connection.execute(query.order_by(badness, Alert.raised_at.desc(), Alert.id.desc()).limit(limit))
        alerts = tuple(OpenAlert(*row) for row in found)
        if len(alerts) < limit:
            return alerts, len(alerts)
        return alerts, int(connection.scalar(select(func.count()).select_from(Alert).where(*holds)) or 0)


def listed(engine: Engine, *, limit: int = 50, resolved: bool = True) -> list[StoredAlert]:
    """The alerts: open ones, acknowledged ones, those that are over; of each the last raised first.

    Without those that are over where asked.
    """
    order = (Alert.resolved_at.is_not(None), Alert.resolved_at.is_(None) & Alert.acknowledged_at.is_not(None))
    query = select(Alert.__table__).order_by(*order, Alert.raised_at.desc(), Alert.id.desc()).limit(limit)
    if not resolved:
        query = query.where(Alert.resolved_at.is_(None))
    with reading(engine) as connection:
        return [_stored(row) for row in connection.execute(query)]


def _stored(row: Row[Any]) -> StoredAlert:
    values: dict[str, Any] = {
        name: value[:LONGEST] if isinstance(value, str) else value for name, value in row._mapping.items()
    }
    values["details"] = stored.mapping(row.details)
    return StoredAlert(**values)
