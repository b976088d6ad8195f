"""Backtest: models scored by the protocol at the origins of a period, in parallel, each stored once it is done.

The same call again goes on where the one before was cut off: an origin that is stored is not computed anew.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, func, insert, select
from sqlalchemy.exc import IntegrityError

from musktracker.db.engines import reading, writing
from musktracker.db.tables import Backtest, BacktestScore
from musktracker.errors import MuskTrackerError, UsageError
from musktracker.evaluation import protocol
from musktracker.evaluation.backtest import Refused
from musktracker.evaluation.origins import PATHS, SPACING
from musktracker.evaluation.protocol import Scored
from musktracker.models import registry
from musktracker.models.base import FloatArray, History
from musktracker.pipeline import backtest_plan, requests
from musktracker.pipeline import history as histories
from musktracker.pipeline.backtest_plan import Plan
from musktracker.pipeline.curve import Curve
from musktracker.pipeline.outages import through_outages
from musktracker.pipeline.workers import shared_out
from musktracker.reporting import Run
from musktracker.timeline import from_hour_index, hour_index, iso, now

REFERENCE = "seasonal_naive"  # what skill is over, usually
CURVE = "total_168"  # the score that is told while it goes on


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a model did at an origin: its scores, or why it refused; and what it warned of."""

    model: str
    origin: int
    scored: Scored | None
    refused: str | None
    warned: tuple[str, ...]


def backtest(
    engine: Engine,
    run: Run,
    *,
    models: Sequence[str] | None = None,
    hyperparameters: Mapping[str, Mapping[str, Any]] | None = None,
    begin: str | None = None,
    end: str | None = None,
    every: Mapping[str, int] | None = None,
    spacing: int = SPACING,
    n_paths: int = PATHS,
    seed: int = 1,
    jobs: int | None = None,
    name: str | None = None,
    backend: str | None = None,
    purpose: str | None = None,
    retrospective_events: bool = False,
) -> dict[str, Any]:
    """Score `models` (all, by default) at the origins from `begin` to `end`, by default the last 365 days.

    `every` maps a model to N, of whose origins only each Nth is taken; `jobs` processes work (one a core), or a
    cluster that is reached by `backend` (see workers). Without a `name` it has the usual one, after its `purpose`
    where there is one. An event counts from when it was entered, with `retrospective_events` from the beginning,
    which the backtest's protocol then says. Raises UsageError for what cannot be asked, or a `name` that another
    question or other data have; DataError where there are no counts, MuskTrackerError where one of the processes was
    killed.
    """
    run.progress(0.0, stage="load", message="reading the counts")
    known = histories.load(engine)
    reach = requests.counted(known.reach, requests.TEST)
    if retrospective_events:
        known = replace(known, history=replace(known.history, events=known.history.events.known_always()))
    plan = backtest_plan.plan(
        reach,
        models=models,
        hyperparameters=hyperparameters,
        begin=begin,
        end=end,
        every=every,
        spacing=spacing,
        n_paths=n_paths,
        seed=seed,
        retrospective_events=retrospective_events,
    )
    digest = _digest(known.history.until(plan.span[1]))
    name = name or "-".join(filter(None, (purpose, _usual_name(plan, digest))))
    backtest_id = _open(engine, name, plan, digest)
    with reading(engine) as connection:
        done = _stored_origins(connection, backtest_id)
    tasks = [(model, origin) for model, chosen in plan.origins.items() for origin in chosen]
    left = [task for task in tasks if task not in done]
    events = ", every event known from the beginning" if retrospective_events else ""
    run.info(
        f"Backtest {name}: {len(left):,} of {len(tasks):,} origins to compute{events}", models=list(plan.origins)
    )
    begun = time.perf_counter()
    outcomes = _outcomes(known.history, plan, left, jobs, backend)
    _keep(engine, run, backtest_id, outcomes, left, len(tasks))
    seconds = round(time.perf_counter() - begun, 1)
    run.progress(stage="compare", message="the skill of each model over each other")
    run.info(f"Backtest {name}: {len(tasks):,} origins are scored")
    found = through_outages(run, lambda: {**describe(engine, name), **_compared(engine, run, name)})
    return {"name": name, "origins": len(tasks), "computed": len(left), "seconds": seconds, **found}


