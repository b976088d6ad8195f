"""Versions of models by name, and what the aliases mean: champion, which forecasts are made with, and challenger.

A version is written `har_bootstrap:v3`, `har_bootstrap` (its newest) or `@champion`. Every change of an alias is one
transaction with its row in `alias_changes`; it is refused where somebody else has changed the alias in the meantime.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, insert, select, update

from musktracker.db import stored
from musktracker.db.engines import in_turn, reading, writing
from musktracker.db.tables import AliasChange as ChangeRow
from musktracker.db.tables import ModelAlias, ModelArtifact, ModelMetadata
from musktracker.errors import DataError, MuskTrackerError, UsageError
from musktracker.machine import whoami
from musktracker.models import registry
from musktracker.models.hyperparameters import MODELS
from musktracker.timeline import now, utc_text

CHAMPION = "champion"
ALIASES = (CHAMPION, "challenger")
LONGEST_REASON = 1000
NAMED = 10  # versions that are named where another is asked for


@dataclass(frozen=True, slots=True)
class Name:
    """What a text names: an alias, or a model or a version or both."""

    alias: str | None = None
    model: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a model; `converged` is None where its fit did not say."""

    id: int
    name: str
    version: str
    training_end: datetime
    hyperparameters: Mapping[str, Any]
    counting: str | None
    converged: bool | None

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def key(self) -> str:
        """Its name as commands take it."""
        return f"{self.name}:{self.version}"

    @property
    def recipe(self) -> dict[str, Any]:
        """The model's hyperparameters, without the seed of the training's own backtest."""
        return {name: value for name, value in self.hyperparameters.items() if name != "seed"}


@dataclass(frozen=True, slots=True)
class AliasChange:
    """One line of an alias's history; `before` and `after` are versions as `har_bootstrap:v3`.

    `gate` has the figures that let it pass, or that it failed; `undoes` is the change that a roll back reverses.
    """

    id: int
    alias: str
    before: str | None
    after: str
    changed_at: datetime
    who: str
    reason: str | None
    gate: Mapping[str, Any] | None
    undoes: int | None


def parse(text: str | None, version: str | None = None) -> Name:
    """What `text` names; `version` is one that was given apart from it.

    Raises UsageError for an alias that there is not, and for two versions at once.
    """
    if text is None:
        return Name(version=version)
    model, _, own = text.partition(":")
    if version is not None and (own or text.startswith("@")):
        raise UsageError(f"{text} names a version already, so it takes no version {version}")
    if not text.startswith("@"):
        return Name(model=model or None, version=own or version)
    if text[1:] not in ALIASES:
        raise UsageError(f"There is no alias {text}", f"Aliases: {', '.join(f'@{alias}' for alias in ALIASES)}")
    return Name(alias=text[1:])


def trained(connection: Connection, model: str | None = None, version: str | None = None) -> list[Version]:
    """The versions with these names, newest first."""
    query = _versions().order_by(ModelMetadata.trained_at.desc(), ModelMetadata.id.desc())
    if model is not None:
        query = query.where(ModelMetadata.model_name == model)
    if version is not None:
        query = query.where(ModelMetadata.model_version == version)
    return [_version(row) for row in connection.execute(query)]


def holder(connection: Connection, alias: str) -> Version | None:
    """The version that an alias means; None where it means none yet."""
    query = _versions().join(ModelAlias, ModelAlias.model_metadata_id == ModelMetadata.id)
    row = connection.execute(query.where(ModelAlias.alias == alias)).one_or_none()
    return None if row is None else _version(row)


def champion(connection: Connection) -> Version | None:
    """The version that forecasts are made with; None where there is none yet."""
    return holder(connection, CHAMPION)


def find(connection: Connection, text: str, version: str | None = None) -> Version:
    """The version of this name, the newest of a model without one. Raises DataError where there is none."""
    name = parse(text, version)
    if name.alias is not None:
        found = holder(connection, name.alias)
        if found is None:
            raise DataError(
                f"There is no {name.alias} yet", f"Name one: musktracker models promote MODEL --as {name.alias}"
            )
        return found
    if name.model is None:
        raise UsageError("A version's name begins with its model", "Such as har_bootstrap:v3, or @champion")
    versions = trained(connection, name.model, name.version)
    if not versions:
        raise untrained(connection, name, "musktracker models list shows what has been")
    return versions[0]


def untrained(connection: Connection, name: Name, hint: str) -> MuskTrackerError:
    """Why there is no version of this name: there is no such model, or none was trained; `hint` where none at all."""
    if name.model is not None and name.model not in MODELS:
        return registry.unknown(name.model)
    wanted = " ".join(filter(None, (name.model or "model", name.version)))
    others = [one.key for one in trained(connection, name.model)[:NAMED]] if name.version else []
    hint = f"The newest that were: {', '.join(others)}" if others else hint
    return DataError(f"No {wanted} has been trained yet", hint)


def promotable(database: Engine, model: str, version: str | None = None) -> Version:
    """The version of this name. Raises DataError where there is none, or nothing can be forecast with it."""
    with reading(database) as connection:
        found = find(connection, model, version)
        _require_artifact(connection, found)
        return found


