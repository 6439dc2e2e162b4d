"""Metrics: what Prometheus is told of one process."""

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from gateway.web.trace import Trace

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Counts the requests of one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = self._counter("requests", "Requests answered.", "status")
        self._sent = self._counter("sent_bytes", "Bytes of bodies.")
        self._reads = self._counter("storage_reads", "Requests to storage.")
        self._read_bytes = self._counter("storage_bytes", "Bytes that storage gave.")
        self._broken = self._counter("broken", "Answers broken off.")
        self._seconds = Histogram(
            "ibe_gateway_request_seconds",
            "Time from a request's head to the end of its answer.",
            ("collection",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._series: dict[tuple[str, int], tuple[Counter, Counter, Counter, Counter, Histogram]]
        self._series = {}

    def count(self, response: web.StreamResponse, trace: Trace, seconds: float) -> None:
        """Count a request that was answered."""
        key = trace.collection_path, response.status
        series = self._series.get(key)
        if series is None:  # looking labels up costs more than counting
            collection, status = key
            series = self._series[key] = (
                self._requests.labels(collection, status),
                self._sent.labels(collection),
                self._reads.labels(collection),
                self._read_bytes.labels(collection),
                self._seconds.labels(collection),
            )
        requests, sent, reads, read_bytes, histogram = series
        requests.inc()
        sent.inc(trace.body_bytes(response))
        histogram.observe(seconds)
        if trace.answer is not None:
            reads.inc(trace.answer.stored.reads)
            read_bytes.inc(trace.answer.stored.bytes_read)
        if trace.broken is not None:
            self._broken.labels(trace.collection_path).inc()

    async def get(self, _: web.Request) -> web.Response:
        """Answer with all counts."""
        body = generate_latest(self._registry)
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: CONTENT_TYPE_LATEST})

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        names = ("collection", *labels)
        return Counter(f"ibe_gateway_{name}", what, names, registry=self._registry)
