"""A window is counted to the microsecond, simulated only where nothing was seen, and honest about what it lacks."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, delete, func, insert, select, update
from stored_hours import store_hours

from musktracker import recorder, runs
from musktracker.db import settings
from musktracker.db.engines import reading, writing
from musktracker.db.tables import Coverage, RawTweet, TimeBucket, WindowForecast
from musktracker.db.upsert import upsert
from musktracker.errors import DataError, UsageError
from musktracker.market_windows import ET
from musktracker.pipeline import requests, stages
from musktracker.pipeline.aggregate import refresh
from musktracker.pipeline.forecast import forecast
from musktracker.pipeline.train import train
from musktracker.pipeline.window import window
from musktracker.reporting import Run
from musktracker.timeline import DAY, HOUR, iso, utc_text

START = datetime(2025, 2, 1, 5, tzinfo=UTC)
DAYS = 40
END = START + DAYS * DAY  # Thursday 2025-03-13, 01:00 in New York, whose clocks changed on the 9th
MOMENT = END + timedelta(minutes=25)
TRAINED = START + 30 * DAY
MICROSECOND = timedelta(microseconds=1)


def store_posts(engine: Engine, times: Iterable[datetime], *, first_id: int = 1, kind: str | None = None) -> None:
    rows = [(str(first_id + k), time, "file", START, False, kind) for k, time in enumerate(times)]
    columns = ("tweet_id", "created_at", "source", "ingest_time", "is_deleted", "kind")
    table = RawTweet.__table__
    with writing(engine) as connection:
        assert upsert(connection, table, columns, rows, conflict=("tweet_id",)) == len(rows)


def store_coverage(engine: Engine, start: datetime, end: datetime) -> None:
    with writing(engine) as connection:
        values = {"source": "file", "span_start": start, "span_end": end, "created_at": START}
        connection.execute(insert(Coverage).values(values))


def drawn_posts() -> list[datetime]:
    """About three an hour from START to MOMENT, at odd microseconds."""
    rng = np.random.default_rng(1)
    seconds = np.sort(rng.random(3 * 24 * DAYS)) * ((MOMENT - START) / timedelta(seconds=1))
    return [START + timedelta(seconds=float(second)) for second in seconds]


POSTS = drawn_posts()


def between(start: datetime, end: datetime) -> int:
    return sum(start <= post < end for post in POSTS)


@pytest.fixture
def observed(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Forty days of posts, observed until now, 25 minutes into an hour; nothing is trained."""
    store_posts(engine, POSTS)
    store_coverage(engine, START, MOMENT)
    refresh(engine, Run())
    monkeypatch.setattr(requests, "now", lambda: MOMENT)
    return engine


@pytest.fixture
def tracked(observed: Engine, tmp_path: Path) -> Engine:
    """The same with a seasonal naive version trained on the first thirty days."""
    fit(observed, tmp_path)
    return observed


def fit(engine: Engine, tmp_path: Path) -> None:
    train(
        engine,
        Run(),
        artifact_dir=str(tmp_path),
        model="seasonal_naive",
        backtest_origins=0,
        until=iso(TRAINED),
    )


def look(engine: Engine, run: Run | None = None, **parameters: Any) -> dict[str, Any]:
    for name in ("start", "end", "as_of"):
        if isinstance(parameters.get(name), datetime):
            parameters[name] = iso(parameters[name])
    return window(engine, run or Run(), **{"n_paths": 400, **parameters})


