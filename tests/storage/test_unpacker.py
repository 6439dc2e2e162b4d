"""Opening gzip files: once for all who ask, by identity, in bounded memory."""

import asyncio
import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from gateway.core.errors import CorruptFits, UnsupportedFits
from gateway.core.ranges import Block
from gateway.storage import indexer
from gateway.storage.cache_file import CacheFile
from gateway.storage.gzipped import GzippedObject, UnpackedObject
from tests.stores import FakeObject, make_unpacker

SMALL = bytes(range(256)) * 400
LARGE = np.random.default_rng(5).normal(100, 3, 2**20).astype(">f4").tobytes()
LIMIT = 2**20


def pack(content: bytes, identity: str = "1") -> FakeObject:
    """Make a gzip file."""
    return FakeObject(gzip.compress(content, 1), identity)


@pytest.mark.parametrize(
    ("content", "kind"), [(SMALL, UnpackedObject), (LARGE, GzippedObject), (b"", UnpackedObject)]
)
async def test_a_file_is_read_once(content: bytes, kind: type):
    """A hundred who open a file at once wait for one reading; later nobody waits at all."""
    unpacker, packed = make_unpacker(), pack(content)
    packed.gate = asyncio.Event()
    tasks = [asyncio.create_task(unpacker.open("a", packed, len(content))) for _ in range(100)]
    await asyncio.sleep(0)
    packed.gate.set()
    opened = await asyncio.gather(*tasks)

    assert packed.bytes_read == len(packed.content)
    assert {type(each) for each in opened} == {kind}
    assert type(unpacker.recall("a", packed, 1)) is kind
    assert bytes(await opened[0].peek(0, len(content) + 9)) == content


async def test_small_files_are_inflated_a_few_at_a_time():
    """However many files are asked for at once, the bytes of a few are in memory."""
    unpacker = make_unpacker(small_parents_at_once=2)
    files = [pack(SMALL, str(n)) for n in range(5)]
    for file in files:
        file.gate = asyncio.Event()
    opening = [asyncio.create_task(unpacker.open(f.info.identity, f, len(SMALL))) for f in files]
    for file in files[:2]:
        await file.arrivals.acquire()
    assert [file.arrivals.locked() for file in files[2:]] == [True] * 3
    for file in files:
        file.gate.set()
    await asyncio.gather(*opening)

    assert [file.reads for file in files] == [1] * 5


async def test_a_small_file_is_given_without_waiting():
    """The rows of a small file are copied at once, as if it had never been packed."""
    unpacker, packed = make_unpacker(), pack(SMALL)
    await unpacker.open("a", packed, len(SMALL))
    target = bytearray(300)

    assert unpacker.recall("a", packed, 1).read_resident(Block(5, 3, 700, 100), memoryview(target))
    assert bytes(target) == b"".join(SMALL[5 + 700 * n : 8 + 700 * n] for n in range(100))


async def test_a_small_file_that_unpacks_to_much_is_indexed():
    """What is small when packed, but not when unpacked, is not kept in memory."""
    unpacker, packed = make_unpacker(), pack(bytes(3 * LIMIT))

    assert packed.info.size < LIMIT
    assert isinstance(await unpacker.open("a", packed, 3 * LIMIT), GzippedObject)


async def test_what_is_packed_well_is_read_once():
    """That a small file unpacks to much is found out, and its index made, by one reading."""
    unpacker, packed = make_unpacker(), pack(bytes(3 * LIMIT))
    await unpacker.open("a", packed, 3 * LIMIT)

    assert packed.bytes_read == len(packed.content)


async def test_what_is_announced_beyond_the_limit_is_not_unpacked():
    """More than may be unpacked is refused at once."""
    unpacker, packed = make_unpacker(max_bytes=20 * LIMIT), pack(bytes(9 * LIMIT))
    with pytest.raises(UnsupportedFits, match=str(20 * LIMIT)):
        await unpacker.open("a", packed, 20 * LIMIT + 1)


async def test_an_index_grows_when_more_is_wanted(monkeypatch: pytest.MonkeyPatch):
    """Who asks for more than an index reaches has it made anew, and further."""
    monkeypatch.setattr(indexer, "_LEAST", LIMIT)
    monkeypatch.setattr(indexer, "_USUAL_RATIO", 0)
    content = LARGE * 12
    unpacker, packed = make_unpacker(), FakeObject(gzip.compress(content, 1))
    first = await unpacker.open("a", packed, LIMIT)
    again = await unpacker.open("a", packed, 2 * LIMIT)
    last = await unpacker.open("a", packed, len(content) + 1)

    assert first.info.size == again.info.size < len(content)
    assert last.info.size == len(content)
    assert unpacker.recall("a", packed, len(content) + 1) is not None


