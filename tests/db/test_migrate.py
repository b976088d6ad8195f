"""Migrations: the document's schema exactly, all steps or none, one migrator at a time, and no row lost."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, inspect, text
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from musktracker.db import engines, migrate, revisions, schema_lock
from musktracker.errors import MuskTrackerError, UsageError

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
DATABASE_ERRORS = (OperationalError, ProgrammingError, IntegrityError, MuskTrackerError)

# The document's tables: column, type, then ? where NULL is allowed.
DOCUMENT = {
    "raw_tweets": """
        id INTEGER; tweet_id VARCHAR(64); created_at TIMESTAMP; source VARCHAR(32); ingest_time TIMESTAMP;
        is_deleted BOOLEAN
    """,
    "time_buckets": """
        id INTEGER; bucket_start TIMESTAMP; bucket_end TIMESTAMP; granularity VARCHAR(16); tweet_count INTEGER;
        computed_at TIMESTAMP
    """,
    "exogenous_events": """
        id INTEGER; name VARCHAR(256); description TEXT ?; category VARCHAR(64) ?; event_start TIMESTAMP;
        event_end TIMESTAMP; intensity FLOAT; source VARCHAR(64); created_at TIMESTAMP
    """,
    "features": """
        id INTEGER; reference_time TIMESTAMP; lag_1h INTEGER ?; lag_6h INTEGER ?; lag_12h INTEGER ?;
        lag_24h INTEGER ?; lag_7d INTEGER ?; rolling_mean_24h FLOAT ?; rolling_std_24h FLOAT ?;
        rolling_mean_7d FLOAT ?; rolling_std_7d FLOAT ?; hour_of_day INTEGER; day_of_week INTEGER;
        is_weekend BOOLEAN; event_intensity FLOAT; events_in_window INTEGER; computed_at TIMESTAMP
    """,
    "model_metadata": """
        id INTEGER; model_name VARCHAR(64); model_version VARCHAR(32); trained_at TIMESTAMP;
        training_start_date TIMESTAMP; training_end_date TIMESTAMP; hyperparameters TEXT ?; rmse FLOAT ?;
        mae FLOAT ?; mape FLOAT ?; log_likelihood FLOAT ?; artifact_path VARCHAR(512) ?
    """,
    "forecasts": """
        id INTEGER; model_metadata_id INTEGER; forecast_time TIMESTAMP; target_time TIMESTAMP;
        predicted_count FLOAT; lower_bound_95 FLOAT ?; upper_bound_95 FLOAT ?; actual_count INTEGER ?;
        created_at TIMESTAMP
    """,
}
INDEXES = {
    "raw_tweets": {
        ("ix_raw_tweets_tweet_id", "tweet_id", True),
        ("ix_raw_tweets_created_at", "created_at", False),
        ("idx_created_at_not_deleted", "created_at, is_deleted", False),
    },
    "time_buckets": {("idx_bucket_start_granularity", "bucket_start, granularity", False)},
    "exogenous_events": {
        ("ix_exogenous_events_event_start", "event_start", False),
        ("ix_exogenous_events_event_end", "event_end", False),
        ("idx_event_time_range", "event_start, event_end", False),
    },
    "features": {
        ("ix_features_reference_time", "reference_time", False),
        ("idx_reference_time", "reference_time", False),
    },
    "model_metadata": {
        ("ix_model_metadata_model_name", "model_name", False),
        ("idx_model_name_version", "model_name, model_version", False),
    },
    "forecasts": {
        ("ix_forecasts_model_metadata_id", "model_metadata_id", False),
        ("ix_forecasts_target_time", "target_time", False),
        ("idx_forecast_target", "forecast_time, target_time", False),
    },
}


@pytest.mark.parametrize("table", DOCUMENT)
def test_the_first_revision_makes_the_documents_columns(bare: Engine, table: str) -> None:
    migrate.upgrade(bare, "001")
    columns = inspect(bare).get_columns(table)
    assert "; ".join(map(_described, columns)) == " ".join(DOCUMENT[table].split())


@pytest.mark.parametrize("table", DOCUMENT)
def test_the_first_revision_makes_the_documents_indexes_and_no_other(bare: Engine, table: str) -> None:
    migrate.upgrade(bare, "001")
    found = {
        (index["name"], ", ".join(str(name) for name in index["column_names"]), bool(index["unique"]))
        for index in inspect(bare).get_indexes(table)
        if not index.get("duplicates_constraint")
    }
    assert found == INDEXES[table]


def test_the_first_revision_makes_the_documents_constraints_and_no_other(bare: Engine) -> None:
    migrate.upgrade(bare, "001")
    inspector = inspect(bare)
    assert set(inspector.get_table_names()) == {*DOCUMENT, migrate.VERSION_TABLE}
    uniques = {(t, u["name"], *u["column_names"]) for t in DOCUMENT for u in inspector.get_unique_constraints(t)}
    assert uniques == {("time_buckets", "uq_bucket_granularity", "bucket_start", "granularity")}
    keys = {
        (t, *k["constrained_columns"], k["referred_table"]) for t in DOCUMENT for k in inspector.get_foreign_keys(t)
    }
    assert keys == {("forecasts", "model_metadata_id", "model_metadata")}
    assert [check for table in DOCUMENT for check in inspector.get_check_constraints(table)] == []
    assert all(inspector.get_pk_constraint(table)["constrained_columns"] == ["id"] for table in DOCUMENT)


def test_on_postgres_every_time_has_its_zone(postgres_engine: Engine) -> None:
    query = "SELECT DISTINCT data_type FROM information_schema.columns WHERE data_type LIKE 'timestamp%'"
    with postgres_engine.connect() as connection:
        assert connection.execute(text(query)).scalars().all() == ["timestamp with time zone"]


def test_only_the_deletion_flag_has_a_default_and_it_is_false(bare: Engine) -> None:
    migrate.upgrade(bare, "001")
    inspector = inspect(bare)
    defaults = {
        (table, column["name"]): column["default"]
        for table in DOCUMENT
        for column in inspector.get_columns(table)
        if column["default"] is not None and column["name"] != "id"
    }
    assert defaults in ({("raw_tweets", "is_deleted"): "0"}, {("raw_tweets", "is_deleted"): "false"})
    with bare.begin() as connection:
        connection.execute(
            text("INSERT INTO raw_tweets (tweet_id, created_at, source, ingest_time) VALUES ('1', :t, 's', :t)"),
            {"t": "2025-06-01 12:00:00+00"},
        )
        assert connection.execute(text("SELECT count(*) FROM raw_tweets WHERE NOT is_deleted")).scalar_one() == 1


def test_every_step_goes_down_and_up_again_to_the_same_schema(bare: Engine) -> None:
    schemas = {}
    for revision in revisions.known():
        migrate.upgrade(bare, revision)
        schemas[revision] = _schema(bare)
    for revision in reversed(revisions.known()):
        assert _schema(bare) == schemas[revision]
        migrate.downgrade(bare, "-1")
    assert inspect(bare).get_table_names() == [migrate.VERSION_TABLE]
    migrate.upgrade(bare)
    assert _schema(bare) == schemas[migrate.head()]


def test_the_models_are_what_the_migrations_make(engine: Engine) -> None:
    assert migrate.check(engine) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("ALTER TABLE coverage ADD COLUMN stray INTEGER", "coverage.stray: column is not expected"),
        ("DROP INDEX ix_features_reference_time", "features.ix_features_reference_time: index is missing"),
        ("CREATE TABLE stray (id INTEGER)", "stray: table is not expected"),
        ("DROP TABLE coverage", "coverage: table is missing"),
    ],
)
def test_drift_is_named(engine: Engine, change: str, found: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(change))
    assert migrate.check(engine) == [found]


def test_a_lost_check_is_drift(postgres_engine: Engine) -> None:
    with postgres_engine.begin() as connection:
        connection.execute(text("ALTER TABLE time_buckets DROP CONSTRAINT ck_time_buckets_count"))
        connection.execute(text("ALTER TABLE raw_tweets ALTER COLUMN source TYPE varchar(99)"))
        connection.execute(text("ALTER TABLE raw_tweets ALTER COLUMN is_deleted SET DEFAULT true"))
    assert {line.partition(":")[0] for line in migrate.check(postgres_engine)} == {
        "time_buckets.ck_time_buckets_count",
        "raw_tweets.source",
        "raw_tweets.is_deleted",
    }


def test_the_head_known_from_file_names_is_alembics() -> None:
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(revisions.scripts())
    assert script.get_heads() == [migrate.head()]
    by_alembic = [(s.revision, s.down_revision) for s in script.walk_revisions()]
    assert by_alembic == [(r.revision, r.down_revision) for r in reversed(revisions.load())]


def test_every_revision_says_what_it_does() -> None:
    for revision in revisions.load():
        assert revision.docstring.startswith(revision.title)
        assert len(revision.docstring) > len(revision.title) + 40


def test_nothing_pending_costs_one_select_and_no_alembic(engine: Engine) -> None:
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    migrate.ensure_current(engine)
    assert [s for s in statements if not s.startswith("BEGIN")] == [
        f"SELECT version_num FROM {migrate.VERSION_TABLE}"
    ]


def test_a_start_with_nothing_pending_imports_no_alembic(database_url: str) -> None:
    code = (
        "import sys; from musktracker.db import engines, migrate; "
        "migrate.ensure_current(engines.connect(sys.argv[1])); migrate.status(engines.connect(sys.argv[1])); "
        "sys.exit(any(m.partition('.')[0] in ('alembic', 'pandas', 'numpy') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code, database_url]).returncode == 0


def test_ensure_current_brings_an_old_database_to_the_head(bare: Engine) -> None:
    migrate.upgrade(bare, "002")
    assert migrate.ensure_current(bare) == "002"
    assert migrate.is_current(bare)
    assert migrate.ensure_current(bare) is None


def test_status_tells_what_is_applied_and_what_is_pending(bare: Engine) -> None:
    assert migrate.status(bare).current is None
    migrate.upgrade(bare, "002")
    status = migrate.status(bare)
    assert (status.current, status.head) == ("002", migrate.head())
    assert status.pending == revisions.known()[2:]
    assert [r.revision for r in status.revisions] == sorted(revisions.known(), reverse=True)
    assert [r.revision for r in status.revisions if r.applied] == ["002", "001"]


def test_a_report_names_each_step(bare: Engine) -> None:
    heard: list[migrate.Step] = []
    report = migrate.upgrade(bare, "003", on_step=heard.append)
    assert (report.from_revision, report.to_revision, report.backup) == (None, "003", None)
    assert [step.revision for step in report.steps] == ["001", "002", "003"]
    assert tuple(heard) == report.steps
    assert all(step.ms > 0 for step in report.steps)
    assert migrate.upgrade(bare, "003").steps == ()
    assert [step.revision for step in migrate.downgrade(bare, "-2").steps] == ["003", "002"]


@pytest.mark.parametrize("revision", ["999", "-9", "006"])
def test_a_way_down_that_is_none_is_refused(bare: Engine, revision: str) -> None:
    migrate.upgrade(bare, "005")
    with pytest.raises(UsageError):
        migrate.downgrade(bare, revision)
    assert migrate.current(bare) == "005"


@pytest.mark.parametrize("revision", ["999", "+99", "001"])
def test_a_way_up_that_is_none_is_refused(bare: Engine, revision: str) -> None:
    migrate.upgrade(bare, "005")
    with pytest.raises(UsageError):
        migrate.upgrade(bare, revision)
    assert migrate.current(bare) == "005"


def test_a_database_newer_than_the_program_is_refused(engine: Engine) -> None:
    _set_versions(engine, "999")
    for act in (migrate.ensure_current, lambda e: migrate.downgrade(e, "-1")):
        with pytest.raises(MuskTrackerError, match=r"999.*newer than this program.*Install a newer MuskTracker"):
            act(engine)
    status = migrate.status(engine)
    assert (status.current, status.pending) == ("999", ())


def test_one_step_down_from_two_revisions_at_once_is_refused(engine: Engine) -> None:
    _set_versions(engine, "005", "006")
    with pytest.raises(MuskTrackerError, match="several revisions at once: 005, 006"):
        migrate.downgrade(engine, "-1")


def test_tables_without_a_revision_are_left_alone(bare: Engine) -> None:
    with bare.begin() as connection:
        connection.execute(text("CREATE TABLE raw_tweets (id INTEGER)"))
    with pytest.raises(MuskTrackerError, match="no record of their revision"):
        migrate.ensure_current(bare)
    assert [column["name"] for column in inspect(bare).get_columns("raw_tweets")] == ["id"]


def test_rows_survive_the_way_up_and_down(bare: Engine) -> None:
    migrate.upgrade(bare, "001")
    _fill(bare)
    before = _rows(bare, DOCUMENT)
    migrate.upgrade(bare)
    migrate.downgrade(bare, "001")
    assert _rows(bare, DOCUMENT) == before


def test_rows_that_break_the_rules_to_come_are_put_right(bare: Engine) -> None:
    migrate.upgrade(bare, "001")
    _fill(bare)
    newer = NOON.replace(hour=13)
    with bare.begin() as connection:
        _insert(connection, "features", **_feature(NOON, computed_at=newer, lag_1h=7))
        _insert(connection, "forecasts", **_forecast(1, predicted_count=9.5, created_at=newer))
        _insert(connection, "model_metadata", **_model("naive", "v" * 32, trained_at=NOON))
        _insert(connection, "model_metadata", **_model("naive", "v" * 32, trained_at=newer))
        _insert(connection, "forecasts", **_forecast(2, predicted_count=1.5))
        _insert(connection, "time_buckets", **_bucket(newer, granularity="weekly"))
        _insert(connection, "time_buckets", **_bucket(newer, tweet_count=-1))
        _insert(connection, "time_buckets", **_bucket(newer, granularity="daily", bucket_end=newer))
        _insert(connection, "exogenous_events", **_event("strong", intensity=1.5))
        _insert(connection, "exogenous_events", **_event("weak", intensity=-0.5))
        _insert(connection, "exogenous_events", **_event("backward", event_start=newer, event_end=NOON))
    migrate.upgrade(bare)
    with bare.connect() as connection:
        assert connection.execute(text("SELECT lag_1h FROM features")).scalars().all() == [7]
        forecasts = connection.execute(text("SELECT model_metadata_id, predicted_count FROM forecasts ORDER BY 1"))
        assert forecasts.all() == [(1, 9.5), (2, 1.5)]
        versions = connection.execute(text("SELECT model_version FROM model_metadata ORDER BY id")).scalars().all()
        assert versions == ["v1", "v" * 30 + "~2", "v" * 32]
        assert connection.execute(text("SELECT count(*) FROM time_buckets")).scalar_one() == 1
        query = "SELECT name, intensity, event_end >= event_start FROM exogenous_events ORDER BY id"
        assert [(name, i, bool(ordered)) for name, i, ordered in connection.execute(text(query))] == [
            ("launch", 0.5, True),
            ("strong", 1.0, True),
            ("weak", 0.0, True),
            ("backward", 0.5, True),
        ]


def test_forecasts_of_a_model_that_is_not_there_do_not_stop_the_way_up(tmp_path: Path) -> None:
    engine = engines.connect(f"sqlite:///{tmp_path / 'old.db'}")
    migrate.upgrade(engine, "001")
    _fill(engine)
    with closing(sqlite3.connect(tmp_path / "old.db")) as careless, careless:
        careless.execute("INSERT INTO forecasts SELECT 2, 77, 0, 0, 1.5, NULL, NULL, NULL, 0")
    migrate.upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT id FROM forecasts")).scalars().all() == [1]
    engine.dispose()


@pytest.mark.parametrize(
    ("table", "values"),
    [
        ("features", lambda: _feature(NOON)),
        ("model_metadata", lambda: _model("naive", "v1")),
        ("forecasts", lambda: _forecast(1)),
        ("time_buckets", lambda: _bucket(NOON, granularity="weekly")),
        ("time_buckets", lambda: _bucket(NOON, granularity="daily", bucket_end=NOON)),
        ("time_buckets", lambda: _bucket(NOON, granularity="daily", tweet_count=-1)),
        ("exogenous_events", lambda: _event("e", intensity=1.01)),
        ("exogenous_events", lambda: _event("e", intensity=-0.01)),
        ("exogenous_events", lambda: _event("e", event_end=NOON.replace(hour=1))),
    ],
)
def test_what_cannot_be_is_refused_at_the_head(engine: Engine, table: str, values: Callable[[], Any]) -> None:
    _fill(engine)
    with pytest.raises(IntegrityError), engine.begin() as connection:
        _insert(connection, table, **values())


def test_a_downgrade_tells_what_it_would_drop(engine: Engine) -> None:
    _fill(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE raw_tweets SET kind = 'original'"))
        _insert(
            connection, "coverage", source="file", span_start=NOON, span_end=NOON.replace(hour=13), created_at=NOON
        )
    assert [loss for loss in migrate.losses(engine, "003") if loss.rows] == [
        migrate.Loss("coverage", None, 1),
        migrate.Loss("raw_tweets", "kind", 1),
    ]
    assert migrate.Loss("model_metadata", "diagnostics", 0) in migrate.losses(engine, "005")
    assert migrate.is_current(engine)


def test_events_that_were_removed_do_not_come_back_by_a_downgrade(engine: Engine) -> None:
    _fill(engine)
    with engine.begin() as connection:
        _insert(connection, "exogenous_events", **_event("gone"), removed_at=NOON)
    migrate.downgrade(engine, "004")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT name FROM exogenous_events")).scalars().all() == ["launch"]


FAILURES = {
    "a statement fails": "op.execute('SELECT * FROM not_there')",
    "the code fails": "1 / 0",
    "rows lose what they refer to": "op.execute('DELETE FROM model_metadata')",
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=list(FAILURES))
def test_a_failing_step_leaves_the_database_as_it_was(
    bare: Engine, with_step: Callable[..., None], failure: str
) -> None:
    migrate.upgrade(bare, "001")
    _fill(bare)
    before = _schema(bare), _rows(bare, DOCUMENT), migrate.current(bare)
    with_step("op.create_table('half', sa.Column('id', sa.Integer()))", "op.execute('DELETE FROM features')", failure)
    with pytest.raises((*DATABASE_ERRORS, ZeroDivisionError)):
        migrate.upgrade(bare)
    assert (_schema(bare), _rows(bare, DOCUMENT), migrate.current(bare)) == before
    assert _backups(bare) == []


def test_after_a_failure_the_same_engine_goes_on_with_foreign_keys(
    bare: Engine, with_step: Callable[..., None]
) -> None:
    migrate.upgrade(bare, "006")
    with_step("1 / 0")
    with pytest.raises(ZeroDivisionError):
        migrate.upgrade(bare)
    with pytest.raises(IntegrityError), bare.begin() as connection:
        _insert(connection, "forecasts", **_forecast(77))


def test_a_migrator_that_is_killed_half_way_leaves_nothing(bare: Engine, bare_url: str) -> None:
    migrate.upgrade(bare, "001")
    _fill(bare)
    before = _schema(bare), _rows(bare, DOCUMENT), migrate.current(bare)
    code = """
