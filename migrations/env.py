"""Runs migrations on the connection that the program hands over, or else on the database of the settings."""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import Connection

from musktracker.db import migrate
from musktracker.db.schema_lock import schema_transaction
from musktracker.db.tables import Base

OPTIONS: dict[str, Any] = {
    "target_metadata": Base.metadata,
    **migrate.COMPARE,
    "render_as_batch": True,
    "transactional_ddl": True,
    "transaction_per_migration": False,
}


def offline(dialect: str) -> None:
    """Print the SQL of the steps."""
    context.configure(dialect_name=dialect, literal_binds=True, **OPTIONS)
    with context.begin_transaction():
        context.run_migrations()


def online(connection: Connection) -> None:
    """Carry the steps out in the transaction that the connection is in."""
    reports = context.config.attributes.get("on_version_apply")
    context.configure(connection=connection, on_version_apply=reports, **OPTIONS)
    with context.begin_transaction():
        context.run_migrations()


def main() -> None:
    """Find the database and run."""
    attributes = context.config.attributes
    if "dialect" in attributes:
        offline(attributes["dialect"])
    elif "connection" in attributes:
        online(attributes["connection"])
    else:
        from musktracker.config import load
        from musktracker.db import engines

        engine = engines.connect(load().with_data_dir_made().database_url)
        if context.is_offline_mode():
            offline(engine.dialect.name)
        else:
            with schema_transaction(engine) as connection:
                online(connection)
        engine.dispose()


main()
