"""A run is a row: it reports, is followed, cancelled, and its lease keeps others out."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, update
from sqlalchemy.exc import OperationalError, ProgrammingError, StatementError

from musktracker import launching, leases, recorder, run_log, runs, stop_signals
from musktracker.config import Settings
from musktracker.db import engines
from musktracker.db.engines import writing
from musktracker.db.tables import RunRow
from musktracker.errors import Cancelled, DataError
from musktracker.machine import whoami
from musktracker.pipeline.outages import through_outages
from musktracker.reporting import Run
from musktracker.run_info import STALE
from musktracker.run_log import LogLine
from musktracker.timeline import now


def counting(engine: Engine, run: Run, n: int) -> dict[str, int]:
    for i in range(n):
        run.progress(i / n, stage="count", message=f"{i} of {n}")
        run.info("counted", i=i)
    return {"n": n}


def failing(engine: Engine, run: Run) -> dict[str, int]:
    raise DataError("There are no posts", "Import some")


def heart_stopped(engine: Engine, run_id: int) -> None:
    with writing(engine) as connection:
        connection.execute(update(RunRow).where(RunRow.id == run_id).values(heartbeat_at=now() - 2 * STALE))


def test_a_run_leaves_its_result_and_its_log(engine: Engine) -> None:
    assert recorder.execute(engine, "refresh", counting, {"n": 3}) == {"n": 3}
    [info] = runs.recent(engine)
    assert (info.status, info.progress, info.message, info.result) == ("succeeded", 1.0, "counted", {"n": 3})
    assert [line.fields["i"] for line in run_log.lines_after(engine, info.id)] == [0, 1, 2]


def test_a_failed_run_says_why_and_frees_its_lease(engine: Engine) -> None:
    with pytest.raises(DataError):
        recorder.execute(engine, "train", failing, {}, lease="train:x")
    [info] = runs.recent(engine)
    assert (info.status, info.error, info.lease) == ("failed", "There are no posts. Import some", None)
    assert info.result == {"exit_code": 3}
    assert run_log.lines_after(engine, info.id)[-1].level == "error"


def test_secrets_never_reach_a_row(engine: Engine, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url="postgresql://me:hunter2@host/db", x_bearer_token="AAAtoken")

    def careless(engine: Engine, run: Run) -> dict[str, int]:
        run.progress(0.1, message="calling with AAAtoken")
        run.info("connecting", url="postgresql://me:hunter2@host/db")
        raise RuntimeError("could not reach postgresql://me:hunter2@host/db with AAAtoken")

    with pytest.raises(RuntimeError):
        recorder.execute(engine, "train", careless, {}, scrub=settings.scrub)
    [info] = runs.recent(engine)
    stored = f"{info} {run_log.lines_after(engine, info.id)}"
    assert "hunter2" not in stored
    assert "AAAtoken" not in stored


def test_text_that_no_database_takes_is_stored_all_the_same(engine: Engine) -> None:
    def strange(engine: Engine, run: Run) -> dict[str, int]:
        run.progress(0.5, message="reading a\x00b\udcff.csv")
        run.warning("a\x00b\udcff.csv", file="\udcff")
        raise RuntimeError("not \udcff")

    with pytest.raises(RuntimeError):
        recorder.execute(engine, "import", strange, {}, lease="import")
    [info] = runs.recent(engine)
    assert (info.status, info.lease, info.error) == ("failed", None, "RuntimeError: not ?")
    assert info.message == "reading a�b?.csv"
    assert [line.message for line in run_log.lines_after(engine, info.id)] == ["a�b?.csv", "RuntimeError: not ?"]


def test_a_second_interrupt_does_not_cut_off_the_ending(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def impatient(self: recorder.RecordedRun, *how: Any, **more: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        end(self, *how, **more)

    def interrupted(engine: Engine, run: Run) -> dict[str, int]:
        raise KeyboardInterrupt

    end = recorder.RecordedRun.end
    monkeypatch.setattr(recorder.RecordedRun, "end", impatient)
    monkeypatch.setattr(stop_signals, "LAST_SECONDS", 60.0)  # what a slow machine needs more would end this process
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        recorder.execute(engine, "import", interrupted, {}, lease="import")
    [info] = runs.recent(engine)
    assert (info.status, info.lease) == ("cancelled", None)
    assert signal.getsignal(signal.SIGINT) == before


class Outage:
    """A database that is away for as many writes as are left of it."""

    def __init__(self) -> None:
        self.left = 0

    @contextmanager
    def writing(self, engine: Engine) -> Iterator[Connection]:
        if self.left > 0:
            self.left -= 1
            raise OperationalError("UPDATE runs", {}, Exception("database is locked"))
        with writing(engine) as connection:
            yield connection


class Heard:
    """A listener that remembers the lines."""

    def __init__(self) -> None:
        self.lines: list[LogLine] = []

    def logged(self, line: LogLine) -> None:
        self.lines.append(line)

    def progressed(self, run: Run) -> None: ...


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch) -> Outage:
    made = Outage()
    for module in (recorder, runs):
        monkeypatch.setattr(module, "writing", made.writing)
    monkeypatch.setattr(recorder, "ASK_AGAIN_SECONDS", 0.001)
    return made


OUTCOMES = {"succeeded": None, "failed": DataError("There are no posts"), "cancelled": Cancelled("Ended", signal=15)}


def ending_so(status: str, outage: Outage, writes: int) -> Callable[[Engine, Run], dict[str, int]]:
    """A stage that ends so, and whose database is away for some writes from then on."""

    def stage(engine: Engine, run: Run) -> dict[str, int]:
        outage.left = writes
        outcome = OUTCOMES[status]
        if outcome is not None:
            raise outcome
        return {"n": 1}

    return stage


def outcome_of(work: Callable[[], object]) -> object:
    try:
        return work()
    except Exception as error:
        return error


@pytest.mark.parametrize("status", OUTCOMES)
def test_how_a_run_ended_is_written_once_the_database_answers_again(
    engine: Engine, outage: Outage, status: str
) -> None:
    heard = Heard()
    outcome_of(lambda: recorder.execute(engine, "x", ending_so(status, outage, 5), {}, lease="x", listener=heard))
    [info] = runs.recent(engine)
    assert (info.status, info.lease, outage.left) == (status, None, 0)
    assert heard.lines == []


@pytest.mark.parametrize("status", OUTCOMES)
def test_what_the_work_came_to_reaches_the_caller_where_it_cannot_be_written(
    engine: Engine, outage: Outage, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    monkeypatch.setattr(recorder, "ENDING_SECONDS", 0.05)
    heard = Heard()
    found = outcome_of(lambda: recorder.execute(engine, "x", ending_so(status, outage, 10**9), {}, listener=heard))
    assert found == (OUTCOMES[status] or {"n": 1})
    [info] = runs.recent(engine)
    assert info.status == "running"
    assert [line.level for line in heard.lines] == ["warning"]
    assert (
        f"run {info.id} ended ({status}) could not be written, so it will be shown as lost" in heard.lines[0].message
    )


def test_until_when_a_run_waits_is_known_until_it_works_or_ends(engine: Engine) -> None:
    until = now() + timedelta(minutes=3)
    run_id = runs.create(engine, "ingest", {})

    def known(run: recorder.RecordedRun) -> datetime | None:
        run._flush()
        return runs.get(engine, run_id).waits_until

    with recorder.recording(engine, run_id) as run:
        run.progress(stage="waiting", until=until)
        assert known(run) == until
        run.progress(stage="fetching")
        assert known(run) is None
        run.progress(stage="waiting", until=until)
    assert runs.get(engine, run_id).waits_until is None


def test_a_second_run_is_told_who_holds_the_lease(engine: Engine) -> None:
    holder = runs.create(engine, "import", {}, lease="ingest")
    with pytest.raises(leases.LeaseHeld, match=rf"run {holder}, started by {whoami()}"):
        runs.create(engine, "import", {}, lease="ingest")


def test_the_lease_of_a_lost_run_is_taken_over(engine: Engine) -> None:
    lost = runs.create(engine, "import", {}, lease="ingest")
    heart_stopped(engine, lost)
    assert runs.get(engine, lost).state == "lost"
    runs.create(engine, "import", {}, lease="ingest")
    assert runs.get(engine, lost).status == "failed"
    assert "no sign of life" in (runs.get(engine, lost).error or "")


def of_a_process_that_ended(engine: Engine, lease: str) -> int:
    """A run whose process was killed just now."""
    killed = runs.create(engine, "import", {}, lease=lease)
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with writing(engine) as connection:
        values = {"status": "running", "pid": process.pid}
        connection.execute(update(RunRow).where(RunRow.id == killed).values(values))
    return killed


def test_the_lease_of_a_process_that_was_killed_on_this_machine_is_free_at_once(engine: Engine) -> None:
    killed = of_a_process_that_ended(engine, "ingest")
    assert runs.get(engine, killed).state == "lost"
    runs.create(engine, "import", {}, lease="ingest")
    assert runs.get(engine, killed).status == "failed"


def test_a_run_whose_process_ends_after_it_was_read_is_not_taken_for_lost(engine: Engine) -> None:
    run_id = runs.create(engine, "import", {})
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        with writing(engine) as connection:
            values = {"status": "running", "pid": process.pid}
            connection.execute(update(RunRow).where(RunRow.id == run_id).values(values))
        shown = [runs.get(engine, run_id), *runs.recent(engine)]
    assert [info.state for info in shown] == ["running", "running"]
    assert runs.get(engine, run_id).state == "lost"


def test_of_a_process_on_another_machine_only_its_heart_tells(engine: Engine) -> None:
    other = of_a_process_that_ended(engine, "ingest")
    with writing(engine) as connection:
        connection.execute(update(RunRow).where(RunRow.id == other).values(host="another"))
    assert runs.get(engine, other).state == "running"
    with pytest.raises(leases.LeaseHeld):
        runs.create(engine, "import", {}, lease="ingest")


def test_a_heart_that_beat_before_the_clock_was_set_back_holds_nothing(engine: Engine) -> None:
    ahead = runs.create(engine, "refresh", {}, lease="refresh")
    with writing(engine) as connection:
        later = now() + timedelta(hours=6)
        connection.execute(update(RunRow).where(RunRow.id == ahead).values(heartbeat_at=later))
    assert runs.get(engine, ahead).state == "lost"
    runs.create(engine, "refresh", {}, lease="refresh")
    assert runs.get(engine, ahead).status == "failed"


def test_cancelling_a_lost_run_closes_it(engine: Engine) -> None:
    lost = runs.create(engine, "import", {}, lease="ingest")
    heart_stopped(engine, lost)
    assert runs.request_cancel(engine, lost)
    assert (runs.get(engine, lost).status, runs.get(engine, lost).lease) == ("failed", None)


def test_a_cancelled_run_stops_and_frees_its_lease(engine: Engine) -> None:
    def endless(engine: Engine, run: Run) -> dict[str, int]:
        runs.request_cancel(engine, run.id or 0)
        while True:
            run.check()

    with pytest.raises(Cancelled):
        recorder.execute(engine, "import", endless, {}, lease="ingest")
    [info] = runs.recent(engine)
    assert (info.status, info.lease) == ("cancelled", None)


def test_an_ended_run_cannot_be_cancelled(engine: Engine) -> None:
    recorder.execute(engine, "refresh", counting, {"n": 1})
    assert not runs.request_cancel(engine, runs.recent(engine)[0].id)


def test_a_stage_that_needs_time_to_stop_is_not_ended_by_force(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "GRACE_SECONDS", 0.1)

    def slow_to_stop(engine: Engine, run: Run) -> dict[str, int]:
        runs.request_cancel(engine, run.id or 0)
        try:
            while True:
                run.check()
        finally:
            run.take_time(20)
            time.sleep(0.5)

    with pytest.raises(Cancelled, match="on request"):
        recorder.execute(engine, "service", slow_to_stop, {}, lease="service")
    assert runs.recent(engine)[0].error == "Cancelled on request"


def test_where_no_process_can_be_started_the_run_has_failed(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(OSError, match="nowhere"):
        launching.launch(settings, engine, "refresh", {}, lease="refresh")
    [info] = runs.recent(engine)
    assert (info.status, info.lease) == ("failed", None)
    assert "No process could be started" in (info.error or "")


def test_pruning_takes_only_ended_runs(engine: Engine) -> None:
    recorder.execute(engine, "refresh", counting, {"n": 1})
    waiting = runs.create(engine, "refresh", {})
    assert runs.prune(engine, before=now() + timedelta(days=1)) == 1
    assert [info.id for info in runs.recent(engine)] == [waiting]


STUBBORN = """
import sys, time
from musktracker import recorder
from musktracker.db import engines

