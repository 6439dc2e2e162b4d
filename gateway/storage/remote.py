"""A Store on any Engine: plans which bytes are asked for, a bounded number of reads at once."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np

from gateway.core.errors import GatewayError, ShortRead
from gateway.core.ranges import Block, plan_reads
from gateway.storage.engine import Engine
from gateway.storage.store import Buffer, Entry, ObjectInfo

_MAX_GAP = 1024 * 1024  # bytes; about what a round trip to S3 costs
_MAX_READ = 8 * 1024 * 1024  # bytes
_AT_ONCE = 8  # reads of one block


class RemoteStore:
    """The objects of an engine.

    Parameters
    ----------
    engine : Engine
        The storage.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def open(self, key: str) -> "RemoteObject":
        """Ask for the present version of an object."""
        return RemoteObject(self._engine, key, await self._engine.head(key))

    def entries(self, key: str, after: str = "") -> AsyncIterator[Entry]:
        """List a folder."""
        return self._engine.entries(key, after)

    async def probe(self) -> None:
        """Make sure that the storage answers."""
        await self._engine.probe()

    async def close(self) -> None:
        """Close the engine's connections."""
        await self._engine.close()


class RemoteObject:
    """One version of an object, open for reading by one request."""

    def __init__(self, engine: Engine, key: str, info: ObjectInfo) -> None:
        self._engine = engine
        self._key = key
        self.info = info
        self.reads = 0
        self.bytes_read = 0

    def read_resident(self, block: Block, target: memoryview) -> bool:  # noqa: ARG002
        """Give nothing: all of it is remote."""
        return False

    async def read(self, block: Block) -> Buffer:
        """Read a block by as few requests as pay."""
        if block.span.stop > self.info.size:
            raise ShortRead("The file ends before the bytes that were asked for.")
        parts = list(plan_reads(block, max_gap_bytes=_MAX_GAP, max_read_bytes=_MAX_READ))
        if len(parts) == 1:
            return await self._fetch(parts[0])
        limit = asyncio.Semaphore(_AT_ONCE)

        async def fetch(part: Block) -> Buffer:
            async with limit:
                return await self._fetch(part)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(fetch(part)) for part in parts]
        except* GatewayError as errors:
            raise errors.exceptions[0] from None
        return b"".join(task.result() for task in tasks)

    async def peek(self, start: int, stop: int) -> Buffer:
        """Read a range as far as the object goes."""
        stop = min(stop, self.info.size)
        return await self.read(Block.run(start, stop)) if start < stop else b""

    async def close(self) -> None:
        """Do nothing: connections belong to the engine."""

    async def _fetch(self, block: Block) -> Buffer:
        """Read the span of a block and pack its rows."""
        span = block.span
        data = await self._engine.get(self._key, span.start, span.stop, self.info)
        self.reads += 1
        self.bytes_read += len(data)
        if block.n_rows == 1:
            return bytes(data)
        shape, strides = (block.n_rows, block.row_bytes), (block.row_stride, 1)
        return np.ndarray(shape, np.uint8, data, 0, strides).tobytes()
