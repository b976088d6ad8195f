"""A forecast is stored, reproducible, honest about its data, and uses nothing known later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, delete, func, insert, select, update
from stored_hours import START, store_hours
from stored_versions import store_version

from musktracker.db import settings
from musktracker.db.engines import reading, writing
from musktracker.db.tables import Forecast, ForecastTotal, ModelAlias, TimeBucket
from musktracker.errors import DataError, UsageError
from musktracker.pipeline import aliases, requests
from musktracker.pipeline.forecast import QUANTILES, forecast, stored_hours
from musktracker.pipeline.train import train
from musktracker.reporting import Run
from musktracker.timeline import DAY, HOUR, iso

DAYS = 40
END = START + DAYS * DAY
SMALL = {"features": "lag_1h,hour_of_day", "harmonics": "1"}
TRAINED = START + 35 * DAY


def fit(engine: Engine, tmp_path: Path, **parameters: Any) -> Any:
    parameters = {"model": "seasonal_naive", "backtest_origins": 0, "until": iso(TRAINED), **parameters}
    return train(engine, Run(), artifact_dir=str(tmp_path), **parameters)


@pytest.fixture
def counted(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Forty days of counts, a seasonal naive version trained on the first 35; it is half an hour past the end."""
    store_hours(engine, np.random.default_rng(1).poisson(3, 24 * DAYS))
    fit(engine, tmp_path)
    monkeypatch.setattr(requests, "now", lambda: END + 0.5 * HOUR)
    return engine


def make(engine: Engine, run: Run | None = None, **parameters: Any) -> dict[str, Any]:
    return forecast(engine, run or Run(), **{"n_paths": 200, **parameters})


def rows(engine: Engine) -> tuple[list[Any], list[Any]]:
    with reading(engine) as connection:
        hours = connection.execute(select(Forecast.__table__).order_by(Forecast.target_time)).all()
        return list(hours), list(connection.execute(select(ForecastTotal.__table__)).all())


def test_each_hour_and_the_total_are_stored_with_their_bounds(counted: Engine) -> None:
    result = make(counted)
    hours, [total] = rows(counted)
    assert [row.target_time for row in hours] == [END + k * HOUR for k in range(24)]
    assert {row.forecast_time for row in hours} == {END}
    for row in hours:
        bounds = [getattr(row, f"lower_bound_{level}") for level in (95, 80, 50)]
        bounds += [getattr(row, f"upper_bound_{level}") for level in (50, 80, 95)]
        assert bounds == sorted(bounds)
        assert bounds[0] <= row.predicted_count <= bounds[-1]
        assert row.actual_count is None
    assert (total.forecast_time, total.horizon_hours, total.n_paths, total.seed) == (END, 24, 200, 1)
    assert total.counting == "all"
    assert total.predicted_total == pytest.approx(sum(row.predicted_count for row in hours))
    quantiles = json.loads(total.quantiles)
    assert list(quantiles) == [f"{p:g}" for p in QUANTILES]
    assert list(quantiles.values()) == sorted(quantiles.values())
    assert (result["total"]["lower_95"], result["total"]["median"]) == (quantiles["0.025"], quantiles["0.5"])


def test_the_same_seed_gives_the_same_forecast_and_changes_no_row(counted: Engine) -> None:
    first = make(counted)
    before = rows(counted)
    second = make(counted)
    assert (first["changed"], second["changed"]) == (25, 0)
    assert rows(counted) == before
    assert make(counted, seed=2)["total"] != first["total"]


def test_two_horizons_share_their_hours(counted: Engine) -> None:
    make(counted)
    before = rows(counted)[0]
    assert make(counted, horizon=168)["changed"] == 144 + 1
    hours, totals = rows(counted)
    assert hours[:24] == before
    assert sorted(total.horizon_hours for total in totals) == [24, 168]


def test_days_of_the_display_zone_add_up_to_the_total(counted: Engine) -> None:
    result = make(counted, horizon=72, timezone="America/New_York")
    assert [(day["date"], day["hours"]) for day in result["days"]] == [
        ("2025-04-10", 23),
        ("2025-04-11", 24),
        ("2025-04-12", 24),
        ("2025-04-13", 1),
    ]
    assert sum(day["mean"] for day in result["days"]) == pytest.approx(result["total"]["mean"])


def test_what_is_stored_can_be_read_back(counted: Engine) -> None:
    result = make(counted, horizon=48)
    hours = stored_hours(counted, result["model_metadata_id"], END, 24)
    assert [hour["target_time"] for hour in hours] == [END + k * HOUR for k in range(24)]


