"""What a run would refuse of its parameters is said in its form, at the field, and no run is started."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from made_forecasts import NOW
from sqlalchemy import Engine, delete, insert
from stored_versions import store_version
from textual.pilot import Pilot
from textual.widgets import Static

from musktracker.config import Settings
from musktracker.db.engines import writing
from musktracker.db.queries import counts
from musktracker.db.tables import Backtest, TimeBucket
from musktracker.pipeline import backtest_plan
from musktracker.timeline import DAY
from tui.app import Console
from tui.widgets.form import FormScreen

Opened = Callable[..., Any]
FORMS = {"train": "5t", "backtest": "5bn", "forecast": "6n", "what if": "6in", "promote": "5p"}


@pytest.fixture
def usable(populated_engine: Engine) -> Engine:
    """The populated database, with a version that can forecast."""
    store_version(populated_engine, 9)
    return populated_engine


@pytest.fixture
def opened(populated: Settings, console: Callable[..., Console], settled: Any) -> Opened:
    """Opens a form by its keys: `async with opened("train") as (pilot, form)`."""

    @asynccontextmanager
    async def open_form(name: str) -> Any:
        app = console(populated)
        async with app.run_test(size=(80, 24)) as pilot:
            await settled(pilot)
            for key in FORMS[name]:
                await pilot.press(key)
                await settled(pilot)
            assert isinstance(app.screen, FormScreen)
            yield pilot, app.screen

    return open_form


async def fill(pilot: Pilot[Any], form: FormScreen, settled: Any, **values: str) -> None:
    """Give fields their values, and press enter."""
    for name, value in values.items():
        form.query_one(f"#field-{name}").value = value  # type: ignore[attr-defined]
    await settled(pilot)
    await pilot.press("enter")
    await settled(pilot)


def note(form: FormScreen, name: str) -> str:
    return str(form.query_one(f"#note-{name}", Static).content)


def trouble(form: FormScreen) -> str:
    shown = form.query_one("#form-trouble", Static)
    return str(shown.content) if shown.display else ""


@pytest.mark.parametrize(
    ("name", "values", "field", "said"),
    [
        ("train", {"model": "seasonal_naive", "window_days": "3"}, "window_days", "must be 7 to 3650, not 3"),
        ("train", {"model": "hawkes", "others": "components=9"}, "others", "components must be 1 to 3, not 9"),
        ("train", {"until": "2024-01-01"}, "until", "There are no counted hours before 2024-01-01T00:00:00Z"),
        ("train", {"model": "pool", "until": "2025-02-01"}, "until", "pool cannot be fitted to 17 days of counts"),
        ("backtest", {"begin": "2026-01-10"}, "begin", "there is no origin with a week of counts ahead"),
        ("backtest", {"end": "2024-06-01"}, "begin", "there is no origin with a week of counts ahead"),
        ("forecast", {"as_of": "2024-06-01"}, "as_of", "There are no counted hours before 2024-06-01T00:00:00Z"),
        ("forecast", {"as_of": "2026-01-16"}, "as_of", "has not come yet"),
        ("forecast", {"as_of": "2025-06-01"}, "model", "Every trained model saw data until"),
        ("forecast", {"version": "v77"}, "version", "No model v77 has been trained yet"),
    ],
)
async def test_it_is_said_at_its_field_and_what_was_typed_stays(
    usable: Engine,
    opened: Opened,
    settled: Any,
    launched: list[Any],
    name: str,
    values: dict[str, str],
    field: str,
    said: str,
) -> None:
    async with opened(name) as (pilot, form):
        await fill(pilot, form, settled, **values)
        assert pilot.app.screen is form
        assert form.values.items() >= values.items()
        assert form.focused is not None
        assert form.focused.id == f"field-{field}"
        assert said in note(form, field)
    assert launched == []


async def test_a_name_that_another_question_has_is_taken(
    usable: Engine, opened: Opened, settled: Any, launched: list[Any]
) -> None:
    reach = counts.reach(usable)
    assert reach is not None
    stored = backtest_plan.values(backtest_plan.plan(reach, models=["pool"], spacing=100))
    with writing(usable) as connection:
        values = {**stored, "name": "mine", "created_at": NOW, "data_digest": "0" * 64}
        connection.execute(insert(Backtest).values(values))
    async with opened("backtest") as (pilot, form):
        await fill(pilot, form, settled, models="pool", name="mine")
        assert "There is a backtest 'mine' already, and its protocol differ" in note(form, "name")
        assert launched == []
        await fill(pilot, form, settled, spacing="100")
    assert [kind for kind, _ in launched] == ["backtest"]


async def test_the_origins_of_a_backtest_are_told_before_it_starts(usable: Engine, opened: Opened) -> None:
    async with opened("backtest") as (pilot, form):
        preview = form.query_one("#form-preview", Static)
        while "origins" not in str(preview.content):
            await pilot.pause(0.01)
        assert "118 origins: from 2025-01-15 18:00 to Tue 06 Jan 15:00" in str(preview.content)


async def test_data_that_are_too_old_for_a_what_if_are_told(
    usable: Engine, opened: Opened, settled: Any, launched: list[Any]
) -> None:
    with writing(usable) as connection:
        connection.execute(delete(TimeBucket).where(TimeBucket.bucket_end > NOW - 2 * DAY))
    async with opened("what if") as (pilot, form):
        await fill(pilot, form, settled, line="tomorrow 12:00 +2h flight !0.9 #launch")
        assert pilot.app.screen is form
        assert "Data end at 2026-01-13 18:00 UTC, 2 days before" in trouble(form)
    assert launched == []


async def test_a_version_without_its_artifact_is_not_promoted(
    usable: Engine, opened: Opened, settled: Any, launched: list[Any]
) -> None:
    async with opened("promote") as (pilot, form):
        await fill(pilot, form, settled, reason="x" * 1001)
        assert "at most 1,000 characters" in note(form, "reason")
        await fill(pilot, form, settled, reason="")
        assert "has no artifact in the database" in trouble(form)
    assert launched == []


async def test_a_refusal_that_is_longer_than_its_line_is_told_in_full_below(
    opened: Opened, settled: Any, launched: list[Any]
) -> None:
    async with opened("forecast") as (pilot, form):
        await pilot.press("enter")
        await settled(pilot)
        assert "Train anew: musktracker train" in trouble(form)
        await pilot.press("right")
        await settled(pilot)
        assert trouble(form) == ""
    assert launched == []


@pytest.mark.parametrize(
    ("name", "field", "said"),
    [
        ("train", "until", "empty: all; counted until 2024-12-31 18:00 UTC"),
        ("backtest", "end", "where the last week ends; counted until 2024-12-31 18:00 UTC"),
        ("forecast", "as_of", "empty: now; counted until 2024-12-31 18:00 UTC"),
    ],
)
async def test_how_far_the_counts_reach_is_told_with_its_year_where_that_is_another(
    usable: Engine, opened: Opened, name: str, field: str, said: str
) -> None:
    with writing(usable) as connection:
        connection.execute(delete(TimeBucket))
        start = NOW.replace(year=2024, month=12, day=31, hour=17, minute=0)
        hour = {"bucket_start": start, "bucket_end": start + timedelta(hours=1), "granularity": "hourly"}
        connection.execute(insert(TimeBucket).values(tweet_count=1, computed_at=NOW, **hour))
    async with opened(name) as (_pilot, form):
        assert note(form, field) == said
