"""How ingestion stands, in one line: following, waiting, backing off, stopped or lost, and what goes on beside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text
from textual.geometry import Region
from textual.timer import Timer
from textual.widget import Widget

from musktracker.text import printable
from tui.widgets.run_progress import STATES, duration, waits_until, where

if TYPE_CHECKING:
    from musktracker.run_info import RunInfo
    from tui.app import Console

LABEL = 10
WORKING = {"ingest": "fetching what is new", "backfill": "fetching what was before", "reconcile": "reconciling"}


class IngestState(Widget):
    """One line on a run that talks to the API, and on those beside it; while one waits, seconds are counted down."""

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
        self._beside: Sequence[RunInfo] = ()
        self._connected = False
        self._painted = Text()
        self._timer: Timer | None = None

    def on_mount(self) -> None:
        self._timer = self.set_interval(1.0, self._tick, pause=True)

    def set_runs(self, info: RunInfo | None, beside: Sequence[RunInfo] = (), *, connected: bool) -> None:
        """Show a run, None where there was none, and those that go on beside it.

        `connected` is whether there is a token to begin with.
        """
        self._info, self._beside, self._connected = info, beside, connected
        self._update()
        if self._timer is not None:
            (self._timer.resume if self._waits() else self._timer.pause)()

    def render(self) -> Text:
        """The line."""
        self._painted = self._line()
        return self._painted

    def _line(self) -> Text:
        now = self.app.now()
        mark, word, rest, tone = ingest_words(
            self._info, now, connected=self._connected, format_time=self.app.format_time
        )
        line = Text(no_wrap=True, overflow="ellipsis", end="")
        parts = [("X API".ljust(LABEL), "dim"), (f"{mark} {word}", tone)]
        for info in self._beside:
            words, style = beside_words(info, now)
            parts += [(" · ", "dim"), (words, style)]
        for text, style in (*parts, (f" · {rest}" if rest else "", "dim")):
            line.append(printable(text), self.get_component_rich_style(f"ingest-state--{style}"))
        line.truncate(max(self.size.width, 1), overflow="ellipsis")
        return line

    def _update(self) -> None:
        line, painted = self._line(), self._painted
        if line.spans != painted.spans or len(line) != len(painted):
            self.refresh()
        elif line.plain != painted.plain:  # the same words but for some figures, which alone are painted
            differ = [i for i, (new, old) in enumerate(zip(line.plain, painted.plain, strict=True)) if new != old]
            begin = cell_len(line.plain[: differ[0]])
            self.refresh(Region(begin, 0, cell_len(line.plain[: differ[-1] + 1]) - begin, 1))

    def _tick(self) -> None:
        if self.screen.is_current:
            self._update()
            if self._timer is not None and not self._waits():
                self._timer.pause()

    def _waits(self) -> bool:
        now = self.app.now()
        return any(info is not None and waits_until(info, now) for info in (self._info, *self._beside))


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
        return "◔", f"{info.stage}, {duration(until - now)} left", info.message or "", "warning"
    if info.kind == "ingest" and info.parameters.get("follow"):
        since = format_time(info.started_at or info.created_at, "%m-%d %H:%M")
        return mark, "following", f"since {since} · run {info.id} by {info.who}", "good"
    percent = "" if info.progress is None else f"{info.progress:.0%} · "
    return mark, WORKING.get(info.kind, info.kind), f"{percent}run {info.id} by {info.who}", tone


def beside_words(info: RunInfo, now: datetime) -> tuple[str, str]:
    """A run that goes on beside another, with how far it is; and the tone."""
    until = waits_until(info, now)
    if info.lost:
        return f"{info.kind} lost", "bad"
    if info.cancel_requested_at is not None:
        return f"{info.kind} stopping", "warning"
    if until is not None:
        return f"{info.kind} ◔ {duration(until - now)}", "warning"
    if info.status == "queued":
        return f"{info.kind} starting", "accent"
    return info.kind if info.progress is None else f"{info.kind} {info.progress:.0%}", "accent"


def _ended(info: RunInfo, mark: str, tone: str, format_time: Callable[..., str]) -> tuple[str, str, str, str]:
    when = format_time(info.finished_at, "%m-%d %H:%M") if info.finished_at else ""
    if info.status == "failed":
        return mark, "stopped", f"{info.kind} failed at {when}: {info.error or 'no reason was recorded'}", tone
    return "■", "stopped", f"{info.kind} #{info.id} {info.status} at {when} · a follows", "dim"