@pytest.mark.parametrize("model", ["seasonal_naive", "negative_binomial"])
def test_nothing_known_later_changes_a_forecast_as_of(counted: Engine, tmp_path: Path, model: str) -> None:
    if model == "negative_binomial":
        fit(counted, tmp_path, model=model, hyperparameters=SMALL)
    as_of = iso(START + 37 * DAY + 0.4 * HOUR)
    before = make(counted, model=model, as_of=as_of)
    with writing(counted) as connection:
        later = TimeBucket.bucket_end > START + 37 * DAY
        connection.execute(update(TimeBucket).where(later).values(tweet_count=999))
    fit(counted, tmp_path, until=iso(END))
    after = make(counted, model=model, as_of=as_of)
    assert before["forecast_time"] == iso(START + 37 * DAY)
    assert {**after, "changed": 0} == {**before, "changed": 0}


def test_a_version_that_saw_later_data_is_not_used(counted: Engine, tmp_path: Path) -> None:
    assert make(counted)["version"] == "v1"
    fit(counted, tmp_path, until=iso(END))
    assert make(counted)["version"] == "v2"
    assert make(counted, as_of=iso(END - DAY))["version"] == "v1"
    with pytest.raises(DataError, match="saw data until") as refused:
        make(counted, as_of=iso(END - DAY), version="v2")
    assert refused.value.hint == f"Train one on what was known then: musktracker train --until {iso(END - DAY)}"
    with pytest.raises(DataError, match="saw data until"):
        make(counted, as_of=iso(TRAINED - HOUR))


def test_the_newest_version_of_the_model_asked_for_is_used(counted: Engine, tmp_path: Path) -> None:
    fit(counted, tmp_path)
    fit(counted, tmp_path, model="negative_binomial", hyperparameters=SMALL)
    assert (make(counted)["model"], make(counted, model="seasonal_naive")["version"]) == ("negative_binomial", "v2")
    assert make(counted, model="seasonal_naive", version="v1")["version"] == "v1"
    with pytest.raises(UsageError, match="Several models have a version v1"):
        make(counted, version="v1")


def test_what_cannot_be_is_wrong_use(counted: Engine) -> None:
    for parameters, said in (
        ({"model": "other"}, "no model 'other'"),
        ({"horizon": 0}, "horizon"),
        ({"horizon": 2000}, "horizon"),
        ({"n_paths": 5}, "paths"),
        ({"n_paths": 10**9}, "paths"),
        ({"seed": -1}, "seed"),
        ({"as_of": "2025-04-12T00:00Z"}, "not come yet"),
        ({"as_of": "yesterday"}, "not a time"),
    ):
        with pytest.raises(UsageError, match=said):
            make(counted, **parameters)


def test_without_data_or_model_it_is_refused_with_what_to_do(engine: Engine) -> None:
    with pytest.raises(DataError, match="musktracker refresh"):
        make(engine)
    store_hours(engine, [1] * 24 * 30)
    with pytest.raises(
        DataError, match=r"No seasonal_naive has been trained yet\. Train one: musktracker train --model"
    ):
        make(engine, model="seasonal_naive", as_of=iso(START + 30 * DAY))


def name(engine: Engine, alias: str, key: str) -> None:
    with writing(engine) as connection:
        chosen, before = aliases.find(connection, key), aliases.holder(connection, alias)
        aliases.point(connection, alias, chosen, before=before)


def made_with(result: dict[str, Any]) -> tuple[str, str]:
    return result["version"], result["chosen"]


def test_the_champion_forecasts_where_no_model_is_named(counted: Engine, tmp_path: Path) -> None:
    fit(counted, tmp_path)
    assert made_with(make(counted)) == ("v2", "newest")
    name(counted, "champion", "seasonal_naive:v1")
    assert made_with(make(counted)) == ("v1", "champion")
    assert made_with(make(counted, model="seasonal_naive")) == ("v2", "named")
    assert made_with(make(counted, version="v1")) == ("v1", "named")


def test_a_forecast_by_an_alias_or_a_whole_name(counted: Engine, tmp_path: Path) -> None:
    fit(counted, tmp_path)
    name(counted, "challenger", "seasonal_naive:v1")
    assert made_with(make(counted, model="@challenger")) == ("v1", "challenger")
    assert made_with(make(counted, model="seasonal_naive:v1")) == ("v1", "named")
    with pytest.raises(DataError, match="There is no champion yet"):
        make(counted, model="@champion")
    for model, said in (("@best", "no alias @best"), ("prophet:v1", "no model 'prophet'")):
        with pytest.raises(UsageError, match=said):
            make(counted, model=model)


