"""From a plan to its bytes: any part is the part of the whole, in order, in bounded memory."""

import asyncio
from contextlib import aclosing
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import LimitSettings
from gateway.core.box import BoxRule
from gateway.core.errors import StorageUnavailable
from gateway.core.image import describe_parent
from gateway.core.plan import CutoutPlan, plan_cutout
from gateway.core.query import parse_query, split_query
from gateway.core.ranges import Block
from gateway.core.tiles import table_rows
from gateway.reading import read_chunks, read_now
from gateway.storage.store import Buffer
from tests.core.compressed import compress
from tests.core.cutting import coordinates_of, parent_of, scan
from tests.fits_files import extension, image, mef, pixels, table
from tests.stores import FakeObject

LIMITS = LimitSettings(chunk_bytes=4096)
FILES = {
    "image": image(),
    "large": image(pixels((200, 100), "i4")),
    "cube": image(pixels((5, 40, 30), "i2")),
    "extensions": mef(extension(pixels((60, 50)), "A"), table(), extension(pixels((9, 9)), "B")),
    "compressed": compress(pixels((90, 80), "i2"), compression_type="RICE_1", tile_shape=(7, 80)),
}
QUERIES = ("center=20,15px&size=11,7px", "center=9,9px&size=9999px", "center=3,1px&size=1,30px")


@cache
def make_plan(name: str, query: str) -> CutoutPlan:
    """Plan a cutout."""
    file = FILES[name]
    parent = parent_of(file)
    cutout = parse_query(split_query(query))
    return plan_cutout(parent, cutout, BoxRule.EXACT, coordinates_of(file, parent))


