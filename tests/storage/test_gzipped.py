"""Unpacking as one reads: members, damage, bombs, memory, and rows in any order."""

import asyncio
import gzip
import os
import tracemalloc

import numpy as np
import pytest

from gateway.core.errors import CorruptFits, ShortRead, UnsupportedFits
from gateway.core.ranges import Block
from gateway.storage.gzipped import GzippedObject
from tests.storage.contract import CONTENT, FILES, StoreContract, packed
from tests.stores import FakeObject, FakeStore

NO_LIMIT = 2**40
PACKED = 256 * 1024  # bytes that are read at a time
NOISE = os.urandom(3 * 2**20)  # more than is read, and more than is unpacked, at a time
LARGE = NOISE + bytes(2**21) + NOISE[::-1]


def unpack(packed: bytes, max_bytes: int = NO_LIMIT) -> GzippedObject:
    """Open a gzip file."""
    return GzippedObject(FakeObject(packed), max_bytes)


async def read_all(stored: GzippedObject) -> bytes:
    """Read to the end, whatever it is."""
    return bytes(await stored.peek(0, NO_LIMIT))


class UnpackedStore(FakeStore):
    """A store whose files are packed."""

    async def open(self, key: str) -> GzippedObject:
        """Open a file and unpack it once, so that its length is known."""
        stored = await super().open(key)
        unpacked = unpack(gzip.compress(stored.content, 1))
        info, unpacked.info = stored.info, stored.info
        await unpacked.peek(0, NO_LIMIT)
        assert unpacked.info == info
        return unpacked


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(gzip.compress(LARGE, 1), id="one member"),
        pytest.param(gzip.compress(LARGE[:5000000]) + gzip.compress(LARGE[5000000:]), id="two"),
        pytest.param(gzip.compress(b"") + gzip.compress(LARGE, 0) + gzip.compress(b""), id="empty"),
        pytest.param(gzip.compress(LARGE, 1) + bytes(9999), id="zeros behind"),
        pytest.param(gzip.compress(LARGE, 1) + b"\x1f", id="a byte behind"),
        pytest.param(gzip.compress(LARGE, 1) + b"garbage" * 99999, id="garbage behind"),
    ],
)
async def test_members_are_joined_and_garbage_is_left_out(packed: bytes):
    """A file of any members gives their bytes; what follows the last is not part of it."""
    stored = unpack(packed)

    assert await read_all(stored) == LARGE
    assert stored.info.size == len(LARGE)


async def test_many_members_at_every_boundary():
    """A member may end anywhere in what is read at a time, also within its own beginning."""
    parts = [CONTENT[n : n + 37] for n in range(0, len(CONTENT), 37)]
    packed = b"".join(gzip.compress(part) for part in parts)

    assert await read_all(unpack(packed)) == CONTENT


@pytest.mark.parametrize("boundary", [-2, -1, 0, 1, 2, 8, 9])
async def test_a_member_that_ends_where_a_read_ends(boundary: int):
    """No byte is lost where the next member begins just before, at or after the end of a read."""
    body = os.urandom(200_000)
    packed = gzip.compress(body, 0)
    comment = b"c" * (PACKED + boundary - len(packed) - 1) + b"\0"
    first = packed[:3] + b"\x10" + packed[4:10] + comment + packed[10:]
    assert len(first) == PACKED + boundary

    assert await read_all(unpack(first + gzip.compress(CONTENT))) == body + CONTENT


@pytest.mark.parametrize("kept", [11, 1000, 2**20, -9, -1])
async def test_a_file_that_is_cut_off_is_damaged(kept: int):
    """A file that ends within its data or its checksum is an error, not a shorter file."""
    with pytest.raises(CorruptFits, match="cut off"):
        await read_all(unpack(gzip.compress(LARGE, 1)[:kept]))


@pytest.mark.parametrize("offset", [-1, -5, 5000, 2])
async def test_a_flipped_byte_is_noticed(offset: int):
    """A damaged length, checksum, body or head is an error."""
    packed = bytearray(gzip.compress(LARGE, 1))
    packed[offset] ^= 0xFF

    with pytest.raises(CorruptFits):
        await read_all(unpack(bytes(packed)))


