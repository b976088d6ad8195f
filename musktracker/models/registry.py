"""The models by name, and how their hyperparameters are read and checked."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, cast

from musktracker.errors import UsageError
from musktracker.models.hyperparameters import MODELS, Hyperparameters

if TYPE_CHECKING:
    from musktracker.models.base import Model  # brings numpy, which only who makes a model needs

DEFAULT = "har_bootstrap"


def names() -> list[str]:
    """The names of all models."""
    return sorted(MODELS)


def check(name: str) -> None:
    """Raise UsageError, which names those that there are, where no model has this name."""
    if name not in MODELS:
        raise unknown(name)


def unknown(name: str) -> UsageError:
    """What to say of a name that no model has."""
    return UsageError(f"There is no model {name!r}", f"Models: {', '.join(names())}")


def models() -> dict[str, type[Model]]:
    """Every model's class by its name."""
    return {name: _load(name) for name in MODELS}


def create(name: str, given: Mapping[str, Any] | None = None) -> Model:
    """A model with these hyperparameters, its defaults for the others. Raises what `read` raises."""
    found = read(name, given)
    return _load(name)(**asdict(cast(Any, found)))


def read(name: str, given: Mapping[str, Any] | None = None) -> Hyperparameters:
    """The hyperparameters of a model, its defaults for those that are not given, without what fits it.

    Values may be text, as a command line gives them. Raises UsageError for a model, a hyperparameter or a value that
    cannot be.
    """
    check(name)
    known = {field.name: field.default for field in fields(MODELS[name])}
    for key in given or {}:
        if key not in known:
            raise UsageError(f"{name} has no hyperparameter {key!r}", f"It has: {', '.join(sorted(known))}")
    try:
        return MODELS[name](**{key: _read(key, value, known[key]) for key, value in (given or {}).items()})
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from None


def hyperparameters(model: Model | Hyperparameters) -> dict[str, Any]:
    """A model's hyperparameters as JSON values."""
    return {
        key: list(value) if isinstance(value, tuple) else value for key, value in asdict(cast(Any, model)).items()
    }


def _load(name: str) -> type[Model]:
    module = importlib.import_module(f"musktracker.models.{name}")
    return cast("type[Model]", getattr(module, MODELS[name].__name__))


def _read(key: str, value: Any, default: Any) -> Any:
    """The value in the type of the default."""
    if isinstance(default, tuple):
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
            raise ValueError(f"{key} must be names with commas between them, not {value!r}")
        return tuple(part.strip() for part in parts)
    if isinstance(default, int):
        if isinstance(value, bool) or not str(value).lstrip("-").isdecimal():
            raise ValueError(f"{key} must be a whole number, not {value!r}")
        return int(value)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{key} must be a number, not {value!r}") from None
