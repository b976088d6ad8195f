"""What if: the same forecast with events and without them, of which nothing is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, func, select
from stored_hours import START, store_hours

from musktracker import recorder, runs
from musktracker.db.engines import reading
from musktracker.db.queries import models
from musktracker.db.tables import Forecast, ForecastTotal, WindowForecast
from musktracker.errors import UsageError
from musktracker.pipeline import event_merge, events, requests, stages
from musktracker.pipeline import forecast as forecasts
from musktracker.pipeline.event_fields import EventFields
from musktracker.pipeline.train import train
from musktracker.pipeline.what_if import what_if
from musktracker.reporting import Run
from musktracker.timeline import DAY, HOUR, iso, parse_time

DAYS = 150
END = START + DAYS * DAY
LAUNCH = {"start": iso(END + 30 * HOUR), "end": iso(END + 33 * HOUR), "intensity": 1.0, "category": "launch"}


@pytest.fixture
def trained(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Twenty weeks of counts with launches that triple them, a version that saw them, and half an hour since."""
    rng = np.random.default_rng(1)
    rate = np.full(24 * DAYS, 3.0)
    begins = [24 * 60 + 101 * k for k in range(20)]
    for begin in begins:
        rate[begin : begin + 6] *= 3
    store_hours(engine, rng.poisson(rate * rng.gamma(4, 0.25, len(rate))))
    past = [
        EventFields(f"Launch {k}", START + begin * HOUR, START + (begin + 4) * HOUR, 1.0, "launch")
        for k, begin in enumerate(begins)
    ]
    event_merge.merge(engine, [(one, START) for one in past])
    train(engine, Run(), artifact_dir=str(tmp_path), backtest_origins=0)
    monkeypatch.setattr(requests, "now", lambda: END + 0.5 * HOUR)
    return engine


def ask(engine: Engine, **parameters: Any) -> dict[str, Any]:
    return what_if(engine, Run(), **{"horizon": 72, "n_paths": 400, **parameters})


def test_an_imagined_event_adds_posts_on_its_day_alone(trained: Engine) -> None:
    found = ask(trained, added=[LAUNCH])
    first, second, *others = found["difference"]["days"]
    assert second["date"] == (END + 30 * HOUR).date().isoformat()
    assert 10 < second["mean"] < 50
    assert second["lower_95"] >= 0
    assert {one["mean"] for one in (first, *others)} == {0.0}
    with_it, without_it = (found[part]["total"]["mean"] for part in ("with", "without"))
    assert with_it - without_it == pytest.approx(found["difference"]["total"]["mean"])
    assert found["warnings"] == []


def test_without_the_event_it_is_the_forecast_of_the_same_seed(trained: Engine) -> None:
    found = ask(trained, added=[LAUNCH])
    made = forecasts.forecast(trained, Run(), horizon=72, n_paths=400)
    assert found["without"] == {"total": made["total"], "days": made["days"]}
    assert found["version"] == made["version"]


def test_a_known_event_is_in_the_forecast_and_can_be_left_out(trained: Engine) -> None:
    span = (parse_time(str(LAUNCH["start"])), parse_time(str(LAUNCH["end"])))
    plain = ask(trained, added=[LAUNCH])
    known = events.add(trained, EventFields("Next launch", *span, 1.0, "launch"))
    found = ask(trained, without=[known.id])
    for part in ("with", "without", "difference"):
        assert found[part] == plain[part]
    assert [(one["id"], one["name"]) for one in found["events"]] == [(known.id, "Next launch")]
    made = forecasts.forecast(trained, Run(), horizon=72, n_paths=400)
    assert made["total"] == found["with"]["total"]


def test_nothing_of_it_is_stored_but_the_runs_result(trained: Engine) -> None:
    parameters = {"added": [LAUNCH], "horizon": 72, "n_paths": 400}
    found = recorder.execute(trained, "what_if", stages.stage("what_if"), parameters)
    [info] = runs.recent(trained)
    assert (info.kind, info.status) == ("what_if", "succeeded")
    assert info.result == found
    with reading(trained) as connection:
        for table in (Forecast, ForecastTotal, WindowForecast):
            assert connection.scalar(select(func.count()).select_from(table)) == 0


def test_an_event_that_reaches_no_hour_is_said_to_change_nothing(trained: Engine) -> None:
    [past, *_] = events.listed(trained)
    found = ask(trained, without=[past.id])
    assert found["with"] == found["without"]
    assert any("change nothing" in text for text in found["warnings"])


def test_where_paths_are_drawn_anew_it_says_that_the_difference_varies_by_chance(
    trained: Engine, tmp_path: Path
) -> None:
    train(trained, Run(), artifact_dir=str(tmp_path), model="negative_binomial", backtest_origins=0)
    found = ask(trained, model="negative_binomial", added=[LAUNCH])
    assert found["difference"]["total"]["mean"] > 0
    assert any("drawn anew" in text for text in found["warnings"])


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "nothing to compare"),
        ({"without": [4711]}, "Event 4711 is not known"),
        ({"added": [{**LAUNCH, "intensity": 2.0}]}, "intensity must be from 0 to 1"),
        ({"added": [{**LAUNCH, "end": iso(END)}]}, "must not be before"),
    ],
)
def test_what_cannot_be_asked_is_refused(trained: Engine, parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ask(trained, **parameters)


def test_a_removed_event_cannot_be_left_out(trained: Engine) -> None:
    [past, *_] = events.listed(trained)
    events.remove(trained, past.id)
    with pytest.raises(UsageError, match="is removed"):
        ask(trained, without=[past.id])


def test_the_versions_record_holds_the_effects(trained: Engine) -> None:
    version = models.newest_with_effects(trained)
    assert version is not None
    launch, common = version.event_effects
    assert (launch.category, launch.events, common.category, common.events) == ("launch", 20, None, 20)
    assert launch.effect == pytest.approx(np.log(3), abs=0.3)
    assert launch.lower < launch.percent < launch.upper
    assert models.newest_with_effects(trained, "hawkes") is None
