"""Siblings: where headers lay in files of one size, in memory and on disk."""

from pathlib import Path

from gateway.core.ranges import ByteRange
from gateway.storage.cache_file import CacheFile
from gateway.storage.siblings import Siblings

PLENTY = 2**26
HEADERS = [ByteRange(2880, 5760), ByteRange(2**40, 2**40 + 2880)]


async def test_headers_are_recalled_by_collection_and_size(tmp_path: Path):
    """The latest file of a size tells; another size or collection says nothing."""
    siblings = Siblings(CacheFile(tmp_path, PLENTY))
    assert await siblings.recall("a", 7) == []
    await siblings.note("a", 7, HEADERS)

    assert await siblings.recall("a", 7) == HEADERS
    assert await siblings.recall("a", 8) == []
    assert await siblings.recall("b", 7) == []
    await siblings.note("a", 7, HEADERS[:1])
    assert await siblings.recall("a", 7) == HEADERS[:1]


async def test_another_process_knows_too(tmp_path: Path):
    """What one process noted, another finds on disk."""
    first = CacheFile(tmp_path, PLENTY)
    await Siblings(first).note("a", 7, HEADERS)
    await first.close()

    assert await Siblings(CacheFile(tmp_path, PLENTY)).recall("a", 7) == HEADERS


async def test_memory_is_bounded(tmp_path: Path):
    """Without a disk, some hundreds of kinds are remembered."""
    siblings = Siblings(CacheFile(tmp_path, 0))
    for size in range(1000):
        await siblings.note("a", size, HEADERS)

    assert await siblings.recall("a", 999) == HEADERS
    assert await siblings.recall("a", 0) == []
    assert len(siblings._kept) <= 256
