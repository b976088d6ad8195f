"""The service: whether one runs, what it does when, how that went last; its start, its stop and its schedule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from tui.places import place_keys
from tui.screens import terms
from tui.screens.base import ConsoleScreen
from tui.widgets.record_table import Cell, Column, RecordTable
from tui.widgets.run_progress import STATES, RunProgress, took, where
from tui.widgets.toned_line import Parts, TonedLine

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.pipeline.agenda import Agenda, Task
    from musktracker.run_info import RunInfo
    from tui.app import Console

IDLE = "No service has run on this database: s starts one\nmusktracker run, or a unit of systemd, does the same"
TALL = 34  # rows from which the schedule is shown as well
FULL = "%Y-%m-%d %H:%M"
SHORT = "%m-%d %H:%M"
TASK_COLUMNS = (
    Column("Step", 19, grow=1),
    Column("Last", 11, order=lambda task: task.last and _begun(task.last), falling=True),
    Column("Outcome", 11, order=lambda task: task.last and task.last.state),
    Column("Took", 10, rank=2),
    Column("Next", 20, order=lambda task: task.next_at),
    Column("Run", 6, right=True, rank=3),
    Column("Message", 8, grow=3, rank=1),
)
PLAN_COLUMNS = (Column("Part", 16), Column("Value", 24, grow=1), Column("Meaning", 34, grow=3))


@dataclass(frozen=True, slots=True)
class ServiceData:
    """What the screen shows, and the minute at which it was read: what is due by then is due."""

    agenda: Agenda
    state: str
    minute: datetime


class TaskTable(RecordTable["Task"]):
    """The steps of the schedule, in its order."""

    app: Console

    def __init__(self) -> None:
        super().__init__(
            TASK_COLUMNS, self._row, lambda task: task.name, empty="Nothing is planned: e sets what", memory="steps"
        )

    def _row(self, task: Task) -> Sequence[Cell]:
        now, last = self.app.now(), task.last
        mark, tone = STATES[last.state] if last is not None else ("–", "dim")
        message, message_tone = where(last, now) if last is not None else ("", "dim")
        return (
            task.name,
            ("never" if last is None else self.app.format_time(_begun(last), SHORT), "dim"),
            (mark if last is None else f"{mark} {last.state}", tone),
            ("" if last is None else took(last, now).partition(",")[0], "dim"),
            next_text(task, now, self.app.format_time),
            ("" if last is None else str(last.id), "dim"),
            (message, message_tone),
        )


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the schedule."""

    name: str
    value: str
    meaning: str


class PlanTable(RecordTable["Part"]):
    """The parts of the schedule, as `musktracker run --show` has them."""

    def __init__(self) -> None:
        super().__init__(
            PLAN_COLUMNS, lambda part: (part.name, part.value, (part.meaning, "dim")), lambda part: part.name
        )


