"""The database itself refuses to edit a version, and to delete one that is used."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from stored_versions import TRAINED, store_version

from musktracker.db import engines, migrate
from musktracker.db.engines import reading, writing
from musktracker.db.tables import AliasChange, Forecast, ModelAlias, ModelArtifact, ModelMetadata
from musktracker.db.upsert import upsert
from musktracker.pipeline import aliases


@pytest.fixture
def named(engine: Engine) -> Engine:
    """A database with two versions, of which the first is the champion."""
    name_champion(engine)
    return engine


def name_champion(engine: Engine) -> None:
    store_version(engine, 1)
    store_version(engine, 2)
    with writing(engine) as connection:
        aliases.point(connection, "champion", aliases.find(connection, "seasonal_naive:v1"), before=None)


@pytest.mark.parametrize(
    "change",
    [
        update(ModelMetadata).where(ModelMetadata.id == 2).values(rmse=0.1),
        update(ModelMetadata).values(training_end_date=TRAINED),
        update(ModelArtifact).values(content=b"other numbers"),
        update(AliasChange).values(reason="another one"),
        delete(AliasChange),
        delete(ModelMetadata).where(ModelMetadata.id == 1),
        delete(ModelArtifact).where(ModelArtifact.model_metadata_id == 1),
    ],
    ids=str,
)
def test_no_statement_edits_a_version_or_its_history(named: Engine, change: Any) -> None:
    before = everything(named)
    with pytest.raises(IntegrityError), writing(named) as connection:
        connection.execute(change)
    assert everything(named) == before


def test_an_upsert_edits_no_version(named: Engine) -> None:
    row = (1, "0" * 64, b"other numbers")
    table = ModelArtifact.metadata.tables["model_artifacts"]
    columns = ("model_metadata_id", "sha256", "content")
    with pytest.raises(IntegrityError), writing(named) as connection:
        upsert(connection, table, columns, [row], conflict=("model_metadata_id",), update=("content",))


@pytest.mark.parametrize("table", ["model_metadata", "model_artifacts", "alias_changes"])
def test_sqlites_replace_edits_no_version_either(sqlite_template: Path, tmp_path: Path, table: str) -> None:
    path = tmp_path / "named.db"
    shutil.copy(sqlite_template, path)
    engine = engines.connect(f"sqlite:///{path}")
    name_champion(engine)
    engine.dispose()
    with (
        closing(sqlite3.connect(path)) as careless,
        pytest.raises(sqlite3.IntegrityError, match=f"rows of {table} are never edited"),
    ):
        careless.execute(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")


def test_a_version_with_a_forecast_stays(named: Engine) -> None:
    values = {"forecast_time": TRAINED, "target_time": TRAINED, "predicted_count": 1.0, "created_at": TRAINED}
    with writing(named) as connection:
        connection.execute(insert(Forecast).values(model_metadata_id=2, **values))
        connection.execute(delete(ModelArtifact).where(ModelArtifact.model_metadata_id == 2))
    with pytest.raises(IntegrityError), writing(named) as connection:
        connection.execute(delete(ModelMetadata).where(ModelMetadata.id == 2))


def test_a_version_that_nothing_refers_to_can_go(named: Engine) -> None:
    with writing(named) as connection:
        connection.execute(delete(ModelArtifact).where(ModelArtifact.model_metadata_id == 2))
        connection.execute(delete(ModelMetadata).where(ModelMetadata.id == 2))
    with reading(named) as connection:
        assert connection.scalars(select(ModelMetadata.id)).all() == [1]


def test_an_alias_is_one_of_two(named: Engine) -> None:
    values = {"alias": "favourite", "model_metadata_id": 1, "since": TRAINED, "who": "ada@tower"}
    with pytest.raises(IntegrityError), writing(named) as connection:
        connection.execute(insert(ModelAlias).values(values))


def test_going_down_takes_the_refusals_along_and_going_up_brings_them_back(bare: Engine) -> None:
    migrate.upgrade(bare, "011")
    store_version(bare, 1)
    migrate.downgrade(bare, "-1")
    with bare.begin() as connection:
        connection.execute(text("UPDATE model_metadata SET rmse = 1.5"))
    migrate.upgrade(bare)
    with pytest.raises(IntegrityError, match="never edited"), bare.begin() as connection:
        connection.execute(text("UPDATE model_metadata SET rmse = 2.5"))
    assert migrate.check(bare) == []


def everything(engine: Engine) -> list[Any]:
    tables = (ModelMetadata, ModelArtifact, ModelAlias, AliasChange)
    with reading(engine) as connection:
        return [connection.execute(select(table.__table__)).all() for table in tables]
