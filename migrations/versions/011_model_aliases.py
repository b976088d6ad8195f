"""Model aliases: which version is the champion and which the challenger, who said so, and why.

Adds model_aliases (what an alias means now) and alias_changes (every change of one, with the figures of its gate),
and makes the database itself refuse to edit a version: triggers on model_metadata and model_artifacts raise at an
UPDATE, and on alias_changes at an UPDATE or a DELETE. A version that an alias or a forecast refers to cannot be
deleted for the foreign keys; an alias refers to the artifact, so that this stays too.

On SQLite a REPLACE deletes without asking any trigger, so that an INSERT whose key is taken is refused as well. These
triggers look at no table but their own: SQLite cannot rename a table while a trigger elsewhere names it, which is how
batch_alter_table ends. It also drops the triggers of the table that it makes anew: a later step that does that to one
of these three must create them again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "011"
down_revision = "010"
branch_labels = None
depends_on = None

KEYS = {
    "model_metadata": "id = NEW.id OR (model_name = NEW.model_name AND model_version = NEW.model_version)",
    "model_artifacts": "model_metadata_id = NEW.model_metadata_id",
    "alias_changes": "id = NEW.id",
}
REFUSED = {
    "model_metadata": ("UPDATE",),
    "model_artifacts": ("UPDATE",),
    "alias_changes": ("UPDATE", "DELETE"),
}
FUNCTION = "refuse_edit"


def upgrade() -> None:
    """Create the tables and the triggers."""
    op.create_table(
        "model_aliases",
        sa.Column("alias", sa.String(32), nullable=False),
        sa.Column("model_metadata_id", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.String(255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("alias"),
        sa.ForeignKeyConstraint(
            ["model_metadata_id"], ["model_artifacts.model_metadata_id"], name="fk_model_aliases_model_metadata_id"
        ),
        sa.CheckConstraint("alias IN ('champion', 'challenger')", name="ck_model_aliases_alias"),
    )
    op.create_table(
        "alias_changes",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("alias", sa.String(32), nullable=False),
        sa.Column("before", sa.Integer(), nullable=True),
        sa.Column("after", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.String(255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("gate", sa.Text(), nullable=True),
        sa.Column("undoes", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["before"], ["model_metadata.id"], name="fk_alias_changes_before"),
        sa.ForeignKeyConstraint(["after"], ["model_metadata.id"], name="fk_alias_changes_after"),
        sa.ForeignKeyConstraint(["undoes"], ["alias_changes.id"], name="fk_alias_changes_undoes"),
        sa.UniqueConstraint("undoes", name="uq_alias_changes_undoes"),
    )
    if _on_sqlite():
        _refuse_on_sqlite()
    else:
        _refuse_on_postgres()


def downgrade() -> None:
    """Drop them, with what the aliases were; the versions stay."""
    for table, actions in REFUSED.items():
        for action in (*actions, *(["INSERT"] if _on_sqlite() else [])):
            op.execute(f"DROP TRIGGER {_trigger(table, action)}" + ("" if _on_sqlite() else f" ON {table}"))
    if not _on_sqlite():
        op.execute(f"DROP FUNCTION {FUNCTION}()")
    op.drop_table("alias_changes")
    op.drop_table("model_aliases")


def _on_sqlite() -> bool:
    return op.get_context().dialect.name == "sqlite"


def _trigger(table: str, action: str) -> str:
    return f"{table}_no_{'replace' if action == 'INSERT' else action.lower()}"


def _refuse_on_sqlite() -> None:
    for table, actions in REFUSED.items():
        conditions = dict.fromkeys(actions, "")
        conditions["INSERT"] = f" WHEN EXISTS (SELECT 1 FROM {table} WHERE {KEYS[table]})"
        for action, condition in conditions.items():
            op.execute(
                f"CREATE TRIGGER {_trigger(table, action)} BEFORE {action} ON {table}{condition} "
                f"BEGIN SELECT RAISE(ABORT, 'rows of {table} are never edited'); END"
            )


def _refuse_on_postgres() -> None:
    op.execute(
        f"CREATE FUNCTION {FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION USING ERRCODE = 'restrict_violation', "
        "MESSAGE = 'rows of ' || TG_TABLE_NAME || ' are never edited'; END $$"
    )
    for table, actions in REFUSED.items():
        for action in actions:
            op.execute(
                f"CREATE TRIGGER {_trigger(table, action)} BEFORE {action} ON {table} "
                f"FOR EACH ROW EXECUTE FUNCTION {FUNCTION}()"
            )
