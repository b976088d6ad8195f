"""Whose posts are fetched, and what is asked of the X API for that."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from musktracker.sources.x_limits import RateLimit
from musktracker.sources.x_pages import Count, LookedUp, Page, Usage


@dataclass(frozen=True, slots=True)
class Account:
    """Whose posts are fetched."""

    name: str
    id: int

    @property
    def query(self) -> str:
        """What finds its posts in a search."""
        return f"from:{self.name}"


class Client(Protocol):
    """What is asked of the X API; `sources.x_api.XClient` is it."""

    def timeline(
        self, user_id: int, *, since_id: int | None = None, until_id: int | None = None, max_results: int = 100
    ) -> AsyncIterator[Page]: ...

    def search(
        self,
        query: str,
        *,
        scope: Literal["recent", "all"] = "recent",
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        max_results: int = 100,
    ) -> AsyncIterator[Page]: ...

    async def counts(
        self,
        query: str,
        *,
        scope: Literal["recent", "all"] = "recent",
        start_time: datetime | None = None,
        end_time: datetime | None = None,
    ) -> list[Count]: ...

    async def lookup(self, ids: Iterable[int]) -> LookedUp: ...

    async def usage(self) -> Usage: ...

    def server_now(self) -> datetime: ...

    @property
    def limits(self) -> Mapping[str, RateLimit]: ...
