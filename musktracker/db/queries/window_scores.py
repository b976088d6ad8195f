"""How window forecasts came out: scores of each version by kind of window, and what their brackets' chances meant.

Without numpy, from what is stored: a hundred quantiles of each forecast, its brackets and their probabilities.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, func, select

from musktracker.db import stored
from musktracker.db.engines import reading
from musktracker.db.queries.calibration import QUANTILE_95, by_chance, is_beyond
from musktracker.db.tables import ModelMetadata, WindowForecast
from musktracker.evaluation.evidence import too_few
from musktracker.timeline import Span

LEVELS = (50, 80, 95)
MIDPOINTS = tuple((2 * k + 1) / 200 for k in range(100))  # as many equally likely totals, from which CRPS is scored
BINS = 10  # of the probabilities that brackets were given
ROWS = 200  # read at a time: each is some thousand bytes
CUSTOM = "custom"  # windows of no preset
READ = ("id", "seed", "preset", "window_start", "window_end", "predicted_total", "actual_total")
READ_AS_JSON = ("quantiles", "brackets", "bracket_probabilities")
_MIDPOINT_KEYS = tuple(f"{p:g}" for p in MIDPOINTS)
_ENDS = tuple((f"{(100 - level) / 200:g}", f"{(100 + level) / 200:g}") for level in LEVELS)
_KEYS = frozenset((*_MIDPOINT_KEYS, *itertools.chain(*_ENDS)))


@dataclass(frozen=True, slots=True)
class SaidAndCame:
    """The `n` brackets that were given a probability between `low` and `high`: `said` on average, and how often.

    `apart` windows that do not overlap are behind them. `least` and `most` are where the share that came lies in 95%
    of cases if what was said is right; None where no bracket was given such a probability.
    """

    low: float
    high: float
    n: int
    apart: int
    said: float | None
    came: float | None
    least: float | None
    most: float | None

    @property
    def beyond(self) -> bool:
        """Whether the share that came is one that chance alone would hardly make; never of too few to judge by."""
        if self.came is None or self.least is None or self.most is None:
            return False
        return is_beyond(self.came, (self.least, self.most), self.apart)

    @property
    def few(self) -> bool:
        """Whether these are too few to judge by."""
        return too_few(self.apart)


@dataclass(frozen=True, slots=True)
class WindowScores:
    """What the scores of one version and kind of window say together; `window` is a preset or custom.

    `apart` is how many of the windows do not overlap: how much evidence there is, where many of the `n` forecasts are
    of one window. CRPS, `mae` and `bias` are in posts; `log_score` is minus the log of the probability of the bracket
    that came. `impossible` counts forecasts whose bracket had been passed when posts that were deleted later still
    counted: their log scores are infinite, and left out of the mean, which is None where there is no other.
    `coverages` are shares inside the intervals, by LEVELS; `pit` has one value a forecast, in the order in which they
    were made.
    """

    model_metadata_id: int
    model: str
    version: str
    window: str
    n: int
    apart: int
    crps: float
    log_score: float | None
    impossible: int
    mae: float
    bias: float
    coverages: tuple[float, ...]
    above_95: int
    below_95: int
    pit: tuple[float, ...]
    reliability: tuple[SaidAndCame, ...]

    def expected(self, share: float) -> tuple[float, float]:
        """Where a share lies in 95% of cases if it is `share` in truth, of as many windows as stand apart."""
        return by_chance(share, self.apart)

    @property
    def few(self) -> bool:
        """Whether these are too few to judge by."""
        return too_few(self.apart)

    def beyond(self, found: float, share: float) -> bool:
        """Whether the share found is one that chance alone would hardly make; never of too few to judge by."""
        return is_beyond(found, self.expected(share), self.apart)


def by_window(engine: Engine, counting: str, *, since: datetime | None = None) -> list[WindowScores]:
    """The scores of each version by kind of window, of the posts that `counting` counts.

    Of the forecasts made from `since` on whose windows were observed from start to end.
    """
    names = (ModelMetadata.model_name, ModelMetadata.model_version)
    wanted = (getattr(WindowForecast, name) for name in (*READ, *READ_AS_JSON))
    query = (
        select(ModelMetadata.id.label("model_metadata_id"), *names, *wanted)
        .join(ModelMetadata, ModelMetadata.id == WindowForecast.model_metadata_id)
        .where(*_scored(counting, since))
        .order_by(ModelMetadata.model_name, ModelMetadata.id, WindowForecast.made_at, WindowForecast.id)
    )
    groups: dict[tuple[int, str, str, str], _Sums] = defaultdict(_Sums)
    with reading(engine) as connection:
        for row in connection.execute(query, execution_options={"yield_per": ROWS}):
            groups[row.model_metadata_id, row.model_name, row.model_version, row.preset or CUSTOM].add(row)
    return [sums.scores(*key) for key, sums in groups.items() if sums.pit]


def stamp(engine: Engine, counting: str, *, since: datetime | None = None) -> tuple[Any, ...]:
    """What differs once `by_window` would find something else; costs far less."""
    newest = (func.max(WindowForecast.scored_at), func.max(WindowForecast.created_at))
    query = select(func.count(), *newest).where(*_scored(counting, since))
    with reading(engine) as connection:
        return counting, *connection.execute(query).one()


def apart(windows: Iterable[Span]) -> dict[Span, int]:
    """Which spell each window belongs to: those of a spell overlap its first, and the first ones do not overlap.

    Windows by their end, each that begins after the last spell's first opens another: the most that fit.
    """
    spells: dict[Span, int] = {}
    first, spell = None, -1
    for window in sorted(set(windows), key=lambda one: (one.end, one.start)):
        if first is None or window.start >= first.end:
            first, spell = window, spell + 1
        spells[window] = spell
    return spells


def crps(totals: Sequence[float], observed: float) -> float:
    """CRPS of equally likely totals (n,) in rising order: the energy form, as `evaluation.scores.crps` has it."""
    n = len(totals)
    distance = sum(abs(total - observed) for total in totals) / n
    return distance - sum((2 * k - n + 1) * total for k, total in enumerate(totals)) / n**2


@dataclass(slots=True)
class _Bin:
    """Brackets that were given much the same probability; `errors` sums, by window, the forecasts' own."""

    n: int = 0
    said: float = 0.0
    came: int = 0
    errors: dict[Span, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, window: Span, probabilities: Sequence[float], came: bool) -> None:
        """Add those of one forecast: at most one of them comes."""
        said = sum(probabilities)
        self.n += len(probabilities)
        self.said += said
        self.came += came
        self.errors[window] += math.sqrt(max(said * (1 - said), 0.0))

    def told(self, k: int, spells: Mapping[Span, int]) -> SaidAndCame:
        """What they say together.

        Forecasts of one spell are taken to err together, which is the worst they can do (Cauchy-Schwarz).
        """
        by_spell: dict[int, float] = defaultdict(float)
        for window, error in self.errors.items():
            by_spell[spells[window]] += error
        ends = (k / BINS, (k + 1) / BINS)
        if not self.n:
            return SaidAndCame(*ends, 0, 0, None, None, None, None)
        said, error = self.said / self.n, QUANTILE_95 * math.hypot(*by_spell.values()) / self.n
        least, most = max(said - error, 0.0), min(said + error, 1.0)
        return SaidAndCame(*ends, self.n, len(by_spell), said, self.came / self.n, least, most)


