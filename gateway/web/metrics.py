"""Metrics: what Prometheus is told of one process."""

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from gateway.web.journal import Record

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Counts the requests of one process.

    Parameters
    ----------
    public_name : callable
        Gives what anybody may know of the path of a collection.
    """

    def __init__(self, public_name: Callable[[str], str]) -> None:
        self._public_name = public_name
        self._registry = CollectorRegistry()
        self._requests = self._counter("requests", "Requests answered.", "status")
        self._sent = self._counter("sent_bytes", "Bytes of bodies.")
        self._reads = self._counter("storage_reads", "Requests to storage.")
        self._read_bytes = self._counter("storage_bytes", "Bytes that storage gave.")
        self._needed_bytes = self._counter(
            "storage_needed_bytes", "Bytes that were needed of those that storage gave."
        )
        self._broken = self._counter("broken", "Answers broken off.")
        self._seconds = Histogram(
            "ibe_gateway_request_seconds",
            "Time from a request's head to the end of its answer.",
            ("collection",),
            buckets=_SECONDS,
            registry=self._registry,
        )

    def count(self, records: Sequence[Record]) -> None:
        """Count requests that were answered."""
        for record in records:
            collection = self._public_name(record.collection)
            self._requests.labels(collection, record.status).inc()
            self._sent.labels(collection).inc(record.body_bytes)
            self._reads.labels(collection).inc(record.reads)
            self._read_bytes.labels(collection).inc(record.read_bytes)
            self._needed_bytes.labels(collection).inc(record.needed_bytes)
            self._seconds.labels(collection).observe(record.seconds)
            if record.broken:
                self._broken.labels(collection).inc()

    def render(self) -> bytes:
        """Give all counts in Prometheus' text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        names = ("collection", *labels)
        return Counter(f"ibe_gateway_{name}", what, names, registry=self._registry)
