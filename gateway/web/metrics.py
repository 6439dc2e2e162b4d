"""Metrics: what Prometheus is told, of one process or of all that share a folder."""

import os
from bisect import bisect_left
from collections import Counter as Counted
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    generate_latest,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from gateway.web.journal import Record

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a process keeps its counts, beside those of others that serve the same.

    Who takes a seat counts on from where the one before left off: no count goes backwards, and
    there are never more files than there were processes at one time.
    """

    folder: Path
    number: int
    """No two processes that live have the same."""

    def leave(self) -> None:
        """Drop what the process did at the moment of its end; what it had done stays counted."""
        mark_process_dead(self.number, str(self.folder))  # type: ignore[no-untyped-call]


class AllSeats(MultiProcessCollector):
    """Adds up what all processes counted."""

    def collect(self) -> Iterable[Metric]:
        """Give the counts; a process that just begins has a file that is empty for a moment."""
        files = [path for path in Path(self._path).glob("*.db") if _has_begun(path)]
        return self.merge(map(str, files))  # type: ignore[no-untyped-call, no-any-return]


class Metrics:
    """Counts the requests of a process.

    Parameters
    ----------
    public_name : callable
        Gives what anybody may know of the path of a collection.
    seat : Seat or None
        Where the processes share their counts; None if this is the only one.
    """

    def __init__(self, public_name: Callable[[str], str], seat: Seat | None = None) -> None:
        self._public_name = public_name
        self._own = self._all = CollectorRegistry()
        if seat is not None:
            _share(seat)
            self._all = CollectorRegistry()
            AllSeats(self._all, str(seat.folder))  # type: ignore[no-untyped-call]
        self._requests = self.counter("requests", "Requests answered.", "collection", "status")
        self._sent = self.counter("sent_bytes", "Bytes of bodies.")
        self._reads = self.counter("storage_reads", "Requests to storage.")
        self._read_bytes = self.counter("storage_bytes", "Bytes that storage gave.")
        self._needed_bytes = self.counter(
            "storage_needed_bytes", "Bytes that were needed of those that storage gave."
        )
        self._retried = self.counter(
            "retried_requests", "Requests for which a storage was asked something again."
        )
        self._broken = self.counter("broken", "Answers broken off.")
        self._seconds = Histogram(
            "ibe_gateway_request_seconds",
            "Time from a request's head to the end of its answer.",
            ("collection",),
            buckets=_SECONDS,
            registry=self._own,
        )

    def expect(self, collections: Iterable[str]) -> None:
        """Begin the counts of collections at 0, and open the files that they are shared by."""
        counts = self._sent, self._reads, self._read_bytes, self._needed_bytes
        for path in collections:
            for metric in (*counts, self._retried, self._broken, self._seconds):
                metric.labels(self._public_name(path))

    def count(self, records: Sequence[Record]) -> None:
        """Count requests that were answered, those alike at once."""
        alike: defaultdict[tuple[str, int], list[Record]] = defaultdict(list)
        for record in records:
            alike[record.collection, record.status].append(record)
        for (path, status), group in alike.items():
            collection = self._public_name(path)
            self._requests.labels(collection, status).inc(len(group))
            self._sent.labels(collection).inc(sum(r.body_bytes for r in group))
            self._reads.labels(collection).inc(sum(r.reads for r in group))
            self._read_bytes.labels(collection).inc(sum(r.read_bytes for r in group))
            self._needed_bytes.labels(collection).inc(sum(r.needed_bytes for r in group))
            self._retried.labels(collection).inc(sum(r.retries > 0 for r in group))
            self._broken.labels(collection).inc(sum(r.broken for r in group))
            _observe(self._seconds.labels(collection), [r.seconds for r in group])

    def counter(self, name: str, what: str, *labels: str) -> Counter:
        """Make a counter, by collection if nothing else is said."""
        names = labels or ("collection",)
        return Counter(f"ibe_gateway_{name}", what, names, registry=self._own)

    def gauge(self, name: str, what: str) -> Gauge:
        """Make a gauge; the processes that live are added up."""
        return Gauge(f"ibe_gateway_{name}", what, registry=self._own, multiprocess_mode="livesum")

    def render(self) -> bytes:
        """Give all counts in Prometheus' text format."""
        return generate_latest(self._all)


def _observe(histogram: Histogram, values: Sequence[float]) -> None:
    """Count values all at once: one by one, each is written to two places of a mapped file."""
    for i, n in Counted(bisect_left(_SECONDS, value) for value in values).items():
        histogram._buckets[i].inc(n)  # noqa: SLF001 - as its `observe` does
    histogram._sum.inc(sum(values))  # noqa: SLF001


def _has_begun(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:  # its process is gone
        return False


def _share(seat: Seat) -> None:
    """Keep the values of this process in maps of files, as prometheus-client does.

    It looks for the folder when it is imported, which is before there is one.
    """
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(seat.folder)
    values.ValueClass = values.MultiProcessValue(  # type: ignore[no-untyped-call]
        lambda: seat.number  # not the process id, which makes files that nobody uses again
    )
