"""A simulator as a process of its own, and the handle by which tests hold it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import httpx

from musktracker.errors import MuskTrackerError
from musktracker.simulator.config import Config
from musktracker.timeline import iso, parse_time

START_SECONDS = 60.0
CONTROL_SECONDS = 30.0


class Simulator:
    """A running simulator: where it is, and what can be done to its world."""

    def __init__(self, url: str, config: Config) -> None:
        self.url = url
        self.username = config.username
        self.user_id = config.user_id
        self._http = httpx.Client(base_url=url, timeout=CONTROL_SECONDS, trust_env=False)

    def add(self, *moments: datetime, kind: str = "original") -> list[int]:
        """New posts made at these times (none: one made now); returns their ids."""
        posts = [{"at": iso(moment), "kind": kind} for moment in moments] or [{"kind": kind}]
        return [int(number) for number in self._control("add", posts=posts)["ids"]]

    def put(self, posts: Mapping[int, str]) -> None:
        """New posts with these ids and kinds."""
        self._control("add", posts=[{"id": str(number), "kind": kind} for number, kind in posts.items()])

    def edit(self, number: int, at: datetime | None = None) -> int:
        """A new version of a post; returns its id."""
        made = {} if at is None else {"at": iso(at)}
        return int(self._control("edit", id=str(number), **made)["id"])

    def delete(self, ids: Iterable[int]) -> None:
        """Posts vanish."""
        self._control("delete", ids=[str(number) for number in ids])

    def restore(self, ids: Iterable[int]) -> None:
        """Deleted posts are there again."""
        self._control("restore", ids=[str(number) for number in ids])

    def change(self, **values: Any) -> None:
        """Change settings of `config.Config` while it runs, but for those of its start; `faults` as a mapping."""
        self._control("change", **values)

    def script(self, *answers: str | list[str] | dict[str, Any] | None) -> None:
        """Settle the next answers, each a fault, several, none, or an answer (status, headers, body, type).

        Faults of the stream settle its next lines.
        """
        self._control("script", answers=list(answers))

    def say(self, line: str) -> None:
        """Whoever is connected to the stream gets a line."""
        self._control("say", line=line)

    def advance(self, seconds: float) -> datetime:
        """Move the clock on, which from then on stands still between; returns the time."""
        return parse_time(self._control("clock", advance=seconds)["now"])

    def reset(self, **values: Any) -> None:
        """Begin anew with another world; settings of `config.Config`."""
        config = self._control("reset", **values)["config"]
        self.username, self.user_id = config["username"], config["user_id"]

    def state(self) -> dict[str, Any]:
        """`config`, `now`, `requests` by endpoint, `faults` that came by name, `used` posts of the month.

        And of the stream `subscriptions`, and how many connections to it there are, `streams`.
        """
        found: dict[str, Any] = self._control("state")
        return found

    def now(self) -> datetime:
        """The time by its clock."""
        return parse_time(self.state()["now"])

    def posts(self) -> dict[int, str]:
        """The truth: the kinds of all posts that are there, by the ids of their first versions."""
        return {int(number): kind for number, kind in self._control("posts")["posts"].items()}

    def deleted(self) -> set[int]:
        """The first ids of the posts that are deleted."""
        return {int(number) for number in self._control("posts")["deleted"]}

    def close(self) -> None:
        """Close the handle's connection."""
        self._http.close()

    def _control(self, what: str, **values: Any) -> Any:
        response = self._http.post(f"/control/{what}", json=values)
        if response.status_code != 200:
            raise MuskTrackerError(f"The simulator refuses: {response.json().get('error')}")
        return response.json()


@contextmanager
def running_simulator(**values: Any) -> Iterator[Simulator]:
    """A simulator in a process of its own, with settings of `config.Config`; it ends with the block, or with us."""
    config = Config().changed(values)
    process = subprocess.Popen(
        [sys.executable, "-m", "musktracker.simulator"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None  # noqa: S101 - both are pipes
    assert process.stdout is not None  # noqa: S101
    silent = threading.Timer(START_SECONDS, process.kill)
    silent.start()
    try:
        process.stdin.write(json.dumps(config.as_json()) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        silent.cancel()
        if not line:
            raise MuskTrackerError("The simulator did not start", "What it printed says why")
        simulator = Simulator(json.loads(line)["url"], config)
        try:
            yield simulator
        finally:
            simulator.close()
    finally:
        silent.cancel()
        process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def work() -> None:
    """Serve what standard input describes, until it closes: when whoever holds it is done, or dies."""
    from musktracker.simulator.server import serve

    config = Config().changed(json.loads(sys.stdin.readline()))

    async def main() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()

        def watch() -> None:
            sys.stdin.read()
            loop.call_soon_threadsafe(stop.set)

        threading.Thread(target=watch, daemon=True).start()
        await serve(config, 0, lambda url: print(json.dumps({"url": url}), flush=True), stop)

    asyncio.run(main())