def compare_stored(engine: Engine, run: Run, *, name: str, other: str | None = None) -> dict[str, Any]:
    """The skills of `compare` as a run, whose result is kept; without `other`, of each model over each of its own."""
    run.progress(0.0, stage="compare", message="drawing origins in blocks")
    found = _compared(engine, run, name, other)
    run.info(f"Compared {name}" + (f" with {other}" if other else ""), models=len(found["skills"]))
    return found


def load(engine: Engine, name: str) -> dict[str, list[Scored]]:
    """The scores of a stored backtest by model, origins in order. Raises UsageError where there is none so named."""
    with reading(engine) as connection:
        backtest_id = connection.execute(select(Backtest.id).where(Backtest.name == name)).scalar()
        if backtest_id is None:
            raise UsageError(f"There is no backtest {name!r}", "Those that are stored: musktracker backtest list")
        query = select(BacktestScore.__table__).where(
            BacktestScore.backtest_id == backtest_id, BacktestScore.refused.is_(None)
        )
        rows = connection.execute(query.order_by(BacktestScore.model_name, BacktestScore.origin)).all()
    found: dict[str, list[Scored]] = {}
    for row in rows:
        values = {key: np.nan if value is None else value for key, value in json.loads(row.scores).items()}
        one = Scored(hour_index(row.origin), row.seconds, values, _array(row.hourly_crps), _array(row.hourly_pit))
        found.setdefault(row.model_name, []).append(one)
    return found


def is_retrospective(engine: Engine, name: str) -> bool:
    """Whether every event counted as known from the beginning of a stored backtest, whenever it was entered."""
    with reading(engine) as connection:
        return _sees_all_events(connection.scalar(select(Backtest.protocol).where(Backtest.name == name)))


def refusals(engine: Engine, name: str) -> dict[str, dict[datetime, str]]:
    """The origins from which a model would not forecast, and why, by model."""
    query = (
        select(BacktestScore.model_name, BacktestScore.origin, BacktestScore.refused)
        .join(Backtest, Backtest.id == BacktestScore.backtest_id)
        .where(Backtest.name == name, BacktestScore.refused.is_not(None))
        .order_by(BacktestScore.model_name, BacktestScore.origin)
    )
    found: dict[str, dict[datetime, str]] = {}
    with reading(engine) as connection:
        for model, origin, reason in connection.execute(query):
            found.setdefault(model, {})[origin] = str(reason)
    return found


def describe(engine: Engine, name: str, *, reference: str = REFERENCE) -> dict[str, Any]:
    """A stored backtest as figures: for each model its mean scores, skill over a reference, CRPS by lead, and PIT.

    `retrospective_events` says whether every event counted as known from the beginning. `pit` has the shares of ten
    bins, of hours and of each total. Raises UsageError for a reference that was not scored, but for the usual one.
    """
    found = load(engine, name)
    if reference not in found and reference != REFERENCE:
        raise UsageError(f"Backtest {name!r} has no model {reference!r}", f"It has {', '.join(found)}")
    refused = refusals(engine, name)
    return {
        "models": {
            model: {
                "scores": _plain(protocol.summary(scored)),
                "skill": _skills(scored, found[reference]) if reference in found and model != reference else {},
                "by_lead": _plain(dict(enumerate(protocol.by_lead(scored).tolist(), 1))),
                "pit": _pit_shares(scored),
                "refused": len(refused.get(model, {})),
            }
            for model, scored in found.items()
        },
        "reference": reference,
        "retrospective_events": is_retrospective(engine, name),
    }


