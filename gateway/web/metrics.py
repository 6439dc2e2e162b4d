"""Metrics: what Prometheus is told."""

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from gateway.web.trace import Trace

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Counts the requests of one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("collection", "status")
        self._requests = Counter(
            "ibe_gateway_requests", "Requests answered.", labels, registry=self._registry
        )
        self._seconds = Histogram(
            "ibe_gateway_request_seconds",
            "Time from a request's head to the end of its answer.",
            ("collection",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._sent = Counter(
            "ibe_gateway_sent_bytes", "Bytes of bodies.", ("collection",), registry=self._registry
        )
        self._reads = Counter(
            "ibe_gateway_storage_reads",
            "Requests to storage.",
            ("collection",),
            registry=self._registry,
        )
        self._read_bytes = Counter(
            "ibe_gateway_storage_bytes",
            "Bytes that storage gave.",
            ("collection",),
            registry=self._registry,
        )
        self._broken = Counter(
            "ibe_gateway_broken", "Answers broken off.", ("collection",), registry=self._registry
        )

    def count(
        self, request: web.Request, response: web.StreamResponse, trace: Trace, seconds: float
    ) -> None:
        """Count a request that was answered."""
        if request.path == "/metrics":
            return
        collection = trace.collection
        self._requests.labels(collection, response.status).inc()
        self._seconds.labels(collection).observe(seconds)
        self._sent.labels(collection).inc(response.body_length or response.content_length or 0)
        if trace.broken is not None:
            self._broken.labels(collection).inc()
        if trace.answer is not None:
            self._reads.labels(collection).inc(trace.answer.stored.reads)
            self._read_bytes.labels(collection).inc(trace.answer.stored.bytes_read)

    async def get(self, _: web.Request) -> web.Response:
        """Answer with all counts."""
        body = generate_latest(self._registry)
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: CONTENT_TYPE_LATEST})
