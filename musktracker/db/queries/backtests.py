"""Stored backtests as tables and plots show them: means, coverage, PIT and skill, from rows alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, and_, case, func, select

from musktracker.db.engines import reading
from musktracker.db.queries.calibration import by_chance
from musktracker.db.tables import Backtest, BacktestScore, RunRow, TimeBucket
from musktracker.errors import UsageError
from musktracker.evaluation.evidence import spells, too_few
from musktracker.timeline import hour_index

HORIZON = timedelta(hours=168)
SCORES = {  # by name: how many hours each is of
    "hourly_168": 168,
    "hourly_24": 24,
    "lead_1": 1,
    "total_24": 24,
    "in_play": 72,
    "total_168": 168,
    "log_score": 168,
}
TOTALS = ("total_24", "in_play", "total_168")
LEVELS = (50, 80, 95)
LEADS_A_GROUP = 6  # coverage by horizon is of so many leads together
BINS = 10


@dataclass(frozen=True, slots=True)
class StoredBacktest:
    """A backtest as it was asked for, and how far it is: origins `done` of those `planned`, `refused` among them."""

    id: int
    name: str
    created_at: datetime
    begin: datetime
    end: datetime
    counting: str
    protocol: Mapping[str, Any]
    done: int
    refused: int
    planned: int

    @property
    def models(self) -> tuple[str, ...]:
        """The models that were asked for, by name."""
        return tuple(sorted(self.protocol["models"]))

    @property
    def retrospective_events(self) -> bool:
        """Whether every event counted as known from the beginning."""
        return bool(self.protocol.get("retrospective_events"))

    @property
    def whole(self) -> bool:
        """Whether every origin is done."""
        return self.done >= self.planned


@dataclass(frozen=True, slots=True)
class Skill:
    """How much better than a reference on `n` origins, and its 95% interval where a run has computed it.

    `apart` is how many of what followed the origins do not overlap: how much evidence there is.
    """

    skill: float
    lower: float | None
    upper: float | None
    n: int
    apart: int = 0

    @property
    def few(self) -> bool:
        """Whether these are too few to judge by."""
        return too_few(self.apart)


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """What a model did over its origins.

    `scores` are the means of all scores of the protocol that are known, `by_lead` the hourly CRPS of each lead,
    `coverage` by level that of hourly counts (by their PIT) for each group of six leads, `pit` the shares of ten
    bins, of `hours` and of each total; `by_origin` the scores that skill is of; `refused` origins by reason.
    """

    model: str
    origins: int
    refused: Mapping[str, int]
    seconds: float | None
    scores: Mapping[str, float]
    by_lead: tuple[float | None, ...]
    coverage: Mapping[int, tuple[float | None, ...]]
    pit: Mapping[str, tuple[float, ...]]
    by_origin: Mapping[str, Mapping[datetime, float]]

    def few(self, score: str) -> bool:
        """Whether its origins are too few to judge a score by."""
        return too_few(_apart(self.by_origin.get(score, ()), score))

    def expected(self, total: str, share: float) -> tuple[float, float] | None:
        """Where a share of the outcomes of a total lies in 95% of cases if it is `share` in truth.

        None for what is no total: outcomes of single hours hang together in ways of which this knows nothing.
        """
        origins = self.by_origin.get(total, ()) if total in TOTALS else ()
        return by_chance(share, _apart(origins, total)) if origins else None


Skills = Mapping[tuple[str, str, str], Skill]  # by model, reference and score


def listed(engine: Engine) -> list[StoredBacktest]:
    """The backtests that are stored, the newest first."""
    refused = func.sum(case((BacktestScore.refused.is_not(None), 1), else_=0))
    counted = (
        select(BacktestScore.backtest_id, func.count().label("done"), refused.label("refused"))
        .group_by(BacktestScore.backtest_id)
        .subquery()
    )
    query = (
        select(Backtest.__table__, counted.c.done, counted.c.refused)
        .outerjoin(counted, counted.c.backtest_id == Backtest.id)
        .order_by(Backtest.created_at.desc(), Backtest.id.desc())
    )
    with reading(engine) as connection:
        first = connection.scalar(select(func.min(TimeBucket.bucket_start)).where(TimeBucket.granularity == "hourly"))
        return [_stored(row, first) for row in connection.execute(query)]


def summary(engine: Engine, name: str, *, same_origins: bool = False) -> tuple[ModelSummary, ...]:
    """What each model of a backtest did, by name; with `same_origins`, on those alone that all models have scored.

    Raises UsageError where there is no backtest so named.
    """
    columns = ("model_name", "origin", "seconds", "scores", "hourly_crps", "hourly_pit", "refused")
    with reading(engine) as connection:
        backtest_id = _id(connection, name)
        chosen = _common(connection, backtest_id) if same_origins else None
        query = (
            select(*(getattr(BacktestScore, column) for column in columns))
            .where(BacktestScore.backtest_id == backtest_id)
            .order_by(BacktestScore.model_name, BacktestScore.origin)
        )
        sums: dict[str, _Sums] = {}
        for row in connection.execute(query):
            if chosen is None or row.origin in chosen or row.refused is not None:
                sums.setdefault(row.model_name, _Sums()).add(row)
    return tuple(found.summary(model) for model, found in sums.items())


def skill(one: ModelSummary, reference: ModelSummary, score: str, computed: Skills | None = None) -> Skill | None:
    """The skill of a model over a reference on the origins that both have; None without any.

    Its interval, too, where it is among those that a run has `computed`.
    """
    mine, theirs = one.by_origin.get(score, {}), reference.by_origin.get(score, {})
    shared = mine.keys() & theirs.keys()
    whole = sum(theirs[origin] for origin in shared)
    apart = _apart(shared, score)
    if computed and (found := computed.get((one.model, reference.model, score))):
        return replace(found, apart=apart)
    if not shared or not whole:
        return None
    return Skill(1 - sum(mine[origin] for origin in shared) / whole, None, None, len(shared), apart)


def skills(engine: Engine, one: StoredBacktest, other: StoredBacktest | None = None) -> Skills:
    """The skills with intervals that the last run computed between the models of a backtest, or of two.

    Nothing where no run has, or where more has been scored since.
    """
    other = other or one
    key: dict[str, Any] = {"compared": [one.name, other.name]}
    query = (
        select(RunRow.result)
        .where(
            RunRow.kind.in_(("backtest", "compare")),
            RunRow.status == "succeeded",
            RunRow.result.contains(json.dumps(key)[1:-1], autoescape=True),
        )
        .order_by(RunRow.id.desc())
        .limit(1)
    )
    with reading(engine) as connection:
        found = json.loads(connection.scalar(query) or "{}")
    if found.get("compared") != key["compared"] or found.get("scored") != [one.done, other.done]:
        return {}
    return {
        (model, reference, score): Skill(**values)
        for model, references in found["skills"].items()
        for reference, by_score in references.items()
        for score, values in by_score.items()
    }


@dataclass(slots=True)
class _Mean:
    total: float = 0.0
    n: int = 0

    def add(self, value: float | None) -> None:
        if value is not None:
            self.total += value
            self.n += 1

    @property
    def value(self) -> float | None:
        return self.total / self.n if self.n else None


@dataclass(slots=True)
class _Sums:
    """The rows of one model, summed up."""

    origins: int = 0
    seconds: _Mean = field(default_factory=_Mean)
    refused: dict[str, int] = field(default_factory=dict)
    scores: dict[str, _Mean] = field(default_factory=dict)
    by_lead: list[_Mean] = field(default_factory=list)
    inside: list[list[int]] = field(default_factory=list)  # by group of leads: known, and inside each level
    pit: dict[str, list[int]] = field(default_factory=dict)
    by_origin: dict[str, dict[datetime, float]] = field(default_factory=dict)

    def add(self, row: Row[Any]) -> None:
        if row.refused is not None:
            self.refused[row.refused] = self.refused.get(row.refused, 0) + 1
            return
        self.origins += 1
        self.seconds.add(row.seconds)
        for name, value in json.loads(row.scores).items():
            self.scores.setdefault(name, _Mean()).add(value)
            if value is not None and name in SCORES:
                self.by_origin.setdefault(name, {})[row.origin] = value
            elif value is not None and name.startswith("pit_"):
                self._bin(name.removeprefix("pit_"), [value])
        crps, pit = json.loads(row.hourly_crps), json.loads(row.hourly_pit)
        if not self.by_lead:
            self.by_lead = [_Mean() for _ in crps]
            self.inside = [[0] * (1 + len(LEVELS)) for _ in range(0, len(pit), LEADS_A_GROUP)]
        for mean, value in zip(self.by_lead, crps, strict=True):
            mean.add(value)
        self._bin("hours", [value for value in pit if value is not None])
        for group, counted in enumerate(self.inside):
            away = [abs(v - 0.5) for v in pit[group * LEADS_A_GROUP : (group + 1) * LEADS_A_GROUP] if v is not None]
            counted[0] += len(away)
            for i, level in enumerate(LEVELS, 1):
                counted[i] += sum(distance <= level / 200 for distance in away)

    def summary(self, model: str) -> ModelSummary:
        means = {name: mean.value for name, mean in self.scores.items()}
        return ModelSummary(
            model=model,
            origins=self.origins,
            refused=self.refused,
            seconds=self.seconds.value,
            scores={name: value for name, value in means.items() if value is not None},
            by_lead=tuple(mean.value for mean in self.by_lead),
            coverage={
                level: tuple(counted[i] / counted[0] if counted[0] else None for counted in self.inside)
                for i, level in enumerate(LEVELS, 1)
            },
            pit={name: tuple(n / sum(bins) for n in bins) for name, bins in self.pit.items() if sum(bins)},
            by_origin=self.by_origin,
        )

    def _bin(self, name: str, values: Iterable[float]) -> None:
        bins = self.pit.setdefault(name, [0] * BINS)
        for value in values:
            bins[min(int(value * BINS), BINS - 1)] += 1


def _apart(origins: Iterable[datetime], score: str) -> int:
    return spells(sorted(map(hour_index, origins)), SCORES[score])


def _id(connection: Connection, name: str) -> int:
    found = connection.scalar(select(Backtest.id).where(Backtest.name == name))
    if found is None:
        raise UsageError(f"There is no backtest {name!r}", "Those that are stored: musktracker backtest list")
    return found


def _common(connection: Connection, backtest_id: int) -> set[datetime]:
    """The origins that every model with a score has scored."""
    query = select(BacktestScore.model_name, BacktestScore.origin).where(
        and_(BacktestScore.backtest_id == backtest_id, BacktestScore.refused.is_(None))
    )
    by_model: dict[str, set[datetime]] = {}
    for model, origin in connection.execute(query):
        by_model.setdefault(model, set()).add(origin)
    return set.intersection(*by_model.values()) if by_model else set()


def _stored(row: Row[Any], first: datetime | None) -> StoredBacktest:
    protocol = json.loads(row.protocol)
    return StoredBacktest(
        id=row.id,
        name=row.name,
        created_at=row.created_at,
        begin=row.span_start,
        end=row.span_end,
        counting=row.counting,
        protocol=protocol,
        done=row.done or 0,
        refused=int(row.refused or 0),
        planned=_planned((row.span_start, row.span_end), protocol, first),
    )


def _planned(span: Sequence[datetime], protocol: Mapping[str, Any], first: datetime | None) -> int:
    """How many origins all models have: one each `spacing` hours after the first, a whole week before the end."""
    begin, end = span
    step = timedelta(hours=protocol["spacing"])
    count = max((end - HORIZON - begin) // step + 1, 0)
    early = 0 if first is None or begin > first else min((first - begin) // step + 1, count)
    every = protocol["every"]
    return sum(-(-(count - early) // every.get(model, 1)) for model in protocol["models"])