def test_a_week_going_on_has_count_projection_and_brackets(tracked: Engine) -> None:
    found = look(tracked, preset="fri-noon")
    start, end = datetime(2025, 3, 7, 17, tzinfo=UTC), datetime(2025, 3, 14, 16, tzinfo=UTC)
    assert (found["start"], found["end"], found["timezone"]) == (iso(start), iso(end), "America/New_York")
    assert (found["hours"], found["state"]) == (167, "open")
    assert found["count"] == between(start, MOMENT)
    assert found["counted_until"] == found["moment"] == iso(MOMENT)
    assert found["hours_left"] == found["hours_to_come"] == pytest.approx((end - MOMENT) / HOUR)
    assert found["pace"]["per_hour"] == pytest.approx(found["count"] / ((MOMENT - start) / HOUR))
    assert found["pace"]["projected"] == pytest.approx(
        found["count"] + found["pace"]["per_hour"] * found["hours_left"]
    )
    assert found["total"]["mean"] == pytest.approx(found["count"] + 3 * found["hours_left"], rel=0.05)
    assert found["count"] <= found["total"]["lower_95"] <= found["total"]["lower_50"] <= found["total"]["median"]
    assert (found["model"], found["version"], found["n_paths"], found["seed"]) == ("seasonal_naive", "v1", 400, 1)
    assert found["counting_meaning"] == "every post, whatever its kind"
    assert not found["lower_bound"]


def test_brackets_sum_to_one_and_those_passed_are_dead(tracked: Engine) -> None:
    found = look(tracked, preset="fri-noon")
    assert sum(one["probability"] for one in found["brackets"]) == pytest.approx(1)
    for one in found["brackets"]:
        passed = one["upper"] is not None and one["upper"] < found["count"]
        assert (one["state"] == "dead") == (one["probability"] == 0) == passed
        assert one["state"] != "in" or one["lower"] <= found["count"] <= one["upper"]
    assert found["brackets"][-1]["upper"] is None
    [entered] = [one for one in found["brackets"] if one["state"] == "in"]
    assert entered["enter_per_hour"] == 0


def test_the_rates_that_enter_and_overrun_a_bracket_reach_its_first_count_and_the_next_ones(tracked: Engine) -> None:
    found = look(tracked, preset="fri-noon")
    for one in found["brackets"]:
        if one["state"] == "ahead":
            assert found["count"] + one["enter_per_hour"] * found["hours_to_come"] == pytest.approx(one["lower"])
        if one["state"] == "dead":
            assert one["enter_per_hour"] is one["overrun_per_hour"] is None
        elif one["upper"] is not None:
            reached = found["count"] + one["overrun_per_hour"] * found["hours_to_come"]
            assert reached == pytest.approx(one["upper"] + 1)
    assert found["brackets"][-1]["overrun_per_hour"] is None


def test_brackets_are_an_input_and_each_preset_has_its_width(tracked: Engine) -> None:
    found = look(tracked, preset="48h", brackets="<100,100-149,150+")
    assert [one["bracket"] for one in found["brackets"]] == ["0-99", "100-149", "150+"]
    for preset, width in (("fri-noon", 20), ("tue-noon", 20), ("48h", 25), ("month", 40)):
        assert look(tracked, preset=preset)["brackets"][1]["lower"] == width


def test_the_start_counts_and_the_end_does_not(observed: Engine) -> None:
    start, end = POSTS[500], POSTS[900]
    over = look(observed, start=start, end=end)
    assert over["count"] == 400
    assert look(observed, start=start + MICROSECOND, end=end + MICROSECOND)["count"] == 400
    assert look(observed, start=start + MICROSECOND, end=end)["count"] == 399


def test_what_is_over_needs_no_model_and_is_certain(observed: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "now", lambda: MOMENT + 300 * DAY)
    start, end = END - 50.7 * HOUR, END - 2.3 * HOUR
    found = look(observed, start=start, end=end)
    assert (found["state"], found["hours_left"], found["hours_to_come"], found["model"]) == ("over", 0, 0, None)
    assert found["count"] == between(start, end)
    assert set(found["total"].values()) == {found["count"]}
    held = [one["lower"] <= found["count"] <= (one["upper"] or 10**9) for one in found["brackets"]]
    assert [one["probability"] for one in found["brackets"]] == [float(one) for one in held]
    assert {one["state"] for one in found["brackets"]} == {"dead", "in"}
    assert found["usual_per_hour"] is None


