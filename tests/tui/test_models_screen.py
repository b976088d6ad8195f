"""The models screen: versions and what their fit told, and a training from the form to its log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from made_forecasts import NOW, store_run
from sqlalchemy import Engine, delete, update
from stored_versions import store_artifact, store_version
from textual.widgets import Static

from musktracker import launching, runs
from musktracker.config import Settings
from musktracker.db.engines import writing
from musktracker.db.tables import Forecast, ForecastTotal, ModelMetadata, RunRow
from musktracker.models import registry
from musktracker.pipeline import aliases
from tui.app import Console
from tui.screens import train_form as form
from tui.screens.models import ModelsScreen, VersionTable
from tui.widgets.confirm import Confirm
from tui.widgets.form import FormScreen
from tui.widgets.run_log import RunLog
from tui.widgets.run_progress import RunProgress
from tui.widgets.text_page import TextPage

EASTERN = ZoneInfo("America/New_York")
Opened = Callable[..., Console]


NEWEST = 2  # the id of the version that the cursor begins on


async def go(app: Console, pilot: Any, settled: Any) -> ModelsScreen:
    await settled(pilot)
    await pilot.press("5")
    await settled(pilot)
    assert isinstance(app.screen, ModelsScreen)
    return app.screen


async def test_versions_are_listed_with_what_their_fit_told(
    populated: Settings, console: Opened, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(app, pilot, settled)
        table = screen.query_one(VersionTable)
        assert [found.model for found in table.records] == ["negative_binomial", "seasonal_naive"]
        detail = str(screen.query_one("#model-text", Static).content)
        assert "dispersion     0.42" in detail
        assert "Hourly RMSE            2.04" in detail
        await pilot.press("j")
        await pilot.pause()
        assert "seasonal_naive 1" in str(screen.query_one("#model-text", Static).content)


async def test_a_narrow_terminal_shows_the_detail_as_a_page(
    populated: Settings, console: Opened, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await go(app, pilot, settled)
        assert not screen.query_one("#model-detail").display
        await pilot.press("enter")
        await settled(pilot)
        assert isinstance(app.screen, TextPage)


async def test_the_training_that_goes_on_is_followed(populated: Settings, console: Opened, settled: Any) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(app, pilot, settled)
        info = screen.query_one(RunProgress).info
        assert info is not None
        assert (info.id, info.message) == (7, "origin 31 of 50")
        assert screen.query_one(RunLog).view.count == 21


async def test_the_training_that_goes_on_is_followed_although_a_newer_run_has_ended(
    populated: Settings, populated_engine: Engine, console: Opened, settled: Any
) -> None:
    store_run(populated_engine, "promote", {})
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(app, pilot, settled)
        assert screen.run_shown is not None
        assert screen.run_shown.id == 7
        assert screen.query_one(RunLog).run_info == screen.run_shown
        assert screen.can("cancel")


async def test_the_cursor_goes_to_a_version_that_was_trained_here_and_to_no_other(
    populated: Settings, populated_engine: Engine, console: Opened, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(app, pilot, settled)
        table = screen.query_one(VersionTable)
        await pilot.press("j")
        before = table.record
        store_version(populated_engine, 9, trained_at=NOW)
        screen.refresh_data()
        await settled(pilot)
        assert table.count == 3
        assert table.record == before
        store_version(populated_engine, 10, trained_at=NOW)
        screen.started = store_run(populated_engine, "train", {"id": 10})
        screen.refresh_data()
        await settled(pilot)
        assert table.record is not None
        assert table.record.id == 10


async def test_cancelling_asks_first_and_leaves_it_going_by_default(
    populated: Settings, populated_engine: Engine, console: Opened, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await go(app, pilot, settled)
        await pilot.press("x")
        await settled(pilot)
        assert isinstance(app.screen, Confirm)
        await pilot.press("enter")
        await settled(pilot)
        assert runs.get(populated_engine, 7).cancel_requested_at is None
        await pilot.press("x")
        await settled(pilot)
        await pilot.press("right", "enter")
        while isinstance(app.screen, Confirm):
            await pilot.pause()
        await settled(pilot)
        assert runs.get(populated_engine, 7).cancel_requested_at is not None


async def test_t_asks_and_starts_a_training(
    populated: Settings, console: Opened, settled: Any, launched: list[Any]
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await go(app, pilot, settled)
        await pilot.press("t")
        await settled(pilot)
        assert isinstance(app.screen, FormScreen)
        await pilot.press("tab", *"180", "tab", *"harmonics=3", "enter")
        await settled(pilot)
    [(kind, asked)] = launched
    assert (kind, asked["model"]) == ("train", "negative_binomial")
    assert asked["hyperparameters"] == {"window_days": "180", "harmonics": "3"}
    assert asked["artifact_dir"] == str(populated.artifact_dir)


def name_champion(engine: Engine, *keys: int) -> None:
    for key in keys:
        store_artifact(engine, key)
    with writing(engine) as connection:
        for key in keys:
            [chosen] = [one for one in aliases.trained(connection) if one.id == key]
            aliases.point(connection, "champion", chosen, before=aliases.champion(connection))


async def test_the_champion_is_marked_beside_its_version(
    populated: Settings, populated_engine: Engine, console: Opened, settled: Any
) -> None:
    name_champion(populated_engine, 2)
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(app, pilot, settled)
        assert "1 ★" in screen.query_one(VersionTable).render_line(1).text
        assert "★" not in screen.query_one(VersionTable).render_line(2).text
        assert "negative_binomial 1, champion" in str(screen.query_one("#model-text", Static).content)


async def test_p_asks_and_leaves_it_to_the_gate(
    populated: Settings, populated_engine: Engine, console: Opened, settled: Any, launched: list[Any]
) -> None:
    store_artifact(populated_engine, NEWEST)
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await go(app, pilot, settled)
        await pilot.press("p")
        await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)
    expected = {"model": "negative_binomial", "version": "1", "alias": "champion", "reason": None}
    assert launched == [("promote", expected)]


async def test_where_the_gate_failed_a_reason_is_asked_for(
    populated: Settings, populated_engine: Engine, console: Opened, settled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_artifact(populated_engine, NEWEST)
    started: list[dict[str, Any]] = []

    def fail(settings: Settings, engine: Engine, kind: str, asked: dict[str, Any], **_: Any) -> int:
        started.append(asked)
        run_id = runs.create(engine, kind, asked)
        error = "negative_binomial 1 does not pass the gate: too wide. Promote it all the same with --reason TEXT"
        with writing(engine) as connection:
            connection.execute(update(RunRow).where(RunRow.id == run_id).values(status="failed", error=error))
        return run_id

    monkeypatch.setattr(launching, "launch", fail)
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(app, pilot, settled)
        await pilot.press("p")
        await settled(pilot)
        first = app.screen
        await pilot.press("enter")
        while app.screen in (first, screen):
            await pilot.pause()
        await settled(pilot)
        preview = app.screen.query_one("#form-preview", Static)
        while not str(preview.content):
            await pilot.pause(0.01)
        assert str(preview.content) == "negative_binomial 1 does not pass the gate: too wide."
        await pilot.press("enter")
        await settled(pilot)
        assert len(started) == 1
        await pilot.press(*"watched", "enter")
        await settled(pilot)
    assert [asked["reason"] for asked in started] == [None, "watched"]


async def test_the_champion_is_rolled_back_at_once_for_it_can_be_promoted_again(
    populated: Settings, populated_engine: Engine, console: Opened, settled: Any
) -> None:
    name_champion(populated_engine, 1, 2)
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await go(app, pilot, settled)
        await pilot.press("P")
        await settled(pilot)
        assert any("p promotes" in note.message for note in app._notifications)
    newest = aliases.history(populated_engine)[0]
    assert (newest.before, newest.after) == ("negative_binomial:1", "seasonal_naive:1")


async def test_what_somebody_else_made_the_champion_meanwhile_is_named_before_it_is_rolled_back(
    populated: Settings, populated_engine: Engine, console: Opened, settled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ModelsScreen, "REFRESH_SECONDS", 3600.0)
    name_champion(populated_engine, 1, 2)
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await go(app, pilot, settled)
        store_version(populated_engine, 3)
        with writing(populated_engine) as connection:
            chosen = aliases.find(connection, "seasonal_naive:v3")
            aliases.point(connection, "champion", chosen, before=aliases.champion(connection))
        await pilot.press("P")
        await settled(pilot)
        assert aliases.history(populated_engine)[0].after == "seasonal_naive:v3"
        assert any("seasonal_naive:v3 was made the champion by " in note.message for note in app._notifications)
        await pilot.press("P")
        await settled(pilot)
        assert aliases.history(populated_engine)[0].after == "negative_binomial:1"
        said = "negative_binomial:1 is the champion again, after seasonal_naive:v3; p promotes"
        assert said in [note.message for note in app._notifications]


async def test_there_is_nothing_to_roll_back_without_a_champion(
    populated: Settings, console: Opened, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(app, pilot, settled)
        await pilot.press("P")
        await settled(pilot)
        assert app.screen is screen


async def test_without_versions_it_says_which_key_trains_one(
    populated: Settings, populated_engine: Engine, console: Opened, settled: Any
) -> None:
    with writing(populated_engine) as connection:
        for table in (Forecast, ForecastTotal, ModelMetadata):
            connection.execute(delete(table))
        connection.execute(delete(RunRow))
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(app, pilot, settled)
        assert "t trains one" in str(screen.query_one("#model-text", Static).content)
        assert "t trains one" in screen.query_one(VersionTable).render_line(1).text


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_screen_looks_as_it_did(
    populated: Settings, console: Opened, settled: Any, snapshot: Any, size: tuple[int, int]
) -> None:
    app = console(populated)
    async with app.run_test(size=size) as pilot:
        await go(app, pilot, settled)
        snapshot(app, f"models-{size[0]}x{size[1]}")


def asked(**more: str) -> dict[str, str]:
    values = {
        "model": "negative_binomial",
        "window_days": "",
        "others": "",
        "until": "",
        "origins": "20",
        "seed": "1",
    }
    return values | more


def test_the_form_tells_what_each_model_takes() -> None:
    told = form.takes_text("negative_binomial")
    assert told.startswith("Negative binomial takes window_days=365  harmonics=4  features=lag_1h,lag_6h,")
    for name in registry.names():
        given = dict(pair.split("=") for pair in form.takes_text(name).split(" takes ")[1].split())
        assert registry.read(name, given) == registry.read(name)


def test_for_a_version_of_a_model_that_is_not_known_the_usual_one_is_offered() -> None:
    zone = ZoneInfo("UTC")
    offered = form.train_form(zone, None, NOW, Path(), "of_a_newer_program")
    assert offered.values["model"] == form.DEFAULT
    assert form.problems(offered.values | {"window_days": "9"}, zone).keys() == {"window_days"}


def test_what_is_typed_is_what_the_models_read(tmp_path: Any) -> None:
    values = asked(window_days="90", others="harmonics=2 features=lag_1h,hour_of_day", until="2026-01-01")
    found = form.parameters(values, EASTERN, tmp_path)
    model = registry.create(found["model"], found["hyperparameters"])
    assert registry.hyperparameters(model) == {
        "window_days": 90,
        "harmonics": 2,
        "features": ["lag_1h", "hour_of_day"],
    }
    assert found["until"] == "2026-01-01T05:00:00Z"


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("window_days", {"window_days": "long"}),
        ("window_days", {"window_days": "13"}),
        ("window_days", {"window_days": "9" * 400}),
        ("others", {"others": "harmonics"}),
        ("others", {"others": "harmonics=12"}),
        ("others", {"others": "features=lag_1h,wind"}),
        ("others", {"others": "depth=3"}),
        ("others", {"others": "window_days=30"}),
        ("window_days", {"model": "pool", "window_days": "30"}),
        ("until", {"until": "soon"}),
        ("origins", {"origins": "5000"}),
        ("seed", {"seed": "x"}),
    ],
)
def test_what_cannot_be_is_said_at_its_field(field: str, values: dict[str, str]) -> None:
    assert list(form.problems(asked(**values), EASTERN)) == [field]
