"""A long operation as a row: status, progress, log, heartbeat, lease, cancel.

A stage reports to a `Run`. In a database the run is a row that any console on any machine can follow: a recorder
thread writes what the stage reports twice a second, keeps the heartbeat, and watches the cancel flag, so that
reporting costs a stage nothing and never meets its transactions.
"""

from __future__ import annotations

import getpass
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from types import FrameType
from typing import Any, Protocol, Self

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    String,
    bindparam,
    cast,
    delete,
    insert,
    not_,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from musktracker.config import LOG_LEVELS, Settings
from musktracker.db import stored
from musktracker.db.engines import in_turn, is_passing, reading, writing
from musktracker.db.tables import RunLogLine, RunRow
from musktracker.errors import Cancelled, MuskTrackerError
from musktracker.timeline import now

FLUSH_SECONDS = 0.5
HEARTBEAT = timedelta(seconds=5)
STALE = timedelta(seconds=30)  # a run whose heartbeat is older is lost, and its lease free to take
AHEAD = timedelta(minutes=10)  # one that is later than now by more was written by a clock that was set back since
GRACE_SECONDS = 2.0  # from the cancel flag to SIGTERM
ABANDON_SECONDS = 5.0  # from SIGTERM to the end of a process that does not listen
ENDING_SECONDS = 20.0  # that a database which is busy or away is asked again to take how a run ended
ASK_AGAIN_SECONDS = 0.25  # between two of these times
CHECK_SECONDS = 0.1  # between looks at whether a signal came while an ending is written
LAST_SECONDS = 1.0  # that an ending has left once a signal wants the process to end while it is written
ACTIVE = ("queued", "running")


class LeaseHeld(MuskTrackerError):
    """Another run of a kind that must not overlap is going on; `holder` is that run, `name` what it holds."""

    def __init__(self, holder: RunInfo, name: str) -> None:
        started = holder.started_at or holder.created_at
        super().__init__(
            f"{name} is held by run {holder.id}, started by {holder.who} (process {holder.pid} on "
            f"{holder.host}) at {started:%Y-%m-%d %H:%M:%S} UTC",
            f"Wait for it, or cancel it: musktracker runs cancel {holder.id}",
        )
        self.holder = holder


class LeaseLost(MuskTrackerError):
    """This run lost its lease while it stood still; it must write no more."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a run's log."""

    id: int
    time: datetime
    level: str
    message: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run as others see it; `waits_until` is when it goes on, None while it works.

    `lease` is what it holds, several names with spaces between; `reserved` is what it may be spending, see
    musktracker.pipeline.spending; `gone` is whether its process had ended, on this very machine, when this was read:
    one that ends later may well say how.
    """

    id: int
    kind: str
    status: str
    parameters: Mapping[str, Any]
    stage: str | None
    progress: float | None
    message: str | None
    result: Mapping[str, Any] | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    heartbeat_at: datetime | None
    cancel_requested_at: datetime | None
    host: str
    pid: int | None
    who: str
    lease: str | None
    waits_until: datetime | None = None
    reserved: int | None = None
    gone: bool = False

    @property
    def active(self) -> bool:
        """Whether it is queued or running (it may be lost all the same)."""
        return self.status in ACTIVE

    @property
    def lost(self) -> bool:
        """Whether it claims to go on, yet its heart has stopped or its process was gone."""
        return self.active and (self.gone or not beating(self.heartbeat_at or self.created_at, now()))

    @property
    def state(self) -> str:
        """The status as users see it: the stored one, or `lost`."""
        return "lost" if self.lost else self.status


def beating(heartbeat: datetime, moment: datetime) -> bool:
    """Whether a heart that last beat at a time beats at a moment."""
    return -AHEAD <= moment - heartbeat <= STALE


def process_is_gone(host: str, pid: int | None) -> bool:
    """Whether a process was one of this machine, and is none any more; of other machines nothing is known."""
    if pid is None or pid < 1 or host != _host():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


class Listener(Protocol):
    """Who else hears what a run reports, as it does: the command line's standard error, for one."""

    def logged(self, line: LogLine) -> None: ...

    def progressed(self, run: Run) -> None: ...


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
        if fraction is not None:
            self.fraction = min(max(fraction, 0.0), 1.0)
        self.stage = stage or self.stage
        self.message = message if message is not None else self.message
        self.until = until
        self.check()

    def check(self) -> None:
        """Raise Cancelled where someone asked this run to stop. Call it at least once a second."""

    def take_time(self, seconds: float) -> None:
        """Say that it has heard, and needs up to this long to stop in order: until then nobody ends it by force."""