def stubborn(engine, run):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        time.sleep(0.05)
    return {}

recorder.execute(engines.connect(sys.argv[1]), "train", stubborn, {}, lease="train:x")
"""


@pytest.fixture
def stubborn(database_url: str, engine: Engine) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", STUBBORN, database_url], stderr=subprocess.DEVNULL)
    until(lambda: any(info.status == "running" for info in runs.recent(engine)))
    return process


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_a_run_that_does_not_listen_is_terminated(stubborn: subprocess.Popen[bytes], engine: Engine) -> None:
    runs.request_cancel(engine, runs.recent(engine)[0].id)
    stubborn.wait(timeout=20)
    assert runs.recent(engine)[0].status == "cancelled"


def test_sigterm_ends_a_run_as_cancelled(stubborn: subprocess.Popen[bytes], engine: Engine) -> None:
    stubborn.send_signal(signal.SIGTERM)
    stubborn.wait(timeout=20)
    [info] = runs.recent(engine)
    assert (info.status, info.error, info.lease) == ("cancelled", "Ended by SIGTERM", None)


HELD_UP = """
import sys, time
from musktracker import recorder
from musktracker.db import engines
from musktracker.errors import Cancelled

def waiting(engine, run):
    while True:
        run.check()
        wait(0.02)

def told(seconds):
    if seconds == recorder.ASK_AGAIN_SECONDS:
        print("asked again", flush=True)
    wait(seconds)