import sys, time
from musktracker.db import engines, migrate
def stop(step):
    if step.revision == "004":
        print("half way", flush=True)
        time.sleep(60)
migrate.upgrade(engines.connect(sys.argv[1]), on_step=stop)
"""
    with subprocess.Popen([sys.executable, "-c", code, bare_url], stdout=subprocess.PIPE) as migrator:
        assert migrator.stdout is not None
        assert migrator.stdout.readline() == b"half way\n"
        os.kill(migrator.pid, signal.SIGKILL)
    assert (_schema(bare), _rows(bare, DOCUMENT), migrate.current(bare)) == before
    migrate.ensure_current(bare)
    assert migrate.check(bare) == []


def test_four_migrators_at_once_all_end_well(bare: Engine, bare_url: str) -> None:
    bare.dispose()
    code = """
import sys
from musktracker.db import engines, migrate
engine = engines.connect(sys.argv[1])
sys.stdin.readline()
print(len(migrate.upgrade(engine).steps))
"""
    migrators = [
        subprocess.Popen(
            [sys.executable, "-c", code, bare_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(4)
    ]
    for migrator in migrators:
        assert migrator.stdin is not None
        migrator.stdin.write(b"go\n")
        migrator.stdin.flush()
    ends = [(*migrator.communicate(timeout=60), migrator.returncode) for migrator in migrators]
    assert [error for _, error, _ in ends] == [b""] * 4
    assert sorted(int(out) for out, _, _ in ends) == [0, 0, 0, len(revisions.known())]
    assert migrate.check(bare) == []


def test_threads_of_one_process_migrate_different_databases(tmp_path: Path) -> None:
    made = [engines.connect(f"sqlite:///{tmp_path / f'{n}.db'}") for n in range(4)]
    threads = [threading.Thread(target=migrate.upgrade, args=(engine,)) for engine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [migrate.current(engine) for engine in made] == [migrate.head()] * 4
    for engine in made:
        engine.dispose()


def test_who_waits_too_long_for_another_migration_is_told(bare_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_lock, "LOCK_SECONDS", 0.2)
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.1)
    holder, other = engines.connect(bare_url), engines.connect(bare_url)
    with schema_lock.schema_transaction(holder), pytest.raises(MuskTrackerError, match=r"within 0\.2 seconds"):
        migrate.upgrade(other)
    migrate.upgrade(other)
    holder.dispose()
    other.dispose()


def test_a_backup_is_a_whole_database_that_its_owner_alone_can_read(tmp_path: Path) -> None:
    engine = engines.connect(f"sqlite:///{tmp_path / 'old.db'}")
    migrate.upgrade(engine, "001")
    _fill(engine)
    report = migrate.upgrade(engine)
    assert report.backup is not None
    assert report.backup.parent == tmp_path
    assert stat.S_IMODE(report.backup.stat().st_mode) == 0o600
    copied = engines.connect(f"sqlite:///{report.backup}")
    assert migrate.current(copied) == "001"
    assert _rows(copied, DOCUMENT) == _rows(engine, DOCUMENT)
    copied.dispose()
    engine.dispose()


def test_a_database_without_rows_is_not_backed_up(bare: Engine) -> None:
    migrate.upgrade(bare, "001")
    assert migrate.upgrade(bare).backup is None


def test_two_backups_in_one_second_are_two_files(tmp_path: Path) -> None:
    engine = engines.connect(f"sqlite:///{tmp_path / 'old.db'}")
    migrate.upgrade(engine)
    assert len({migrate.backup(engine) for _ in range(3)}) == 3
    engine.dispose()


def test_what_a_killed_backup_leaves_passes_for_no_backup(tmp_path: Path) -> None:
    engine = engines.connect(f"sqlite:///{tmp_path / 'old.db'}")
    migrate.upgrade(engine)
    code = """
