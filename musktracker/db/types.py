"""Column types: the one place where times are converted, and where text is no number."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Float, Integer
from sqlalchemy.engine import processors
from sqlalchemy.types import TypeDecorator

from musktracker.timeline import utc


class UTCDateTime(TypeDecorator[datetime]):
    """Aware UTC in, aware UTC out, microseconds kept. A naive datetime is refused with NaiveDatetime."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC; SQLite stores it without the offset that it could not keep."""
        if value is None:
            return None
        moment = utc(value)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give back aware UTC, whatever zone the session spoke."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Real(Float[float]):
    """A number, where SQLite would also keep text and give it back. Reading such a value raises ValueError."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:  # noqa: ARG002
        """Make a number of what SQLite holds; Postgres keeps nothing else."""
        return processors.to_float if dialect.name == "sqlite" else None


class Whole(Integer):
    """A whole number, as `Real` is one."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:  # noqa: ARG002
        """As in Real."""
        return _whole if dialect.name == "sqlite" else None


def _whole(value: Any) -> int | None:
    return value if value is None or value.__class__ is int else int(value)
