"""Reads of a remote store: as few as pay, no more at once than may be, and none left behind."""

import asyncio

import pytest

from gateway.config import CollectionSettings, LimitSettings
from gateway.core.errors import GatewayError
from gateway.core.ranges import Block
from gateway.storage.archive import open_store
from gateway.storage.remote import RemoteStore
from gateway.storage.store import Buffer, ObjectInfo
from tests.rounds import FarEngine
from tests.servers import S3Server
from tests.storage.contract import CONTENT, packed
from tests.storage.engines import make_store

WIDE = bytes(range(256)) * 2**14  # 4 MiB
ROWS = Block(5, 10, 40_000, 100)


class CountingEngine(FarEngine):
    """An engine that counts how many reads run."""

    def __init__(self) -> None:
        super().__init__({"a": WIDE}, latency_s=0.001)
        self.running = 0
        self.most_running = 0

    async def get(self, key: str, start: int, stop: int, version: ObjectInfo) -> Buffer:
        """Give bytes."""
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            return await super().get(key, start, stop, version)
        finally:
            self.running -= 1


def rows_of(block: Block) -> bytes:
    """Give the packed rows of a block of `WIDE`."""
    starts = (block.start + n * block.row_stride for n in range(block.n_rows))
    return b"".join(WIDE[start : start + block.row_bytes] for start in starts)


async def test_no_more_reads_run_than_may():
    """All readers of a store share its places."""
    engine = CountingEngine()
    store = make_store(engine, request_cost_s=0, storage_reads=3)
    opened = [await store.open("a") for _ in range(2)]
    blocks = [ROWS, Block.run(17, 2**22)]
    found = await asyncio.gather(*(stored.read(*blocks) for stored in opened))

    assert [bytes(each) for each in found] == [b"".join(map(rows_of, blocks))] * 2
    assert engine.most_running == 3


@pytest.mark.parametrize(("request_cost_s", "n_reads"), [(0.0, 100), (10.0, 4)])
async def test_a_price_of_requests_makes_them_fewer(request_cost_s: float, n_reads: int):
    """Where requests are paid for, gaps are read instead, 1 MiB and a bit at most by each."""
    engine = CountingEngine()
    stored = await make_store(engine, request_cost_s=request_cost_s).open("a")
    rows = await stored.read(ROWS)

    assert bytes(rows) == rows_of(ROWS)
    assert (stored.reads, stored.bytes_needed) == (n_reads, ROWS.size)
    assert stored.bytes_read == engine.bytes_read
    assert all(r.stop - r.start <= 2 * 29 * ROWS.row_bytes + 2**20 for r in engine.requests)


async def test_a_read_that_fails_ends_the_others():
    """The error is told at once; no other read of the block goes on, and all places are free."""
    engine = CountingEngine()
    engine.unreadable.add(ROWS.start)
    store = make_store(engine, request_cost_s=0, storage_reads=2)
    stored = await store.open("a")
    before = asyncio.all_tasks()
    with pytest.raises(GatewayError):
        await stored.read(ROWS)

    assert asyncio.all_tasks() == before
    assert engine.running == 0
    assert bytes(await stored.read(Block.run(0, 9))) == WIDE[:9]


async def test_blocks_of_a_real_store(seaweedfs: S3Server):
    """Several blocks of an object on S3, in any order, are its bytes, by one request if near."""
    seaweedfs.put("public", {"planned.bin": CONTENT})
    options = {"anon": True, "endpoint_url": seaweedfs.url}
    blocks = [Block(5000, 7, 100, 20), Block.run(0, 300), Block(17, 5, 300, 10)]
    stored = await open_bucket_store(options).open("planned.bin")

    assert bytes(await stored.read(*blocks)) == b"".join(map(packed, blocks))
    assert stored.reads == 1


def open_bucket_store(options: dict[str, object]) -> RemoteStore:
    """Make the store of a public bucket, as a collection does."""
    collection = CollectionSettings(path="/ibe/data/s3", url="s3://public", storage_options=options)
    return open_store(collection, LimitSettings())