import os, signal, sqlite3, sys
from musktracker.db import engines, migrate
connect = sqlite3.connect
class Killed(sqlite3.Connection):
    def execute(self, *_):
        os.kill(os.getpid(), signal.SIGKILL)
def connected(path, **options):
    return connect(path, factory=Killed if ".backup.db" in str(path) else sqlite3.Connection, **options)
sqlite3.connect = connected
migrate.backup(engines.connect(sys.argv[1]))
"""
    done = subprocess.run([sys.executable, "-c", code, str(engine.url)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert _backups(engine) == []
    assert migrate.backup(engine).exists()
    engine.dispose()


def test_a_backup_that_cannot_be_written_stops_the_upgrade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engines.connect(f"sqlite:///{tmp_path / 'old.db'}")
    migrate.upgrade(engine, "001")
    _fill(engine)

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("musktracker.db.backup.copy", full)
    with pytest.raises(MuskTrackerError, match=r"could not be written: database or disk is full\. Make room"):
        migrate.upgrade(engine)
    assert migrate.current(engine) == "001"
    engine.dispose()


def test_a_dry_run_times_what_it_would_do_and_keeps_nothing(bare: Engine) -> None:
    migrate.upgrade(bare, "001")
    _fill(bare)
    before = _schema(bare), _rows(bare, DOCUMENT)
    statements = migrate.dry_run(bare)
    assert any("CREATE TABLE runs" in statement for statement, _ in statements)
    assert all(ms > 0 for _, ms in statements)
    assert (_schema(bare), _rows(bare, DOCUMENT), migrate.current(bare)) == (*before, "001")


def test_the_sql_of_the_steps_run_by_hand_does_what_they_do(bare: Engine) -> None:
    schemas = [_schema(bare)]
    for revision in revisions.known():
        _run_script(bare, migrate.sql(bare, revision))
        assert migrate.current(bare) == revision
        schemas.append(_schema(bare))
    assert migrate.check(bare) == []
    for revision in reversed(revisions.known()):
        assert _schema(bare) == schemas.pop()
        _run_script(bare, migrate.sql(bare, revision, "down"))
    assert migrate.current(bare) is None


def test_plain_alembic_works_in_a_checkout(bare: Engine, bare_url: str) -> None:
    environment = {**os.environ, "MUSKTRACKER_DATABASE_URL": bare_url}
    alembic = [sys.executable, "-W", "ignore", "-m", "alembic", "-c", str(revisions.scripts().parent / "alembic.ini")]
    subprocess.run([*alembic, "upgrade", "head"], env=environment, check=True)
    assert migrate.check(bare) == []
    checked = subprocess.run([*alembic, "check"], env=environment, check=True, capture_output=True, text=True)
    assert "No new upgrade operations detected" in checked.stdout


@pytest.fixture
def with_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Add a revision after the head, whose `upgrade` has these lines."""

    def add(*body: str) -> None:
        copied = tmp_path / "migrations"
        shutil.copytree(revisions.scripts(), copied, ignore=shutil.ignore_patterns("__pycache__"))
        (copied / "versions" / "900_extra.py").write_text(
            '"""Extra."""\nimport sqlalchemy as sa\nfrom alembic import op\n'
            f'revision = "900"\ndown_revision = "{revisions.head()}"\n'
            f"def upgrade():\n    {'; '.join(body)}\n\ndef downgrade():\n    pass\n"
        )
        monkeypatch.setattr(revisions, "scripts", lambda: copied)

    return add


