"""Find, plan, read: over stores that record, fail, lag, and lie about lengths."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from gateway.config import CollectionSettings, LimitSettings, Settings
from gateway.core.box import BoxRule
from gateway.core.errors import (
    CorruptFits,
    GatewayError,
    IsFolder,
    NotFound,
    ShortRead,
    SourceChanged,
    StorageUnavailable,
    TooLarge,
    UnsupportedFits,
)
from gateway.core.folder_query import FolderQuery
from gateway.core.query import parse_query, split_query
from gateway.service import Answer, Service, open_service
from gateway.storage.archive import Archive, Collection
from gateway.storage.cache_file import CacheFile
from gateway.storage.index import ParentIndex
from gateway.storage.layouts import Layouts
from tests.core.compressed import compress
from tests.fits_files import NX, NY, TAN, image, pixels
from tests.stores import FakeObject, FakeStore, make_unpacker

DATA = pixels(dtype="i2")
FILE = image(DATA, TAN)
HEADER_BYTES = len(FILE) - -(-DATA.nbytes // 2880) * 2880
ROW_BYTES = 2 * NX
QUERY = "center=50,40px&size=11,7px"
CUT = DATA[36:43, 44:55]


def make_service(store: FakeStore, limits: LimitSettings | None = None, **options) -> Service:
    """Make a service of one collection over a fake store."""
    settings = Settings(limits=limits or LimitSettings())
    collection = CollectionSettings(path="/ibe/data", url="memory://x", **options)
    archive = Archive({collection.path: Collection(collection, store, BoxRule.EXACT)})
    cache = CacheFile(Path("nowhere"), 0)
    unpacker = make_unpacker(cache)
    index = ParentIndex(settings.limits, 2**26, Layouts(settings.limits, cache, unpacker))
    return Service(settings, archive, index, unpacker, cache)


async def plan(service: Service, name: str = "a.fits", query: str = QUERY) -> Answer:
    """Plan a cutout of a file."""
    source = await service.open(("ibe", "data", *name.split("/")))
    return await service.plan_cutout(source, parse_query(split_query(query)))


async def read(service: Service, answer: Answer) -> bytes:
    """Read a whole answer."""
    chunks = service.read_chunks(answer, 0, answer.plan.size)
    return b"".join([bytes(chunk) async for chunk in chunks])


async def listed(service: Service, *segments: str, **query) -> list[str]:
    """Give the marks of a folder's entries, in order."""
    return [entry.mark async for entry in service.entries(segments, FolderQuery(**query))]


