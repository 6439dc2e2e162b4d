"""What is known of files: learnt once, kept by identity, in bounded memory."""

import asyncio
import gc
import gzip
from pathlib import Path

import pytest

from gateway.config import LimitSettings
from gateway.core.errors import CorruptFits, StorageUnavailable
from gateway.core.image import Image
from gateway.storage.cache_file import CacheFile
from gateway.storage.index import Known, ParentIndex
from gateway.storage.layouts import Layouts
from tests.fits_files import LOOKUP, NX, NY, TAN, image, lookup_file, mef, spectrum
from tests.stores import FakeObject, make_unpacker

PLENTY = 2**30
FILE = image(cards=TAN)


def make_index(memory_bytes: int = PLENTY, cache: CacheFile | None = None) -> ParentIndex:
    """Make an index that knows nothing, by default without a file on disk."""
    limits = LimitSettings()
    cache = cache or CacheFile(Path("nowhere"), 0)
    layouts = Layouts(limits, cache, make_unpacker(cache))
    return ParentIndex(limits, memory_bytes, layouts)


def only_image(known: Known) -> Image:
    """Give the image of a file that has one."""
    (found,) = known.parent.images.values()
    return found


async def test_a_hundred_at_once_read_the_headers_once():
    """Who comes while a file is read waits for the same reading."""
    index, stored = make_index(), FakeObject(FILE)
    stored.gate = asyncio.Event()
    tasks = [asyncio.create_task(index.learn("a", stored, "x")) for _ in range(100)]
    await asyncio.sleep(0)
    stored.gate.set()
    known = await asyncio.gather(*tasks)
    reads = stored.reads

    assert all(each is known[0] for each in known)
    assert reads == 1
    assert index.recall("a", "1") is known[0]
    assert stored.reads == reads