@pytest.fixture
def postgres_engine(postgres_template: Callable[[str], str]) -> Iterator[Engine]:
    """A migrated, empty Postgres database."""
    engine = engines.connect(postgres_template(f"test_{uuid.uuid4().hex[:12]}"))
    yield engine
    engine.dispose()


def _described(column: Any) -> str:
    kind = str(column["type"]).replace("DOUBLE PRECISION", "FLOAT").replace("DATETIME", "TIMESTAMP")
    return f"{column['name']} {kind}{' ?' if column['nullable'] else ''}"


def _schema(engine: Engine) -> dict[str, Any]:
    inspector = inspect(engine)
    columns, primary = inspector.get_multi_columns(), inspector.get_multi_pk_constraint()
    indexes, uniques = inspector.get_multi_indexes(), inspector.get_multi_unique_constraints()
    checks, keys = inspector.get_multi_check_constraints(), inspector.get_multi_foreign_keys()
    return {
        str(at[1]): {
            "columns": [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in columns[at]],
            "primary": primary[at]["constrained_columns"],
            "indexes": sorted((str(i["name"]), i["column_names"], i["unique"]) for i in indexes[at]),
            "uniques": sorted((str(u["name"]), u["column_names"]) for u in uniques[at]),
            "checks": sorted((str(c["name"]), c["sqltext"]) for c in checks[at]),
            "keys": sorted(
                (str(k["name"]), k["constrained_columns"], k["referred_table"], str(k["options"])) for k in keys[at]
            ),
        }
        for at in columns
    }


