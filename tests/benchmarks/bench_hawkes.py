"""How long an exact likelihood of a self-exciting process takes beside the fastest libraries, and a whole fit.

python tests/benchmarks/bench_hawkes.py POSTS.csv[.gz] [--repeat 7]

One exponential kernel on a constant baseline, all posts of the file, one thread, the least time of some rounds; what
compiles does so before. A value is the log-likelihood with its gradient by the three parameters. A fit is maximum
likelihood from the same start (intensify chooses its own); the log-likelihood that each way reaches is printed.
Needs the extras `fast` and `bench`.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAYON_NUM_THREADS", "1")

import argparse
from pathlib import Path
from typing import Any

import hawkesbook
import intensify
import numpy as np
from bench_models import best, read
from scipy.optimize import minimize

from musktracker.models import excitation
from musktracker.models.excitation import Kernel

START = (0.5, 0.5, 5.0)  # base an hour, branching ratio, rate of decay an hour


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("posts", type=Path, help="a CSV of posts with created_at")
    parser.add_argument("--repeat", type=int, default=7)
    arguments = parser.parse_args()
    history = read(arguments.posts, [])
    posts = history.posts if history.posts is not None else np.empty(0, dtype=np.int64)
    times, length = posts / 3.6e9 - history.start, float(len(history.counts))
    print(f"{len(times):,} posts in {length:,.0f} hours")
    values = {
        "hawkesbook (numba)": lambda: _of_hawkesbook(times, length),
        "ours, numba": lambda: excitation.log_likelihood(_kernel(START), events, compiled=True),
        "ours, numpy": lambda: excitation.log_likelihood(_kernel(START), events, compiled=False),
    }
    fits = {
        "hawkesbook (numba)": lambda: _fit_hawkesbook(times, length),
        "intensify (Rust)": lambda: _fit_intensify(times, length),
        "ours, numba": lambda: _fit(compiled=True),
        "ours, numpy": lambda: _fit(compiled=False),
    }
    inside, gaps, left = excitation.stretches(times, np.zeros(1), np.array([length]))
    events = excitation.Events(times[inside], gaps, left, np.ones(len(inside)), length)

    def _fit(*, compiled: bool) -> float:
        def loss(logs: Any) -> tuple[float, Any]:
            value, gradient = excitation.log_likelihood(_kernel(np.exp(logs)), events, compiled=compiled)
            return -value, -gradient * np.exp(logs)

        return -float(minimize(loss, np.log(START), jac=True, method="L-BFGS-B").fun)

    for title, ways in (("a value and its gradient", values), ("a whole fit", fits)):
        _show(title, ways, arguments.repeat)


def _show(title: str, ways: dict[str, Any], repeat: int) -> None:
    found = {}
    for name, way in ways.items():
        result = way()  # compiles
        found[name] = (best(way, repeat), result if isinstance(result, float) else result[0])
    least = min(seconds for name, (seconds, _) in found.items() if not name.startswith("ours"))
    print(f"\n{title:34} {'ms':>8} {'ratio':>6} {'log-likelihood':>15}")
    for name, (seconds, value) in found.items():
        print(f"{name:34} {1000 * seconds:8.2f} {seconds / least:6.2f} {value:15,.1f}")


def _kernel(parameters: Any) -> Kernel:
    base, ratio, rate = parameters
    return Kernel(float(base), np.array([ratio]), np.array([rate]))


def _of_hawkesbook(times: Any, length: float) -> tuple[float, Any]:
    base, ratio, rate = START
    theta = np.array([base, ratio * rate, rate])
    return (
        float(hawkesbook.exp_log_likelihood(times, length, theta)),
        hawkesbook.deriv_exp_log_likelihood(times, length, theta),
    )


def _fit_hawkesbook(times: Any, length: float) -> float:
    base, ratio, rate = START
    found = hawkesbook.exp_mle_with_grad(times, length, np.array([base, ratio * rate, rate]))
    return float(hawkesbook.exp_log_likelihood(times, length, found))


def _fit_intensify(times: Any, length: float) -> float:
    kernel = intensify.ExponentialKernel(alpha=START[1], beta=START[2])
    return float(intensify.Hawkes(mu=START[0], kernel=kernel).fit(times, T=length).log_likelihood)


if __name__ == "__main__":
    main()
