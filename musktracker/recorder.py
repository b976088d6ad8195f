"""A run carried out in this process: what it reports, and how it ends, become rows.

A thread writes what the stage reports twice a second, keeps the heartbeat, and watches the cancel flag, so that
reporting costs a stage nothing and never meets its transactions.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, select, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from musktracker import runs
from musktracker.config import LOG_LEVELS
from musktracker.db.engines import is_passing, reading, writing
from musktracker.db.tables import RunRow
from musktracker.errors import Cancelled, MuskTrackerError, describe
from musktracker.reporting import Listener, Progress, Run
from musktracker.run_log import LogLine, write_lines
from musktracker.stop_signals import StopSignals
from musktracker.text import storable
from musktracker.timeline import now

FLUSH_SECONDS = 0.5
HEARTBEAT = timedelta(seconds=5)
GRACE_SECONDS = 2.0  # from the cancel flag to SIGTERM
ABANDON_SECONDS = 5.0  # from SIGTERM to the end of a process that does not listen
ENDING_SECONDS = 20.0  # that a database which is busy or away is asked again to take how a run ended
ASK_AGAIN_SECONDS = 0.25  # between two of these times


def execute(
    engine: Engine,
    kind: str,
    stage: Callable[..., Mapping[str, Any]],
    parameters: Mapping[str, Any],
    *,
    lease: str | None = None,
    run_id: int | None = None,
    listener: Listener | None = None,
    scrub: Callable[[str], str] = str,
    level: str = "info",
) -> Mapping[str, Any]:
    """Run `stage(engine, run, **parameters)` here and now, as a new run or a queued one; returns its result."""
    if run_id is None:
        run_id = runs.create(engine, kind, parameters, lease=lease)
    with recording(engine, run_id, listener=listener, scrub=scrub, level=level) as run:
        run.result = stage(engine, run, **parameters)
    return run.result


@contextmanager
def recording(
    engine: Engine,
    run_id: int,
    *,
    listener: Listener | None = None,
    scrub: Callable[[str], str] = str,
    level: str = "info",
) -> Iterator[RecordedRun]:
    """Carry out a queued run in this process; its row ends as succeeded, failed or cancelled.

    SIGTERM and SIGHUP end the run as cancelled where this is the main thread. What the work came to is what the
    caller gets, also where it cannot be written: a database that is busy or away is asked for a while, then given up.
    SIGTERM or an interrupt that comes meanwhile leaves it a moment, then ends the process.
    """
    run = RecordedRun(engine, run_id, listener, scrub, level)
    with StopSignals() as signals:
        run.signals = signals
        runs.mark_started(engine, run_id)
        run.start()
        try:
            signals.raise_from_now_on()
            with signals.seen():
                yield run
            signals.keep_from_now_on()
        except (Cancelled, KeyboardInterrupt) as reason:
            signals.keep_from_now_on()
            text = str(reason) or "Interrupted"
            run.end_with("warning", text)
            run.end("cancelled", signals.wait_for, error=text)
            raise
        except BaseException as failure:
            signals.keep_from_now_on()
            text = scrub(describe(failure))
            run.end_with("error", text)
            code = {"exit_code": failure.exit_code} if isinstance(failure, MuskTrackerError) else None
            run.end("failed", signals.wait_for, error=text, result=code)
            raise
        run.conclude()
        run.end("succeeded", signals.wait_for, result=run.result)


class RecordedRun(Run):
    """A run whose reports become rows, through a thread of its own."""

    def __init__(
        self, engine: Engine, run_id: int, listener: Listener | None, scrub: Callable[[str], str], level: str
    ) -> None:
        super().__init__()
        self.id = run_id
        self._engine = engine
        self._listener = listener
        self._scrub: Callable[[str], str] = lambda text: storable(scrub(text))
        self._threshold = LOG_LEVELS.index(level)
        self._lock = threading.Lock()
        self._pending: list[LogLine] = []
        self._ended = threading.Event()
        self._cancelled = threading.Event()
        self.signals: StopSignals | None = None
        self._beaten = time.monotonic()  # clocks are set back
        self._written: tuple[Any, ...] = ()
        self._told: str | None = None
        self._allowance = 0.0
        self._unwritten: SQLAlchemyError | None = None
        self._thread = threading.Thread(target=self._record, name=f"run-{run_id}", daemon=True)

    def log(self, level: str, message: str, **fields: Any) -> None:
        """Queue a line for the recorder; secrets are removed first."""
        line = self._queue(level, message, fields)
        if line and level == "info":
            self._told = line.message
        if line and self._listener:
            self._listener.logged(line)

    def end_with(self, level: str, message: str) -> None:
        """The last line; the listener meets what it tells as an exception."""
        self._queue(level, message, {})

    def advance(self, to: Progress) -> None:
        """As in Run, without secrets, and tell the listener."""
        super().advance(to if to.message is None else to._replace(message=self._scrub(to.message)))
        if self._listener:
            self._listener.progressed(self)

    def check(self) -> None:
        """As in Run."""
        if self.signals is not None:
            self.signals.check()
        if self._cancelled.is_set():
            raise Cancelled("Cancelled on request")

    def take_time(self, seconds: float) -> None:
        """As in Run."""
        self._allowance = seconds

    def start(self) -> None:
        """Begin to record."""
        self._thread.start()

    def conclude(self) -> None:
        """What it did last stands where its progress stood."""
        self.fraction, self.stage, self.message = 1.0, None, self._told or self.message
        self.until = None

    def end(
        self,
        status: str,
        wait: Callable[[threading.Thread], None],
        *,
        result: Mapping[str, Any] | None = None,
        error: str | None = None,
    ) -> None:
        """End the recording: all that was reported and how it ended are written when this returns.

        `wait` waits for the thread that writes them. Where the database does not take them in time, a warning says
        so, and nothing is raised: how the work went is for whoever called it.
        """
        values = runs.ending(status, result, error)
        writer = threading.Thread(target=self._write_end, args=(values,), name=f"end-{self.id}", daemon=True)
        self._ended.set()
        writer.start()
        wait(writer)
        if self._unwritten is not None:
            self.warning(
                f"How run {self.id} ended ({status}) could not be written, so it will be shown as lost: "
                f"{describe(self._unwritten)}"
            )

    def _queue(self, level: str, message: str, fields: Mapping[str, Any]) -> LogLine | None:
        if LOG_LEVELS.index(level) < self._threshold:
            return None
        safe = {name: self._scrub(value) if isinstance(value, str) else value for name, value in fields.items()}
        line = LogLine(0, now(), level, self._scrub(message), safe)
        with self._lock:
            self._pending.append(line)
        return line

    def _record(self) -> None:
        while not self._ended.wait(FLUSH_SECONDS):
            with suppress(DBAPIError):  # busy or away for a moment: the next turn writes it
                self._flush()
                self._watch()

    def _write_end(self, values: Mapping[str, Any]) -> None:
        deadline = time.monotonic() + ENDING_SECONDS
        self._thread.join()
        while True:
            try:
                self._flush()
                runs.finish(self._engine, self.id, values)
                return
            except SQLAlchemyError as error:
                if not is_passing(error) or time.monotonic() >= deadline:
                    self._unwritten = error
                    return
            time.sleep(ASK_AGAIN_SECONDS)

    def _flush(self) -> None:
        with self._lock:
            lines, self._pending = self._pending, []
        state = (self.fraction, self.stage, self.message, self.until)
        beat = time.monotonic()
        if not lines and state == self._written and beat - self._beaten < HEARTBEAT.total_seconds():
            return
        try:
            with writing(self._engine) as connection:
                if lines:
                    write_lines(connection, self.id, lines)
                values = dict(zip(("progress", "stage", "message", "waits_until"), state, strict=True))
                connection.execute(update(RunRow).where(RunRow.id == self.id).values(**values, heartbeat_at=now()))
        except DBAPIError as error:
            if is_passing(error):
                with self._lock:
                    self._pending[:0] = lines
            raise
        self._written, self._beaten = state, beat

    def _watch(self) -> None:
        if self._cancelled.is_set():
            return
        with reading(self._engine) as connection:
            asked = connection.scalar(select(RunRow.cancel_requested_at).where(RunRow.id == self.id))
        if asked is not None:
            self._cancelled.set()
            threading.Thread(target=self._insist, daemon=True).start()

    def _insist(self) -> None:
        if not self._ended.wait(GRACE_SECONDS) and not self._ended.wait(self._allowance):
            os.kill(os.getpid(), signal.SIGTERM)
            if not self._ended.wait(ABANDON_SECONDS):
                with suppress(DBAPIError):  # its row is that of a lost run then
                    ended = runs.ending("cancelled", error="Ended by force: it did not stop when asked")
                    runs.finish(self._engine, self.id, ended)
                os._exit(128 + signal.SIGTERM)
