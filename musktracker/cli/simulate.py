"""Serve a simulated X API on this machine: one account, its posts, live arrivals, rate limits, and faults on demand.

Point MuskTracker, or any other client of the X API v2, at the address that it prints. It runs until Ctrl+C.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from typing import TYPE_CHECKING, Any

from musktracker.cli.command import whole_number
from musktracker.config import Settings
from musktracker.errors import UsageError
from musktracker.simulator.config import FAULTS, STREAM_FAULTS
from musktracker.text import counted

if TYPE_CHECKING:
    from musktracker.simulator.config import Config

USERNAME = "simulated"
TOKEN = "simulated"  # noqa: S105 - what to write where a token is wanted; any is taken


def configure(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--port", type=whole_number(0, 65_535), default=0, help="where to listen (any that is free)")
    parser.add_argument(
        "--posts", type=whole_number(0), default=20_000, help="posts that there are at the start (20,000)"
    )
    parser.add_argument(
        "--seed", type=whole_number(0), default=1, help="which account, and which chances its faults have (1)"
    )
    parser.add_argument(
        "--speed", type=float, default=1.0, help="how much faster posts come than really (1; 0: none)"
    )
    parser.add_argument("--limits", choices=("real", "none"), default="real", help="rate limits (real)")
    parser.add_argument("--whole-timeline", action="store_true", help="show more than the newest 3,200 posts")
    parser.add_argument("--fault", action="append", default=[], metavar="NAME=RATE", help="a fault and how often")
    parser.add_argument("--storm", type=float, metavar="RATE", help="every fault, this often (0 to 1)")
    parser.epilog = "faults:\n" + "\n".join(f"  {name:<16} {text}" for name, text in (FAULTS | STREAM_FAULTS).items())


def run(arguments: argparse.Namespace, _settings: Settings) -> int:
    """Serve until a signal."""
    from musktracker.simulator.config import Config

    config = Config().changed(
        {
            "username": USERNAME,
            "posts": arguments.posts,
            "seed": arguments.seed,
            "speed": _at_least_0("--speed", arguments.speed),
            "limits": arguments.limits,
            "reach": None if arguments.whole_timeline else Config().reach,
            "faults": {"seed": arguments.seed, "rates": _rates(arguments.storm, arguments.fault)},
        }
    )
    asyncio.run(_serve(config, arguments.port))
    return 0


async def _serve(config: Config, port: int) -> None:
    from musktracker.simulator.server import serve

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await serve(config, port, lambda url: print(_welcome(config, url), flush=True), stop)


def _welcome(config: Config, url: str) -> str:
    return (
        f"The X API of @{config.username} (id {config.user_id}), simulated: "
        f"{counted(config.posts, 'post')}, at {url}\n\n"
        f"export MUSKTRACKER_X_API_BASE_URL={url} X_BEARER_TOKEN={TOKEN} MUSKTRACKER_ACCOUNT={config.username}\n\n"
        "Ctrl+C ends it."
    )


def _rates(storm: float | None, faults: list[str]) -> dict[str, float]:
    rates = {} if storm is None else dict.fromkeys(FAULTS | STREAM_FAULTS, storm)
    for text in faults:
        name, equals, rate = text.partition("=")
        try:
            rates[name] = float(rate) if equals else 0.05
        except ValueError:
            raise UsageError(f"--fault cannot use {text!r}", "Write NAME=RATE, with a rate from 0 to 1") from None
    return rates


def _at_least_0(name: str, value: Any) -> Any:
    if not value >= 0:
        raise UsageError(f"{name} must be 0 or more, not {value}")
    return value
