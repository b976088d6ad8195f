"""A server that breaks the protocol itself: what it sends is bounded, and none of it is shown or sent back."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from musktracker.errors import UsageError
from musktracker.simulator.answers import TEXT
from musktracker.sources import x_errors, x_requests
from musktracker.sources.x_api import Patience, XClient

TOKEN = "AAAAsecretToken"
NOTHING = b'{"meta": {"result_count": 0}}'
Answer = Callable[[int], bytes]


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[tuple[XClient, list[bytes]]]:
    """A client of a server that answers with these bytes, by how many requests came before; and their heads."""
    heads: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                heads.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(answer(len(heads) - 1))
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, XClient(url, TOKEN, patience=Patience(attempts=2, first=0.01)) as client:
        yield client, heads


def http(body: bytes, *headers: str) -> bytes:
    head = "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers])
    return f"{head}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (f"HTTP/1.1 200 OK\r\n{TEXT} without a colon\r\n\r\n", "illegal header line"),
        (f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{TEXT}\r\n", "illegal chunk header"),
        (f"{TEXT}\r\n\r\n", "illegal status line"),
    ],
)
async def test_an_answer_that_breaks_the_protocol_is_not_quoted(answer: str, words: str) -> None:
    async with serving(lambda _: answer.encode()) as (client, _):
        with pytest.raises(x_errors.Unavailable, match=words) as caught:
            await client.usage()
    assert TEXT not in str(caught.value)


@pytest.mark.parametrize("packed", [False, True])
async def test_of_an_answer_that_does_not_end_no_more_is_held_than_an_answer_can_be(
    monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    monkeypatch.setattr(x_requests, "LARGEST_ANSWER", 1 << 20)
    body = b" " * (4 << 20) + NOTHING
    answer = http(gzip.compress(body), "Content-Encoding: gzip") if packed else http(body)
    async with serving(lambda _: answer) as (client, heads):
        with pytest.raises(x_errors.Unavailable, match="longer than 1 MB"):
            await client.usage()
    assert len(heads) == 2


async def test_cookies_are_not_kept() -> None:
    async with serving(lambda n: http(NOTHING, f"Set-Cookie: a{n}=b; Path=/")) as (client, heads):
        for _ in range(3):
            assert [page async for page in client.timeline(1)]
    assert len(heads) == 3
    assert not any(b"cookie" in head.lower() for head in heads)


async def test_an_answer_that_counts_posts_and_holds_none_is_no_silence() -> None:
    answers = [http(b'{"meta": {"result_count": 5}}'), http(NOTHING)]
    async with serving(lambda n: answers[n]) as (client, heads):
        assert [page.posts async for page in client.timeline(1)] == [()]
    assert len(heads) == 2


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HTTPS_PROXY", "socks5://me:hunter2@host:1"),
        ("HTTPS_PROXY", "foo://me:hunter2@host"),
        ("HTTPS_PROXY", "http://me:hunter2@host:port"),
        ("SSL_CERT_FILE", "/not/there"),
    ],
)
async def test_a_proxy_or_certificates_that_cannot_be_are_named_without_their_secrets(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(UsageError, match=variable) as caught:
        async with XClient("https://api.x.com", TOKEN):
            pass
    assert "hunter2" not in str(caught.value)
