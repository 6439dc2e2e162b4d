"""Connections: all that are open, which are bounded."""

import asyncio
import time
from typing import Any

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.web_protocol import RequestHandler

from gateway.web.fields import SERVER
from gateway.web.middleware import Handler
from gateway.web.pace import Pace

# Of several connections that come at once and are kept, the worker that woke first would take all:
# of 8 it took 8, while the other had nothing to do. A nap after each lets the other take the next.
_NAP_S = 50e-6
_FEW = 64  # of many connections each gets enough


class Connection(RequestHandler):
    """aiohttp's protocol of a connection, which refuses in our words what it cannot read."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what never became a request; aiohttp would show its own parser, and versions."""
        if isinstance(exc, LineTooLong):
            _, limit, *_ = exc.args
            message = (
                f"A line of the request has more than {limit} bytes: "
                "use a shorter URL, or shorter header fields.\n"
            )
        elif isinstance(exc, HttpProcessingError):
            message = "This is no request of HTTP/1.1 that can be read.\n"
        response = super().handle_error(request, status, exc, message)
        response.headers[hdrs.SERVER] = SERVER
        return response


class Connections(web.Server):
    """aiohttp's server, which makes room for a new connection when there are too many.

    Who says nothing goes first, then who is asking nothing: descriptors must remain for those who
    ask, and for the files that they ask for.

    Parameters
    ----------
    answer : callable
        Answers requests.
    pace : Pace
        Is told of each connection.
    max_connections : int
        How many there may be.
    has_siblings : bool
        Whether other workers accept connections from the same socket.
    **options
        Of aiohttp's server.
    """

    def __init__(
        self,
        answer: Handler,
        pace: Pace,
        max_connections: int,
        *,
        has_siblings: bool,
        **options: Any,
    ) -> None:
        # what the application makes of a message is a web.Request
        super().__init__(answer, **options)  # type: ignore[arg-type]
        self._pace = pace
        self._max_connections = max_connections
        self._has_siblings = has_siblings

    def __call__(self) -> RequestHandler:
        """Make the protocol of a connection."""
        return Connection(self, loop=self._loop, **self._kwargs)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Take a connection, in the place of one that is not used if there is no room."""
        self._pace.arrivals += 1
        if len(self._connections) >= self._max_connections:
            self._end_one()
        super().connection_made(handler, transport)
        if self._has_siblings and len(self._connections) <= _FEW:
            time.sleep(_NAP_S)

    def _end_one(self) -> None:
        """Close the oldest connection that never asked, else the oldest that is not answered."""
        leaving = None
        for each in self._connections:
            if each._request_in_progress or each.transport is None:  # noqa: SLF001 - the only
                continue
            if not each._request_count:  # noqa: SLF001 - places where aiohttp notes it
                leaving = each
                break
            leaving = leaving or each
        if leaving is not None:
            leaving.force_close()
