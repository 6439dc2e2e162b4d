"""Complete: an answer that is all there before it is begun."""

import os
from asyncio import WriteTransport
from collections.abc import Sequence

from aiohttp import ClientConnectionResetError, HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter

from gateway.storage.store import Buffer
from gateway.web.conditional import http_date_now


class CompleteResponse(web.StreamResponse):
    """A response to a GET whose body is all there, and leaves together with its head.

    aiohttp's own joins the two, which copies the body, and keeps ways open that such an answer does
    not need, signals among them: a tenth of the time of a plain cutout of 200 px.

    Parameters
    ----------
    status : int
        200 or 206.
    fields : str
        Lines of its head, each with its end. Its `headers` are not sent.
    """

    def __init__(self, status: int, fields: str) -> None:
        super().__init__(status=status)
        self._fields = fields
        self._begun = ""

    def begin_head(self, request: web.Request, server_timing: str) -> None:
        """Write what is known of the head before the body is: see `keep_step`.

        Between two bodies it would take three times as long.

        Parameters
        ----------
        request : web.Request
            What is answered.
        server_timing : str
            What that field begins with; `send` adds to it.
        """
        version = "1.1" if request.version >= HttpVersion11 else "1.0"  # whatever is announced
        self._begun = (
            f"HTTP/{version} {self.status} {self.reason}\r\n{self._fields}"
            f"Server-Timing: {server_timing}, "
        )

    def send(self, request: web.Request, body: Buffer, server_timing: str) -> None:
        """Send all of it; `write_eof` waits until the client takes it.

        Parameters
        ----------
        request : web.Request
            What is answered.
        body : bytes
            What follows the head that was begun.
        server_timing : str
            What is added to that field.

        Raises
        ------
        ClientConnectionResetError
            The client is gone.
        """
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ClientConnectionResetError("The client is gone.")
        head = (
            f"{self._begun}{server_timing}\r\nContent-Length: {len(body)}\r\n"
            f"Date: {http_date_now()}\r\n{self._connection(request)}\r\n"
        ).encode()
        writer = self._payload_writer = request.writer
        writer.output_size += len(head) + len(body)  # aiohttp adds no error to what was begun
        _write(transport, [head, body])

    def _connection(self, request: web.Request) -> str:
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        if self._keep_alive is (request.version >= HttpVersion11):  # RFC 9112, 9.3
            return ""
        return "Connection: keep-alive\r\n" if self._keep_alive else "Connection: close\r\n"

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Do nothing: `send` has sent what could be sent."""
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:  # noqa: ARG002 - aiohttp gives none
        """Wait until the client has taken nearly all of it."""
        if self._payload_writer is not None:
            await self._payload_writer.drain()
            self._eof_sent, self._payload_writer = True, None


def _write(transport: WriteTransport, parts: Sequence[Buffer]) -> None:
    """Write parts by one call of the system, and leave to the transport what that does not take."""
    sent = 0
    if not transport.get_write_buffer_size() and transport.get_extra_info("sslcontext") is None:
        try:
            sent = os.writev(transport.get_extra_info("socket").fileno(), parts)
        except OSError:  # the transport will meet it, and tell
            sent = 0
    for part in parts:
        if sent < len(part):
            transport.write(memoryview(part)[sent:])
        sent = max(sent - len(part), 0)
