"""The form that starts a forecast, and how its horizon is written. What can be forecast, the core says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from musktracker.errors import UsageError
from musktracker.timeline import iso, parse_time, typed_time
from tui.screens.train_form import counted_text, whole
from tui.widgets.form import Field, FormScreen, Values, asked, refused

if TYPE_CHECKING:
    from sqlalchemy import Engine

HORIZONS = (("24", "24 h"), ("72", "3 days"), ("168", "7 days"), ("", "other"))
USUAL = "champion"


def forecast_form(
    versions: Sequence[tuple[str, str]], data_until: datetime | None, now: datetime, zone: ZoneInfo
) -> FormScreen:
    """Ask how far, by which model and from when; closes with the parameters of the run.

    `versions` are the models and versions there are. Where the data are too old for a forecast of the hours to come,
    the as-of time is their end.
    """
    from musktracker.pipeline import requests

    stale = data_until is not None and now - data_until > requests.TOO_STALE
    as_of = typed_time(data_until, zone) if stale and data_until is not None else ""
    names = sorted({model for model, _ in versions})
    fields = (
        Field("horizon", "Horizon", "168", choices=HORIZONS),
        Field("other", "Other horizon", hint="where “other” is picked: 36h, 14d, at most 60d"),
        Field(
            "model",
            "Model",
            "",
            "or a model's newest version that saw nothing later",
            choices=(("", USUAL), *((n, n) for n in names)),
        ),
        Field("version", "Version", hint=_versions_hint(versions)),
        Field("as_of", "As of", as_of, f"empty: now; {counted_text(data_until, now, zone)}"),
        Field("paths", "Paths", "2000", "sample paths: more are smoother and slower"),
        Field("seed", "Seed", "1", "the same seed gives the same forecast"),
    )
    return FormScreen(
        "New forecast",
        fields,
        check=lambda values: problems(values, zone),
        save=lambda engine, values: _asked(engine, values, zone),
        submit="start",
    )


def parameters(values: Values, zone: ZoneInfo) -> dict[str, Any]:
    """What the run is given. Raises UsageError for values that `problems` would complain of."""
    from musktracker.pipeline import requests

    hours = _hours(values)
    return {
        "horizon": hours,
        "model": values["model"] or None,
        "version": values["version"].strip() or None,
        "as_of": read_as_of(values["as_of"], zone),
        "n_paths": requests.paths(whole(values["paths"]), hours),
        "seed": requests.seed(whole(values["seed"])),
        "timezone": zone.key,
    }


def problems(values: Values, zone: ZoneInfo) -> Mapping[str, str]:
    """What is wrong, by field."""
    from musktracker.pipeline import requests

    checks: dict[str, Callable[[], object]] = {
        "other": lambda: _hours(values),
        "as_of": lambda: read_as_of(values["as_of"], zone),
        "seed": lambda: requests.seed(whole(values["seed"])),
    }
    found = refused(checks)
    hours = 1 if "other" in found else _hours(values)
    return found | refused({"paths": lambda: requests.paths(whole(values["paths"]), hours)})


def read_as_of(typed: str, zone: ZoneInfo) -> str | None:
    """The moment to forecast at as it was typed, None for now. Raises UsageError for one that is none, or to come."""
    from musktracker.pipeline import requests

    text = typed.strip()
    return iso(requests.moment_of(iso(parse_time(text, zone)))) if text else None


def require_forecast(engine: Engine, found: Mapping[str, Any], *, as_of: str | None, model: str) -> None:
    """Refuse, by the fields of these names, what a forecast with these parameters would refuse."""
    from musktracker.db.queries import counts
    from musktracker.pipeline import requests, version_choice

    then = parse_time(found["as_of"]) if found.get("as_of") else None
    reach = asked(as_of, lambda: requests.counted(counts.reach(engine, then), requests.FORECAST, then))
    asked(as_of, lambda: requests.freshness(reach, requests.moment_of(found.get("as_of"))))
    asked(model, lambda: version_choice.chosen(engine, found["model"], found.get("version"), reach))


def _asked(engine: Engine, values: Values, zone: ZoneInfo) -> dict[str, Any]:
    """The parameters of the run, where there are data and a version for it."""
    found = parameters(values, zone)
    require_forecast(engine, found, as_of="as_of", model="version" if found["version"] else "model")
    return found


def _hours(values: Values) -> int:
    from musktracker.pipeline import requests

    if values["horizon"]:
        return int(values["horizon"])
    read = re.fullmatch(r"\s*([0-9]{1,6})\s*([hd]?)\s*", values["other"].lower())
    if read is None:
        raise UsageError("must be hours or days such as 36h or 14d")
    return requests.horizon(int(read[1]) * (24 if read[2] == "d" else 1))


def _versions_hint(versions: Sequence[tuple[str, str]]) -> str:
    if not versions:
        return "none is trained yet: 5, then t, trains one"
    return "empty: as above; there are " + ", ".join(dict.fromkeys(version for _, version in versions[:8]))
