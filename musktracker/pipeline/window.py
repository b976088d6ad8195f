"""Window: how many posts a stretch of time will hold, from those counted so far and the paths of the hours to come.

So far is counted from the posts themselves, to the microsecond. What is still to come is simulated by the hour from
the last counted hour on; of an hour that lies partly in what is to come, each simulated post is kept with the
probability of that part (binomial thinning).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Engine

from musktracker import brackets as bracket_totals
from musktracker import market_windows
from musktracker.brackets import Bracket
from musktracker.db import settings
from musktracker.db.queries import coverage
from musktracker.db.queries import window_standing as windows
from musktracker.db.queries.window_standing import SoFar
from musktracker.errors import UsageError
from musktracker.evaluation.brackets import probabilities, settled
from musktracker.models.base import FloatArray
from musktracker.pipeline import forecast as forecasts
from musktracker.pipeline import requests, window_forecasts
from musktracker.pipeline.forecast import Simulated, described
from musktracker.pipeline.history import Known
from musktracker.reporting import Run
from musktracker.timeline import Span, ceil_hour, hour_index, iso, parse_time, utc_text

DEFAULT_WIDTH = 20
REPLIES = "reply"
RECENT = timedelta(days=28)  # before a window: what its rates rest on most


def window(
    engine: Engine,
    run: Run,
    *,
    preset: str | None = None,
    following: bool = False,
    start: str | None = None,
    end: str | None = None,
    timezone: str = "America/New_York",
    brackets: str | None = None,
    model: str | None = None,
    version: str | None = None,
    as_of: str | None = None,
    n_paths: int = 2000,
    seed: int = 1,
    allow_stale: bool = False,
    store: bool = True,
) -> dict[str, Any]:
    """The count so far of a window, its projected total, and the probability of each bracket.

    The window is the current one of a `preset` (or the one after it, with `following`), or goes from `start` to
    `end`, the end excluded. `timezone` is whose hours of the week the usual rate is of; presets have their own. The
    model, `as_of`, the seed and refusals are those of `forecast`; a window observed to its end needs no model.
    What a model forecast is kept, with `store`, to be scored once the window was observed to its end. Raises
    UsageError for a window or brackets that cannot be, DataError where `forecast` does.
    """
    forecasts.check_request(model, 1, n_paths, seed)
    run.progress(0.0, stage="load", message="reading the counts")
    moment = requests.moment_of(as_of)
    span = _span(preset, following, start, end, moment)
    zone = market_windows.ET if preset else market_windows.zone(timezone)
    listed = _brackets(brackets, preset)
    known = forecasts.known_at(engine, as_of)
    so_far = windows.so_far(engine, span, moment, known.data_until, known.counting)
    made: Simulated | None = None
    totals = np.full(1, float(so_far.count))
    if so_far.ahead:
        requests.window_end(span, moment)
        made = forecasts.simulate(
            engine,
            run,
            known,
            moment,
            horizon=hour_index(ceil_hour(so_far.ahead[-1].end)) - known.history.origin,
            model=model,
            version=version,
            n_paths=n_paths,
            seed=seed,
            allow_stale=allow_stale,
        )
        thinning = np.random.default_rng([seed, 1])
        totals = so_far.count + _rest(made.paths, known.history.origin, so_far.ahead, thinning)
    said = _doubts(engine, span, so_far, known)
    for text in said:
        run.warning(text)
    run.progress(0.8, stage="brackets", message=f"{len(listed)} brackets")
    run.info(f"{so_far.count:,} posts so far, {totals.mean():,.0f} expected by {utc_text(span.end)}")
    found = {
        "window": preset or "custom",
        **_times(span, moment, zone),
        **_counted(so_far, known, span),
        "hours_to_come": so_far.to_come,
        "usual_per_hour": _usual(known, so_far, zone),
        "total": described(totals),
        "brackets": _likely(listed, totals, so_far, certain=made is None),
        "data_until": iso(known.data_until),
        "warnings": [*(made.warnings if made else []), *said],
        **_provenance(made, known, n_paths, seed),
    }
    if store and made is not None:
        window_forecasts.store(engine, found, totals)
    return {**found, "stored": store and made is not None}


def _span(preset: str | None, following: bool, start: str | None, end: str | None, moment: datetime) -> Span:
    if preset is not None:
        if start is not None or end is not None:
            raise UsageError("A window is a preset, or goes from a start to an end, not both")
        return (market_windows.following if following else market_windows.current)(preset, moment)
    if start is None or end is None:
        raise UsageError("A window needs a preset, or both a start and an end")
    if following:
        raise UsageError("Only a preset has a window that follows it")
    span = Span(parse_time(start), parse_time(end))
    if span.end <= span.start:
        raise UsageError(f"The window ends at {iso(span.end)}, which is not after its start, {iso(span.start)}")
    return span


def _brackets(text: str | None, preset: str | None) -> list[Bracket]:
    width = market_windows.PRESETS[preset].bracket_width if preset else DEFAULT_WIDTH
    try:
        return bracket_totals.parse(str(width) if text is None else text)
    except ValueError as reason:
        raise UsageError(f"The brackets cannot be read: {reason}") from None


def _rest(paths: FloatArray, origin: int, ahead: Sequence[Span], rng: np.random.Generator) -> FloatArray:
    """Simulated posts in some spans, one a path: whole hours in full, parts of hours thinned."""
    shares = np.array(windows.shares(ahead, origin, paths.shape[1]))
    total: FloatArray = paths[:, shares == 1].sum(axis=1)
    for k in np.flatnonzero((shares > 0) & (shares < 1)):
        whole = np.rint(np.maximum(paths[:, k], 0)).astype(np.int64)
        total = total + rng.binomial(whole, shares[k])
    return total


def _usual(known: Known, so_far: SoFar, zone: ZoneInfo) -> float | None:
    """The mean count an hour of the hours of the week that are still to come."""
    origin = known.history.origin
    counts = known.history.before(origin, windows.USUAL_HOURS).tolist()
    by_hour = {origin - windows.USUAL_HOURS + k: one for k, one in enumerate(counts) if one == one}
    return windows.usual(by_hour, origin, so_far.ahead, zone)


def _times(span: Span, moment: datetime, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "start": iso(span.start),
        "end": iso(span.end),
        "timezone": str(zone),
        "hours": span.hours(),
        "state": "before" if moment < span.start else "over" if moment >= span.end else "open",
        "moment": iso(moment),
        "hours_left": max(Span(max(span.start, moment), span.end).hours(), 0.0),
    }


def _counted(so_far: SoFar, known: Known, span: Span) -> dict[str, Any]:
    pace = so_far.pace(span)
    return {
        "count": so_far.count,
        "counted_until": iso(so_far.until),
        "lower_bound": bool(so_far.missed),
        "unobserved_hours": so_far.missed_hours,
        "unobserved": [[iso(hole.start), iso(hole.end)] for hole in so_far.missed],
        "counting": known.counting,
        "counting_meaning": settings.COUNTINGS[known.counting].meaning,
        "pace": None if pace is None else asdict(pace),
    }


def _likely(listed: Sequence[Bracket], totals: FloatArray, so_far: SoFar, *, certain: bool) -> list[dict[str, Any]]:
    found = settled(listed, so_far.count) if certain else probabilities(totals, listed, so_far.count)
    to_come = so_far.to_come
    return [_bracket(one, float(p), so_far.count, to_come) for one, p in zip(listed, found, strict=True)]


def _bracket(bracket: Bracket, probability: float, count: int, to_come: float) -> dict[str, Any]:
    """A bracket with the posts an hour that it takes to enter it and to overrun it; None where that cannot be."""
    return {
        "bracket": str(bracket),
        "lower": bracket.lower,
        "upper": bracket.upper,
        "probability": probability,
        "state": bracket.state(count, to_come),
        "enter_per_hour": bracket.to_enter(count, to_come),
        "overrun_per_hour": bracket.to_overrun(count, to_come),
    }


def _doubts(engine: Engine, span: Span, so_far: SoFar, known: Known) -> list[str]:
    said = []
    if so_far.missed:
        said.append(f"{so_far.missed_hours:,.1f} h of the window were not observed: the count is a lower bound")
    if REPLIES not in settings.COUNTINGS[known.counting].leaves_out:
        said.append("Replies are counted too: these totals do not compare with brackets that leave them out")
        return said
    recent = Span(min(span.start, known.data_until - RECENT), so_far.until)
    if unknown := coverage.posts_without_kind(engine, recent):
        said.append(
            f"{unknown:,} posts since {utc_text(recent.start)} came without their kind and count: where replies are "
            "among them, these totals are too high for brackets that leave replies out"
        )
    return said


def _provenance(made: Simulated | None, known: Known, n_paths: int, seed: int) -> dict[str, Any]:
    """What the paths were made of; None for all where nothing was simulated."""
    chosen = made.version if made else None
    return {
        "model": chosen.name if chosen else None,
        "version": chosen.version if chosen else None,
        "model_metadata_id": chosen.id if chosen else None,
        "chosen": made.chosen if made else None,
        "forecast_time": iso(known.data_until) if made else None,
        "training_end": iso(chosen.training_end) if chosen else None,
        "n_paths": n_paths if made else None,
        "seed": seed if made else None,
    }