wait, time.sleep, engines.BUSY_SECONDS = time.sleep, told, 0.05
try:
    recorder.execute(engines.connect(sys.argv[1]), "train", waiting, {}, lease="train:x")
except Cancelled as reason:
    sys.exit(reason.exit_code)
"""


HeldUp = tuple["subprocess.Popen[str]", Engine, Connection]


@pytest.fixture
def held_up(tmp_path: Path, sqlite_template: Path) -> Iterator[HeldUp]:
    """A run that was told to end by SIGTERM while a transaction keeps its database busy."""
    shutil.copy(sqlite_template, tmp_path / "test.db")
    engine = engines.connect(f"sqlite:///{tmp_path / 'test.db'}")
    command = [sys.executable, "-c", HELD_UP, str(engine.url)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process, engine.connect() as busy:
        until(lambda: any(info.status == "running" for info in runs.recent(engine)))
        busy.begin()
        process.send_signal(signal.SIGTERM)
        assert process.stdout
        assert process.stdout.readline() == "asked again\n"
        yield process, engine, busy
    engine.dispose()


def test_a_run_that_was_ended_while_the_database_was_busy_exits_as_one_that_was_ended(held_up: HeldUp) -> None:
    process, engine, busy = held_up
    busy.rollback()
    assert process.wait(timeout=20) == 128 + signal.SIGTERM
    [info] = runs.recent(engine)
    assert (info.status, info.error, info.lease) == ("cancelled", "Ended by SIGTERM", None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_a_run_that_waits_for_a_busy_database(held_up: HeldUp, number: signal.Signals) -> None:
    process, _, _ = held_up
    process.send_signal(number)
    assert process.wait(timeout=recorder.ENDING_SECONDS / 2) == -number


def test_a_launched_run_lives_in_a_process_of_its_own(settings: Settings, engine: Engine) -> None:
    run_id = launching.launch(settings, engine, "refresh", {})
    until(lambda: not runs.get(engine, run_id).active)
    info = runs.get(engine, run_id)
    assert (info.status, info.error) == ("succeeded", None)
    assert info.pid not in (None, os.getpid())


def test_runs_are_found_by_all_the_words_they_hold_whatever_their_case(engine: Engine) -> None:
    first = runs.create(engine, "train", {"model": "hawkes"}, lease=None)
    second = runs.create(engine, "import", {"files": ["50%_of.csv"]}, lease=None)

    def found(words: str) -> list[int]:
        return [info.id for info in runs.recent(engine, holding=words)]

    assert found("") == [second, first]
    assert found("HAWKES train") == [first]
    assert found("hawkes import") == []
    assert found("0%_of") == [second]
    assert found("_hawkes") == []
    assert found(f"queued {second}") == [second]
    assert found("lost") == [second, first]  # what goes on may be lost by the time it is shown


HIDING = {  # what psycopg and SQLAlchemy were seen to raise in place of what a signal raised in the midst of a query
    "passing": OperationalError("SELECT 1", {}, Exception("another command is already in progress")),
    "not passing": ProgrammingError("SELECT 1", {}, Exception("can't change 'autocommit' now")),
    "wrapped": StatementError("Ended by SIGTERM", "SELECT 1", {}, Cancelled("Ended by SIGTERM")),
    "bare": AssertionError(),
}


@pytest.mark.parametrize("hiding", HIDING.values(), ids=HIDING)
@pytest.mark.parametrize("through", [True, False], ids=["through outages", "alone"])
def test_a_signal_that_a_drivers_error_hides_ends_a_run_all_the_same(
    engine: Engine, hiding: Exception, through: bool
) -> None:
    run_id, met = runs.create(engine, "import", {}), []

    def cut_off() -> None:
        with suppress(Cancelled):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        raise hiding

    def work() -> None:
        with recorder.recording(engine, run_id) as run:
            try:
                through_outages(run, cut_off, sleep=lambda _: None) if through else cut_off()
            except Exception as error:
                met.append(type(error))
                raise

    with pytest.raises(Cancelled, match="Ended by SIGTERM") as raised:
        work()
    assert raised.value.exit_code == 128 + signal.SIGTERM
    assert runs.get(engine, run_id).status == "cancelled"
    assert met == [Cancelled if through else type(hiding)]  # who goes through outages ends by it, and what it began