class RecordedRun(Run):
    """A run whose reports become rows, through a thread of its own."""

    def __init__(
        self, engine: Engine, run_id: int, listener: Listener | None, scrub: Callable[[str], str], level: str
    ) -> None:
        super().__init__()
        self.id = run_id
        self._engine = engine
        self._listener = listener
        self._scrub: Callable[[str], str] = lambda text: _storable(scrub(text))
        self._threshold = LOG_LEVELS.index(level)
        self._lock = threading.Lock()
        self._pending: list[LogLine] = []
        self._ended = threading.Event()
        self._cancelled = threading.Event()
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

    def progress(
        self,
        fraction: float | None = None,
        *,
        stage: str | None = None,
        message: str | None = None,
        until: datetime | None = None,
    ) -> None:
        """As in Run, without secrets, and tell the listener."""
        message = message if message is None else self._scrub(message)
        super().progress(fraction, stage=stage, message=message, until=until)
        if self._listener:
            self._listener.progressed(self)

    def check(self) -> None:
        """As in Run."""
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
        values = _ending(status, result, error)
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
                _finish(self._engine, self.id, values)
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
                    connection.execute(insert(RunLogLine), [_line_values(self.id, line) for line in lines])
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
                    ended = _ending("cancelled", error="Ended by force: it did not stop when asked")
                    _finish(self._engine, self.id, ended)
                os._exit(128 + signal.SIGTERM)


def create(engine: Engine, kind: str, parameters: Mapping[str, Any], *, lease: str | None = None) -> int:
    """Queue a run and take its lease; returns its id.

    A lease may be several names with spaces between, of which each is taken. Raises LeaseHeld where a living run
    holds one of them.
    """
    moment = now()
    values = {
        "kind": kind,
        "status": "queued",
        "parameters": json.dumps(dict(parameters), sort_keys=True, default=str),
        "created_at": moment,
        "heartbeat_at": moment,
        "host": _host(),
        "who": whoami(),
        "lease": lease,
    }
    with writing(engine) as connection:
        require_free(connection, lease)
        return int(connection.execute(insert(RunRow).values(values).returning(RunRow.id)).scalar_one())


def require_free(connection: Connection, lease: str | None) -> None:
    """Raise LeaseHeld where a living run holds one of a lease's names; until the transaction ends nobody takes one.

    What a lost run holds is free from now on.
    """
    if lease is None:
        return
    in_turn(connection, "leases")
    wanted, moment = set(lease.split()), now()
    beats = RunRow.heartbeat_at.between(moment - STALE, moment + AHEAD)
    stale = or_(RunRow.heartbeat_at.is_(None), not_(beats))
    for row in connection.execute(select(RunRow.__table__).where(RunRow.lease.is_not(None))).all():
        shared = wanted & set(row.lease.split())
        if not shared:
            continue
        lost = {"status": "failed", "error": _lost_text(row.heartbeat_at), "finished_at": moment, **_ENDED}
        free = true() if process_is_gone(row.host, row.pid) else stale
        if not connection.execute(update(RunRow).where(RunRow.id == row.id, free).values(lost)).rowcount:
            raise LeaseHeld(_info(row), min(shared))


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
    with _Signals() as signals:
        _mark_started(engine, run_id)
        run.start()
        try:
            signals.raise_from_now_on()
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
        run_id = create(engine, kind, parameters, lease=lease)
    with recording(engine, run_id, listener=listener, scrub=scrub, level=level) as run:
        run.result = stage(engine, run, **parameters)
    return run.result


def launch(
    settings: Settings,
    engine: Engine,
    kind: str,
    parameters: Mapping[str, Any],
    *,
    lease: str | None = None,
) -> int:
    """Queue a run and start a detached process for it, which outlives this one and its terminal; returns its id."""
    run_id = create(engine, kind, parameters, lease=lease)
    try:
        worker = _start_worker(settings, run_id)
    except OSError as error:
        _finish(engine, run_id, _ending("failed", error=f"No process could be started for it: {error}"))
        raise
    threading.Thread(target=worker.wait, name=f"reap-{run_id}", daemon=True).start()
    return run_id


def require_lease(connection: Connection, run: Run) -> None:
    """Raise LeaseLost in a transaction of a run that was taken for lost, lest it write beside who took over.

    Nobody can take the lease over before the transaction ends. A run that is no row needs none.
    """
    if run.id is None:
        return
    lease = select(RunRow.lease).where(RunRow.id == run.id).with_for_update(read=True)
    if connection.scalar(lease) is None:
        raise LeaseLost(
            f"Run {run.id} was taken for lost, since it gave no sign of life, and another may have taken over",
            "musktracker runs shows it; what this run stored stays",
        )


