"""Emptying a test's Postgres database for the next test, which takes a tenth of what a new one does."""

from __future__ import annotations

from sqlalchemy import create_engine, text

SCHEMA = text(
    """
    SELECT md5(string_agg(part, E'\\n' ORDER BY part)) FROM (
        SELECT concat_ws('|', attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull, attidentity,
                         pg_get_expr(adbin, adrelid)) AS part
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'p', 'v', 'm', 'f')
            AND relnamespace NOT IN (
                SELECT oid FROM pg_namespace WHERE nspname IN ('pg_catalog', 'information_schema', 'pg_toast')
            )
        UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
            WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT concat_ws('|', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
            WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT concat_ws('|', tgrelid::regclass, tgname) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT version_num FROM alembic_version
        UNION ALL SELECT setconfig::text FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase
            WHERE datname = current_database()
    ) AS parts
    """
)
DISCONNECT = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
HAS_VERSION = text("SELECT to_regclass('public.alembic_version') IS NOT NULL")
EMPTY = text(
    """
    DO $$
    DECLARE name text; filled text := ''; has_rows boolean;
    BEGIN
        FOR name IN SELECT oid::regclass::text FROM pg_class
            WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'
        LOOP
            EXECUTE 'SELECT EXISTS (SELECT 1 FROM ' || name || ')' INTO has_rows;
            IF has_rows THEN filled := filled || ', ' || name; END IF;
        END LOOP;
        IF filled <> '' THEN EXECUTE 'TRUNCATE ' || substr(filled, 3) || ' CASCADE'; END IF;
        FOR name IN SELECT format('%I', sequencename) FROM pg_sequences WHERE last_value IS NOT NULL LOOP
            EXECUTE 'ALTER SEQUENCE ' || name || ' RESTART';
        END LOOP;
    END $$
    """
)


class Used:
    """One database; the connection that empties it stays, since to a new one everything in the catalogue is new."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._admin = create_engine(url, isolation_level="AUTOCOMMIT", pool_size=1, max_overflow=0)

    def schema(self) -> str:
        """What its schema is, as one digest."""
        with self._admin.connect() as connection:
            return str(connection.execute(SCHEMA).scalar_one())

    def emptied(self, migrated: str) -> bool:
        """Empty it, whose tests may still be connected; false where its schema is not that digest any more."""
        with self._admin.connect() as connection:
            connection.execute(DISCONNECT)
            if not connection.execute(HAS_VERSION).scalar_one():
                return False
            if connection.execute(SCHEMA).scalar_one() != migrated:
                return False
            connection.execute(EMPTY)
            return True

    def close(self) -> None:
        """Let go of it."""
        self._admin.dispose()
