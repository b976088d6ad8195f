"""Many events at once: series that keep their local time, and events moved in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine

from musktracker.errors import UsageError
from musktracker.pipeline import event_doubts, event_series, event_undo, events
from musktracker.pipeline.event_fields import EventFields

NEW_YORK = ZoneInfo("America/New_York")


def fields(local: datetime, hours: float = 1) -> EventFields:
    start = local.astimezone(UTC)
    return EventFields("show", start, start + timedelta(hours=hours), 0.5)


def local_starts(series: list[EventFields]) -> list[str]:
    return [f"{each.event_start.astimezone(NEW_YORK):%m-%d %H:%M}" for each in series]


def test_a_weekly_series_keeps_its_local_time_over_a_change_of_clocks() -> None:
    series = event_series.repeated(
        fields(datetime(2026, 2, 26, 18, tzinfo=NEW_YORK)), "weekly", datetime(2026, 3, 13, tzinfo=UTC), NEW_YORK
    )
    assert local_starts(series) == ["03-05 18:00", "03-12 18:00"]
    assert [each.event_start.hour for each in series] == [23, 22]
    assert {each.event_end - each.event_start for each in series} == {timedelta(hours=1)}


def test_a_series_on_the_31st_takes_the_last_day_of_shorter_months() -> None:
    first = fields(datetime(2026, 1, 31, 18, tzinfo=NEW_YORK))
    monthly = event_series.repeated(first, "monthly", datetime(2026, 5, 1, tzinfo=UTC), NEW_YORK)
    quarterly = event_series.repeated(first, "quarterly", datetime(2026, 11, 1, tzinfo=UTC), NEW_YORK)
    assert local_starts(monthly) == ["02-28 18:00", "03-31 18:00", "04-30 18:00"]
    assert local_starts(quarterly) == ["04-30 18:00", "07-31 18:00", "10-31 18:00"]


def test_a_time_that_the_clocks_skip_is_an_hour_later() -> None:
    series = event_series.repeated(
        fields(datetime(2026, 3, 1, 2, 30, tzinfo=NEW_YORK)), "weekly", datetime(2026, 3, 10, tzinfo=UTC), NEW_YORK
    )
    assert local_starts(series) == ["03-08 03:30"]


@pytest.mark.parametrize(
    ("every", "until", "words"),
    [
        ("daily", datetime(2027, 1, 1, tzinfo=UTC), "no way to repeat"),
        ("weekly", datetime(2026, 3, 3, tzinfo=UTC), "does not repeat"),
        ("weekly", datetime(2100, 1, 1, tzinfo=UTC), "more than 500"),
    ],
)
def test_what_is_no_series_is_refused(every: str, until: datetime, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        event_series.repeated(fields(datetime(2026, 3, 1, 18, tzinfo=NEW_YORK)), every, until, NEW_YORK)


def test_a_series_is_stored_as_one_change_and_undone_at_once(engine: Engine) -> None:
    first = events.add(engine, fields(datetime(2026, 3, 1, 18, tzinfo=NEW_YORK)))
    series = event_series.repeated(first.fields, "weekly", datetime(2026, 3, 20, tzinfo=UTC), NEW_YORK)
    made = events.add_all(engine, series)
    assert [event.event_start for event in made] == [each.event_start for each in series]
    undone = event_undo.undo(engine)
    assert undone is not None
    assert undone.together == 2
    assert [event.id for event in events.listed(engine)] == [first.id]


def test_a_series_of_which_one_is_there_is_stored_and_undone_whole_all_the_same(engine: Engine) -> None:
    first = events.add(engine, fields(datetime(2026, 3, 1, 18, tzinfo=NEW_YORK)))
    series = event_series.repeated(first.fields, "weekly", datetime(2026, 3, 20, tzinfo=UTC), NEW_YORK)
    there = events.add(engine, series[1])
    made = events.add_all(engine, series)
    doubts = event_doubts.doubts_of(engine, [(event.fields, event.id) for event in made])
    assert [len(said) for said in doubts] == [0, 1]
    assert doubts[1][0].startswith(f"is the same as event {there.id}")
    event_undo.undo(engine)
    assert [event.id for event in events.listed(engine)] == [first.id, there.id]


@pytest.mark.parametrize(("text", "hours"), [("+2h", 2), ("2h", 2), ("-1d", -24), (" -90m ", -1.5)])
def test_an_event_is_shifted_whole(text: str, hours: float) -> None:
    before = fields(datetime(2026, 3, 1, 18, tzinfo=NEW_YORK), hours=3)
    after = event_series.shifted(before, event_series.read_shift(text))
    assert after.event_start - before.event_start == timedelta(hours=hours)
    assert after.event_end - after.event_start == timedelta(hours=3)


def test_an_event_like_another_is_doubted_and_stored_all_the_same(engine: Engine) -> None:
    first = events.add(engine, fields(datetime(2026, 3, 1, 18, tzinfo=NEW_YORK), hours=3))
    alike = EventFields("SHOW", first.event_start + timedelta(days=2), first.event_end + timedelta(days=2), 0.5)
    overlapping = EventFields("other", first.event_start + timedelta(hours=1), first.event_end, 0.5)
    apart = EventFields("other", first.event_end, first.event_end, 0.5)
    assert "may be the same as event 1" in event_doubts.doubts(engine, alike)[0]
    assert "overlaps event 1" in event_doubts.doubts(engine, overlapping)[0]
    assert event_doubts.doubts(engine, apart) == []
    assert event_doubts.doubts(engine, first.fields, besides=first.id) == []
    events.add(engine, alike)
    assert len(events.listed(engine)) == 2
