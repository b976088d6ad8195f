"""The change log of events as a table: when, who, what, and each value before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tui.threads import in_thread
from tui.widgets.record_table import Cell, Column, RecordTable
from tui.working import begin

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.pipeline.event_changes import EventChange
    from musktracker.pipeline.event_rows import Event
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
NO_EVENT = "No event is chosen"
MOST = 500


class ChangeTable(RecordTable["EventChange"]):
    """Changes of one event or of all, the newest first; out of sight until it is turned on."""

    app: Console

    def __init__(self) -> None:
        super().__init__(COLUMNS, self._row, lambda change: change.id, empty=NONE_YET, memory="changes")
        self.display = False
        self.of_one = False

    def turn(self) -> None:
        """Be about one event, then about all, then out of sight."""
        self.display, self.of_one = self.of_one or not self.display, not self.display

    def load(self, events: RecordTable[Event]) -> None:
        """Where it is turned on, show the changes of the event under a cursor, or of all."""
        if self.display and self.app.engine is not None:
            begin(self, "history", self._load, self.app.engine, events, exclusive=True)

    async def _load(self, engine: Engine, events: RecordTable[Event]) -> None:
        event = events.record if self.of_one else None
        changes: list[EventChange] = []
        if event is not None or not self.of_one:
            try:
                changes = await in_thread(_history, engine, None if event is None else event.id)
            except Exception as error:
                self.app.complain(error)
                return
        self.border_title = "Changes of this event" if self.of_one else "Changes of all events"
        self.set_records(changes, empty=NONE_YET if event is not None or not self.of_one else NO_EVENT)

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


def _history(engine: Engine, event_id: int | None) -> list[EventChange]:
    from musktracker.pipeline import event_changes

    return event_changes.history(engine, event_id, limit=MOST)