class ServiceScreen(ConsoleScreen):
    """Whether a service runs, each step with its last run and its next time, and the schedule."""

    TITLE: ClassVar[str] = "Service"
    TERMS = terms.SERVICE
    CSS_PATH = "service.tcss"
    AUTO_FOCUS = "TaskTable"
    CHANGES = frozenset({"start", "stop", "edit"})
    VERTICAL_BREAKPOINTS = [(0, "-short"), (TALL, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "start", "Start", tooltip="Start a service as a process of its own", id="service.start"),
        Binding("x", "stop", "Stop", tooltip="Ask the service to stop, and what it started", id="service.stop"),
        Binding("e", "edit", "Schedule", tooltip="Change the schedule", id="service.edit"),
        Binding(
            "v",
            "plan",
            "View",
            show=False,
            tooltip="The schedule in place of the steps, or those again",
            id="service.plan",
        ),
        *place_keys("service"),
        Binding("escape", "back", "Back", tooltip="Back to where you came from", id="service.back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._data: ServiceData | None = None

    def compose_body(self) -> ComposeResult:
        """The service and where it runs, who follows, the steps, the schedule."""
        with Vertical(id="service-run"):
            yield RunProgress(idle=IDLE)
            yield TonedLine(id="service-where")
            yield TonedLine(id="service-ingest")
        yield TaskTable()
        with Vertical(id="service-plan"):
            yield PlanTable()

    def on_mount(self) -> None:
        """Name the schedule's frame."""
        self.query_one("#service-plan").border_title = "Schedule"

    def fetch(self, engine: Engine) -> ServiceData:
        """The agenda at this moment."""
        from musktracker.pipeline import agenda

        moment = self.app.now()
        found = agenda.read(engine, self.app.settings, moment)
        state = "" if found.service is None else found.service.state
        return ServiceData(found, state, moment.replace(second=0, microsecond=0))

    def show(self, data: ServiceData) -> None:
        """Bring everything up to date."""
        from musktracker.pipeline import schedule

        self._data = data
        self.query_one(RunProgress).info = data.agenda.service
        place = self.query_one("#service-where", TonedLine)
        place.display = data.agenda.service is not None
        place.set_parts(self._where_parts(data.agenda.service))
        self.query_one("#service-ingest", TonedLine).set_parts(_ingest_parts(data))
        self.query_one(TaskTable).set_records(data.agenda.tasks)
        texts = schedule.texts(data.agenda.plan)
        parts = [Part(name, text or schedule.NONE, schedule.MEANINGS[name]) for name, text in texts.items()]
        self.query_one(PlanTable).set_records(parts)
        self.refresh_bindings()

    def action_start(self) -> None:
        """Ask how it is to serve, and start it."""
        from tui.screens.service_forms import start_form

        self.ask_run(start_form(self.app.settings), "service")

    def action_stop(self) -> None:
        """Ask the service to stop."""
        if self._service is not None:
            self.cancel_run(self._service)

    def action_edit(self) -> None:
        """Change the schedule."""
        from tui.screens.service_forms import schedule_form

        def stored(plan: Any) -> None:
            if plan is not None:
                self.notify("The schedule is stored; a running service keeps to it at once", timeout=4)
                self.refresh_data()

        if self._data is not None:
            self.app.push_screen(schedule_form(self._data.agenda.plan), stored)

    def action_plan(self) -> None:
        """Show the schedule in place of the steps, or those again."""
        self.toggle_class("-plan")
        shown = "PlanTable" if self.has_class("-plan") else "TaskTable"
        self.call_after_refresh(self.query_one(shown).focus)

    def can(self, action: str) -> bool | None:
        """One service at a time, which is stopped while it runs."""
        running = self._service is not None and self._service.active
        if action == "start":
            alive = running and self._data is not None and self._data.state != "lost"
            return None if self._data is None or alive else True
        if action == "stop":
            return True if running else None
        if action == "edit":
            return True if self._data is not None else None
        if action == "plan":
            return self.has_class("-short")
        return True

    def on_resize(self) -> None:
        """Another size may have room for both."""
        self.refresh_bindings()

    @on(RecordTable.Opened, "TaskTable")
    def _open(self) -> None:
        task = self.query_one(TaskTable).record
        if task is not None and task.last is not None:
            self.app.open_run(task.last.id)

    @property
    def _service(self) -> RunInfo | None:
        return None if self._data is None else self._data.agenda.service

    def _where_parts(self, service: RunInfo | None) -> Parts:
        if service is None:
            return []
        since = self.app.format_time(service.started_at, FULL)
        parts: Parts = [(f"on {service.host}, process {service.pid or '–'}, by {service.who}", "")]
        parts.append((f" · since {since}", "dim"))
        if service.active:
            tone = "bad" if service.lost else "dim"
            parts.append((f" · heartbeat {self.app.format_time(service.heartbeat_at, '%H:%M:%S')}", tone))
        elif service.finished_at is not None:
            parts.append((f" to {self.app.format_time(service.finished_at, FULL)}", "dim"))
        return parts


def next_text(task: Task, now: datetime, format_time: Callable[..., str]) -> Cell:
    """When a step is done next, as words and their tone."""
    if task.next_at is None:
        return "now", "accent"
    if task.waits_for:
        return f"after {task.waits_for[0]}", "dim"
    when = format_time(task.next_at, SHORT)
    if task.failures:
        return f"again {when}", "warning"
    return ("due", "warning") if task.next_at <= now else (when, "dim" if task.called_off else "")


def _begun(run: RunInfo) -> datetime:
    return run.started_at or run.created_at


def _ingest_parts(data: ServiceData) -> Parts:
    service = data.agenda.service
    if data.state not in ("queued", "running") or service is None:
        return [("Nothing is done by itself now", "warning"), (": what is due waits for a service", "dim")]
    if service.parameters.get("ingest") is False:
        return [("Fetches nothing: files feed the database", "dim")]
    return [("Ingestion: ", "dim"), (data.agenda.ingestion, "")]
