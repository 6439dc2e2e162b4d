"""HCOMPRESS_1; that it agrees with astropy is tested with whole files, in test_bands."""

import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest

from gateway.core import fence
from gateway.core.errors import CorruptFits
from gateway.core.hcompress import decode_hcompress
from tests.core.compressed import first_tile

SHAPES = [(4, 4), (5, 4), (4, 7), (16, 100), (17, 33), (64, 64), (63, 65)]


def pixels_of(shape, low, high):
    """Make noise."""
    return np.random.default_rng(7).integers(low, high, shape, np.int32)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("low", "high"), [(-3, 4), (-(2**15), 2**15), (-(2**31), 2**31), (-7, -6)])
def test_lossless_tiles_come_back(shape, low, high):
    """Every shape and range of integers survives, up to the whole range of 32 bits."""
    pixels = pixels_of(shape, low, high)
    decoded = decode_hcompress(first_tile(pixels, "HCOMPRESS_1"), shape, smooth=False)
    np.testing.assert_array_equal(decoded, pixels)


HEADER = struct.Struct(">2s3iq3B")


@pytest.mark.parametrize(
    ("place", "value"),
    [(0, b"\0\0"), (1, 17), (2, 16), (5, 63), (7, 255)],
    ids=["magic", "rows", "columns", "planes of the sums", "planes of the curvatures"],
)
def test_headers_that_do_not_fit_are_corrupt(place, value):
    """A stream is not decoded into another shape than its tile's, nor with absurd bit planes."""
    tile = first_tile(pixels_of((16, 20), 0, 99), "HCOMPRESS_1")
    fields = list(HEADER.unpack_from(tile))
    fields[place] = value
    with pytest.raises(CorruptFits, match="does not begin"):
        decode_hcompress(HEADER.pack(*fields) + tile[HEADER.size :], (16, 20), smooth=False)


def test_unknown_bit_planes_are_corrupt():
    """A bit plane is written directly or as a tree."""
    header = HEADER.pack(b"\xdd\x99", 4, 4, 0, 0, 1, 0, 0)
    with pytest.raises(CorruptFits, match="damaged"):
        decode_hcompress(header + b"\x30" + bytes(9), (4, 4), smooth=False)


def test_bits_that_are_left_are_corrupt():
    """Behind the bit planes stands a nybble of zeros."""
    header = HEADER.pack(b"\xdd\x99", 4, 4, 0, 0, 0, 0, 0)
    assert decode_hcompress(header + b"\0", (4, 4), smooth=False).max() == 0
    with pytest.raises(CorruptFits, match="damaged"):
        decode_hcompress(header + b"\x10", (4, 4), smooth=False)


@pytest.mark.parametrize("shape", [(4, 300), (17, 33), (64, 64)])
def test_a_tile_that_is_cut_off_is_corrupt(shape):
    """Wherever a tile is cut, no pixel is made up; a last byte of padding may be missing."""
    pixels = pixels_of(shape, -2000, 2000)
    tile = first_tile(pixels, "HCOMPRESS_1")
    for kept in [*range(0, len(tile) - 1, 97), len(tile) - 2]:
        with pytest.raises(CorruptFits):
            decode_hcompress(tile[:kept], shape, smooth=False)


def test_kernels_that_cannot_tell_what_was_read_give_the_same(monkeypatch):
    """Where no fence is known to be intact, whole tiles come back, and others are corrupt."""
    monkeypatch.setattr(fence, "_mincore", lambda: lambda *_: -1)
    pixels = pixels_of((17, 33), -2000, 2000)
    tile = first_tile(pixels, "HCOMPRESS_1")
    np.testing.assert_array_equal(decode_hcompress(tile, (17, 33), smooth=False), pixels)
    with pytest.raises(CorruptFits):
        decode_hcompress(tile[:-2], (17, 33), smooth=False)


def test_noise_is_corrupt_or_some_pixels():
    """Any bits behind a header end in an error or in pixels, not in foreign memory."""
    rng = np.random.default_rng(3)
    for _ in range(300):
        shape = tuple(rng.integers(4, 40, 2).tolist())
        planes = rng.integers(0, 63, 3).tolist()
        header = HEADER.pack(b"\xdd\x99", *shape, 0, 0, *planes)
        with suppress(CorruptFits):
            decoded = decode_hcompress(header + rng.bytes(200), shape, smooth=False)
            assert decoded.shape == shape


def test_tiles_are_decoded_in_any_number_of_threads():
    """The decoder's global variables are used by one thread at a time."""
    images = [pixels_of((60, 60), -n, n) for n in range(10, 90)]
    tiles = [first_tile(image, "HCOMPRESS_1") for image in images]
    with ThreadPoolExecutor(8) as pool:
        decoded = list(pool.map(lambda t: decode_hcompress(t, (60, 60), smooth=False), tiles))

    for found, image in zip(decoded, images, strict=True):
        np.testing.assert_array_equal(found, image)
