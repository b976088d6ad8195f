"""The console against its budgets in a real terminal, beside harlequin on the same database in the same run.

    python tests/benchmarks/bench_console.py PROBE [--database PATH] [--harlequin COMMAND] [--runs N]

PROBE is a tui_probe.py: what starts a program in a pseudo-terminal of 120x36, presses keys and counts. Without
a database a full one is made. CPU and bytes are what a busy machine does not change: they stand first.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import importlib.util
import os
import shlex
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bench_fan_chart
import full_database

SIZE = (120, 36)
QUIET, LIMIT, TIMEOUT = 0.15, 1.5, 20.0
REST = 0.6  # seconds without a change, after which nothing more follows a move
PRESSING = 20.0  # seconds that a series of keys takes at most
BACK = {"down": "up", "right": "left", "pagedown": "pageup"}
IDLE_SECONDS, FOLLOW_SECONDS = 5.0, 10.0
CONSOLE = [sys.executable, "-m", "musktracker.cli.main"]
DEAF = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh"]  # starts a program that ignores hang-ups
SCREENS = {  # the keys to it, what is on it once it has read, the key that moves its cursor
    "Overview": ("2,1", "Last runs", "down"),
    "Migrations": ("2", "Schema at", "down"),
    "Ingestion": ("3", "Log of run", "down"),
    "Events": ("4", r"Event \d+", "down"),
    "Models": ("5", "seasonal_naive", "down"),
    "Backtests": ("5,b", "Origins done", "down"),
    "Backtest": ("5,b,G,up,enter", "Skill over", "down"),
    "Forecasts": ("6", "Posts an hour", "down"),
    "Fan chart": ("6,c", "Posts an hour", "right"),
    "Windows": ("6,w", "Brackets", "down"),
    "Calibration": ("6,d", "Bias", "down"),
    "Alerts": ("A", "Silent for", "down"),
    "Service": ("S", "Outcome", "down"),
    "Settings": ("C", "Variable", "down"),
    "Coverage": ("3,C", "not fetched", "down"),
    "Versions": ("5,space,down,space,c", "Hyperparameters", "down"),
    "Two backtests": ("5,b,space,down,space,c", "First better", "down"),
}
QUERY = "select * from runs"
BUDGETS = {
    "first paint CPU ms": 550,
    "first paint ms": 500,
    "ready ms": 800,
    "switch ms": 100,
    "cursor ms": 12,
    "cursor p95 ms": 25,
    "cursor bytes": 1_300,
    "page ms": 60,
    "page bytes": 14_000,
    "idle CPU %": 0.3,
    "idle B/s": 0,
    "RSS MiB": 80,
    "follow 4 Hz B/s": 25_000,
    "follow 4 Hz CPU %": 3,
    "follow 1 Hz B/s": 6_000,
    "cursor p95 ms while training": 20,
    "fan redraw ms": 10,
    "exit ms": 500,
    "hang-up ms": 1_000,
    "left behind": 0,
}
Figures = dict[tuple[str, str], list[float]]


def main() -> None:
    """Measure, and print the table."""
    arguments = _arguments()
    probe = _module(arguments.probe)
    ours: Figures = defaultdict(list)
    theirs: Figures = defaultdict(list)
    with tempfile.TemporaryDirectory() as directory:
        path = _database(Path(directory), arguments.database)
        for package in ("musktracker", "tui"):  # as it is after the first start
            compileall.compile_dir(importlib.import_module(package).__path__[0], quiet=1)
        console = Bench(probe, CONSOLE, {"MUSKTRACKER_DATA_DIR": directory}, "Last runs", "q", ours)
        other = None
        if arguments.harlequin:
            command = [*shlex.split(arguments.harlequin), "-a", "sqlite", str(path)]
            other = Bench(probe, command, {}, "main db", "ctrl+q", theirs)
        for _ in range(arguments.runs):
            console.visit_screens()
            console.follow(path)
            console.move_while_training(Path(directory))
            if other is not None:
                typed = ["space" if character == " " else character for character in QUERY]
                other.move([*typed, "ctrl+j", "f5"], "down")
        for bench in filter(None, (console, other)):
            bench.end_in_every_way()
    ours["", "fan redraw ms"] = [bench_fan_chart.measured(_redraw())]
    print_table(ours, theirs)


class Bench:
    """One program in its terminal; what is measured is added to `figures`, by screen and name."""

    def __init__(
        self, probe: Any, command: list[str], environ: dict[str, str], ready: str, leave: str, figures: Figures
    ) -> None:
        self.probe = probe
        self.command = command
        self.environ = probe.build_environment([]) | environ
        self.ready = ready
        self.leave = leave
        self.figures = figures

    def visit_screens(self) -> None:
        """Start, go to each screen, move in it, and leave it alone; each in a process of its own."""
        for screen, (keys, shown, move) in SCREENS.items():
            with self.started(screen) as session:
                for key in keys.split(","):
                    press = session.press(key, QUIET, LIMIT)
                self.note(screen, "switch ms", press.change_ms)
                self.wait_for(session, shown)
                session.pump_until_quiet(0.5, 5.0)
                self.presses(screen, session, move)
                session.pump_until_quiet(1.0, 5.0)
                self.idle(screen, session)

    def move(self, before: Sequence[str], key: str) -> None:
        """Start, move and idle on the one screen there is, after these keys."""
        with self.started("") as session:
            for first in before:
                session.press(first, QUIET, LIMIT)
            self.presses("", session, key)
            self.idle("", session)

    def follow(self, path: Path) -> None:
        """Follow a log that grows at ten lines a second, then at one."""
        for hertz, every in ((4, 0.1), (1, 1.0)):
            with growing_log(path, every), self.started("Ingestion") as session:
                session.press("3", QUIET, LIMIT)
                self.wait_for(session, "following")
                session.pump_until_quiet(0.5, 2.0)
                idle = session.idle(FOLLOW_SECONDS)
                self.note("Ingestion", f"follow {hertz} Hz B/s", idle["bytes_per_second"])
                self.note("Ingestion", f"follow {hertz} Hz CPU %", idle["cpu_percent"])

    def move_while_training(self, directory: Path) -> None:
        """Move in the list of events while a model is fitted beside it."""
        environ = os.environ | {"MUSKTRACKER_DATA_DIR": str(directory)}
        task = ["backtest", "--models", "negative_binomial", "--jobs", "1", "--step", "25"]
        with self.started("Events") as session:
            session.press("4", QUIET, LIMIT)
            self.wait_for(session, r"Event \d+")
            training = subprocess.Popen(
                [*CONSOLE, *task, "--name", f"beside {time.time_ns()}"],
                env=environ,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            session.pump_for(2.0)
            changes = [session.press("down", QUIET, LIMIT).change_ms for _ in range(40)]
            training.terminate()
            training.wait()
        self.note("Events", "cursor p95 ms while training", p95([ms for ms in changes if ms is not None]))

    def end_in_every_way(self) -> None:
        """Leave by key, signal and hang-up, also where that is ignored; count what the terminal was left with."""
        for how in (self.leave, "SIGTERM", "SIGINT", "SIGHUP", "hangup", "deaf hangup"):
            session = self.start(DEAF if how.startswith("deaf") else [])
            self.wait_for(session, self.ready)
            session.pump_until_quiet(QUIET, LIMIT)
            end = session.end(how.removeprefix("deaf "), 5.0)
            kept = len(end.get("left_behind", ())) + end["hung"]
            self.note(how, "hang-up ms" if how.endswith("hangup") else "exit ms", end["exit_ms"])
            self.note(how, "left behind", kept)

    @contextlib.contextmanager
    def started(self, screen: str) -> Iterator[Any]:
        """A session that has painted and read; its memory at the end is the screen's."""
        session = self.start([])
        try:
            session.pump_until(lambda text: bool(text.strip()), TIMEOUT)
            self.note("", "first paint CPU ms", session.cpu_ms)
            self.note("", "first paint ms", session.first_paint)
            self.wait_for(session, self.ready)
            self.note("", "ready ms", (session.last_change - session.started) * 1000)
            session.pump_until_quiet(QUIET, LIMIT)
            self.note("", "ready CPU ms", session.cpu_ms)
            yield session
            session.sample_memory()
            self.note(screen, "RSS MiB", session.peak_rss)
        finally:
            session.close()

    def start(self, before: list[str]) -> Any:
        """The program in a terminal of its own."""
        return self.probe.Session([*before, *self.command], *SIZE, self.environ)

    def presses(self, screen: str, session: Any, key: str) -> None:
        """Move the cursor and page; then let it rest, until what follows it has followed."""
        moves = self.there_and_back(session, key, 24)
        changes = [press.change_ms for press in moves if press.change_ms is not None]
        if changes:
            self.note(screen, "cursor CPU ms", statistics.median(press.cpu_ms for press in moves))
            self.note(screen, "cursor bytes", statistics.median(press.bytes for press in moves))
            self.note(screen, "cursor ms", statistics.median(changes))
            self.note(screen, "cursor p95 ms", p95(changes))
        changed = [press for press in self.there_and_back(session, "pagedown", 5) if press.change_ms is not None]
        if changed:
            self.note(screen, "page bytes", statistics.median(press.bytes for press in changed))
            self.note(screen, "page ms", statistics.median(press.change_ms for press in changed))
        self.note(screen, "cursor at rest, bytes", session.press(key, REST, 2 * LIMIT).bytes)

    def there_and_back(self, session: Any, key: str, times: int) -> list[Any]:
        """Press a key, and the opposite one where it leads no further, or nothing where neither leads anywhere."""
        rest_of_minute = 60 - time.time() % 60
        if rest_of_minute < PRESSING:  # the clock in the header would be taken for what a key changed
            session.pump_for(rest_of_minute + 0.5)
        presses: list[Any] = []
        for _ in range(times):
            presses.append(session.press(key, QUIET, LIMIT))
            if presses[-1].change_ms is None:
                if len(presses) > 1 and presses[-2].change_ms is None:
                    break
                key = BACK.get(key) or next(there for there, back in BACK.items() if back == key)
        return presses

    def idle(self, screen: str, session: Any) -> None:
        idle = session.idle(IDLE_SECONDS)
        self.note(screen, "idle CPU %", idle["cpu_percent"])
        self.note(screen, "idle B/s", idle["bytes_per_second"])

    def wait_for(self, session: Any, pattern: str) -> None:
        """Go on once a pattern is on the screen."""
        found = self.probe.re.compile(pattern).search
        if not session.pump_until(lambda text: bool(found(text)), TIMEOUT):
            raise SystemExit(f"{pattern!r} never came; {session.describe()}")

    def note(self, screen: str, name: str, value: float | None) -> None:
        if value is not None:
            self.figures[screen, name].append(value)


