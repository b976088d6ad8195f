"""The migrations screen: where the schema is, what a step does, and going up and down with eyes open."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import Engine
from textual.pilot import Pilot
from textual.widgets import Button, Static

from musktracker.config import Settings
from musktracker.db import engines, migrate, revisions
from musktracker.db.migrate import SchemaStatus
from musktracker.db.queries.schema import DatabaseInfo, TableSize
from musktracker.db.revisions import Revision
from tui.app import Console
from tui.screens import schema_work
from tui.screens.migrations import MigrationsData, MigrationsScreen, RevisionTable, SizeTable
from tui.widgets.confirm import Confirm
from tui.widgets.form import FormScreen
from tui.widgets.header import Header
from tui.widgets.prose import Prose

MakeConsole = Callable[..., Console]


def text_of(app: Console, selector: str) -> str:
    widget = app.screen.query_one(selector)
    assert isinstance(widget, Static | Prose)
    return str(widget.content) if isinstance(widget, Static) else widget.text


def said(app: Console) -> str:
    return "\n".join(notification.message for notification in app._notifications)


def shown_data() -> MigrationsData:
    """A schema with a step to apply, whatever this program's own is."""
    titles = ("The initial schema", "Integrity: what must not be there twice", "Runs: every long operation as a row")
    steps = [
        Revision(f"{n:03}", f"{n - 1:03}" if n > 1 else None, title, f"{title}.\n\nWhat it is for.", applied=n < 3)
        for n, title in enumerate(titles, 1)
    ]
    sizes = [("raw_tweets", 84_934, 12_400_000), ("runs", 12, 16_384), ("time_buckets", 28_800, None)]
    return MigrationsData(
        SchemaStatus("002", "003", ("003",), tuple(reversed(steps))),
        DatabaseInfo("sqlite:////data/musktracker.db", "SQLite 3.40.1", 17_200_000),
        tuple(TableSize(*size) for size in sizes),
        (),
        ("musktracker.20260115T180700Z.backup.db",),
    )


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_migrations_look(
    size: tuple[int, int],
    populated: Settings,
    console: MakeConsole,
    settled: Any,
    snapshot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(MigrationsScreen, "fetch", lambda self, engine: shown_data())
    sql = "── Up ──\nCREATE TABLE runs (\n    id INTEGER NOT NULL\n);\n\n── Down ──\nDROP TABLE runs;"
    monkeypatch.setattr(schema_work, "detail", lambda settings, revision: f"{revision.docstring}\n\n{sql}")
    app = console(populated)
    async with app.run_test(size=size) as pilot:
        await pilot.press("2")
        await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)
        snapshot(app, f"migrations-{size[0]}x{size[1]}")


