"""Journal: what is told of each request, kept for a moment and told in batches.

A line and its counts cost four times as much between two cutouts, whose bytes have just emptied
the processor's caches, as one after the other.
"""

import asyncio
from collections.abc import Callable, Sequence
from time import time
from typing import NamedTuple

from aiohttp import web

from gateway.service import Timings
from gateway.web.trace import Trace

_COLLECT_S = 0.2


class Record(NamedTuple):
    """What is told of a request that was answered."""

    time: float
    """When its answer ended, in seconds since 1970 (UTC)."""
    request_id: str
    client: str
    """Address it came from; empty if nobody can say."""
    method: str
    url: str
    """Path and query as they came, percent-encoded, so that no client can forge a line."""
    collection: str
    """Path of the collection; empty if the request leads to none."""
    status: int
    body_bytes: int
    seconds: float
    """From its head to the end of its answer."""
    reads: int
    """Requests to the storage."""
    read_bytes: int
    """Bytes that the storage gave."""
    needed_bytes: int
    """Those of them that were needed."""
    retries: int
    """Requests to the storage that repeated another."""
    timings: Timings
    found: bool
    """Whether it leads to a file."""
    broken: bool
    """Whether its answer could not be finished."""
    reason: str = ""
    """What it was told when it was refused or failed."""


class Journal:
    """Keeps records, and tells them to those who want them.

    Parameters
    ----------
    readers : sequence of callable
        Each is told the records, a batch at a time.
    """

    def __init__(self, readers: Sequence[Callable[[Sequence[Record]], None]]) -> None:
        self._readers = readers
        self._records: list[Record] = []

    def note(
        self, request: web.Request, response: web.StreamResponse, trace: Trace, seconds: float
    ) -> None:
        """Note a request that was answered."""
        if not self._records:
            asyncio.get_running_loop().call_later(_COLLECT_S, self.tell)
        stored = trace.stored
        self._records.append(
            Record(
                time(),
                trace.request_id,
                trace.client,
                request.method,
                request.raw_path,
                trace.collection.path if trace.collection else "",
                response.status,
                trace.body_bytes(response),
                seconds,
                stored.reads if stored else 0,
                stored.bytes_read if stored else 0,
                stored.bytes_needed if stored else 0,
                trace.retries,
                trace.timings or {},
                stored is not None,
                trace.broken is not None,
                trace.reason,
            )
        )

    def tell(self) -> None:
        """Tell what was noted."""
        records, self._records = self._records, []
        if records:
            for reader in self._readers:
                reader(records)
