"""Ingestion: how the X API is followed, what was observed, which runs there were, and the selected one's log."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widgets import Static

from musktracker.errors import MuskTrackerError
from musktracker.text import counted, printable
from musktracker.timeline import DAY, Span, holes
from tui.screens.base import ConsoleScreen
from tui.screens.ingest_forms import backfill_form, follow_form, has_token, reconcile_form, stop_form
from tui.widgets.coverage_bar import CoverageBar
from tui.widgets.form import FormScreen
from tui.widgets.header import age
from tui.widgets.ingest_state import IngestState
from tui.widgets.lines import LineList
from tui.widgets.minute_bars import MinuteBars
from tui.widgets.record_table import RecordTable
from tui.widgets.run_log import RunLog
from tui.widgets.run_progress import RunProgress, took, where
from tui.widgets.run_table import RunTable
from tui.widgets.text_page import TextPage

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.db.queries.ingestion import Budget, Ingestion, RecentMinutes
    from musktracker.run_info import RunInfo

RUNS = 200
LIVE = ("ingest", "backfill", "reconcile")  # kinds that talk to the X API
GOING_ON = (*LIVE, "import")  # the kinds of which several go on at once
MONTH = "posts of the month"  # the budget that is no endpoint's
BESIDE = ("usage/", "users/by/")  # endpoints without which posts come all the same
NO_RUN = "No run selected"
NO_SUCH_RUN = "No such run yet: t shows those of other kinds"
NO_RUNS = "No runs yet: i imports a file of posts, a follows the X API"
DAYS = 30
SETTLE_SECONDS = 0.3  # the cursor rests on a run for this long before its log is read
KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("all runs", ()),
    ("imports", ("import", "demo")),
    ("the X API", LIVE),
    ("refreshes", ("refresh",)),
    ("training", ("train",)),
    ("forecasts", ("forecast", "score")),
)


@dataclass(frozen=True, slots=True)
class IngestionData:
    """What the screen shows. `states` are the runs' states when they were read: a lost run changes no row.

    `live` is the run that follows, or another that talks to the X API, or the last that did; `beside` are those that
    go on beside it, `going_on` the states of all. `limit` is what a day may cost, in dollars; `holes` is how many
    holes were recorded, and why the newest.
    """

    runs: tuple[RunInfo, ...]
    states: tuple[str, ...]
    covered: tuple[Span, ...]
    posts: int
    last_post: datetime | None
    minute: datetime
    live: RunInfo | None
    beside: tuple[RunInfo, ...]
    going_on: tuple[str, ...]
    ingestion: Ingestion
    limit: float | None
    holes: tuple[int, str | None]
    minutes: RecentMinutes
    kind: int  # which of KINDS the runs are of


class IngestionScreen(ConsoleScreen):
    """Runs above, the log of the selected one below."""

    TITLE: ClassVar[str] = "Ingestion"
    CSS_PATH = "ingestion.tcss"
    AUTO_FOCUS = "RunTable"
    CHANGES = frozenset({"start", "cancel", "backfill", "import", "reconcile", "refresh_run"})
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "start", "Follow X", tooltip="Follow the account on the X API", id="ingestion.start"),
        Binding("x", "cancel", "Cancel", tooltip="Ask a run to stop", id="ingestion.cancel"),
        Binding("b", "backfill", "Backfill", tooltip="Fetch what was before from the X API", id="ingestion.backfill"),
        Binding("i", "import", "Import", tooltip="Bring in posts from a file", id="ingestion.import"),
        Binding(
            "o",
            "reconcile",
            "Reconcile",
            tooltip="Hold what is stored against the X API",
            id="ingestion.reconcile",
        ),
        Binding(
            "R",
            "refresh_run",
            "Recount",
            tooltip="Count hours and days, and compute features",
            id="ingestion.refresh",
        ),
        Binding("C", "coverage", "Coverage", tooltip="All that was observed, and the holes", id="ingestion.coverage"),
        Binding("t", "kind", "Kind", tooltip="Show runs of another kind", id="ingestion.kind"),
        Binding("f", "log('follow')", "Follow", show=False, tooltip="Follow the log", id="ingestion.follow"),
        Binding("p", "log('pause')", "Pause", show=False, tooltip="Pause the log", id="ingestion.pause"),
        Binding("l", "log('level')", "Level", show=False, tooltip="The log's next level", id="ingestion.level"),
        Binding("n", "log_match(1)", "Next match", show=False, tooltip="Next match in the log", id="ingestion.next"),
        Binding("N", "log_match(-1)", "Match before", show=False, tooltip="Match before", id="ingestion.previous"),
        Binding("e", "log('error')", "Next error", show=False, tooltip="Next error in the log", id="ingestion.error"),
        Binding("y", "log('copy')", "Copy", show=False, tooltip="Copy the log's line", id="ingestion.copy"),
    ]

    def __init__(self) -> None:
        super().__init__()
        names = [name for name, _ in KINDS]
        remembered = self.app.memory.get("ingestion_kind")
        self._kind = names.index(remembered) if remembered in names else 0
        self._holding = ""
        self._data: IngestionData | None = None
        self._asked: int | None = None  # the run to show, in the list however old it is
        self._wanted = False  # and to be gone to, once it is there
        self._cancellable = False
        self._settling: Timer | None = None

    def compose_body(self) -> ComposeResult:
        with Vertical(id="ingestion-summary"):
            yield IngestState()
            yield Static(id="budget-text", markup=False)
            with Horizontal(classes="summary-line"):
                yield Static("Observed", classes="summary-label", markup=False)
                yield CoverageBar()
                yield Static(id="coverage-text", markup=False)
            with Horizontal(classes="summary-line"):
                yield Static(id="posts-text", markup=False)
                yield MinuteBars()
                yield Static(id="minutes-text", markup=False)
            yield Static(id="open-text", markup=False)
        yield RunTable(memory="ingestion")
        with Vertical(id="run-detail"):
            yield RunProgress(idle=NO_RUN)
        yield RunLog()

    def fetch(self, engine: Engine) -> IngestionData:
        """Runs of the chosen kinds, coverage, posts, and how ingestion stands."""
        from musktracker import runs
        from musktracker.db.queries import coverage, ingestion
        from musktracker.pipeline import spending

        moment = self.app.now()
        active = runs.recent(engine, kinds=GOING_ON, active=True)
        active.sort(key=lambda info: GOING_ON.index(info.kind))
        talking = [info for info in active if info.kind in LIVE] or runs.recent(engine, limit=1, kinds=LIVE)
        live = talking[0] if talking else None
        limit = spending.limit(engine)
        kind = self._kind
        kinds = KINDS[kind][1]
        found = runs.recent(engine, limit=RUNS, kinds=kinds or None, holding=self._holding)
        if self._asked is not None and not kinds and all(info.id != self._asked for info in found):
            with suppress(MuskTrackerError):  # a run that ended long ago is deleted
                found.append(runs.get(engine, self._asked))
        return IngestionData(
            runs=tuple(found),
            states=tuple(info.state for info in found),
            covered=tuple(coverage.covered(engine)),
            posts=coverage.post_count(engine),
            last_post=coverage.last_post(engine),
            minute=moment.replace(second=0, microsecond=0),
            live=live,
            beside=tuple(info for info in active if live is None or info.id != live.id),
            going_on=tuple(info.state for info in active),
            ingestion=ingestion.state(engine, moment),
            limit=None if limit is None else limit / 1_000_000,
            holes=ingestion.recorded_holes(engine),
            minutes=ingestion.recent_minutes(engine, moment),
            kind=kind,
        )

    def show(self, data: IngestionData) -> None:
        """Bring everything up to date; the cursor stays on its run."""
        self._data = data
        self._show_summary(data)
        table = self.query_one(RunTable)
        name, kinds = KINDS[data.kind]
        table.set_records(data.runs, empty=NO_SUCH_RUN if kinds else NO_RUNS)
        if self._wanted and table.reveal(self._asked):
            self._wanted = False
        table.border_title = name
        self._show_run()

    @on(LineList.Moved, "RunTable")
    def _show_run(self) -> None:
        info = self.query_one(RunTable).record
        progress = self.query_one(RunProgress)
        progress.idle, progress.info = self.query_one(RunTable).found_nothing or NO_RUN, info
        active = info is not None and info.active
        if self._cancellable != (active or bool(self._active())):
            self._cancellable = not self._cancellable
            self.refresh_bindings()  # rebuilds the footer: only where a key changes
        shown = self.query_one(RunLog).run_info
        if self._settling is not None:
            self._settling.stop()
        if shown is None or info is None or shown.id == info.id:
            self.query_one(RunLog).follow_run(info)
        else:
            self._settling = self.set_timer(SETTLE_SECONDS, lambda: self.query_one(RunLog).follow_run(info))

    def action_kind(self) -> None:
        """Show runs of the next kind."""
        self._kind = (self._kind + 1) % len(KINDS)
        self._wanted = False
        self.app.remember(ingestion_kind=KINDS[self._kind][0])
        self.refresh_data()

    @on(RecordTable.Filtered, "RunTable")
    def _find(self, event: RecordTable.Filtered) -> None:
        """Look among all runs, not only among the newest that are loaded."""
        self._holding = event.table.filter_text
        self.refresh_data()

    def action_coverage(self) -> None:
        """Show all that was observed, and every hole."""
        from tui.screens.coverage import CoverageScreen

        self.app.navigation.open(CoverageScreen)

    def action_start(self) -> None:
        """Ask how to follow the account, and begin."""
        self._ask(follow_form(), "ingest")

    def action_backfill(self) -> None:
        """Ask from when to when, and fetch what was before."""
        covered = self._data.covered if self._data else ()
        self._ask(backfill_form(covered, self.app.zone), "backfill")

    def action_reconcile(self) -> None:
        """Ask how far back, and reconcile."""
        self._ask(reconcile_form(), "reconcile")

    def action_refresh_run(self) -> None:
        """Start a refresh."""
        self.launch("refresh", {}, then=self.run_started)

    def run_started(self, run_id: int) -> None:
        """Put the cursor on a run as soon as it is in the table, where neither kind nor filter hides it."""
        self._asked, self._wanted = run_id, True
        self._kind = 0
        self.call_later(self.refresh_data)  # once there is a table

    def action_cancel(self) -> None:
        """Ask the selected run to stop, or the one that the operator says where the selected one has ended."""
        selected, active = self.query_one(RunTable).record, self._active()
        if selected is not None and selected.active:
            self.cancel_run(selected)
        elif active:
            form = stop_form(list(active.values()))
            self.app.push_screen(form, lambda run_id: None if run_id is None else self.cancel_run(active[run_id]))

    def _active(self) -> dict[int, RunInfo]:
        return {info.id: info for info in (self._data.runs if self._data else ()) if info.active}

    @on(RecordTable.Opened, "RunTable")
    def _open_run(self) -> None:
        info = self.query_one(RunTable).record
        if info is not None:
            self.app.push_screen(TextPage(f"Run {info.id}", run_text(info, self.app.format_time, self.app.now())))

    def action_log(self, action: str) -> None:
        """Hand a key to the log."""
        getattr(self.query_one(RunLog), f"action_{action}")()

    def action_log_match(self, by: int) -> None:
        """Hand n and N to the log."""
        self.query_one(RunLog).action_match(by)

    def can(self, action: str) -> bool | None:
        """What cannot be done now is dimmed."""
        if action == "cancel":
            return True if self._cancellable else None
        return True

    def _ask(self, form: FormScreen, kind: str) -> None:
        if has_token(self.app):
            self.ask_run(form, kind, then=self.run_started)

    def _show_summary(self, data: IngestionData) -> None:
        within = Span(data.minute - DAYS * DAY, data.minute)
        connected = bool(self.app.settings.x_bearer_token)
        self.query_one(IngestState).set_runs(data.live, data.beside, connected=connected)
        self._set_text("#budget-text", _labelled("Budget", budget_text(data, self.app.format_time)))
        self.query_one(CoverageBar).set_spans(data.covered, within)
        self._set_text("#coverage-text", observed_text(data.covered, within, self.app.format_time))
        last = "none yet" if data.last_post is None else age(data.minute - data.last_post)
        self._set_text("#posts-text", f"{'Posts':<10}{data.posts:,} stored · newest {last}")
        self.query_one(MinuteBars).set_counts(data.minutes.start, data.minutes.counts)
        self._set_text("#minutes-text", f"{sum(count or 0 for count in data.minutes.counts):,} in 60 min")
        self._set_text("#open-text", _labelled("To fetch", open_text(data, self.app.format_time)))

    def _set_text(self, selector: str, text: str) -> None:
        widget = self.query_one(selector, Static)
        if widget.content != text:
            widget.update(text)
        widget.display = bool(text)


def run_text(info: RunInfo, format_time: Callable[..., str], now: datetime) -> str:
    """All that is known of a run."""

    def seconds(moment: datetime | None) -> str:
        return format_time(moment, "%Y-%m-%d %H:%M:%S %Z")

    rows = [
        ("Kind", info.kind),
        ("State", info.state),
        ("Now" if info.active else "Outcome", where(info, now)[0]),
        ("Took", took(info, now)),
        ("Queued", seconds(info.created_at)),
        ("Started", seconds(info.started_at)),
        ("Finished", seconds(info.finished_at)),
        ("Heartbeat", seconds(info.heartbeat_at)),
        ("Started by", info.who),
        ("Runs on", f"{info.host}, process {info.pid or '–'}"),
        ("Holds", f"the lease {info.lease}" if info.lease else "no lease"),
    ]
    rows += [(f"· {name}", json.dumps(value)) for name, value in info.parameters.items()]
    rows += [(f"→ {name}", json.dumps(value)) for name, value in (info.result or {}).items()]
    return "\n".join(f"{name:<14} {value}" for name, value in rows)


def budget_text(data: IngestionData, format_time: Callable[..., str]) -> str:
    """Requests left of the endpoint that is nearest its end, the day's spending, and the plan's month; or nothing."""
    ingestion = data.ingestion
    parts = []
    windows = [each for each in ingestion.budgets if _still_counts(each, data.minute)]
    if windows:
        least = min(windows, key=lambda each: each.remaining / max(each.total, 1))
        until = format_time(least.reset_at, "%H:%M")
        parts.append(f"{least.remaining:,}/{least.total:,} requests to {until}")
    if data.limit is not None:
        parts.append(f"${ingestion.dollars_spent:,.2f}/${data.limit:,.2f} today")
    elif data.live is not None or ingestion.dollars_spent:
        parts.append(f"${ingestion.dollars_spent:,.2f} today, no limit")
    month = next((each for each in ingestion.budgets if each.name == MONTH), None)
    if month is not None:
        parts.append(f"month: {_rounded(month.remaining)} left")
    return " · ".join(parts)


def open_text(data: IngestionData, format_time: Callable[..., str]) -> str:
    """What is still to fetch, and what could not be observed; or nothing."""
    parts = []
    left = data.ingestion.open_ranges
    if left:
        start, end = min(each.start for each in left), max(each.end for each in left)
        between = f"{format_time(start, '%Y-%m-%d')} to {format_time(end, '%Y-%m-%d')}"
        parts.append(
            f"{counted(len(left), 'range')} of {'/'.join(sorted({each.purpose for each in left}))}, {between}"
        )
    count, reason = data.holes
    if count:
        parts.append(f"{counted(count, 'recorded hole')}: {printable(reason or '')}")
    return " · ".join(parts)


def observed_text(covered: Sequence[Span], within: Span, format_time: Callable[..., str]) -> str:
    """The holes of the last days in words, and until when was observed."""
    if not covered:
        return "nothing observed yet"
    end = covered[-1].end
    if end <= within.start:
        return f"nothing in {DAYS} days · observed to {format_time(end)}"
    until = f"observed to {format_time(end, '%m-%d %H:%M')}"
    asked = Span(max(within.start, covered[0].start), min(within.end, end))
    whole = within.hours() - asked.hours() < 24
    days = f"{DAYS} days" if whole else f"{asked.hours() / 24:.1f} of {DAYS} days"
    missing = holes(covered, asked)
    if not missing:
        return f"{days}, no holes · {until}"
    hours = sum(hole.hours() for hole in missing)
    return f"{days}, {counted(len(missing), 'hole')} ({hours:,.0f} h) · {until}"


def _still_counts(budget: Budget, moment: datetime) -> bool:
    """Whether a budget is one that posts are fetched with, of a window that is not over."""
    fetches = budget.name != MONTH and not budget.name.startswith(BESIDE)
    return fetches and budget.reset_at is not None and budget.reset_at > moment


def _rounded(number: int) -> str:
    return f"{number / 1_000_000:.1f}M" if number >= 1_000_000 else f"{number:,}"


def _labelled(label: str, text: str) -> str:
    return f"{label:<10}{text}" if text else ""
