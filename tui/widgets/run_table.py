"""Recent runs as a table: which, in what state, whose, since when, for how long, doing what."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui.widgets.record_table import Cell, Column, RecordTable
from tui.widgets.run_progress import STATES, took, where

if TYPE_CHECKING:
    from musktracker.run_info import RunInfo
    from tui.app import Console

COLUMNS = (
    Column("Run", 6, right=True),  # a service adds a hundred thousand a year
    Column("Kind", 9),
    Column("State", 11),
    Column("Started", 11, rank=1),
    Column("Took", 11, rank=2),
    Column("Who", 14, rank=3),
    Column("Message", 19, grow=1),
)


class RunTable(RecordTable["RunInfo"]):
    """Runs, the newest first; with `follow`, a cursor on the newest goes on to one that is newer."""

    app: Console

    def __init__(
        self, *, follow: bool = False, empty: str = "No runs yet", memory: str = "", id: str | None = None
    ) -> None:
        super().__init__(COLUMNS, self._row, lambda info: info.id, empty=empty, memory=memory, id=id)
        self._follow = follow

    def set_records(self, records: Sequence[RunInfo], *, empty: str | None = None) -> None:
        """As in RecordTable."""
        at_newest = self.cursor == 0
        super().set_records(records, empty=empty)
        if self._follow and at_newest:
            self.move_to(0)

    def searched(self, info: RunInfo) -> str:
        """All that `runs.recent` looks in for what runs hold."""
        said = (info.kind, info.state, info.stage, info.message, info.error, info.who, info.host)
        return f"{info.id} {json.dumps(info.parameters)} {' '.join(filter(None, said))}"

    def _row(self, info: RunInfo) -> Sequence[Cell]:
        mark, tone = STATES[info.state]
        now = self.app.now()
        message, colour = where(info, now)
        return (
            str(info.id),
            info.kind,
            (f"{mark} {info.state}", tone),
            (self.app.format_time(info.started_at or info.created_at, "%m-%d %H:%M"), "dim"),
            (took(info, now).partition(",")[0], "dim"),
            (info.who, "dim"),
            (message, colour),
        )