@dataclass(slots=True)
class _Sums:
    """The forecasts of one version and kind of window, added one by one: none of them is kept."""

    windows: set[Span] = field(default_factory=set)
    pit: list[float] = field(default_factory=list)
    crps: float = 0.0
    absolute: float = 0.0
    error: float = 0.0
    logs: list[float] = field(default_factory=list)
    inside: list[int] = field(default_factory=lambda: [0] * len(LEVELS))
    above: int = 0
    below: int = 0
    bins: list[_Bin] = field(default_factory=lambda: [_Bin() for _ in range(BINS)])

    def add(self, row: Row[Any]) -> None:
        """Add a forecast that came to pass; not one that cannot be read."""
        actual, said = row.actual_total, stored.mapping(row.quantiles)
        came, likely = _bracket_of(row.brackets, actual), stored.probabilities(row.bracket_probabilities)
        if came is None or came >= len(likely) or not all(_is_number(said.get(key)) for key in _KEYS):
            return
        totals = sorted(said[key] for key in _MIDPOINT_KEYS)
        ends = [(said[low], said[high]) for low, high in _ENDS]
        window = Span(row.window_start, row.window_end)
        self.windows.add(window)
        self.pit.append(_pit(totals, actual, f"{row.seed} {row.id}"))
        self.crps += crps(totals, actual)
        self.absolute += abs(row.predicted_total - actual)
        self.error += row.predicted_total - actual
        self.inside = [held + (low <= actual <= high) for held, (low, high) in zip(self.inside, ends, strict=True)]
        self.below += actual < ends[-1][0]
        self.above += actual > ends[-1][1]
        self._add_brackets(window, came, likely)

    def _add_brackets(self, window: Span, came: int, probabilities: Sequence[float]) -> None:
        if probabilities[came] > 0:
            self.logs.append(-math.log(probabilities[came]))
        given: dict[int, list[float]] = defaultdict(list)
        for probability in probabilities:
            if probability > 0:  # one that had been passed is no forecast
                given[_bin_of(probability)].append(probability)
        home = _bin_of(probabilities[came]) if probabilities[came] > 0 else None
        for k, those in given.items():
            self.bins[k].add(window, those, k == home)

    def scores(self, model_metadata_id: int, model: str, version: str, window: str) -> WindowScores:
        """What they say together."""
        n, spells = len(self.pit), apart(self.windows)
        return WindowScores(
            model_metadata_id=model_metadata_id,
            model=model,
            version=version,
            window=window,
            n=n,
            apart=len(set(spells.values())),
            crps=self.crps / n,
            log_score=sum(self.logs) / len(self.logs) if self.logs else None,
            impossible=n - len(self.logs),
            mae=self.absolute / n,
            bias=self.error / n,
            coverages=tuple(held / n for held in self.inside),
            above_95=self.above,
            below_95=self.below,
            pit=tuple(self.pit),
            reliability=tuple(one.told(k, spells) for k, one in enumerate(self.bins)),
        )


def _scored(counting: str, since: datetime | None) -> tuple[ColumnElement[bool], ...]:
    wanted = (WindowForecast.counting == counting, WindowForecast.actual_total.is_not(None))
    return wanted if since is None else (*wanted, WindowForecast.made_at >= since)


def _pit(totals: Sequence[float], observed: float, seed: str) -> float:
    """The randomised PIT (Czado, Gneiting & Held 2009), drawn from the hash of `seed`: the same each time."""
    below = sum(total < observed for total in totals) / len(totals)
    at_most = sum(total <= observed for total in totals) / len(totals)
    drawn = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8]) / 2**64
    return below + drawn * (at_most - below)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _bin_of(probability: float) -> int:
    return min(int(probability * BINS), BINS - 1)


def _bracket_of(brackets: str, total: int) -> int | None:
    found = enumerate(_parsed(brackets))
    return next((k for k, (low, high) in found if low <= total and (high is None or total <= high)), None)


@lru_cache(maxsize=16)
def _parsed(brackets: str) -> list[tuple[int, int | None]]:
    return stored.brackets(brackets)
