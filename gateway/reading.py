"""Reading: from a plan to its bytes, in order and in bounded memory."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence

from gateway.config import LimitSettings
from gateway.core.bands import Band, decode_band, locate_tiles, plan_bands
from gateway.core.plan import CutoutPlan, Literal, Stored, Unpacked
from gateway.core.ranges import Block, ByteRange, split_block
from gateway.core.section import Planes
from gateway.storage.store import Buffer, StoredObject, new_buffer


def read_now(plan: CutoutPlan, stored: StoredObject, start: int, stop: int) -> memoryview | None:
    """Give the bytes of an answer from `start` to `stop` if that needs no waiting, else None.

    Raises
    ------
    SourceChanged
    """
    found = new_buffer(stop - start)
    offset = 0
    for piece, first, last in plan.between(start, stop):
        target = found[offset : offset + last - first]
        offset += last - first
        match piece:
            case Literal(data):
                target[:] = data[first:last]
            case Stored(planes=planes):
                if not _copy_now(planes, first, last, stored, target):
                    return None
            case Unpacked():
                return None
    return found


def _copy_now(
    planes: Planes, first: int, last: int, stored: StoredObject, target: memoryview
) -> bool:
    offset = 0
    for block, skip, take in planes.blocks(first, last):
        rows = target[offset : offset + take] if take == block.size else new_buffer(block.size)
        if not stored.read_resident(block, rows):
            return False
        if take < block.size:
            target[offset : offset + take] = rows[skip : skip + take]
        offset += take
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
    waiting: list[Buffer] = []
    waiting_bytes = 0
    async for data in _read_pieces(plan, stored, start, stop, limits):
        waiting.append(data)
        waiting_bytes += len(data)
        if waiting_bytes >= limits.chunk_bytes // 2:
            yield waiting[0] if len(waiting) == 1 else b"".join(waiting)
            waiting, waiting_bytes = [], 0
    if waiting:
        yield b"".join(waiting)


async def _read_pieces(
    plan: CutoutPlan, stored: StoredObject, start: int, stop: int, limits: LimitSettings
) -> AsyncGenerator[Buffer, None]:
    for piece, first, last in plan.between(start, stop):
        match piece:
            case Literal(data):
                yield data[first:last]
            case Stored(planes=planes):
                for block, skip, take in planes.blocks(first, last):
                    async for rows in _read_rows(block, skip, take, stored, limits.chunk_bytes):
                        yield rows
            case Unpacked():
                async for rows in _unpack(piece, first, last, stored, limits):
                    yield rows


async def _read_rows(
    block: Block, skip: int, take: int, stored: StoredObject, chunk_bytes: int
) -> AsyncGenerator[Buffer, None]:
    """Read a block in parts; drop `skip` bytes at its start and all behind the next `take`."""
    for part in split_block(block, chunk_bytes):
        rows = await stored.read(part)
        if skip or take < len(rows):
            rows = rows[skip : skip + take]
            skip = 0
        take -= len(rows)
        yield rows


async def _unpack(
    piece: Unpacked, start: int, stop: int, stored: StoredObject, limits: LimitSettings
) -> AsyncGenerator[Buffer, None]:
    """Decode the bands of tiles that hold the piece's bytes from `start` to `stop`."""
    offset = 0
    for band in bands_of(piece, limits):
        if offset >= stop:
            return
        first, last = max(start - offset, 0), min(stop - offset, band.size)
        offset += band.size
        if first < last:
            pixels = await read_band(band, stored)
            yield pixels[first:last]


async def read_band(band: Band, stored: StoredObject) -> bytes:
    """Read and decode the pixels of a band of tiles.

    Raises
    ------
    CorruptFits, ShortRead, SourceChanged, StorageUnavailable, StorageTimeout
    """
    table = b"".join([bytes(await _read_range(stored, rows)) for rows in band.rows])
    tiles = locate_tiles(band, table)
    packed = await _read_ranges(stored, [tile.data for tile in tiles])
    return await asyncio.to_thread(decode_band, band, tiles, packed)


async def _read_ranges(stored: StoredObject, ranges: Sequence[ByteRange]) -> list[bytes]:
    """Read ranges, neighbours at once: the tiles of a band mostly lie one after the other."""
    found: dict[ByteRange, bytes] = {}
    run: list[ByteRange] = []
    for each in [*sorted(set(ranges), key=lambda r: r.start), None]:
        if run and (each is None or each.start != run[-1].stop):
            data = bytes(await _read_range(stored, ByteRange(run[0].start, run[-1].stop)))
            for part in run:
                found[part] = data[part.start - run[0].start : part.stop - run[0].start]
            run = []
        if each is not None:
            run.append(each)
    return [found[each] for each in ranges]


async def _read_range(stored: StoredObject, wanted: ByteRange) -> Buffer:
    return await stored.read(Block.run(wanted.start, wanted.stop))
