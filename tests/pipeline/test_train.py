"""Training stores a version that any machine on the database can forecast with, and how it would have done."""

from __future__ import annotations

import hashlib
import io
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, delete, insert, select
from sqlalchemy.exc import OperationalError
from stored_hours import START, store_hours

from musktracker.db.engines import reading, writing
from musktracker.db.queries.models import versions
from musktracker.db.tables import ModelArtifact, ModelMetadata
from musktracker.errors import DataError, MuskTrackerError, UsageError
from musktracker.pipeline import artifacts, events, outages
from musktracker.pipeline import train as training
from musktracker.pipeline.event_fields import EventFields
from musktracker.pipeline.train import train
from musktracker.reporting import Run
from musktracker.timeline import DAY, HOUR, iso

DAYS = 40
END = START + DAYS * DAY
SMALL = {"features": "lag_1h,hour_of_day", "harmonics": "1"}


@pytest.fixture
def counted(engine: Engine) -> Engine:
    """A database with forty days of counts."""
    rng = np.random.default_rng(1)
    rate = np.exp(0.5 + np.sin(2 * np.pi * np.arange(24 * DAYS) / 24)) * rng.gamma(2, 0.5, 24 * DAYS)
    store_hours(engine, rng.poisson(rate))
    return engine


def stored(engine: Engine) -> Any:
    with reading(engine) as connection:
        return connection.execute(select(ModelMetadata.__table__)).one()


def fit(engine: Engine, tmp_path: Path, run: Run | None = None, **parameters: Any) -> dict[str, Any]:
    parameters = {"model": "seasonal_naive", "backtest_origins": 3, **parameters}
    return train(engine, run or Run(), artifact_dir=str(tmp_path / "artifacts"), **parameters)


def test_a_version_keeps_what_it_was_trained_on_and_how(counted: Engine, tmp_path: Path) -> None:
    result = fit(counted, tmp_path, model="negative_binomial", hyperparameters=SMALL)
    row = stored(counted)
    assert (row.model_name, row.model_version, row.counting) == ("negative_binomial", "v1", "all")
    assert (row.training_start_date, row.training_end_date) == (START, END)
    assert json.loads(row.hyperparameters) == {
        "window_days": 365,
        "harmonics": 1,
        "features": ["lag_1h", "hour_of_day"],
        "seed": 1,
    }
    assert row.log_likelihood < 0
    assert 0 < row.mae < row.rmse
    assert row.mape > 0
    assert result["version"] == "v1"
    assert result["rmse"] == row.rmse


def test_diagnostics_hold_parameters_with_errors_dispersion_convergence_and_the_backtest(
    counted: Engine, tmp_path: Path
) -> None:
    fit(counted, tmp_path, model="negative_binomial", hyperparameters=SMALL)
    found = json.loads(stored(counted).diagnostics)
    assert found["converged"] is True
    assert found["warnings"] == []
    assert found["values"]["dispersion"] == pytest.approx(0.5, abs=0.2)
    assert set(found["parameters"]) == {"intercept", "lag_1h", "hour_of_day:sin1", "hour_of_day:cos1", "dispersion"}
    assert all(one["standard_error"] > 0 for one in found["parameters"].values())
    assert found["backtest"]["origins"] == 3
    assert found["backtest"]["horizon_hours"] == 24
    assert found["backtest"]["last_origin"] == iso(END - DAY)
    assert found["seconds"] > 0


def test_the_score_of_each_origin_is_told_for_a_curve(counted: Engine, tmp_path: Path) -> None:
    run = Run()
    fit(counted, tmp_path, run, model="seasonal_naive")
    told = [line.fields for line in run.lines if "points" in line.fields]
    values = [value for fields in told for _, value in fields["points"]]
    assert {(fields["model"], fields["score"], fields["of"]) for fields in told} == {
        ("seasonal_naive", "crps_total_24", 3)
    }
    mean = json.loads(stored(counted).diagnostics)["backtest"]["crps_total_24"]
    assert sum(values) / len(values) == pytest.approx(mean, abs=1e-4)


def test_the_steps_of_the_fit_are_told_for_a_curve(counted: Engine, tmp_path: Path) -> None:
    run = Run()
    fit(counted, tmp_path, run, model="negative_binomial", hyperparameters=SMALL)
    told = [line.fields for line in run.lines if line.fields.get("score") == "log_likelihood"]
    points = [point for fields in told for point in fields["points"]]
    assert {(fields["model"], fields["search"]) for fields in told} == {("negative_binomial", 1)}
    assert [step for step, _ in points] == list(range(1, len(points) + 1))
    assert points[-1][1] == pytest.approx(stored(counted).log_likelihood, rel=1e-6)


def test_the_artifact_is_the_same_in_the_database_and_in_a_private_file(counted: Engine, tmp_path: Path) -> None:
    result = fit(counted, tmp_path, model="negative_binomial", hyperparameters=SMALL)
    path = Path(stored(counted).artifact_path)
    assert path == tmp_path / "artifacts" / "negative_binomial" / "v1.npz"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["v1.npz"]
    with reading(counted) as connection:
        row = connection.execute(select(ModelArtifact.sha256, ModelArtifact.content)).one()
        arrays = artifacts.read(connection, result["id"])
    assert bytes(row.content) == path.read_bytes()
    assert row.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert set(arrays) >= {"columns", "coefficients", "dispersion"}


