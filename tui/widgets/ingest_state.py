"""How ingestion from the X API stands, in one line: following, waiting, backing off, stopped or lost."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rich.text import Text
from textual.timer import Timer
from textual.widget import Widget

from musktracker.text import printable
from musktracker.timeline import utc
from tui.widgets.run_progress import STATES, duration, where

if TYPE_CHECKING:
    from musktracker.runs import RunInfo
    from tui.app import Console

LABEL = 10
MOMENT = re.compile(r"[,;]?\s*(?:waiting until|until|Trying again at|trying again at) (\d{4}-\d\d-\d\dT\S+?Z)")
COUNTING_DOWN = {"waiting": "waiting", "backing off": "backing off", "pacing": "pacing"}
WORKING = {"ingest": "fetching what is new", "backfill": "fetching what was before", "reconcile": "reconciling"}


class IngestState(Widget):
    """One line on the newest run that talks to the API; while it waits, the seconds until it goes on are counted."""

    app: Console
    COMPONENT_CLASSES = {f"ingest-state--{name}" for name in ("dim", "accent", "good", "bad", "warning")}  # noqa: RUF012
    DEFAULT_CSS = """
    IngestState {
        height: 1;
        & > .ingest-state--dim { color: $text-muted; }
        & > .ingest-state--accent { color: $primary; }
        & > .ingest-state--good { color: $success; }
        & > .ingest-state--bad { color: $error; }
        & > .ingest-state--warning { color: $warning; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._info: RunInfo | None = None
        self._connected = False
        self._painted = Text()
        self._timer: Timer | None = None

    def on_mount(self) -> None:
        self._timer = self.set_interval(1.0, self._tick, pause=True)

    def set_run(self, info: RunInfo | None, *, connected: bool) -> None:
        """Show the newest run, None where there was none; `connected` is whether there is a token to begin with."""
        self._info, self._connected = info, connected
        self._update()
        if self._timer is not None:
            waits = info is not None and waits_until(info, self.app.now()) is not None
            (self._timer.resume if waits else self._timer.pause)()

    def render(self) -> Text:
        """The line."""
        self._painted = self._line()
        return self._painted

    def _line(self) -> Text:
        mark, word, rest, tone = ingest_words(
            self._info, self.app.now(), connected=self._connected, format_time=self.app.format_time
        )
        line = Text(no_wrap=True, overflow="ellipsis", end="")
        parts = (("X API".ljust(LABEL), "dim"), (f"{mark} {word}", tone), (f" · {rest}" if rest else "", "dim"))
        for text, style in parts:
            line.append(printable(text), self.get_component_rich_style(f"ingest-state--{style}"))
        line.truncate(max(self.size.width, 1), overflow="ellipsis")
        return line

    def _update(self) -> None:
        line = self._line()
        if (line.plain, line.spans) != (self._painted.plain, self._painted.spans):
            self.refresh()

    def _tick(self) -> None:
        if self.screen.is_current:
            self._update()
            if self._timer is not None and (self._info is None or waits_until(self._info, self.app.now()) is None):
                self._timer.pause()


def ingest_words(
    info: RunInfo | None, now: datetime, *, connected: bool, format_time: Callable[..., str]
) -> tuple[str, str, str, str]:
    """A mark, the state in a word or two, what more there is to say, and the tone of the state."""
    if info is None:
        words = "a starts following" if connected else "X_BEARER_TOKEN is not set: a says how"
        return "○", "not started" if connected else "not connected", words, "dim"
    mark, tone = STATES[info.state]
    if info.lost:
        return mark, "lost", where(info, now)[0], tone
    if not info.active:
        return _ended(info, mark, tone, format_time)
    if info.status == "queued" or info.cancel_requested_at is not None:
        word = "starting" if info.cancel_requested_at is None else "stopping"
        return mark, word, f"{info.kind} #{info.id}", "warning" if word == "stopping" else tone
    until = waits_until(info, now)
    if until is not None:
        reason = MOMENT.sub("", info.message or "")
        return "◔", f"{info.stage}, {duration(until - now)} left", reason.strip(" ;,"), "warning"
    if info.kind == "ingest" and info.parameters.get("follow"):
        since = format_time(info.started_at or info.created_at, "%m-%d %H:%M")
        return mark, "following", f"since {since} · run {info.id} by {info.who}", "good"
    percent = "" if info.progress is None else f"{info.progress:.0%} · "
    return mark, WORKING.get(info.kind, info.kind), f"{percent}run {info.id} by {info.who}", tone


def waits_until(info: RunInfo, now: datetime) -> datetime | None:
    """Until when a run waits, as it said; None where it works, or should by now."""
    if not info.active or info.lost or info.stage not in COUNTING_DOWN:
        return None
    found = MOMENT.search(info.message or "")
    if found is None:
        return None
    try:
        until = utc(datetime.fromisoformat(found[1]))
    except ValueError:
        return None
    return until if until - now > timedelta() else None


def _ended(info: RunInfo, mark: str, tone: str, format_time: Callable[..., str]) -> tuple[str, str, str, str]:
    when = format_time(info.finished_at, "%m-%d %H:%M") if info.finished_at else ""
    if info.status == "failed":
        return mark, "stopped", f"{info.kind} failed at {when}: {info.error or 'no reason was recorded'}", tone
    return "■", "stopped", f"{info.kind} #{info.id} {info.status} at {when} · a follows", "dim"
