"""Link model: what reads of a storage cost, learned from the reads themselves.

Reads are looked at a busy period at a time: from a moment when none runs to the next, or for a
second. Where many run at once, each waits for the others, so that the time of a single one tells
little. Of a period, the shortest of its small reads tells the latency, for it waited least; and all
bytes together, in the time beyond the latency, tell the bandwidth, if they came in long reads:
short ones are not what a bandwidth bounds.

The median of the last periods is taken, so that a single odd one changes nothing. A bandwidth is
forgotten after some minutes: a gateway that found a link narrow reads no gaps any more, and would
never notice that it has become wide.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from math import inf
from statistics import median
from time import monotonic

from gateway.core.read_plan import Link
from gateway.storage.store import Buffer

_LATENCY_S = 0.03  # until it is known; a store in the same region answers so
_BYTES_PER_S = 100e6  # until it is known, and once it is forgotten
_KEPT = 8  # periods
_MAX_AGE_S = 600.0
_MAX_PERIOD_S = 1.0
_SMALL_BYTES = 64 * 1024  # of a read that tells the latency
_LONG_BYTES = 128 * 1024  # of a mean read that tells the bandwidth
_ENOUGH_BYTES = 2 * 1024 * 1024  # of a short period that tells the bandwidth


class LinkModel:
    """What reads of one storage cost, as of its latest reads.

    Parameters
    ----------
    request_s : float
        What each request costs beside its time.
    at_once : int
        How many reads run at a time.
    clock : callable
        Gives seconds.
    """

    def __init__(
        self, request_s: float, at_once: int, clock: Callable[[], float] = monotonic
    ) -> None:
        self._request_s = request_s
        self._at_once = at_once
        self._clock = clock
        self._latencies: deque[float] = deque(maxlen=_KEPT)
        self._bandwidths: deque[tuple[float, float]] = deque(maxlen=_KEPT)
        self._running = 0
        self._since, self._reads, self._bytes, self._shortest_s = 0.0, 0, 0, inf

    @property
    def link(self) -> Link:
        """The present estimate."""
        oldest = self._clock() - _MAX_AGE_S
        bandwidths = [bytes_per_s for time, bytes_per_s in self._bandwidths if time >= oldest]
        return Link(
            self._latency_s,
            median(bandwidths) if bandwidths else _BYTES_PER_S,
            self._request_s,
            self._at_once,
        )

    async def watch(self, read: Awaitable[Buffer]) -> Buffer:
        """Wait for a read and learn from it; one that fails teaches nothing."""
        started = self._clock()
        if not self._running:
            self._begin(started)
        self._running += 1
        try:
            data = await read
        finally:
            self._running -= 1
        now, size = self._clock(), len(data)
        self._reads += 1
        self._bytes += size
        if size <= _SMALL_BYTES:
            self._shortest_s = min(self._shortest_s, now - started)
        if not self._running or now - self._since >= _MAX_PERIOD_S:
            self._learn(now)
            self._begin(now)
        return data

    @property
    def _latency_s(self) -> float:
        return median(self._latencies) if self._latencies else _LATENCY_S

    def _begin(self, now: float) -> None:
        self._since, self._reads, self._bytes, self._shortest_s = now, 0, 0, inf

    def _learn(self, now: float) -> None:
        if self._shortest_s < inf:
            self._latencies.append(self._shortest_s)
        elapsed = now - self._since
        enough = self._bytes >= _ENOUGH_BYTES or elapsed >= _MAX_PERIOD_S
        if enough and self._bytes >= self._reads * _LONG_BYTES:
            # a latency that is over-estimated must not make the bandwidth infinite
            seconds = max(elapsed - self._latency_s, elapsed / 8)
            self._bandwidths.append((now, self._bytes / seconds))