def compare(engine: Engine, name: str, other: str) -> dict[str, dict[str, Any]]:
    """The skill of each model of one backtest over the same model in another, on the origins that both have."""
    found, theirs = load(engine, name), load(engine, other)
    both = sorted(found.keys() & theirs.keys())
    if not both:
        raise UsageError(
            f"{name} and {other} have no model in common", "musktracker backtest list shows their models"
        )
    return {model: _skills(found[model], theirs[model]) for model in both}


def _compared(engine: Engine, run: Run, name: str, other: str | None = None) -> dict[str, Any]:
    """Skills with intervals by model, reference and score; and of what: the backtests, and how much was scored."""
    names = [name, other or name]
    scored = [_rows(engine, one) for one in names]
    if other is not None:
        skills = {model: {model: found} for model, found in compare(engine, name, other).items()}
    else:
        found = load(engine, name)
        skills = {model: {} for model in found}
        for model, reference in itertools.permutations(found, 2):
            run.check()
            skills[model][reference] = _skills(found[model], found[reference])
    return {"compared": names, "scored": scored, "skills": skills}


def _rows(engine: Engine, name: str) -> int:
    query = (select(func.count()).join_from(BacktestScore, Backtest, Backtest.id == BacktestScore.backtest_id)).where(
        Backtest.name == name
    )
    with reading(engine) as connection:
        return int(connection.scalar(query) or 0)


def _usual_name(plan: Plan, digest: str) -> str:
    """A name that the same question about the same data always gets."""
    asked = json.dumps([plan.span, plan.protocol, plan.counting, digest], sort_keys=True)
    days = "-".join(f"{from_hour_index(hour):%Y%m%d}" for hour in plan.span)
    return f"{days}-{hashlib.sha256(asked.encode()).hexdigest()[:8]}"


def _digest(history: History) -> str:
    """What the scores depend on, as one digest: counts, times of posts and events."""
    events = history.events
    parts = (history.counts, history.posts, events.start, events.end, events.intensity, events.known)
    found = hashlib.sha256(str(history.start).encode())
    found.update("\n".join(events.categories[code] for code in events.category.tolist()).encode())
    for part in parts:
        found.update(b"-" if part is None else np.ascontiguousarray(part).tobytes())
    return found.hexdigest()


def _open(engine: Engine, name: str, plan: Plan, digest: str) -> int:
    """The row of a backtest, which is made unless it is there."""
    requests.backtest_name(name)
    values = {**backtest_plan.values(plan), "data_digest": digest}
    with writing(engine) as connection:
        row = backtest_plan.stored(connection, name, values)
        if row is not None:
            return int(row.id)
        added = insert(Backtest).values(name=name, created_at=now(), **values)
        return int(connection.execute(added.returning(Backtest.id)).scalar_one())


def _sees_all_events(protocol: str | None) -> bool:
    return bool(json.loads(protocol or "{}").get("retrospective_events"))


def _stored_origins(connection: Connection, backtest_id: int) -> set[tuple[str, int]]:
    query = select(BacktestScore.model_name, BacktestScore.origin).where(BacktestScore.backtest_id == backtest_id)
    return {(model, hour_index(origin)) for model, origin in connection.execute(query)}


def _outcomes(
    history: History, plan: Plan, left: Sequence[tuple[str, int]], jobs: int | None, backend: str | None
) -> Iterator[Outcome]:
    """What comes of each origin, in whatever order they are done."""
    chosen, n_paths, seed = (plan.protocol[name] for name in ("models", "n_paths", "seed"))
    tasks = ((model, chosen[model], history, origin, n_paths, seed) for model, origin in left)
    try:
        yield from shared_out(_outcome, tasks, jobs=jobs, backend=backend)
    except BrokenProcessPool:
        raise MuskTrackerError(
            "A process that worked on the backtest was killed, as the system does where memory is short",
            "What was scored is stored: the same command goes on from there, with --jobs 1 in the least memory",
        ) from None


