"""Events: one set of rules, a log of every change, undo and redo, and files that bring back what they took."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, insert, update

from musktracker.db.engines import writing
from musktracker.db.tables import EventChange as ChangeRow
from musktracker.db.tables import ExogenousEvent
from musktracker.errors import MuskTrackerError, UsageError
from musktracker.pipeline import (
    event_changes,
    event_doubts,
    event_fields,
    event_files,
    event_merge,
    event_undo,
    events,
)
from musktracker.pipeline.event_fields import EventFields
from musktracker.timeline import HOUR, Span, utc
from tui.exporting import Exported, record_of

START = datetime(2025, 3, 6, 22, tzinfo=UTC)
SECONDS = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
LAUNCH = EventFields("Rocket launch", START, START + 3 * HOUR, 0.7, "launch")

CONTROLS = "".join(map(chr, [*range(9), *range(11, 13), *range(14, 32), *range(127, 160)]))

texts = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=64)
times = st.datetimes(datetime(1971, 1, 1), datetime(2198, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
fields = st.builds(
    lambda name, category, description, source, start, length, intensity: event_fields.cleaned(
        EventFields(f"n{name}", start, start + length, intensity, category, description, f"s{source}"[:64])
    ),
    texts,
    texts,
    st.text(st.characters(exclude_categories=("Cs", "Zl", "Zp"), exclude_characters=CONTROLS)),
    texts,
    times,
    st.timedeltas(timedelta(0), timedelta(days=300)),
    st.floats(0, 1),
)

on_one_database = hypothesis_settings(max_examples=25)


def emptied(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(delete(ChangeRow).where(ChangeRow.undoes.is_not(None)))
        connection.execute(delete(ChangeRow))
        connection.execute(delete(ExogenousEvent))


def names(engine: Engine) -> list[str]:
    return [event.name for event in events.listed(engine)]


# The rules


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "n" * 257}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "a\x1b[31mb"}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "half \ud800"}, "name"),
        ({"category": "c" * 65}, "category"),
        ({"source": "s" * 65}, "source"),
        ({"source": ""}, "source"),
        ({"description": "bell \x07"}, "description"),
        ({"event_end": START - timedelta(microseconds=1)}, "event_end"),
        ({"event_start": START.replace(tzinfo=None)}, "event_start"),
        ({"event_end": datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-9)))}, "event_end"),
        ({"intensity": 1.01}, "intensity"),
        ({"intensity": -0.01}, "intensity"),
        ({"intensity": float("nan")}, "intensity"),
        ({"intensity": float("inf")}, "intensity"),
    ],
)
def test_what_cannot_be_an_event_is_told_by_field(change: dict[str, Any], field: str) -> None:
    wrong = replace(LAUNCH, **change)
    with pytest.raises(event_fields.InvalidEvent) as raised:
        event_fields.cleaned(wrong)
    assert list(raised.value.problems) == [field]
    assert isinstance(raised.value, UsageError)


def test_every_problem_is_told_at_once() -> None:
    wrong = replace(LAUNCH, name="", intensity=2.0, event_end=START - HOUR)
    assert set(event_fields.check(wrong)) == {"name", "intensity", "event_end"}


def test_the_longest_texts_a_point_in_time_and_both_ends_of_intensity_are_allowed() -> None:
    for intensity in (0.0, 1.0):
        widest = EventFields("n" * 256, START, START, intensity, "c" * 64, "two\nlines\tand a tab", "s" * 64)
        assert event_fields.check(widest) == {}


def test_texts_are_trimmed_and_times_become_utc(engine: Engine) -> None:
    eastern = timezone(timedelta(hours=-5))
    given = EventFields("  Launch ", START.astimezone(eastern), START, 0.5, " ", "a\r\nb ", " news ")
    stored = events.get(engine, events.add(engine, given).id)
    assert stored.fields == EventFields("Launch", START, START, 0.5, None, "a\nb", "news")
    assert stored.event_start.tzinfo is UTC


# Changes and their log


def test_an_added_event_comes_back_as_it_was_given(engine: Engine) -> None:
    added = events.add(engine, LAUNCH)
    assert events.listed(engine) == [added]
    assert added.fields == LAUNCH


def test_every_change_leaves_who_when_before_and_after(engine: Engine) -> None:
    event = events.add(engine, LAUNCH, who="ann@one")
    events.edit(engine, event.id, replace(LAUNCH, intensity=0.9), who="bob@two")
    events.remove(engine, event.id, who="ann@one")
    events.restore(engine, event.id, who="bob@two")
    log = event_changes.history(engine, event.id)
    assert [(change.action, change.who) for change in reversed(log)] == [
        ("add", "ann@one"),
        ("edit", "bob@two"),
        ("remove", "ann@one"),
        ("restore", "bob@two"),
    ]
    edit = log[2]
    assert edit.before is not None
    assert edit.after is not None
    assert (edit.before["intensity"], edit.after["intensity"]) == (0.7, 0.9)
    assert edit.after["event_start"] == "2025-03-06T22:00:00Z"
    assert sorted({change.changed_at for change in log}, reverse=True) == [change.changed_at for change in log]


def test_a_change_that_changes_nothing_leaves_no_line(engine: Engine) -> None:
    event = events.add(engine, LAUNCH)
    assert events.edit(engine, event.id, LAUNCH) == event
    assert events.restore(engine, event.id) == event
    removed = events.remove(engine, event.id)
    assert events.remove(engine, event.id) == removed
    assert [change.action for change in event_changes.history(engine)] == ["remove", "add"]


def test_a_removed_event_is_kept_and_shown_only_on_request(engine: Engine) -> None:
    event = events.add(engine, LAUNCH)
    events.remove(engine, event.id)
    assert events.listed(engine) == []
    [kept] = events.listed(engine, include_removed=True)
    assert kept.removed
    assert kept.fields == LAUNCH


def test_a_removed_event_cannot_be_edited(engine: Engine) -> None:
    event = events.add(engine, LAUNCH)
    events.remove(engine, event.id)
    with pytest.raises(MuskTrackerError, match="restore"):
        events.edit(engine, event.id, replace(LAUNCH, intensity=0.1))


def test_an_unknown_event_is_told(engine: Engine) -> None:
    for change in (events.get, events.remove, events.restore):
        with pytest.raises(MuskTrackerError, match="no event 77"):
            change(engine, 77)


def test_an_event_of_the_name_and_start_of_another_is_doubted_and_never_refused(engine: Engine) -> None:
    first = events.add(engine, LAUNCH)
    twin = replace(LAUNCH, intensity=0.1)
    said = f"is the same as event {first.id}, 'Rocket launch' at 2025-03-06T22:00:00Z"
    assert event_doubts.doubts(engine, twin) == [said]
    second = events.add(engine, twin)
    third = events.add(engine, replace(LAUNCH, event_start=START + HOUR))
    assert events.edit(engine, third.id, LAUNCH).fields == LAUNCH
    events.remove(engine, first.id)
    events.restore(engine, first.id)
    assert [event.id for event in events.listed(engine)] == [first.id, second.id, third.id]
    assert len(event_doubts.doubts(engine, LAUNCH, besides=first.id)) == 2


def test_the_worst_doubt_comes_first(engine: Engine) -> None:
    other = events.add(engine, replace(LAUNCH, name="Other", event_start=START - HOUR))
    near = events.add(engine, replace(LAUNCH, name="ROCKET launch", event_start=START - HOUR))
    same = events.add(engine, LAUNCH)
    assert [said.split(",")[0] for said in event_doubts.doubts(engine, LAUNCH)] == [
        f"is the same as event {same.id}",
        f"may be the same as event {near.id}",
        f"overlaps event {other.id}",
    ]


def test_of_several_events_each_is_doubted_as_it_would_be_alone(engine: Engine) -> None:
    events.add(engine, LAUNCH)
    series = [replace(LAUNCH, event_start=START + n * HOUR, event_end=START + n * HOUR) for n in (0, 72, 75, 200)]
    alone = [event_doubts.doubts(engine, fields) for fields in series]
    assert [len(said) for said in alone] == [1, 1, 0, 0]
    assert event_doubts.doubts_of(engine, [(fields, None) for fields in series]) == alone
    assert event_doubts.doubts_of(engine, []) == []


def test_one_operator_does_not_overwrite_another_unseen(engine: Engine) -> None:
    seen = events.add(engine, LAUNCH)
    events.edit(engine, seen.id, replace(LAUNCH, intensity=0.9), expected=seen.version, who="bob@two")
    with pytest.raises(event_changes.ChangedMeanwhile, match=rf"by bob@two at {SECONDS}, after you"):
        events.edit(engine, seen.id, replace(LAUNCH, category="x"), expected=seen.version)
    with pytest.raises(event_changes.ChangedMeanwhile, match="bob@two"):
        events.remove(engine, seen.id, expected=seen.version)
    assert events.get(engine, seen.id).intensity == 0.9


def test_of_concurrent_edits_of_one_version_one_wins(engine: Engine) -> None:
    seen = events.add(engine, LAUNCH)
    outcomes: list[str] = []

    def edit(intensity: float) -> None:
        try:
            events.edit(engine, seen.id, replace(LAUNCH, intensity=intensity), expected=seen.version)
            outcomes.append("won")
        except event_changes.ChangedMeanwhile:
            outcomes.append("told")

    threads = [threading.Thread(target=edit, args=(i / 10,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["told", "told", "told", "won"]
    assert len(event_changes.history(engine)) == 2


def test_listing_searches_text_in_any_case_and_spans(engine: Engine) -> None:
    events.add(engine, replace(LAUNCH, name="Étoile", description="Über alles"))
    events.add(engine, EventFields("point", START + 10 * HOUR, START + 10 * HOUR, 0.5))
    assert [event.name for event in events.listed(engine, text="éTOILE")] == ["Étoile"]
    assert [event.name for event in events.listed(engine, text="ÜBER")] == ["Étoile"]
    assert [event.name for event in events.listed(engine, text="launch")] == ["Étoile"]
    assert events.listed(engine, text="%") == []

    def within(start: float, end: float) -> list[str]:
        return [event.name for event in events.listed(engine, span=Span(START + start * HOUR, START + end * HOUR))]

    assert within(2, 4) == ["Étoile"]
    assert within(3, 10) == []
    assert within(10, 11) == ["point"]
    assert within(-5, 0) == []


# Undo and redo


def test_undo_and_redo_walk_back_and_forth_through_all_kinds_of_change(engine: Engine) -> None:
    event = events.add(engine, LAUNCH)
    events.edit(engine, event.id, replace(LAUNCH, name="Renamed"))
    events.remove(engine, event.id)
    states = [[], ["Renamed"], ["Rocket launch"], []]
    assert names(engine) == states[0]
    for expected in states[1:]:
        assert event_undo.undo(engine) is not None
        assert names(engine) == expected
    assert event_undo.undo(engine) is None
    for expected in reversed(states[:-1]):
        assert event_undo.redo(engine) is not None
        assert names(engine) == expected
    assert event_undo.redo(engine) is None
    for expected in states[1:]:
        event_undo.undo(engine)
        assert names(engine) == expected


def test_an_undo_says_what_it_reversed_and_stays_in_the_log(engine: Engine) -> None:
    events.add(engine, LAUNCH, who="ann@one")
    added = event_changes.history(engine)[0]
    made = event_undo.undo(engine, who="bob@two")
    assert made is not None
    assert (made.action, made.who, made.undoes) == ("undo", "bob@two", added.id)
    assert made.name == LAUNCH.name
    assert event_undo.original(engine, made) == added
    again = event_undo.redo(engine)
    assert again is not None
    assert event_undo.original(engine, again) == added
    assert len(event_changes.history(engine)) == 3


def test_a_new_change_ends_what_can_be_redone(engine: Engine) -> None:
    events.add(engine, LAUNCH)
    event_undo.undo(engine)
    events.add(engine, replace(LAUNCH, name="Other"))
    assert event_undo.redo(engine) is None
    event_undo.undo(engine)
    event_undo.redo(engine)
    assert names(engine) == ["Other"]


def test_an_undo_never_overwrites_a_change_made_past_the_log(engine: Engine) -> None:
    event = events.add(engine, LAUNCH)
    events.edit(engine, event.id, replace(LAUNCH, intensity=0.9))
    with writing(engine) as connection:
        connection.execute(update(ExogenousEvent).values(intensity=0.3))
    with pytest.raises(event_changes.ChangedMeanwhile):
        event_undo.undo(engine)
    assert events.get(engine, event.id).intensity == 0.3
    assert len(event_changes.history(engine)) == 2


def test_an_undo_of_what_is_not_the_latest_change_any_more_names_the_latest_and_changes_nothing(
    engine: Engine,
) -> None:
    known = events.add(engine, LAUNCH).version
    events.add(engine, replace(LAUNCH, name="Other"), who="bob@two")
    with pytest.raises(
        event_changes.ChangedMeanwhile,
        match=rf"by bob@two at {SECONDS}, .*: add of 'Other'. The same again goes back",
    ):
        event_undo.undo(engine, expected=known)
    assert names(engine) == [LAUNCH.name, "Other"]
    made = event_undo.undo(engine, expected=event_changes.history(engine)[0].changed_at)
    assert made is not None
    assert names(engine) == [LAUNCH.name]
    event_undo.undo(engine, who="bob@two", expected=made.changed_at)
    with pytest.raises(event_changes.ChangedMeanwhile, match=r"undo of .* The same again goes on"):
        event_undo.redo(engine, expected=made.changed_at)
    assert names(engine) == []


def test_a_removal_is_undone_although_another_of_the_name_and_start_was_added(engine: Engine) -> None:
    event = events.add(engine, LAUNCH)
    events.remove(engine, event.id)
    with writing(engine) as connection:
        connection.execute(
            insert(ExogenousEvent).values(
                name=LAUNCH.name,
                event_start=START,
                event_end=START,
                intensity=0.1,
                source="other",
                created_at=START,
            )
        )
    event_undo.undo(engine)
    assert names(engine) == [LAUNCH.name, LAUNCH.name]
    assert not events.get(engine, event.id).removed


@on_one_database
@given(st.lists(st.sampled_from(["add", "edit", "remove", "restore", "undo", "redo"]), max_size=15), st.data())
def test_undoing_everything_leaves_nothing_and_redoing_it_leaves_all(
    engine: Engine, steps: list[str], data: st.DataObject
) -> None:
    emptied(engine)
    for i, step in enumerate(steps):
        stored = events.listed(engine, include_removed=True)
        if step == "add":
            events.add(engine, replace(LAUNCH, name=f"event {i % 2}"))  # every second is one that is there
        elif step in ("undo", "redo"):
            getattr(event_undo, step)(engine)
        elif stored:
            event = data.draw(st.sampled_from(stored))
            if step == "edit" and not event.removed:
                events.edit(engine, event.id, replace(event.fields, intensity=data.draw(st.floats(0, 1))))
            elif step != "edit":
                getattr(events, step)(engine, event.id)
    while event_undo.redo(engine):
        pass
    final = [event.fields for event in events.listed(engine)]
    while event_undo.undo(engine):
        pass
    assert events.listed(engine) == []
    while event_undo.redo(engine):
        pass
    assert [event.fields for event in events.listed(engine)] == final


# Files


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


HEADER = "name,category,event_start,event_end,intensity,description"
ROW = "Launch,launch,2025-03-06T22:00:00Z,2025-03-07T01:00:00Z,0.7,"


def test_a_second_import_adds_nothing(engine: Engine, tmp_path: Path) -> None:
    path = written(tmp_path / "e.csv", HEADER, ROW, ROW.replace("Launch", "Other"))
    assert event_files.import_file(engine, path).added == 2
    again = event_files.import_file(engine, path)
    assert (again.added, again.changed, again.unchanged) == (0, 0, 2)
    assert len(event_changes.history(engine)) == 2


def test_a_changed_row_changes_its_event_and_keeps_what_the_file_does_not_say(engine: Engine, tmp_path: Path) -> None:
    event = events.add(engine, replace(LAUNCH, name="Launch", source="news", description="first"))
    path = written(
        tmp_path / "e.csv", "name,event_start,event_end,intensity", "Launch,2025-03-06T22:00Z,2025-03-07T01:00Z,0.9"
    )
    report = event_files.import_file(engine, path)
    assert (report.added, report.changed) == (0, 1)
    expected = replace(event.fields, intensity=0.9)
    assert events.get(engine, event.id).fields == expected


def test_a_removed_event_is_not_brought_back_by_an_import(engine: Engine, tmp_path: Path) -> None:
    path = written(tmp_path / "e.csv", HEADER, ROW)
    event_files.import_file(engine, path)
    events.remove(engine, events.listed(engine)[0].id)
    report = event_files.import_file(engine, path)
    assert (report.added, report.left_removed) == (0, 1)
    assert events.listed(engine) == []


def test_a_number_beyond_all_floats_is_a_wrong_row(engine: Engine, tmp_path: Path) -> None:
    row = {"name": "Launch", "event_start": "2025-03-06T22:00Z", "event_end": "2025-03-06T22:00Z"}
    path = tmp_path / "e.json"
    path.write_text(json.dumps([{**row, "intensity": 10**400}]))
    [error] = event_files.import_file(engine, path).errors
    assert "is not a number" in error.reason


def test_an_import_is_undone_and_redone_at_once(engine: Engine, tmp_path: Path) -> None:
    rows = [ROW.replace("Launch", f"Launch {i}") for i in range(5)]
    event_files.import_file(engine, written(tmp_path / "e.csv", HEADER, *rows))
    made = event_undo.undo(engine)
    assert made is not None
    assert made.together == 5
    assert events.listed(engine) == []
    event_undo.redo(engine)
    assert len(events.listed(engine)) == 5


def test_one_bad_row_stores_nothing_and_names_each_line(engine: Engine, tmp_path: Path) -> None:
    path = written(
        tmp_path / "e.csv",
        HEADER,
        ROW,
        ROW.replace("0.7", "7"),
        ROW.replace("22:00:00Z", "22:00:00"),
        "too,few",
        "",
        ROW.replace("Launch", "  "),
    )
    report = event_files.import_file(engine, path)
    assert [error.line for error in report.errors] == [3, 4, 5, 7]
    assert "intensity" in report.errors[0].reason
    assert "time zone" in report.errors[1].reason
    assert not report.stored
    assert events.listed(engine) == []


def test_every_fault_of_a_row_is_told(engine: Engine, tmp_path: Path) -> None:
    path = written(tmp_path / "e.csv", "name,event_start,event_end,intensity", " ,soon,2025-03-07T01:00Z,7")
    [error] = event_files.import_file(engine, path).errors
    assert error.reason.startswith("name must not be empty; event_start ('soon' is not a time")
    assert error.reason.endswith("; intensity must be from 0 to 1, not 7.0")


def test_a_row_without_an_end_is_a_point_in_time(engine: Engine, tmp_path: Path) -> None:
    path = written(
        tmp_path / "e.csv",
        "name,event_start,event_end,intensity",
        "a,2025-03-06T22:00Z,,0.5",
        "b,2025-03-06T22:00Z,2025-03-06T23:00Z,0.5",
    )
    report = event_files.import_file(engine, path)
    assert report.notes == ("a point in time, without an end: 1 event",)
    assert [event.event_end.hour for event in events.listed(engine)] == [22, 23]


def test_a_file_without_ends_changes_no_end(engine: Engine, tmp_path: Path) -> None:
    event_files.import_file(engine, written(tmp_path / "e.csv", HEADER, ROW))
    [before] = events.listed(engine)
    path = written(tmp_path / "f.csv", "name,event_start,intensity", "Launch,2025-03-06T22:00:00Z,0.9")
    assert event_files.import_file(engine, path).changed == 1
    [after] = events.listed(engine)
    assert (after.event_end, after.intensity) == (before.event_end, 0.9)


@pytest.mark.parametrize("form", ["csv", "json"])
def test_what_the_console_writes_of_its_table_is_taken_without_what_is_not_of_an_event(
    engine: Engine, tmp_path: Path, form: str
) -> None:
    event_files.import_file(engine, written(tmp_path / "e.csv", HEADER, ROW, ROW.replace("Launch", "Other")))
    events.remove(engine, events.listed(engine)[1].id)
    kept, removed = events.listed(engine, include_removed=True)
    exported = Exported([record_of(kept), record_of(removed)], [], [])
    path = tmp_path / f"table.{form}"
    path.write_text(exported.as_csv() if form == "csv" else exported.as_json())
    report = event_files.import_file(engine, path)
    assert (report.unchanged, report.left_removed, report.errors) == (1, 0, ())
    assert report.notes == ("not taken in: id, updated_at, removed_at", "left out, as removed or cancelled: 1 event")


def test_an_unknown_column_is_refused_with_the_one_that_may_be_meant(engine: Engine, tmp_path: Path) -> None:
    path = written(tmp_path / "e.csv", HEADER + ",descripton", ROW + ",x")
    with pytest.raises(UsageError, match="unknown column 'descripton'") as refused:
        event_files.import_file(engine, path)
    assert refused.value.hint is not None
    assert refused.value.hint.startswith("Did you mean 'description'? Known: ")


def test_a_wrong_row_of_json_is_told_by_its_line(engine: Engine, tmp_path: Path) -> None:
    row = {"name": "a", "event_start": "2025-03-06T22:00Z", "intensity": 0.5}
    path = tmp_path / "e.json"
    path.write_text(json.dumps([row, {**row, "intensty": 1}, 7], indent=1))
    errors = event_files.import_file(engine, path).errors
    assert [error.line for error in errors] == [7, 13]
    assert errors[0].reason == "has the unknown field 'intensty'. Did you mean 'intensity'?"


def test_bad_rows_can_be_skipped(engine: Engine, tmp_path: Path) -> None:
    path = written(tmp_path / "e.csv", HEADER, ROW, ROW.replace("0.7", "7"))
    report = event_files.import_file(engine, path, skip_bad=True)
    assert (report.added, len(report.errors), report.stored) == (1, 1, True)


def test_a_dry_run_says_what_would_happen_and_stores_nothing(engine: Engine, tmp_path: Path) -> None:
    report = event_files.import_file(engine, written(tmp_path / "e.csv", HEADER, ROW), dry_run=True)
    assert (report.added, report.stored) == (1, False)
    assert events.listed(engine) == []
    assert event_changes.history(engine) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"name,when\n", "no column event_start"),
        (b"name,event_start,event_end,intensity,color\n", "unknown column 'color'"),
        (b"name,name,event_start,event_end,intensity\n", "twice"),
        (b"name,\xff", "not UTF-8"),
    ],
)
def test_a_file_that_is_no_list_of_events_is_refused(
    engine: Engine, tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "e.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        event_files.import_file(engine, path)


def test_nul_bytes_huge_cells_and_open_quotes_are_errors_of_their_rows(engine: Engine, tmp_path: Path) -> None:
    path = written(
        tmp_path / "e.csv", HEADER, ROW.replace("Launch", "a\x00b"), ROW + "x" * 200_000, ROW, ROW + '"open'
    )
    report = event_files.import_file(engine, path, skip_bad=True)
    assert report.added == 1
    assert {2, 3} <= {error.line for error in report.errors}


@pytest.mark.parametrize("content", ["{}", "[1]", "nonsense", "[" * 100_000, '[{"name": 5}]', '[{"colour": "x"}]'])
def test_json_that_is_no_list_of_events_is_refused_or_told(engine: Engine, tmp_path: Path, content: str) -> None:
    path = written(tmp_path / "e.json", content)
    try:
        report = event_files.import_file(engine, path)
    except UsageError:
        return
    assert report.errors
    assert not report.stored


def test_a_file_may_say_since_when_an_event_was_known_but_not_from_the_future(engine: Engine, tmp_path: Path) -> None:
    path = written(
        tmp_path / "e.csv", HEADER + ",created_at", ROW + ",2025-01-01T00:00Z", ROW.replace("L", "M") + ",2199-01-01Z"
    )
    report = event_files.import_file(engine, path, skip_bad=True)
    assert [error.line for error in report.errors] == [3]
    [event] = events.listed(engine)
    assert event.created_at == datetime(2025, 1, 1, tzinfo=UTC)
    assert event.updated_at is None


def test_a_second_row_of_a_name_and_start_is_a_second_event_and_is_said(engine: Engine, tmp_path: Path) -> None:
    path = written(tmp_path / "e.csv", HEADER, ROW, ROW.replace("0.7", "0.2"), ROW)
    first = event_files.import_file(engine, path)
    assert (first.added, first.twins, first.errors) == (3, 2, ())
    assert [event.intensity for event in events.listed(engine)] == [0.7, 0.2, 0.7]
    again = event_files.import_file(engine, path)
    assert (again.unchanged, again.twins) == (3, 0)
    event_undo.undo(engine)
    assert events.listed(engine) == []


def test_of_stored_twins_an_import_of_one_changes_the_oldest_that_is_not_removed(
    engine: Engine, tmp_path: Path
) -> None:
    removed, oldest, younger = (events.add(engine, replace(LAUNCH, intensity=i / 10)) for i in (1, 2, 3))
    events.remove(engine, removed.id)
    entry = [(replace(LAUNCH, intensity=0.9), None)]
    assert event_merge.merge(engine, entry) == event_merge.Merged(0, 1, 0, 0)
    assert [events.get(engine, one.id).intensity for one in (removed, oldest, younger)] == [0.1, 0.9, 0.3]
    assert event_merge.merge(engine, entry) == event_merge.Merged(0, 0, 1, 0)


def test_of_stored_twins_one_that_equals_the_entry_is_left_and_none_is_changed_for_it(engine: Engine) -> None:
    events.add(engine, replace(LAUNCH, intensity=0.2))
    events.add(engine, replace(LAUNCH, intensity=0.3))
    assert event_merge.merge(engine, [(replace(LAUNCH, intensity=0.3), None)]) == event_merge.Merged(0, 0, 1, 0)


def test_of_imported_twins_the_one_that_was_removed_stays_so_and_the_other_as_it_is(engine: Engine) -> None:
    entries = [(replace(LAUNCH, intensity=i / 10), None) for i in (2, 3)]
    event_merge.merge(engine, entries)
    first, second = events.listed(engine)
    events.remove(engine, first.id)
    assert event_merge.merge(engine, entries) == event_merge.Merged(0, 0, 1, 1)
    assert events.get(engine, second.id) == second


twins = st.lists(
    st.builds(
        lambda name, later, intensity, category: EventFields(
            name, START + later * HOUR, START + 9 * HOUR, intensity / 4, category
        ),
        st.sampled_from("ab"),
        st.integers(0, 1),
        st.integers(0, 4),
        st.sampled_from([None, "launch"]),
    ),
    max_size=8,
)


@on_one_database
@given(before=twins, gone=st.sets(st.integers(0, 7)), entries=twins, keep=st.sampled_from([(), ("category",)]))
def test_whatever_twins_there_are_a_second_merge_changes_nothing_and_each_entry_is_there_or_removed(
    engine: Engine, before: list[EventFields], gone: set[int], entries: list[EventFields], keep: tuple[str, ...]
) -> None:
    emptied(engine)
    for i, event in enumerate(events.add_all(engine, before)):
        if i in gone:
            events.remove(engine, event.id)
    wanted = [(fields, None) for fields in entries]
    dry = event_merge.merge(engine, wanted, keep=keep, dry_run=True)
    done = event_merge.merge(engine, wanted, keep=keep)
    assert done == dry
    assert done.added + done.changed + done.unchanged + done.left_removed == len(entries)
    state = events.listed(engine, include_removed=True)
    again = event_merge.merge(engine, wanted, keep=keep)
    assert again == event_merge.Merged(0, 0, len(entries) - done.left_removed, done.left_removed)
    assert events.listed(engine, include_removed=True) == state


@pytest.mark.parametrize("suffix", ["csv", "json", "ics"])
@on_one_database
@given(drafts=twins, gone=st.sets(st.integers(0, 7)))
def test_an_import_of_what_was_exported_changes_nothing_also_where_there_are_twins(
    engine: Engine, tmp_path: Path, suffix: str, drafts: list[EventFields], gone: set[int]
) -> None:
    emptied(engine)
    for i, event in enumerate(events.add_all(engine, drafts)):
        if i in gone:
            events.remove(engine, event.id)
    state, live = events.listed(engine, include_removed=True), events.listed(engine)
    path = tmp_path / f"events.{suffix}"
    path.write_text(event_files.written(path, live), encoding="utf-8", newline="")
    if live:
        report = event_files.import_file(engine, path)
        assert (report.unchanged, report.errors) == (len(live), ())
    assert events.listed(engine, include_removed=True) == state
    emptied(engine)
    if live:
        event_files.import_file(engine, path)
    assert [event.fields for event in events.listed(engine)] == [event.fields for event in live]


@pytest.mark.parametrize("suffix", ["csv", "json"])
@on_one_database
@given(drafts=st.lists(fields, max_size=5))
def test_what_is_exported_comes_back_as_it_was(
    engine: Engine, tmp_path: Path, suffix: str, drafts: list[EventFields]
) -> None:
    emptied(engine)
    event_merge.merge(engine, [(draft, None) for draft in drafts])
    exported = events.listed(engine)
    path = tmp_path / f"events.{suffix}"
    content = event_files.to_csv(exported) if suffix == "csv" else event_files.to_json(exported)
    path.write_text(content, encoding="utf-8", newline="")
    assert event_files.import_file(engine, path).unchanged == len(drafts) if drafts else True
    emptied(engine)
    event_files.import_file(engine, path)
    restored = events.listed(engine)
    assert [(event.fields, event.created_at) for event in restored] == [
        (event.fields, event.created_at) for event in exported
    ]


@on_one_database
@given(draft=fields)
def test_any_valid_event_survives_the_database_and_its_log(engine: Engine, draft: EventFields) -> None:
    emptied(engine)
    event = events.add(engine, draft)
    assert event.fields == draft
    assert events.get(engine, event.id) == event
    events.remove(engine, event.id)
    event_undo.undo(engine)
    assert events.get(engine, event.id).fields == draft
    assert json.dumps(event_changes.history(engine)[0].after)
    assert utc(event.event_start) == draft.event_start
