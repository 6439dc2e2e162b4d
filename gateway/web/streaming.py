"""Streaming: sends the chunks of an answer, counts them, and breaks off rather than lies."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from traceback import clear_frames

from aiohttp import HttpVersion11, web

from gateway.core.errors import ShortRead
from gateway.storage.store import Buffer
from gateway.web.trace import TRACE


async def send(
    request: web.Request, response: web.StreamResponse, chunks: AsyncGenerator[Buffer, None]
) -> web.StreamResponse:
    """Send chunks as the body of a response.

    The first chunk is waited for before the head is sent, so that a storage that fails at once
    still gives an error answer. After that there is none: an answer that ends early would pass for
    a whole one, so the connection is broken.

    Parameters
    ----------
    request : web.Request
        What is answered.
    response : web.StreamResponse
        With its headers, and its Content-Length if that is known.
    chunks : asynchronous generator of bytes
        The body.

    Raises
    ------
    GatewayError
        The chunks could not be read. The trace tells whether the response was begun.
    """
    owed, trace = response.content_length, request[TRACE]
    async with aclosing(chunks):
        chunk = await anext(chunks, b"")
        trace.mark(response)
        if owed is None and request.version < HttpVersion11:
            response.force_close()  # nothing else tells where the body ends (RFC 9112, 6.3)
        await response.prepare(request)
        try:
            while chunk:
                await response.write(chunk)
                trace.sent_bytes += len(chunk)
                chunk = await anext(chunks, b"")
            _check_length(trace.sent_bytes, owed)
            await response.write_eof()
        except BaseException as error:
            trace.broken = response
            if request.transport is not None:
                request.transport.abort()
            # what aiohttp waits with for a client that leaves is in a cycle with the chunk
            clear_frames(error.__traceback__)
            raise
    return response


def _check_length(sent: int, owed: int | None) -> None:
    if owed is not None and sent != owed:
        raise ShortRead(f"The answer has {sent} bytes where {owed} were announced.")
