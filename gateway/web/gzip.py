"""Gzip: deflates the bytes of an answer, all at once or chunk by chunk.

The result depends on the bytes and on how they are cut alone: no time, no name (RFC 1952, 2.3.1).
Measured on float32 sky: isal at level 1 makes 200-600 MB/s where zlib makes 20, at the same ratio.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import isal
from isal import isal_zlib

from gateway.storage.store import Buffer

LEVEL = 1
DEFLATER = f"isal {isal.__version__} at level {LEVEL}"
"""What the bytes of a gzip file depend on beside its contents."""
_GZIP = 31  # the window bits by which zlib makes a gzip member


def deflate(data: Buffer) -> bytes:
    """Make a gzip file of bytes."""
    deflater = isal_zlib.compressobj(LEVEL, wbits=_GZIP)
    return deflater.compress(data) + deflater.flush()


async def deflate_chunks(chunks: AsyncGenerator[Buffer, None]) -> AsyncGenerator[bytes, None]:
    """Make a gzip file of chunks, each deflated in a thread."""
    deflater = isal_zlib.compressobj(LEVEL, wbits=_GZIP)
    async with aclosing(chunks):
        async for chunk in chunks:
            deflated = await asyncio.to_thread(deflater.compress, chunk)
            if deflated:
                yield deflated
    yield deflater.flush()
