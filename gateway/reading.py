"""Reading: from a plan to its bytes, in order and in bounded memory."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from gateway.band_reading import read_band, read_band_now
from gateway.config import LimitSettings
from gateway.core.bands import Band, plan_bands
from gateway.core.chunks import Chunk, Copied, Pixels, Rows, cut_bands, plan_chunks
from gateway.core.plan import CutoutPlan, Literal, Stored, Unpacked
from gateway.core.section import Planes
from gateway.storage.store import Buffer, StoredObject, new_buffer

_UNPACKING_S = 0.002  # that others may wait for tiles: hops to threads take time, too


def read_now(
    plan: CutoutPlan, stored: StoredObject, start: int, stop: int, limits: LimitSettings
) -> memoryview | None:
    """Give the bytes of an answer from `start` to `stop` if that needs no waiting, else None.

    Raises
    ------
    CorruptFits, SourceChanged
    """
    found = new_buffer(stop - start)
    offset = 0
    for piece, first, last in plan.between(start, stop):
        target = found[offset : offset + last - first]
        offset += last - first
        if isinstance(piece, Literal):
            target[:] = piece.data[first:last]
        elif isinstance(piece, Stored):
            if not _copy_now(piece.planes, first, last, stored, target):
                return None
        elif plan.unpacking_s > _UNPACKING_S or not _unpack_now(
            bands_of(piece, limits), first, last, stored, target
        ):
            return None
    return found


def _copy_now(
    planes: Planes, first: int, last: int, stored: StoredObject, target: memoryview
) -> bool:
    if first == 0 and last == planes.block.size:  # a whole plane, as mostly
        return stored.read_resident(planes.block, target)
    offset = 0
    for block, skip, take in planes.blocks(first, last):
        rows = target[offset : offset + take] if take == block.size else new_buffer(block.size)
        if not stored.read_resident(block, rows):
            return False
        if take < block.size:
            target[offset : offset + take] = rows[skip : skip + take]
        offset += take
    return True


def _unpack_now(
    bands: Iterator[Band], first: int, last: int, stored: StoredObject, target: memoryview
) -> bool:
    offset = 0
    for chunk in cut_bands(bands, first, last):
        pixels = read_band_now(chunk.band, stored)
        if pixels is None:
            return False
        target[offset : offset + chunk.size] = pixels[chunk.skip : chunk.skip + chunk.size]
        offset += chunk.size
    return True


def bands_of(piece: Unpacked, limits: LimitSettings) -> Iterator[Band]:
    """Cut the pixels of a tile-compressed image into bands that fit into memory.

    Raises
    ------
    UnsupportedFits
        The tiles are too large. Raised before the first band.
    """
    return plan_bands(
        piece.tiles,
        piece.section,
        band_bytes=limits.chunk_bytes,
        max_band_bytes=limits.max_band_bytes,
    )


async def read_chunks(
    plan: CutoutPlan, stored: StoredObject, start: int, stop: int, limits: LimitSettings
) -> AsyncGenerator[Buffer, None]:
    """Read the bytes of an answer from `start` to `stop`, about `chunk_bytes` at a time.

    Raises
    ------
    CorruptFits, ShortRead, SourceChanged, StorageUnavailable, StorageTimeout
    """
    chunks = plan_chunks(
        plan,
        start,
        stop,
        chunk_bytes=limits.chunk_bytes,
        max_band_bytes=limits.max_band_bytes,
    )
    waiting: list[Buffer] = []
    waiting_bytes = 0
    async with aclosing(_read_in_order(chunks, stored)) as found:
        async for data in found:
            waiting.append(data)
            waiting_bytes += len(data)
            if waiting_bytes >= limits.chunk_bytes // 2:
                yield waiting[0] if len(waiting) == 1 else b"".join(waiting)
                waiting, waiting_bytes = [], 0
    if waiting:
        yield b"".join(waiting)


async def _read_in_order(
    chunks: Iterator[Chunk], stored: StoredObject
) -> AsyncGenerator[Buffer, None]:
    """Read chunks; while one is taken, the next are read, as far ahead as the object wants it."""
    if not stored.read_ahead_bytes:
        for chunk in chunks:
            yield await _read_chunk(chunk, stored)
        return
    running: deque[tuple[asyncio.Task[Buffer], int]] = deque()
    ahead_bytes = 0
    coming = next(chunks, None)
    try:
        while coming or running:
            if coming and (not running or ahead_bytes + coming.size <= stored.read_ahead_bytes):
                running.append((asyncio.create_task(_read_chunk(coming, stored)), coming.size))
                ahead_bytes += coming.size
                coming = next(chunks, None)
            else:
                data = await running[0][0]
                ahead_bytes -= running.popleft()[1]
                yield data
    finally:
        for task, _ in running:
            task.cancel()
        await asyncio.gather(*(task for task, _ in running), return_exceptions=True)


async def _read_chunk(chunk: Chunk, stored: StoredObject) -> Buffer:
    match chunk:
        case Copied():
            return await _copy(chunk, stored)
        case Pixels(band, skip, size):
            pixels = await read_band(band, stored)
            return pixels if size == len(pixels) else pixels[skip : skip + size]


async def _copy(chunk: Copied, stored: StoredObject) -> Buffer:
    blocks = chunk.blocks
    packed = memoryview(await stored.read(*blocks)) if blocks else memoryview(b"")
    if len(chunk.parts) == 1 and chunk.size == len(packed):
        return packed
    found: list[Buffer] = []
    offset = 0
    for part in chunk.parts:
        if isinstance(part, Rows):
            first = offset + part.skip
            found.append(packed[first : first + part.size])
            offset += part.block.size
        else:
            found.append(part)
    return b"".join(found)
