"""Events: the table of what may move the count, changed in forms, undone at will, with who changed what."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from musktracker.text import counted, printable
from tui.paths import working_directory
from tui.screens.base import ConsoleScreen
from tui.screens.event_form import event_form, export_form, import_form, report_text
from tui.screens.event_short_forms import line_form, repeat_form, shift_form
from tui.screens.event_table import EventTable, detail_text, event_text
from tui.screens.event_timeline import EventTimeline
from tui.widgets.change_table import ChangeTable
from tui.widgets.lines import LineList
from tui.widgets.record_table import RecordTable

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.db.queries.models import ModelVersion
    from musktracker.pipeline.event_changes import EventChange
    from musktracker.pipeline.event_files import ImportReport
    from musktracker.pipeline.event_rows import Event


@dataclass(frozen=True, slots=True)
class EventsData:
    """All events, removed ones too, the latest start first; `stale` where features are older than a change.

    `changed_at` is when the latest change was made, `teller` the newest version that tells what events do.
    """

    events: tuple[Event, ...]
    stale: bool
    changed_at: datetime | None = None
    teller: ModelVersion | None = None


class EventsScreen(ConsoleScreen):
    """The events, a line on the selected one, and the change log where asked."""

    TITLE: ClassVar[str] = "Events"
    CSS_PATH = "events.tcss"
    AUTO_FOCUS = "EventTable"
    CHANGES = frozenset(
        {"add", "add_form", "edit", "duplicate", "shift", "repeat"}
        | {"remove", "restore", "undo", "redo", "import", "recount"}
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "add", "Add", tooltip="Add an event in one line", id="events.add"),
        Binding("A", "add_form", "Add by form", show=False, tooltip="Add an event field by field", id="events.form"),
        Binding("e", "edit", "Edit", tooltip="Edit the event under the cursor", id="events.edit"),
        Binding("c", "duplicate", "Copy", show=False, tooltip="Add an event like this one", id="events.copy"),
        Binding("s", "shift", "Shift", show=False, tooltip="Move the event in time", id="events.shift"),
        Binding("p", "repeat", "Repeat", show=False, tooltip="Add it again at later times", id="events.repeat"),
        Binding("t", "timeline", "Timeline", tooltip="Draw events over the counts, or not", id="events.timeline"),
        Binding("d", "remove", "Remove", tooltip="Take the event out; u brings it back", id="events.remove"),
        Binding("D", "restore", "Restore", show=False, tooltip="Bring a removed event back", id="events.restore"),
        Binding("u", "undo", "Undo", tooltip="Reverse the latest change, whoever made it", id="events.undo"),
        Binding("U", "redo", "Redo", show=False, tooltip="Take the latest undo back", id="events.redo"),
        Binding("h", "history", "History", tooltip="Changes of this event, of all, or none", id="events.history"),
        Binding("E", "effects", "Effects", show=False, tooltip="What events do to the count", id="events.effects"),
        Binding("v", "removed", "Removed", show=False, tooltip="Show removed events, or not", id="events.removed"),
        Binding("i", "import", "Import", show=False, tooltip="Bring in a file of events", id="events.import"),
        Binding("x", "export", "Export", show=False, tooltip="Write the events to a file", id="events.export"),
        Binding("R", "recount", "Recount", show=False, tooltip="Bring the features up to date", id="events.recount"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._data = EventsData((), stale=False)
        self._with_removed = bool(self.app.memory.get("events_removed"))
        self._wanted: int | None = None
        self._changed_at: datetime | None = None  # when the latest change was made from here
        self._turns: deque[Callable[[], None]] = deque()  # changes asked for; the first goes on
        self._open_to: bool | None = None

    def compose_body(self) -> ComposeResult:
        yield Static(id="events-title", markup=False)
        yield EventTimeline(id="events-timeline")
        yield EventTable()
        yield Static(id="event-detail", markup=False)
        yield ChangeTable()

    def fetch(self, engine: Engine) -> EventsData:
        """All events, what they do, and whether a refresh is due."""
        from musktracker import runs
        from musktracker.db.queries import models
        from musktracker.pipeline import event_changes, events

        found = events.listed(engine, include_removed=True)
        latest = event_changes.history(engine, limit=1)
        refreshed = [info for info in runs.recent(engine, kinds=["refresh"]) if info.status == "succeeded"]
        stale = bool(latest) and (not refreshed or _began(refreshed[0]) < latest[0].changed_at)
        changed_at = latest[0].changed_at if latest else None
        return EventsData(tuple(reversed(found)), stale, changed_at, models.newest_with_effects(engine))

    def show(self, data: EventsData) -> None:
        """Bring the table up to date; the cursor stays on its event."""
        self._data = data
        self._show_rows()
        self._load_history()

    @on(LineList.Moved, "EventTable")
    def _show_detail(self) -> None:
        event = self._event
        if event is None:
            detail = self.query_one(EventTable).found_nothing
        else:
            detail = detail_text(event, self.app.format_time, self._data.teller)
        self._set_text("#event-detail", detail)
        open_to = None if event is None else event.removed
        if open_to != self._open_to:
            self._open_to = open_to
            self.refresh_bindings()  # rebuilds the footer: only where a key changes
        if self.query_one(ChangeTable).of_one:
            self._load_history()
        self._load_timeline()

    @on(RecordTable.Opened, "EventTable")
    async def _open(self) -> None:
        """Edit the event, or show all of one that cannot be edited."""
        from tui.widgets.text_page import TextPage

        event = self._event
        if self.check_action("edit", ()):
            await self.run_action("edit")
        elif event is not None:
            self.app.push_screen(TextPage(event.name, event_text(event, self.app.format_time, self._data.teller)))

    def action_edit(self) -> None:
        """Edit the event under the cursor."""
        event = self._event
        if event is not None and not event.removed:
            self.app.push_screen(event_form(event, self.app.zone, self._categories()), self._saved)

    def action_add(self) -> None:
        """Add an event in one line."""
        self.app.push_screen(line_form(self.app.now, self.app.zone), self._saved)

    def action_add_form(self) -> None:
        """Add an event field by field."""
        self.app.push_screen(event_form(None, self.app.zone, self._categories()), self._saved)

    def action_duplicate(self) -> None:
        """Add an event that begins as a copy of this one."""
        event = self._event
        if event is not None:
            self.app.push_screen(event_form(None, self.app.zone, self._categories(), like=event), self._saved)

    def action_shift(self) -> None:
        """Move the event in time."""
        event = self._event
        if event is not None and not event.removed:
            self.app.push_screen(shift_form(event, self.app.zone), self._saved)

    def action_repeat(self) -> None:
        """Add the event again at later times."""
        event = self._event
        if event is not None:
            self.app.push_screen(repeat_form(event, self.app.zone), self._repeated)

    def action_timeline(self) -> None:
        """Draw the events over the counts, or not."""
        self.query_one(EventTimeline).turn()
        self._load_timeline()

    def action_remove(self) -> None:
        """Take the event out."""
        event = self._event
        if event is not None:
            self._change("remove", event, f"Removed “{printable(event.name)}”; u brings it back")

    def action_restore(self) -> None:
        """Bring the event back."""
        event = self._event
        if event is not None:
            self._in_turn(
                partial(
                    self._act_in_turn,
                    lambda engine: _restored(engine, event),
                    done=itemgetter(1),
                    then=lambda made: self._changed(made[0]),
                )
            )

    def action_undo(self) -> None:
        """Reverse the latest change."""
        self._in_turn(partial(self._reverse, "undo", "Undid"))

    def action_redo(self) -> None:
        """Take the latest undo back."""
        self._in_turn(partial(self._reverse, "redo", "Redid"))

    def action_history(self) -> None:
        """Changes of this event, of all events, or none."""
        self.query_one(ChangeTable).turn()
        self._load_history()

    def action_effects(self) -> None:
        """Show what events of each category do, as the newest model that uses them has it."""
        from tui.screens.model_text import effects
        from tui.widgets.text_page import TextPage

        teller = self._data.teller
        if teller is None:
            self.notify("No model tells what events do yet: 5, then t trains one", timeout=4)
            return
        lines = [line for line, _ in effects(teller)]
        what = f"What events do to the posts an hour, by {teller.model} {teller.version}"
        self.app.push_screen(TextPage(what, "\n".join(lines)))

    def action_removed(self) -> None:
        """Show removed events, or not."""
        self._with_removed = not self._with_removed
        self.app.remember(events_removed=self._with_removed)
        self._show_rows()

    def action_import(self) -> None:
        """Bring in a file of events."""
        self.app.push_screen(import_form(self.app.zone), self._imported)

    def action_export(self) -> None:
        """Write the events to a file."""
        self.app.push_screen(export_form(working_directory()), self._exported)

    def action_recount(self) -> None:
        """Start a refresh, so that features follow the events."""
        self.launch("refresh", {})

    def can(self, action: str) -> bool | None:
        """What cannot be done to this event is dimmed."""
        event = self._event if self.is_mounted else None
        if action in ("edit", "remove", "shift"):
            return True if event is not None and not event.removed else None
        if action in ("duplicate", "repeat"):
            return True if event is not None else None
        if action == "restore":
            return True if event is not None and event.removed else None
        return True

    @property
    def _event(self) -> Event | None:
        return self.query_one(EventTable).record

    def _show_rows(self) -> None:
        table = self.query_one(EventTable)
        table.set_records([event for event in self._data.events if self._with_removed or not event.removed])
        self._go_to_wanted(table)
        self._show_title()
        self._show_detail()

    def _go_to_wanted(self, table: EventTable) -> None:
        """Put the cursor on what was changed here, once it has been read; no filter hides what was just added."""
        event = next((event for event in self._data.events if event.id == self._wanted), None)
        if event is not None:
            self._wanted = None
            (table.reveal if event.updated_at is None else table.select)(event.id)

    @on(RecordTable.Filtered, "EventTable")
    def _show_title(self) -> None:
        self._set_text("#events-title", self._title(self.query_one(EventTable)))

    def _title(self, table: EventTable) -> str:
        removed = sum(event.removed for event in self._data.events)
        total = len(self._data.events) - (0 if self._with_removed else removed)
        words = table.filter_text.strip()
        parts = [
            f"{table.count:,} of {counted(total, 'event')}" if words else counted(total, "event"),
            f"with “{printable(words)}”" if words else "",
            f"{removed:,} removed {'shown' if self._with_removed else '(v shows them)'}" if removed else "",
            f"times in {self.app.zone.key}",
            "features are due: R recounts" if self._data.stale else "",
        ]
        return " · ".join(part for part in parts if part)

    def _categories(self) -> tuple[str, ...]:
        return tuple(sorted({event.category for event in self._data.events if event.category}))[:6]

    def _saved(self, event: Any) -> None:
        if event is not None:
            self._wanted = event.id
            self._changed(event)
            self.notify(f"Stored “{printable(event.name)}”", markup=False, timeout=3)
            self.refresh_data()

    def _repeated(self, made: list[Event] | None) -> None:
        if made:
            self._changed(made[0])
            self.notify(f"Stored {counted(len(made), 'event')}; u takes all of them back", markup=False, timeout=4)
            self.refresh_data()

    def _imported(self, report: ImportReport | None) -> None:
        if report is not None:
            self._changed_at = None
            self.notify(report_text(report), title="Imported", markup=False)
            self.refresh_data()

    def _exported(self, path: Path | None) -> None:
        if path is not None:
            self.notify(f"Wrote {path}", markup=False)

    def _change(self, action: str, event: Event, done: str) -> None:
        def change(engine: Engine) -> Event:
            from musktracker.pipeline import events

            made: Event = getattr(events, action)(engine, event.id, expected=event.version)
            return made

        self._in_turn(partial(self._act_in_turn, change, done=done, then=self._changed))

    def _changed(self, event: Event) -> None:
        """An event was changed from here: u is for that change, though others are made."""
        self._changed_at = max(filter(None, (event.version, self._changed_at, self._data.changed_at)))

    def _reverse(self, action: str, verb: str) -> None:
        """Undo or redo, unless somebody has made a change since; that is told, and known the next time."""
        expected, self._changed_at = self._changed_at or self._data.changed_at, None

        def reverse(engine: Engine) -> tuple[EventChange, EventChange] | None:
            from musktracker.pipeline import event_undo

            made: EventChange | None = getattr(event_undo, action)(engine, expected=expected)
            return None if made is None else (made, event_undo.original(engine, made))

        def said(changes: tuple[EventChange, EventChange] | None) -> str:
            if changes is None:
                return f"There is nothing to {action}"
            made, original = changes
            what = f"{made.together:,} changes" if made.together > 1 else f"“{printable(made.name)}”"
            return f"{verb}: {original.action} {what}, by {printable(original.who)}"

        def select(changes: tuple[EventChange, EventChange] | None) -> None:
            if changes is not None:
                self._wanted, self._changed_at = changes[0].event_id, changes[0].changed_at

        self._act_in_turn(reverse, done=said, then=select)

    def _in_turn(self, begin: Callable[[], None]) -> None:
        """Begin a change once those before it are made: keys come faster, each about what the last one left."""
        self._turns.append(begin)
        if len(self._turns) == 1:
            begin()

    def _act_in_turn(
        self, change: Callable[[Engine], Any], *, done: str | Callable[[Any], str], then: Callable[[Any], None]
    ) -> None:
        """Act, then begin what waits; where it fails, what waits was meant for another state, and is dropped."""
        made = False

        def known(result: Any) -> None:
            nonlocal made
            made = True
            then(result)

        def ended() -> None:
            self._turns.popleft()
            if not made:
                self._turns.clear()
            elif self._turns:
                self._turns[0]()

        self.act(change, done=done, then=known, after=ended)

    def _load_history(self) -> None:
        self.query_one(ChangeTable).load(self.query_one(EventTable))

    def _load_timeline(self) -> None:
        self.query_one(EventTimeline).load(self.query_one(EventTable), self._data.events)

    def _set_text(self, selector: str, text: str) -> None:
        widget = self.query_one(selector, Static)
        if widget.content != text:
            widget.update(text, layout=False)


def _began(info: Any) -> datetime:
    began: datetime = info.started_at or info.created_at
    return began


def _restored(engine: Engine, event: Event) -> tuple[Event, str]:
    """Bring an event back; returns it, and what to say of it."""
    from musktracker.pipeline import event_doubts, events

    made = events.restore(engine, event.id, expected=event.version)
    doubts = event_doubts.doubts(engine, made.fields, besides=made.id)
    return made, f"Restored “{printable(made.name)}”" + (f"; it {printable(doubts[0])}" if doubts else "")