def test_what_has_not_begun_is_all_simulated(tracked: Engine) -> None:
    start, end = MOMENT + 10.5 * HOUR, MOMENT + 30.25 * HOUR
    found = look(tracked, start=start, end=end, n_paths=4000)
    assert (found["state"], found["count"], found["pace"]) == ("before", 0, None)
    assert found["hours_left"] == found["hours_to_come"] == pytest.approx(19.75)
    assert found["total"]["mean"] == pytest.approx(3 * 19.75, rel=0.1)
    assert {one["state"] for one in found["brackets"]} == {"in", "ahead"}


def test_a_window_that_is_the_horizon_has_the_total_of_the_forecast(tracked: Engine) -> None:
    found = look(tracked, start=END, end=END + DAY, as_of=END)
    assert found["total"] == forecast(tracked, Run(), as_of=iso(END), n_paths=400)["total"]


def test_of_the_unfinished_hour_only_the_rest_is_simulated(tracked: Engine) -> None:
    hour = forecast(tracked, Run(), horizon=1, n_paths=20_000)["total"]
    found = look(tracked, start=END, end=END + HOUR, n_paths=20_000)
    assert found["count"] == between(END, MOMENT)
    assert found["total"]["mean"] - found["count"] == pytest.approx(hour["mean"] * 35 / 60, rel=0.05)


def test_a_part_of_an_hour_is_thinned_at_both_edges(tracked: Engine) -> None:
    at = END + 7 * HOUR
    whole = look(tracked, start=at, end=at + HOUR, n_paths=20_000)["total"]["mean"]
    for first, last in ((0, 15), (45, 60), (20, 50)):
        edges = {"start": at + timedelta(minutes=first), "end": at + timedelta(minutes=last)}
        part = look(tracked, **edges, n_paths=20_000)["total"]["mean"]
        assert part == pytest.approx(whole * (last - first) / 60, rel=0.06)


def test_the_same_seed_gives_the_same_answer(tracked: Engine) -> None:
    first = look(tracked, preset="fri-noon")
    assert look(tracked, preset="fri-noon") == first
    assert look(tracked, preset="fri-noon", seed=2)["total"] != first["total"]


def test_the_answer_is_kept_in_the_run(tracked: Engine) -> None:
    parameters = {"preset": "fri-noon", "n_paths": 200}
    found = recorder.execute(tracked, "window", stages.stage("window"), parameters)
    [run] = runs.recent(tracked)
    assert run.result == found == json.loads(json.dumps(found))


def test_nothing_known_later_changes_the_answer_as_of(tracked: Engine) -> None:
    as_of = END - 5 * DAY + timedelta(minutes=40)
    before = look(tracked, preset="fri-noon", as_of=as_of)
    assert (before["moment"], before["counted_until"]) == (iso(as_of), iso(as_of))
    with writing(tracked) as connection:
        connection.execute(delete(RawTweet).where(RawTweet.created_at >= as_of))
        connection.execute(delete(Coverage))
        connection.execute(update(TimeBucket).where(TimeBucket.bucket_end > as_of).values(tweet_count=99))
    store_coverage(tracked, START, as_of)
    assert look(tracked, preset="fri-noon", as_of=as_of) == before


def test_deleted_posts_and_kinds_that_are_left_out_do_not_count(observed: Engine) -> None:
    edges = {"start": END - 10 * HOUR, "end": END}
    known = look(observed, **edges)["count"]
    store_posts(observed, [END - 3 * HOUR] * 4, first_id=10**6, kind="reply")
    store_posts(observed, [END - 3 * HOUR] * 2, first_id=2 * 10**6, kind="quote")
    assert look(observed, **edges)["count"] == known + 6
    settings.set(observed, settings.COUNTING, "without_replies")
    found = look(observed, **edges)
    assert (found["count"], found["counting"]) == (known + 2, "without_replies")
    with writing(observed) as connection:
        connection.execute(update(RawTweet).where(RawTweet.kind == "quote").values(is_deleted=True))
    assert look(observed, **edges)["count"] == known


