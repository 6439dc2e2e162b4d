"""Band reading: from a band of tiles to its pixels, at once or in threads."""

import asyncio
from collections.abc import Sequence

import numpy as np

from gateway.core.bands import Band
from gateway.core.ranges import Block, ByteRange
from gateway.core.unpacking import locate_tiles, unpack
from gateway.storage.store import StoredObject, new_buffer

_THREADS = 2  # that unpack a band where they can; a third is seldom free, and costs a hop


async def read_band(band: Band, stored: StoredObject) -> memoryview:
    """Read and unpack the pixels of a band of tiles.

    Raises
    ------
    CorruptFits, ShortRead, SourceChanged, StorageUnavailable, StorageTimeout
    """
    is_kept = bool(band.image.table.kept)
    tiles = locate_tiles(band, None if is_kept else await _read(band.rows, stored))
    packed = await _read(tiles.runs, stored)
    pixels = band.new_pixels()
    step = -(-len(tiles) // (_THREADS if band.image.codec.is_parallel else 1))
    parts = (range(n, min(n + step, len(tiles))) for n in range(0, len(tiles), step))
    await asyncio.gather(*(asyncio.to_thread(unpack, tiles, packed, p, pixels) for p in parts))
    return pixels.reshape(-1).view(np.uint8).data


def read_band_now(band: Band, stored: StoredObject) -> memoryview | None:
    """Read and unpack the pixels of a band of tiles if that needs no waiting, else give None.

    Raises
    ------
    CorruptFits, SourceChanged
    """
    is_kept = bool(band.image.table.kept)
    rows = None if is_kept else _read_now(band.rows, stored)
    if rows is None and not is_kept:
        return None
    tiles = locate_tiles(band, rows)
    packed = _read_now(tiles.runs, stored)
    if packed is None:
        return None
    pixels = band.new_pixels()
    unpack(tiles, packed, range(len(tiles)), pixels)
    return pixels.reshape(-1).view(np.uint8).data


async def _read(ranges: Sequence[ByteRange], stored: StoredObject) -> memoryview:
    return memoryview(await stored.read(*(Block.run(each.start, each.stop) for each in ranges)))


def _read_now(ranges: Sequence[ByteRange], stored: StoredObject) -> memoryview | None:
    found = new_buffer(sum(each.size for each in ranges))
    offset = 0
    for each in ranges:
        target = found[offset : offset + each.size]
        offset += each.size
        if not stored.read_resident(Block.run(each.start, each.stop), target):
            return None
    return found