async def test_a_new_version_is_another_file():
    """Name and identity together say which bytes are meant."""
    unpacker = make_unpacker()
    for identity, content in (("1", SMALL), ("2", SMALL[::-1])):
        opened = await unpacker.open("a", pack(content, identity), len(content))
        assert bytes(await opened.peek(0, 100)) == content[:100]

    assert unpacker.recall("b", pack(SMALL), 1) is None
    assert unpacker.recall("a", pack(SMALL, "3"), 1) is None


async def test_memory_is_bounded():
    """Beyond the limit the file goes that nobody asked for the longest."""
    unpacker = make_unpacker(unpacked_bytes=3 * len(SMALL))
    files = {name: pack(SMALL) for name in "abcd"}
    for name in "abc":
        await unpacker.open(name, files[name], len(SMALL))
    unpacker.recall("a", files["a"], 1)
    await unpacker.open("d", files["d"], len(SMALL))

    assert [name for name in "abcd" if unpacker.recall(name, files[name], 1)] == ["a", "c", "d"]


@pytest.mark.parametrize("content", [SMALL, LARGE, LARGE[:300_000] * 2])
async def test_a_header_is_read_before_a_file_is_known(content: bytes):
    """The beginning of a large file costs little; a range anywhere comes out right."""
    unpacker, packed = make_unpacker(), pack(content)
    asked = [(0, 2), (0, 32_768), (1000, 33_768)]
    explored = unpacker.explore("a", packed)
    found = [bytes(await explored.peek(*each)) for each in asked]
    is_large = packed.info.size > LIMIT
    assert packed.bytes_read <= (3 * 2**18 if is_large else len(packed.content))
    far = len(content) - 5, len(content) + 5

    assert found == [content[start:stop] for start, stop in asked]
    assert bytes(await explored.peek(*far)) == content[-5:]


async def test_a_header_in_many_members():
    """A beginning of several members is read like any other."""
    content = bytes(range(256)) * 300
    members = b"".join(gzip.compress(content[n : n + 999], 0) for n in range(0, len(content), 999))
    packed = FakeObject(members + gzip.compress(os.urandom(2 * LIMIT)))

    explored = make_unpacker().explore("a", packed)

    assert bytes(await explored.peek(5, 40_000)) == content[5:40_000]
    assert bytes(await explored.read(Block(7, 3, 50, 9))) == b"".join(
        content[7 + 50 * n : 10 + 50 * n] for n in range(9)
    )


@pytest.mark.parametrize("content", [SMALL, LARGE])
async def test_damage_is_told_to_all_and_not_kept(content: bytes):
    """A damaged file is refused, to all who wait for it, and looked at again the next time."""
    unpacker, packed = make_unpacker(), FakeObject(gzip.compress(content)[:-1])
    asked = [unpacker.open("a", packed, len(content) + 1) for _ in range(3)]
    answers = await asyncio.gather(*asked, return_exceptions=True)

    assert [type(answer) for answer in answers] == [CorruptFits] * 3
    with pytest.raises(CorruptFits):
        await unpacker.open("a", packed, len(content) + 1)


async def test_a_file_is_read_by_one_of_several_processes(tmp_path: Path):
    """Who asks while another process indexes a file waits for it, and reads nothing."""
    files = [pack(LARGE), pack(LARGE)]
    files[0].gate = asyncio.Event()
    unpackers = [make_unpacker(CacheFile(tmp_path, 2**26)) for _ in files]
    first = asyncio.create_task(unpackers[0].open("a", files[0], len(LARGE)))
    await files[0].arrivals.acquire()
    second = asyncio.create_task(unpackers[1].open("a", files[1], len(LARGE)))
    done, _ = await asyncio.wait({second}, timeout=0.3)
    files[0].gate.set()
    await asyncio.gather(first, second)

    assert not done
    assert (files[0].bytes_read, files[1].bytes_read) == (len(files[0].content), 0)


async def test_damage_does_not_keep_others_waiting(tmp_path: Path):
    """A process that failed to index a file lets the next one try."""
    damaged = FakeObject(gzip.compress(LARGE)[:-1])
    for _ in range(2):
        with pytest.raises(CorruptFits):
            await make_unpacker(CacheFile(tmp_path, 2**26)).open("a", damaged, len(LARGE) + 1)


async def test_an_index_is_found_after_a_restart(tmp_path: Path):
    """Who comes later, in this process or another, does not read the file again."""
    packed = pack(LARGE)
    await make_unpacker(CacheFile(tmp_path, 2**26)).open("a", packed, len(LARGE))
    asked = packed.bytes_read
    unpacker = make_unpacker(CacheFile(tmp_path, 2**26))
    opened = await unpacker.open("a", packed, len(LARGE))
    assert packed.bytes_read == asked
    assert bytes(await opened.peek(2**20, 2**20 + 99)) == LARGE[2**20 : 2**20 + 99]

    await unpacker.forget("a")
    assert unpacker.recall("a", packed, 1) is None
    await unpacker.open("a", packed, len(LARGE))
    assert packed.bytes_read > 2 * asked
