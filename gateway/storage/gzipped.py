"""Stored objects that answer in offsets of an unpacked file, so that nothing above knows of gzip.

A small file is unpacked in memory; of a larger one the needed stretches are read by its seek index
and inflated, in threads. For 256 rows of an image of 1.4 GB that is 20 MB, at 420 MB/s on one core:
each byte is inflated once, in parts so small that several cores are busy to the end.
"""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from gateway.core.errors import GatewayError, ShortRead
from gateway.core.ranges import Block
from gateway.core.seek_index import SeekIndex, Stretch
from gateway.storage.store import Buffer, StoredObject, new_buffer

_PART = 2**20  # unpacked bytes that are read and inflated in one go; more from a single point on
_READS = 8  # such parts of an answer that are in memory, packed
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

    def __init__(self, packed: StoredObject, content: Buffer) -> None:
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
    inflated_at_once : int
        Parts that are inflated at once, on as many cores.
    """

    def __init__(self, packed: StoredObject, index: SeekIndex, inflated_at_once: int) -> None:
        super().__init__(packed, index.size)
        self._index = index
        self._reading = asyncio.Semaphore(max(_READS, inflated_at_once))
        self._inflating = asyncio.Semaphore(inflated_at_once)

    def inflated_bytes(self, blocks: Iterable[Block]) -> int:
        """Say how much is inflated for blocks: their rows, and the way to them from each point."""
        return sum(share.stretch.unpacked.size for share in _share(self._index, blocks))

    def read_resident(self, block: Block, target: memoryview) -> bool:  # noqa: ARG002
        """Give nothing: inflating takes time."""
        return False

    async def read(self, *blocks: Block) -> Buffer:
        """Inflate blocks, their parts at once."""
        for block in blocks:
            self._check(block)
        target = new_buffer(sum(block.size for block in blocks))
        try:
            async with asyncio.TaskGroup() as group:
                for part in _join(_share(self._index, blocks)):
                    group.create_task(self._fill(target, part))
        except* GatewayError as errors:
            raise errors.exceptions[0] from errors.exceptions[0].__cause__
        return target

    async def peek(self, start: int, stop: int) -> Buffer:
        """Inflate a range as far as the file goes."""
        stop = min(stop, self.info.size)
        return await self.read(Block.run(start, stop)) if start < stop else b""

    async def _fill(self, target: memoryview, part: list["_Share"]) -> None:
        async with self._reading:
            first, last = part[0].stretch.packed.start, part[-1].stretch.packed.stop
            packed = memoryview(await self._packed.read(Block.run(first, last)))
            async with self._inflating:
                await asyncio.to_thread(_inflate, part, packed, target)


@dataclass(slots=True)
class _Share:
    """What is inflated from one point, for one block or several."""

    stretch: Stretch
    blocks: list[tuple[Block, int]]
    """Each with the offset of its rows among all that are wanted."""


def _share(index: SeekIndex, blocks: Iterable[Block]) -> list[_Share]:
    """Find what is inflated for blocks, each byte once: many planes of a cube may share a point."""
    shares: dict[int, _Share] = {}
    offset = 0
    for block in blocks:
        for stretch in index.locate(block):
            share = shares.setdefault(stretch.unpacked.start, _Share(stretch, []))
            share.blocks.append((block, offset))
            if stretch.unpacked.stop > share.stretch.unpacked.stop:
                share.stretch = stretch
        offset += block.size
    return [shares[start] for start in sorted(shares)]


def _join(shares: Iterable[_Share]) -> Iterator[list[_Share]]:
    """Join shares that lie side by side to parts."""
    part: list[_Share] = []
    for share in shares:
        if part and (
            share.stretch.packed.start > part[-1].stretch.packed.stop
            or share.stretch.unpacked.stop - part[0].stretch.unpacked.start > _PART
        ):
            yield part
            part = []
        part.append(share)
    if part:
        yield part


def _inflate(part: list[_Share], packed: memoryview, target: memoryview) -> None:
    """Inflate a part, and copy what it holds of the rows of blocks."""
    origin = part[0].stretch.packed.start
    for share in part:
        place, offset = share.stretch.packed, share.stretch.unpacked.start
        for data in share.stretch.inflate(packed[place.start - origin : place.stop - origin]):
            for block, start in share.blocks:
                copy_part(data, offset, block, target[start : start + block.size])
            offset += len(data)


def copy_part(data: Buffer, start: int, block: Block, target: memoryview) -> None:
    """Copy what a part of a file holds of a block.

    Parameters
    ----------
    data : bytes
        The part.
    start : int
        Where it lies in the file.
    block : Block
        What is wanted.
    target : memoryview
        Gets what there is, of `block.size` bytes.
    """
    if start + len(data) <= block.start or start >= block.stop:
        return
    data = memoryview(data)[: block.stop - start]
    offset = max(block.start - start, 0)
    row, skip = divmod(start + offset - block.start, block.row_stride)
    if skip:  # it begins within a row, or behind one
        end = data[offset : offset + max(block.row_bytes - skip, 0)]
        first = row * block.row_bytes + skip
        target[first : first + len(end)] = end
        offset += block.row_stride - skip
        row += 1
    gap = block.row_stride - block.row_bytes
    n_rows = max(min((len(data) - offset + gap) // block.row_stride, block.n_rows - row), 0)
    if n_rows:
        first, stop = row * block.row_bytes, (row + n_rows) * block.row_bytes
        _copy_rows(data, offset, block.rows(row, row + n_rows), target[first:stop])
    first, offset = (row + n_rows) * block.row_bytes, offset + n_rows * block.row_stride
    beginning = data[offset : offset + block.row_bytes] if first < block.size else b""
    target[first : first + len(beginning)] = beginning


def _copy_rows(data: Buffer, start: int, block: Block, target: memoryview) -> None:
    """Copy the rows of a block, the first of which begins at an offset of the data."""
    shape = (block.n_rows, block.row_bytes)
    rows = np.ndarray(shape, np.uint8, data, start, (block.row_stride, 1))
    np.copyto(np.ndarray(shape, np.uint8, target), rows)
