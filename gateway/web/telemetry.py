"""Telemetry: the trace of each request, for a collector of OpenTelemetry.

The packages of the extra ``otel`` are imported here and nowhere else, and this module only where a
collector is named: without one, a request does not know that there are traces.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from threading import Thread
from time import perf_counter_ns, time_ns
from typing import TypeVar

from aiohttp import hdrs, web
from opentelemetry.context import Context, attach, detach
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from gateway.config_server import TelemetrySettings
from gateway.core.errors import NotFound
from gateway.storage.watcher import WATCHER, Watcher
from gateway.web.middleware import UNGUARDED, Handler
from gateway.web.trace import TRACE, Trace
from gateway.web.viewers import redact

_Answer = TypeVar("_Answer")
_W3C = TraceContextTextMapPropagator()
_NAME = "ibe-gateway"
_SERVER_ERROR = 500


class Telemetry:
    """Traces the requests of a process; to be made behind the fork, for it has a thread.

    Parameters
    ----------
    settings : TelemetrySettings
        Where traces are sent, and which.
    """

    def __init__(self, settings: TelemetrySettings) -> None:
        self._settings = settings
        release = version(_NAME)
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(settings.sample_ratio)),
            resource=Resource.create(
                {SERVICE_NAME: settings.service_name, SERVICE_VERSION: release}
            ),
            shutdown_on_exit=False,
        )
        exporter = OTLPSpanExporter(
            settings.endpoint, headers=settings.headers, timeout=settings.timeout_s
        )
        queue = BatchSpanProcessor(
            exporter, settings.max_spans, max_export_batch_size=min(512, settings.max_spans)
        )
        self._provider.add_span_processor(queue)
        self._tracer = self._provider.get_tracer(_NAME, release)
        self._watcher = _StorageWatcher(self._tracer, passes_on=settings.pass_on)

    def wrap(self, answer: Handler) -> Handler:
        """Let requests be traced on their way to what answers them, but for those of operators."""

        async def answer_traced(request: web.Request) -> web.StreamResponse:
            if request.rel_url.raw_path in UNGUARDED:
                return await answer(request)
            return await self._trace(request, answer)

        return answer_traced

    async def close(self) -> None:
        """Send what waits to be sent, as far as the collector takes it in time."""
        # not in a thread that the end of the process waits for: the collector may hang
        last = Thread(target=self._provider.shutdown, daemon=True)
        last.start()
        await asyncio.to_thread(last.join, self._settings.timeout_s)

    async def _trace(self, request: web.Request, answer: Handler) -> web.StreamResponse:
        context = _W3C.extract(request.headers)
        clock_ns = time_ns() - perf_counter_ns()  # what the other clock has to be set by
        span = self._tracer.start_span(
            _name_method(request),
            context,
            kind=SpanKind.SERVER,
            start_time=clock_ns + perf_counter_ns(),
        )
        context = set_span_in_context(span, context)
        token, watching = attach(context), WATCHER.set(self._watcher)
        try:
            response = await answer(request)
            if span.is_recording():
                self._describe_steps(request[TRACE], context, clock_ns)
                _describe(span, request, response)
        finally:
            span.end(clock_ns + perf_counter_ns())
            WATCHER.reset(watching)
            detach(token)
        return response

    def _describe_steps(self, trace: Trace, context: Context, clock_ns: int) -> None:
        """Add the steps of an answer, which it has noted itself."""
        for name, (begin, end) in (trace.timings or {}).items():
            start_ns = clock_ns + round(begin * 1e9)
            step = self._tracer.start_span(name, context, start_time=start_ns)
            step.end(clock_ns + round(end * 1e9))


class _StorageWatcher(Watcher):
    """Makes a span of each request to a remote storage.

    Parameters
    ----------
    tracer : Tracer
        Makes them.
    passes_on : bool
        Whether web servers are told the trace.
    """

    def __init__(self, tracer: Tracer, *, passes_on: bool) -> None:
        self._tracer = tracer
        self._passes_on = passes_on

    async def watch(self, what: str, question: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """Ask a storage once, within a span."""
        with self._tracer.start_as_current_span(
            f"storage {what}",
            kind=SpanKind.CLIENT,
            record_exception=False,  # its text, and its traceback, may tell more than they should
            set_status_on_exception=False,
        ) as span:
            try:
                answer = await question()
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                if not isinstance(error, NotFound):
                    span.set_status(StatusCode.ERROR)
                raise
            if isinstance(answer, bytes | bytearray | memoryview):
                span.set_attribute("ibe.storage.read_bytes", len(answer))
            return answer

    def headers(self) -> Mapping[str, str]:
        """Give the request's trace, and the span of the question in it (W3C Trace Context)."""
        headers: dict[str, str] = {}
        if self._passes_on:
            _W3C.inject(headers)
        return headers


def _name_method(request: web.Request) -> str:
    """Name the method, if it is one of HTTP's own: others may be anything."""
    return request.method if request.method in hdrs.METH_ALL else "HTTP"


def _describe(span: Span, request: web.Request, response: web.StreamResponse) -> None:
    """Say what was asked and answered, by OpenTelemetry's semantic conventions where they have it.

    The path has no secret, and of the query the signature is left out.
    """
    trace, url, method = request[TRACE], request.rel_url, _name_method(request)
    status, found = response.status, trace.stored
    attributes: dict[str, AttributeValue] = {
        "http.request.method": "_OTHER" if method == "HTTP" else method,
        "url.scheme": request.scheme,
        "url.path": url.raw_path,
        "network.protocol.version": f"{request.version.major}.{request.version.minor}",
        "http.response.status_code": status,
        "http.response.body.size": trace.body_bytes(response),
        "ibe.request_id": trace.request_id,
        "ibe.storage.retries": trace.retries,
    }
    if query := url.raw_query_string:
        attributes["url.query"] = redact(query)
    if trace.client:
        attributes["client.address"] = trace.client
    if agent := request.headers.get(hdrs.USER_AGENT):
        attributes["user_agent.original"] = agent
    if trace.collection is not None:
        route = f"{trace.collection.path}/{{key}}"
        attributes["http.route"] = route
        span.update_name(f"{method} {route}")
    if found is not None:
        attributes["ibe.storage.reads"] = found.reads
        attributes["ibe.storage.read_bytes"] = found.bytes_read
        attributes["ibe.storage.needed_bytes"] = found.bytes_needed
    if status >= _SERVER_ERROR or trace.broken:
        attributes["error.type"] = "broken off" if trace.broken else str(status)
        span.set_status(StatusCode.ERROR)
    span.set_attributes(attributes)
