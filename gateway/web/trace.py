"""Trace: what is noted of a request while it is answered."""

import re
from dataclasses import dataclass
from itertools import count
from secrets import token_hex

from aiohttp import hdrs, web

from gateway.access import PUBLIC, Viewer
from gateway.service import Timings
from gateway.storage.archive import Collection
from gateway.storage.effort import EFFORT
from gateway.storage.store import StoredObject
from gateway.web.clients import Clients, quota_key

EXPOSED = (
    "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag, Last-Modified, "
    "Retry-After, Server-Timing, X-Request-ID"
)
"""The headers that pages of other origins may read (Fetch standard)."""
_REQUEST_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)


@dataclass(slots=True)
class Trace:
    """What is noted of one request."""

    tracer: "Tracer"
    """What began it, and knows whether the worker leaves off."""
    request_id: str
    client: str
    """Address that it comes from; empty if nobody can say."""
    quota: str
    """What shares its places with others: the address, or the network of its site."""
    varies: bool = False
    """Whether others may get another answer: something is closed, and it is not told what."""
    is_head: bool = False
    """Whether no body is sent, whatever the headers say of it."""
    viewer: Viewer = PUBLIC
    """Who asks."""
    collection: Collection | None = None
    """Where the path leads, whether or not there is such a file."""
    stored: StoredObject | None = None
    """The file, once it was found."""
    timings: Timings | None = None
    """Of its answer, once that was planned."""
    retries: int = 0
    """Requests to remote storages that repeated another."""
    sent_bytes: int = 0
    """Bytes of a body that the handler sent itself, as far as it came."""
    broken: web.StreamResponse | None = None
    """The response whose body could not be finished."""

    def body_bytes(self, response: web.StreamResponse) -> int:
        """Give the length of the body that was sent, or is about to be."""
        if self.broken or self.is_head:
            return self.sent_bytes
        return self.sent_bytes or response.content_length or 0

    def mark(self, response: web.StreamResponse) -> None:
        """Add what all answers have, also those that fail, just before they are begun.

        That is the id, what browsers may do, and whether the connection ends.
        """
        headers = response.headers
        headers["X-Request-ID"] = self.request_id
        headers[hdrs.SERVER] = "ibe-gateway"  # aiohttp would tell the versions
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "no-referrer"  # an address may be signed
        if self.tracer.is_draining:
            response.force_close()
        if self.varies:
            headers.add(hdrs.VARY, hdrs.AUTHORIZATION)
            if self.viewer is not PUBLIC:  # to be asked for again, for a key may end
                headers[hdrs.CACHE_CONTROL] = "private, no-cache"
        if self.collection is not None and self.collection.settings.cors:
            headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*"
            headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = EXPOSED


TRACE = web.RequestKey("trace", Trace)


class Tracer:
    """Notes requests, and gives each an id that no other has.

    Parameters
    ----------
    clients : Clients
        Knows where they come from.
    varies : bool
        Whether something is closed.
    """

    def __init__(self, clients: Clients, *, varies: bool) -> None:
        self._clients = clients
        self._varies = varies
        self._process = token_hex(4)
        self._numbers = count(1)
        self.is_draining = False
        """Whether each client is told to ask its next question on a new connection."""

    def begin(self, request: web.Request) -> Trace:
        """Note a request; keep the id that a proxy gave it, if that is a plain word."""
        request_id = request.headers.get("X-Request-ID")
        if request_id is None or not _REQUEST_ID.fullmatch(request_id):
            request_id = f"{self._process}-{next(self._numbers):x}"
        is_head = request.method == hdrs.METH_HEAD
        client = self._clients.find(request)
        trace = Trace(self, request_id, client, quota_key(client), self._varies, is_head)
        request[TRACE] = trace
        EFFORT.set(trace)
        return trace
