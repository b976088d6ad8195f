"""Promotion: a version becomes the champion by passing a gate, or for a stated reason.

A version is one fit to one stretch of data; what forecasts to come will be worth is a matter of its recipe, the model
with its hyperparameters. So a version is judged by its recipe, fitted anew at each of the last 120 origins, 73 h
apart, that have a week ahead before the end of the version's data (evaluation/protocol.py; a year, for the totals of
half a year differ more between periods than between models), and the champion by its own recipe at the same origins
of the same data. Both are stored backtests, kept for a while (retention.py): no gate computes again what one before
it has.

The gate, on the totals of 24 hours and of 7 days:
- the version's own fit converged, and it counts the posts that the database counts now;
- at least 20 origins could be scored;
- the 95% interval covers 90% to 98%, the 50% interval 40% to 60%, as far as so many origins can tell: at the nearer
  end of the range, what was held (or still more, or still less) would come with a probability of 2.5% or more;
- the skill over the champion (1 - CRPS / its CRPS, paired) is above 0, and its block-bootstrap interval of 95% does
  not reach down to -2%. Not asked of the first champion, nor of a version of the champion's own recipe, which must
  have been trained on data as new as the champion's instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Engine

from musktracker.db import settings
from musktracker.db.engines import reading, writing
from musktracker.errors import DataError, UsageError
from musktracker.evaluation import protocol
from musktracker.evaluation.origins import HORIZON, SPACING
from musktracker.evaluation.protocol import Scored
from musktracker.leases import require_lease
from musktracker.models import registry
from musktracker.pipeline import aliases, backtest, retention
from musktracker.pipeline.aliases import CHAMPION, Version
from musktracker.reporting import Progress, Run
from musktracker.timeline import HOUR, iso

ORIGINS = 120
LEAST_ORIGINS = 20
TOTALS = {"total_24": "24 h", "total_168": "7 d"}
COVERED = {50: (0.40, 0.60), 95: (0.90, 0.98)}  # the level of an interval, and the coverage that is in range
DOUBT = 0.025
WORST_SKILL = -0.02


@dataclass(frozen=True, slots=True)
class Gate:
    """How a version was judged. `judged` is first, equal (the champion's recipe) or better; `failed` says why not.

    `coverage` has by total and level the share held, how many of `n` and how many may be; `skill` by total the skill
    over the champion with its interval; `backtests` the names of the stored ones, the version's first.
    """

    judged: str
    champion: str | None
    converged: bool | None
    origins: int
    backtests: tuple[str, ...]
    coverage: Mapping[str, Mapping[str, Mapping[str, float]]]
    skill: Mapping[str, Mapping[str, float]]
    failed: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.failed

    def figures(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {"passed": self.passed, **asdict(self)}


class GateFailed(DataError):
    """A version that did not pass the gate, and that nobody stated a reason for."""

    def __init__(self, chosen: Version, gate: Gate) -> None:
        super().__init__(
            f"{chosen} does not pass the gate: {'; '.join(gate.failed)}",
            "Promote it all the same with --reason TEXT, which is recorded, or train another",
            {"gate": gate.figures()},
        )


def promote(
    engine: Engine,
    run: Run,
    *,
    model: str,
    version: str | None = None,
    alias: str = CHAMPION,
    reason: str | None = None,
    or_fail: bool = True,
    jobs: int | None = None,
) -> dict[str, Any]:
    """Let `alias` mean a version: `model` is a model (its newest, or `version`), `har_bootstrap:v3` or `@challenger`.

    The champion has to pass the gate, unless a `reason` is stated: then its figures are recorded beside the reason.
    A challenger needs none. `jobs` processes work on the backtests (one a core). Raises GateFailed where it does not
    pass (not `or_fail`: a warning, and everything stays), DataError where there is no such version, UsageError for
    what cannot be.
    """
    aliases.parse(f"@{alias}")
    reason = aliases.checked_reason(reason)
    run.progress(0.0, stage="load", message="reading the versions")
    chosen = aliases.promotable(engine, model, version)
    with reading(engine) as connection:
        before = aliases.holder(connection, alias)
    found = {
        "alias": alias,
        "model": chosen.name,
        "version": chosen.version,
        "model_metadata_id": chosen.id,
        "before": None if before is None else before.key,
        "reason": reason,
    }
    if before is not None and before.id == chosen.id:
        run.info(f"{chosen} is the {alias} already")
        return {**found, "changed": False, "gate": None}
    gate = judge(engine, run, chosen, before, jobs=jobs) if alias == CHAMPION else None
    if gate is not None and not gate.passed and reason is None:
        refused = GateFailed(chosen, gate)
        if or_fail:
            raise refused
        run.warning(refused.message)
        return {**found, "changed": False, "gate": gate.figures()}
    for text in gate.failed if gate is not None else ():
        run.warning(f"In spite of this: {text}")
    figures = None if gate is None else gate.figures()
    with writing(engine) as connection:
        require_lease(connection, run)
        aliases.point(connection, alias, chosen, before=before, reason=reason, gate=figures)
    run.info(f"{chosen} is the {alias} now" + (f", instead of {before}" if before else ""))
    return {**found, "changed": True, "gate": figures}


def judge(engine: Engine, run: Run, chosen: Version, against: Version | None, *, jobs: int | None = None) -> Gate:
    """Judge a version by the gate, `against` the champion; the figures go to the run's log."""
    same = against is not None and _same_recipe(chosen, against)
    compared = None if same else against
    failed = _unfit(engine, chosen, against if same else None)
    parts = [chosen] if compared is None else [chosen, compared]
    scored: list[Sequence[Scored]] = []
    names: list[str] = []
    try:
        for k, part in enumerate(parts):
            reports = _Part(run, k / len(parts), (k + 1) / len(parts))
            name = _backtest(engine, reports, part, chosen.training_end, jobs)
            names.append(name)
            scored.append(backtest.load(engine, name).get(part.name, []))
    except (DataError, UsageError) as reason:
        failed.append(f"{'it' if part is chosen else part} could not be judged: {reason.message}")
    coverage, unheld = _coverage(scored[0] if scored else [])
    skill, worse = _skill(scored[0], scored[1], str(compared)) if len(scored) == 2 else ({}, [])
    if scored:
        failed += unheld + worse
    gate = Gate(
        judged="first" if against is None else "equal" if same else "better",
        champion=None if against is None else against.key,
        converged=chosen.converged,
        origins=len(scored[0]) if scored else 0,
        backtests=tuple(names),
        coverage=coverage,
        skill=skill,
        failed=tuple(failed),
    )
    _tell(run, chosen, gate)
    return gate


def _unfit(engine: Engine, chosen: Version, equal: Version | None) -> list[str]:
    """What speaks against the version itself; `equal` is a champion of its recipe."""
    found = []
    if chosen.converged is False:
        found.append("its fit did not converge")
    with reading(engine) as connection:
        counting = settings.counting(connection)
    if chosen.counting not in (None, counting):
        found.append(f"it counts {chosen.counting!r}, but the database now counts {counting!r}")
    if equal is not None and chosen.training_end < equal.training_end:
        found.append(f"it is {equal} trained on older data, until {iso(chosen.training_end)}")
    return found


def _same_recipe(one: Version, other: Version) -> bool:
    try:
        return _recipe(one) == _recipe(other)
    except UsageError:  # a model or a hyperparameter that there is no more
        return False


def _recipe(version: Version) -> tuple[str, dict[str, Any]]:
    """Model and hyperparameters, those that are not stored at their defaults."""
    return version.name, registry.hyperparameters(registry.create(version.name, version.recipe))


def _backtest(engine: Engine, run: Run, version: Version, end: datetime, jobs: int | None) -> str:
    """The name of the stored backtest of a version's recipe at the last origins before `end`."""
    model, hyperparameters = _recipe(version)
    length: timedelta = ((ORIGINS - 1) * SPACING + HORIZON) * HOUR
    made = backtest.backtest(
        engine,
        run,
        models=[model],
        hyperparameters={model: hyperparameters},
        begin=iso(end - length),
        end=iso(end),
        jobs=jobs,
        purpose=retention.GATE,
    )
    return str(made["name"])


def _coverage(scored: Sequence[Scored]) -> tuple[dict[str, dict[str, dict[str, float]]], list[str]]:
    """By total and level what was held, and what of it is out of range."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    failed = []
    for total, words in TOTALS.items():
        n = int((~np.isnan(protocol.column(scored, total))).sum())
        if n < LEAST_ORIGINS:
            failed.append(f"the {words} total could be scored at {n} origins, and {LEAST_ORIGINS} are needed")
            continue
        found[total] = {}
        for level, covered in COVERED.items():
            held = int(np.nansum(protocol.column(scored, f"covered_{level}_{total}")))
            least, most = may_be_held(n, *covered)
            found[total][str(level)] = {"share": held / n, "held": held, "n": n, "least": least, "most": most}
            if not least <= held <= most:
                failed.append(
                    f"the {level}% interval of the {words} total held {held / n:.0%} "
                    f"({held} of {n}, and {least} to {most} may be)"
                )
    return found, failed


def may_be_held(n: int, lowest: float, highest: float) -> tuple[int, int]:
    """How few and how many of `n` an interval may hold whose coverage is from `lowest` to `highest`.

    The tails of the binomial distribution at both ends, each beyond which less than 2.5% lies.
    """
    from scipy.stats import binom

    return int(binom.ppf(DOUBT, n, lowest)), int(binom.ppf(1 - DOUBT, n, highest))


def _skill(
    scored: Sequence[Scored], theirs: Sequence[Scored], champion_name: str
) -> tuple[dict[str, dict[str, float]], list[str]]:
    """By total the skill over the champion, and where it is not better."""
    found: dict[str, dict[str, float]] = {}
    failed = []
    for total, words in TOTALS.items():
        try:
            skill = protocol.compare(scored, theirs, total)
        except ValueError:
            failed.append(f"the {words} total could be compared with {champion_name} at no origin")
            continue
        if not np.isfinite([skill.skill, skill.lower, skill.upper]).all():
            failed.append(f"the {words} total was forecast without any error by {champion_name}")
            continue
        found[total] = asdict(skill)
        if not (skill.skill > 0 and skill.lower > WORST_SKILL):
            failed.append(
                f"the {words} total's {_skill_words(found[total])} over {champion_name} is not above 0% with a lower "
                f"end above {WORST_SKILL:.0%}"
            )
    return found, failed


def _skill_words(skill: Mapping[str, float]) -> str:
    return f"skill {skill['skill']:+.1%} ({skill['lower']:+.1%} to {skill['upper']:+.1%}, {skill['n']} origins)"


def _tell(run: Run, chosen: Version, gate: Gate) -> None:
    """The figures of a gate, a line each total."""
    against = {"first": "there is no champion yet", "equal": "of the champion's own recipe"}
    run.info(
        f"{chosen} at {gate.origins} origins, {against.get(gate.judged, f'against {gate.champion}')}",
        backtests=list(gate.backtests),
    )
    for total, levels in gate.coverage.items():
        held = ", ".join(f"{level}% interval held {one['share']:.0%}" for level, one in levels.items())
        skill = f"; {_skill_words(gate.skill[total])}" if total in gate.skill else ""
        run.info(f"{TOTALS[total]} total: {held}{skill}")
    if gate.passed:
        run.info("The gate is passed")


class _Part(Run):
    """Passes what a stage reports on to a run, as the part of it between two fractions."""

    def __init__(self, whole: Run, begin: float, end: float) -> None:
        super().__init__()
        self.id = whole.id
        self._whole, self._begin, self._end = whole, begin, end

    def log(self, level: str, message: str, **fields: Any) -> None:
        """As in Run."""
        self._whole.log(level, message, **fields)

    def advance(self, to: Progress) -> None:
        """As in Run."""
        if to.fraction is not None:
            to = to._replace(fraction=self._begin + (self._end - self._begin) * to.fraction)
        self._whole.advance(to)

    def check(self) -> None:
        """As in Run."""
        self._whole.check()