def _rows(engine: Engine, tables: Any) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    with engine.connect() as connection:
        for table in tables:
            columns = [c.split()[0] for c in DOCUMENT[table].split(";")]
            rows = connection.execute(text(f"SELECT {', '.join(columns)} FROM {table} ORDER BY id"))
            found += [(table, *row) for row in rows]
    return found


def _fill(engine: Engine) -> None:
    with engine.begin() as connection:
        _insert(connection, "raw_tweets", tweet_id="1", created_at=NOON, source="file", ingest_time=NOON)
        _insert(connection, "time_buckets", **_bucket(NOON))
        _insert(connection, "exogenous_events", **_event("launch"))
        _insert(connection, "features", **_feature(NOON))
        _insert(connection, "model_metadata", **_model("naive", "v1"))
        _insert(connection, "forecasts", **_forecast(1))


def _insert(connection: Any, table: str, **values: Any) -> None:
    plain = {
        name: value.strftime("%Y-%m-%d %H:%M:%S.%f") + ("" if engines.is_sqlite(connection) else "+00")
        if isinstance(value, datetime)
        else value
        for name, value in values.items()
    }
    marks = ", ".join(f":{name}" for name in plain)
    connection.execute(text(f"INSERT INTO {table} ({', '.join(plain)}) VALUES ({marks})"), plain)