class Recorder(FakeObject):
    """An object that notes which blocks are asked for at once."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.calls: list[tuple[Block, ...]] = []

    async def read(self, *blocks: Block) -> Buffer:
        """Give blocks."""
        self.calls.append(blocks)
        return await super().read(*blocks)


class HalfResident(FakeObject):
    """An object of which the first bytes are in memory."""

    def __init__(self, content: bytes, size: int) -> None:
        super().__init__(content, resident=True)
        self.size = size

    def read_resident(self, block: Block, target: memoryview) -> bool:
        """Copy a block, if it is among the first bytes."""
        return block.stop <= self.size and super().read_resident(block, target)


async def read(plan: CutoutPlan, stored: FakeObject, start: int, stop: int) -> bytes:
    """Read a part of an answer."""
    chunks = [bytes(chunk) async for chunk in read_chunks(plan, stored, start, stop, LIMITS)]
    assert all(chunks)
    assert all(len(chunk) < 2 * LIMITS.chunk_bytes for chunk in chunks)
    return b"".join(chunks)


@given(name=st.sampled_from(list(FILES)), query=st.sampled_from(QUERIES), data=st.data())
async def test_any_part_is_the_part_of_the_whole(name: str, query: str, data: st.DataObject):
    """The bytes from `start` to `stop` are a slice of the answer, resident or not."""
    plan = make_plan(name, query)
    start = data.draw(st.integers(0, plan.size))
    stop = data.draw(st.integers(start, plan.size))
    whole = await read(plan, FakeObject(FILES[name]), 0, plan.size)
    now = read_now(plan, FakeObject(FILES[name], resident=True), start, stop, LIMITS)

    assert len(whole) == plan.size
    ahead = data.draw(st.sampled_from([0, 1, 10_000]))
    stored = FakeObject(FILES[name], read_ahead_bytes=ahead)
    assert await read(plan, stored, start, stop) == whole[start:stop]
    assert now is not None
    assert bytes(now) == whole[start:stop]


@pytest.mark.parametrize("name", FILES)
async def test_a_part_reads_only_what_it_needs(name: str):
    """A single byte of the pixels costs a row or a tile, not the image."""
    query = "center=9,9px&size=9999px"
    plan, stored = make_plan(name, query), FakeObject(FILES[name])
    at = max(plan.size - 2880 * 2, 2880)
    await read(plan, stored, at, at + 1)

    assert stored.bytes_read < 3000


@pytest.mark.parametrize("name", FILES)
async def test_no_read_is_longer_than_a_chunk(name: str):
    """However large an answer is, it is read in pieces that fit into memory."""
    plan, stored = make_plan(name, "center=9,9px&size=9999px"), FakeObject(FILES[name])
    await read(plan, stored, 0, plan.size)

    assert max(block.size for block in stored.asked) <= LIMITS.chunk_bytes * 2


async def test_neighbouring_tiles_are_read_at_once():
    """A band of tiles that lie one after the other is one read of the table and one of the heap."""
    plan, stored = (
        make_plan("compressed", "center=9,9px&size=9999px"),
        FakeObject(FILES["compressed"]),
    )
    limits = LimitSettings(chunk_bytes=2**20)
    found = [bytes(chunk) async for chunk in read_chunks(plan, stored, 0, plan.size, limits)]

    assert stored.reads == 2
    assert b"".join(found) == await read(plan, FakeObject(FILES["compressed"]), 0, plan.size)


async def test_nothing_is_read_ahead_of_the_client():
    """As long as nobody takes the next chunk, no further byte is asked for."""
    plan, stored = make_plan("image", "center=9,9px&size=9999px"), FakeObject(FILES["image"])
    async with aclosing(read_chunks(plan, stored, 0, plan.size, LIMITS)) as chunks:
        await anext(chunks)
        asked = stored.bytes_read
        await asyncio.sleep(0)

    assert asked <= LIMITS.chunk_bytes
    assert stored.bytes_read == asked


async def test_long_rows_are_cut_and_short_rows_are_joined():
    """A row longer than a chunk comes in parts; many short ones come as one chunk."""
    wide = image(np.arange(3 * 9000, dtype="i4").reshape(3, 9000))
    parent = parent_of(wide)
    cutout = parse_query(split_query("center=4500,2px&size=8000,3px"))
    plan = plan_cutout(parent, cutout, BoxRule.EXACT, coordinates_of(wide, parent))
    stored = FakeObject(wide)
    whole = await read(plan, stored, 0, plan.size)
    header = plan.pieces[0].size
    found = np.frombuffer(whole[header : header + 3 * 8000 * 4], ">i4").reshape(3, 8000)

    assert np.array_equal(found, np.arange(27000).reshape(3, 9000)[:, 500:8500])
    assert max(block.size for block in stored.asked) <= LIMITS.chunk_bytes


async def test_chunks_are_read_ahead_and_no_further():
    """An object that asks for it is read ahead of the client, as far as it says."""
    plan = make_plan("large", "center=9,9px&size=9999px")
    stored = FakeObject(FILES["large"], read_ahead_bytes=3 * LIMITS.chunk_bytes)
    async with aclosing(read_chunks(plan, stored, 0, plan.size, LIMITS)) as chunks:
        await anext(chunks)
        await asyncio.sleep(0)
        ahead_bytes = stored.bytes_read  # the first chunk is the header

    assert LIMITS.chunk_bytes < ahead_bytes <= 3 * LIMITS.chunk_bytes


@pytest.mark.parametrize("name", FILES)
async def test_an_answer_that_is_left_leaves_no_reads(name: str):
    """Who goes while reads are under way takes them along."""
    plan = make_plan(name, "center=9,9px&size=9999px")
    stored = FakeObject(FILES[name], read_ahead_bytes=2**20)
    stored.gate = asyncio.Event()
    before = asyncio.all_tasks()

    async def read() -> None:
        async with aclosing(read_chunks(plan, stored, 0, plan.size, LIMITS)) as chunks:
            async for _ in chunks:
                pass

    async with asyncio.timeout(5):
        reading = asyncio.create_task(read())
        await stored.arrivals.acquire()
        reading.cancel()
        await asyncio.wait([reading])

    assert asyncio.all_tasks() == before


async def test_a_read_that_fails_ends_the_others():
    """The error of a read is told after the bytes before it, and nothing goes on behind it."""
    plan = make_plan("large", "center=9,9px&size=9999px")
    stored = FakeObject(FILES["large"], read_ahead_bytes=2**20)
    stored.failure, stored.fails_behind = StorageUnavailable("no"), 30_000
    before = asyncio.all_tasks()
    async with aclosing(read_chunks(plan, stored, 0, plan.size, LIMITS)) as chunks:
        for _ in range(7):  # the header, and 24 kB of rows
            assert await anext(chunks)
        with pytest.raises(StorageUnavailable):
            await anext(chunks)

    assert asyncio.all_tasks() == before


async def test_the_rows_of_all_hdus_are_asked_for_at_once():
    """A small cutout of several images is one call of the object: one round trip."""
    plan = make_plan("extensions", "center=3,3px&size=4px")
    stored = Recorder(FILES["extensions"])
    found = [chunk async for chunk in read_chunks(plan, stored, 0, plan.size, LimitSettings())]

    assert len(found) == 1
    assert [len(blocks) for blocks in stored.calls] == [3]


async def test_tiles_that_lie_apart_are_asked_for_at_once():
    """A column of small tiles is one call for the table and one for all tiles."""
    file = compress(pixels((90, 80), "i2"), compression_type="RICE_1", tile_shape=(10, 10))
    parent = parent_of(file)
    query = parse_query(split_query("center=15,45px&size=8,80px"))
    plan = plan_cutout(parent, query, BoxRule.EXACT, coordinates_of(file, parent))
    stored = Recorder(file)
    async for _ in read_chunks(plan, stored, 0, plan.size, LimitSettings()):
        pass

    assert len(stored.calls) == 2
    assert len(stored.calls[1]) > 5


@pytest.mark.parametrize("size", [0, 5760 + 8 * 13], ids=["rows", "tiles"])
def test_tiles_that_are_not_in_memory_are_left_to_threads(size: int):
    """Neither the rows of the table nor the tiles are waited for in the event loop."""
    plan = make_plan("compressed", QUERIES[0])
    stored = HalfResident(FILES["compressed"], size)

    assert read_now(plan, stored, 0, plan.size, LIMITS) is None


@pytest.mark.parametrize(("codec", "side"), [("RICE_1", 1000), ("HCOMPRESS_1", 20)])
def test_tiles_that_take_long_are_left_to_threads(codec: str, side: int):
    """A small cutout of a large tile keeps nobody waiting, nor of one that waits for its turn."""
    shape = (side, side)
    file = compress(pixels(shape, "i2"), compression_type=codec, tile_shape=shape)
    query = parse_query(split_query("center=9,9px&size=5px"))
    plan = plan_cutout(parent_of(file), query, BoxRule.EXACT, None)

    assert plan.unpacking_s > 0.005
    assert read_now(plan, FakeObject(file, resident=True), 0, plan.size, LIMITS) is None


async def test_kept_rows_of_a_table_are_not_read():
    """Who knows the rows of a compressed image reads its tiles at once, and the same pixels."""
    file = FILES["compressed"]
    where = table_rows(scan(file).hdus[1])
    parent = describe_parent(scan(file), {1: file[where.start : where.stop]})
    query = parse_query(split_query(QUERIES[0]))
    plan = plan_cutout(parent, query, BoxRule.EXACT, None)
    stored = Recorder(file)
    found = await read(plan, stored, 0, plan.size)

    assert len(stored.calls) == 1
    assert found == await read(make_plan("compressed", QUERIES[0]), FakeObject(file), 0, plan.size)


async def test_a_part_that_begins_inside_of_a_long_row():
    """Rows that are longer than a chunk are cut; a part may begin behind the first cut."""
    wide = image(np.arange(3 * 9000, dtype="i4").reshape(3, 9000))
    parent = parent_of(wide)
    cutout = parse_query(split_query("center=4500,2px&size=8000,3px"))
    plan = plan_cutout(parent, cutout, BoxRule.EXACT, coordinates_of(wide, parent))
    start = plan.pieces[0].size + 32_000 + 9_001
    whole = await read(plan, FakeObject(wide), 0, plan.size)

    assert await read(plan, FakeObject(wide), start, start + 50_000) == whole[start:][:50_000]