def test_a_damaged_or_missing_artifact_is_refused(counted: Engine, tmp_path: Path) -> None:
    result = fit(counted, tmp_path)
    with writing(counted) as connection:
        connection.execute(delete(ModelArtifact))
        damaged = {"model_metadata_id": result["id"], "sha256": "0" * 64, "content": b"PK other bytes"}
        connection.execute(insert(ModelArtifact).values(damaged))
    with reading(counted) as connection, pytest.raises(DataError, match="checksum"):
        artifacts.read(connection, result["id"])
    with writing(counted) as connection:
        connection.execute(delete(ModelArtifact))
    with reading(counted) as connection, pytest.raises(DataError, match="no artifact"):
        artifacts.read(connection, result["id"])


def test_objects_in_an_artifact_are_never_loaded() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=True, evil=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        artifacts.unpack(buffer.getvalue())
    with pytest.raises(ValueError, match="npz"):
        artifacts.unpack(b"PK\x03\x04 not a zip file")


def test_versions_of_each_model_are_numbered_on_and_listed_newest_first(counted: Engine, tmp_path: Path) -> None:
    for _ in range(2):
        fit(counted, tmp_path)
    fit(counted, tmp_path, model="negative_binomial", hyperparameters=SMALL)
    with writing(counted) as connection:
        [row] = connection.execute(select(ModelMetadata.__table__).where(ModelMetadata.id == 2)).mappings()
        connection.execute(insert(ModelMetadata).values({**row, "id": 99, "model_version": "v9"}))
    assert fit(counted, tmp_path)["version"] == "v10"
    assert [(one.model, one.version) for one in versions(counted)] == [
        ("seasonal_naive", "v10"),
        ("negative_binomial", "v1"),
        ("seasonal_naive", "v9"),
        ("seasonal_naive", "v2"),
        ("seasonal_naive", "v1"),
    ]


def test_trainings_at_the_same_time_take_different_versions(counted: Engine, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: fit(counted, tmp_path, backtest_origins=0), range(4)))
    assert {result["version"] for result in results} == {"v1", "v2", "v3", "v4"}
    assert all(Path(result["artifact_path"]).is_file() for result in results)


def test_nothing_is_stored_where_the_file_cannot_be(counted: Engine, tmp_path: Path) -> None:
    (tmp_path / "artifacts").write_text("in the way")
    with pytest.raises(MuskTrackerError, match=r"cannot be written to .*artifacts.*: Not a directory, so no version"):
        fit(counted, tmp_path)
    assert versions(counted) == []
    with reading(counted) as connection:
        assert connection.execute(select(ModelArtifact.model_metadata_id)).all() == []


def test_an_outage_when_it_is_to_be_stored_loses_no_training_and_stores_none_twice(
    counted: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, run = training._store, Run()

    def store(*arguments: Any) -> dict[str, Any]:
        monkeypatch.setattr(training, "_store", whole)
        whole(*arguments)
        raise OperationalError("", None, Exception("the answer is lost"))

    monkeypatch.setattr(training, "_store", store)
    monkeypatch.setattr(outages, "LONGEST_WAIT", 0.0)
    result = fit(counted, tmp_path, run)
    assert (stored(counted).id, stored(counted).model_version) == (result["id"], result["version"]) == (1, "v1")
    assert stored(counted).artifact_path == result["artifact_path"]
    assert "The database answers again" in [line.message for line in run.lines]


def test_until_leaves_out_later_hours_and_an_unfinished_one(counted: Engine, tmp_path: Path) -> None:
    result = fit(counted, tmp_path, until=iso(START + 30 * DAY + 0.5 * HOUR))
    assert result["training_end"] == iso(START + 30 * DAY)


def test_the_same_training_gives_the_same_numbers(counted: Engine, tmp_path: Path) -> None:
    first, second = (fit(counted, tmp_path) for _ in range(2))
    assert [first[name] for name in ("rmse", "mae", "mape")] == [second[name] for name in ("rmse", "mae", "mape")]


def test_a_fit_that_did_not_converge_is_said_in_log_row_and_result(
    counted: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from statsmodels.discrete.discrete_model import NegativeBinomial as Regression

    search = Regression.fit
    monkeypatch.setattr(Regression, "fit", lambda self, **options: search(self, **{**options, "maxiter": 1}))
    run = Run()
    result = fit(counted, tmp_path, run, model="negative_binomial", hyperparameters=SMALL, backtest_origins=0)
    assert not result["converged"]
    assert any("do not rely" in warning for warning in json.loads(stored(counted).diagnostics)["warnings"])
    assert any(line.level == "warning" and "do not rely" in line.message for line in run.lines)


def test_origins_with_too_little_history_are_told(counted: Engine, tmp_path: Path) -> None:
    run = Run()
    fit(counted, tmp_path, run, backtest_origins=15)
    assert any("of 13 backtest origins left out" in line.message for line in run.lines)


def test_events_entered_after_the_backtest_are_told(counted: Engine, tmp_path: Path) -> None:
    events.add(counted, EventFields("Launch", START + 10 * DAY, START + 10 * DAY + HOUR, 0.9))
    run = Run()
    fit(counted, tmp_path, run)
    assert any("1 of 1 events were entered after" in line.message for line in run.lines)


def test_an_empty_database_and_too_short_a_history_are_refused(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no counted hours to train on"):
        fit(engine, tmp_path)
    store_hours(engine, [1] * 50)
    with pytest.raises(DataError, match="seasonal_naive cannot be fitted"):
        fit(engine, tmp_path)
    with pytest.raises(UsageError, match="no model"):
        fit(engine, tmp_path, model="other")


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_that_cannot_be_is_refused(counted: Engine, tmp_path: Path, seed: int) -> None:
    with pytest.raises(UsageError, match="The seed must be"):
        fit(counted, tmp_path, seed=seed)
