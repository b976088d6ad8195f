"""How well and how fast the models forecast: the protocol over a file of posts, one line a model.

python tests/benchmarks/bench_models.py POSTS.csv[.gz] [--year 2025] [--hole START END]... [--models NAME,NAME]
    [--every N] [--paths N] [--set MODEL.NAME=VALUE]... [--reference NAME] [--speed]

The file has a column created_at. Hours in a hole (dates, the end excluded) count as not observed. Skill is that over
the reference on the same origins, with its 95% interval. SARIMAX, which takes seconds, is run on every third origin.
Seconds are those of a fit with its paths, in one thread. `--speed` instead times the likelihood of a self-exciting
process on all posts of the file, and each model's fit with 2,000 and with 10,000 paths at its end.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import csv
import gzip
import sys
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from musktracker.evaluation import protocol
from musktracker.evaluation.backtest import Refused
from musktracker.evaluation.origins import of_period as origins_of
from musktracker.evaluation.protocol import Scored
from musktracker.models import excitation, registry
from musktracker.models.base import History, SimulationWarning
from musktracker.models.excitation import Kernel
from musktracker.timeline import floor_day, from_hour_index, hour_index, parse_time

EVERY = {"sarimax": 3}
SHOWN = ("hourly_168", "hourly_24", "lead_1", "total_24", "in_play", "total_168", "log_score")
COVERED = ("total_24", "in_play", "total_168")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("posts", type=Path, help="a CSV of posts with created_at")
    parser.add_argument("--year", type=int, default=2025)
    parser.add_argument("--hole", nargs=2, action="append", default=[], metavar=("START", "END"))
    parser.add_argument("--models", default=",".join(registry.names()))
    parser.add_argument("--every", type=int, default=1, help="take every Nth origin only")
    parser.add_argument("--paths", type=int, default=protocol.PATHS)
    parser.add_argument("--set", action="append", default=[], metavar="MODEL.NAME=VALUE")
    parser.add_argument("--reference", default="seasonal_naive")
    parser.add_argument("--speed", action="store_true")
    arguments = parser.parse_args()
    history = read(arguments.posts, arguments.hole)
    print(f"{len(history.posts if history.posts is not None else ()):,} posts in {len(history.counts):,} hours")
    warnings.simplefilter("ignore", SimulationWarning)
    names = arguments.models.split(",")
    if arguments.speed:
        measure_speed(history, names)
        return
    begin, end = (hour_index(datetime(year, 1, 1, tzinfo=UTC)) for year in (arguments.year, arguments.year + 1))
    chosen = origins_of(begin, end)[:: arguments.every]
    wanted = [(name, *part.split("=")) for name, part in (one.split(".", 1) for one in arguments.set)]
    found = {}
    for name in dict.fromkeys([arguments.reference, *names]):
        hyperparameters = {key: value for model, key, value in wanted if model == name}
        found[name] = run(name, hyperparameters, history, chosen[:: EVERY.get(name, 1)], arguments.paths)
    show(found, arguments.reference)


def read(path: Path, holes: list[list[str]]) -> History:
    """The history of a file, from its first day to its last whole hour's day."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        times = sorted(parse_time(row["created_at"]) for row in csv.DictReader(file))
    start = hour_index(floor_day(times[0]))
    end = hour_index(floor_day(times[-1])) + 24
    posts = np.array([round(moment.timestamp() * 1e6) for moment in times], dtype=np.int64)
    counts = np.bincount(posts // 3_600_000_000 - start, minlength=end - start).astype(np.float64)
    for first, last in ([parse_time(text, ZoneInfo("UTC")) for text in hole] for hole in holes):
        counts[hour_index(first) - start : hour_index(last) - start] = np.nan
    return History(start, counts, posts=posts)


def run(
    name: str, hyperparameters: dict[str, Any], history: History, chosen: list[int], n_paths: int
) -> list[Scored]:
    """Score a model, telling progress on stderr."""
    refused = Refused()
    done: list[int] = []

    def tell(origin: int) -> None:
        done.append(origin)
        print(f"\r{name}: {len(done)} of {len(chosen)} ", end="", file=sys.stderr, flush=True)

    model = registry.create(name, hyperparameters)
    scored = list(protocol.evaluate(model, history, chosen, n_paths=n_paths, refused=refused, tell=tell))
    print("\r" + " " * 60 + "\r", end="", file=sys.stderr)
    for origin, reason in refused.reasons.items():
        print(f"{name} left out {from_hour_index(origin):%Y-%m-%d %H:%M}: {reason}")
    return scored


def show(found: dict[str, list[Scored]], reference: str) -> None:
    """Print scores, coverage, misses and skill."""
    width = max(map(len, found))
    print(f"{'':{width}} {'origins':>7} " + " ".join(f"{name:>10}" for name in SHOWN) + f" {'ms':>7}")
    summaries = {name: protocol.summary(scored) for name, scored in found.items()}
    for name, one in summaries.items():
        cells = " ".join(f"{one[score]:10.3f}" if score in one else f"{'':10}" for score in SHOWN)
        print(f"{name:{width}} {one['origins']:7.0f} {cells} {1000 * one.get('seconds', np.nan):7.0f}")
    print("\ncoverage of 50% and 95%, misses above and below 95%, mean width of 95%, MAE, RMSE")
    for name, one in summaries.items():
        print(f"{name:{width}} hourly (PIT) {one['hourly_covered_50']:.2f} {one['hourly_covered_95']:.2f}", end="")
        for total in COVERED:
            shares = " ".join(f"{one[f'{kind}_{total}']:.2f}" for kind in ("covered_50", "covered_95"))
            misses = " ".join(f"{one[f'{side}_95_{total}']:.2f}" for side in ("above", "below"))
            rest = " ".join(f"{one[f'{kind}_{total}']:.0f}" for kind in ("width_95", "mae", "rmse"))
            print(f" | {total} {shares} {misses} {rest}", end="")
        print()
    print(f"\nskill over {reference} on the same origins, with its 95% interval")
    for name, scored in found.items():
        skills = {score: protocol.compare(scored, found[reference], score) for score in SHOWN if score != "log_score"}
        cells = "  ".join(
            f"{s} {100 * k.skill:5.1f}% ({100 * k.lower:.0f}..{100 * k.upper:.0f})" for s, k in skills.items()
        )
        print(f"{name:{width}} {cells}")


def measure_speed(history: History, names: list[str]) -> None:
    """Print what a value of the likelihood, and what each model's fit with its paths take at the last origin."""
    posts = history.posts if history.posts is not None else np.empty(0, dtype=np.int64)
    times = posts / 3.6e9
    starts, ends = np.array([float(history.start)]), np.array([float(history.origin)])
    inside, gaps, left = excitation.stretches(times, starts, ends)
    events = excitation.Events(times[inside], gaps, left, np.ones(len(inside)), float(len(history.counts)))
    for kernel in (
        Kernel(0.51, np.array([0.80]), np.array([60 / 5.9])),
        Kernel(0.51, np.array([0.52, 0.31, 0.05]), np.array([60 / 3.2, 60 / 18, 1 / 103])),
    ):
        for compiled in (False, True):
            seconds = best(lambda k=kernel, c=compiled: excitation.log_likelihood(k, events, compiled=c))  # type: ignore[misc]
            how = "numba" if compiled else "numpy"
            print(f"likelihood and gradient, {len(kernel.ratios)} exponentials, {how}: {1000 * seconds:.1f} ms")
    origin = history.origin
    for name in names:
        model = registry.create(name)
        fitted = model.fit(history)
        fit = best(lambda: model.fit(history), 3)  # noqa: B023
        paths = {
            n: best(lambda n=n: fitted.simulate(origin, 168, n, np.random.default_rng(1)), 3)  # type: ignore[misc] # noqa: B023
            for n in (2_000, 10_000)
        }
        print(
            f"{name}: fit {1000 * fit:.0f} ms" + "".join(f", {n:,} paths {1000 * s:.0f} ms" for n, s in paths.items())
        )


def best(function: Callable[[], Any], rounds: int = 20) -> float:
    """The least seconds of a few rounds."""
    found = []
    for _ in range(rounds):
        begin = time.perf_counter()
        function()
        found.append(time.perf_counter() - begin)
    return min(found)


if __name__ == "__main__":
    main()
