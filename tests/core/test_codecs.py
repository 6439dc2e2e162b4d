"""The decoders of tiles, and what damaged tiles do to them."""

import gzip
import tracemalloc
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.codecs import CODECS, Codec, decode
from gateway.core.errors import CorruptFits, GatewayError, UnsupportedFits
from tests.core.compressed import first_tile

SHAPE = (12, 17)
PIXELS = np.random.default_rng(1).integers(0, 5000, SHAPE).astype("i4")
TILES = {name: first_tile(PIXELS, name) for name in CODECS}


@pytest.mark.parametrize("name", CODECS)
def test_tiles_are_decoded(name):
    """Each codec gives back the tile that was compressed."""
    decoded = decode(Codec(name), TILES[name], SHAPE, "i")
    np.testing.assert_array_equal(decoded, PIXELS)


@pytest.mark.parametrize("name", CODECS)
def test_tiles_that_are_cut_off_are_corrupt(name):
    """No pixel is invented for bytes that are not there."""
    tile = TILES[name]
    for size in (1, 5, len(tile) // 3, len(tile) - 2):
        with pytest.raises(CorruptFits):
            decode(Codec(name), tile[:size], SHAPE, "i")


@pytest.mark.parametrize("name", CODECS)
@given(data=st.data())
def test_damaged_tiles_do_no_harm(name, data):
    """Whatever a tile's bytes are, they give pixels of the right shape, or one of our errors."""
    tile = bytearray(TILES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        tile[data.draw(st.integers(0, len(tile) - 1))] = data.draw(st.integers(0, 255))
    tile[data.draw(st.integers(1, len(tile))) :] = data.draw(st.binary(max_size=40))
    codec = Codec(
        name, data.draw(st.sampled_from([1, 16, 32, 10**9])), data.draw(st.sampled_from([1, 2, 4]))
    )
    with suppress(GatewayError):
        assert decode(codec, bytes(tile), SHAPE, "i").shape == SHAPE


def test_zeros_do_not_lead_rice_out_of_its_input():
    """A stream whose run of zeros never ends is corrupt, not a walk through memory."""
    for pixel_bytes in (1, 2, 4):
        with pytest.raises(CorruptFits):
            decode(Codec("RICE_1", 32, pixel_bytes), bytes(pixel_bytes) + b"\x20", (1, 64), "i")


@pytest.mark.parametrize("name", ["GZIP_1", "GZIP_2"])
def test_gzip_stops_at_the_size_of_the_tile(name):
    """A tile that would unpack to 64 MB is refused after the bytes that a tile may have."""
    bomb = gzip.compress(bytes(2**26))
    tracemalloc.start()
    try:
        with pytest.raises(CorruptFits, match="longer than its pixels"):
            decode(Codec(name), bomb, SHAPE, "i")
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2**20


@pytest.mark.parametrize("name", ["GZIP_1", "GZIP_2", "NOCOMPRESS"])
@pytest.mark.parametrize(("kind", "n_bytes"), [("i", 3), ("i", 5), ("f", 1), ("f", 2)])
def test_bytes_must_make_whole_pixels(name, kind, n_bytes):
    """Bytes that are no integers or floats of any width are corrupt."""
    raw = bytes(n_bytes * 10 if n_bytes != 5 else 25)
    tile = raw if name == "NOCOMPRESS" else gzip.compress(raw)
    with pytest.raises(CorruptFits, match="10 pixels"):
        decode(Codec(name), tile, (2, 5), kind)


@pytest.mark.parametrize("name", ["RICE_1", "HCOMPRESS_1", "PLIO_1"])
def test_codecs_of_integers_hold_no_floats(name):
    """Floats that were not quantised cannot be in a stream of integers."""
    with pytest.raises(CorruptFits, match="ZSCALE"):
        decode(Codec(name), TILES[name], SHAPE, "f")


def test_hcompress_needs_two_axes():
    """Axes of one pixel do not count; with more than two others there is no rectangle."""
    name = "HCOMPRESS_1"
    assert decode(Codec(name), TILES[name], (12, 1, 17), "i").shape == (12, 1, 17)
    with pytest.raises(UnsupportedFits, match="rectangle"):
        decode(Codec(name), TILES[name], (2, 6, 17), "i")
