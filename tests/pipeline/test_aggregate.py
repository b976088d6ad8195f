"""Buckets say what was observed, and a refresh of what changed leaves the same rows as one of everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, insert, select, text, update
from sqlalchemy.exc import OperationalError

from musktracker.db import settings
from musktracker.db.engines import reading, writing
from musktracker.db.queries import counts
from musktracker.db.tables import Coverage, ExogenousEvent, Feature, RawTweet, TimeBucket
from musktracker.errors import Cancelled
from musktracker.pipeline import aggregate, outages, store
from musktracker.pipeline.aggregate import refresh
from musktracker.reporting import Run
from musktracker.timeline import DAY, HOUR, Span, union

START = datetime(2024, 2, 28, tzinfo=UTC)
HOURS = 220  # more than a week, so that every window is filled


def cover(engine: Engine, start: float, end: float) -> None:
    """Say that a span, in hours after START, was observed."""
    values = {"source": "test", "span_start": START + HOUR * start, "span_end": START + HOUR * end}
    with writing(engine) as connection:
        connection.execute(insert(Coverage).values(**values, created_at=START))


def post(engine: Engine, *hours: float, kind: str | None = None, is_deleted: bool = False) -> None:
    """Store posts made so many hours after START."""
    with writing(engine) as connection:
        known = connection.scalar(select(RawTweet.id).order_by(RawTweet.id.desc()).limit(1)) or 0
        for i, hour in enumerate(hours, known):
            values = {"tweet_id": str(i), "created_at": START + HOUR * hour, "kind": kind, "is_deleted": is_deleted}
            connection.execute(insert(RawTweet).values(**values, source="test", ingest_time=START))


def buckets(engine: Engine, granularity: str = "hourly") -> dict[int, int]:
    """Hours from START to each bucket's start, and its count."""
    query = select(TimeBucket.bucket_start, TimeBucket.tweet_count).where(TimeBucket.granularity == granularity)
    with reading(engine) as connection:
        return {(start - START) // HOUR: count for start, count in connection.execute(query)}


def stored(engine: Engine, *, whole: bool = False) -> list[list[tuple[Any, ...]]]:
    """All buckets and features; without `id` and `computed_at` unless `whole`."""
    found = []
    for table, order in ((TimeBucket, "granularity, bucket_start"), (Feature, "reference_time")):
        columns = [c for c in table.__table__.columns if whole or c.name not in ("id", "computed_at")]
        with reading(engine) as connection:
            found.append([tuple(row) for row in connection.execute(select(*columns).order_by(text(order)))])
    return found


def written(result: dict[str, Any]) -> int:
    """How many rows a refresh wrote or deleted."""
    return sum(
        result[name][how] for name in ("hours", "days", "features") for how in ("inserted", "changed", "removed")
    )


def test_an_observed_hour_without_posts_is_a_zero_and_an_unobserved_one_has_no_bucket(engine: Engine) -> None:
    cover(engine, 0, 3)
    cover(engine, 5, 6)
    post(engine, 0.1, 0.9, 2.5, 4.5, 5)
    result = refresh(engine, Run())
    assert buckets(engine) == {0: 2, 1: 0, 2: 1, 5: 1}
    assert result["hours"] == {"total": 4, "inserted": 4, "changed": 0, "removed": 0}
    assert result["span"] == ["2024-02-28T00:00:00Z", "2024-02-28T06:00:00Z"]


def test_the_log_separates_the_thousands(engine: Engine) -> None:
    cover(engine, 0, 1_100)
    post(engine, 0.5)
    run = Run()
    refresh(engine, run)
    assert "1,100 hours stored: 1,100 new, 0 changed, 0 removed" in [line.message for line in run.lines]


def test_an_hour_that_was_observed_in_part_has_no_bucket(engine: Engine) -> None:
    cover(engine, 0.5, 2.5)
    post(engine, 0.7, 1.5, 2.1)
    refresh(engine, Run())
    assert buckets(engine) == {1: 1}


def test_spans_that_touch_make_an_hour_whole(engine: Engine) -> None:
    cover(engine, 0, 0.4)
    cover(engine, 0.4, 1)
    refresh(engine, Run())
    assert buckets(engine) == {0: 0}


def test_the_unfinished_hour_is_never_stored(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    cover(engine, 0, 10)
    post(engine, 2.2)
    monkeypatch.setattr(aggregate, "now", lambda: START + HOUR * 3 - timedelta(microseconds=1))
    refresh(engine, Run())
    assert list(buckets(engine)) == [0, 1]
    monkeypatch.setattr(aggregate, "now", lambda: START + HOUR * 3)
    refresh(engine, Run())
    assert buckets(engine) == {0: 0, 1: 0, 2: 1}


def test_an_hour_includes_its_start_and_excludes_its_end(engine: Engine) -> None:
    cover(engine, 0, 2)
    with writing(engine) as connection:
        for i, moment in enumerate((START, START + HOUR - timedelta(microseconds=1), START + HOUR)):
            values = {"tweet_id": str(i), "created_at": moment, "source": "test", "ingest_time": START}
            connection.execute(insert(RawTweet).values(**values))
    refresh(engine, Run())
    assert buckets(engine) == {0: 2, 1: 1}


def test_a_day_is_stored_only_where_all_its_hours_were_observed(engine: Engine) -> None:
    cover(engine, -5, 47)
    cover(engine, 48, 72)
    post(engine, -1, 3, 23.9, 30, 50)
    refresh(engine, Run())
    assert buckets(engine, "daily") == {0: 2, 48: 1}


def test_deleted_posts_do_not_count(engine: Engine) -> None:
    cover(engine, 0, 1)
    post(engine, 0.1)
    post(engine, 0.2, is_deleted=True)
    refresh(engine, Run())
    assert buckets(engine) == {0: 1}


@pytest.mark.parametrize(("counting", "count"), [("all", 5), ("without_replies", 4)])
def test_which_kinds_count_is_a_setting_of_the_database(engine: Engine, counting: str, count: int) -> None:
    cover(engine, 0, 1)
    for kind in ("original", "reply", "quote", "repost", None):
        post(engine, 0.5, kind=kind)
    refresh(engine, Run())
    settings.set(engine, settings.COUNTING, counting)
    result = refresh(engine, Run())
    assert (buckets(engine), result["counting"]) == ({0: count}, counting)


def test_without_coverage_nothing_is_counted_and_the_run_says_so(engine: Engine) -> None:
    post(engine, 0.5)
    run = Run()
    result = refresh(engine, run)
    assert (result["span"], buckets(engine)) == (None, {})
    assert [line.level for line in run.lines if "observed" in line.message] == ["warning"]


def test_hours_that_are_no_longer_covered_lose_their_rows(engine: Engine) -> None:
    cover(engine, 0, 30)
    refresh(engine, Run())
    with writing(engine) as connection:
        connection.execute(delete(Coverage))
    refresh(engine, Run())
    assert stored(engine) == [[], []]


def test_a_second_refresh_writes_nothing(engine: Engine) -> None:
    cover(engine, 0, HOURS)
    post(engine, 1, 5.5, 100, 219.9)
    refresh(engine, Run())
    before = stored(engine, whole=True)
    assert written(refresh(engine, Run())) == 0
    assert stored(engine, whole=True) == before


def test_one_new_post_changes_only_the_rows_that_know_it(engine: Engine) -> None:
    cover(engine, 0, HOURS)
    refresh(engine, Run())
    before = stored(engine, whole=True)
    post(engine, 30.5)
    result = refresh(engine, Run())
    assert (result["hours"]["changed"], result["days"]["changed"]) == (1, 1)
    after = stored(engine, whole=True)
    changed = {(new[1] - START) // HOUR for new, old in zip(after[1], before[1], strict=True) if new[-1] != old[-1]}
    assert changed == {*range(31, 31 + 24), *range(168, 31 + 168)}  # before 168 h the week is unknown either way
    assert result["features"]["changed"] == len(changed)


def test_a_full_refresh_writes_every_row_anew(engine: Engine) -> None:
    cover(engine, 0, 50)
    refresh(engine, Run())
    with writing(engine) as connection:
        connection.execute(update(Feature).values(rolling_mean_24h=-1.0, computed_at=START))
        connection.execute(update(TimeBucket).values(computed_at=START))
    result = refresh(engine, Run(), full=True)
    assert result["hours"] == {"total": 50, "inserted": 50, "changed": 0, "removed": 50}
    with reading(engine) as connection:
        assert -1.0 not in connection.scalars(select(Feature.rolling_mean_24h)).all()
        assert START not in connection.scalars(select(TimeBucket.computed_at)).all()


def test_a_bucket_edited_by_hand_is_put_right(engine: Engine) -> None:
    cover(engine, 0, 3)
    refresh(engine, Run())
    right = stored(engine)
    with writing(engine) as connection:
        off = {"bucket_start": START + HOUR / 2, "bucket_end": START + HOUR}
        connection.execute(insert(TimeBucket).values(**off, granularity="hourly", tweet_count=1, computed_at=START))
        connection.execute(
            update(TimeBucket).where(TimeBucket.bucket_start == START).values(bucket_end=START + HOUR * 7)
        )
    refresh(engine, Run())
    assert stored(engine) == right


def test_a_cancelled_refresh_leaves_everything_as_it_was(engine: Engine) -> None:
    class Stopped(Run):
        def check(self) -> None:
            if self.stage == "features":
                raise Cancelled("Cancelled on request")

    cover(engine, 0, 3)
    with pytest.raises(Cancelled):
        refresh(engine, Stopped())
    assert stored(engine) == [[], []]


def test_refreshes_at_the_same_time_take_turns(engine: Engine) -> None:
    cover(engine, 0, HOURS)
    post(engine, 1, 2, 3)
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: refresh(engine, Run()), range(3)))
    assert sorted(written(result) for result in results) == [0, 0, 2 * HOURS + 1 + HOURS // 24]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_time_written_by_other_hands_counts_in_its_hour(engine: Engine) -> None:
    cover(engine, 0, 3)
    post(engine, 0.5, 2.5)
    with writing(engine) as connection:
        connection.exec_driver_sql("UPDATE raw_tweets SET created_at = '2024-02-28 01:30:00' WHERE tweet_id = '0'")
    refresh(engine, Run())
    assert buckets(engine) == {0: 0, 1: 1, 2: 1}


HOUR_OF_SPAN = st.integers(0, HOURS - 1)
STEP = st.one_of(
    st.tuples(st.just("post"), st.floats(0, HOURS), st.sampled_from([None, "reply", "original"])),
    st.tuples(st.just("delete"), st.integers(0, 9), st.booleans()),
    st.tuples(st.just("edit bucket"), HOUR_OF_SPAN, st.integers(-1, 1)),
    st.tuples(st.just("drop bucket"), HOUR_OF_SPAN, st.none()),
    st.tuples(st.just("cover"), st.floats(0, HOURS), st.floats(1, HOURS)),
    st.tuples(st.just("add event"), st.floats(0, HOURS), st.sampled_from([0.0, 0.5, 1.0, 30.0])),
    st.tuples(st.just("change event"), st.integers(0, 4), st.floats(0, 1)),
    st.tuples(st.just("remove event"), st.integers(0, 4), st.booleans()),
    st.tuples(st.just("count"), st.just(0), st.sampled_from(list(settings.COUNTINGS))),
    st.tuples(st.just("refresh"), st.none(), st.none()),
)
STEPS = st.lists(STEP, min_size=1, max_size=14)


def take(engine: Engine, step: tuple[str, Any, Any]) -> None:
    """Change the database as a step of a random sequence says."""
    what, where, value = step
    if what == "post":
        post(engine, where, kind=value)
    elif what == "cover":
        cover(engine, where, where + value)
    elif what == "count":
        settings.set(engine, settings.COUNTING, value)
    elif what == "refresh":
        refresh(engine, Run())
    else:
        with writing(engine) as connection:
            connection.execute(changing(what, where, value))


def changing(what: str, where: Any, value: Any) -> Any:
    """The statement of a step that is only a statement."""
    start = START + HOUR * where
    at_hour = (TimeBucket.bucket_start == start, TimeBucket.granularity == "hourly")
    if what == "delete":
        return update(RawTweet).where(RawTweet.tweet_id == str(where)).values(is_deleted=value)
    if what == "edit bucket":
        return (
            update(TimeBucket)
            .where(*at_hour, TimeBucket.tweet_count + value >= 0)
            .values(tweet_count=TimeBucket.tweet_count + value)
        )
    if what == "drop bucket":
        return delete(TimeBucket).where(*at_hour)
    if what == "change event":
        return update(ExogenousEvent).where(ExogenousEvent.id == where + 1).values(intensity=value)
    if what == "remove event":
        return (
            update(ExogenousEvent).where(ExogenousEvent.id == where + 1).values(removed_at=START if value else None)
        )
    assert what == "add event"
    values = {"name": "event", "intensity": 0.5, "source": "test", "created_at": START}
    return insert(ExogenousEvent).values(**values, event_start=start, event_end=start + HOUR * value)


def counted(engine: Engine) -> dict[int, int]:
    """Hours from START to each observed hour and its count, straight from posts and coverage."""
    with reading(engine) as connection:
        spans = union(Span(*row) for row in connection.execute(select(Coverage.span_start, Coverage.span_end)))
        posts = connection.execute(select(RawTweet.created_at, RawTweet.kind).where(~RawTweet.is_deleted)).all()
    leaves_out = settings.COUNTINGS[settings.counting(engine)].leaves_out
    tally = Counter((created_at - START) // HOUR for created_at, kind in posts if kind not in leaves_out)
    whole = (span.whole_hours() for span in spans)
    hours = [(start - START) // HOUR for span in whole for start in hours_of(span)]
    return {hour: tally[hour] for hour in hours}


def hours_of(span: Span) -> Sequence[datetime]:
    return [span.start + HOUR * i for i in range(max((span.end - span.start) // HOUR, 0))]


def check_that_incremental_equals_full(engine: Engine, steps: list[tuple[str, Any, Any]]) -> None:
    with writing(engine) as connection:
        for table in (RawTweet, TimeBucket, Feature, Coverage, ExogenousEvent):
            connection.execute(delete(table.__table__))
    settings.set(engine, settings.COUNTING, "all")
    cover(engine, 0, 190)
    for step in steps:
        take(engine, step)
    refresh(engine, Run())
    incremental = stored(engine)
    assert buckets(engine) == counted(engine)
    assert written(refresh(engine, Run())) == 0
    refresh(engine, Run(), full=True)
    assert stored(engine) == incremental


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@hypothesis_settings(max_examples=40)
@given(STEPS)
def test_incremental_equals_full_after_any_changes(engine: Engine, steps: list[tuple[str, Any, Any]]) -> None:
    check_that_incremental_equals_full(engine, steps)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@hypothesis_settings(max_examples=8)
@given(STEPS)
def test_incremental_equals_full_on_postgres_too(engine: Engine, steps: list[tuple[str, Any, Any]]) -> None:
    check_that_incremental_equals_full(engine, steps)


def test_a_daily_total_is_the_sum_of_its_hours(engine: Engine) -> None:
    cover(engine, 0, 48)
    post(engine, *(i * 0.7 for i in range(60)))
    refresh(engine, Run())
    hourly = buckets(engine)
    assert buckets(engine, "daily") == {
        day: sum(hourly[day + hour] for hour in range(DAY // HOUR)) for day in (0, 24)
    }


def test_time_seen_without_replies_counts_as_observed_only_where_replies_do_not_count(engine: Engine) -> None:
    start = datetime(2025, 3, 1, tzinfo=UTC)
    with writing(engine) as connection:
        store.cover(connection, "api", [Span(start, start + 2 * HOUR)], moment=start)
        seen = [Span(start + HOUR, start + 5 * HOUR)]
        store.cover(connection, "tracker", seen, moment=start, counting="without_replies")
    refresh(engine, Run())
    assert [hour.start for hour in counts.hourly(engine, Span(start, start + DAY))] == [start, start + HOUR]
    refresh(engine, Run(), counting="without_replies")
    assert len(counts.hourly(engine, Span(start, start + DAY))) == 5
    refresh(engine, Run(), counting="all")
    assert len(counts.hourly(engine, Span(start, start + DAY))) == 2


def test_an_outage_in_the_middle_is_waited_for(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    cover(engine, 0, HOURS)
    post(engine, 0.5, 3.2)
    whole, errors = aggregate.features.store, iter([OperationalError("", None, Exception("the server went away"))])

    def store_features(*arguments: Any, **options: Any) -> Any:
        for error in errors:
            raise error
        return whole(*arguments, **options)

    monkeypatch.setattr(aggregate.features, "store", store_features)
    monkeypatch.setattr(outages, "LONGEST_WAIT", 0.0)
    run = Run()
    assert refresh(engine, run)["hours"]["inserted"] == HOURS
    assert buckets(engine)[3] == 1
    assert "The database answers again" in [line.message for line in run.lines]