def data_of(file: bytes, shape: tuple[int, int]) -> np.ndarray:
    """Give the pixels of a file of one HDU of 16-bit integers."""
    size = -(-2 * shape[0] * shape[1] // 2880) * 2880
    return np.frombuffer(file[-size:], ">i2")[: shape[0] * shape[1]].reshape(shape)


async def test_a_cutout_reads_its_rows_alone():
    """The pixels are those of the file, and nothing is read outside of the rows of the box."""
    stored = FakeObject(FILE)
    service = make_service(FakeStore({"a.fits": stored}))
    answer = await plan(service)
    stored.asked.clear()
    found = data_of(await read(service, answer), (7, 11))

    assert np.array_equal(found, CUT)
    assert sum(block.size for block in stored.asked) == CUT.nbytes
    assert {(b.start - HEADER_BYTES) // ROW_BYTES for b in stored.asked} == {36}


async def test_headers_are_read_once_for_each_version():
    """The second cutout of a file reads no header; a new version is learnt anew."""
    store = FakeStore({"a.fits": FakeObject(FILE)})
    service = make_service(store)
    await plan(service)
    store.objects["a.fits"].asked.clear()
    await plan(service, query="center=150.1,2.2&size=10px")
    assert store.objects["a.fits"].asked == []

    smaller = DATA[:40]
    store.objects["a.fits"] = FakeObject(image(smaller), "2")
    found = data_of(await read(service, await plan(service)), (4, 11))

    assert np.array_equal(found, smaller[36:43, 44:55])


@pytest.mark.parametrize("missing", [1, 20 * ROW_BYTES])
async def test_a_truncated_file_is_refused_only_where_rows_are_missing(missing: int):
    """Rows that are there are given; missing ones are refused before the first byte."""
    end = HEADER_BYTES + DATA.nbytes - missing
    service = make_service(FakeStore({"a.fits": FakeObject(FILE[:end])}))

    assert np.array_equal(data_of(await read(service, await plan(service)), (7, 11)), CUT)
    with pytest.raises(CorruptFits, match=f"cut off.* {end} bytes"):
        await plan(service, query=f"center={NX},{NY}px&size=1px")


async def test_a_truncated_compressed_file_is_refused():
    """A compressed image whose heap is cut off is refused when it is planned."""
    file = compress(pixels((200, 200), "i2"), compression_type="GZIP_1")
    service = make_service(FakeStore({"a.fits.fz": FakeObject(file[:-2880])}))

    with pytest.raises(CorruptFits, match="cut off"):
        await plan(service, "a.fits.fz")


async def test_tiles_that_are_too_large_are_refused_before_anything_is_sent():
    """What one tile unpacks to is bounded, and told while there can still be an error answer."""
    file = compress(np.zeros((900, 900), "i4"), compression_type="RICE_1", tile_shape=(900, 900))
    limits = LimitSettings(max_band_bytes=2**20)
    service = make_service(FakeStore({"a.fits": FakeObject(file)}), limits)

    with pytest.raises(UnsupportedFits):
        await plan(service, query="center=9,9px&size=9px")


async def test_too_large_tells_both_numbers():
    """The refusal says how large the cutout would be and how large it may be."""
    service = make_service(FakeStore({"a.fits": FakeObject(FILE)}), max_cutout_bytes=5760)
    allowed = await plan(service)

    assert allowed.plan.size == 5760
    with pytest.raises(TooLarge, match=r"8640 bytes; at most 5760"):
        await plan(service, query="center=50,40px&size=50px")


@pytest.mark.parametrize("announced", [len(FILE) * 2, len(FILE) - 1])
async def test_a_store_that_lies_about_the_length_never_makes_a_wrong_answer(announced: int):
    """A wrong length leads to the whole file or to an error, never to a shorter answer."""
    service = make_service(FakeStore({"a.fits": FakeObject(FILE, announced=announced)}))
    source = await service.open(("ibe", "data", "a.fits"))
    answer = service.plan_file(source)

    assert answer.plan.size == announced
    if announced > len(FILE):
        with pytest.raises(ShortRead):
            await read(service, answer)
    else:
        assert await read(service, answer) == FILE[:announced]


async def test_a_failure_in_the_middle_comes_after_right_bytes():
    """What was given before a failure is right; then the error comes, not an end."""
    stored = FakeObject(FILE * 20)
    stored.failure, stored.fails_behind = StorageUnavailable("Try again later."), 10 * len(FILE)
    service = make_service(FakeStore({"a": stored}), LimitSettings(chunk_bytes=4096))
    answer = service.plan_file(await service.open(("ibe", "data", "a")))
    chunks = service.read_chunks(answer, 0, answer.plan.size)
    found = b"".join([bytes(await anext(chunks)) for _ in range(10 * len(FILE) // 4096)])
    with pytest.raises(StorageUnavailable):
        await anext(chunks)

    assert found == (FILE * 20)[: len(found)]


@pytest.mark.parametrize("resident", [True, False])
async def test_small_answers_are_read_at_once(*, resident: bool):
    """An answer of few bytes is given without waiting if it lies in memory, and else, too."""
    stored = FakeObject(FILE, resident=resident)
    service = make_service(FakeStore({"a.fits": stored}), LimitSettings())
    answer = await plan(service)
    expected = (await read(service, answer))[100:5000]
    now = service.read_now(answer, 100, 5000)

    assert (now is not None) == resident
    assert now is None or bytes(now) == expected
    assert bytes(await service.read_small(answer, 100, 5000)) == expected


async def test_folders_and_collections_are_listed_together():
    """A listing has what the storage has and the collections below; absent ones are not found."""
    store = FakeStore({"a.fits": FakeObject(FILE), "deep/b.fits": FakeObject(FILE)})
    service = make_service(store, title="Everything")

    assert await listed(service, "ibe", "data") == ["a.fits", "deep/"]
    assert await listed(service, "ibe") == ["data/"]
    for missing in (("ibe", "data", "missing"), ("elsewhere",)):
        with pytest.raises(NotFound):
            await listed(service, *missing)


async def test_a_collection_stands_among_the_folders_of_another():
    """Collections are merged into a listing in its order, once, also behind a page."""
    store = FakeStore({name: FakeObject(FILE) for name in ("a", "b/1", "c", "d/2")})
    service = make_service(store)
    collections = service.archive.collections
    for name in ("b", "cc", "e"):
        settings = CollectionSettings(path=f"/ibe/data/{name}", url="memory://x")
        collections |= {settings.path: Collection(settings, FakeStore({}), BoxRule.EXACT)}
    service.archive = Archive(collections)

    assert await listed(service, "ibe", "data") == ["a", "b/", "c", "cc/", "d/", "e/"]
    assert await listed(service, "ibe", "data", after=(0, "c")) == ["cc/", "d/", "e/"]
    assert await listed(service, "ibe", "data", name="C") == ["c", "cc/"]


async def test_a_failing_store_is_not_an_empty_folder():
    """What could not be listed, opened or probed is an error of the storage."""
    store = FakeStore({"a.fits": FakeObject(FILE)})
    service = make_service(store)
    await service.probe()
    store.failure = StorageUnavailable("The storage could not be read; try again later.")

    for attempt in (listed(service, "ibe", "data"), service.probe(), plan(service)):
        with pytest.raises(StorageUnavailable):
            await attempt
    await service.close()
    assert store.closed


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[tuple[Service, Path]]:
    """Give a service of real files that reads little at a time, and its folder."""
    collection = CollectionSettings(path="/ibe/data", url=str(tmp_path))
    limits = LimitSettings(chunk_bytes=4096)
    service = open_service(Settings(limits=limits, collections=(collection,)))
    yield service, tmp_path
    await service.close()


@pytest.mark.parametrize("size", [0, len(FILE), len(FILE) * 20 + 1])
async def test_a_file_that_changes_in_place_breaks_the_answer(
    local: tuple[Service, Path], size: int
):
    """A file that is cut off or written to while it is sent is an error, not other bytes."""
    service, folder = local
    (folder / "a").write_bytes(FILE * 20)
    answer = service.plan_file(await service.open(("ibe", "data", "a")))
    chunks = service.read_chunks(answer, 0, answer.plan.size)
    first = bytes(await anext(chunks))
    os.truncate(folder / "a", size)

    assert first == FILE[:4096]
    with pytest.raises(SourceChanged):
        [chunk async for chunk in chunks]


async def test_a_file_that_is_replaced_is_read_to_its_end(local: tuple[Service, Path]):
    """Who began with one version gets all of it; who comes later gets the new one."""
    service, folder = local
    (folder / "a").write_bytes(FILE * 20)
    (folder / "b").write_bytes(FILE[::-1])
    answer = service.plan_file(await service.open(("ibe", "data", "a")))
    chunks = service.read_chunks(answer, 0, answer.plan.size)
    found = bytes(await anext(chunks))
    (folder / "b").replace(folder / "a")
    found += b"".join([bytes(chunk) async for chunk in chunks])
    later = service.plan_file(await service.open(("ibe", "data", "a")))

    assert found == FILE * 20
    assert await read(service, later) == FILE[::-1]


async def test_what_is_found_has_its_url_as_name():
    """A file knows the path and the last segment of its URL; a folder is told from a file."""
    service = make_service(FakeStore({"deep/b.fits": FakeObject(FILE)}))
    source = await service.open(("ibe", "data", "deep", "b.fits"))

    assert (source.name, source.file_name) == ("/ibe/data/deep/b.fits", "b.fits")
    with pytest.raises(IsFolder):
        await service.open(("ibe", "data", "deep"))
    with pytest.raises(GatewayError):
        await service.open(("ibe", "data", "deep", "missing"))
