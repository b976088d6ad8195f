"""Migrations: where the schema is, what each step does, and going up or down with eyes open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from musktracker.text import printable
from tui.copying import copy
from tui.screens import schema_work as work
from tui.screens import terms
from tui.screens.base import PASSING_SECONDS, ConsoleScreen
from tui.sizes import shown_bytes
from tui.threads import in_thread
from tui.widgets.confirm import Confirm
from tui.widgets.lines import LineList
from tui.widgets.prose import Prose
from tui.widgets.record_table import Cell, Column, RecordTable
from tui.working import begin

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.db.migrate import Loss, SchemaStatus, Step, UpgradeReport
    from musktracker.db.queries.schema import DatabaseInfo, LockHolder, TableSize
    from musktracker.db.revisions import Revision

QUIET = "$text-muted"


@dataclass(frozen=True, slots=True)
class MigrationsData:
    """What the screen shows; `backups` are the names of the copies beside a SQLite database, newest first."""

    status: SchemaStatus
    info: DatabaseInfo
    tables: tuple[TableSize, ...]
    holders: tuple[LockHolder, ...]
    backups: tuple[str, ...]


class RevisionTable(RecordTable["Revision"]):
    """The steps of the schema, the newest first."""

    def __init__(self) -> None:
        columns = (Column("", 1), Column("Step", 4), Column("Title", 32, grow=1), Column("State", 7, rank=1))
        key = attrgetter("revision")
        super().__init__(columns, _revision_cells, key, empty="No migrations", memory="migrations")


class SizeTable(RecordTable["TableSize"]):
    """The tables with their rows and bytes."""

    def __init__(self) -> None:
        columns = (
            Column("Table", 16, grow=1, order=attrgetter("name")),
            Column("Rows", 9, right=True, order=attrgetter("rows"), falling=True),
            Column("Size", 9, right=True, rank=1, order=attrgetter("bytes"), falling=True),
        )
        empty = "No tables yet: a applies steps"
        super().__init__(columns, _size_cells, attrgetter("name"), empty=empty, memory="tables")


class MigrationsScreen(ConsoleScreen):
    """The schema's steps, with the tables beside them; below, what the step under the cursor is for, and its SQL."""

    TITLE: ClassVar[str] = "Migrations"
    CSS_PATH = "migrations.tcss"
    TERMS = terms.MIGRATIONS
    AUTO_FOCUS = "RevisionTable"
    CHANGES = frozenset({"apply", "dry_run", "revert", "backup"})
    VERTICAL_BREAKPOINTS = [(0, "-short"), (34, "-tall")]  # noqa: RUF012
    REFRESH_SECONDS: ClassVar[float] = 5.0
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "apply", "Apply", tooltip="Go up to the step under the cursor", id="migrations.apply"),
        Binding("d", "dry_run", "Dry run", tooltip="Time each statement and keep nothing", id="migrations.dry"),
        Binding("x", "revert", "Revert", tooltip="Take back the step under the cursor", id="migrations.revert"),
        Binding("v", "verify", "Verify", tooltip="Check integrity, and the schema for drift", id="migrations.verify"),
        Binding("b", "backup", "Back up", tooltip="Copy the database beside itself", id="migrations.backup"),
        Binding("y", "copy", "Copy", show=False, tooltip="Copy the step's SQL", id="migrations.copy"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._data: MigrationsData | None = None
        self._details: dict[str, str] = {}
        self._verdict: tuple[str, bool] | None = None
        self._busy = ""

    def compose_body(self) -> ComposeResult:
        """State, steps beside tables, detail."""
        yield Static(id="schema-state", markup=False)
        with Horizontal(id="schema"):
            with Vertical(id="revisions"):
                yield RevisionTable()
            with Vertical(id="sizes"):
                yield SizeTable()
        with Vertical(id="step"):
            yield Prose(id="step-text")

    def on_mount(self) -> None:
        """Name the frames."""
        self.query_one("#revisions").border_title = "Steps"
        self.query_one("#sizes").border_title = "Tables"
        self.query_one("#step").border_title = "Step"

    def fetch(self, engine: Engine) -> MigrationsData:
        """Where the schema is, and what is in it."""
        from musktracker.db import migrate
        from musktracker.db.queries import schema

        return MigrationsData(
            migrate.status(engine),
            schema.info(engine),
            tuple(schema.tables(engine)),
            tuple(schema.lock_holders(engine)),
            work.backups(engine),
        )

    def show(self, data: MigrationsData) -> None:
        """Bring the tables up to date; the cursors stay."""
        self._data = data
        self.query_one(RevisionTable).set_records(data.status.revisions)
        self.query_one(SizeTable).set_records(data.tables)
        self._show_state()
        self.refresh_bindings()

    def can(self, action: str) -> bool | None:
        """What cannot be done to the step under the cursor is dimmed."""
        if action in ("apply", "revert", "backup") and self._busy:
            return None
        if action == "dry_run":
            revision = self._selected()
            return None if self._busy or revision is None or revision.applied else True
        if action in ("apply", "revert"):
            revision = self._selected()
            return True if revision is not None and revision.applied == (action == "revert") else None
        if action == "backup":
            return self._data is not None and self._data.info.server.startswith("SQLite")
        return True

    def action_apply(self) -> None:
        """Go up to the step under the cursor; a SQLite database that holds rows is copied first, and x goes back."""
        revision = self._selected()
        if revision is not None:
            self._move("upgrade", revision.revision, f"Applying up to {revision.revision}…")

    def action_dry_run(self) -> None:
        """Run the steps up to the one under the cursor where nothing is kept, and show what took how long."""
        revision = self._selected()
        if revision is not None:
            words = f"Trying the steps up to {revision.revision}, keeping nothing…"
            self._do(words, partial(work.dry_run, self.app.settings, revision), then=self._set_step)

    def action_revert(self) -> None:
        """Take back the step under the cursor and those above it, after what will be lost is named and typed."""
        revision = self._selected()
        if revision is not None:
            begin(self, "ask", self._ask_to_revert, revision, exclusive=True)

    def action_verify(self) -> None:
        """Check integrity and drift."""
        if not self._busy:
            self._do("Verifying…", work.verify, then=self._verified)

    def action_backup(self) -> None:
        """Copy the database."""
        self._do("Copying…", work.backup, done=lambda path: f"Copied to {path}", lasting=True)

    def action_copy(self) -> None:
        """Copy what the detail pane shows."""
        revision, text = self._selected(), self.query_one(Prose).text
        if revision is not None and text:
            copy(self.app, self.app.settings, text, f"step {revision.revision}")

    @on(LineList.Moved, "RevisionTable")
    def _step_moved(self) -> None:
        self.refresh_bindings()
        begin(self, "settle", self._show_settled, exclusive=True)

    async def _show_settled(self) -> None:
        await asyncio.sleep(PASSING_SECONDS)
        revision = self._selected()
        if revision is None:
            self._set_step(self.query_one(RevisionTable).found_nothing)
            return
        hint = f"{work.about(revision)}\n\n── enter shows its SQL ──"
        self._set_step(self._details.get(revision.revision, hint))

    @on(RecordTable.Opened, "RevisionTable")
    def _read_step(self) -> None:
        self.query_one(Prose).focus()
        revision = self._selected()
        if revision is not None and revision.revision in self._details:
            self._set_step(self._details[revision.revision])
        elif revision is not None:
            begin(self, "step", self._show_sql, revision, exclusive=True)

    async def _show_sql(self, revision: Revision) -> None:
        self._set_step(f"{work.about(revision)}\n\n── Working out its SQL… ──")
        try:
            text = await in_thread(work.detail, self.app.settings, revision)
        except Exception as error:
            text = f"{work.about(revision)}\n\nIts SQL cannot be shown: {self.app.words(error)}"
        else:
            self._details[revision.revision] = text
        if self._selected() == revision:
            self._set_step(text)

    def _set_step(self, text: str) -> None:
        self.query_one(Prose).set_text(text)

    async def _ask_to_revert(self, revision: Revision) -> None:
        engine = self.app.engine
        if engine is None:
            return
        target = revision.down_revision or "base"
        try:
            lost = await in_thread(work.losses, engine, target)
        except Exception as error:
            self.app.complain(error)
            return
        lines = [_loss_line(loss) for loss in lost] or ["No table and no column goes with it."]
        lines.insert(0, f"The schema goes down to {target}. With it goes for good:" if lost else f"Down to {target}.")
        lines += ["", "The console shows errors on a schema below its own; its next start brings that up again."]
        question = Confirm(f"Revert step {revision.revision}?", lines, yes="Revert", typed=target)
        self.open_over(question, lambda yes: self._downgrade(target) if yes else None)

    def _downgrade(self, target: str) -> None:
        self._move("downgrade", target, f"Reverting to {target}…")

    def _move(self, direction: str, revision: str, words: str) -> None:
        app = self.app

        def stepped(step: Step) -> None:
            with suppress(Exception):  # called where the schema changes: what is told of it must not take it back
                app.call_later(self._tell_step, step)

        move = partial(work.move, direction=direction, revision=revision, on_step=stepped)
        self._do(words, move, done=_moved_text, then=self._moved, lasting=True)

    def _tell_step(self, step: Step) -> None:
        if self._busy:
            self._busy = f"{self._busy.partition('…')[0]}… {step.revision} took {step.ms:,.0f} ms"
            self._show_state()

    def _moved(self, _report: UpgradeReport) -> None:
        self._verdict = None

    def _verified(self, verdict: tuple[str, bool]) -> None:
        self._verdict = verdict
        self._show_state()

    def _do(
        self,
        words: str,
        function: Callable[[Engine], Any],
        *,
        done: Callable[[Any], str] | None = None,
        then: Callable[[Any], None] | None = None,
        lasting: bool = False,
    ) -> None:
        if self._busy:
            return
        self._busy = words
        self._show_state()
        self.refresh_bindings()
        self.act(function, done=done, then=then, after=self._rest, seconds=10, lasting=words if lasting else "")

    def _rest(self) -> None:
        self._busy = ""
        self._show_state()
        self.refresh_bindings()

    def _selected(self) -> Revision | None:
        return self.query_one(RevisionTable).record if self.is_mounted else None

    def _show_state(self) -> None:
        if self._data is None or not self._is_whole:
            return
        text = _state(self._data, self._busy, self._verdict)
        line = self.query_one("#schema-state", Static)
        if not (isinstance(line.content, Content) and line.content.is_same(text)):
            line.update(text)


def _moved_text(report: UpgradeReport) -> str:
    took = sum(step.ms for step in report.steps)
    saved = f". The database before it: {report.backup}" if report.backup else ""
    return f"The schema is at {report.to_revision or 'base'} ({took:,.0f} ms){saved}"


def _state(data: MigrationsData, busy: str, verdict: tuple[str, bool] | None) -> Content:
    status, info = data.status, data.info
    at = status.current or "base"
    pending = len(status.pending)
    mark = ("✓ ", "bold $success") if not pending and at == status.head else ("! ", "bold $warning")
    where = "the newest" if not pending else f"{_count(pending, 'step')} to apply, to {status.head}"
    first = Content.assemble(
        mark, "Schema at ", (printable(at), "bold"), (f", {where}   ", QUIET),
        (f"{printable(info.server)} · {shown_bytes(info.bytes)}", QUIET),
    )  # fmt: skip
    return Content("\n").join([first, _second_line(data, busy, verdict)])


def _second_line(data: MigrationsData, busy: str, verdict: tuple[str, bool] | None) -> Content:
    if busy:
        return Content.styled(f"  {busy}", "$accent")
    if data.holders:
        holder = data.holders[0]
        who = printable(f"{holder.application or 'a session'} (process {holder.pid})")
        return Content.styled(f"! {who} migrates this database now", "$warning")
    if verdict is not None:
        return Content.styled(f"{'✓' if verdict[1] else '✗'} {printable(verdict[0])}", f"${_tone(verdict[1])}")
    if data.backups:
        return Content.styled(f"  {_count(len(data.backups), 'backup')}, newest {printable(data.backups[0])}", QUIET)
    return Content.styled("  v checks integrity and drift", QUIET)


def _tone(good: bool) -> str:
    return "success" if good else "error"


def _revision_cells(revision: Revision) -> tuple[Cell, ...]:
    mark, tone, state = ("✓", "good", "applied") if revision.applied else ("○", "warning", "pending")
    return ((mark, tone), revision.revision, revision.title, (state, "dim" if revision.applied else "warning"))


def _size_cells(table: TableSize) -> tuple[Cell, ...]:
    size = "–" if table.bytes is None else shown_bytes(table.bytes)
    return (table.name, f"{table.rows:,}", (size, "dim"))


def _loss_line(loss: Loss) -> str:
    what = f"table {loss.table}" if loss.column is None else f"column {loss.table}.{loss.column}"
    kept = "empty" if not loss.rows else _count(loss.rows, "row" if loss.column is None else "value")
    return f"– {what}: {kept}"


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