def request_cancel(engine: Engine, run_id: int) -> bool:
    """Ask a run to stop; False where it has ended already. A lost run is closed at once."""
    info = get(engine, run_id)
    if not info.active:
        return False
    if info.lost:
        _finish(engine, run_id, _ending("failed", error=_lost_text(info.heartbeat_at)))
        return True
    with writing(engine) as connection:
        connection.execute(
            update(RunRow)
            .where(RunRow.id == run_id, RunRow.cancel_requested_at.is_(None))
            .values(cancel_requested_at=now())
        )
    return True


def get(engine: Engine, run_id: int) -> RunInfo:
    """One run. Raises MuskTrackerError where there is none with this id."""
    with reading(engine) as connection:
        row = connection.execute(select(RunRow.__table__).where(RunRow.id == run_id)).one_or_none()
    if row is None:
        raise MuskTrackerError(f"There is no run {run_id}", "musktracker runs lists them")
    return _seen(row)


def recent(
    engine: Engine,
    *,
    limit: int = 50,
    kinds: Sequence[str] | None = None,
    active: bool | None = None,
    holding: str = "",
) -> list[RunInfo]:
    """The newest runs first; of some kinds only, or active ones only, where asked.

    With words to be `holding`, only runs that have each of them, whatever its case, in their id, kind, status,
    parameters, stage, message, error, host or starter. Active ones hold "lost" too: only time tells.
    """
    query = select(RunRow.__table__).order_by(RunRow.id.desc()).limit(limit)
    if kinds is not None:
        query = query.where(RunRow.kind.in_(kinds))
    if active is not None:
        query = query.where(RunRow.status.in_(ACTIVE) if active else RunRow.status.not_in(ACTIVE))
    for word in dict.fromkeys(holding.lower().split()):
        query = query.where(_holds(word))
    with reading(engine) as connection:
        return [_seen(row) for row in connection.execute(query)]


def _holds(word: str) -> ColumnElement[bool]:
    searched = (RunRow.kind, RunRow.status, RunRow.parameters, RunRow.stage, RunRow.message, RunRow.error)
    columns = (cast(RunRow.id, String), *searched, RunRow.host, RunRow.who)
    found = or_(*(column.icontains(word, autoescape=True) for column in columns))
    return or_(found, RunRow.status.in_(ACTIVE)) if word.lower() in "lost" else found


def log_lines(
    engine: Engine, run_id: int, *, after: int = 0, limit: int = 1000, levels: Sequence[str] | None = None
) -> list[LogLine]:
    """A run's lines after line id `after`, oldest first."""
    query = _NEWER if levels is None else _NEWER.where(RunLogLine.level.in_(levels))
    asked = {"run_id": run_id, "after": after, "limit": limit}
    with reading(engine) as connection:
        return [_line(row) for row in connection.execute(query, asked)]


_NEWER = (  # built once: a console asks for it four times a second
    select(RunLogLine.__table__)
    .where(RunLogLine.run_id == bindparam("run_id"), RunLogLine.id > bindparam("after"))
    .order_by(RunLogLine.id)
    .limit(bindparam("limit"))
)


def last_log_lines(engine: Engine, run_id: int, *, before: int | None = None, limit: int = 1000) -> list[LogLine]:
    """A run's newest lines (of those before line id `before`, where given), oldest of them first."""
    query = select(RunLogLine.__table__).where(RunLogLine.run_id == run_id)
    if before is not None:
        query = query.where(RunLogLine.id < before)
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(RunLogLine.id.desc()).limit(limit)).all()
    return [_line(row) for row in reversed(rows)]


def prune(engine: Engine, *, before: datetime) -> int:
    """Delete ended runs that finished before a time, with their logs; returns how many."""
    with writing(engine) as connection:
        return connection.execute(
            delete(RunRow).where(RunRow.finished_at < before, RunRow.status.not_in(ACTIVE))
        ).rowcount


def prune_lines(engine: Engine, *, before: datetime, levels: Sequence[str]) -> int:
    """Delete log lines of some levels from before a time, also of runs that go on; returns how many."""
    with writing(engine) as connection:
        return connection.execute(
            delete(RunLogLine).where(RunLogLine.time < before, RunLogLine.level.in_(levels))
        ).rowcount


