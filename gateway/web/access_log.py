"""Access log: a line for each request, for people or as JSON."""

import json
import logging
from typing import Literal

from aiohttp import web

from gateway.web.trace import Trace

_LOG = logging.getLogger("gateway.access")


class AccessLog:
    """Writes a line for each request.

    Parameters
    ----------
    form : str
        ``text``, or ``json`` for one object a line.
    """

    def __init__(self, form: Literal["text", "json"]) -> None:
        self._as_json = form == "json"

    def write(
        self, request: web.Request, response: web.StreamResponse, trace: Trace, seconds: float
    ) -> None:
        """Write the line of a request that was answered."""
        if not _LOG.isEnabledFor(logging.INFO):
            return
        stored = trace.answer.stored if trace.answer else None
        fields = {
            "id": trace.request_id,
            "client": request.remote or "-",
            "method": request.method,
            # as it came: percent-encoded, so that no client can forge a line
            "url": request.raw_path,
            "status": response.status,
            "bytes": response.body_length or response.content_length or 0,
            "ms": round(seconds * 1000, 2),
            "reads": stored.reads if stored else 0,
            "read_bytes": stored.bytes_read if stored else 0,
            "broken": trace.broken is not None,
        }
        if self._as_json:
            _LOG.info(json.dumps(fields))
        else:
            _LOG.info(
                '%s %s "%s %s" %s %s bytes in %s ms (%s reads, %s bytes)%s',
                *(value for key, value in fields.items() if key != "broken"),
                " BROKEN OFF" if fields["broken"] else "",
            )
