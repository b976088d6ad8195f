"""What starting costs, beside a bare interpreter in the same run: `python tests/benchmarks/bench_startup.py`."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time

RUNS = 15
COMMANDS = (["--help"], ["config"], ["status"], ["migrate", "current"])


def main() -> None:
    """Print the median wall time of each command and its ratio to `python -c pass`."""
    with tempfile.TemporaryDirectory() as directory:
        environment = os.environ | {"MUSKTRACKER_DATA_DIR": directory}
        subprocess.run(_musktracker("status"), env=environment, check=True, capture_output=True)
        bare = _median([sys.executable, "-c", "pass"], environment)
        print(f"python -c pass           {bare * 1000:7.1f} ms")
        for command in COMMANDS:
            taken = _median(_musktracker(*command), environment)
            print(f"musktracker {' '.join(command):<12} {taken * 1000:7.1f} ms   {taken / bare:5.2f} x bare")


def _musktracker(*arguments: str) -> list[str]:
    return [os.path.join(os.path.dirname(sys.executable), "musktracker"), *arguments]  # noqa: PTH118, PTH120


def _median(command: list[str], environment: dict[str, str]) -> float:
    times = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        subprocess.run(command, env=environment, check=True, capture_output=True)
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


if __name__ == "__main__":
    main()