async def test_who_leaves_does_not_take_the_others_along():
    """The first caller is cancelled; those who joined still get their answer."""
    index, stored = make_index(), FakeObject(FILE)
    stored.gate = asyncio.Event()
    first, second = (asyncio.create_task(index.learn("a", stored, "x")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    stored.gate.set()

    assert only_image(await second).shape == (NX, NY)


async def test_all_who_wait_hear_of_a_failure_and_the_next_tries_anew():
    """A failure is told to all who wait, and is not kept."""
    index, stored = make_index(), FakeObject(FILE)
    stored.failure = StorageUnavailable("The storage could not be read; try again later.")
    failure = stored.failure
    results = await asyncio.gather(
        *(index.learn("a", stored, "x") for _ in range(5)), return_exceptions=True
    )
    stored.failure = None

    assert results == [failure] * 5
    assert index.recall("a", "1") is None
    assert only_image(await index.learn("a", stored, "x")).shape == (NX, NY)


async def test_a_failure_that_nobody_waits_for_is_silent():
    """Who leaves before a failure leaves no complaint of the event loop behind."""
    index, stored = make_index(), FakeObject(FILE)
    stored.gate = asyncio.Event()
    stored.failure = StorageUnavailable("The storage could not be read; try again later.")
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    task = asyncio.create_task(index.learn("a", stored, "x"))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    stored.gate.set()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)
    del task, others
    gc.collect()

    assert complaints == []


async def test_another_identity_is_learnt_anew():
    """A file that was replaced has another identity; what was known of the old one stays."""
    index = make_index()
    old = await index.learn("a", FakeObject(FILE, "1"), "x")
    new = await index.learn("a", FakeObject(mef(spectrum()), "2"), "x")

    assert index.recall("a", "1") is old
    assert index.recall("a", "2") is new
    assert new.parent.images == {}
    assert index.recall("b", "1") is None


async def test_memory_is_bounded():
    """The file that was not asked for the longest is forgotten first; the last one always stays."""
    size = (await make_index().learn("a", FakeObject(FILE), "x")).memory_bytes
    index = make_index(3 * size)
    for name in "abc":
        await index.learn(name, FakeObject(FILE), "x")
    index.recall("a", "1")
    await index.learn("d", FakeObject(FILE), "x")

    assert [name for name in "abcd" if index.recall(name, "1")] == ["a", "c", "d"]
    tiny = make_index(1)
    for name in "ab":
        await tiny.learn(name, FakeObject(FILE), "x")
    assert [name for name in "ab" if tiny.recall(name, "1")] == ["b"]


@pytest.mark.parametrize("packed", [False, True])
async def test_the_length_and_the_packing_are_known(*, packed: bool):
    """A gzip file is known by its first bytes, whatever its name is."""
    known = await make_index().learn(
        "a.fits", FakeObject(gzip.compress(FILE, 1) if packed else FILE), "x"
    )

    assert known.is_gzipped is packed
    assert only_image(known).shape == (NX, NY)


async def test_world_coordinates_are_made_once():
    """Many who need the sky at once wait for one making of it."""
    index, stored = make_index(), FakeObject(FILE)
    known = await index.learn("a", stored, "x")
    await asyncio.gather(*(index.learn_wcs("a", known, stored) for _ in range(20)))
    found = known.coordinates.wcs_of(only_image(known).hdu.index)
    await index.learn_wcs("a", known, stored)

    assert known.coordinates.wcs_of(only_image(known).hdu.index) is found


async def test_a_file_that_was_learnt_anew_gets_its_own_world_coordinates():
    """What is forgotten and learnt again while the sky is made is not left without one."""
    index, stored = make_index(1), FakeObject(FILE)
    old = await index.learn("a", stored, "x")
    await index.learn("b", FakeObject(FILE), "x")  # "a" is forgotten
    new = await index.learn("a", stored, "x")
    await asyncio.gather(index.learn_wcs("a", old, stored), index.learn_wcs("a", new, stored))

    assert old is not new
    assert old.coordinates is not None
    assert new.coordinates is not None


async def test_lookup_tables_are_read_for_the_sky_alone():
    """The tables of a distortion are only read when the sky is needed."""
    index, stored = make_index(), FakeObject(lookup_file())
    known = await index.learn("a", stored, "x")
    before = stored.reads
    await index.learn_wcs("a", known, stored)

    assert len(known.parent.lookups) == 3
    assert stored.reads == before + 3


@pytest.mark.parametrize("damage", ["empty", "cut off"])
async def test_a_damaged_lookup_table_is_told(damage: str):
    """A distortion table without pixels, or behind the end of the file, is damage of the file."""
    whole = lookup_file()
    harmed = {
        "empty": whole.replace(
            b"NAXIS1  =                   15", b"NAXIS1  =                    0"
        ),
        "cut off": whole[: whole.rindex(b"XTENSION") + 2880],
    }
    index, stored = make_index(), FakeObject(harmed[damage])
    known = await index.learn("a", stored, "x")

    assert harmed[damage] != whole
    with pytest.raises(CorruptFits, match="distortion table"):
        await index.learn_wcs("a", known, stored)


async def test_an_unusable_sky_is_remembered():
    """An image whose header describes no usable sky is kept apart, and is parsed once."""
    index = make_index()
    stored = FakeObject(image(cards=LOOKUP | {"CTYPE1": "RA---XXX", "CTYPE2": "DEC--XXX"}))
    known = await index.learn("a", stored, "x")
    await index.learn_wcs("a", known, stored)

    assert known.coordinates.loose == [0]
    assert known.coordinates.followers == {}


async def test_what_is_no_fits_is_not_kept():
    """A file without a header of FITS is refused each time anew."""
    index, stored = make_index(), FakeObject(b"<html>not here</html>" * 500)

    with pytest.raises(CorruptFits):
        await index.learn("a", stored, "x")
    assert index.recall("a", "1") is None


async def test_a_restart_reads_no_header_again(tmp_path: Path):
    """What one process learnt, the next finds on disk; it makes world coordinates itself."""
    stored = FakeObject(FILE)
    cache = CacheFile(tmp_path, PLENTY)
    known = await make_index(cache=cache).learn("a", stored, "x")
    await cache.close()
    reads = stored.reads
    index = make_index(cache=CacheFile(tmp_path, PLENTY))
    again = await index.learn("a", stored, "x")
    await index.learn_wcs("a", again, stored)

    assert again.parent == known.parent
    assert stored.reads == reads
    assert again.coordinates is not None


async def test_what_is_forgotten_is_read_again(tmp_path: Path):
    """A file that is not what it was is dropped from memory and from disk; others stay."""
    index, stored = make_index(cache=CacheFile(tmp_path, PLENTY)), FakeObject(FILE)
    for name in "ab":
        await index.learn(name, stored, "x")
    reads = stored.reads
    await index.forget("a")

    assert index.recall("a", "1") is None
    assert index.recall("b", "1") is not None
    await index.learn("a", stored, "x")
    assert stored.reads == reads + 1
