"""What tests do to a simulated world from outside, beside the API: POST /control/NAME with the arguments as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from musktracker.simulator.config import FAULTS, STREAM_FAULTS
from musktracker.simulator.world import World
from musktracker.timeline import iso, parse_time


def add(world: World, posts: list[Mapping[str, str]]) -> Any:
    """New posts, by id or made at a time (by default now); returns their ids."""
    return {"ids": [str(_add(world, post)) for post in posts]}


def edit(world: World, id: str, at: str | None = None) -> Any:
    """A new version of a post; returns its id."""
    return {"id": str(world.account.edit(int(id), parse_time(at) if at else world.now()))}


def delete(world: World, ids: list[str]) -> Any:
    """Posts vanish."""
    world.account.delete(map(int, ids))
    return {}


def restore(world: World, ids: list[str]) -> Any:
    """Deleted posts are there again."""
    world.account.restore(map(int, ids))
    return {}


def change(world: World, **values: Any) -> Any:
    """Change settings while the world goes on."""
    world.config = world.config.changed(values)
    return state(world)


def script(world: World, answers: list[Any]) -> Any:
    """Settle the next answers: each a fault, a list of faults, null for none, or an answer as it is to be.

    Faults of the stream settle its next lines instead.
    """
    for entry in answers:
        if isinstance(entry, str) and entry in STREAM_FAULTS:
            world.activity.scripted.append(entry)
            continue
        for name in [entry] if isinstance(entry, str) else entry if isinstance(entry, list) else ():
            if name not in FAULTS:
                raise ValueError(f"There is no fault {name!r}")
        world.scripted.append(entry)
    return {}


def say(world: World, line: str) -> Any:
    """Whoever is connected to the stream gets a line."""
    world.activity.say(line.encode())
    return {}


def clock(world: World, advance: float = 0.0) -> Any:
    """Move the clock on, which then stands still."""
    world.clock = world.now() + timedelta(seconds=advance)
    world.account.advance(world.clock)
    return {"now": iso(world.clock)}


def state(world: World) -> Any:
    """What the world is like, and what was asked of it."""
    return {
        "config": world.config.as_json(),
        "now": iso(world.now()),
        "requests": dict(world.requests),
        "faults": dict(world.fired),
        "used": world.used,
        "subscriptions": world.activity.subscriptions,
        "streams": len(world.activity.listeners),
    }


def posts(world: World) -> Any:
    """The truth about the account."""
    world.account.advance(world.now())
    return world.account.truth()


def _add(world: World, post: Mapping[str, str]) -> int:
    kind = post.get("kind", "original")
    if "id" not in post:
        return world.account.add(parse_time(post["at"]) if "at" in post else world.now(), kind)
    world.account.put(int(post["id"]), kind)
    return int(post["id"])


CONTROLS: dict[str, Callable[..., Any]] = {
    handler.__name__: handler for handler in (add, edit, delete, restore, change, script, say, clock, state, posts)
}
