"""Two versions of models side by side: what differs is told by a mark, and the better score is pointed at."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, delete, insert, select

from musktracker.config import Settings
from musktracker.db.engines import writing
from musktracker.db.queries.models import ModelVersion, Parameter
from musktracker.db.tables import Forecast, ForecastTotal, ModelMetadata
from tui.app import Console
from tui.screens.models import ModelsScreen, VersionTable
from tui.screens.version_pair import VersionPairScreen, compared
from tui.widgets.record_table import RecordTable
from tui.widgets.text_page import TextPage

Opened = Callable[..., Console]
MOMENT = datetime.fromisoformat("2026-01-15T00:00:00+00:00")


@pytest.fixture
def told(populated: Settings, populated_engine: Engine) -> Settings:
    """The populated database whose two versions tell of their fits."""
    with writing(populated_engine) as connection:
        stored = [dict(row) for row in connection.execute(select(ModelMetadata.__table__)).mappings()]
        for table in (Forecast, ForecastTotal, ModelMetadata):  # a version is never edited
            connection.execute(delete(table))
        for values in stored:
            fit = json.dumps(fit_of(1.0 if values["id"] == 1 else 0.9))
            connection.execute(insert(ModelMetadata).values(values | {"diagnostics": fit}))
    return populated


def fit_of(scale: float) -> dict[str, Any]:
    return {
        "converged": True,
        "values": {"dispersion": 0.42 * scale, "rows": 8760},
        "parameters": {
            "intercept": {"estimate": 0.71 * scale, "standard_error": 0.04},
            "lag_1h": {"estimate": 0.21, "standard_error": 0.01},
        },
        "backtest": {"origins": 20, "crps_total_24": 15.2 * scale, "covered_95_24": 0.9, "bias": 0.1 * scale},
        "seconds": 2.5 * scale,
    }


async def press(pilot: Any, settled: Any, *keys: str) -> Any:
    await settled(pilot)
    for key in keys:
        await pilot.press(key)
        await settled(pilot)
    return pilot.app.screen


async def test_two_marked_versions_are_shown_side_by_side(told: Settings, console: Opened, settled: Any) -> None:
    app = console(told)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await press(pilot, settled, "5", "space", "j", "space")
        assert "◆ 1" in screen.query_one(VersionTable).render_line(1).text
        screen = await press(pilot, settled, "c")
        assert isinstance(screen, VersionPairScreen)
        table = screen.query_one(RecordTable)
        assert "1 negative_binomial" in table.render_line(0).text
        lines = {line.name.strip(): line for line in table.records}
        assert lines["intercept"].values == ("0.639 ± 0.040", "0.710 ± 0.040")
        assert (lines["intercept"].differs, lines["lag_1h"].differs) == (True, False)
        await press(pilot, settled, "d")
        assert table.records
        assert all(line.differs for line in table.records)
        await press(pilot, settled, "w")
        assert "1 seasonal_naive" in table.render_line(0).text.split("negative_binomial")[0]
        assert isinstance(await press(pilot, settled, "enter"), TextPage)
        assert isinstance(await press(pilot, settled, "escape", "escape"), ModelsScreen)


async def test_one_mark_is_compared_with_the_version_under_the_cursor(
    told: Settings, console: Opened, settled: Any
) -> None:
    app = console(told)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await press(pilot, settled, "5", "c")
        assert isinstance(screen, ModelsScreen)
        assert any("space" in note.message for note in app._notifications)
        screen = await press(pilot, settled, "space", "j", "c")
        assert isinstance(screen, VersionPairScreen)
        assert screen.ids == (2, 1)


async def test_a_version_that_is_gone_says_so(
    told: Settings, populated_engine: Engine, console: Opened, settled: Any
) -> None:
    app = console(told)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await press(pilot, settled, "5", "space", "j", "c")
        with writing(populated_engine) as connection:
            for table in (Forecast, ForecastTotal, ModelMetadata):
                connection.execute(delete(table))
        await press(pilot, settled, "r")
        assert "not stored any more" in screen.query_one(RecordTable).render_line(1).text


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_screen_looks_as_it_did(
    told: Settings, console: Opened, settled: Any, snapshot: Any, size: tuple[int, int]
) -> None:
    app = console(told)
    async with app.run_test(size=size) as pilot:
        await press(pilot, settled, "5", "space", "j", "c")
        snapshot(app, f"versions-{size[0]}x{size[1]}")


def version(**more: Any) -> ModelVersion:
    values: dict[str, Any] = {
        "id": 1,
        "model": "hawkes",
        "version": "v1",
        "trained_at": MOMENT,
        "training_start": MOMENT - timedelta(days=90),
        "training_end": MOMENT,
        "hyperparameters": {"window_days": 90},
        "rmse": 2.0,
        "mae": 1.5,
        "mape": 60.0,
        "log_likelihood": -1000.0,
        "artifact_path": None,
        "counting": "all",
        "converged": True,
        "warnings": (),
        "notes": (),
        "parameters": (Parameter("decay", 0.5, 0.1),),
        "values": {},
        "backtest": {"origins": 20, "crps_total_24": 15.0, "covered_95_24": 0.95},
        "seconds": 1.0,
        "forecasts": 0,
    }
    return ModelVersion(**values | more)


def lines(one: ModelVersion, other: ModelVersion) -> dict[str, Any]:
    shown = compared(one, other, lambda moment, pattern="%m-%d": f"{moment:{pattern}}")
    return {line.name.strip(): line for line in shown}


def test_a_version_differs_in_nothing_from_itself() -> None:
    assert not any(line.differs or line.change for line in lines(version(), version()).values())


def test_the_lower_score_is_the_better_one_and_coverage_has_no_better() -> None:
    other = version(rmse=1.8, backtest={"origins": 20, "crps_total_24": 16.0, "covered_95_24": 0.99})
    found = lines(version(), other)
    assert (found["Hourly RMSE"].better, found["CRPS of total"].better) == (1, 0)
    assert found["95% of totals held"].differs
    assert found["95% of totals held"].better is None


def test_of_few_origins_no_score_is_the_better_one() -> None:
    few = {"origins": 19, "crps_total_24": 15.2, "covered_95_24": 0.9}
    found = lines(version(backtest=few), version(rmse=1.8))
    assert found["CRPS of total"].change
    assert {line.better for line in found.values()} == {None}


def test_likelihoods_are_held_against_each_other_only_on_the_same_data() -> None:
    other = version(log_likelihood=-900.0)
    assert lines(version(), other)["log likelihood"].better == 1
    shorter = replace(other, training_start=MOMENT - timedelta(days=30))
    assert lines(version(), shorter)["log likelihood"].better is None


def test_what_only_one_of_them_has_is_a_dash_for_the_other() -> None:
    found = lines(version(), version(hyperparameters={}, parameters=(Parameter("branching", 0.3, None),)))
    assert found["window_days"].values == ("90", "–")
    assert found["decay"].values == ("0.500 ± 0.100", "–")
    assert found["branching"].values == ("–", "0.300")
    assert found["branching"].change == ""
