"""Stored objects that answer in offsets of an unpacked file, so that nothing above knows of gzip.

A small file is unpacked in memory; of a larger one the needed stretches are read by its seek index
and inflated, in threads.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import numpy as np

from gateway.core.errors import GatewayError, ShortRead
from gateway.core.ranges import Block, split_block
from gateway.core.seek_index import SeekIndex, Stretch
from gateway.storage.store import Buffer, StoredObject, new_buffer

_MAX_GAP = 2**20  # unpacked bytes; about how far apart the points are
_MAX_STRETCH = 4 * 2**20  # unpacked bytes that are inflated in one go
_AT_ONCE = 4  # stretches of one block that are read and inflated
_BEHIND_END = "The unpacked file ends before the bytes that were asked for."


class Unpacked:
    """What these have in common: the packed file is what is counted and closed."""

    def __init__(self, packed: StoredObject, size: int) -> None:
        self._packed = packed
        self.info = replace(packed.info, size=size)
        self.read_ahead_bytes = packed.read_ahead_bytes

    @property
    def reads(self) -> int:
        """Number of requests to the storage so far."""
        return self._packed.reads

    @property
    def bytes_read(self) -> int:
        """Number of packed bytes that the storage gave so far."""
        return self._packed.bytes_read

    @property
    def bytes_needed(self) -> int:
        """Number of packed bytes that were asked of the storage so far."""
        return self._packed.bytes_needed

    async def close(self) -> None:
        """Close the packed file."""
        await self._packed.close()

    def _check(self, block: Block) -> None:
        if block.span.stop > self.info.size:
            raise ShortRead(_BEHIND_END)


class UnpackedObject(Unpacked):
    """A gzip file that lies unpacked in memory.

    Parameters
    ----------
    packed : StoredObject
        The file.
    content : bytes
        What it unpacks to.
    """

    def __init__(self, packed: StoredObject, content: bytes) -> None:
        super().__init__(packed, len(content))
        self._content = content

    def read_resident(self, block: Block, target: memoryview) -> bool:
        """Copy a block."""
        self._check(block)
        _copy_rows(self._content, block.start, block, target)
        return True

    async def read(self, *blocks: Block) -> Buffer:
        """Copy blocks."""
        target = new_buffer(sum(block.size for block in blocks))
        offset = 0
        for block in blocks:
            self.read_resident(block, target[offset : offset + block.size])
            offset += block.size
        return target

    async def peek(self, start: int, stop: int) -> Buffer:
        """Copy a range as far as the file goes."""
        return self._content[start:stop]


class GzippedObject(Unpacked):
    """A gzip file of which parts are inflated.

    Parameters
    ----------
    packed : StoredObject
        The file.
    index : SeekIndex
        Of this version of it.
    """

    def __init__(self, packed: StoredObject, index: SeekIndex) -> None:
        super().__init__(packed, index.size)
        self._index = index
        self._places = asyncio.Semaphore(_AT_ONCE)

    def read_resident(self, block: Block, target: memoryview) -> bool:  # noqa: ARG002
        """Give nothing: inflating takes time."""
        return False

    async def read(self, *blocks: Block) -> Buffer:
        """Inflate blocks, their parts at once."""
        for block in blocks:
            self._check(block)
        target = new_buffer(sum(block.size for block in blocks))
        offset = 0
        try:
            async with asyncio.TaskGroup() as group:
                for part in chain.from_iterable(map(_cut, blocks)):
                    group.create_task(self._fill(target[offset : offset + part.size], part))
                    offset += part.size
        except* GatewayError as errors:
            raise errors.exceptions[0] from None
        return target

    async def peek(self, start: int, stop: int) -> Buffer:
        """Inflate a range as far as the file goes."""
        stop = min(stop, self.info.size)
        return await self.read(Block.run(start, stop)) if start < stop else b""

    async def _fill(self, target: memoryview, part: Block) -> None:
        async with self._places:
            stretches = list(self._index.locate(part.span))
            first, last = stretches[0].packed.start, stretches[-1].packed.stop
            packed = memoryview(await self._packed.read(Block.run(first, last)))
            await asyncio.to_thread(_inflate_rows, stretches, packed, part, target)


def _cut(block: Block) -> Iterator[Block]:
    """Cut a block into parts whose spans are each inflated in one go."""
    gap = block.row_stride - block.row_bytes
    if gap > _MAX_GAP or block.row_stride > _MAX_STRETCH:
        for row in range(block.n_rows):
            yield from split_block(block.rows(row, row + 1), _MAX_STRETCH)
        return
    step = (_MAX_STRETCH + gap) // block.row_stride
    for first in range(0, block.n_rows, step):
        yield block.rows(first, min(first + step, block.n_rows))


def _inflate_rows(
    stretches: list[Stretch], packed: memoryview, block: Block, target: memoryview
) -> None:
    origin = stretches[0].packed.start
    parts = [s.inflate(packed[s.packed.start - origin : s.packed.stop - origin]) for s in stretches]
    data = parts[0] if len(parts) == 1 else b"".join(parts)
    _copy_rows(data, block.start - stretches[0].unpacked.start, block, target)


def _copy_rows(data: bytes, start: int, block: Block, target: memoryview) -> None:
    """Copy the rows of a block, the first of which begins at an offset of the data."""
    shape = (block.n_rows, block.row_bytes)
    rows = np.ndarray(shape, np.uint8, data, start, (block.row_stride, 1))
    np.copyto(np.ndarray(shape, np.uint8, target), rows)
