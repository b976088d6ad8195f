"""Who becomes the champion: by its skill and coverage, or for a stated reason; all figures are kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from sqlalchemy import Engine
from stored_hours import START, store_hours
from stored_versions import TRAINED, store_version

from musktracker.db import settings
from musktracker.db.engines import reading
from musktracker.db.queries import backtests
from musktracker.errors import Cancelled, DataError, UsageError
from musktracker.evaluation.protocol import Scored
from musktracker.machine import whoami
from musktracker.models.base import FloatArray
from musktracker.pipeline import aliases, backtest, promotion, stages
from musktracker.pipeline.promotion import GateFailed, promote
from musktracker.pipeline.train import train
from musktracker.reporting import Run
from musktracker.timeline import DAY, iso

N = 120
Recipes = Callable[..., None]


def scored(*, crps: float | FloatArray = 10.0, held_50: int = 60, held_95: int = 114, n: int = N) -> list[Scored]:
    """`n` origins at which both totals have this CRPS, and so many are inside the intervals."""
    rng = np.random.default_rng(1)
    errors = crps * rng.uniform(0.9, 1.1, n)
    return [
        Scored(
            73 * k,
            0.1,
            {
                name: value
                for total in ("total_24", "total_168")
                for name, value in (
                    (total, float(errors[k])),
                    (f"covered_50_{total}", float(k < held_50)),
                    (f"covered_95_{total}", float(k < held_95)),
                )
            },
            np.empty(0),
            np.empty(0),
        )
        for k in range(n)
    ]


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Recipes:
    """Say what the backtest of each model finds: `judged(hawkes=scored(...))`."""
    known: dict[str, list[Scored]] = {}

    def find(engine: Engine, run: Run, version: Any, *_: Any) -> str:
        run.progress(0.5, stage="backtest", message=version.name)
        return str(version.name)

    monkeypatch.setattr(promotion, "_backtest", find)
    monkeypatch.setattr(backtest, "load", lambda engine, name: {name: known[name]})
    return lambda **found: known.update(found)


@pytest.fixture
def two(engine: Engine) -> Engine:
    """A version of the seasonal naive, one of a Hawkes model."""
    store_version(engine, 1)
    store_version(engine, 2, "hawkes")
    return engine


def champion(engine: Engine) -> str | None:
    with reading(engine) as connection:
        found = aliases.champion(connection)
    return found and found.key


def test_the_first_champion_needs_coverage_in_range_alone(two: Engine, judged: Recipes) -> None:
    judged(hawkes=scored())
    result = promote(two, Run(), model="hawkes")
    assert (result["before"], result["changed"], champion(two)) == (None, True, "hawkes:v2")
    assert (result["gate"]["judged"], result["gate"]["passed"], result["gate"]["skill"]) == ("first", True, {})
    assert result["gate"]["coverage"]["total_168"]["95"] == {
        "share": 0.95,
        "held": 114,
        "n": 120,
        "least": 101,
        "most": 120,
    }


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"held_95": 100}, "the 95% interval of the 7 d total held 83% (100 of 120, and 101 to 120 may be)"),
        ({"held_50": 37}, "the 50% interval of the 24 h total held 31% (37 of 120, and 38 to 82 may be)"),
        ({"held_50": 83}, "the 50% interval of the 24 h total held 69%"),
        ({"n": 19, "held_50": 10}, "could be scored at 19 origins, and 20 are needed"),
    ],
)
def test_coverage_out_of_range_is_refused_with_the_figures(
    two: Engine, judged: Recipes, found: dict[str, Any], said: str
) -> None:
    judged(hawkes=scored(**found))
    with pytest.raises(GateFailed) as refused:
        promote(two, Run(), model="hawkes")
    assert said in refused.value.message
    assert "--reason TEXT" in str(refused.value)
    assert refused.value.exit_code == 3
    assert refused.value.details["gate"]["passed"] is False
    assert (champion(two), aliases.history(two)) == (None, [])


def test_a_scheduled_promotion_that_is_refused_is_a_warning_and_changes_nothing(two: Engine, judged: Recipes) -> None:
    judged(hawkes=scored(held_95=100))
    run = Run()
    result = promote(two, run, model="hawkes", or_fail=False)
    assert (result["changed"], result["gate"]["passed"]) == (False, False)
    assert any(line.level == "warning" and "does not pass the gate" in line.message for line in run.lines)
    assert (champion(two), aliases.history(two)) == (None, [])


def test_a_better_model_takes_over(two: Engine, judged: Recipes) -> None:
    judged(seasonal_naive=scored(crps=10.0), hawkes=scored(crps=9.0))
    promote(two, Run(), model="seasonal_naive")
    run = Run()
    result = promote(two, run, model="hawkes")
    assert (result["before"], champion(two)) == ("seasonal_naive:v1", "hawkes:v2")
    skill = result["gate"]["skill"]["total_168"]
    assert skill["skill"] == pytest.approx(0.1)
    assert skill["n"] == N
    assert any("skill +10.0%" in line.message for line in run.lines)
    assert "The gate is passed" in [line.message for line in run.lines]


@pytest.mark.parametrize("crps", [10.0, 11.0])
def test_an_equal_or_worse_model_does_not(two: Engine, judged: Recipes, crps: float) -> None:
    judged(seasonal_naive=scored(crps=10.0), hawkes=scored(crps=crps))
    promote(two, Run(), model="seasonal_naive")
    with pytest.raises(GateFailed, match=r"24 h total's skill .* over seasonal_naive v1 is not above 0%"):
        promote(two, Run(), model="hawkes")
    assert champion(two) == "seasonal_naive:v1"


def test_a_better_mean_does_not_do_where_chance_may_have_given_it(two: Engine, judged: Recipes) -> None:
    judged(seasonal_naive=scored(), hawkes=scored(crps=np.where(np.arange(N) % 24 < 12, 4.0, 15.5)))
    promote(two, Run(), model="seasonal_naive")
    gate = promotion.judge(two, Run(), *versions(two, "hawkes", "seasonal_naive"))
    assert gate.skill["total_24"]["skill"] == pytest.approx(0.02, abs=0.02)
    assert gate.skill["total_24"]["skill"] > 0
    assert gate.skill["total_24"]["lower"] < promotion.WORST_SKILL
    assert len(gate.failed) == 2


def versions(engine: Engine, *names: str) -> list[aliases.Version]:
    with reading(engine) as connection:
        return [aliases.find(connection, name) for name in names]


def test_a_stated_reason_overrides_the_gate_and_both_are_kept(two: Engine, judged: Recipes) -> None:
    judged(hawkes=scored(held_95=90))
    run = Run()
    result = promote(two, run, model="hawkes:v2", reason=" watched by hand ")
    assert champion(two) == "hawkes:v2"
    [change] = aliases.history(two)
    assert (change.reason, change.who) == ("watched by hand", whoami())
    assert change.gate == json.loads(json.dumps(result["gate"]))
    assert change.gate is not None
    assert change.gate["passed"] is False
    assert any("In spite of this: the 95% interval" in line.message for line in run.lines)


def test_the_same_recipe_on_newer_data_need_not_be_better(two: Engine, judged: Recipes) -> None:
    judged(seasonal_naive=scored())
    promote(two, Run(), model="seasonal_naive")
    seeded = json.dumps({"window_days": 28, "seed": 7})  # the seed is of the training's own backtest
    store_version(two, 3, training_end_date=TRAINED + DAY, hyperparameters=seeded)
    result = promote(two, Run(), model="seasonal_naive:v3")
    assert (result["gate"]["judged"], champion(two)) == ("equal", "seasonal_naive:v3")
    assert len(result["gate"]["backtests"]) == 1
    with pytest.raises(GateFailed, match="trained on older data"):
        promote(two, Run(), model="seasonal_naive:v1")


def test_other_hyperparameters_are_another_recipe(two: Engine, judged: Recipes) -> None:
    judged(seasonal_naive=scored())
    promote(two, Run(), model="seasonal_naive")
    store_version(two, 3, hyperparameters=json.dumps({"window_days": 14}))
    gate = promotion.judge(two, Run(), *versions(two, "seasonal_naive:v3", "seasonal_naive:v1"))
    assert gate.judged == "better"


def test_a_fit_that_did_not_converge_or_counts_other_posts_is_refused(two: Engine, judged: Recipes) -> None:
    judged(hawkes=scored())
    store_version(two, 3, "hawkes", diagnostics=json.dumps({"converged": False}), counting="without_replies")
    with pytest.raises(GateFailed, match="did not converge; it counts 'without_replies', but the database now"):
        promote(two, Run(), model="hawkes")
    settings.set(two, settings.COUNTING, "without_replies")
    with pytest.raises(GateFailed, match=r"gate: its fit did not converge\."):
        promote(two, Run(), model="hawkes")


def test_a_model_that_there_is_no_more_can_be_replaced_for_a_reason(two: Engine, judged: Recipes) -> None:
    store_version(two, 3, "forgotten")
    judged(hawkes=scored(), forgotten=[])
    promote(two, Run(), model="forgotten", reason="it was there first")
    with pytest.raises(GateFailed, match="no origin"):
        promote(two, Run(), model="hawkes")
    assert promote(two, Run(), model="hawkes", reason="nothing to compare with")["changed"]


def test_a_challenger_is_named_without_a_gate(two: Engine) -> None:
    result = promote(two, Run(), model="hawkes", alias="challenger")
    assert (result["alias"], result["changed"], result["gate"]) == ("challenger", True, None)
    with reading(two) as connection:
        assert aliases.find(connection, "@challenger").key == "hawkes:v2"


def test_the_challenger_can_be_promoted_by_its_alias(two: Engine, judged: Recipes) -> None:
    judged(hawkes=scored())
    promote(two, Run(), model="hawkes", alias="challenger")
    promote(two, Run(), model="@challenger")
    assert champion(two) == "hawkes:v2"


def test_the_champion_is_not_promoted_anew(two: Engine, judged: Recipes) -> None:
    judged(hawkes=scored())
    promote(two, Run(), model="hawkes")
    assert promote(two, Run(), model="hawkes")["changed"] is False
    assert len(aliases.history(two)) == 1


def test_what_cannot_be_promoted_is_told(two: Engine) -> None:
    with pytest.raises(DataError, match="No pool has been trained yet"):
        promote(two, Run(), model="pool")
    with pytest.raises(UsageError, match="no alias @best"):
        promote(two, Run(), model="hawkes", alias="best")


def test_without_counts_it_cannot_be_judged_but_a_reason_will_do(two: Engine) -> None:
    with pytest.raises(GateFailed, match="could not be judged: There are no counted hours"):
        promote(two, Run(), model="hawkes")
    assert promote(two, Run(), model="hawkes", reason="to begin with")["changed"]


def test_a_promotion_that_is_cancelled_half_way_changes_nothing(two: Engine, judged: Recipes) -> None:
    class CutOff(Run):
        def check(self) -> None:
            if self.stage == "backtest":
                raise Cancelled("cancelled")

    judged(hawkes=scored())
    with pytest.raises(Cancelled):
        promote(two, CutOff(), model="hawkes", reason="whatever it says")
    assert (champion(two), aliases.history(two)) == (None, [])


def test_promotions_wait_for_each_other() -> None:
    assert stages.lease("promote", {"model": "hawkes"}) == "promote"


def test_it_is_judged_by_a_stored_backtest_at_the_last_origins_of_its_data(engine: Engine, tmp_path: Path) -> None:
    days = 140
    store_hours(engine, np.random.default_rng(1).poisson(3, 24 * days))
    until = START + (days - 10) * DAY
    for window in ("28", "14"):
        train(
            engine,
            Run(),
            artifact_dir=str(tmp_path),
            model="seasonal_naive",
            hyperparameters={"window_days": window},
            until=iso(until),
            backtest_origins=0,
        )
    run = Run()
    gate = promotion.judge(engine, run, *versions(engine, "seasonal_naive:v1", "seasonal_naive:v2"), jobs=1)
    assert run.fraction == 1.0
    own, other = gate.backtests
    assert own.startswith("gate-")  # kept for a while only
    found, theirs = (backtest.load(engine, name)["seasonal_naive"] for name in (own, other))
    assert [one.origin for one in found] == [one.origin for one in theirs]
    assert gate.origins == len(found) > promotion.LEAST_ORIGINS
    expected = promotion.protocol.compare(found, theirs, "total_168")
    assert gate.skill["total_168"]["lower"] == expected.lower
    listed = {one.name: one for one in backtests.listed(engine)}
    assert listed[own].end == until
    assert until - listed[own].begin == timedelta(hours=119 * 73 + 168)
    again = Run()
    assert promotion.judge(engine, again, *versions(engine, "seasonal_naive:v1", "seasonal_naive:v2"), jobs=1) == gate
    assert sum(" 0 of " in line.message for line in again.lines) == 2


@given(n=st.integers(20, 400), bounds=st.sampled_from(list(promotion.COVERED.values())))
def test_what_may_be_held_is_what_a_coverage_in_range_gives_now_and_then(n: int, bounds: tuple[float, float]) -> None:
    low, high = bounds
    least, most = promotion.may_be_held(n, low, high)
    assert least <= low * n <= high * n <= most
    assert binom.cdf(least - 1, n, low) < 0.025 <= binom.cdf(least, n, low)
    assert binom.sf(most, n, high) <= 0.025 < binom.sf(most - 1, n, high)
