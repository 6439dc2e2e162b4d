"""Chunks: an answer, cut into what is read and made at a time, in order. No I/O."""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.core.bands import Band, plan_bands
from gateway.core.plan import CutoutPlan, Literal, Stored, Unpacked
from gateway.core.ranges import Block, split_block


@dataclass(frozen=True, slots=True)
class Rows:
    """Bytes that are copied from the parent: some of the packed bytes of a block."""

    block: Block
    skip: int
    """Bytes of the block before the first that is wanted."""
    size: int
    """Number of bytes that are wanted."""


@dataclass(frozen=True, slots=True)
class Copied:
    """Neighbouring bytes of an answer that are known, or copied from the parent."""

    parts: tuple[bytes | Rows, ...]
    size: int
    """Number of bytes."""

    @property
    def blocks(self) -> list[Block]:
        """What is read."""
        return [part.block for part in self.parts if isinstance(part, Rows)]


@dataclass(frozen=True, slots=True)
class Pixels:
    """Bytes of an answer that are decoded: some of those of a band of tiles."""

    band: Band
    skip: int
    """Bytes of the band before the first that is wanted."""
    size: int
    """Number of bytes that are wanted."""


Chunk = Copied | Pixels


def plan_chunks(
    plan: CutoutPlan, start: int, stop: int, *, chunk_bytes: int, max_band_bytes: int
) -> Iterator[Chunk]:
    """Cut the bytes of an answer from `start` to `stop` into chunks.

    Parameters
    ----------
    plan : CutoutPlan
        The answer.
    start, stop : int
        The bytes that are wanted.
    chunk_bytes : int
        How long a chunk is at most; a known piece may be longer, or a band of a single row of
        tiles.
    max_band_bytes : int
        What no band may exceed.
    """
    parts: list[bytes | Rows] = []
    size = 0
    for part in _plan_parts(plan, start, stop, chunk_bytes, max_band_bytes):
        length = len(part) if isinstance(part, bytes) else part.size
        if parts and (isinstance(part, Pixels) or size + length > chunk_bytes):
            yield Copied(tuple(parts), size)
            parts, size = [], 0
        if isinstance(part, Pixels):
            yield part
        else:
            parts.append(part)
            size += length
    if parts:
        yield Copied(tuple(parts), size)


def _plan_parts(
    plan: CutoutPlan, start: int, stop: int, chunk_bytes: int, max_band_bytes: int
) -> Iterator[bytes | Rows | Pixels]:
    for piece, first, last in plan.between(start, stop):
        match piece:
            case Literal(data=data):
                yield data[first:last]
            case Stored(planes=planes):
                for block, skip, take in planes.blocks(first, last):
                    yield from _cut_rows(block, skip, skip + take, chunk_bytes)
            case Unpacked(tiles, section):
                bands = plan_bands(
                    tiles, section, band_bytes=chunk_bytes, max_band_bytes=max_band_bytes
                )
                yield from cut_bands(bands, first, last)


def _cut_rows(block: Block, start: int, stop: int, chunk_bytes: int) -> Iterator[Rows]:
    """Cut the packed bytes of a block from `start` to `stop`."""
    offset = 0
    for part in split_block(block, chunk_bytes):
        first, last = max(start - offset, 0), min(stop - offset, part.size)
        offset += part.size
        if first < last:
            yield Rows(part, first, last - first)


def cut_bands(bands: Iterator[Band], start: int, stop: int) -> Iterator[Pixels]:
    """Choose the bands that hold the bytes from `start` to `stop` of all of them."""
    offset = 0
    for band in bands:
        if offset >= stop:
            return
        first, last = max(start - offset, 0), min(stop - offset, band.size)
        offset += band.size
        if first < last:
            yield Pixels(band, first, last - first)
