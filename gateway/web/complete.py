"""Complete: an answer that is all there before it is begun."""

import os
from asyncio import WriteTransport
from collections.abc import Sequence

from aiohttp import ClientConnectionResetError, HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter

from gateway.storage.store import Buffer
from gateway.web.conditional import http_date_now


class CompleteResponse(web.StreamResponse):
    """A response to a GET whose body is all there, and leaves together with its head.

    aiohttp's own joins the two, which copies the body, and keeps ways open that such an answer does
    not need, signals among them: a tenth of the time of a plain cutout of 200 px.
    """

    def send(self, request: web.Request, body: Buffer) -> None:
        """Send all of it; `write_eof` waits until the client takes it.

        Raises
        ------
        ClientConnectionResetError
            The client is gone.
        """
        transport, version = request.transport, request.version
        if transport is None or transport.is_closing():
            raise ClientConnectionResetError("The client is gone.")
        headers = self.headers
        headers[hdrs.CONTENT_LENGTH] = str(len(body))
        headers[hdrs.DATE] = http_date_now()
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        if self._keep_alive is not (version >= HttpVersion11):  # RFC 9112, 9.3
            headers[hdrs.CONNECTION] = "keep-alive" if self._keep_alive else "close"
        line = f"HTTP/{version.major}.{version.minor} {self.status} {self.reason}"
        head = self._render_head(line)
        writer = self._payload_writer = request.writer
        writer.output_size += len(head) + len(body)  # aiohttp adds no error to what was begun
        _write(transport, [head, body])

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Do nothing: `send` has sent what could be sent."""
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:  # noqa: ARG002 - aiohttp gives none
        """Wait until the client has taken nearly all of it."""
        if self._payload_writer is not None:
            await self._payload_writer.drain()
            self._eof_sent, self._payload_writer = True, None

    def _render_head(self, line: str) -> bytes:
        """Write the head; what could end a field within its value is an error of ours."""
        if not all(map(str.isprintable, self.headers.values())):
            raise ValueError("a header field has a character that is not printable")
        return "\r\n".join([line, *map(": ".join, self.headers.items()), "", ""]).encode()


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