@contextlib.contextmanager
def growing_log(path: Path, every: float) -> Iterator[None]:
    """A run that goes on, and logs a line every so many seconds."""
    done = threading.Event()

    def stamp() -> str:
        return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")

    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
    run = connection.execute(
        "INSERT INTO runs (kind, status, parameters, created_at, started_at, heartbeat_at, host, pid, who)"
        " VALUES ('refresh', 'running', '{}', ?1, ?1, ?1, 'tower', 1, 'op')",
        (stamp(),),
    ).lastrowid

    def write() -> None:
        count = 0
        while not done.wait(every):
            count += 1
            values = (run, stamp(), f"Counted hour {count} of many, and stored what was posted in it")
            connection.execute("INSERT INTO run_log (run_id, time, level, message) VALUES (?, ?, 'info', ?)", values)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        done.set()
        writer.join()
        connection.execute("UPDATE runs SET status = 'succeeded', finished_at = ? WHERE id = ?", (stamp(), run))
        connection.close()


def print_table(ours: Figures, theirs: Figures) -> None:
    """Each median with its budget and its share of it; and harlequin's, with ours as a share of that."""
    print(f"{'':13} {'':28} {'console':>9} {'budget':>8} {'share':>6} {'harlequin':>9} {'share':>6}")
    order = [*BUDGETS, *sorted({name for _, name in ours} - BUDGETS.keys())]
    for screen, name in sorted(ours, key=lambda key: (order.index(key[1]), key[0])):
        figure, budget = statistics.median(ours[screen, name]), BUDGETS.get(name)
        same = theirs.get((screen, name)) or theirs.get(("", name))
        print(
            f"{screen:13} {name:28} {figure:9,.1f} {'' if budget is None else f'{budget:8,.1f}':>8} "
            f"{_share(figure, budget):>6} {f'{statistics.median(same):9,.1f}' if same else '':>9} "
            f"{_share(figure, statistics.median(same)) if same else '':>6}"
            f"{'  over' if budget is not None and figure > budget else ''}"
        )
    print(f"load average {os.getloadavg()[0]:.1f}")


def p95(values: list[float]) -> float:
    """The value that one in twenty exceeds."""
    return sorted(values)[min(len(values) - 1, int(0.95 * len(values)))]


def _share(figure: float, of: float | None) -> str:
    return f"{figure / of:.2f}" if of else ""


def _redraw() -> Callable[[], object]:
    fan = bench_fan_chart.two_weeks()
    width, height = bench_fan_chart.WIDTH, bench_fan_chart.HEIGHT
    return lambda: bench_fan_chart.render(fan, width=width, height=height, mode=bench_fan_chart.Mode())


def _database(directory: Path, given: Path | None) -> Path:
    if given is None:
        return full_database.fill(directory)
    copy = directory / "musktracker.db"
    shutil.copy(given, copy)
    return copy


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("probe", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["probe"] = module
    spec.loader.exec_module(module)
    return module


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("probe", type=Path, metavar="PROBE")
    parser.add_argument("--database", type=Path, metavar="PATH", help="measure on a copy of this SQLite file")
    parser.add_argument("--harlequin", metavar="COMMAND", help="what starts harlequin")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="of which medians are printed (3)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
