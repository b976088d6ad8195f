"""The change log of events as a table: when, who, what, and each value before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tui.widgets.record_table import Cell, Column, RecordTable

if TYPE_CHECKING:
    from musktracker.pipeline.event_changes import EventChange
    from tui.app import Console

COLUMNS = (
    Column("When", 14),
    Column("Who", 14, rank=1),
    Column("What", 8),
    Column("Event", 18, grow=1),
    Column("Before → after", 24, grow=3),
)
TONES = {"add": "good", "restore": "good", "remove": "bad", "undo": "warning", "redo": "warning"}
TIMES = ("event_start", "event_end")


NONE_YET = "No changes yet: every one will be noted here"


class ChangeTable(RecordTable["EventChange"]):
    """Changes, the newest first."""

    app: Console

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(COLUMNS, self._row, lambda change: change.id, empty=NONE_YET, memory="changes", id=id)

    def _row(self, change: EventChange) -> Sequence[Cell]:
        return (
            (self.app.format_time(change.changed_at, "%m-%d %H:%M:%S"), "dim"),
            (change.who, "dim"),
            (change.action, TONES.get(change.action, "accent")),
            change.name,
            self._difference(change.before, change.after),
        )

    def _difference(self, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
        if before is None or after is None:
            return "new" if before is None else "gone"
        if bool(before.get("removed_at")) != bool(after.get("removed_at")):
            return "taken out" if after.get("removed_at") else "brought back"
        names = [name for name in after if after[name] != before.get(name)]
        texts = [
            f"{name.removeprefix('event_')} {self._value(name, before.get(name))} → {self._value(name, after[name])}"
            for name in names
        ]
        return ", ".join(texts) or "nothing"

    def _value(self, name: str, value: Any) -> str:
        if name in TIMES and isinstance(value, str):
            return self.app.format_time(datetime.fromisoformat(value))
        return "–" if value in (None, "") else str(value)
