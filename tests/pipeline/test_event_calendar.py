"""Events from calendars and as one: series, moved times, whole days, zones, and what cannot be read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from musktracker.errors import UsageError
from musktracker.pipeline import event_calendar, event_fields, event_files, events
from musktracker.pipeline.event_fields import EventFields
from musktracker.pipeline.event_rows import Event

NOW = datetime(2026, 11, 25, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")


def calendar(*entries: str) -> str:
    body = "".join(f"BEGIN:VEVENT\n{entry.strip()}\nEND:VEVENT\n" for entry in entries)
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{body}END:VCALENDAR\n".replace("\n", "\r\n")


def rows(*entries: str, zone: ZoneInfo = NEW_YORK) -> list[tuple[int, object]]:
    return list(event_calendar.rows(calendar(*entries), NOW, zone))


def starts(*entries: str) -> list[str]:
    return [row["event_start"] if isinstance(row, dict) else str(row) for _, row in rows(*entries)]


def test_an_entry_becomes_an_event() -> None:
    [(line, row)] = rows(
        "UID:1\nSUMMARY:Launch\\, at last\nDTSTART;TZID=America/New_York:20260302T180000\nDURATION:PT2H\n"
        "CATEGORIES:launch,space\nCREATED:20251201T000000Z\nDESCRIPTION:one\\ntwo\nX-INTENSITY:0.8"
    )
    assert line == 4
    assert row == {
        "name": "Launch, at last",
        "event_start": "2026-03-02T23:00:00Z",
        "event_end": "2026-03-03T01:00:00Z",
        "intensity": "0.8",
        "category": "launch",
        "description": "one\ntwo",
        "created_at": "2025-12-01T00:00:00Z",
    }


@pytest.mark.parametrize(
    ("times", "begin", "end"),
    [
        ("DTSTART;VALUE=DATE:20260201", "2026-02-01T05:00:00Z", "2026-02-02T05:00:00Z"),
        ("DTSTART;VALUE=DATE:20260201\nDTEND;VALUE=DATE:20260204", "2026-02-01T05:00:00Z", "2026-02-04T05:00:00Z"),
        ("DTSTART:20260301T100000", "2026-03-01T15:00:00Z", "2026-03-01T15:00:00Z"),
        ("DTSTART:20260301T100000Z\nDTEND:20260301T110000Z", "2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z"),
    ],
)
def test_days_and_times_without_a_zone_are_in_the_readers(times: str, begin: str, end: str) -> None:
    [(_, row)] = rows(f"UID:1\nSUMMARY:x\n{times}")
    assert isinstance(row, dict)
    assert (row["event_start"], row["event_end"]) == (begin, end)


def test_a_calendar_that_names_its_zone_is_read_in_that_one(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "days.ics"
    whole_day = calendar(
        "UID:1\nSUMMARY:x\nDTSTART;VALUE=DATE:20260201", "UID:2\nSUMMARY:y\nDTSTART:20260301T100000Z"
    )
    path.write_text(whole_day.replace("PRODID:x", "PRODID:x\r\nX-WR-TIMEZONE:Europe/Berlin"))
    report = event_files.import_file(engine, path, zone=NEW_YORK)
    assert [event.event_start.hour for event in events.listed(engine)] == [23, 10]
    assert report.notes == ("in Europe/Berlin, as a whole day or without a zone of its own: 1 event",)


def test_whole_days_are_said_to_be_in_the_readers_zone(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "days.ics"
    path.write_text(
        calendar("UID:1\nSUMMARY:x\nDTSTART;VALUE=DATE:20260201", "UID:2\nSUMMARY:y\nDTSTART:20260301T100000")
    )
    report = event_files.import_file(engine, path, zone=NEW_YORK)
    assert report.notes == ("in America/New_York, as a whole day or without a zone of its own: 2 events",)


def test_a_zone_that_a_calendar_names_wrongly_is_not_used() -> None:
    content = calendar("UID:1\nSUMMARY:x\nDTSTART;VALUE=DATE:20260201")
    content = content.replace("PRODID:x", "PRODID:x\r\nX-WR-TIMEZONE:../etc/passwd")
    [(_, row)] = event_calendar.rows(content, NOW, NEW_YORK)
    assert isinstance(row, dict)
    assert row["event_start"] == "2026-02-01T05:00:00Z"


def test_a_series_keeps_its_local_time_and_ends_where_it_says() -> None:
    weekly = (
        "UID:1\nSUMMARY:show\nDTSTART;TZID=America/New_York:20260302T180000\nRRULE:FREQ=WEEKLY;UNTIL=20260317T030000Z"
    )
    assert starts(weekly) == ["2026-03-02T23:00:00Z", "2026-03-09T22:00:00Z", "2026-03-16T22:00:00Z"]


def test_times_of_a_series_can_be_left_out_added_and_moved() -> None:
    series = (
        "UID:1\nSUMMARY:show\nDTSTART:20260302T180000Z\nRRULE:FREQ=WEEKLY;COUNT=4\n"
        "EXDATE:20260309T180000Z\nRDATE:20260401T120000Z"
    )
    moved = "UID:1\nSUMMARY:show, late\nRECURRENCE-ID:20260316T180000Z\nDTSTART:20260316T200000Z"
    assert starts(series, moved) == [
        "2026-03-02T18:00:00Z",
        "2026-03-23T18:00:00Z",
        "2026-04-01T12:00:00Z",
        "2026-03-16T20:00:00Z",
    ]


def test_what_a_calendar_cancels_is_left_out_and_said(engine: Engine, tmp_path: Path) -> None:
    series = "UID:1\nSUMMARY:show\nDTSTART:20260302T180000Z\nDTEND:20260302T190000Z\nRRULE:FREQ=WEEKLY;COUNT=3"
    off = (
        "UID:1\nSUMMARY:show\nRECURRENCE-ID:20260309T180000Z\nSTATUS:CANCELLED\n"
        "DTSTART:20260309T180000Z\nDTEND:20260309T190000Z"
    )
    path = tmp_path / "calendar.ics"
    path.write_text(calendar(series, off), newline="")
    report = event_files.import_file(engine, path)
    assert report.notes == ("left out, as removed or cancelled: 1 event",)
    assert [f"{event.event_start:%m-%d}" for event in events.listed(engine)] == ["03-02", "03-16"]


def test_an_endless_series_reaches_two_years_ahead() -> None:
    found = starts("UID:1\nSUMMARY:earnings\nDTSTART:20260115T210000Z\nRRULE:FREQ=MONTHLY;INTERVAL=3")
    assert found[0] == "2026-01-15T21:00:00Z"
    assert found[-1] == "2028-10-15T21:00:00Z"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("UID:1\nSUMMARY:x\nDTSTART:notadate", "DTSTART cannot be read"),
        ("UID:1\nSUMMARY:x", "no DTSTART"),
        ("UID:1\nSUMMARY:x\nDTSTART:20260101T000000Z\nRRULE:FREQ=SECONDLY", "more often than daily"),
        ("UID:1\nSUMMARY:x\nDTSTART:20000101T000000Z\nRRULE:FREQ=DAILY", "more than 1,000 times"),
    ],
)
def test_an_entry_that_cannot_be_an_event_says_why(entry: str, words: str) -> None:
    sound = "UID:9\nSUMMARY:sound\nDTSTART:20260101T000000Z"
    (_, wrong), (line, row) = rows(entry, sound)
    assert str(wrong).startswith("event 1 (x) ")
    assert words in str(wrong)
    assert line == entry.count("\n") + 7
    assert isinstance(row, dict)


@pytest.mark.parametrize("content", ["", "name,event_start\n", "BEGIN:VCALENDAR\nBEGIN:VEVENT\n"])
def test_what_is_no_calendar_is_refused(content: str) -> None:
    with pytest.raises(UsageError):
        list(event_calendar.rows(content, NOW, NEW_YORK))


def test_a_calendar_file_is_imported_with_its_wrong_entries_named(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "launches.ics"
    path.write_text(calendar("UID:1\nSUMMARY:x\nDTSTART:20260101T000000Z", "UID:2\nSUMMARY:y"))
    refused = event_files.import_file(engine, path, zone=NEW_YORK)
    assert (refused.stored, refused.added) == (False, 1)
    assert [(error.line, error.reason) for error in refused.errors] == [(9, "event 2 (y) has no DTSTART")]
    stored = event_files.import_file(engine, path, zone=NEW_YORK, skip_bad=True)
    assert stored.stored
    assert [event.name for event in events.listed(engine)] == ["x"]


_names = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=40)


@given(
    name=_names,
    description=st.text(st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")), max_size=80),
    hour=st.integers(0, 8_000),
    length=st.integers(0, 100),
    intensity=st.floats(0, 1).map(lambda value: round(value, 3)),
)
def test_what_is_written_as_a_calendar_is_read_as_it_was(
    name: str, description: str, hour: int, length: int, intensity: float
) -> None:
    begin = NOW + timedelta(hours=hour)
    fields = event_fields.cleaned(
        EventFields(name, begin, begin + timedelta(hours=length), intensity, "a, b; c", description, "manual")
    )
    stored = Event(1, **{slot: getattr(fields, slot) for slot in EventFields.__slots__}, **_STAMPS)
    [(_, row)] = event_calendar.rows(event_calendar.to_ics([stored]), NOW, NEW_YORK)
    assert isinstance(row, dict)
    read = EventFields(
        row["name"],
        datetime.fromisoformat(row["event_start"]),
        datetime.fromisoformat(row["event_end"]),
        float(row["intensity"]),
        row["category"],
        row["description"],
        row["source"],
    )
    assert event_fields.cleaned(read) == fields


_STAMPS = {"created_at": NOW - timedelta(days=3), "updated_at": None, "removed_at": None}
