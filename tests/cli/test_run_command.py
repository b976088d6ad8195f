"""musktracker run: a process that follows, counts, trains and forecasts by itself, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, insert, select

from musktracker import launching, leases, runs
from musktracker.cli.main import main
from musktracker.config import Settings
from musktracker.db.engines import reading, writing
from musktracker.db.tables import Coverage, ForecastTotal, RawTweet, WindowForecast
from musktracker.pipeline import schedule, stages
from musktracker.simulator.process import Simulator, running_simulator
from musktracker.timeline import HOUR, now, snowflake_floor

PATIENCE = 120.0  # seconds; a machine that runs other tests is slow
TOKEN = "AAAAsecretToken"
PLAN = {"train_models": "seasonal_naive", "backtest_origins": "0", "horizons": "168", "windows": "fri-noon"}
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def process() -> Iterator[Simulator]:
    with running_simulator() as simulator:
        yield simulator


@pytest.fixture
def served(
    process: Simulator, engine: Engine, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Engine:
    """Five weeks of posts until an hour ago, an account that has posted since, and a plan that costs little."""
    process.reset(limits="none", token=TOKEN)
    moment = now()
    process.add(*(moment - timedelta(minutes=7 * i + 1) for i in range(1, 30)))
    known = [moment - HOUR - k * timedelta(minutes=29) for k in range(35 * 48)]
    posts = [
        {"tweet_id": str(snowflake_floor(at) + 1), "created_at": at, "source": "file", "ingest_time": moment - HOUR}
        for at in known
    ]
    span = {"source": "file", "span_start": known[-1], "span_end": known[0], "created_at": moment - HOUR}
    with writing(engine) as connection:
        connection.execute(insert(RawTweet), posts)
        connection.execute(insert(Coverage).values(span))
    schedule.change(engine, PLAN | _no_time_soon(moment))
    monkeypatch.chdir(tmp_path)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MUSKTRACKER_X_API_BASE_URL", process.url)
    monkeypatch.setenv("MUSKTRACKER_ACCOUNT", process.username)
    monkeypatch.setenv("X_BEARER_TOKEN", TOKEN)
    return engine


def _no_time_soon(moment: datetime) -> dict[str, str]:
    """Regular times that do not come while a test runs."""
    daily = f"{moment + 12 * HOUR:%H:%M}"
    return {"minute": str((moment.minute + 30) % 60), "train_at": daily, "clean_at": daily}


def start(*options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "musktracker.cli.main", "run", *options], stderr=subprocess.PIPE, text=True
    )


def until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def stored(engine: Engine, table: type[ForecastTotal] | type[WindowForecast]) -> int:
    with reading(engine) as connection:
        return int(connection.scalar(select(func.count()).select_from(table)) or 0)


def lives(pid: int | None) -> bool:
    """Whether a process goes on; one that has ended and that nobody has asked for does not."""
    try:
        os.kill(pid or 0, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def ends(pid: int | None) -> bool:
    """Whether a process whose run has ended ends, too."""
    end = time.monotonic() + PATIENCE
    while lives(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not lives(pid)


def test_it_reaches_a_forecast_and_ends_by_sigterm_with_nothing_left_running(served: Engine, capsys: Capture) -> None:
    process = start()
    try:
        until(lambda: stored(served, ForecastTotal) > 0 and stored(served, WindowForecast) > 0, process)
        assert main(["run"]) == 1  # one service a database
        assert "service is held by run 1, started by" in capsys.readouterr().err
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=PATIENCE)[1]
    finally:
        process.kill()
    assert process.returncode == 143
    found = runs.recent(served)
    assert {info.kind for info in found} >= {"service", "ingest", "refresh", "score", "train", "forecast", "window"}
    assert not [info for info in found if info.active]
    assert all(ends(info.pid) for info in found if info.pid != os.getpid())
    assert {info.status for info in found if info.kind in ("service", "ingest")} == {"cancelled"}
    assert {info.status for info in found if info.kind not in ("service", "ingest")} == {"succeeded"}
    assert "forecast 168 h: run" in said
    assert TOKEN not in said + str(found)


def test_cancelling_its_run_ends_it_with_its_follower(served: Engine) -> None:
    process = start()
    try:
        until(
            lambda: any(info.kind == "ingest" and info.status == "running" for info in runs.recent(served)), process
        )
        runs.request_cancel(served, 1)
        process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 130
    assert not [info for info in runs.recent(served) if info.active]
    assert runs.get(served, 1).error == "Cancelled on request"


def test_once_does_what_is_due_and_a_second_time_nothing(
    served: Engine, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # what is judged is small: more processes would only take longer
    assert main(["run", "--once", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"steps": 8}
    assert stored(served, ForecastTotal) == 1
    assert main(["run", "--once", "--no-ingest", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"steps": 0}


def test_once_returns_1_where_a_step_failed(served: Engine, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_BEARER_TOKEN", "another")
    schedule.change(served, {"train_models": "", "horizons": "", "windows": ""})
    assert main(["run", "--once"]) == 1
    said = capsys.readouterr().err
    assert "1 of 4 steps failed: ingest" in said
    assert "refuses the bearer token" in said


def test_the_schedule_is_shown_and_changed(served: Engine, capsys: Capture) -> None:
    schedule.change(served, {"train_at": "03:30"})
    assert main(["run", "--show"]) == 0
    assert "train_at          03:30 " in capsys.readouterr().out
    assert main(["run", "--set", "train_at=04:15", "--set", "windows=fri-noon,48h", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["train_at"], shown["windows"]) == ("04:15", ["fri-noon", "48h"])
    assert schedule.read(served).train_at == "04:15"
    assert runs.recent(served) == []


@pytest.mark.parametrize("options", [["--set", "train_at"], ["--set", "colour=red"], ["--once", "--show"]])
def test_options_that_make_no_sense_are_refused(served: Engine, options: list[str]) -> None:
    assert main(["run", *options]) == 2


def test_it_serves_as_well_as_a_run_of_its_own_process_until_it_is_cancelled(
    engine: Engine, settings: Settings
) -> None:
    schedule.change(engine, PLAN | _no_time_soon(now()))
    parameters = {"ingest": False, "once": False}
    run_id = launching.launch(settings, engine, "service", parameters, lease=stages.lease("service", parameters))
    wait(lambda: runs.get(engine, run_id).stage == "serving")
    with pytest.raises(leases.LeaseHeld):
        launching.launch(settings, engine, "service", parameters, lease=stages.lease("service", parameters))
    assert runs.request_cancel(engine, run_id)
    wait(lambda: not runs.get(engine, run_id).active)
    assert runs.get(engine, run_id).status == "cancelled"
    assert runs.recent(engine, active=True) == []


def wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)
