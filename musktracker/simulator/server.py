"""The simulated API over HTTP: aiohttp in front of a World, with the faults that only a connection can have."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

from aiohttp import web

from musktracker.errors import MuskTrackerError
from musktracker.simulator import answers, limits
from musktracker.simulator.answers import Refused
from musktracker.simulator.config import Config
from musktracker.simulator.control import CONTROLS
from musktracker.simulator.stream import lose, stream
from musktracker.simulator.world import World, request

HOST = "127.0.0.1"
SHUTDOWN_SECONDS = 0.2  # hanging requests are part of the show: nobody waits for them
LARGEST_CONTROL = 1 << 26


async def serve(config: Config, port: int, ready: Callable[[str], None], stop: asyncio.Event) -> None:
    """Serve on loopback until `stop`; `ready` hears the address. Port 0 is any that is free.

    Raises MuskTrackerError for a port that cannot be used.
    """
    runner = web.AppRunner(_Server(config).application(), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        ready(f"http://{HOST}:{runner.addresses[0][1]}")
        await stop.wait()
    except OSError as error:
        raise MuskTrackerError(f"Port {port} cannot be used: {error.strerror}", "Choose another --port") from None
    finally:
        await runner.cleanup()


class _Server:
    def __init__(self, config: Config) -> None:
        self._world = World(config)

    def application(self) -> web.Application:
        application = web.Application(client_max_size=LARGEST_CONTROL)
        application.router.add_post("/control/{what}", self._control)
        for method in ("GET", "POST", "DELETE"):
            application.router.add_route(method, "/{path:.*}", self._api)
        return application

    async def _api(self, http: web.Request) -> web.StreamResponse:
        world = self._world
        world.account.advance(world.now())
        fault, page_faults = world.draw()
        headers = _date(world)
        if isinstance(fault, dict):
            return _scripted(fault, headers)
        try:
            world.authorize(http.headers.get("Authorization"))
            sent = await http.json() if http.can_read_body else None
            asked = request(http.path, dict(http.query), page_faults, http.method, sent)
            world.requests[asked.endpoint] += 1
            if fault in _INSTEAD:
                return _INSTEAD[fault](world, headers)
            if fault in ("hang", "drop"):
                return await lose(http, world.config.faults.hang_seconds if fault == "hang" else 0)
            allowed, told = world.limits.take(world.config, asked.endpoint, world.now())
            headers |= told
            if not allowed:
                return _too_many(headers)
            if asked.endpoint == "activity/stream":
                return await stream(http, world, headers)
            body = world.answer(asked)
        except Refused as refused:
            return _response(refused.status, json.dumps(refused.body).encode(), headers)
        if fault == "truncate":
            return await _truncated(http, body, headers)
        return _response(200, body[: len(body) // 2] if fault == "not_json" else body, headers)

    async def _control(self, http: web.Request) -> web.Response:
        try:
            values = await http.json()
            if http.match_info["what"] == "reset":
                self._world.activity.end()
                self._world = World(Config().changed(values))
                values = {}
            control = CONTROLS.get(http.match_info["what"], CONTROLS["state"])
            return web.json_response(control(self._world, **values))
        except (MuskTrackerError, LookupError, TypeError, ValueError) as error:
            return web.json_response({"error": str(error)}, status=400)


def _throttle(world: World, headers: dict[str, str]) -> web.Response:
    reset = world.now() + timedelta(seconds=world.config.faults.throttle_seconds)
    return _too_many(headers | limits.headers(10, 0, reset))


def _throttle_second(world: World, headers: dict[str, str]) -> web.Response:
    return _too_many(headers | limits.headers(300, 299, world.now() + timedelta(minutes=15)))


def _throttle_bare(_world: World, headers: dict[str, str]) -> web.Response:
    return _too_many(headers)


def _server_error(world: World, headers: dict[str, str]) -> web.Response:
    return _response(world.choose((500, 502, 503, 504)), answers.HTML, headers, "text/html")


def _html(_world: World, headers: dict[str, str]) -> web.Response:
    return _response(200, answers.HTML, headers, "text/html")


def _too_many(headers: dict[str, str]) -> web.Response:
    return _response(429, json.dumps(answers.plain(429, "Too Many Requests")).encode(), headers)


def _response(
    status: int, body: bytes, headers: dict[str, str], content_type: str = "application/json"
) -> web.Response:
    return web.Response(status=status, body=body, headers=headers, content_type=content_type, charset="utf-8")


def _scripted(value: dict[str, Any], headers: dict[str, str]) -> web.Response:
    body = value.get("body", {})
    text = body if isinstance(body, str) else json.dumps(body)
    told = {**headers, **value.get("headers", {})}
    return _response(value.get("status", 200), text.encode(), told, value.get("type", "application/json"))


def _date(world: World) -> dict[str, str]:
    moment = world.now() + timedelta(seconds=world.config.faults.date_skew)
    return {"Date": format_datetime(moment, usegmt=True)}


async def _truncated(http: web.Request, body: bytes, headers: dict[str, str]) -> web.StreamResponse:
    response = web.StreamResponse(headers={**headers, "Content-Length": str(len(body))})
    response.content_type = "application/json"
    await response.prepare(http)
    await response.write(body[: len(body) // 2])
    if http.transport is not None:
        http.transport.close()
    return response


_INSTEAD: dict[str, Callable[[World, dict[str, str]], web.Response]] = {
    "throttle": _throttle,
    "throttle_second": _throttle_second,
    "throttle_bare": _throttle_bare,
    "server_error": _server_error,
    "html": _html,
}