def test_counting_replies_is_told_beside_the_brackets(observed: Engine) -> None:
    [warning] = look(observed, start=END - DAY, end=END)["warnings"]
    assert warning == "Replies are counted too: these totals do not compare with brackets that leave them out"


def test_posts_of_unknown_kind_are_told_beside_brackets_that_leave_replies_out(observed: Engine) -> None:
    settings.set(observed, settings.COUNTING, "without_replies")
    edges = {"start": END - DAY, "end": END}
    [warning] = look(observed, **edges)["warnings"]
    unknown = between(END - 28 * DAY, END)
    assert warning.startswith(f"{unknown:,} posts since {utc_text(END - 28 * DAY)} came without their kind and count")
    with writing(observed) as connection:
        connection.execute(update(RawTweet).values(kind="original"))
    assert look(observed, **edges)["warnings"] == []


def with_hole(engine: Engine, start: datetime, end: datetime) -> None:
    with writing(engine) as connection:
        connection.execute(delete(Coverage))
    store_coverage(engine, START, start)
    store_coverage(engine, end, MOMENT)
    refresh(engine, Run())


def test_a_count_over_unobserved_time_is_a_lower_bound(tracked: Engine) -> None:
    hole = (END - 20 * HOUR, END - 16.5 * HOUR)
    with_hole(tracked, *hole)
    run = Run()
    found = look(tracked, run, preset="fri-noon")
    assert found["lower_bound"]
    assert found["unobserved"] == [[iso(end) for end in hole]]
    assert found["unobserved_hours"] == pytest.approx(3.5)
    warning = "3.5 h of the window were not observed: the count is a lower bound"
    assert warning in found["warnings"]
    assert warning in [line.message for line in run.lines if line.level == "warning"]
    observed_hours = (MOMENT - datetime(2025, 3, 7, 17, tzinfo=UTC)) / HOUR - 3.5
    assert found["pace"]["per_hour"] == pytest.approx(found["count"] / observed_hours)
    assert not look(tracked, start=hole[1], end=END)["lower_bound"]


def test_unseen_time_after_the_last_counted_hour_is_simulated(tracked: Engine) -> None:
    with_hole(tracked, END - 2 * HOUR, MOMENT - timedelta(minutes=10))
    found = look(tracked, start=END - 2 * HOUR, end=END + HOUR)
    assert not found["lower_bound"]
    assert found["hours_to_come"] == pytest.approx(2 + 15 / 60 + 35 / 60)
    assert found["forecast_time"] == iso(END - 2 * HOUR)


