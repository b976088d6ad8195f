"""musktracker events: what it prints, what it returns, and that it shows text as text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from musktracker.cli.main import main
from musktracker.config import Settings

Command = Callable[..., int]


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run musktracker events on the test's database, in New York."""
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MUSKTRACKER_TIMEZONE", "America/New_York")
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: main(["events", *arguments])


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def add(command: Command, *more: str, name: str = "Launch") -> int:
    return command("add", name, "--start", "2025-03-06T17:00", *more)


def test_times_are_read_and_shown_in_the_display_zone_and_utc_in_json(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(command, "--end", "2025-03-06T20:00", "--intensity", "0.7") == 0
    assert capsys.readouterr().out.splitlines()[3].split()[1:6] == ["2025-03-06", "17:00", "3", "h", "0.7"]
    assert command("list", "--json") == 0
    [event] = printed(capsys)
    assert (event["event_start"], event["event_end"]) == ("2025-03-06T22:00:00Z", "2025-03-07T01:00:00Z")


def test_without_an_end_an_event_is_a_point(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert add(command, "--json") == 0
    event = printed(capsys)
    assert event["event_start"] == event["event_end"]


def test_an_edit_changes_what_is_named_and_clears_what_is_empty(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    add(command, "--category", "launch", "--json")
    before = printed(capsys)
    assert command("edit", str(before["id"]), "--category", "", "--intensity", "0.9", "--json") == 0
    after = printed(capsys)
    assert (after["category"], after["intensity"], after["name"]) == (None, 0.9, "Launch")


def test_exit_codes_tell_wrong_values_from_what_is_not_there(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(command, "--intensity", "2") == 2
    assert "intensity must be from 0 to 1" in capsys.readouterr().err
    assert command("add", "x", "--start", "yesterday") == 2
    assert command("edit", "1") == 2
    for action in (("edit", "99", "--name", "x"), ("remove", "99"), ("restore", "99"), ("history", "99")):
        assert command(*action) == 1
        assert "no event 99" in capsys.readouterr().err
    assert command("undo") == 1
    assert command("import", "nowhere.csv") == 1
    assert command("import", ".") == 1
    with pytest.raises(SystemExit, match="2"):
        command()


def test_remove_undo_and_redo_say_what_they_did(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    add(command, "--json")
    event_id = str(printed(capsys)["id"])
    assert command("remove", event_id) == 0
    assert "(removed)" in capsys.readouterr().out
    assert command("undo") == 0
    assert "Undone: remove of Launch" in capsys.readouterr().out
    assert command("redo") == 0
    assert "Done again: remove of Launch" in capsys.readouterr().out
    assert command("restore", event_id) == 0
    capsys.readouterr()
    assert command("history", "--json") == 0
    assert [change["action"] for change in printed(capsys)] == ["restore", "redo", "undo", "remove", "add"]


def test_an_import_says_its_counts_and_its_bad_lines(
    command: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "events.csv"
    lines = ["name,event_start,event_end,intensity", "a,2025-01-01T00:00Z,2025-01-02T00:00Z,0.5"]
    path.write_text("\n".join([*lines, "b,2025-01-03T00:00Z,2025-01-02T00:00Z,0.5"]))
    assert command("import", str(path)) == 1
    shown = capsys.readouterr()
    assert "line 3: event_end must not be before event_start" in shown.err
    assert "Nothing stored" in shown.out
    assert command("import", str(path), "--skip-bad") == 0
    assert capsys.readouterr().out.startswith("1 added, 0 changed, 0 unchanged, 1 wrong.")
    path.write_text("\n".join(lines))
    assert command("import", str(path)) == 0
    assert "0 added, 0 changed, 1 unchanged." in capsys.readouterr().out
    assert command("import", str(path), "--dry-run", "--json") == 0
    assert printed(capsys)["stored"] is False
    path.write_text(lines[0] + "\n")
    assert command("import", str(path)) == 1


def test_an_export_is_imported_again_unchanged_and_replaces_no_file_unasked(
    command: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    add(command, "--description", "two\nlines, and a comma")
    for name in ("out.csv", "out.json"):
        assert command("export", str(tmp_path / name)) == 0
        capsys.readouterr()
        assert command("import", str(tmp_path / name), "--json") == 0
        assert printed(capsys)["unchanged"] == 1
        assert command("export", str(tmp_path / name)) == 2
        assert command("export", str(tmp_path / name), "--force") == 0
    capsys.readouterr()
    assert command("export") == 0
    assert capsys.readouterr().out == (tmp_path / "out.csv").read_text()
    assert command("export", "--json") == 0
    assert printed(capsys) == json.loads((tmp_path / "out.json").read_text())


def test_what_is_stored_does_nothing_to_a_terminal(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    add(command, "--description", "x", name="right\u202eleft [red]bold[/red]")
    command("list")
    command("history")
    command("undo")
    shown = capsys.readouterr().out
    assert "\u202e" not in shown
    assert "right�left [red]bold[/red]" in shown


def test_listing_filters_by_text_and_time(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    add(command)
    add(command, name="Other")
    capsys.readouterr()

    def found(*options: str) -> list[str]:
        assert command("list", "--json", *options) == 0
        return [event["name"] for event in printed(capsys)]

    assert found("--text", "OTH") == ["Other"]
    assert found("--from", "2025-03-06T18:00") == []
    assert found("--to", "2025-03-06T17:00") == []
    assert found("--from", "2025-03-06", "--to", "2025-03-07") == ["Launch", "Other"]


def test_a_line_adds_an_event_and_a_dry_run_says_how_it_is_understood(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "2025-03-07 14:00 +2h starship launch !0.8 #launch"
    assert command("add", line, "--dry-run") == 0
    assert "Fri 2025-03-07 19:00 UTC (Fri 2025-03-07 14:00 EST)" in capsys.readouterr().out
    assert command("list", "--json") == 0
    assert printed(capsys) == []
    assert command("add", line, "--json") == 0
    event = printed(capsys)
    assert (event["name"], event["category"], event["intensity"]) == ("starship launch", "launch", 0.8)
    assert (event["event_start"], event["event_end"]) == ("2025-03-07T19:00:00Z", "2025-03-07T21:00:00Z")


def test_the_history_names_fields_as_forms_and_options_do(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    add(command)
    command("edit", "1", "--end", "2025-03-06T19:00")
    assert command("history") == 0
    assert " end: 2025-03-06T22:00:00Z → 2025-03-07T00:00:00Z" in capsys.readouterr().out


def test_an_import_notes_which_rows_have_no_end(
    command: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "events.csv"
    path.write_text("name,event_start,intensity\na,2025-01-01T00:00Z,0.5\n")
    assert command("import", str(path)) == 0
    assert "note: a point in time, without an end: 1 event" in capsys.readouterr().err


def test_a_line_with_two_meanings_is_asked_about(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("add", "3/4/2025 14:00 launch") == 2
    assert "Write '2025-03-04' (4 March) or '2025-04-03' (3 April)" in capsys.readouterr().err


def test_an_event_like_another_is_added_with_a_warning(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    add(command)
    assert command("add", "launch", "--start", "2025-03-07T17:00") == 0
    assert "may be the same as event 1" in capsys.readouterr().err


def test_the_same_event_again_is_stored_with_a_warning_after_it(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    def warned(*arguments: str) -> list[str]:
        assert command(*arguments) == 0
        return [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning:")]

    same = "is the same as event 1, 'Launch' at 2025-03-06T22:00:00Z"
    assert warned("add", "Launch", "--start", "2025-03-06T17:00") == []
    assert warned("add", "Launch", "--start", "2025-03-06T17:00", "--dry-run") == [f"warning: it {same}"]
    assert warned("add", "Launch", "--start", "2025-03-06T17:00") == [f"warning: it {same}"]
    assert warned("edit", "2", "--start", "2025-02-24T17:00", "--end", "2025-02-24T17:00") == []
    assert warned("edit", "2", "--intensity", "0.9") == []
    assert warned("shift", "2", "10d") == [f"warning: it {same}"]
    assert warned("remove", "2") == []
    assert warned("restore", "2") == [f"warning: it {same}"]
    assert command("list", "--json") == 0
    assert [event["id"] for event in printed(capsys)] == [1, 2]


def test_a_series_that_is_there_already_is_added_with_a_warning_for_each(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    add(command)
    series = ("repeat", "1", "--every", "weekly", "--until", "2025-03-21")
    assert command(*series) == 0
    assert capsys.readouterr().err == ""
    assert command(*series) == 0
    assert [line.split(",")[0] for line in capsys.readouterr().err.splitlines()] == [
        "warning: event 4 is the same as event 2",
        "warning: event 5 is the same as event 3",
    ]
    assert command(*series, "--json") == 0
    assert [len(event["doubts"]) for event in printed(capsys)] == [2, 2]


def test_an_import_says_how_many_events_it_adds_beside_one_of_their_name_and_start(
    command: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "events.csv"
    row = "a,2025-01-01T00:00Z,2025-01-02T00:00Z,0.5"
    path.write_text("\n".join(["name,event_start,event_end,intensity", row, row]))
    assert command("import", str(path)) == 0
    said = capsys.readouterr()
    assert said.out.startswith("2 added, 0 changed, 0 unchanged.")
    assert said.err == "warning: of those added, 1 have the name and start of another event\n"
    assert command("import", str(path)) == 0
    assert capsys.readouterr().err == ""


def test_an_event_is_shifted_and_repeated(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    add(command, "--json")
    first = str(printed(capsys)["id"])
    assert command("shift", "--json", "--", first, "-1h") == 0
    assert printed(capsys)["event_start"] == "2025-03-06T21:00:00Z"
    assert command("repeat", first, "--every", "weekly", "--until", "2025-03-21", "--json") == 0
    assert [event["event_start"] for event in printed(capsys)] == ["2025-03-13T20:00:00Z", "2025-03-20T20:00:00Z"]


def test_events_leave_and_return_as_a_calendar(
    command: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    add(command, "--category", "launch", "--intensity", "strong")
    path = str(tmp_path / "events.ics")
    assert command("export", path) == 0
    capsys.readouterr()
    assert command("import", path, "--json") == 0
    assert printed(capsys)["unchanged"] == 1


@pytest.mark.parametrize("action", ["import", "export"])
def test_a_file_that_is_named_like_no_form_is_refused_with_the_forms_and_how_to_say_one(
    action: str, command: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert command(action, "events.xls") == 2
    said = capsys.readouterr().err
    assert "Events are not read or written as .xls" in said
    assert "--format: csv, json, ics" in said
    assert list(tmp_path.glob("events*")) == []


@pytest.mark.parametrize("form", ["csv", "json", "ics"])
def test_a_form_that_is_said_holds_whatever_the_file_is_called(
    form: str, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    add(command)
    assert command("export", "events.xls", "--format", form) == 0
    assert command("export", f"named.{form}") == 0
    assert Path("events.xls").read_text() == Path(f"named.{form}").read_text()
    capsys.readouterr()
    assert command("import", "events.xls", "--format", form, "--json") == 0
    assert printed(capsys)["unchanged"] == 1


def test_a_file_without_an_ending_is_csv(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    add(command)
    assert command("export", "events") == 0
    assert Path("events").read_text().startswith("name,category,event_start")
    assert command("import", "events") == 0
