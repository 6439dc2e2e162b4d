"""Middleware: what happens to every request: an id, admission, a deadline, errors, the log."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from math import ceil
from time import perf_counter

from aiohttp import ClientConnectionResetError, hdrs, web

from gateway.config import Settings
from gateway.core.errors import (
    ArchiveError,
    GatewayError,
    Overloaded,
    StorageDown,
    StorageTimeout,
    TooManyRequests,
)
from gateway.storage.archive import Collection
from gateway.web.admission import Admission
from gateway.web.clients import Clients
from gateway.web.conditional import PreconditionFailed, RangeNotSatisfiable, content_range
from gateway.web.deadlines import Deadlines
from gateway.web.fields import EXPOSED
from gateway.web.journal import Journal
from gateway.web.pace import keep_step
from gateway.web.pages import HTML, content_security_policy
from gateway.web.problems import Problem, describe_error, render_problem
from gateway.web.trace import Trace, Tracer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_LOG = logging.getLogger("gateway")
_ALLOWED = f"{hdrs.METH_GET}, {hdrs.METH_HEAD}, {hdrs.METH_OPTIONS}"
_METHODS = frozenset(_ALLOWED.split(", "))
UNGUARDED = frozenset({"/healthz", "/readyz", "/metrics"})  # an operator asks in trouble, too
_REFUSALS = GatewayError, web.HTTPException, PreconditionFailed, RangeNotSatisfiable


class Gate:
    """Lets requests in, answers those that fail, and notes all of them.

    Parameters
    ----------
    settings : Settings
        Limits, and how errors are told.
    handler : callable
        Answers the requests that are let in.
    journal : Journal
        Is told of all of them.
    admission : Admission
        Has the places.
    find : callable
        Gives the collection that a request leads to, if there is one.
    """

    def __init__(
        self,
        settings: Settings,
        handler: Handler,
        journal: Journal,
        admission: Admission,
        find: Callable[[web.Request], Collection | None],
    ) -> None:
        self._server = settings.server
        self._retry_after_s = settings.limits.retry_after_s
        self._handler = handler
        self._journal = journal
        self._admission = admission
        self._find = find
        self._tracer = Tracer(
            Clients(settings.server.trusted_proxies), varies=settings.is_partly_closed
        )
        self._deadlines = Deadlines(settings.limits.request_timeout_s)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request, whatever happens."""
        started = perf_counter()
        trace = self._tracer.begin(request)
        try:
            response = await self._admit(request, trace)
        except asyncio.CancelledError:  # the worker ends, and waits no longer
            trace.broken = trace.broken or web.Response(status=503)
            self._journal.note(request, trace.broken, trace, perf_counter() - started)
            raise
        except Exception as error:  # noqa: BLE001 - the place where any error becomes an answer
            self._report(error, trace)
            response = trace.broken or self._refuse(request, trace, error)
        if response.prepared:  # and sent: others that came with it are, before any is noted
            await keep_step()
        else:
            trace.mark(response)
        self._journal.note(request, response, trace, perf_counter() - started)
        return response

    def drain(self) -> None:
        """From now on tell each client to ask its next question on a new connection."""
        self._tracer.is_draining = True

    async def _admit(self, request: web.Request, trace: Trace) -> web.StreamResponse:
        if request.method not in _METHODS:
            raise web.HTTPMethodNotAllowed(request.method, _METHODS)
        if request.rel_url.raw_path in UNGUARDED:
            return await self._handler(request)
        if self._admission.pace.has_newcomers:
            await self._admission.pace.let_in()
        task = request.task
        self._admission.enter(trace.quota)
        self._deadlines.begin(task)
        try:
            return await self._handler(request)
        except asyncio.CancelledError as error:
            if self._deadlines.end(task):
                raise StorageTimeout("The request took too long; ask for less at once.") from error
            raise
        finally:
            self._deadlines.end(task)
            self._admission.leave(trace.quota)

    def _refuse(self, request: web.Request, trace: Trace, error: Exception) -> web.Response:
        """Make the answer that tells an error."""
        headers: dict[str, str] = {hdrs.VARY: hdrs.ACCEPT}
        if isinstance(error, RangeNotSatisfiable):
            headers[hdrs.CONTENT_RANGE] = content_range(None, error.size)
            problem = Problem(416, "Range Not Satisfiable", str(error), trace.request_id)
        elif isinstance(error, PreconditionFailed):
            problem = Problem(412, "Precondition Failed", str(error), trace.request_id)
        elif isinstance(error, web.HTTPException):
            headers[hdrs.ALLOW] = _ALLOWED
            detail = "Only GET, HEAD and OPTIONS are answered here."
            problem = Problem(error.status, error.reason, detail, trace.request_id)
        else:
            status = self._server.no_overlap_status
            problem = describe_error(error, trace.request_id, no_overlap_status=status)
        trace.reason = problem.detail
        if (seconds := self._retry_after(error)) is not None:
            headers[hdrs.RETRY_AFTER] = str(seconds)
        if trace.collection is None:  # pages of other origins may read also what refuses them
            trace.collection = self._find(request)
            if trace.collection is None and trace.varies:  # it may be one that a key would open
                headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*"
                headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = EXPOSED
        body, headers[hdrs.CONTENT_TYPE] = render_problem(
            problem, request.headers.get(hdrs.ACCEPT, "")
        )
        if headers[hdrs.CONTENT_TYPE] == HTML:
            headers["Content-Security-Policy"] = content_security_policy()
        return web.Response(status=problem.status, body=body, headers=headers)

    def _retry_after(self, error: Exception) -> int | None:
        """Say in how many seconds it is worth to ask again, if it is."""
        if isinstance(error, StorageDown):
            return ceil(error.retry_after_s)
        return self._retry_after_s if isinstance(error, Overloaded | TooManyRequests) else None

    def _report(self, error: Exception, trace: Trace) -> None:
        """Log what the caller is not told: the cause, and that an answer was broken off."""
        what = "broken off" if trace.broken else "failed"
        if trace.broken and isinstance(error, ConnectionError | ClientConnectionResetError):
            _LOG.info("request %s: the client is gone", trace.request_id)
        elif isinstance(error, ArchiveError):
            cause = f" ({error.__cause__!r})" if error.__cause__ else ""
            _LOG.warning("request %s %s: %s%s", trace.request_id, what, error, cause)
        elif not isinstance(error, _REFUSALS):
            _LOG.error("request %s %s", trace.request_id, what, exc_info=error)