async def test_the_steps_and_the_tables_are_shown_on_both_databases(
    settings: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(settings)
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("2")
        await settled(pilot)
        steps = app.screen.query_one(RevisionTable).records
        assert [step.revision for step in steps] == sorted(revisions.known(), reverse=True)
        assert all(step.applied for step in steps)
        names = {table.name for table in app.screen.query_one(SizeTable).records}
        assert {"raw_tweets", "time_buckets", "runs"} <= names
        assert f"Schema at {migrate.head()}, the newest" in text_of(app, "#schema-state")
        await pilot.press("G", "enter")
        await settled(pilot)
        detail = text_of(app, "#step-text")
    assert "six tables" in detail
    up, _, down = detail.partition("── Down ──")
    assert "CREATE TABLE raw_tweets" in up
    assert "DROP TABLE raw_tweets" in down


async def test_verify_finds_the_schema_sound(settings: Settings, console: MakeConsole, settled: Any) -> None:
    app = console(settings)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("2")
        await settled(pilot)
        await pilot.press("v")
        await settled(pilot)
        assert "Integrity is sound" in text_of(app, "#schema-state")


async def test_verify_names_a_drift(
    populated: Settings, populated_engine: Engine, console: MakeConsole, settled: Any
) -> None:
    with engines.writing(populated_engine) as connection:
        connection.exec_driver_sql("DROP INDEX idx_forecast_target")
    app = console(populated)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("2")
        await settled(pilot)
        await pilot.press("v")
        await settled(pilot)
        assert "idx_forecast_target" in text_of(app, "#schema-state")


async def test_a_revert_names_the_losses_and_wants_the_revision_typed(
    populated: Settings, populated_engine: Engine, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    top, below = sorted(revisions.known(), reverse=True)[:2]
    async with app.run_test(size=(100, 40), notifications=True) as pilot:
        await pilot.press("2")
        await settled(pilot)
        await pilot.press("x")
        await settled(pilot)
        assert isinstance(app.screen, Confirm)
        lines = [str(line.content) for line in app.screen.query(".line").results(Static)]
        for loss in migrate.losses(populated_engine, below):
            assert any(loss.table in line and (loss.column or "table") in line for line in lines)
        assert app.screen.query_one("#yes", Button).disabled
        await pilot.press("enter")
        assert isinstance(app.screen, Confirm)
        await pilot.press(*below, "enter")
        await settled(pilot)
        assert migrate.current(populated_engine) == below
        [backup] = engines.sqlite_path(populated_engine).parent.glob("*.backup.db")
        assert backup.name in said(app)
        assert f"1 step to apply, to {top}" in text_of(app, "#schema-state")


async def test_a_step_that_was_reverted_is_applied_again_up_to_the_cursor_and_no_further(
    populated: Settings, populated_engine: Engine, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(100, 40)) as pilot:
        await settled(pilot)
        migrate.downgrade(populated_engine, "-2")
        await pilot.press("2")
        await settled(pilot)
        head, last = sorted(revisions.known(), reverse=True)[:2]
        await pilot.press("j", "a")
        await settled(pilot)
        assert migrate.current(populated_engine) == last != head


@pytest.fixture
def applying(
    populated: Settings, populated_engine: Engine, console: MakeConsole, settled: Any, hold: Any
) -> Callable[[], Any]:
    """Opens the screen while two steps are applied: `async with applying() as (pilot, held)`."""

    @asynccontextmanager
    async def begin() -> AsyncIterator[tuple[Pilot[Any], Any]]:
        app = console(populated)
        async with app.run_test(size=(100, 40), notifications=True) as pilot:
            await settled(pilot)
            migrate.downgrade(populated_engine, "-2")
            await pilot.press("2")
            await settled(pilot)
            held = hold(migrate, "backup")
            await pilot.press("a")
            await held.reached()
            yield pilot, held

    return begin


async def test_steps_are_applied_and_told_also_where_the_screen_is_another_by_then(
    applying: Callable[[], Any], populated_engine: Engine, settled: Any
) -> None:
    async with applying() as (pilot, held):
        await pilot.press("z")
        held.release()
        await settled(pilot)
        assert migrate.current(populated_engine) == migrate.head()
        assert f"The schema is at {migrate.head()}" in said(pilot.app)


async def test_q_asks_while_steps_are_applied_and_no_is_the_first_answer(
    applying: Callable[[], Any], populated_engine: Engine, settled: Any
) -> None:
    async with applying() as (pilot, held):
        await pilot.press("6", "q")
        assert isinstance(pilot.app.screen, Confirm)
        assert "Applying up to" in str(pilot.app.screen.query(".line").first(Static).content)
        await pilot.press("enter")
        held.release()
        await settled(pilot)
        assert migrate.current(populated_engine) == migrate.head()
        await pilot.press("q")
        assert not pilot.app.is_running


async def test_asked_twice_it_closes_whatever_goes_on(applying: Callable[[], Any]) -> None:
    async with applying() as (pilot, _held):
        await pilot.press("ctrl+q")
        assert pilot.app.is_running
        await pilot.press("ctrl+q")
        assert pilot.app._exit


async def test_a_revert_asks_nothing_over_what_was_opened_meanwhile(
    populated: Settings, console: MakeConsole, settled: Any, hold: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("2")
        await settled(pilot)
        held = hold(schema_work, "losses")
        await pilot.press("x")
        await held.reached()
        await pilot.press("4", "a")
        held.release()
        await settled(pilot)
        assert isinstance(app.screen, FormScreen)
        await pilot.press("escape", "2")
        await settled(pilot)
        assert isinstance(app.screen, MigrationsScreen)


async def test_a_dry_run_times_each_statement_and_keeps_nothing(
    populated: Settings, populated_engine: Engine, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(100, 40)) as pilot:
        await settled(pilot)
        migrate.downgrade(populated_engine, "-2")
        at = migrate.current(populated_engine)
        await pilot.press("2")
        await settled(pilot)
        await pilot.press("d")
        await settled(pilot)
        text = text_of(app, "#step-text")
        assert f"Dry run up to {migrate.head()}" in text
        assert " ms  ALTER TABLE" in text
        assert "nothing was kept" in text
        await pilot.press("y")
        await settled(pilot)
        assert f"Dry run up to {migrate.head()}" in app.clipboard
    assert migrate.current(populated_engine) == at


async def test_nothing_changes_when_the_console_only_reads(
    populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(populated, read_only=True)
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("2")
        await settled(pilot)
        await pilot.press("x")
        await settled(pilot)
        assert not isinstance(app.screen, Confirm)
        assert "read only" in str(app.screen.query_one(Header).render())