def _outcome(
    name: str, hyperparameters: Mapping[str, Any], history: History, origin: int, n_paths: int, seed: int
) -> Outcome:
    model, refused = registry.create(name, hyperparameters), Refused()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        scored = list(protocol.evaluate(model, history, [origin], n_paths=n_paths, seed=seed, refused=refused))
    warned = tuple(dict.fromkeys(str(one.message) for one in caught))
    return Outcome(name, origin, scored[0] if scored else None, refused.reasons.get(origin), warned)


def _keep(
    engine: Engine,
    run: Run,
    backtest_id: int,
    outcomes: Iterator[Outcome],
    left: Sequence[tuple[str, int]],
    total: int,
) -> None:
    """Store each outcome as it comes, and tell of it; of `total` origins those in `left` are to come."""
    begun = time.perf_counter()
    warned: set[tuple[str, str]] = set()
    curve = Curve(run, CURVE, Counter(model for model, _ in left))
    for count, outcome in enumerate(outcomes, 1):
        through_outages(run, partial(_store, engine, backtest_id, outcome))
        _tell(run, outcome, warned)
        curve.add(outcome.model, outcome.origin, outcome.scored.values[CURVE] if outcome.scored else None)
        spent = time.perf_counter() - begun
        eta = timedelta(seconds=round(spent / count * (len(left) - count)))
        run.progress(
            (total - len(left) + count) / total,
            stage="backtest",
            message=f"{outcome.model}: {count:,} of {len(left):,} origins, {eta} to go",
        )
    curve.tell()


def _store(engine: Engine, backtest_id: int, outcome: Outcome) -> None:
    row: dict[str, Any] = {
        "backtest_id": backtest_id,
        "model_name": outcome.model,
        "origin": from_hour_index(outcome.origin),
    }
    if outcome.scored is None:
        row["refused"] = outcome.refused
    else:
        row |= {
            "seconds": outcome.scored.seconds,
            "scores": json.dumps(_plain(outcome.scored.values), allow_nan=False),
            "hourly_crps": _text(outcome.scored.hourly),
            "hourly_pit": _text(outcome.scored.pit),
        }
    try:
        with writing(engine) as connection:
            connection.execute(insert(BacktestScore).values(**row))
    except IntegrityError:  # somebody computes the same backtest: the scores are the same
        return


def _tell(run: Run, outcome: Outcome, warned: set[tuple[str, str]]) -> None:
    """Each warning and each refusal of a model once."""
    texts = (*outcome.warned, *([f"it does not forecast: {outcome.refused}"] if outcome.refused else ()))
    for text in texts:
        if (outcome.model, text) not in warned:
            warned.add((outcome.model, text))
            run.warning(f"{outcome.model} at {iso(from_hour_index(outcome.origin))}: {text}")


def _skills(scored: Sequence[Scored], reference: Sequence[Scored]) -> dict[str, dict[str, float]]:
    found = {}
    for score in ("hourly_168", "hourly_24", "lead_1", *protocol.TOTALS, "log_score"):
        try:
            skill = protocol.compare(scored, reference, score)
        except ValueError:  # no origin at which both have it
            continue
        found[score] = {"skill": skill.skill, "lower": skill.lower, "upper": skill.upper, "n": skill.n}
    return found


def _pit_shares(scored: Sequence[Scored]) -> dict[str, list[float]]:
    parts = {"hours": np.concatenate([one.pit for one in scored])}
    parts |= {name: protocol.column(scored, f"pit_{name}") for name in protocol.TOTALS}
    found = {}
    for name, pit in parts.items():
        known = pit[~np.isnan(pit)]
        if len(known):
            found[name] = (np.histogram(known, bins=10, range=(0, 1))[0] / len(known)).tolist()
    return found


def _plain(values: Mapping[Any, float]) -> dict[str, float | None]:
    """Scores as JSON can hold them."""
    return {str(key): float(value) if np.isfinite(value) else None for key, value in values.items()}


def _text(values: FloatArray) -> str:
    return json.dumps([round(value, 5) if np.isfinite(value) else None for value in values.tolist()])


def _array(text: str) -> FloatArray:
    return np.array([np.nan if value is None else value for value in json.loads(text)], dtype=np.float64)
