"""The simulated activity: what the app is subscribed to, and the lines of whoever is connected to the stream."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from musktracker.simulator import answers
from musktracker.simulator.account import CREATED, DELETED, Account
from musktracker.simulator.answers import Refused
from musktracker.simulator.config import Config
from musktracker.timeline import iso


@dataclass(slots=True, eq=False)
class Listener:
    """A connection to the stream, and up to where it heard of the account."""

    at: int
    ended: bool = False


class Activity:
    """The subscriptions and connections of one app. `scripted` are the faults of the stream's next lines."""

    def __init__(self, account: Account) -> None:
        self.subscriptions: list[dict[str, Any]] = []
        self.listeners: list[Listener] = []
        self.scripted: deque[str] = deque()
        self._account = account
        self._made = 0

    def listen(self) -> Listener:
        """A new connection, which hears of what happens from now on."""
        self.listeners.append(Listener(len(self._account.journal)))
        return self.listeners[-1]

    def say(self, line: bytes) -> None:
        """A line for all connections."""
        self._account.journal.append(line)

    def end(self) -> None:
        """End all connections."""
        for listener in self.listeners:
            listener.ended = True

    def due(self, listener: Listener, config: Config) -> Iterator[tuple[bytes, int | None]]:
        """The lines that a connection has not got yet, with the post that one delivers."""
        happened, listener.at = self._account.journal[listener.at :], len(self._account.journal)
        for entry in happened:
            if isinstance(entry, bytes):
                yield entry, None
                continue
            kind, number = entry
            for subscription in self.subscriptions:
                if (subscription["event_type"], subscription["filter"]) == (kind, {"user_id": str(config.user_id)}):
                    post = self._post(number, config) if kind == CREATED else b""
                    line = answers.event(kind, post, number, config.user_id, subscription["tag"])
                    yield line, number if kind == CREATED else None

    def answer(self, method: str, wanted: Any, number: str | None, moment: datetime) -> bytes:
        """GET and POST /2/activity/subscriptions, DELETE /2/activity/subscriptions/:id"""
        if method == "POST":
            return self._subscribe(wanted, moment)
        if method == "DELETE":
            left = [entry for entry in self.subscriptions if entry["subscription_id"] != number]
            if len(left) == len(self.subscriptions):
                raise Refused(404, answers.plain(404, "Not Found"))
            self.subscriptions = left
            return json.dumps({"data": {"deleted": True}, "meta": self._meta()}).encode()
        data = {"data": self.subscriptions} if self.subscriptions else {}
        return json.dumps({**data, "meta": self._meta()}).encode()

    def _subscribe(self, wanted: Any, moment: datetime) -> bytes:
        kind = wanted.get("event_type") if isinstance(wanted, Mapping) else None
        chosen = wanted.get("filter") if isinstance(wanted, Mapping) else None
        if kind not in (CREATED, DELETED) or not isinstance(chosen, Mapping) or set(chosen) != {"user_id"}:
            problem = {"parameters": {"event_type": [str(kind)]}, "message": "The subscription cannot be created"}
            raise Refused(400, answers.invalid_request([problem]))
        if any((entry["event_type"], entry["filter"]) == (kind, chosen) for entry in self.subscriptions):
            raise Refused(409, answers.plain(409, "DuplicateSubscription"))
        self._made += 1
        made = {"created_at": iso(moment), "updated_at": iso(moment), "tag": str(wanted.get("tag", ""))}
        entry = {"subscription_id": str(self._made), "event_type": kind, "filter": dict(chosen), **made}
        self.subscriptions.append(entry)
        return json.dumps({"data": [entry], "meta": self._meta()}).encode()

    def _meta(self) -> dict[str, int]:
        return {"total_subscriptions": len(self.subscriptions)}

    def _post(self, number: int, config: Config) -> bytes:
        noun = "post" if config.spelling in ("post", "mixed") else "tweet"
        fields = frozenset({"author_id", "created_at", f"referenced_{noun}s"})
        current = self._account.current(number)
        assert current is not None  # noqa: S101 - what happened to a post leaves it known
        versions = [version for version in self._account.history(current) if version <= number]
        return answers.post(number, self._account.kinds[current], versions, fields, config.user_id)
