"""What every command does alike: how it takes its arguments, and how it ends where something is wrong."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, insert

from musktracker import recorder, runs
from musktracker.cli import command
from musktracker.cli.main import COMMANDS, main
from musktracker.config import Settings
from musktracker.db.engines import writing
from musktracker.db.tables import RunLogLine
from musktracker.errors import DataError
from musktracker.reporting import Run
from musktracker.timeline import now

Capture = pytest.CaptureFixture[str]
FULL = Path("/dev/full")  # a device that is always full


@pytest.fixture(autouse=True)
def environment(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def unwritable(sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database of somebody else, which may be read."""
    path = tmp_path / "theirs.db"
    shutil.copy(sqlite_template, path)
    monkeypatch.setenv("MUSKTRACKER_DATABASE_URL", f"sqlite:///{path}")
    monkeypatch.setattr(os, "access", lambda found, mode: found != path or mode != os.W_OK)
    return path


def test_a_database_that_may_not_be_written_is_read_and_changed_by_nothing(unwritable: Path, capsys: Capture) -> None:
    before = unwritable.read_bytes()
    assert main(["status"]) == 0
    assert main(["events", "list"]) == 0
    capsys.readouterr()
    assert main(["refresh"]) == 1
    assert "The database is only read here" in capsys.readouterr().err
    assert unwritable.read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [["forecast", "--horizon", "soon"], ["runs", "show", "first"], ["alerts", "ack", "none"], ["monitor", "--never"]],
)
def test_wrong_arguments_are_told_as_json_where_that_is_asked_for(arguments: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*arguments, "--json"])
    said = capsys.readouterr()
    assert json.loads(said.out)["exit_code"] == 2
    assert said.err.startswith("usage: musktracker ")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--help"], 0), (["config"], 0), (["nonsense"], 2), (["runs", "show", "one"], 2), (["runs", "show", "77"], 1)],
)
def test_the_package_runs_as_the_command_does(arguments: list[str], code: int, engine: Engine) -> None:
    package, script = (
        subprocess.run([sys.executable, *way, *arguments], capture_output=True, text=True)
        for way in (["-m", "musktracker"], ["-c", _SCRIPT])
    )
    assert (package.returncode, package.stdout, package.stderr) == (code, script.stdout, script.stderr)
    assert "__main__" not in package.stdout + package.stderr


_SCRIPT = "import sys; from musktracker.cli.main import main; sys.exit(main())"


@pytest.mark.parametrize("kind", ["nonsense", ""])
def test_runs_of_a_kind_that_there_is_not_are_wrong_use(kind: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["runs", "list", "--kind", kind])
    assert "'import', 'ingest', 'backfill'" in capsys.readouterr().err


def test_runs_are_listed_of_one_kind(engine: Engine, capsys: Capture) -> None:
    for kind in ("refresh", "train"):
        runs.create(engine, kind, {})
    assert main(["runs", "list", "--kind", "train", "--json"]) == 0
    assert [one["kind"] for one in json.loads(capsys.readouterr().out)] == ["train"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["runs", "list", "--limit", "-1"],  # no limit in SQLite, an error in Postgres
        ["events", "history", "--limit", "0"],
        ["models", "history", "--limit", "-1"],
        ["alerts", "list", "--limit", "-1"],
        ["runs", "show", "99999999999999999999"],
        ["events", "remove", "99999999999999999999"],
        ["forecast", "--without", "99999999999999999999"],
        ["demo", "--no-console", "--seed", "one"],
        ["simulate", "--port", "65536"],
        ["backtest", "--jobs", "0"],
    ],
)
def test_a_number_that_cannot_be_is_wrong_use(arguments: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "must be a whole number from" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["forecast", "--as-of", ""],
        ["train", "--until", ""],
        ["score", "--since", ""],
        ["monitor", "--since", ""],
        ["backtest", "--from", ""],
        ["events", "list", "--to", ""],
        ["ingest", "--backfill", "--since", ""],
    ],
)
def test_an_empty_time_is_no_time(arguments: list[str], capsys: Capture) -> None:
    assert main(arguments) == 2
    assert "'' is not a time" in capsys.readouterr().err


def test_a_data_directory_that_cannot_be_is_told_in_words(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("MUSKTRACKER_DATA_DIR", f"{os.devnull}/data")
    assert main(["status", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["error"] == f"The data directory {os.devnull}/data cannot be made: Not a directory"


@pytest.mark.parametrize("arguments", [["--help"], ["forecast", "--help"], ["config"], ["status"]])
def test_who_reads_but_the_head_of_the_output_is_told_of_no_error(arguments: list[str]) -> None:
    reading, writing_end = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "musktracker.cli.main", *arguments], stdout=writing_end, stderr=subprocess.PIPE
        )
    finally:
        os.close(writing_end)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("arguments", [["--help"], ["config", "--json"]])
def test_an_output_that_cannot_be_written_is_a_failure_in_words(arguments: list[str]) -> None:
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "musktracker.cli.main", *arguments], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert done.stderr == "musktracker: the output could not be written: No space left on device\n"


