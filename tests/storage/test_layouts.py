"""Layouts are read once: a restart or another process finds them on disk."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from gateway.config import LimitSettings
from gateway.storage.cache_file import CacheFile
from gateway.storage.layouts import Layouts
from tests.core.compressed import compress
from tests.core.cutting import scan
from tests.fits_files import TAN, image, pixels
from tests.rounds import FarEngine, spherex_file
from tests.storage.engines import make_store
from tests.stores import FakeObject, make_unpacker

PLENTY = 2**26
FILE = image(cards=TAN)
SPHEREX = spherex_file()
TILED = compress(pixels((90, 80), "i2"), compression_type="RICE_1", tile_shape=(7, 80))
MANY_TILES = compress(np.zeros((40_000, 1), "i2"), compression_type="RICE_1", tile_shape=(1, 1))


def make_layouts(folder: Path) -> Layouts:
    """Do what a process does that begins."""
    cache = CacheFile(folder, PLENTY)
    return Layouts(LimitSettings(), cache, make_unpacker(cache))


async def test_a_layout_is_read_once_and_then_found(tmp_path: Path):
    """By place and identity, in this process and in another; not when the file is another."""
    layouts = make_layouts(tmp_path)
    assert await layouts.recall("a", "1") is None
    found = await layouts.read("a", FakeObject(FILE), "x")

    assert found.layout == scan(FILE)
    assert await layouts.is_kept("a", "1")
    assert not await layouts.is_kept("a", "2")
    assert await layouts.recall("a", "1") == found
    assert await make_layouts(tmp_path).recall("a", "1") == found
    assert await layouts.recall("a", "2") is None
    assert await layouts.recall("b", "1") is None


async def test_a_gzip_file_is_unpacked_once(tmp_path: Path):
    """Its length and that it is gzipped are known without unpacking it again."""
    await make_layouts(tmp_path).read("a", FakeObject(gzip.compress(FILE)), "x")
    found = await make_layouts(tmp_path).recall("a", "1")

    assert found is not None
    assert (found.is_gzipped, found.size) == (True, len(FILE))
    assert found.layout == scan(FILE)


async def test_a_layout_is_forgotten_everywhere(tmp_path: Path):
    """What was found wrong in one process is wrong in all."""
    layouts = make_layouts(tmp_path)
    await layouts.read("a", FakeObject(FILE), "x")
    await make_layouts(tmp_path).forget("a")

    assert await layouts.recall("a", "1") is None


async def test_the_rows_of_compressed_images_are_kept_with_their_layout(tmp_path: Path):
    """They are read at once, if they are few; another process finds them."""
    stored = FakeObject(TILED)
    found = await make_layouts(tmp_path).read("a", stored, "x")
    rows = stored.asked[-1]

    assert rows.size == 8 * 13
    assert found.tables == {1: TILED[rows.start : rows.stop]}
    assert await make_layouts(tmp_path).recall("a", "1") == found


@pytest.mark.parametrize("file", [TILED[:5800], MANY_TILES], ids=["cut off", "too many"])
async def test_rows_are_not_kept_at_any_price(tmp_path: Path, file: bytes):
    """Rows that are not there, or are as long as an image, are left to who needs them."""
    assert (await make_layouts(tmp_path).read("a", FakeObject(file), "x")).tables == {}


async def test_a_new_file_of_a_known_kind_takes_one_round(tmp_path: Path):
    """Files of one collection and size are alike, also for the process that comes next."""
    engine = FarEngine(dict.fromkeys("abc", SPHEREX))
    store = make_store(engine)
    rounds = []
    layouts = make_layouts(tmp_path)
    for name, reader, family in (
        ("a", layouts, "x"),
        ("b", layouts, "x"),
        ("c", make_layouts(tmp_path), "x"),
        ("c", layouts, "y"),
    ):
        stored = await store.open(name)
        engine.begin()
        assert (await reader.read(name, stored, family)).layout == scan(SPHEREX)
        rounds.append(engine.rounds)

    assert rounds == [2, 1, 1, 2]
