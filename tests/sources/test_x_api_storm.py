"""Through every fault at once, a caller that resumes by ids ends with exactly the posts of the account."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from musktracker.simulator.config import FAULTS
from musktracker.simulator.process import Simulator
from musktracker.sources.x_api import Timeouts, XClient
from musktracker.timeline import snowflake_time

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SETTLING = ("subset", "late")  # what is left out of recent posts is a matter of looking again, later
WALKED = ("stray", "cut")  # whoever walks must not take a page's lowest post, or its want of a token, for the end


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("spared", ["swap", "loop"])  # whoever resumes below what came must have it in order
async def test_a_storm_of_faults_loses_nothing_and_adds_nothing(
    simulator: Simulator, client: Callable[..., XClient], seed: int, spared: str
) -> None:
    rates = {name: 0.05 for name in FAULTS if name not in (*SETTLING, *WALKED, spared)}
    rates["hang"] = 0.02  # the one that costs real time
    simulator.reset(
        clock=NOON.isoformat(),
        posts=2_000,
        seed=seed,
        faults={"seed": seed, "rates": rates, "hang_seconds": 5, "date_skew": 40.0},
    )
    found: dict[int, Any] = {}
    below: int | None = None
    async with client(timeouts=Timeouts(silence=0.25)) as api:
        for _ in range(100):
            looped = False
            async for page in api.timeline(await api.user_id("simulated"), until_id=below, max_results=20):
                found |= {post.first_id: post for post in page.posts}
                looped = page.looped
            if not looped:
                break
            below = min(found)
    assert {number: post.kind for number, post in found.items()} == simulator.posts()
    assert all(post.created_at == snowflake_time(post.first_id) for post in found.values())
    assert len(simulator.state()["faults"]) >= 14
