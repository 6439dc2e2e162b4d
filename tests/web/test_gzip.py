"""Gzip files made of an answer: whole or in chunks, always the same bytes."""

import gzip
import zlib
from collections.abc import AsyncGenerator

from hypothesis import given
from hypothesis import strategies as st

from gateway.web.gzip import deflate, deflate_chunks

CHUNKS = st.lists(st.binary(min_size=1, max_size=5000), max_size=8)


async def deflated(chunks: list[bytes]) -> bytes:
    """Deflate chunks as a client gets them."""

    async def give() -> AsyncGenerator[bytes, None]:
        for chunk in chunks:
            yield chunk

    found = [part async for part in deflate_chunks(give())]
    assert all(found)  # an empty chunk would end a chunked answer
    return b"".join(found)


@given(CHUNKS)
async def test_chunks_make_one_gzip_file(chunks: list[bytes]):
    """Any chunks make one member that unpacks to their bytes, by any unpacker."""
    packed = await deflated(chunks)
    unpacker = zlib.decompressobj(wbits=31)

    assert unpacker.decompress(packed) == b"".join(chunks)
    assert (unpacker.eof, unpacker.unused_data) == (True, b"")


@given(st.binary(max_size=20000))
async def test_the_same_bytes_make_the_same_file(data: bytes):
    """No time and no name is in the file, so that an ETag may be strong."""
    packed = deflate(data)

    assert packed == deflate(bytearray(data)) == deflate(memoryview(data))
    assert gzip.decompress(packed) == data
    assert packed[4:8] == bytes(4)
    assert await deflated([data] * bool(data)) == await deflated([data] * bool(data))


async def test_an_image_becomes_smaller():
    """What can be packed is packed."""
    data = bytes(range(16)) * 65536

    assert len(deflate(data)) < len(data) / 20
    assert len(await deflated([data[:300000], data[300000:]])) < len(data) / 20
