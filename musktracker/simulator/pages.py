"""Pages of posts: which posts come next, the tokens between pages, and the faults that pages have."""

from __future__ import annotations

import json
import random
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from musktracker.simulator import answers
from musktracker.simulator.account import Account
from musktracker.simulator.answers import Refused

Matches = Callable[[int], bool]


class Segment(NamedTuple):
    """Posts still to come: low < id < high, newest first."""

    high: int
    low: int


@dataclass(slots=True)
class Walk:
    """A request for a page: what is left of the walk it belongs to, and how the page is to be made.

    `fingerprint` is of all parameters but the token, which a token holds for no other.
    """

    account: Account
    segments: list[Segment]
    size: int
    matches: Matches
    fingerprint: int
    token_name: str
    token: str | None = None
    dice: random.Random = field(default_factory=random.Random)

    def resume(self, token: str) -> None:
        """Go on where a token says. Raises Refused (400) for one of another request, or of none."""
        try:
            check, body = token.split("-", 1)
            value = json.loads(urlsafe_b64decode(body))
            if int(check, 36) != zlib.crc32(body.encode()) or value["q"] != self.fingerprint:
                raise ValueError
            self.segments = [Segment(*segment) for segment in value["s"]]
        except (ValueError, KeyError, TypeError):
            problem = {
                "parameters": {self.token_name: [token]},
                "message": f"Invalid '{self.token_name}':'{token}'",
            }
            raise Refused(400, answers.invalid_request([problem])) from None
        self.token = token

    def page(self, faults: Collection[str], render: Callable[[int], bytes]) -> tuple[bytes, list[int]]:
        """The body of the page, and the posts in it."""
        if "empty" in faults and self.segments:
            return self._body([], [], self._write(self.segments, nonce=self.dice.getrandbits(32)), [], 0), []
        found, rest = self._fetch(self.segments)
        if "swap" in faults and rest and found:
            later, after = self._fetch(rest)
            owed = [Segment(self.segments[0].high, found[-1] - 1), *after]
            found, rest = later, owed
        if "overlap" in faults and self.token is not None and found:
            before = list(islice(self.account.upwards(self.segments[0].high), 5))
            found = [*(number for number in reversed(before) if self.matches(number)), *found]
        following = self._write(rest) if rest else None
        if "loop" in faults and self.segments:
            following = self.token or self._write(self.segments)
        if "cut" in faults:
            following = None
        if "stray" in faults and found:
            found = [*found, *islice(filter(self.matches, self.account.upwards(0)), 1)]
        shown, errors = self._partly(found) if "partial" in faults else (found, [])
        entries = [render(number) for number in shown]
        self._spoil(entries, faults)
        count = len(entries)
        if "short" in faults:
            del entries[self.dice.randrange(count or 1) :]
        return self._body(shown, entries, following, errors, count), shown

    def _fetch(self, segments: list[Segment]) -> tuple[list[int], list[Segment]]:
        """A page's posts from the first segment that has any, and what is left then."""
        for i, segment in enumerate(segments):
            matching = filter(self.matches, self.account.downwards(segment.high, segment.low))
            found = list(islice(matching, self.size))
            if not found:
                continue
            following = next(matching, None)
            rest = [Segment(found[-1], segment.low)] if following is not None else []
            return found, [*rest, *segments[i + 1 :]]
        return [], []

    def _partly(self, found: list[int]) -> tuple[list[int], list[dict[str, Any]]]:
        lost = {number for number in found if self.dice.random() < 0.3} or set(found[:1])
        return [number for number in found if number not in lost], [*map(answers.post_unavailable, sorted(lost))]

    def _spoil(self, entries: list[bytes], faults: Collection[str]) -> None:
        if "no_created_at" in faults:
            share = self.dice.choice((0.3, 1.0))
            entries[:] = [answers.without_time(entry) if self.dice.random() < share else entry for entry in entries]
        if "duplicate" in faults and entries:
            for entry in self.dice.sample(entries, min(5, len(entries))):
                entries.insert(self.dice.randrange(len(entries) + 1), entry)
        if "shuffle" in faults:
            self.dice.shuffle(entries)
        if "bad_entry" in faults and entries:
            bad = self.dice.randrange(len(entries))
            entries[bad] = answers.without_id(entries[bad])

    def _body(
        self,
        shown: list[int],
        entries: list[bytes],
        following: str | None,
        errors: list[dict[str, Any]],
        count: int,
    ) -> bytes:
        meta: dict[str, Any] = {"result_count": count}
        if shown:
            meta |= {"newest_id": str(max(shown)), "oldest_id": str(min(shown))}
        if following is not None:
            meta["next_token"] = following
        return answers.page(entries, meta, errors)

    def _write(self, segments: list[Segment], nonce: int | None = None) -> str:
        value = {"s": segments, "q": self.fingerprint} | ({} if nonce is None else {"n": nonce})
        body = urlsafe_b64encode(json.dumps(value).encode()).decode()
        return f"{_base36(zlib.crc32(body.encode()))}-{body}"


def fingerprint(path: str, query: dict[str, str], token_name: str) -> int:
    """A number for a request without its token."""
    rest = sorted((name, value) for name, value in query.items() if name not in (token_name, "max_results"))
    return zlib.crc32(json.dumps([path, rest]).encode())


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits or "0"
