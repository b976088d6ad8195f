"""What a stage reports to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from musktracker.run_log import LogLine
from musktracker.timeline import now


class Listener(Protocol):
    """Who else hears what a run reports, as it does: the command line's standard error, for one."""

    def logged(self, line: LogLine) -> None: ...

    def progressed(self, run: Run) -> None: ...


class Progress(NamedTuple):
    """What a run says of itself, as `Run.progress` is told it."""

    fraction: float | None
    stage: str | None
    message: str | None
    until: datetime | None


class Run:
    """What a stage reports to. This one only remembers: for tests, and for use as a library."""

    def __init__(self) -> None:
        self.id: int | None = None
        self.stage: str | None = None
        self.fraction: float | None = None
        self.message: str | None = None
        self.until: datetime | None = None
        self.lines: list[LogLine] = []
        self.result: Mapping[str, Any] = {}

    def log(self, level: str, message: str, **fields: Any) -> None:
        """Add a line to the log; `level` is one of debug, info, warning, error; `fields` are JSON values."""
        self.lines.append(LogLine(len(self.lines) + 1, now(), level, message, fields))

    def debug(self, message: str, **fields: Any) -> None:
        """Log what only a developer wants to know."""
        self.log("debug", message, **fields)

    def info(self, message: str, **fields: Any) -> None:
        """Log what happened."""
        self.log("info", message, **fields)

    def warning(self, message: str, **fields: Any) -> None:
        """Log what the user should look at."""
        self.log("warning", message, **fields)

    def error(self, message: str, **fields: Any) -> None:
        """Log what went wrong."""
        self.log("error", message, **fields)

    def progress(
        self,
        fraction: float | None = None,
        *,
        stage: str | None = None,
        message: str | None = None,
        until: datetime | None = None,
    ) -> None:
        """Say how far it is (0..1), in which stage, doing what; then `check`. Cheap enough for a tight loop.

        `until` is when it goes on, where it waits; whoever reports without it works.
        """
        self.advance(Progress(fraction, stage, message, until))

    def advance(self, to: Progress) -> None:
        """Take in what `progress` is told; a run of another kind does so in its own way."""
        if to.fraction is not None:
            self.fraction = min(max(to.fraction, 0.0), 1.0)
        self.stage = to.stage or self.stage
        self.message = to.message if to.message is not None else self.message
        self.until = to.until
        self.check()

    def check(self) -> None:
        """Raise Cancelled where someone asked this run to stop. Call it at least once a second."""

    def take_time(self, seconds: float) -> None:
        """Say that it has heard, and needs up to this long to stop in order: until then nobody ends it by force."""
