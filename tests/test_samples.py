"""The pixels of a picture: those of the image, from memory or storage, plain or compressed."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from gateway.config import LimitSettings
from gateway.core.errors import CorruptFits, StorageUnavailable, TooLarge, UnsupportedFits
from gateway.core.image import Image
from gateway.core.sampling import Sampling
from gateway.core.section import Section
from gateway.samples import check_samples, read_samples
from tests.core.compressed import compress
from tests.core.cutting import parent_of
from tests.fits_files import image, pixels
from tests.stores import FakeObject

LIMITS = LimitSettings()
SECTION = Section(3, 290, 10, 333)
AT_ONCE = 2**25  # bytes
PLAIN = FakeObject(b"")  # a file that is not gzipped
DATA = pixels((340, 300), "i2")
CUBE = np.stack([DATA, DATA + 1])
FILES = {
    "plain": image(DATA),
    "cube": image(CUBE),
    "rows": compress(DATA, compression_type="RICE_1", tile_shape=(1, 300)),
    "squares": compress(DATA, compression_type="GZIP_2", tile_shape=(64, 50)),
    "one": compress(DATA, compression_type="RICE_1", tile_shape=(340, 300)),
    "deep": compress(CUBE, compression_type="GZIP_1", tile_shape=(2, 33, 40)),
}


def only_image(file: bytes) -> Image:
    """Give the one image of a file."""
    (found,) = parent_of(file).images.values()
    return found


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("step", [1, 2, 7, 100, 1000])
@pytest.mark.parametrize("resident", [False, True])
async def test_samples_are_the_pixels_of_the_first_plane(name, step, resident):
    """Every step-th pixel, the top row first, as astropy would slice them."""
    sampling = Sampling(SECTION, step)
    stored = FakeObject(FILES[name], resident=resident)

    found = await read_samples(only_image(FILES[name]), sampling, stored, AT_ONCE)

    expected = DATA[np.ix_(sampling.rows, sampling.columns)][::-1]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["plain", "rows"])
async def test_only_rows_that_are_shown_are_read(name):
    """A picture of ten rows reads ten rows, or ten tiles, and not the image."""
    stored = FakeObject(FILES[name])

    await read_samples(only_image(FILES[name]), Sampling(SECTION, 32), stored, AT_ONCE)

    assert stored.bytes_read < len(FILES[name]) / 15


async def test_of_rows_in_memory_only_the_pixels_are_copied():
    """A resident file is read pixel by pixel, by one call for each row."""
    stored = FakeObject(FILES["plain"], resident=True)
    sampling = Sampling(SECTION, 32)

    await read_samples(only_image(FILES["plain"]), sampling, stored, AT_ONCE)

    assert stored.reads == sampling.ny
    assert stored.bytes_read == sampling.nx * sampling.ny * 2


@pytest.mark.parametrize("name", ["plain", "squares"])
async def test_a_storage_that_fails_is_told(name):
    """The failure of one of several reads is the failure of the picture."""
    stored = FakeObject(FILES[name])
    stored.failure = StorageUnavailable("gone")

    with pytest.raises(StorageUnavailable, match="gone"):
        await read_samples(only_image(FILES[name]), Sampling(SECTION, 2), stored, AT_ONCE)


async def test_bands_are_unpacked_together():
    """A storage with latency is asked for several at once."""
    stored = FakeObject(FILES["squares"])
    stored.gate = asyncio.Event()
    reading = asyncio.create_task(
        read_samples(only_image(FILES["squares"]), Sampling(SECTION, 2), stored, AT_ONCE)
    )
    async with asyncio.timeout(10):
        for _ in range(2):
            await stored.arrivals.acquire()
    stored.gate.set()
    await reading


def test_what_the_file_does_not_hold_is_refused():
    """The pixels of a file that is cut off are never invented."""
    for name in ("plain", "rows"):
        file = FILES[name]
        with pytest.raises(CorruptFits, match="cut off"):
            check_samples(only_image(file), Sampling(SECTION, 2), PLAIN, len(file) // 2, LIMITS)


@pytest.mark.parametrize("name", ["plain", "squares"])
def test_a_picture_of_too_much_is_refused(name):
    """The message says how much it would be, and what helps."""
    limits = LimitSettings.model_construct(**(LIMITS.model_dump() | {"max_sampled_bytes": 20_000}))

    with pytest.raises(TooLarge, match="at most 20000"):
        check_samples(only_image(FILES[name]), Sampling(SECTION, 2), PLAIN, 2**30, limits)


def test_tiles_that_do_not_fit_into_memory_are_refused():
    """A small file may have one enormous tile."""
    found = only_image(FILES["one"])
    assert found.tiles is not None
    huge = replace(found.tiles, shape=(2**15, 2**15), tile_shape=(2**15, 2**15), n_tiles=(1, 1))
    found = replace(found, tiles=huge, shape=huge.shape)

    with pytest.raises(UnsupportedFits, match="tiles of the compressed image are too large"):
        check_samples(found, Sampling(SECTION, 2), PLAIN, 2**40, LIMITS)
