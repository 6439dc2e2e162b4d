"""Reading unpacked files: rows in any order, at once, counted, in memory and by an index."""

import asyncio
import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import CorruptFits, ShortRead, SourceChanged
from gateway.core.ranges import Block
from gateway.core.seek_index import SeekIndex
from gateway.storage.gzipped import GzippedObject, UnpackedObject, copy_part
from gateway.storage.indexer import Indexer
from tests.storage.contract import CONTENT, FILES, StoreContract
from tests.stores import FakeObject, FakeStore

LARGE = np.random.default_rng(5).normal(100, 3, 3 * 2**20).astype(">f4").tobytes()
PACKED = gzip.compress(LARGE[: 2**23], 1) + gzip.compress(LARGE[2**23 :], 1)
AT_ONCE = 2


async def make_index(packed: bytes) -> SeekIndex:
    """Make the index of a whole gzip file."""
    indexer = Indexer(FakeObject(packed), 1, 2**40, asyncio.get_running_loop())
    return await asyncio.to_thread(indexer.run)


@pytest.fixture(scope="module")
def index() -> SeekIndex:
    """Make the index of the large file."""
    return asyncio.run(make_index(PACKED))


@pytest.mark.parametrize("row_bytes", [100, 30_000, 5 * 2**20])
@pytest.mark.parametrize("gap_bytes", [0, 1900, 2**21])
async def test_rows_are_read_in_any_order(index: SeekIndex, row_bytes: int, gap_bytes: int):
    """Long and short rows, near and far from each other, across members, come out packed."""
    stored = GzippedObject(FakeObject(PACKED), index, AT_ONCE)
    stride = row_bytes + gap_bytes
    n_rows = min(60, (len(LARGE) - row_bytes) // stride + 1)
    starts = np.random.default_rng(1).integers(
        0, len(LARGE) - (n_rows - 1) * stride - row_bytes + 1, 4
    )
    for start in starts.tolist():
        block = Block(start, row_bytes, stride, n_rows)
        rows = [LARGE[start + n * stride :][:row_bytes] for n in range(n_rows)]

        assert bytes(await stored.read(block)) == b"".join(rows)


async def test_only_what_is_needed_is_read(index: SeekIndex):
    """A few rows in the middle cost little more packed bytes than lie between them."""
    stored = GzippedObject(FakeObject(PACKED), index, AT_ONCE)
    await stored.read(Block(2**22, 1000, 5000, 100))

    assert 0 < stored.bytes_read < 500_000 + 2 * 2**20
    assert stored.reads <= 2


@pytest.mark.parametrize(
    ("block", "least", "most"),
    [
        (Block.run(0, len(LARGE)), len(LARGE), len(LARGE)),
        (Block.run(2**22, 2**22 + 1), 1, 2 * 2**20),
        (Block(2**20, 1000, 5000, 200), 995 * 1000 + 1000, 3 * 2**20),  # near: all between them
        (Block(2**19, 1000, 2**22, 3), 3 * 1000, 6 * 2**20),  # far: the way to each
    ],
    ids=["all", "a byte", "near rows", "far rows"],
)
def test_what_will_be_inflated_is_known_before(index: SeekIndex, block: Block, least, most):
    """It is the work of a request, and more than the bytes that it wants; nothing is read."""
    stored = GzippedObject(FakeObject(PACKED), index, 4)

    assert least <= stored.inflated_bytes([block]) <= most
    assert stored.inflated_bytes([block, block]) == stored.inflated_bytes([block])
    assert stored.bytes_read == 0


async def test_a_file_that_changed_is_noticed(index: SeekIndex):
    """What the storage says of a read is what the caller hears, from every part of a block."""
    packed = FakeObject(PACKED)
    packed.failure = SourceChanged("ask again")

    with pytest.raises(SourceChanged):
        await GzippedObject(packed, index, AT_ONCE).read(Block.run(0, len(LARGE)))


async def test_an_index_of_other_bytes_is_noticed(index: SeekIndex):
    """Bytes that do not inflate are an error."""
    packed = FakeObject(bytes(reversed(PACKED)))

    with pytest.raises(CorruptFits):
        await GzippedObject(packed, index, AT_ONCE).read(Block.run(0, len(LARGE)))


async def test_blocks_that_share_a_point_are_inflated_with_it_once(index: SeekIndex):
    """The planes of a cube are read like rows: what lies between two points is inflated once."""
    stored = GzippedObject(FakeObject(PACKED), index, AT_ONCE)
    planes = [Block(2**22 + n * 40_000, 50, 400, 9) for n in (5, 0, 1, 2, 3, 4, 60)]
    rows = [LARGE[p.start + n * 400 :][:50] for p in planes for n in range(9)]

    assert bytes(await stored.read(*planes)) == b"".join(rows)
    assert stored.reads <= 4
    assert stored.inflated_bytes(planes) < 60 * 40_000 + 2**21


@given(
    start=st.integers(0, 100),
    row_bytes=st.integers(1, 30),
    gap_bytes=st.integers(0, 30),
    n_rows=st.integers(1, 20),
    data=st.data(),
)
def test_the_rows_of_a_block_are_put_together_from_parts(
    start: int, row_bytes: int, gap_bytes: int, n_rows: int, data: st.DataObject
):
    """However a file is cut into parts, the rows come out of them whole."""
    block = Block(start, row_bytes, row_bytes + gap_bytes, n_rows)
    file, target, offset = LARGE[: block.stop + 300], bytearray(block.size), 0
    while offset < len(file):
        part = file[offset : offset + data.draw(st.integers(1, 200))]
        copy_part(part, offset, block, memoryview(target))
        offset += len(part)

    rows = [file[start + n * block.row_stride :][:row_bytes] for n in range(n_rows)]
    assert bytes(target) == b"".join(rows)


class PackedStore(FakeStore):
    """A store whose files are packed, and read by an index or from memory."""

    def __init__(self, *, in_memory: bool) -> None:
        super().__init__({name: FakeObject(content, name) for name, content in FILES.items()})
        self.in_memory = in_memory

    async def open(self, key: str) -> GzippedObject | UnpackedObject:
        """Open a file."""
        stored = await super().open(key)
        data = gzip.compress(stored.content, 1)
        packed = FakeObject(data, stored.info.identity)
        if self.in_memory or not stored.content:
            return UnpackedObject(packed, stored.content)
        return GzippedObject(packed, await make_index(data), AT_ONCE)


class TestGzippedObject(StoreContract):
    """The contract."""

    @pytest.fixture
    def store(self) -> PackedStore:
        """Give a store of the contract's files, packed."""
        return PackedStore(in_memory=False)

    async def test_reads_are_counted(self, store: PackedStore):
        """Packed bytes are counted, not unpacked ones."""
        stored = await store.open("image.fits")
        await stored.read(Block.run(100, 300))

        assert 0 < stored.bytes_read < len(CONTENT)


class TestUnpackedObject(StoreContract):
    """The contract, but for what needs no reading."""

    @pytest.fixture
    def store(self) -> PackedStore:
        """Give a store of the contract's files, packed and unpacked again."""
        return PackedStore(in_memory=True)

    async def test_reads_are_counted(self, store: PackedStore):
        """What lies in memory is not read, and given without waiting; a short file is refused."""
        stored = await store.open("image.fits")
        target = bytearray(200)

        assert stored.read_resident(Block.run(100, 300), memoryview(target))
        assert bytes(target) == CONTENT[100:300]
        assert (stored.reads, stored.bytes_read) == (0, 0)
        with pytest.raises(ShortRead):
            stored.read_resident(Block.run(len(CONTENT) - 1, len(CONTENT) + 1), memoryview(target))


class TestFakeStore(StoreContract):
    """The tests' own fake keeps the contract, or it would prove nothing."""

    @pytest.fixture(params=[False, True])
    def store(self, request: pytest.FixtureRequest) -> FakeStore:
        """Give a fake store of the contract's files."""
        objects = {n: FakeObject(c, n, resident=request.param) for n, c in FILES.items()}
        return FakeStore(objects)
