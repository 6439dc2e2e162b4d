"""An Engine that wraps an Engine and remembers for a while which version of an object it saw.

So a file that is read often costs no request to find out that it is the same. A memory that is too
old does no harm: reads are pinned, and one that finds another version makes it forgotten.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

from gateway.core.errors import SourceChanged
from gateway.core.ranges import ByteRange
from gateway.storage.engine import Engine
from gateway.storage.store import Buffer, Entry, ObjectInfo


class RememberingEngine:
    """The objects of another engine.

    Parameters
    ----------
    engine : Engine
        The storage.
    age_s : float
        How long a version is believed to be the present one.
    max_keys : int
        How many objects are remembered.
    """

    def __init__(self, engine: Engine, age_s: float, max_keys: int) -> None:
        self._engine = engine
        self._age_s = age_s
        self._max_keys = max_keys
        self._seen: OrderedDict[str, tuple[float, ObjectInfo]] = OrderedDict()
        self._running: dict[str, asyncio.Task[ObjectInfo]] = {}

    @property
    def max_ranges(self) -> int:
        """How many ranges one request may ask for."""
        return self._engine.max_ranges

    async def head(self, key: str) -> ObjectInfo:
        """Describe the version that was seen lately, or ask, once for all who ask meanwhile."""
        seen_at, info = self._seen.get(key, (None, None))
        if info is not None and seen_at is not None and monotonic() - seen_at < self._age_s:
            return info
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(self._look(key))
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key))
        return await asyncio.shield(task)

    async def get(self, key: str, start: int, stop: int, version: ObjectInfo) -> Buffer:
        """Read bytes; forget the version if it has changed."""
        with self._forgetting(key):
            return await self._engine.get(key, start, stop, version)

    async def get_ranges(
        self, key: str, ranges: Sequence[ByteRange], version: ObjectInfo
    ) -> Buffer:
        """Read several ranges by one request; forget the version if it has changed."""
        with self._forgetting(key):
            return await self._engine.get_ranges(key, ranges, version)

    def entries(self, key: str, after: str = "") -> AsyncIterator[Entry]:
        """List a folder."""
        return self._engine.entries(key, after)

    async def probe(self) -> None:
        """Make sure that the storage answers."""
        await self._engine.probe()

    async def close(self) -> None:
        """Let go of connections, and of who still asks."""
        for task in self._running.values():
            task.cancel()
        await self._engine.close()

    @contextmanager
    def _forgetting(self, key: str) -> Iterator[None]:
        try:
            yield
        except SourceChanged:
            self._seen.pop(key, None)
            raise

    async def _look(self, key: str) -> ObjectInfo:
        asked_at = monotonic()
        info = await self._engine.head(key)
        if self._age_s > 0:
            self._seen[key] = (asked_at, info)
            self._seen.move_to_end(key)
            if len(self._seen) > self._max_keys:
                self._seen.popitem(last=False)
        return info
