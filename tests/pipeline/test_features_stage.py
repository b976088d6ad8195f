"""Stored features are those that the arrays give, for every observed hour and the one to come, and leak nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, delete, insert, select, update

from musktracker.db.engines import reading, writing
from musktracker.db.tables import Coverage, ExogenousEvent, Feature, RawTweet
from musktracker.models.feature_names import FEATURES
from musktracker.pipeline import features
from musktracker.pipeline.aggregate import refresh
from musktracker.reporting import Run
from musktracker.timeline import HOUR

START = datetime(2024, 2, 28, tzinfo=UTC)
HOURS = 200


@pytest.fixture
def observed(engine: Engine) -> Engine:
    """A database with 200 observed hours and a post in every third."""
    with writing(engine) as connection:
        span = {"source": "test", "span_start": START, "span_end": START + HOUR * HOURS, "created_at": START}
        connection.execute(insert(Coverage).values(**span))
    post(engine, *range(0, HOURS, 3))
    return engine


def post(engine: Engine, *hours: float) -> None:
    values = [
        {"tweet_id": f"{hour}", "created_at": START + HOUR * hour, "source": "test", "ingest_time": START}
        for hour in hours
    ]
    with writing(engine) as connection:
        connection.execute(insert(RawTweet), values)


def add_event(engine: Engine, start: float, end: float, intensity: float, *, entered: datetime = START) -> None:
    values = {"name": "launch", "event_start": START + HOUR * start, "event_end": START + HOUR * end}
    with writing(engine) as connection:
        connection.execute(
            insert(ExogenousEvent).values(**values, intensity=intensity, source="test", created_at=entered)
        )


def stored(engine: Engine) -> dict[int, dict[str, Any]]:
    """Hours from START to each row, and its columns."""
    with reading(engine) as connection:
        rows = connection.execute(select(Feature.__table__).order_by(Feature.reference_time)).mappings()
        return {(row["reference_time"] - START) // HOUR: dict(row) for row in rows}


def test_there_is_a_row_for_every_observed_hour_and_for_the_hour_to_come(observed: Engine) -> None:
    refresh(observed, Run())
    assert list(stored(observed)) == list(range(HOURS + 1))


def test_the_hour_after_an_observed_stretch_has_a_row_and_the_rest_of_the_hole_none(engine: Engine) -> None:
    with writing(engine) as connection:
        for first, last in ((0, 2), (5, 6)):
            span = {"source": "test", "span_start": START + HOUR * first, "span_end": START + HOUR * last}
            connection.execute(insert(Coverage).values(**span, created_at=START))
    refresh(engine, Run())
    rows = stored(engine)
    assert list(rows) == [0, 1, 2, 5, 6]
    assert [row["lag_1h"] for row in rows.values()] == [None, 0, 0, None, 0]


def test_a_row_holds_what_its_columns_are_named_for(observed: Engine) -> None:
    add_event(observed, 190, 191, 0.25)
    add_event(observed, 100, 198.5, 0.75)
    refresh(observed, Run())
    row = stored(observed)[HOURS]
    assert {name: row[name] for name in FEATURES if not name.startswith("rolling")} == {
        "lag_1h": 0,
        "lag_6h": 0,
        "lag_12h": 0,
        "lag_24h": 0,
        "lag_7d": 0,
        "hour_of_day": 8,
        "day_of_week": 3,
        "is_weekend": False,
        "event_intensity": 0.75,
        "events_in_window": 2,
    }
    assert stored(observed)[HOURS - 1]["lag_1h"] == 1
    assert row["rolling_mean_24h"] == pytest.approx(8 / 24)
    assert row["rolling_std_24h"] == pytest.approx((8 / 24 * 16 / 24 * 24 / 23) ** 0.5)
    assert row["rolling_mean_7d"] == pytest.approx(56 / 168)


def test_what_the_history_does_not_reach_is_null_and_not_zero(observed: Engine) -> None:
    refresh(observed, Run())
    rows = stored(observed)
    for name, needed in {
        "lag_1h": 1,
        "lag_24h": 24,
        "lag_7d": 168,
        "rolling_std_24h": 24,
        "rolling_mean_7d": 168,
    }.items():
        assert [hour for hour, row in rows.items() if row[name] is None] == list(range(needed)), name


def test_a_post_changes_no_row_at_or_before_its_hour(observed: Engine) -> None:
    refresh(observed, Run())
    before = stored(observed)
    post(observed, 120.5, 121.0, 199.9)
    refresh(observed, Run())
    after = stored(observed)
    assert min(hour for hour in before if before[hour] != after[hour]) == 121


def test_an_event_is_found_when_added_changed_removed_and_restored(observed: Engine) -> None:
    refresh(observed, Run())
    quiet = stored(observed)
    add_event(observed, 50, 52, 0.5)
    refresh(observed, Run())
    assert [hour for hour, row in stored(observed).items() if row["events_in_window"]] == list(range(51, 76))
    for change, intensity in (({"intensity": 0.9}, 0.9), ({"removed_at": START}, 0.0), ({"removed_at": None}, 0.9)):
        with writing(observed) as connection:
            connection.execute(update(ExogenousEvent).values(**change))
        result = refresh(observed, Run())
        assert result["features"]["changed"] == 25
        assert stored(observed)[60]["event_intensity"] == intensity
    untouched = {hour: row for hour, row in stored(observed).items() if not 51 <= hour <= 75}
    assert untouched == {hour: row for hour, row in quiet.items() if hour in untouched}


def test_an_event_that_was_entered_late_counts_in_the_rows_of_its_own_time(observed: Engine) -> None:
    add_event(observed, 50, 50, 1.0, entered=START + timedelta(days=365))
    refresh(observed, Run())
    assert [hour for hour, row in stored(observed).items() if row["event_intensity"]] == list(range(51, 75))


def test_rows_deleted_by_hand_come_back(observed: Engine) -> None:
    refresh(observed, Run())
    before = list(stored(observed))
    with writing(observed) as connection:
        connection.execute(delete(Feature).where(Feature.reference_time < START + HOUR * 30))
        off_grid = Feature.reference_time == START + HOUR * 100
        connection.execute(update(Feature).where(off_grid).values(reference_time=START + HOUR * 100.5))
    result = refresh(observed, Run())
    assert list(stored(observed)) == before
    assert (result["features"]["inserted"], result["features"]["removed"]) == (31, 1)


def test_events_are_read_as_arrays_without_the_removed(engine: Engine) -> None:
    add_event(engine, 1, 2, 0.1, entered=START + timedelta(microseconds=7))
    add_event(engine, 3, 3, 0.2)
    with writing(engine) as connection:
        connection.execute(update(ExogenousEvent).where(ExogenousEvent.intensity == 0.2).values(removed_at=START))
    with reading(engine) as connection:
        found = features.events(connection)
    second = 1_000_000
    origin = int(START.timestamp()) * second
    assert (found.start.tolist(), found.end.tolist()) == ([origin + 3600 * second], [origin + 7200 * second])
    assert (found.known.tolist(), found.intensity.tolist()) == ([origin + 7], [0.1])


def test_an_intensity_with_many_digits_is_stored_exactly_and_found_unchanged(observed: Engine) -> None:
    add_event(observed, 10, 20, 0.1 + 0.2)
    refresh(observed, Run())
    assert stored(observed)[15]["event_intensity"] == 0.1 + 0.2
    assert refresh(observed, Run())["features"]["changed"] == 0
