"""What is known at a moment: counts of observed hours, and events as they were."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import Engine, insert
from stored_hours import START, store_hours

from musktracker.db.engines import writing
from musktracker.db.tables import ExogenousEvent, RawTweet
from musktracker.pipeline import event_changes, events, history
from musktracker.pipeline.event_fields import EventFields
from musktracker.timeline import HOUR


def test_unobserved_hours_are_missing_not_zero(engine: Engine) -> None:
    store_hours(engine, [5] * 10)
    store_hours(engine, [7] * 10, START + 12 * HOUR)
    known = history.load(engine)
    assert known.history.counts.tolist()[:10] == [5] * 10
    assert np.isnan(known.history.counts[10:12]).all()
    assert known.data_until == START + 22 * HOUR
    assert known.unobserved(1) == pytest.approx(4 / 24)


def post(engine: Engine, *moments: datetime) -> None:
    rows = [
        {"tweet_id": str(i), "created_at": moment, "source": "file", "ingest_time": moment}
        for i, moment in enumerate(moments)
    ]
    with writing(engine) as connection:
        connection.execute(insert(RawTweet), rows)


def minutes(known: history.Known) -> list[float]:
    assert known.history.posts is not None
    return [(moment / 60_000_000) - 60 * known.history.start for moment in known.history.posts.tolist()]


def test_the_times_of_the_posts_counted_come_along(engine: Engine) -> None:
    store_hours(engine, [1, 2, 0, 1])
    moments = [START + timedelta(minutes=minute) for minute in (150 + 60, 3.5, 61, 119)]
    post(engine, *moments, START + 5 * HOUR)
    assert minutes(history.load(engine)) == [3.5, 61, 119, 210]
    assert minutes(history.load(engine, as_of=START + 2 * HOUR)) == [3.5, 61, 119]
    assert history.load(engine, posts=False).history.posts is None


def test_an_hour_counted_otherwise_has_its_posts_spread_evenly(engine: Engine) -> None:
    store_hours(engine, [4, 2, 3])
    moments = [START + timedelta(minutes=minute) for minute in (1, 2, 3, 4, 70, 121, 122, 123)]
    post(engine, *moments)
    assert minutes(history.load(engine)) == [1, 2, 3, 4, 75, 105, 121, 122, 123]


def test_counts_without_posts_have_no_times(engine: Engine) -> None:
    store_hours(engine, [5, 5, 5])
    post(engine, START)
    assert history.load(engine).history.posts is None


def test_as_of_gives_what_was_known_then(engine: Engine) -> None:
    store_hours(engine, range(48))
    with writing(engine) as connection:
        connection.execute(
            insert(ExogenousEvent),
            [
                {
                    "name": name,
                    "event_start": START + 60 * HOUR,
                    "event_end": START + 61 * HOUR,
                    "intensity": 0.5,
                    "source": "manual",
                    "created_at": START + hours * HOUR,
                }
                for name, hours in (("early", 10), ("late", 30))
            ],
        )
    known = history.load(engine, as_of=START + 20.5 * HOUR).history
    assert len(known.counts) == 20
    assert len(known.events.start) == 1
    assert len(history.load(engine).history.events.start) == 2


def test_as_of_sees_an_event_as_it_was_before_later_edits_and_removals(engine: Engine) -> None:
    store_hours(engine, [1] * 48)
    added = events.add(engine, EventFields("Launch", START, START + HOUR, 0.2))
    edited = events.edit(engine, added.id, replace(added.fields, intensity=0.8))
    events.remove(engine, added.id)
    moments = {change.action: change.changed_at for change in event_changes.history(engine)}
    assert edited.updated_at == moments["edit"]

    def intensities(as_of: datetime | None) -> list[float]:
        return history.load(engine, as_of=as_of).history.events.intensity.tolist()

    assert intensities(moments["add"]) == [0.2]
    assert intensities(moments["edit"]) == [0.8]
    assert intensities(moments["remove"]) == []
    assert intensities(None) == []


def test_events_have_the_category_that_they_had(engine: Engine) -> None:
    store_hours(engine, [1] * 48)
    added = events.add(engine, EventFields("Launch", START, START + HOUR, 0.2, "launch"))
    events.add(engine, EventFields("Other", START, START + HOUR, 0.2))
    events.edit(engine, added.id, replace(added.fields, category="market"))
    moment = event_changes.history(engine)[1].changed_at

    def categories(as_of: datetime | None) -> list[str]:
        found = history.load(engine, as_of=as_of).history.events
        return [found.categories[code] for code in found.category]

    assert categories(moment) == ["launch", ""]
    assert categories(None) == ["market", ""]


def test_an_edit_counts_as_known_from_its_own_time(engine: Engine) -> None:
    store_hours(engine, [1] * 48)
    added = events.add(engine, EventFields("Launch", START, START + HOUR, 0.2))
    edited = events.edit(engine, added.id, replace(added.fields, intensity=0.8))
    assert edited.updated_at is not None
    for as_of in (None, edited.updated_at):
        [known] = history.load(engine, as_of=as_of).history.events.known
        assert known == int(edited.updated_at.timestamp() * 1_000_000)
