"""The forms of following, of a backfill, of a reconciliation and of what to stop, and how to connect the X API."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from musktracker import timeline
from musktracker.errors import UsageError
from musktracker.text import counted
from musktracker.timeline import Span, iso, parse_time, typed_time
from tui.screens.train_form import whole
from tui.widgets.form import Field, FormScreen, Values

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.run_info import RunInfo
    from tui.app import Console

CONNECT = (
    "X_BEARER_TOKEN is not set. Put the bearer token of an X API app in the environment or in .env, or as "
    "x_bearer_token in the TOML file, then start the console again"
)
WAYS = (("auto", "auto"), ("timeline", "timeline"), ("recent", "recent"), ("all", "all"))
LOCAL = "%Y-%m-%d %H:%M"
NOTHING_LEFT = "Say since when; without it, only what an earlier backfill left is fetched, and nothing is left"
SHOWN_SPANS = 4


def follow_form() -> FormScreen:
    """Ask how posts are heard of; closes with the parameters of the run."""
    fields = (
        Field(
            "stream",
            "Hear by",
            "polls",
            "the stream brings posts within a second, and deletions",
            choices=(("polls", "polls"), ("stream", "polls and the activity stream")),
        ),
        Field("interval", "Poll every", "", "seconds; empty: 10, or 60 while the stream is open"),
    )
    return FormScreen(
        "Follow the account on the X API",
        fields,
        check=lambda values: _wrong("interval", lambda: _interval(values)),
        save=lambda _engine, values: follow_parameters(values),
        submit="start",
    )


def follow_parameters(values: Values) -> dict[str, Any]:
    """What the run is given. Raises UsageError for an interval that cannot be."""
    interval = _interval(values)
    return (
        {"follow": True}
        | ({"stream": True} if values["stream"] == "stream" else {})
        | ({} if interval is None else {"interval": interval})
    )


def backfill_form(covered: tuple[Span, ...], zone: ZoneInfo) -> FormScreen:
    """Ask from when to when; closes with the parameters of the run. Proposed are all holes of coverage."""
    begins = f"{ceil_minute(covered[0].start).astimezone(zone):{LOCAL}}" if covered else ""
    known = f"covered from {begins}" if begins else "nothing is covered yet"
    fields = (
        Field(
            "since",
            "Since",
            typed_time(ceil_minute(covered[0].start), zone) if len(covered) > 1 else "",
            f"a day or time, {zone.key}; {known}",
        ),
        Field("until", "Until", "", "empty: now; what is covered is not fetched again"),
    )
    return FormScreen(
        "Fetch what was before",
        fields,
        check=lambda values: backfill_problems(values, zone),
        preview=lambda engine, values: _price(engine, values, zone),
        save=lambda _engine, values: backfill_parameters(values, zone),
        submit="start",
    )


def fill_form(zone: ZoneInfo) -> FormScreen:
    """Say what all holes would cost, and ask by which endpoint; closes with the parameters of the run."""

    def parameters(engine: Engine, values: Values) -> dict[str, Any]:
        from musktracker.pipeline import backfill

        return backfill.filling(engine, values["via"])

    hint = "auto: the timeline, then the search of all posts"
    return FormScreen(
        "Fill the holes from the X API",
        (Field("via", "Via", WAYS[0][0], hint, choices=WAYS),),
        preview=lambda engine, values: price_text(engine, parameters(engine, values), zone),
        save=parameters,
        submit="start",
    )


def has_token(app: Console) -> bool:
    """Whether the X API can be asked; the operator is told what to set where it cannot."""
    if not app.settings.x_bearer_token:
        app.complain(CONNECT)
    return bool(app.settings.x_bearer_token)


def ceil_minute(moment: datetime) -> datetime:
    """The first whole minute at or after a moment: what is covered from there on has no hole at its edge."""
    floor = moment.replace(second=0, microsecond=0)
    return floor if floor == moment else floor + timedelta(minutes=1)


def backfill_parameters(values: Values, zone: ZoneInfo) -> dict[str, Any]:
    """What the run is given. Raises UsageError for values that `backfill_problems` would complain of."""
    given = {name: _time(values[name], zone) for name in ("since", "until")}
    return {name: iso(moment) for name, moment in given.items() if moment is not None}


def backfill_problems(values: Values, zone: ZoneInfo) -> Mapping[str, str]:
    """What is wrong, by field."""
    found: dict[str, str] = {}
    times: dict[str, datetime | None] = {}
    for name in ("since", "until"):
        try:
            times[name] = _time(values[name], zone)
        except UsageError as error:
            found[name] = str(error)
    if found:
        return found
    since, until = times["since"], times["until"]
    if since is None:
        return {"since": "A backfill that ends somewhere begins somewhere"} if until else {}
    if since >= timeline.now():
        return {"since": "must be in the past"}
    return {"until": "must be after the beginning"} if until is not None and until <= since else {}


def reconcile_form() -> FormScreen:
    """Ask how far back, and whether to look posts up; closes with the parameters of the run."""
    fields = (
        Field("days", "Days", "7", "how far back; hours that lack posts are fetched again"),
        Field(
            "lookup",
            "What",
            "both",
            "looking up costs $0.005 for each post not read yet today (UTC); counts almost nothing",
            choices=(("both", "posts and counts"), ("counts", "only hourly counts")),
        ),
    )
    return FormScreen(
        "Reconcile with the X API",
        fields,
        check=reconcile_problems,
        save=lambda _engine, values: reconcile_parameters(values),
        submit="start",
    )


def stop_form(active: Sequence[RunInfo]) -> FormScreen:
    """Ask which run is to stop; closes with its id."""
    choices = tuple((str(info.id), f"{info.kind} #{info.id}") for info in active)
    hint = "of those that go on"
    return FormScreen(
        "Stop a run",
        (Field("run", "Run", choices[0][0], hint, choices=choices),),
        save=lambda _engine, values: int(values["run"]),
        submit="stop it",
    )


def reconcile_parameters(values: Values) -> dict[str, Any]:
    """What the run is given. Raises UsageError for days that cannot be."""
    return {"days": _days(values)} | ({"lookup": False} if values["lookup"] == "counts" else {})


def reconcile_problems(values: Values) -> Mapping[str, str]:
    """What is wrong, by field."""
    return _wrong("days", lambda: _days(values))


def _price(engine: Engine, values: Values, zone: ZoneInfo) -> str:
    if backfill_problems(values, zone):
        return ""
    return price_text(engine, backfill_parameters(values, zone), zone)


def price_text(engine: Engine, parameters: Mapping[str, Any], zone: ZoneInfo) -> str:
    """What a backfill with these parameters would buy, and of when."""
    from musktracker.pipeline import backfill, fetch_price, spending
    from musktracker.reporting import Run

    wanted = {name: parameters[name] for name in ("since", "until") if name in parameters}
    found = fetch_price.price(engine, Run(), **wanted)
    if not found.spans and not found.open_ranges:
        return NOTHING_LEFT if "since" not in parameters else backfill.NOTHING
    lines = [f"About {counted(found.posts, 'post')} for {spending.dollars(found.microdollars)}, {found.basis}"]
    for start, end in found.spans[:SHOWN_SPANS]:
        lines.append(f"  {start.astimezone(zone):{LOCAL}} to {end.astimezone(zone):{LOCAL}}")
    if len(found.spans) > SHOWN_SPANS:
        lines.append(f"  and {counted(len(found.spans) - SHOWN_SPANS, 'more span')}")
    if found.open_ranges:
        lines.append(f"  {counted(found.open_ranges, 'range')} that an earlier backfill left, first")
    if found.checks:
        lines.append(f"  {spending.dollars(found.checks)} of it for the API's counts, which show what is missing")
    limit = spending.limit(engine)
    lines.append(
        "No limit on a day's spending is set" if limit is None else f"At most {spending.dollars(limit)} a day"
    )
    return "\n".join(lines)


def _time(text: str, zone: ZoneInfo) -> datetime | None:
    return parse_time(text, zone) if text.strip() else None


def _interval(values: Values) -> float | None:
    from musktracker.pipeline import requests

    text = values["interval"].strip()
    if not text:
        return None
    try:
        return requests.poll_interval(float(text))
    except ValueError:
        raise UsageError("must be a number of seconds") from None


def _days(values: Values) -> int:
    from musktracker.pipeline import requests

    return requests.days_back(whole(values["days"]))


def _wrong(name: str, check: Callable[[], object]) -> Mapping[str, str]:
    try:
        check()
    except UsageError as error:
        return {name: str(error)}
    return {}
