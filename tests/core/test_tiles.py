"""What the header of a compressed image says."""

from dataclasses import replace
from math import prod

import numpy as np
import pytest

from gateway.core.codecs import Codec
from gateway.core.errors import CorruptFits, UnsupportedFits
from gateway.core.tiles import is_tiled, parse_tiled_image
from tests.core.compressed import compress, edited, read_hdus

PIXELS = np.random.default_rng(3).integers(0, 99, (37, 53)).astype("i2")
PRIMARY, HDU = read_hdus(compress(PIXELS, compression_type="RICE_1", tile_shape=(10, 17)))


def test_a_compressed_image_is_recognised():
    """It is a binary table with ZIMAGE = T, and nothing else is."""
    assert is_tiled(HDU)
    assert not is_tiled(PRIMARY)
    assert not is_tiled(edited(HDU, ZIMAGE=False))
    assert not is_tiled(replace(HDU, xtension="IMAGE"))


def test_the_header_is_read():
    """Axes, tiles and compression are those that were asked of astropy."""
    image = parse_tiled_image(HDU)
    assert (image.bitpix, image.pixel_bytes) == (16, 2)
    assert (image.shape, image.tile_shape, image.n_tiles) == ((53, 37), (17, 10), (4, 4))
    assert image.codec == Codec("RICE_1", block_size=32, pixel_bytes=2)
    assert image.table.n_rows == prod(image.n_tiles)


@pytest.mark.parametrize(
    ("cards", "codec"),
    [
        ({"ZNAME1": None}, Codec("RICE_1")),
        ({"ZCMPTYPE": "RICE_ONE", "ZVAL2": 4}, Codec("RICE_1", pixel_bytes=4)),
        ({"ZVAL1": 16}, Codec("RICE_1", block_size=16, pixel_bytes=2)),
        ({"ZCMPTYPE": "GZIP_2"}, Codec("GZIP_2")),
        ({"ZCMPTYPE": "HCOMPRESS_1", "ZNAME1": "SMOOTH", "ZVAL1": 1},
         Codec("HCOMPRESS_1", smooth=True)),
        ({"ZCMPTYPE": "HCOMPRESS_1", "ZNAME1": "SMOOTH", "ZVAL1": 0}, Codec("HCOMPRESS_1")),
        ({"ZCMPTYPE": "PLIO_1"}, Codec("PLIO_1")),
        ({"ZCMPTYPE": "PLIO_1", "BZERO": 32768}, Codec("PLIO_1", offset=32768)),
        ({"ZCMPTYPE": "RICE_1", "BZERO": 32768}, Codec("RICE_1", pixel_bytes=2)),
    ],
    ids=str,
)  # fmt: skip
def test_parameters_of_the_codec_are_read(cards, codec):
    """Parameters have names and values, or defaults."""
    assert parse_tiled_image(edited(HDU, **cards)).codec == codec


def test_tiles_are_rows_by_default():
    """Without ZTILEn a tile is a row."""
    narrow = replace(edited(HDU, ZTILE1=None, ZTILE2=None), shape=(8, 37))
    assert parse_tiled_image(narrow).tile_shape == (53, 1)


def test_tiles_end_with_the_image():
    """A tile that is larger than the image is as large as the image."""
    whole = replace(edited(HDU, ZTILE1=1000, ZTILE2=2**40), shape=(8, 1))
    assert parse_tiled_image(whole).tile_shape == (53, 37)


@pytest.mark.parametrize(
    "cards",
    [
        {"ZBITPIX": 13},
        {"ZBITPIX": None},
        {"ZNAXIS": None},
        {"ZNAXIS": -1},
        {"ZNAXIS": 0},
        {"ZNAXIS": 1000},
        {"ZNAXIS": 3},
        {"ZNAXIS1": 0},
        {"ZNAXIS1": -53},
        {"ZNAXIS2": 10**30},
        {"ZTILE1": 0},
        {"ZTILE2": -10},
        {"ZTILE1": 1},
        {"ZNAXIS2": 51},
    ],
    ids=str,
)
def test_headers_that_contradict_themselves_are_corrupt(cards):
    """Absurd axes, and tables of more or fewer rows than tiles, are refused at once."""
    with pytest.raises(CorruptFits, match="compressed image"):
        parse_tiled_image(edited(HDU, **cards))


@pytest.mark.parametrize(
    "cards",
    [
        {"ZCMPTYPE": "BZIP2_1"},
        {"ZCMPTYPE": None},
        {"ZQUANTIZ": "SUBTRACTIVE_DITHER_3"},
        {"ZVAL1": 0},
        {"ZVAL1": "32"},
        {"ZVAL2": 8},
    ],
    ids=str,
)
def test_other_compressions_are_not_supported(cards):
    """The message names what the file asks for."""
    with pytest.raises(UnsupportedFits, match="not supported"):
        parse_tiled_image(edited(HDU, **cards))
