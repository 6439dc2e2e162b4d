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
from gateway.web.fields import Manners

X_REQUEST_ID = "X-Request-ID"
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
    reason: str = ""
    """What it was told when it was refused or failed."""
    broken: web.StreamResponse | None = None
    """The response whose body could not be finished."""

    @property
    def manners(self) -> Manners:
        """How the answer is to be treated."""
        has_cors = self.collection is not None and self.collection.settings.cors
        return Manners(self.varies, self.viewer is PUBLIC, has_cors)

    def body_bytes(self, response: web.StreamResponse) -> int:
        """Give the length of the body that was sent, or is about to be."""
        if self.broken or self.is_head:
            return self.sent_bytes
        return self.sent_bytes or response.content_length or 0

    def mark(self, response: web.StreamResponse) -> None:
        """Add what all answers have, also those that fail, just before they are begun.

        That is the id, how they are to be treated, and whether the connection ends.
        """
        headers, added = response.headers, self.manners.headers
        if vary := added.pop(hdrs.VARY, ""):
            headers.add(hdrs.VARY, vary)  # beside what else it varies with
        headers.update(added)
        headers[X_REQUEST_ID] = self.request_id
        if self.tracer.is_draining:
            response.force_close()


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
        request_id = request.headers.get(X_REQUEST_ID)
        if request_id is None or not _REQUEST_ID.fullmatch(request_id):
            request_id = f"{self._process}-{next(self._numbers):x}"
        is_head = request.method == hdrs.METH_HEAD
        client = self._clients.find(request)
        trace = Trace(self, request_id, client, quota_key(client), self._varies, is_head)
        request[TRACE] = trace
        EFFORT.set(trace)
        return trace