def point(
    connection: Connection,
    alias: str,
    chosen: Version,
    *,
    before: Version | None,
    reason: str | None = None,
    gate: Mapping[str, Any] | None = None,
    who: str | None = None,
    undoes: int | None = None,
) -> None:
    """Let an alias mean another version than `before`, and record it.

    Raises DataError for a version that nothing can be forecast with, MuskTrackerError where the alias means another
    version than `before` by now.
    """
    _require_artifact(connection, chosen)
    moment, who = now(), who or whoami()
    values = {"model_metadata_id": chosen.id, "since": moment, "who": who, "reason": reason}
    in_turn(connection, "aliases")
    if before is None:
        taken = connection.scalar(select(ModelAlias.alias).where(ModelAlias.alias == alias)) is not None
        if not taken:
            connection.execute(insert(ModelAlias).values(alias=alias, **values))
    else:
        same = (ModelAlias.alias == alias, ModelAlias.model_metadata_id == before.id)
        taken = not connection.execute(update(ModelAlias).where(*same).values(values)).rowcount
    if taken:
        raise MuskTrackerError(
            f"Somebody else has changed the {alias} in the meantime",
            "musktracker models history shows who; try again",
        )
    connection.execute(
        insert(ChangeRow).values(
            alias=alias,
            before=before and before.id,
            after=chosen.id,
            changed_at=moment,
            who=who,
            reason=reason,
            gate=None if gate is None else json.dumps(dict(gate), sort_keys=True, allow_nan=False),
            undoes=undoes,
        )
    )


def rollback(
    engine: Engine,
    alias: str = CHAMPION,
    *,
    reason: str | None = None,
    who: str | None = None,
    expected: int | None = None,
) -> AliasChange:
    """Let an alias mean what it did before the latest change that is not rolled back yet; returns the change made.

    `expected` is the id of the alias's latest change that is known. Raises UsageError for an alias or a reason that
    cannot be, MuskTrackerError where there is nothing to go back to, or where the latest change is another.
    """
    parse(f"@{alias}")
    reason = checked_reason(reason)
    with writing(engine) as connection:
        present = holder(connection, alias)
        _require_latest(connection, alias, expected)
        undone = select(ChangeRow.undoes).where(ChangeRow.undoes.is_not(None))
        query = select(ChangeRow.id, ChangeRow.before).where(ChangeRow.alias == alias, ChangeRow.undoes.is_(None))
        latest = connection.execute(query.where(ChangeRow.id.not_in(undone)).order_by(ChangeRow.id.desc())).first()
        if latest is None or latest.before is None:
            raise MuskTrackerError(
                f"There is no {alias} before this one to go back to",
                "musktracker models history shows what there was",
            )
        earlier = _version(connection.execute(_versions().where(ModelMetadata.id == latest.before)).one())
        point(connection, alias, earlier, before=present, reason=reason, who=who, undoes=latest.id)
        made = connection.execute(_changes().where(ChangeRow.undoes == latest.id)).one()
        return _change(made)


def history(engine: Engine, alias: str | None = None, limit: int = 100) -> list[AliasChange]:
    """The changes of the aliases, newest first; of one where given."""
    query = _changes().order_by(ChangeRow.id.desc()).limit(limit)
    if alias is not None:
        query = query.where(ChangeRow.alias == alias)
    with reading(engine) as connection:
        return [_change(row) for row in connection.execute(query)]


def checked_reason(reason: str | None) -> str | None:
    """A stated reason as it is stored; nothing but spaces is none. Raises UsageError for one that is too long."""
    reason = (reason or "").strip().replace("\x00", "�") or None
    if reason is not None and len(reason) > LONGEST_REASON:
        raise UsageError(f"A reason has at most {LONGEST_REASON:,} characters, not {len(reason):,}")
    return reason


def _require_artifact(connection: Connection, chosen: Version) -> None:
    has_artifact = select(ModelArtifact.model_metadata_id).where(ModelArtifact.model_metadata_id == chosen.id)
    if connection.scalar(has_artifact) is None:
        raise DataError(f"{chosen} has no artifact in the database", "Train again: musktracker train")


def _require_latest(connection: Connection, alias: str, expected: int | None) -> None:
    query = _changes().where(ChangeRow.alias == alias).order_by(ChangeRow.id.desc()).limit(1)
    row = connection.execute(query).first()
    if expected is None or row is None or row.id == expected:
        return
    latest = _change(row)
    raise MuskTrackerError(
        f"{latest.after} was made the {alias} by {latest.who} at {utc_text(latest.changed_at, seconds=True)}, "
        "after you had read it",
        "The same again goes back from there",
    )


def _versions() -> Select[Any]:
    return select(ModelMetadata.__table__)


def _version(row: Row[Any]) -> Version:
    return Version(
        row.id,
        row.model_name,
        row.model_version,
        row.training_end_date,
        stored.mapping(row.hyperparameters),
        row.counting,
        _converged(row.diagnostics),
    )


def _converged(diagnostics: str | None) -> bool | None:
    """What the fit told; None also where someone put other text in its place."""
    try:
        told = json.loads(diagnostics or "null")
    except ValueError:
        return None
    return told.get("converged") if isinstance(told, dict) else None


def _changes() -> Select[Any]:
    before, after = ModelMetadata.__table__.alias(), ModelMetadata.__table__.alias()
    columns = (
        *ChangeRow.__table__.c,
        (before.c.model_name + ":" + before.c.model_version).label("before_name"),
        (after.c.model_name + ":" + after.c.model_version).label("after_name"),
    )
    query = select(*columns).join(after, after.c.id == ChangeRow.after)
    return query.outerjoin(before, before.c.id == ChangeRow.before)


def _gate(text: str | None) -> dict[str, Any] | None:
    found = stored.mapping(text)
    parts = [found.get(name) for name in ("coverage", "skill")]
    return found if "passed" in found and all(isinstance(part, dict) for part in parts) else None


def _change(row: Row[Any]) -> AliasChange:
    return AliasChange(
        row.id,
        row.alias,
        row.before_name,
        row.after_name,
        row.changed_at,
        row.who,
        row.reason,
        _gate(row.gate),
        row.undoes,
    )
