"""What a command imports is what its user waits for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from musktracker.cli.main import main

HEAVY = ("pandas", "scipy", "statsmodels", "textual", "numpy", "plotext")


@pytest.mark.parametrize(
    "command",
    [["--help"], ["status"], ["migrate", "current"], ["config"], ["runs"], ["models", "list"], ["alerts"]],
)
def test_light_commands_import_nothing_heavy(command: list[str], tmp_path: Path) -> None:
    program = (
        "import sys; from musktracker.cli.main import main; code = main(sys.argv[1:]);"
        f"print('heavy:', sorted(set({HEAVY!r}) & set(sys.modules)), 'code:', code)"
    )
    environment = {"MUSKTRACKER_DATA_DIR": str(tmp_path / "data"), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program, *command], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert done.stdout.splitlines()[-1:] == ["heavy: [] code: 0"], done.stderr


def test_help_imports_neither_the_database_nor_the_parser(tmp_path: Path) -> None:
    program = "import sys; from musktracker.cli.main import main; main(['--help']); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True)
    loaded = done.stdout.splitlines()[-1]
    assert "sqlalchemy" not in loaded
    assert "argparse" not in loaded


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nonsense"], 2, "There is no command 'nonsense'"),
        (["forcast"], 2, "There is no command 'forcast'. Did you mean musktracker forecast?"),
        (["--read-only"], 2, "The console needs a terminal"),
        (["runs", "show", "7"], 1, "There is no run 7"),
        (["--version"], 0, "musktracker "),
    ],
)
def test_exit_codes_tell_scripts_what_happened(arguments: list[str], code: int, words: str, tmp_path: Path) -> None:
    environment = {"MUSKTRACKER_DATA_DIR": str(tmp_path / "data"), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "musktracker.cli.main", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
    )
    assert done.returncode == code
    assert words in done.stdout + done.stderr


def test_a_command_that_is_none_is_told_to_scripts_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forcast", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told == {
        "error": "There is no command 'forcast'",
        "hint": "Did you mean musktracker forecast?",
        "exit_code": 2,
    }


def test_a_wrong_setting_is_one_line_and_exit_2(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "musktracker.cli.main", "status"],
        capture_output=True,
        text=True,
        env={"MUSKTRACKER_TIMEZONE": "Mars/Base", "HOME": str(tmp_path)},
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "Mars/Base" in done.stderr