def whoami() -> str:
    """Who acts, as the change logs show it: user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"[:255]


def describe(failure: BaseException) -> str:
    """An error in one line, for a row or a terminal."""
    if isinstance(failure, MuskTrackerError):
        return str(failure)
    reason = str(getattr(failure, "orig", None) or failure)
    return " ".join(f"{type(failure).__name__}: {reason}".split())


def _start_worker(settings: Settings, run_id: int) -> subprocess.Popen[bytes]:
    settings.log_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = os.open(settings.log_dir / "workers.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "musktracker.cli.main", "work", str(run_id)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=settings.data_dir,
            env={**os.environ, **settings.environment()},
        )
    finally:
        os.close(log)


def _mark_started(engine: Engine, run_id: int) -> None:
    moment = now()
    with writing(engine) as connection:
        started = connection.execute(
            update(RunRow)
            .where(RunRow.id == run_id, RunRow.status == "queued")
            .values(
                status="running",
                started_at=moment,
                heartbeat_at=moment,
                pid=os.getpid(),
                host=_host(),
            )
        ).rowcount
    if not started:
        raise MuskTrackerError(f"Run {run_id} is not queued, so it cannot be started")


def _ending(status: str, result: Mapping[str, Any] | None = None, error: str | None = None) -> dict[str, Any]:
    """The columns of a run that has ended so, now."""
    moment = now()
    values: dict[str, Any] = {"status": status, "finished_at": moment, "heartbeat_at": moment, **_ENDED}
    if result is not None:
        values["result"] = json.dumps(dict(result), sort_keys=True, default=str)
    if error is not None:
        values["error"] = _storable(error)
    return values


def _finish(engine: Engine, run_id: int | None, ending: Mapping[str, Any]) -> None:
    with writing(engine) as connection:
        connection.execute(update(RunRow).where(RunRow.id == run_id, RunRow.status.in_(ACTIVE)).values(**ending))


_ENDED = {"lease": None, "waits_until": None, "reserved": None}  # of every run that goes on no more


def _host() -> str:
    return socket.gethostname()[:255]


def _lost_text(beat: datetime | None) -> str:
    last = f"{beat:%Y-%m-%d %H:%M:%S} UTC" if beat else "its start"
    return f"Lost: no sign of life since {last}; its process or machine ended"


class _Signals:
    """SIGTERM and SIGHUP, which raise Cancelled while the stage runs, and wait while its row begins or ends."""

    def __init__(self) -> None:
        self._raises = False
        self._kept: int | None = None
        self._again: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._meet) for number in (signal.SIGTERM, signal.SIGHUP)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def raise_from_now_on(self) -> None:
        """A signal raises Cancelled, as does one that was kept."""
        self._raises = True
        if self._kept is not None:
            self._meet(self._kept, None)

    def keep_from_now_on(self) -> None:
        """A signal is kept, an interrupt too: a second one must not cut off the ending either."""
        self._raises, self._again = False, None
        if self._before and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            self._before.setdefault(signal.SIGINT, signal.signal(signal.SIGINT, self._meet))

    def wait_for(self, ending: threading.Thread) -> None:
        """Wait for an ending to be written; SIGTERM or an interrupt leaves it a moment, then ends the process."""
        while ending.is_alive() and self._again is None:
            ending.join(CHECK_SECONDS)
        if self._again is not None:
            ending.join(LAST_SECONDS)
        if ending.is_alive() and self._again is not None:
            signal.signal(self._again, signal.SIG_DFL)
            os.kill(os.getpid(), self._again)

    def _meet(self, number: int, _frame: FrameType | None) -> None:
        self._kept = number
        if number != signal.SIGHUP:  # of which a terminal that goes may send several
            self._again = number
        if self._raises:
            self._raises = False  # one is enough: a second must not cut off the ending
            raise Cancelled(f"Ended by {signal.Signals(number).name}", signal=number)


def _storable(text: str) -> str:
    """Text that both databases take: without NUL, and without the halves of characters that names of files hold."""
    return text.replace("\x00", "�").encode("utf-8", "replace").decode("utf-8")


def _line_values(run_id: int | None, line: LogLine) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "time": line.time,
        "level": line.level,
        "message": line.message,
        "fields": json.dumps(line.fields, default=str) if line.fields else None,
    }


def _line(row: Row[Any]) -> LogLine:
    return LogLine(row.id, row.time, row.level, row.message, stored.mapping(row.fields))


def _seen(row: Row[Any]) -> RunInfo:
    info = _info(row)
    return replace(info, gone=True) if info.active and process_is_gone(info.host, info.pid) else info


@lru_cache(maxsize=256)  # lists are read again and again, and runs that have ended do not change
def _info(row: Row[Any]) -> RunInfo:
    values = {name: _as_text(value) for name, value in row._mapping.items()}
    values["parameters"] = stored.mapping(row.parameters)
    values["result"] = stored.mapping(row.result) if row.result else None
    return RunInfo(**values)


def _as_text(value: Any) -> Any:
    """A value of a column; where other programs wrote bytes into one for text, SQLite gives bytes back."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
