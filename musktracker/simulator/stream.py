"""The simulated stream over HTTP: a connection that gets lines until it is lost, and the faults that it can have."""

from __future__ import annotations

import asyncio
import socket
import struct
import time

from aiohttp import web

from musktracker.simulator import answers
from musktracker.simulator.world import World

TICK_SECONDS = 0.02  # between looks at what happened
ENDING = b"\r\n"


async def stream(http: web.Request, world: World, headers: dict[str, str]) -> web.StreamResponse:
    """GET /2/activity/stream"""
    if len(world.activity.listeners) >= world.config.streams:
        status, body = (
            (429, answers.too_many_connections()) if world.config.streams else (403, answers.client_forbidden())
        )
        return web.json_response(body, status=status, headers=headers)
    listener = world.activity.listen()
    try:
        response = web.StreamResponse(headers=headers)
        response.content_type = "application/json"
        await response.prepare(http)
        line = _Line(http, world, response)
        while not (listener.ended or http.transport is None or http.transport.is_closing()):
            world.account.advance(world.now())
            for text, post in world.activity.due(listener, world.config):
                await line.event(text)
                world.bill([] if post is None else [post])
            await line.alive()
            await asyncio.sleep(TICK_SECONDS)
        return response
    except ConnectionError:
        return response
    finally:
        world.activity.listeners.remove(listener)


async def lose(http: web.Request, after: float = 0.0) -> web.Response:
    """Reset a connection."""
    await asyncio.sleep(after)
    if http.transport is not None:
        connection = http.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not an end
        http.transport.abort()
    return web.Response()


class _Line:
    """Writes to one connection, with its faults."""

    def __init__(self, http: web.Request, world: World, response: web.StreamResponse) -> None:
        self._http = http
        self._world = world
        self._response = response
        self._held: list[bytes] = []
        self._last = time.monotonic()

    async def event(self, text: bytes) -> None:
        """An event, and one that waited for it."""
        fault = self._world.draw_line()
        await self._break(fault)
        if fault == "stream_swap" and not self._held:
            self._held = [text]
            return
        held, self._held = self._held, []
        cut = [text[: len(text) // 2]] if fault == "stream_malformed" else []
        again = [text] if fault == "stream_repeat" else []
        await self._write([*cut, text, *again, *held])

    async def alive(self) -> None:
        """A sign of life, where one is due; and an event that waited in vain."""
        if time.monotonic() - self._last >= self._world.config.keep_alive_seconds:
            await self._break(self._world.draw_line(alive=True))
            held, self._held = self._held, []
            await self._write([*held, b""])

    async def _break(self, fault: str | None) -> None:
        if fault == "stream_stall":
            await asyncio.sleep(self._world.config.faults.hang_seconds)
        if fault in ("stream_stall", "stream_drop"):
            await lose(self._http)
            raise ConnectionResetError(fault)

    async def _write(self, lines: list[bytes]) -> None:
        await self._response.write(b"".join(line + ENDING for line in lines))
        self._last = time.monotonic()
