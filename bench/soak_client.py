"""The client of the soak: HTTP/1.1 on a connection, kept or not, pipelined, cut at any byte."""

import asyncio
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

TIMEOUT_S = 60.0


class BrokenAnswer(Exception):
    """The connection ended before the answer did."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    fields: Mapping[str, str]
    """Of the head, by their names in small letters."""
    body: bytes


class Client:
    """Asks one gateway.

    Parameters
    ----------
    port : int
        Of the gateway.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, requests: Sequence[bytes], *, keep: bool) -> list[Answer]:
        """Send requests in one go, and read their answers in turn.

        Raises
        ------
        BrokenAnswer, TimeoutError, OSError
        """
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await self._connect()
            writer.write(b"".join(requests))
            try:
                answers = [await _read_answer(reader, request) for request in requests]
            except BaseException:
                self.close()
                raise
            if not keep or answers[-1].fields.get("connection") == "close":
                self.close()
            return answers

    async def abort(self, request: bytes, n_sent: int, n_read: int) -> None:
        """Send some of a request, read some of the answer, and reset the connection."""
        self.close()
        is_whole = n_sent >= len(request)
        last = request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await self._connect()
            writer.write(last if is_whole else request[:n_sent])
            while is_whole and n_read > 0 and (part := await reader.read(n_read)):
                n_read -= len(part)
            found: socket.socket = writer.get_extra_info("socket")
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close()

    def close(self) -> None:
        """End the connection."""
        if self._writer is not None:
            self._writer.close()
            self._reader = self._writer = None

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None or self._reader.at_eof():
            self._reader, self._writer = await asyncio.open_connection(
                "127.0.0.1", self._port, limit=2**20
            )
        return self._reader, self._writer


async def _read_answer(reader: asyncio.StreamReader, request: bytes) -> Answer:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status_line, *lines = head.rstrip("\r\n").split("\r\n")
        fields = {name.lower(): value for name, _, value in (x.partition(": ") for x in lines)}
        status = int(status_line.split()[1])
        if request.startswith(b"HEAD ") or status in {204, 304}:
            return Answer(status, fields, b"")
        if fields.get("transfer-encoding") == "chunked":
            return Answer(status, fields, await _read_chunks(reader))
        return Answer(status, fields, await reader.readexactly(int(fields["content-length"])))
    except asyncio.IncompleteReadError as error:
        raise BrokenAnswer from error


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    chunks = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        chunks.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(chunks)