async def test_the_second_member_is_checked_too():
    """Damage behind the first member is not taken for garbage."""
    second = bytearray(gzip.compress(CONTENT))
    second[-5] ^= 0xFF

    with pytest.raises(CorruptFits):
        await read_all(unpack(gzip.compress(CONTENT) + bytes(second)))


async def test_a_bomb_is_put_out():
    """What unpacks to more than the limit is refused before it is unpacked much further."""
    stored = unpack(gzip.compress(bytes(50 * 2**20), 9), max_bytes=10 * 2**20)

    with pytest.raises(UnsupportedFits, match=str(10 * 2**20)):
        await stored.read(Block.run(40 * 2**20, 40 * 2**20 + 10))
    assert stored.info.size < 12 * 2**20


async def test_memory_does_not_grow_with_the_file():
    """To reach the end of 256 MiB takes a few MiB: what is passed over is not kept."""
    stored = unpack(gzip.compress(bytes(2**26), 9) * 4)
    tracemalloc.start()
    try:
        last = await stored.read(Block.run(2**28 - 10, 2**28))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert bytes(last) == bytes(10)
    assert peak < 8 * 2**20


async def test_rows_are_read_in_any_order():
    """Forwards the file is unpacked once; to go back it is unpacked anew, to the same bytes."""
    stored = unpack(gzip.compress(LARGE, 1))
    starts = np.random.default_rng(1).integers(0, len(LARGE) - 60000, 12).tolist()
    blocks = [Block(start, 100, 1999, 30) for start in (*sorted(starts), *starts)]
    for block in blocks:
        rows = bytes(await stored.read(block))
        assert rows == b"".join(
            LARGE[start : start + 100]
            for start in range(block.start, block.span.stop, block.row_stride)
        )


async def test_only_what_is_needed_is_read():
    """Who wants the beginning does not pay for the end."""
    stored = unpack(gzip.compress(LARGE, 1))
    await stored.read(Block.run(0, 80))

    assert 0 < stored.bytes_read < len(LARGE) // 8


async def test_a_block_behind_the_end_is_refused():
    """The unpacked file has an end too."""
    stored = unpack(gzip.compress(CONTENT))

    with pytest.raises(ShortRead):
        await stored.read(Block.run(len(CONTENT) - 1, len(CONTENT) + 1))
    assert bytes(await stored.read(Block.run(0, 3))) == CONTENT[:3]


class TestGzippedObject(StoreContract):
    """The contract, but for what an unpacked file cannot know before it was unpacked."""

    @pytest.fixture
    def store(self) -> UnpackedStore:
        """Give a store of the contract's files, packed."""
        return UnpackedStore({name: FakeObject(content, name) for name, content in FILES.items()})

    async def test_many_read_at_once(self, store: UnpackedStore):
        """An object is open for one request, and unpacking has an order: all read their own."""
        opened = [await store.open("image.fits") for _ in range(20)]
        found = await asyncio.gather(*(o.read(Block(n, 7, 97, 60)) for n, o in enumerate(opened)))

        assert [bytes(rows) for rows in found] == [packed(Block(n, 7, 97, 60)) for n in range(20)]

    async def test_reads_are_counted(self, store: UnpackedStore):
        """Packed bytes are counted, not unpacked ones."""
        stored = await store.open("image.fits")
        await stored.read(Block.run(100, 300))

        assert 0 < stored.bytes_read < len(CONTENT)


class TestFakeStore(StoreContract):
    """The tests' own fake keeps the contract, or it would prove nothing."""

    @pytest.fixture(params=[False, True])
    def store(self, request: pytest.FixtureRequest) -> FakeStore:
        """Give a fake store of the contract's files."""
        objects = {n: FakeObject(c, n, resident=request.param) for n, c in FILES.items()}
        return FakeStore(objects)
