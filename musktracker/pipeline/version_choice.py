"""Which version makes a forecast: the champion, one that is named, or the newest that may. Without numpy."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Engine

from musktracker.db.engines import reading
from musktracker.db.queries.counts import Reach
from musktracker.errors import DataError, UsageError
from musktracker.models import registry
from musktracker.pipeline import aliases
from musktracker.pipeline.aliases import Name, Version
from musktracker.timeline import iso


def check_name(model: str | None, version: str | None = None) -> Name:
    """What a model's name means. Raises UsageError for a model or an alias that there is not, whatever the data."""
    name = aliases.parse(model, version)
    if name.model is not None:
        registry.read(name.model)
    return name


def chosen(engine: Engine, model: str | None, version: str | None, reach: Reach) -> Version:
    """The version that a forecast with these names would be made with. Raises what `choose` raises."""
    with reading(engine) as connection:
        return choose(connection, check_name(model, version), reach)[0]


def choose(connection: Connection, name: Name, reach: Reach) -> tuple[Version, str, list[str]]:
    """The version to forecast with, how it was chosen, and why the champion is passed over where it is.

    Raises DataError where there is none that may, UsageError for a version that several models have.
    """
    if name.alias is not None:
        holder = aliases.find(connection, f"@{name.alias}")
        return _newest([holder], f"{name.alias} ({holder})", None, reach), name.alias, []
    wanted = " ".join(filter(None, (name.model or "model", name.version)))
    found = aliases.trained(connection, name.model, name.version)
    if not found:
        raise aliases.untrained(connection, name, f"Train one: {_again(name.model)}")
    if name.version is not None and len(names := sorted({one.name for one in found})) > 1:
        raise UsageError(f"Several models have a version {name.version}: {', '.join(names)}", "Name one with --model")
    if name.model is not None or name.version is not None:
        return _newest(found, wanted, name.model, reach), "named", []
    champion = aliases.champion(connection)
    if champion is None:
        return _newest(found, wanted, None, reach), "newest", []
    if champion.training_end > reach.until:
        why = f"saw data until {iso(champion.training_end)}, after the origin {iso(reach.until)}"
    elif champion.counting not in (None, reach.counting):
        why = f"counts {champion.counting!r}, but the database now counts {reach.counting!r}"
    elif (reason := _gone(champion)) is not None:
        why = f"cannot be made any more ({reason})"
    else:
        return champion, aliases.CHAMPION, []
    newest = _newest(found, wanted, None, reach)
    return newest, "fallback", [f"The champion, {champion}, {why}: {newest} is used, the newest that can be"]


def _newest(found: Sequence[Version], wanted: str, model: str | None, reach: Reach) -> Version:
    """The newest of some versions that saw nothing after the origin and counts the same posts."""
    again = _again(model)
    honest = [one for one in found if one.training_end <= reach.until]
    if not honest:
        raise DataError(
            f"Every trained {wanted} saw data until {iso(min(one.training_end for one in found))} or later, which is "
            f"after the origin of this forecast, {iso(reach.until)}",
            f"Train one on what was known then: {again} --until {iso(reach.until)}",
        )
    alike = [one for one in honest if one.counting in (None, reach.counting)]
    if not alike:
        raise DataError(
            f"Every trained {wanted} counts {honest[0].counting!r}, but the database now counts {reach.counting!r}",
            f"Train anew: {again}",
        )
    newest = next((one for one in alike if _gone(one) is None), None)
    if newest is None:
        raise DataError(f"No trained {wanted} can be made any more: {_gone(alike[0])}", f"Train anew: {again}")
    return newest


def _again(model: str | None) -> str:
    return f"musktracker train --model {model}" if model else "musktracker train"


def _gone(version: Version) -> str | None:
    """Why a version cannot be made any more, of a model or with hyperparameters that there once were."""
    try:
        registry.read(version.name, version.recipe)
    except UsageError as reason:
        return reason.message
    return None
