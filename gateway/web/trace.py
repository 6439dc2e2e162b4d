"""Trace: what is noted of a request while it is answered."""

import re
from dataclasses import dataclass
from secrets import token_hex

from aiohttp import web

from gateway.service import Answer
from gateway.storage.archive import Collection

_REQUEST_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)


@dataclass(slots=True)
class Trace:
    """What is noted of one request."""

    request_id: str
    collection: Collection | None = None
    """Where the path leads, whether or not there is such a file."""
    answer: Answer | None = None
    """The answer, once it was planned."""
    sent_bytes: int = 0
    """Bytes of a streamed body, as far as it came."""
    broken: web.StreamResponse | None = None
    """The response whose body could not be finished."""

    def body_bytes(self, response: web.StreamResponse) -> int:
        """Give the length of the body that was sent, or is about to be."""
        return self.sent_bytes or (0 if self.broken else response.content_length or 0)

    @property
    def collection_path(self) -> str:
        """The path of the collection; empty if the request leads to none."""
        return self.collection.path if self.collection else ""


TRACE = web.RequestKey("trace", Trace)


def begin_trace(request: web.Request) -> Trace:
    """Note a request; keep the id that a proxy gave it, if that is a plain word."""
    given = request.headers.get("X-Request-ID", "")
    trace = Trace(given if _REQUEST_ID.fullmatch(given) else token_hex(8))
    request[TRACE] = trace
    return trace
