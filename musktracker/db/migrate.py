"""Migrations. (Being written: for the moment the tables are made from the models.)"""

from sqlalchemy import Engine

from musktracker.db.tables import Base


def ensure_current(engine: Engine) -> None:
    """Bring the schema up to date."""
    Base.metadata.create_all(engine)
