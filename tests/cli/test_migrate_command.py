"""musktracker migrate: the document's commands as written, and nothing lost without a word."""

from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from musktracker.cli.main import main
from musktracker.db import migrate, revisions


@pytest.fixture(autouse=True)
def _environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The commands' settings: the database of the test, and nothing from this machine."""
    for name in {"database_url", "bare_url"} & set(request.fixturenames):
        monkeypatch.setenv("MUSKTRACKER_DATABASE_URL", request.getfixturevalue(name))
    monkeypatch.setenv("MUSKTRACKER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)


def test_up_applies_what_is_pending_and_the_second_time_nothing(
    bare: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate", "up"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*revisions.known(), "The"]
    assert lines[-1] == f"The database is at {migrate.head()}"
    assert main(["migrate", "up"]) == 0
    assert capsys.readouterr().out == f"The database is at {migrate.head()} already; nothing to do\n"


def test_the_documents_commands_work_as_written(bare: Engine) -> None:
    def run(*arguments: str) -> str:
        command = [sys.executable, "-W", "ignore", "-m", "musktracker.cli.migrate", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout

    run("up")
    run("down", "--revision", "-1")
    before, last = revisions.known()[-2:]
    assert run("current") == f"{before} (1 pending: {last}; musktracker migrate up applies them)\n"


def test_current_changes_nothing(bare: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", "current"]) == 0
    assert capsys.readouterr().out.startswith(f"base ({len(revisions.known())} pending: 001, ")
    assert migrate.current(bare) is None


def test_a_command_that_brings_the_schema_up_says_so_once(bare: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    migrate.upgrade(bare, "009")
    assert main(["status"]) == 0
    assert capsys.readouterr().err == f"The database was at revision 009, and is brought up to {migrate.head()}\n"
    assert main(["status"]) == 0
    assert capsys.readouterr().err == ""


def test_current_at_the_head_says_so(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", "current"]) == 0
    assert capsys.readouterr().out == f"{migrate.head()} (head)\n"
    assert main(["migrate", "current", "--json"]) == 0
    found = {"current": migrate.head(), "head": migrate.head(), "pending": [], "up_to_date": True}
    assert json.loads(capsys.readouterr().out) == found


def test_looking_creates_no_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "none" / "x.db"
    monkeypatch.setenv("MUSKTRACKER_DATABASE_URL", f"sqlite:///{path}")
    for action, code in (("current", 0), ("history", 0), ("sql", 0), ("check", 1)):
        assert main(["migrate", action]) == code
    assert not path.parent.exists()


def test_current_imports_only_what_it_needs(database_url: str) -> None:
    code = (
        "import sys; from musktracker.cli.main import main; main(['migrate', 'current']); "
        "print(sorted({m.partition('.')[0] for m in sys.modules} "
        "& {'pandas', 'numpy', 'scipy', 'statsmodels', 'textual', 'alembic', 'httpx', 'plotext'}))"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.endswith("[]\n")


def test_down_without_a_revision_is_refused_with_the_reason(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate", "down"]) == 2
    assert "a downgrade drops tables and columns" in capsys.readouterr().err
    assert migrate.is_current(engine)


def test_down_is_refused_where_rows_would_be_lost(
    engine: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _store_run(engine)
    monkeypatch.setattr(sys, "stdin", StringIO())
    assert main(["migrate", "down", "--revision", "002"]) == 2
    said = capsys.readouterr()
    assert said.out.splitlines()[-1].split() == ["runs", "(whole", "table)", "1"]
    assert "Rows would be lost: runs 1. Nothing was changed. Add --yes" in said.err
    assert migrate.is_current(engine)


def test_down_with_yes_loses_what_it_named(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    _store_run(engine)
    assert main(["migrate", "down", "--revision", "002", "--yes", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["from"], report["to"]) == (migrate.head(), "002")
    assert report["lost"] == [{"table": "runs", "column": None, "rows": 1}]
    assert [step["revision"] for step in report["steps"]] == sorted(revisions.known()[2:], reverse=True)
    assert migrate.current(engine) == "002"


HEAD = revisions.known()[-1]


@pytest.mark.parametrize(("typed", "code", "at"), [(f"{HEAD}\n", 0, "002"), ("yes\n", 1, HEAD), ("", 1, HEAD)])
def test_at_a_terminal_the_revision_is_typed_to_confirm(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, typed: str, code: int, at: str
) -> None:
    _store_run(engine)
    terminal = StringIO(typed)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    assert main(["migrate", "down", "--revision", "002"]) == code
    assert migrate.current(engine) == at


def test_an_upgrade_of_stored_rows_names_its_backup(
    bare: Engine, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    migrate.upgrade(bare, "005")
    _store_run(bare)
    assert main(["migrate", "up"]) == 0
    backups = list(tmp_path.glob("*.backup.db"))
    first = capsys.readouterr().out.splitlines()[0]
    if bare.dialect.name == "sqlite":
        assert first == f"Backup: {backups[0]}"
    else:
        assert first.startswith("006 applied")


def test_history_lists_the_newest_first(bare: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    migrate.upgrade(bare, "002")
    assert main(["migrate", "history"]) == 0
    rows = [line.split()[:2] for line in capsys.readouterr().out.splitlines()[2:]]
    states = {revision: "applied" if revision <= "002" else "pending" for revision in revisions.known()}
    assert rows == [[revision, states[revision]] for revision in sorted(states, reverse=True)]
    assert main(["migrate", "history", "--json"]) == 0
    newest = json.loads(capsys.readouterr().out)[0]
    assert set(newest) == {"revision", "down_revision", "title", "docstring", "applied"}


def test_sql_shows_the_first_pending_step(bare: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    migrate.upgrade(bare, "002")
    assert main(["migrate", "sql"]) == 0
    assert "CREATE TABLE runs" in capsys.readouterr().out
    assert main(["migrate", "sql", "003", "--down", "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (found["revision"], found["direction"]) == ("003", "down")
    assert "DROP TABLE runs" in found["sql"]


def test_a_dry_run_prints_each_statement_with_its_time(bare: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", "up", "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("CREATE TABLE raw_tweets" in line for line in lines)
    assert all(line.split()[1] == "ms" for line in lines)
    assert lines[-1].endswith("nothing was kept")
    assert migrate.current(bare) is None


def test_check_tells_of_drift_by_its_exit_code(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", "check"]) == 0
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE coverage ADD COLUMN stray INTEGER"))
    capsys.readouterr()
    assert main(["migrate", "check", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"drift": ["coverage.stray: column is not expected"]}


def test_an_error_is_one_line_and_names_no_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MUSKTRACKER_DATABASE_URL", "postgresql://me:hunter2@127.0.0.1:1/x")
    assert main(["migrate", "current"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("musktracker: There is no connection to the database: ")
    assert "hunter2" not in said
    assert said.count("\n") == 1


def _store_run(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO runs (kind, status, parameters, created_at, host, who) "
                "VALUES ('import', 'failed', '{}', '2025-06-01 12:00:00.000000+00', 'h', 'w')"
            )
        )
