"""The form that starts a forecast, and how its horizon is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from musktracker.errors import UsageError
from musktracker.timeline import iso, parse_time, typed_time
from tui.widgets.form import Field, FormScreen, Values, refused

HORIZONS = (("24", "24 h"), ("72", "3 days"), ("168", "7 days"), ("", "other"))
STALE = timedelta(hours=24)  # older data are refused without an as-of time
LONGEST = 24 * 60
USUAL = "champion"
LOCAL = "%a %d %b %H:%M %Z"


def forecast_form(
    versions: Sequence[tuple[str, str]], data_until: datetime | None, now: datetime, zone: ZoneInfo
) -> FormScreen:
    """Ask how far, by which model and from when; closes with the parameters of the run.

    `versions` are the models and versions there are. Where the data are too old for a forecast of the hours to come,
    the as-of time is their end.
    """
    stale = data_until is not None and now - data_until > STALE
    as_of = typed_time(data_until, zone) if stale and data_until is not None else ""
    names = sorted({model for model, _ in versions})
    until = "nothing is counted yet" if data_until is None else f"data until {data_until.astimezone(zone):{LOCAL}}"
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
        Field("as_of", "As of", as_of, f"empty: now; {until}"),
        Field("paths", "Paths", "2000", "sample paths: more are smoother and slower"),
        Field("seed", "Seed", "1", "the same seed gives the same forecast"),
    )
    return FormScreen("New forecast", fields, check=lambda values: problems(values, zone), submit="start")


def parameters(values: Values, zone: ZoneInfo) -> dict[str, Any]:
    """What the run is given. Raises UsageError for values that `problems` would complain of."""
    as_of = values["as_of"].strip()
    return {
        "horizon": _hours(values),
        "model": values["model"] or None,
        "version": values["version"].strip() or None,
        "as_of": iso(parse_time(as_of, zone)) if as_of else None,
        "n_paths": _whole(values["paths"], 100, 1_000_000),
        "seed": _whole(values["seed"], 0, 2**31 - 1),
        "timezone": zone.key,
    }


def problems(values: Values, zone: ZoneInfo) -> Mapping[str, str]:
    """What is wrong, by field."""
    checks: dict[str, Callable[[], object]] = {
        "other": lambda: _hours(values),
        "as_of": lambda: values["as_of"].strip() and parse_time(values["as_of"], zone),
        "paths": lambda: _whole(values["paths"], 100, 1_000_000),
        "seed": lambda: _whole(values["seed"], 0, 2**31 - 1),
    }
    return refused(checks)


def _hours(values: Values) -> int:
    if values["horizon"]:
        return int(values["horizon"])
    read = re.fullmatch(r"\s*(\d{1,4})\s*([hd]?)\s*", values["other"].lower())
    hours = int(read[1]) * (24 if read[2] == "d" else 1) if read else 0
    if not 1 <= hours <= LONGEST:
        raise UsageError(f"must be hours or days such as 36h or 14d, at most {LONGEST // 24}d")
    return hours


def _whole(text: str, least: int, most: int) -> int:
    read = text.strip().replace(",", "")
    if not read.isdecimal() or not least <= int(read) <= most:
        raise UsageError(f"must be a whole number from {least:,} to {most:,}")
    return int(read)


def _versions_hint(versions: Sequence[tuple[str, str]]) -> str:
    if not versions:
        return "none is trained yet: 5, then t, trains one"
    return "empty: as above; there are " + ", ".join(dict.fromkeys(version for _, version in versions[:8]))
