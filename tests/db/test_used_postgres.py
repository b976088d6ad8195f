"""A database that a test has changed is not lent to another."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, text
from used_postgres import SCHEMA

CHANGES = [
    "ALTER TABLE coverage ADD COLUMN extra integer",
    "ALTER TABLE coverage DROP COLUMN source",
    "ALTER TABLE coverage RENAME COLUMN source TO whence",
    "ALTER TABLE coverage RENAME TO covered",
    "ALTER TABLE coverage ALTER COLUMN source TYPE varchar(7)",
    "ALTER TABLE coverage ALTER COLUMN source DROP NOT NULL",
    "ALTER TABLE coverage ALTER COLUMN source SET DEFAULT 'file'",
    "ALTER TABLE coverage ADD CONSTRAINT extra CHECK (id > 0)",
    "CREATE INDEX extra ON coverage (source)",
    "CREATE TABLE extra (id integer)",
    "CREATE VIEW extra AS SELECT id FROM coverage",
    "CREATE SCHEMA other CREATE TABLE extra (id integer)",
    "UPDATE alembic_version SET version_num = '001'",
]


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_whatever_is_changed_of_a_schema_is_noticed(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        migrated = connection.execute(SCHEMA).scalar_one()
        connection.rollback()
        for change in CHANGES:
            connection.execute(text(change))
            assert connection.execute(SCHEMA).scalar_one() != migrated, change
            connection.rollback()
        assert connection.execute(SCHEMA).scalar_one() == migrated
    engine.dispose()
