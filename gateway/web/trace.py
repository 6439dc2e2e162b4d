"""Trace: what is noted of a request while it is answered."""

import re
from dataclasses import dataclass
from secrets import token_hex

from aiohttp import web

from gateway.service import Answer, Source

_REQUEST_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)


@dataclass(slots=True)
class Trace:
    """What is noted of one request."""

    request_id: str
    source: Source | None = None
    """The file, once it was found."""
    answer: Answer | None = None
    """The answer, once it was planned."""
    broken: web.StreamResponse | None = None
    """The response whose body could not be finished."""

    @property
    def collection(self) -> str:
        """The path of the collection; empty as long as no file was found."""
        return self.source.collection.path if self.source else ""


TRACE = web.RequestKey("trace", Trace)


def begin_trace(request: web.Request) -> Trace:
    """Note a request; keep the id that a proxy gave it, if that is a plain word."""
    given = request.headers.get("X-Request-ID", "")
    trace = Trace(given if _REQUEST_ID.fullmatch(given) else token_hex(8))
    request[TRACE] = trace
    return trace
