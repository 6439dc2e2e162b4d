"""StoreContract: what every Store must do, whatever its storage is."""

import asyncio

import pytest

from gateway.core.errors import IsFolder, NotFound, ShortRead
from gateway.core.ranges import Block
from gateway.storage.store import Store

CONTENT = bytes(range(256)) * 40
ODD_NAME = "a b+ü%41?x=1#y.fits"
FILES = {
    "image.fits": CONTENT,
    "empty.fits": b"",
    "folder/inner.bin": b"inner",
    f"folder/{ODD_NAME}": b"odd",
}


def packed(block: Block) -> bytes:
    """Give the rows of a block of `CONTENT`, one by one."""
    rows = (block.start + n * block.row_stride for n in range(block.n_rows))
    return b"".join(CONTENT[start : start + block.row_bytes] for start in rows)


BLOCKS = [
    pytest.param(Block.run(0, len(CONTENT)), id="whole"),
    pytest.param(Block.run(len(CONTENT) - 1, len(CONTENT)), id="last byte"),
    pytest.param(Block(17, 5, 300, 30), id="rows with gaps"),
    pytest.param(Block(0, 1, 1, 40), id="rows without gaps"),
    pytest.param(Block(len(CONTENT) - 303, 3, 100, 4), id="rows up to the end"),
]


class StoreContract:
    """A subclass gives the fixture `store`, in which `FILES` lie."""

    @pytest.mark.parametrize("block", BLOCKS)
    async def test_read_gives_the_rows_packed(self, store: Store, block: Block):
        """A block comes back as its rows without the gaps."""
        stored = await store.open("image.fits")

        assert bytes(await stored.read(block)) == packed(block)

    @pytest.mark.parametrize("block", BLOCKS)
    async def test_resident_bytes_are_the_same_bytes(self, store: Store, block: Block):
        """What is given without waiting is what a read gives, or none of them."""
        stored = await store.open("image.fits")
        target = bytearray(block.size)
        done = stored.read_resident(block, memoryview(target))

        assert bytes(target) == (packed(block) if done else bytes(block.size))

    async def test_info_tells_the_exact_length(self, store: Store):
        """The length is known before a byte is read; an empty file is a file."""
        sizes = {name: (await store.open(name)).info.size for name in FILES}

        assert sizes == {name: len(content) for name, content in FILES.items()}

    async def test_a_name_is_never_a_pattern(self, store: Store):
        """Blanks, percent signs, question marks and hashes in a key belong to the name."""
        stored = await store.open(f"folder/{ODD_NAME}")

        assert bytes(await stored.peek(0, 100)) == b"odd"

    async def test_the_identity_of_an_unchanged_file_is_stable(self, store: Store):
        """Who opens a file twice gets the same identity and time, and different files differ."""
        first, again = await store.open("image.fits"), await store.open("image.fits")
        other = await store.open("folder/inner.bin")

        assert first.info == again.info
        assert first.info.identity != other.info.identity

    @pytest.mark.parametrize(
        "block", [Block.run(0, len(CONTENT) + 1), Block(5000, 10, 3000, 3), Block.run(20000, 20001)]
    )
    async def test_no_read_gives_fewer_bytes(self, store: Store, block: Block):
        """A block that reaches behind the end is refused, never shortened."""
        stored = await store.open("image.fits")

        with pytest.raises(ShortRead):
            await stored.read(block)

    async def test_peek_stops_at_the_end(self, store: Store):
        """A peek gives what is there, and nothing behind the end."""
        stored = await store.open("image.fits")

        assert bytes(await stored.peek(10000, 99999)) == CONTENT[10000:]
        assert bytes(await stored.peek(len(CONTENT), 99999)) == b""
        assert bytes(await (await store.open("empty.fits")).peek(0, 2880)) == b""

    async def test_reads_are_counted(self, store: Store):
        """What the storage was asked for is counted, at least as much as it gave."""
        stored = await store.open("image.fits")
        assert (stored.reads, stored.bytes_read) == (0, 0)
        await stored.read(Block.run(100, 300))

        assert stored.reads >= 1
        assert stored.bytes_read >= 200

    async def test_many_read_at_once(self, store: Store):
        """Reads that run at the same time do not disturb each other."""
        stored = await store.open("image.fits")
        blocks = [Block(n, 7, 97, 60) for n in range(40)]
        found = await asyncio.gather(*(stored.read(block) for block in blocks))

        assert [bytes(rows) for rows in found] == [packed(block) for block in blocks]

    @pytest.mark.parametrize("key", ["missing.fits", "missing/inner.bin", "image.fits/inner"])
    async def test_what_is_absent_is_not_found(self, store: Store, key: str):
        """The storage's own "no such object" is `NotFound`."""
        with pytest.raises(NotFound) as caught:
            await store.open(key)

        assert not isinstance(caught.value, IsFolder)

    async def test_a_folder_is_no_file(self, store: Store):
        """A folder can be told from a file and from nothing."""
        with pytest.raises(IsFolder):
            await store.open("folder")

    async def test_entries_name_what_can_be_opened(self, store: Store):
        """A listing gives names that open, and says which are folders."""
        root = {entry.name: entry async for entry in store.entries("")}
        inner = {entry.name async for entry in store.entries("folder")}

        assert {name: e.is_folder for name, e in root.items()} == {
            "image.fits": False,
            "empty.fits": False,
            "folder": True,
        }
        assert root["folder"].size is None
        assert root["image.fits"].size in {None, len(CONTENT)}
        assert inner == {"inner.bin", ODD_NAME}

    async def test_entries_are_in_order(self, store: Store):
        """A listing is in the order of marks, and can begin behind any mark, listed or not."""
        marks = [entry.mark async for entry in store.entries("")]
        assert marks == ["empty.fits", "folder/", "image.fits"]

        for after in ("", "a", "empty.fits", "f", "folder/", "g", "image.fits", "z"):
            behind = [entry.mark async for entry in store.entries("", after)]
            assert behind == [mark for mark in marks if mark > after]

    async def test_an_absent_folder_has_no_listing(self, store: Store):
        """The listing of a folder that is not there is `NotFound`, not an empty one."""
        with pytest.raises(NotFound):
            [entry async for entry in store.entries("missing")]

    async def test_a_store_that_can_be_reached_says_so(self, store: Store):
        """A probe of a storage that works raises nothing."""
        await store.probe()
