"""Gauges: what a process does at the moment, and what is counted far from any request."""

import asyncio
from collections.abc import Iterator

from gateway.service import Service
from gateway.web.admission import Admission
from gateway.web.metrics import Metrics

_LOOK_S = 1.0


class Gauges:
    """Looks every second, for the other processes, and whenever this one is asked.

    Parameters
    ----------
    metrics : Metrics
        Is told what is seen.
    service : Service
        Counts what storages did, and where layouts were found.
    admission : Admission
        Knows who is answered, and who waits.
    """

    def __init__(self, metrics: Metrics, service: Service, admission: Admission) -> None:
        self._service = service
        self._admission = admission
        self._in_flight = metrics.gauge("in_flight", "Requests that are being answered.")
        self._large = metrics.gauge("large_in_flight", "Large answers that have their turn.")
        self._work = metrics.gauge("large_bytes", "Bytes that these send or unpack.")
        self._waiting = metrics.gauge("waiting", "Large answers that wait for their turn.")
        self._counters = {
            "layouts": metrics.counter(
                "layouts", "Layouts that requests needed, by where they were found.", "place"
            ),
            "tries": metrics.counter("storage_tries", "Requests to remote storages, repeated too."),
            "retries": metrics.counter("storage_retries", "Those that repeated another."),
            "failures": metrics.counter("storage_failures", "Those that failed but may not again."),
        }
        self._told: dict[tuple[str, str], int] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Look, and again every second."""
        self.look()
        self._timer = asyncio.get_running_loop().call_later(_LOOK_S, self.begin)

    def end(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def look(self) -> None:
        """Tell what is seen."""
        self._in_flight.set(self._admission.requests)
        self._large.set(self._admission.large.requests)
        self._work.set(self._admission.large.work_bytes)
        self._waiting.set(self._admission.waiting)
        for name, label, count in self._counts():
            more = count - self._told.get((name, label), 0)
            self._counters[name].labels(label).inc(more)
            self._told[name, label] = count

    def _counts(self) -> Iterator[tuple[str, str, int]]:
        found = self._service.layouts_found
        yield from (("layouts", place, getattr(found, place)) for place in found.__slots__)
        archive = self._service.archive
        totals: dict[tuple[str, str], int] = {}
        for path, collection in archive.collections.items():
            for name in ("tries", "retries", "failures"):
                key = name, archive.public_name(path)  # closed collections are counted together
                totals[key] = totals.get(key, 0) + getattr(collection.tally, name)
        yield from ((name, path, count) for (name, path), count in totals.items())