@pytest.mark.parametrize("arguments", [["runs"], ["runs", "list"], ["alerts"], ["alerts", "list"]])
def test_json_stands_before_the_action_behind_it_or_without_one(
    arguments: list[str], engine: Engine, capsys: Capture
) -> None:
    for at in range(1, len(arguments) + 1):
        assert main([*arguments[:at], "--json", *arguments[at:]]) == 0
        assert json.loads(capsys.readouterr().out) == []


def test_a_locale_without_some_marks_gets_their_codes_and_no_traceback() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "X_BEARER_TOKEN": "secret"}
    command = [sys.executable, "-m", "musktracker.cli.main", "config"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u2022" in done.stdout  # of the mask over the token


def test_a_run_is_shown_with_its_times_in_the_display_zone_and_its_parameters_as_json(
    engine: Engine, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSKTRACKER_TIMEZONE", "Asia/Tokyo")
    run_id = runs.create(engine, "refresh", {"full": True, "count": None})
    created = runs.get(engine, run_id).created_at.astimezone(ZoneInfo("Asia/Tokyo"))
    assert main(["runs", "show", str(run_id)]) == 0
    shown = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert (shown["created_at"], shown["state"]) == (f"{created:%Y-%m-%d %H:%M:%S} JST", "queued")
    assert json.loads(shown["parameters"]) == {"full": True, "count": None}


def test_following_a_run_that_has_ended_prints_its_whole_log(engine: Engine, capsys: Capture) -> None:
    run_id = runs.create(engine, "refresh", {})
    lines = [{"run_id": run_id, "time": now(), "level": "info", "message": f"line {i}"} for i in range(2_500)]
    with writing(engine) as connection:
        connection.execute(insert(RunLogLine), lines)
    with recorder.recording(engine, run_id):
        pass
    assert main(["runs", "follow", str(run_id)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert (len(said), said[-1]) == (2_501, f"run {run_id} succeeded")


def objects(text: str) -> list[dict[str, Any]]:
    """The JSON objects of a text that has one a line."""
    return [json.loads(line) for line in text.removesuffix("\n").split("\n")]


def test_following_a_run_as_json_prints_each_line_and_last_the_run(engine: Engine, capsys: Capture) -> None:
    run_id = runs.create(engine, "refresh", {"full": True})
    with recorder.recording(engine, run_id) as run:
        run.info("first\nof two", hours=3)
        run.warning("second")
        run.result = {"hours": 3}
    assert main(["runs", "follow", str(run_id), "--json"]) == 0
    *lines, last = objects(capsys.readouterr().out)
    assert [(line["level"], line["message"], line["fields"]) for line in lines] == [
        ("info", "first\nof two", {"hours": 3}),
        ("warning", "second", {}),
    ]
    assert lines[0]["time"].endswith("Z")
    assert (last["id"], last["kind"], last["state"], last["result"]) == (run_id, "refresh", "succeeded", {"hours": 3})


def test_following_a_run_that_failed_as_json_ends_with_why(engine: Engine, capsys: Capture) -> None:
    run_id = runs.create(engine, "refresh", {})
    with pytest.raises(DataError), recorder.recording(engine, run_id):
        raise DataError("There are no posts", "Import some")
    assert main(["runs", "follow", str(run_id), "--json"]) == 1
    [line, last] = objects(capsys.readouterr().out)
    assert line["level"] == "error"
    assert (last["state"], last["error"]) == ("failed", "There are no posts. Import some")


def test_a_run_that_goes_on_is_followed_as_json_line_by_line(engine: Engine) -> None:
    run_id = runs.create(engine, "refresh", {})
    command = [sys.executable, "-m", "musktracker.cli.main", "runs", "follow", str(run_id), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout
        with recorder.recording(engine, run_id) as run:
            run.info("begun")
            assert select.select([following.stdout], [], [], 30)[0], "nothing came while the run went on"
            assert json.loads(following.stdout.readline())["message"] == "begun"
        assert [one["state"] for one in objects(following.stdout.read())] == ["succeeded"]


def test_what_cannot_be_followed_is_one_line_of_json(engine: Engine, capsys: Capture) -> None:
    assert main(["runs", "follow", "77", "--json"]) == 1
    [told] = objects(capsys.readouterr().out)
    assert told["error"] == "There is no run 77"


def test_cancelling_says_as_json_whether_the_run_was_asked(engine: Engine, capsys: Capture) -> None:
    run_id = runs.create(engine, "refresh", {})
    assert main(["runs", "cancel", str(run_id), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"id": run_id, "asked_to_stop": True, "status": "queued"}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_words_of_help_fit_the_terminal(name: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if len(line) > 80 and not line.startswith("musktracker ")] == []


def test_an_interrupt_is_told_as_json_where_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("musktracker.cli.config.run", interrupted)
    assert main(["config", "--json"]) == 130
    said = capsys.readouterr()
    assert (json.loads(said.out)["exit_code"], said.err) == (130, "")


def test_progress_never_wraps_in_the_terminal(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    reporter, run = command.Reporter(), Run()
    run.message = "a long word about what is being done, and to what"
    reporter.progressed(run)
    assert len(capsys.readouterr().err) == 39
