"""Which window is looked at, with which brackets, by which model: chosen in a form, remembered between starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from musktracker import brackets as bracket_totals
from musktracker import market_windows
from musktracker.brackets import Bracket
from musktracker.errors import UsageError
from musktracker.market_windows import PRESETS
from musktracker.timeline import EPOCH, Span, iso, parse_time, typed_time
from tui.screens.forecast_form import read_as_of
from tui.widgets.form import Field, FormScreen, Values, asked, refused

if TYPE_CHECKING:
    from sqlalchemy import Engine

OWN = "own"
OWN_WIDTH = 20
WHICH_WINDOW = ("preset", "following", "start", "end", "as_of")
WHICH = (("", "the one that goes on"), ("following", "the one after it"))


@dataclass(frozen=True, slots=True)
class WindowChoice:
    """A preset's window, or one from `start` to `end`, whose times are meant in `timezone`.

    `brackets` is as it was typed; None is the preset's width. `model` is a model or alias, None the champion. `as_of`
    is the past moment at which it is looked at, None now; that is not remembered between starts.
    """

    preset: str | None = "fri-noon"
    following: bool = False
    start: str | None = None
    end: str | None = None
    timezone: str = "America/New_York"
    brackets: str | None = None
    model: str | None = None
    as_of: str | None = None

    @classmethod
    def remembered(cls, found: Any) -> WindowChoice:
        """What was remembered, if it can be; otherwise the first preset."""
        try:
            choice = replace(cls(**found), as_of=None)
            choice.bracket_list()
            if choice.preset not in PRESETS:
                choice.span(EPOCH)
        except (AttributeError, TypeError, UsageError):
            return cls()
        return choice

    @property
    def name(self) -> str:
        """What it is called."""
        return (self.preset or "own window") + (", next" if self.following else "")

    @property
    def zone(self) -> ZoneInfo:
        """The zone of its times. Raises UsageError where there is none of that name."""
        return market_windows.ET if self.preset else market_windows.zone(self.timezone)

    def moment(self, now: datetime) -> datetime:
        """The moment at which it is looked at."""
        return now if self.as_of is None else parse_time(self.as_of)

    def span(self, moment: datetime) -> Span:
        """From when to when it goes, at a moment. Raises UsageError for what cannot be."""
        if self.preset is not None:
            return (market_windows.following if self.following else market_windows.current)(self.preset, moment)
        span = Span(parse_time(self.start or "", self.zone), parse_time(self.end or "", self.zone))
        if span.end <= span.start:
            raise UsageError("must be after the start")
        return span

    def bracket_list(self) -> list[Bracket]:
        """Its brackets. Raises UsageError where they cannot be read."""
        width = PRESETS[self.preset].bracket_width if self.preset in PRESETS else OWN_WIDTH
        try:
            return bracket_totals.parse(self.brackets or str(width))
        except ValueError as reason:
            raise UsageError(str(reason)) from None

    def is_of(self, parameters: Mapping[str, Any]) -> bool:
        """Whether a run that was given these parameters forecasts this window."""
        own = self.parameters()
        return all((parameters.get(name) or None) == (own[name] or None) for name in WHICH_WINDOW)

    def parameters(self) -> dict[str, Any]:
        """What the run is given."""
        own = self.preset is None
        span = self.span(EPOCH) if own else None
        return {
            "preset": self.preset,
            "following": self.following,
            "start": iso(span.start) if span else None,
            "end": iso(span.end) if span else None,
            "timezone": str(self.zone),
            "brackets": self.brackets,
            "model": self.model,
            "as_of": self.as_of,
        }


def window_form(
    choice: WindowChoice, models: Sequence[str], span: Span | None, now: datetime, zone: ZoneInfo
) -> FormScreen:
    """Ask which window, and at which moment by the clocks of a zone; closes with the choice."""
    as_of = "" if choice.as_of is None else typed_time(choice.moment(now), zone)
    start, end = choice.start or "", choice.end or ""
    if choice.preset is not None and span is not None:
        start, end = (typed_time(moment, choice.zone) for moment in span)
    fields = (
        Field("window", "Window", choice.preset or OWN, choices=(*((name, name) for name in PRESETS), (OWN, OWN))),
        Field("which", "Which one", "following" if choice.following else "", "of a preset", choices=WHICH),
        Field("start", "Start", start, "of your own window, such as 2026-01-09 12:00"),
        Field("end", "End", end, "of your own window, which does not hold it"),
        Field("timezone", "Zone", "ET" if choice.preset else choice.timezone, "of start and end: ET or UTC"),
        Field("brackets", "Brackets", choice.brackets or "", "a width: 20; or a list: <200,200-219,220+"),
        Field(
            "model",
            "Model",
            choice.model or "",
            "whose newest version forecasts it",
            choices=(("", "champion"), *((name, name) for name in models)),
        ),
        Field("as_of", "As of", as_of, f"empty: now; or a moment in {zone.key}: only what was known then"),
    )
    return FormScreen(
        "Window",
        fields,
        check=lambda values: problems(values, now, zone),
        save=lambda engine, values: _asked(engine, values, zone),
        submit="show it",
    )


def read(values: Values, zone: ZoneInfo) -> WindowChoice:
    """What was typed, as a choice; the moment by the clocks of a zone."""
    own = values["window"] == OWN
    return WindowChoice(
        preset=None if own else values["window"],
        following=not own and values["which"] == "following",
        start=values["start"].strip() if own else None,
        end=values["end"].strip() if own else None,
        timezone=values["timezone"].strip() if own else str(market_windows.ET),
        brackets=values["brackets"].strip() or None,
        model=values["model"] or None,
        as_of=read_as_of(values["as_of"], zone),
    )


def problems(values: Values, now: datetime, zone: ZoneInfo) -> Mapping[str, str]:
    """What is wrong, by field."""
    from musktracker.pipeline import requests

    wrong = refused({"as_of": lambda: read_as_of(values["as_of"], zone)})
    choice = read({**values, "as_of": ""} if wrong else values, zone)
    checks: dict[str, Callable[[], object]] = {"brackets": choice.bracket_list}
    if choice.preset is None:
        checks = {
            "timezone": lambda: choice.zone,
            "start": lambda: parse_time(choice.start or "", choice.zone),
            "end": lambda: requests.window_end(choice.span(EPOCH), choice.moment(now)),
        } | checks
    found: dict[str, str] = {}
    for name, check in checks.items():
        if name != "brackets" and found:  # each of the times is told from those before it
            continue
        try:
            check()
        except UsageError as error:
            found[name] = error.message
    return found | wrong


def _asked(engine: Engine, values: Values, zone: ZoneInfo) -> WindowChoice:
    """The choice, where anything was counted at its moment."""
    from musktracker.db.queries import counts
    from musktracker.pipeline import requests

    choice = read(values, zone)
    if choice.as_of is not None:
        then = parse_time(choice.as_of)
        asked("as_of", lambda: requests.counted(counts.reach(engine, then), requests.FORECAST, then))
    return choice