def test_a_champion_that_saw_later_data_is_passed_over_with_a_warning(counted: Engine, tmp_path: Path) -> None:
    fit(counted, tmp_path, until=iso(END))
    name(counted, "champion", "seasonal_naive:v2")
    run = Run()
    result = make(counted, run, as_of=iso(END - DAY))
    assert made_with(result) == ("v1", "fallback")
    assert result["warnings"] == [
        f"The champion, seasonal_naive v2, saw data until {iso(END)}, after the origin {iso(END - DAY)}: "
        "seasonal_naive v1 is used, the newest that can be"
    ]
    assert [line.message for line in run.lines if line.level == "warning"] == result["warnings"]
    assert json.loads(rows(counted)[1][0].warnings) == result["warnings"]


def test_an_alias_that_is_named_is_never_passed_over(counted: Engine, tmp_path: Path) -> None:
    fit(counted, tmp_path, until=iso(END))
    name(counted, "champion", "seasonal_naive:v2")
    with pytest.raises(DataError, match=r"Every trained champion \(seasonal_naive v2\) saw data until"):
        make(counted, model="@champion", as_of=iso(END - DAY))


def test_a_champion_that_counts_other_posts_is_passed_over(counted: Engine, tmp_path: Path) -> None:
    name(counted, "champion", "seasonal_naive:v1")
    settings.set(counted, settings.COUNTING, "without_replies")
    fit(counted, tmp_path)
    result = make(counted)
    assert made_with(result) == ("v2", "fallback")
    assert "counts 'all', but the database now counts 'without_replies'" in result["warnings"][0]


@pytest.mark.parametrize("changes", [{"model": "forgotten"}, {"hyperparameters": json.dumps({"forgotten": 3})}])
def test_a_champion_that_cannot_be_made_any_more_is_passed_over(counted: Engine, changes: dict[str, Any]) -> None:
    store_version(counted, 7, training_end_date=TRAINED, **changes)
    with writing(counted) as connection:
        connection.execute(
            insert(ModelAlias).values(alias="champion", model_metadata_id=7, since=END, who="somebody")
        )
    result = make(counted)
    assert made_with(result) == ("v1", "fallback")
    assert "cannot be made any more (" in result["warnings"][0]
    with pytest.raises(DataError, match=r"No trained champion \(.* v7\) can be made any more: .*forgotten"):
        make(counted, model="@champion")


def test_fresh_data_raise_no_warning(counted: Engine) -> None:
    assert make(counted)["warnings"] == []


def test_stale_data_are_told_in_log_result_and_row(counted: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "now", lambda: END + 3 * HOUR)
    run = Run()
    [warning] = make(counted, run)["warnings"]
    assert warning == ("Data end at 2025-04-10 05:00 UTC, 3 h before 2025-04-10 08:00 UTC: the forecast begins there")
    assert [line.message for line in run.lines if line.level == "warning"] == [warning]
    assert json.loads(rows(counted)[1][0].warnings) == [warning]


def test_data_more_than_a_day_old_are_refused_unless_asked_for(
    counted: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "now", lambda: END + 3 * DAY)
    with pytest.raises(DataError) as refused:
        make(counted)
    assert refused.value.exit_code == 3
    assert f"--as-of {iso(END)}" in str(refused.value)
    assert "3 days before" in str(refused.value)
    assert make(counted, as_of=iso(END))["warnings"] == []
    assert "3 days before" in make(counted, allow_stale=True)["warnings"][0]


def test_gaps_are_told_by_their_share(counted: Engine) -> None:
    with writing(counted) as connection:
        gap = TimeBucket.bucket_start.between(END - 10 * DAY, END - 10 * DAY + 41 * HOUR)
        connection.execute(delete(TimeBucket).where(gap))
    assert make(counted)["warnings"] == ["Not observed: 6.2% of the last 28 days"]


def test_a_gap_that_the_model_cannot_bridge_is_refused(counted: Engine, tmp_path: Path) -> None:
    fit(counted, tmp_path, model="negative_binomial", hyperparameters={**SMALL, "features": "lag_6h,hour_of_day"})
    with writing(counted) as connection:
        connection.execute(delete(TimeBucket).where(TimeBucket.bucket_start == END - 6 * HOUR))
    with pytest.raises(DataError, match="lag_6h at the origin needs 1 hours that were not observed"):
        make(counted, model="negative_binomial")


def test_a_version_that_counts_other_posts_is_not_used(counted: Engine) -> None:
    settings.set(counted, settings.COUNTING, "without_replies")
    with pytest.raises(DataError, match="counts 'all', but the database now counts 'without_replies'"):
        make(counted)


def test_a_forecast_needs_no_file_but_the_database(counted: Engine, tmp_path: Path) -> None:
    for file in tmp_path.glob("**/*.npz"):
        file.unlink()
    assert make(counted)["total"]["mean"] > 0


def test_no_forecast_is_stored_where_one_is_refused(counted: Engine) -> None:
    with pytest.raises(DataError):
        make(counted, as_of=iso(TRAINED - DAY))
    with reading(counted) as connection:
        assert connection.scalar(select(func.count()).select_from(Forecast)) == 0
