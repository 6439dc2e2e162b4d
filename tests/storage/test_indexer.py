"""Indexing: a file is read once, forwards; members, damage, bombs, memory."""

import asyncio
import gzip
import os
import tracemalloc

import numpy as np
import pytest

from gateway.core.errors import (
    CorruptFits,
    SourceChanged,
    StorageUnavailable,
    UnsupportedFits,
)
from gateway.core.ranges import Block
from gateway.core.seek_index import SeekIndex
from gateway.storage import indexer as module
from gateway.storage.indexer import Indexer
from tests.stores import FakeObject

NO_LIMIT = 2**40
MIB = 2**20
SKY = np.random.default_rng(5).normal(100, 3, 2**21).astype(">f4").tobytes()
CONTENT = SKY + bytes(3 * MIB) + os.urandom(2 * MIB)
PACKED = gzip.compress(CONTENT, 6)


async def make_index(
    packed: bytes | FakeObject, stop: int = MIB, max_bytes: int = NO_LIMIT
) -> SeekIndex:
    """Index a gzip file."""
    stored = packed if isinstance(packed, FakeObject) else FakeObject(packed)
    loop = asyncio.get_running_loop()
    return await asyncio.to_thread(Indexer(stored, stop, max_bytes, loop).run)


def unpack(packed: bytes, index: SeekIndex) -> bytes:
    """Inflate all that an index reaches."""
    stretches = index.locate(Block.run(0, index.size))
    return b"".join(b"".join(s.inflate(packed[s.packed.start : s.packed.stop])) for s in stretches)


MEMBERS = [
    pytest.param(PACKED, id="one member"),
    pytest.param(gzip.compress(CONTENT[:5000000]) + gzip.compress(CONTENT[5000000:]), id="two"),
    pytest.param(gzip.compress(CONTENT, 0) + gzip.compress(b""), id="stored, and an empty one"),
    pytest.param(PACKED + bytes(9999), id="zeros behind"),
    pytest.param(PACKED + b"\x1f", id="a byte behind"),
    pytest.param(PACKED + b"garbage" * 99999, id="garbage behind"),
    pytest.param(
        b"".join(gzip.compress(CONTENT[n : n + 65280]) for n in range(0, len(CONTENT), 65280)),
        id="as bgzip writes them",
    ),
]


@pytest.mark.parametrize("packed", MEMBERS)
async def test_the_index_of_a_file_reaches_every_byte(packed: bytes):
    """A file of any members gives their bytes; what follows the last is not part of it."""
    index = await make_index(packed)

    assert (index.size, index.is_whole) == (len(CONTENT), True)
    assert unpack(packed, index) == CONTENT


async def test_the_file_is_read_once():
    """Each byte is asked for once, in long reads."""
    stored = FakeObject(gzip.compress(os.urandom(30 * MIB), 0))
    await make_index(stored)

    assert stored.bytes_read == len(stored.content)
    assert stored.reads == len(stored.content) // (4 * MIB) + 1


async def test_points_are_looked_at_while_their_bytes_are_there(monkeypatch: pytest.MonkeyPatch):
    """What is kept of a file holds what follows new points, however few of them there are."""
    monkeypatch.setattr(module, "_KEPT", 4)
    stored = FakeObject(gzip.compress(os.urandom(30 * MIB), 0))
    await make_index(stored)

    assert stored.bytes_read == len(stored.content)


async def test_windows_are_small():
    """A point in the middle of an image needs about a kilobyte."""
    index = await make_index(gzip.compress(SKY))

    assert len(index.points) >= 7
    assert max(len(point.packed_window) for point in index.points) < 3000


@pytest.mark.parametrize("kept", [10, 11, 12, 100, 5000, 4 * MIB, -2 * MIB, -100, -9, -1])
async def test_a_file_that_is_cut_off_is_damaged(kept: int):
    """A file that ends within its data or its checksum is an error, not a shorter file."""
    with pytest.raises(CorruptFits, match="cut off"):
        await make_index(PACKED[:kept])


@pytest.mark.parametrize("first", [b"", PACKED])
@pytest.mark.parametrize("offset", [-1, -5, -MIB, 3 * MIB, 5000])
async def test_a_flipped_byte_is_noticed(first: bytes, offset: int):
    """A damaged length, checksum or body is an error, of the second member too."""
    packed = bytearray(PACKED)
    packed[offset] ^= 0xFF

    with pytest.raises(CorruptFits):
        await make_index(first + bytes(packed))


@pytest.mark.parametrize("failure", [StorageUnavailable("later"), SourceChanged("again")])
async def test_what_the_storage_says_is_told(failure: Exception):
    """A file that cannot be read is not called damaged."""
    stored = FakeObject(gzip.compress(os.urandom(20 * MIB), 0))
    stored.failure, stored.fails_behind = failure, 9 * MIB

    with pytest.raises(type(failure)):
        await make_index(stored)


async def test_a_file_that_packs_as_images_do_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch):
    """Whoever wants the beginning of a file gets an index of all of it: it is not read again."""
    monkeypatch.setattr(module, "_LEAST", 2 * MIB)
    index = await make_index(gzip.compress(os.urandom(30 * MIB), 0))

    assert (index.size, index.is_whole) == (30 * MIB, True)


async def test_who_wants_little_does_not_wait_for_all(monkeypatch: pytest.MonkeyPatch):
    """Of a bomb, what is far behind the wanted bytes is not read; the index is of a part."""
    monkeypatch.setattr(module, "_LEAST", 2 * MIB)
    monkeypatch.setattr(module, "_USUAL_RATIO", 0)
    stored = FakeObject(gzip.compress(CONTENT + os.urandom(60 * MIB), 0))
    index = await make_index(stored, stop=20 * MIB)

    assert not index.is_whole
    assert 20 * MIB <= index.size < 60 * MIB
    assert stored.bytes_read < len(stored.content)
    assert unpack(stored.content, index)[: len(CONTENT)] == CONTENT


async def test_a_bomb_is_put_out():
    """What unpacks to more than the limit is not unpacked much further, in any number of points."""
    packed = gzip.compress(bytes(2**26), 9) * 20
    index = await make_index(packed, stop=MIB, max_bytes=100 * MIB)

    assert not index.is_whole
    assert index.size < 500 * MIB
    assert len(index.points) < module._MAX_POINTS


async def test_too_many_members_are_refused(monkeypatch: pytest.MonkeyPatch):
    """A file of nothing but members is an attack."""
    monkeypatch.setattr(module, "_MAX_MEMBERS", 100)
    member = gzip.compress(os.urandom(5000))

    with pytest.raises(UnsupportedFits, match="100 members"):
        await make_index(member * 300)


async def test_memory_does_not_grow_with_the_file():
    """To index 256 MiB takes little memory of Python, and the index still less."""
    stored = FakeObject(gzip.compress(bytes(2**26), 1) * 4)
    tracemalloc.start()
    try:
        index = await make_index(stored)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 16 * MIB
    assert index.memory_bytes < MIB