def test_hours_that_were_seen_but_not_counted_yet_are_not_simulated(
    tracked: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_posts(tracked, [MOMENT + HOUR] * 7, first_id=10**6)
    store_coverage(tracked, MOMENT, MOMENT + 3 * HOUR)
    monkeypatch.setattr(requests, "now", lambda: MOMENT + 3 * HOUR)
    found = look(tracked, start=END, end=END + 6 * HOUR)
    assert found["count"] == between(END, MOMENT) + 7
    assert found["hours_to_come"] == pytest.approx(6 - 3 - 25 / 60)
    assert found["forecast_time"] == iso(END)


def test_counted_hours_that_no_source_covers_any_more_are_unobserved(tracked: Engine) -> None:
    with writing(tracked) as connection:
        connection.execute(delete(Coverage))
    found = look(tracked, start=END - 2 * HOUR, end=END + 2 * HOUR)
    assert (found["unobserved_hours"], found["hours_to_come"]) == (2, 2)


def test_the_usual_rate_is_that_of_the_same_hours_of_the_week(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each hour counts as many posts as New York's clocks say, before and after they change."""
    store_hours(engine, [(START + k * HOUR).astimezone(ET).hour for k in range(24 * DAYS)], START)
    fit(engine, tmp_path)
    monkeypatch.setattr(requests, "now", lambda: END)
    half = timedelta(minutes=30)
    found = look(engine, start=END + 3 * HOUR, end=END + 5 * HOUR + half, timezone="America/New_York")
    assert found["usual_per_hour"] == pytest.approx((4 + 5 + 6 * 0.5) / 2.5)
    week = look(engine, preset="fri-noon", following=True)
    assert week["usual_per_hour"] == pytest.approx(11.5)


def test_stale_data_are_refused_unless_asked_for_or_nothing_is_to_come(
    tracked: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "now", lambda: MOMENT + 2 * DAY)
    with pytest.raises(DataError, match="2 days before") as refused:
        look(tracked, preset="fri-noon")
    assert refused.value.exit_code == 3
    found = look(tracked, preset="fri-noon", allow_stale=True)
    assert "2 days before" in found["warnings"][0]
    assert found["hours_to_come"] > found["hours_left"]
    assert look(tracked, start=END - DAY, end=END)["state"] == "over"


def test_without_a_model_it_is_refused_with_what_to_do(observed: Engine) -> None:
    with pytest.raises(DataError, match="No model has been trained yet"):
        look(observed, preset="fri-noon")


def test_without_data_it_is_refused_with_what_to_do(engine: Engine) -> None:
    with pytest.raises(DataError, match="musktracker refresh"):
        look(engine, preset="fri-noon")


def test_a_version_trained_on_the_window_itself_is_not_used(tracked: Engine) -> None:
    with pytest.raises(DataError, match="after the origin"):
        look(tracked, preset="fri-noon", as_of=TRAINED - DAY)


def test_what_cannot_be_is_wrong_use(tracked: Engine) -> None:
    edges: dict[str, Any] = {"start": END, "end": END + DAY}
    for parameters, said in (
        ({}, "preset, or both"),
        ({"start": END}, "preset, or both"),
        ({"preset": "fri-noon", "end": END}, "not both"),
        ({"preset": "weekly"}, "no preset 'weekly'"),
        ({**edges, "following": True}, "Only a preset"),
        ({"start": END, "end": END}, "not after its start"),
        ({"start": END, "end": END + 61 * DAY}, "more than 60 days"),
        ({**edges, "timezone": "Mars/Base"}, "no time zone"),
        ({**edges, "brackets": "40,20"}, "brackets cannot be read"),
        ({**edges, "model": "other"}, "no model 'other'"),
        ({**edges, "n_paths": 5}, "paths"),
        ({**edges, "seed": -1}, "seed"),
        ({**edges, "as_of": MOMENT + DAY}, "not come yet"),
    ):
        with pytest.raises(UsageError, match=said):
            look(tracked, **parameters)


def test_what_a_model_forecast_is_stored_unless_one_only_looks(tracked: Engine) -> None:
    assert not look(tracked, preset="fri-noon", store=False)["stored"]
    assert not look(tracked, start=END - DAY, end=END)["stored"]
    with reading(tracked) as connection:
        assert connection.scalar(select(func.count()).select_from(WindowForecast)) == 0
    found = look(tracked, preset="fri-noon")
    assert found["stored"]
    with reading(tracked) as connection:
        (row,) = connection.execute(select(*WindowForecast.__table__.columns)).all()
    assert (row.made_at, row.preset, row.count_so_far) == (MOMENT, "fri-noon", found["count"])
    assert row.predicted_total == pytest.approx(found["total"]["mean"])
    assert json.loads(row.quantiles)["0.975"] == pytest.approx(found["total"]["upper_95"])
    assert json.loads(row.bracket_probabilities) == [one["probability"] for one in found["brackets"]]
