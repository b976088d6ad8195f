"""Where a run stands: state, bar, stage and message, time taken and time left."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rich.text import Text
from textual.reactive import reactive
from textual.timer import Timer
from textual.widget import Widget

from musktracker.text import printable
from tui.widgets.marks import Marks

if TYPE_CHECKING:
    from musktracker.run_info import RunInfo
    from tui.app import Console

STATES = Marks(
    {
        "queued": ("○", "dim"),
        "running": ("●", "accent"),
        "succeeded": ("✓", "good"),
        "failed": ("✗", "bad"),
        "cancelled": ("■", "warning"),
        "lost": ("?", "bad"),
    }
)
LOST_SECONDS = 60  # between two looks at a run that was lost: how long ago is all that it has to tell
LEAST_PROGRESS = 0.02  # before it, a time left would be a guess
TOLD = " to go"  # how a message ends that tells the time left, by what the run knows of its work
FULL, EMPTY = "━", "─"


class RunProgress(Widget):
    """Two lines on one run; give it `info`, again whenever it changed. Without one it says `idle`.

    A place that is higher, such as one of the class `-failed`, has room for all of why it failed.
    """

    app: Console
    COMPONENT_CLASSES = {f"run-progress--{name}" for name in ("dim", "accent", "good", "bad", "warning")}  # noqa: RUF012
    DEFAULT_CSS = """
    RunProgress {
        height: 2;
        & > .run-progress--dim { color: $text-muted; }
        & > .run-progress--accent { color: $primary; }
        & > .run-progress--good { color: $success; }
        & > .run-progress--bad { color: $error; }
        & > .run-progress--warning { color: $warning; }
    }
    """

    info: reactive[RunInfo | None] = reactive(None, layout=False)
    idle: reactive[str] = reactive("", layout=False)

    def __init__(
        self, *, idle: str = "Nothing is running", id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.set_reactive(RunProgress.idle, idle)
        self._timer: Timer | None = None
        self._lost_ticks = 0

    def on_mount(self) -> None:
        self._timer = self.set_interval(1.0, self._tick, pause=not self._live())

    def watch_info(self) -> None:
        """A run that goes on has a clock that ticks."""
        self.set_class(self.info is not None and self.info.status == "failed", "-failed")
        if self._timer is not None:
            (self._timer.resume if self._live() else self._timer.pause)()

    def render(self) -> Text:
        """The two lines."""
        info, width = self.info, self.size.width
        if info is None:
            return self._line((self.idle, "dim"))
        mark, colour = STATES[info.state]
        lines = Text(no_wrap=self.size.height <= 2, overflow="ellipsis", end="")
        lines.append_text(self._line((f"{mark} {info.state:<9} ", colour), (f"{info.kind} #{info.id} ", "")))
        lines.append_text(self._bar(info, colour, width - lines.cell_len - 2))
        lines.append("\n")
        text, tone = where(info, self.app.now())
        lines.append_text(self._line((printable(text), tone)))
        return lines

    def _bar(self, info: RunInfo, colour: str, width: int) -> Text:
        times = took(info, self.app.now())
        done = None if info.progress is None else min(1.0, max(0.0, info.progress))
        percent = f" {done:4.0%}" if done is not None else ""
        cells = min(width - len(times) - len(percent) - 2, 40)
        if cells < 5 or done is None:
            return self._line((f"{percent}  {times}", "dim"))
        full = round(cells * done)
        return self._line(
            (FULL * full, colour), (EMPTY * (cells - full), "dim"), (percent, ""), (f"  {times}", "dim")
        )

    def _line(self, *parts: tuple[str, str]) -> Text:
        text = Text(no_wrap=True, overflow="ellipsis", end="")
        for part, tone in parts:
            text.append(part, self.get_component_rich_style(f"run-progress--{tone}") if tone else "")
        return text

    def _live(self) -> bool:
        return self.info is not None and self.info.active

    def _tick(self) -> None:
        lost = self.info is not None and self.info.lost
        self._lost_ticks = self._lost_ticks + 1 if lost else 0
        if self.screen.is_current and (not lost or self._lost_ticks % LOST_SECONDS == 1):
            self.refresh()


def took(info: RunInfo, now: datetime) -> str:
    """How long a run took, or has taken and will take."""
    if info.started_at is None:
        return ""
    elapsed = (info.finished_at or now) - info.started_at
    told = info.message is not None and info.message.endswith(TOLD)
    if told or not info.active or info.lost or not info.progress or not LEAST_PROGRESS <= info.progress < 1:
        return duration(elapsed)
    return f"{duration(elapsed)}, {duration(elapsed * (1 / info.progress - 1))} left"


def where(info: RunInfo, now: datetime) -> tuple[str, str]:
    """What a run does, or how it ended, in words; and in which tone."""
    if info.lost:
        beat = info.heartbeat_at or info.created_at
        place = f"process {info.pid} on {info.host}" if info.pid else info.host
        return f"No sign of life for {duration(now - beat)} from {place}; cancelling closes it", "bad"
    if info.active and info.cancel_requested_at is not None:
        return "Asked to stop", "warning"
    if info.error:
        return info.error, "bad" if info.status == "failed" else "warning"
    if info.status == "queued":
        return "Waiting for its process to start", "dim"
    until = waits_until(info, now)
    left = None if until is None else f"{duration(until - now)} left"
    return " · ".join(filter(None, (info.stage, left, info.message))) or "", "dim"


def waits_until(info: RunInfo, now: datetime) -> datetime | None:
    """When a run goes on that waits; None where it works, or should by now."""
    until = info.waits_until if info.active and not info.lost else None
    return until if until is not None and until > now else None


def duration(length: timedelta) -> str:
    """A length of time as people say it: 45 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    seconds = max(round(length.total_seconds()), 0)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 600:
        return _both(seconds // 60, "min", seconds % 60, "s")
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 86400:
        return _both(seconds // 3600, "h", seconds % 3600 // 60, "min")
    return _both(seconds // 86400, "d", seconds % 86400 // 3600, "h")


def _both(large: int, unit: str, small: int, smaller_unit: str) -> str:
    return f"{large} {unit} {small} {smaller_unit}" if small else f"{large} {unit}"
