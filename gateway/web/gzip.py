"""Gzip: deflates the bytes of an answer, all at once or chunk by chunk.

The result depends on the bytes and on how they are cut alone: no time, no name (RFC 1952, 2.3.1).
Measured on float32 sky: isal at level 1 makes 200-600 MB/s where zlib makes 20, at the same ratio.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import isal
from isal import igzip_lib, isal_zlib

from gateway.storage.store import Buffer

LEVEL, MEMORY = 1, 9  # the most memory: 160 kB of sky take 180 µs, with isal's default 300
_MOST_MEMORY = igzip_lib.MEM_LEVEL_EXTRA_LARGE  # the same, by another name
DEFLATER = f"isal {isal.__version__} at level {LEVEL}, {MEMORY}"
"""What the bytes of a gzip file depend on beside its contents."""
_RAW = -15  # the window bits by which zlib makes nothing but deflated bytes
_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"  # deflated, no time, no name, any system (RFC 1952, 2.3)
_LAST_BLOCK = b"\x03\x00"  # without contents (RFC 1951, 3.2.3)


def deflate(data: Buffer) -> bytes:
    """Make a gzip file of bytes, by one call, which needs the interpreter's lock only once."""
    return igzip_lib.compress(data, LEVEL, igzip_lib.COMP_GZIP, _MOST_MEMORY)


@dataclass(frozen=True, slots=True)
class _Part:
    """A chunk, deflated by itself; it ends where a byte ends, so that any other can follow."""

    packed: bytes
    crc: int
    size: int
    """Number of bytes of the chunk."""


async def deflate_chunks(
    chunks: AsyncGenerator[Buffer, None], at_once: int
) -> AsyncGenerator[bytes, None]:
    """Make a gzip file, of a single member, of chunks that are deflated in threads.

    Parameters
    ----------
    chunks : asynchronous generator of bytes
        The contents.
    at_once : int
        How many chunks are deflated at the same time; the file does not depend on it.
    """
    head, crc, size = _HEAD, 0, 0
    async with aclosing(_deflate_in_order(chunks, at_once)) as parts:
        async for part in parts:
            crc = isal_zlib.crc32_combine(crc, part.crc, part.size)
            size += part.size
            yield head + part.packed
            head = b""
    yield head + _LAST_BLOCK + crc.to_bytes(4, "little") + (size % 2**32).to_bytes(4, "little")


async def _deflate_in_order(
    chunks: AsyncGenerator[Buffer, None], at_once: int
) -> AsyncGenerator[_Part, None]:
    running: deque[asyncio.Task[_Part]] = deque()
    try:
        async with aclosing(chunks):
            async for chunk in chunks:
                running.append(asyncio.create_task(asyncio.to_thread(_deflate_part, chunk)))
                if len(running) >= at_once:
                    yield await running.popleft()
        while running:
            yield await running.popleft()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _deflate_part(chunk: Buffer) -> _Part:
    deflater = isal_zlib.compressobj(LEVEL, wbits=_RAW, memLevel=MEMORY)
    packed = deflater.compress(chunk) + deflater.flush(isal_zlib.Z_SYNC_FLUSH)
    return _Part(packed, isal_zlib.crc32(chunk), len(chunk))
