"""musktracker import: files in, counts out, an exit code that scripts can trust."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from musktracker.cli.main import main
from musktracker.db.queries import coverage
from musktracker.timeline import HOUR, Span, snowflake_floor

START = datetime(2025, 3, 1, tzinfo=UTC)
NUMBERS = [snowflake_floor(START + HOUR * hour) for hour in range(3)]


@pytest.fixture(autouse=True)
def environment(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process on the test's database."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MUSKTRACKER_DATABASE_URL", database_url)
    monkeypatch.setenv("MUSKTRACKER_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A file with three posts and a row that is none, named relative to the working directory."""
    (tmp_path / "posts.txt").write_text("id\n" + "".join(f"{number}\n" for number in NUMBERS) + "\x1b[31mno\n")
    return "posts.txt"


def test_it_says_what_it_stored_and_what_it_could_not(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", file]) == 0
    said = capsys.readouterr()
    for words in ("4 rows", "3 imported", "1 bad rows", "Imported 3 posts"):
        assert words in said.out
    assert "covers 2025-03-01 00:00:00 to 2025-03-01 02:00:00 UTC" in said.out
    assert "posts.txt, line 5: it has no post id" in said.err
    assert "1 bad row may stand for posts that are missing" in said.err
    assert "\x1b" not in said.out + said.err


def test_a_second_import_is_a_success_that_says_so(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["import", file])
    capsys.readouterr()
    assert main(["import", file]) == 0
    assert "Nothing new: every post was stored already" in capsys.readouterr().out


def test_json_is_one_document_on_standard_output(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", file, "--json", "--dry-run"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["dry_run"], result["imported"], result["files"][0]["form"]) == (True, 3, "list")


def test_a_name_that_is_no_text_is_a_name_all_the_same(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(b"bad\xff\x1b[31m.csv")
    Path(file).rename(name)
    assert main(["import", name]) == 0
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err
    assert main(["import", name, "--json"]) == 0
    assert Path(json.loads(capsys.readouterr().out)["files"][0]["file"]).name == name
    assert main(["import", f"{name}.not"]) == 1
    assert "\x1b" not in capsys.readouterr().err


def test_a_dry_run_stores_nothing(engine: Engine, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", file, "--dry-run"]) == 0
    assert "3 would be imported" in capsys.readouterr().out
    assert coverage.post_count(engine) == 0


def test_nothing_that_can_be_imported_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "missing.csv"]) == 1
    assert "missing.csv is not there" in capsys.readouterr().err


def test_one_unreadable_file_among_others_is_a_failure_that_names_it(
    engine: Engine, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", file, "missing.csv"]) == 1
    assert "not imported: is not there" in capsys.readouterr().out
    assert coverage.post_count(engine) == 3


def test_strict_fails_and_stores_nothing(engine: Engine, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", file, "--strict"]) == 1
    assert "line 5: it has no post id" in capsys.readouterr().err
    assert coverage.post_count(engine) == 0


def test_spans_are_in_the_display_zone(engine: Engine, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSKTRACKER_TIMEZONE", "America/New_York")
    arguments = [
        "import",
        file,
        "--covers",
        "2025-02-28..2025-03-02",
        "--hole",
        "2025-03-01T00:00..2025-03-01T08:00Z",
    ]
    assert main(arguments) == 0
    midnight = datetime(2025, 2, 28, 5, tzinfo=UTC)
    assert coverage.covered(engine) == [
        Span(midnight, midnight + 24 * HOUR),
        Span(midnight + 27 * HOUR, midnight + 48 * HOUR),
    ]


def test_no_coverage_claims_none(engine: Engine, file: str) -> None:
    assert main(["import", file, "--no-coverage"]) == 0
    assert coverage.covered(engine) == []


@pytest.mark.parametrize(
    "wrong", [["--covers", "2025-01-01"], ["--map", "text=3"], ["--hole", "a..b"], ["--source", "x" * 40]]
)
def test_wrong_use_is_told_from_failure(file: str, wrong: list[str]) -> None:
    assert main(["import", file, *wrong]) == 2


def test_it_loads_nothing_heavy(file: str) -> None:
    program = (
        "import sys; from musktracker.cli.main import main; main(['import', 'posts.txt']); "
        "print([name for name in ('numpy', 'pandas', 'scipy', 'textual', 'dateutil') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.endswith("[]\n")


def test_a_file_without_replies_covers_its_time_only_where_replies_do_not_count(engine: Engine, file: str) -> None:
    assert main(["import", file, "--only", "without_replies"]) == 0
    assert [one.counting for one in coverage.spans(engine)] == ["without_replies"]
    assert coverage.covered(engine) == []
    assert main(["refresh", "--count", "without_replies"]) == 0
    [covered] = coverage.covered(engine)
    assert covered.whole_hours() == Span(START, START + 2 * HOUR)


def test_posts_of_no_known_definition_are_refused(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", file, "--only", "quotes"]) == 2
    assert "no counting 'quotes'" in capsys.readouterr().err