def _bucket(start: datetime, **changes: Any) -> dict[str, Any]:
    end = start.replace(hour=start.hour + 1)
    return {
        "bucket_start": start,
        "bucket_end": end,
        "granularity": "hourly",
        "tweet_count": 3,
        "computed_at": NOON,
    } | changes


def _event(name: str, **changes: Any) -> dict[str, Any]:
    values = {"name": name, "event_start": NOON, "event_end": NOON.replace(hour=18), "intensity": 0.5}
    return {**values, "source": "manual", "created_at": NOON} | changes


def _feature(at: datetime, **changes: Any) -> dict[str, Any]:
    values = {"reference_time": at, "hour_of_day": 12, "day_of_week": 6, "is_weekend": True, "event_intensity": 0.5}
    return {**values, "events_in_window": 1, "lag_1h": 2, "rolling_std_7d": 1.25, "computed_at": NOON} | changes


def _model(name: str, version: str, **changes: Any) -> dict[str, Any]:
    times = dict.fromkeys(("trained_at", "training_start_date", "training_end_date"), NOON)
    return {"model_name": name, "model_version": version, **times, "rmse": 1.5} | changes


def _forecast(model: int, **changes: Any) -> dict[str, Any]:
    times = {"forecast_time": NOON, "target_time": NOON.replace(hour=13), "created_at": NOON}
    return {"model_metadata_id": model, **times, "predicted_count": 2.5} | changes


def _set_versions(engine: Engine, *versions: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"DELETE FROM {migrate.VERSION_TABLE}"))
        for version in versions:
            connection.execute(text(f"INSERT INTO {migrate.VERSION_TABLE} VALUES (:version)"), {"version": version})


def _backups(engine: Engine) -> list[Path]:
    return list(engines.sqlite_path(engine).parent.glob("*.backup.db")) if engines.is_sqlite(engine) else []


def _run_script(engine: Engine, script: str) -> None:
    raw: Any = engine.raw_connection()
    try:
        if engines.is_sqlite(engine):
            raw.driver_connection.executescript(script)
        else:
            raw.driver_connection.autocommit = True
            raw.driver_connection.execute(script)
            raw.driver_connection.autocommit = False
    finally:
        raw.close()
