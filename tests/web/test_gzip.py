"""Gzip files made of an answer: whole or in chunks, always the same bytes."""

import asyncio
import gzip
import random
import zlib
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.web.gzip import deflate, deflate_chunks

CHUNKS = st.lists(st.binary(min_size=1, max_size=5000), max_size=8)


async def deflated(chunks: list[bytes], at_once: int = 2) -> bytes:
    """Deflate chunks as a client gets them."""

    async def give() -> AsyncGenerator[bytes, None]:
        for chunk in chunks:
            yield chunk

    found = [part async for part in deflate_chunks(give(), at_once)]
    assert all(found)  # an empty chunk would end a chunked answer
    return b"".join(found)


@given(CHUNKS)
async def test_chunks_make_one_gzip_file(chunks: list[bytes]):
    """Any chunks make one member that unpacks to their bytes, by any unpacker."""
    packed = await deflated(chunks)
    unpacker = zlib.decompressobj(wbits=31)

    assert unpacker.decompress(packed) == b"".join(chunks)
    assert (unpacker.eof, unpacker.unused_data) == (True, b"")


@given(CHUNKS)
async def test_the_file_does_not_depend_on_the_threads(chunks: list[bytes]):
    """One thread, two, or more than there are chunks: not a byte differs."""
    assert await deflated(chunks, 1) == await deflated(chunks, 2) == await deflated(chunks, 99)


@given(st.binary(max_size=20000))
async def test_the_same_bytes_make_the_same_file(data: bytes):
    """No time and no name is in the file, so that an ETag may be strong."""
    packed = deflate(data)

    assert packed == deflate(bytearray(data)) == deflate(memoryview(data))
    assert gzip.decompress(packed) == data
    assert packed[4:8] == bytes(4)
    assert await deflated([data] * bool(data)) == await deflated([data] * bool(data))


async def test_who_stops_reading_stops_the_work():
    """A client that goes in the middle leaves neither threads nor an open source behind."""
    closed = []

    async def give() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield bytes(1000)
        finally:
            closed.append(True)

    parts = deflate_chunks(give(), 3)
    assert await anext(parts)
    await parts.aclose()

    assert closed == [True]
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("size", [1, 2, 1000, 65535, 65536, 65537, 2**20, 5 * 2**20])
async def test_noise_has_room(size: int):
    """What cannot be deflated grows, and by little."""
    noise = random.Random(size).randbytes(size)  # noqa: S311 - no secret
    packed = await deflated([noise])

    assert gzip.decompress(packed) == noise
    assert len(packed) < size * 1.001 + 100


async def test_an_image_becomes_smaller():
    """What can be packed is packed."""
    data = bytes(range(16)) * 65536

    assert len(deflate(data)) < len(data) / 20
    assert len(await deflated([data[:300000], data[300000:]])) < len(data) / 20
