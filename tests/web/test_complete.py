"""Answers that are all there: they leave in one piece, whoever takes them, however slowly."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from email.utils import parsedate_to_datetime

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from gateway.web.complete import CompleteResponse

Serve = Callable[..., Awaitable[RawTestServer]]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

BODIES = [bytes([n]) * size for n, size in enumerate((1, 170_000, 500_000, 3, 2_000_000))]
LITTLE = 8 * 1024  # bytes that a client takes in at once


async def send(request: web.BaseRequest) -> web.StreamResponse:
    """Answer with the body that the path names."""
    response = CompleteResponse(200, "Content-Type: application/fits\r\n")
    response.begin_head(request, "plan;dur=2")
    response.send(request, memoryview(BODIES[int(request.path[1:])]), "read;dur=1")
    return response


@asynccontextmanager
async def connected(server: RawTestServer) -> AsyncIterator[Streams]:
    """Connect a client whose system keeps little of what it does not read."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LITTLE)
    client.settimeout(0)
    await asyncio.get_running_loop().sock_connect(client, (server.host, server.port))
    reader, writer = await asyncio.open_connection(sock=client, limit=LITTLE)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def read_answer(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes]:
    """Read the next answer: its first line, its fields and its body."""
    async with asyncio.timeout(20):
        line, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
        fields = dict(each.split(": ", 1) for each in rest)
        return line, fields, await reader.readexactly(int(fields["Content-Length"]))


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 0, 4, 0), (2, 2, 2, 2)])
async def test_a_slow_client_gets_every_byte_in_order(
    aiohttp_raw_server: Serve, order: tuple[int, ...]
):
    """What the socket does not take at once follows, also where answers queue behind each other."""
    async with connected(await aiohttp_raw_server(send)) as (reader, writer):
        for n in order:
            writer.write(f"GET /{n} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        for n in order:
            line, fields, body = await read_answer(reader)

            assert line == "HTTP/1.1 200 OK"
            assert fields["Content-Type"] == "application/fits"
            assert fields["Server-Timing"] == "plan;dur=2, read;dur=1"
            assert "Date" in fields
            assert body == BODIES[n]


@pytest.mark.parametrize(
    ("version", "asked", "told"),
    [
        ("1.1", "", None),
        ("1.1", "Connection: close\r\n", "close"),
        ("1.0", "", None),
        ("1.0", "Connection: keep-alive\r\n", "keep-alive"),
    ],
)
async def test_whether_the_connection_stays_is_told_as_each_version_needs_it(
    aiohttp_raw_server: Serve, version: str, asked: str, told: str | None
):
    """The old one closes unless it is told otherwise, the new one stays (RFC 9112, 9.3)."""
    stays = told == "keep-alive" or (version == "1.1" and told is None)
    async with connected(await aiohttp_raw_server(send)) as (reader, writer):
        question = f"GET /1 HTTP/{version}\r\nHost: x\r\n{asked}\r\n".encode()
        writer.write(question)
        line, fields, body = await read_answer(reader)

        assert line == f"HTTP/{version} 200 OK"
        assert fields.get("Connection") == told
        assert body == BODIES[1]
        if stays:
            writer.write(question)
            assert (await read_answer(reader))[2] == BODIES[1]
        else:
            assert await reader.read() == b""


async def test_who_is_gone_gets_nothing(aiohttp_raw_server: Serve):
    """An answer to a client that has left is an error that tells so, before a byte is written."""
    told: list[str] = []

    async def leave_and_send(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        with pytest.raises(ConnectionError) as error:
            await send(request)
        told.append(str(error.value))
        return web.Response()

    async with connected(await aiohttp_raw_server(leave_and_send)) as (reader, writer):
        writer.write(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n")
        with suppress(ConnectionError):
            assert await reader.read() == b""

    assert told == ["The client is gone."]


async def test_the_date_is_that_of_the_sending(aiohttp_raw_server: Serve):
    """A head that waits for a slow storage does not look old to caches (RFC 9110, 6.6.1)."""
    sent_at: list[int] = []

    async def send_late(request: web.BaseRequest) -> web.StreamResponse:
        response = CompleteResponse(200, "")
        response.begin_head(request, "plan;dur=2")
        await asyncio.sleep(1.1)
        sent_at.append(int(time.time()))
        response.send(request, b"late", "read;dur=1100")
        return response

    async with connected(await aiohttp_raw_server(send_late)) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        _, fields, body = await read_answer(reader)

    assert body == b"late"
    assert parsedate_to_datetime(fields["Date"]).timestamp() >= sent_at[0]
