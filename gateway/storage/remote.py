"""A Store on any Engine: plans which bytes are asked for, and how many reads run at once."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import numpy as np

from gateway.config import LimitSettings
from gateway.core.errors import GatewayError, ShortRead
from gateway.core.ranges import Block, ByteRange
from gateway.core.read_plan import Part, Read, plan_requests
from gateway.storage.engine import Engine
from gateway.storage.link_model import LinkModel
from gateway.storage.store import Buffer, Entry, ObjectInfo, new_buffer


class RemoteStore:
    """The objects of an engine.

    Parameters
    ----------
    engine : Engine
        The storage.
    limits : LimitSettings
        How much is read at once.
    request_cost_s : float
        What a request to the storage costs beside its latency.
    """

    def __init__(self, engine: Engine, limits: LimitSettings, request_cost_s: float) -> None:
        self._engine = engine
        self._limits = limits
        self._places = asyncio.Semaphore(limits.storage_reads)
        self._model = LinkModel(request_cost_s, limits.storage_reads)

    async def open(self, key: str) -> "RemoteObject":
        """Ask for the present version of an object."""
        return RemoteObject(self, key, await self._engine.head(key), self._limits.read_ahead_bytes)

    def entries(self, key: str, after: str = "") -> AsyncIterator[Entry]:
        """List a folder."""
        return self._engine.entries(key, after)

    async def probe(self) -> None:
        """Make sure that the storage answers."""
        await self._engine.probe()

    async def close(self) -> None:
        """Close the engine's connections."""
        await self._engine.close()

    def plan(self, blocks: tuple[Block, ...]) -> list[tuple[Read, ...]]:
        """Plan the requests for blocks, by what reads have cost of late."""
        limits, engine = self._limits, self._engine
        return plan_requests(blocks, self._model.link, limits.max_read_bytes, engine.max_ranges)

    async def get(self, key: str, ranges: Sequence[ByteRange], version: ObjectInfo) -> Buffer:
        """Read ranges, packed, by one request, when there is a place for it."""
        async with self._places:
            if len(ranges) > 1:
                return await self._model.watch(self._engine.get_ranges(key, ranges, version))
            (only,) = ranges
            return await self._model.watch(self._engine.get(key, only.start, only.stop, version))


class RemoteObject:
    """One version of an object, open for reading by one request."""

    def __init__(
        self, store: RemoteStore, key: str, info: ObjectInfo, read_ahead_bytes: int
    ) -> None:
        self._store = store
        self._key = key
        self.info = info
        self.read_ahead_bytes = read_ahead_bytes
        self.reads = 0
        self.bytes_read = 0
        self.bytes_needed = 0

    def read_resident(self, block: Block, target: memoryview) -> bool:  # noqa: ARG002
        """Give nothing: all of it is remote."""
        return False

    async def read(self, *blocks: Block) -> Buffer:
        """Read blocks by as few requests as pay, all at once."""
        if any(block.span.stop > self.info.size for block in blocks):
            raise ShortRead("The file ends before the bytes that were asked for.")
        size = sum(block.size for block in blocks)
        self.bytes_needed += size
        requests = self._store.plan(blocks)
        if len(requests) == len(blocks) == 1 and requests[0][0].span.size == size:
            return await self._get(requests[0])  # nothing to pack
        target = new_buffer(size)
        try:
            async with asyncio.TaskGroup() as group:
                for reads in requests:
                    group.create_task(self._fetch(reads, target, group))
        except* GatewayError as errors:
            raise errors.exceptions[0] from errors.exceptions[0].__cause__
        return target

    async def peek(self, start: int, stop: int) -> Buffer:
        """Read a range as far as the object goes."""
        stop = min(stop, self.info.size)
        return await self.read(Block.run(start, stop)) if start < stop else b""

    async def close(self) -> None:
        """Do nothing: connections belong to the engine."""

    async def _fetch(
        self, reads: tuple[Read, ...], target: memoryview, group: asyncio.TaskGroup
    ) -> None:
        """Do reads by one request, or by one each if the storage does not give them together."""
        try:
            data = await self._get(reads)
        except ShortRead:
            if len(reads) == 1:
                raise
            for read in reads:
                group.create_task(self._fetch((read,), target, group))
            return
        offset = 0
        for read in reads:
            for part in read.parts:
                _copy_rows(part, read.span.start - offset, data, target)
            offset += read.span.size

    async def _get(self, reads: tuple[Read, ...]) -> Buffer:
        ranges = [read.span for read in reads]
        data = await self._store.get(self._key, ranges, self.info)
        self.reads += 1
        self.bytes_read += len(data)
        return data


def _copy_rows(part: Part, data_start: int, data: Buffer, target: memoryview) -> None:
    """Copy the rows of a part from where they lie in the file to where they are packed."""
    rows = part.rows
    shape, strides = (rows.n_rows, rows.row_bytes), (rows.row_stride, 1)
    source = np.ndarray(shape, np.uint8, data, rows.start - data_start, strides)
    np.copyto(np.ndarray(shape, np.uint8, target, part.offset), source)
