"""Sections of compressed images, against astropy."""

import io
import tracemalloc
from dataclasses import dataclass, field
from itertools import cycle
from math import prod
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.bands import plan_bands
from gateway.core.codecs import Codec
from gateway.core.errors import CorruptFits, UnsupportedFits
from gateway.core.ranges import ByteRange
from gateway.core.section import Section
from gateway.core.tile_table import Column, Stored, TileTable
from gateway.core.tiles import TiledImage, is_tiled, parse_tiled_image
from gateway.core.unpacking import locate_tiles
from tests.core.compressed import compress, cut, edited, read_hdus

SHAPES = {
    "rows": ((37, 53), (1, 53)),
    "odd tiles": ((37, 53), (10, 17)),
    "one tile": ((37, 53), (37, 53)),
    "planes": ((4, 20, 23), (1, 7, 9)),
    "deep tiles": ((5, 20, 23), (2, 7, 9)),
    "deeper tiles": ((3, 5, 8, 9), (2, 1, 3, 4)),
}


@dataclass(frozen=True)
class Compression:
    """How pixels of a type are compressed."""

    name: str
    dtype: str
    options: dict = field(default_factory=dict)

    def __str__(self):
        return "-".join([self.name, self.dtype, *map(str, self.options.values())])


LOSSLESS = [
    *(Compression("RICE_1", dtype) for dtype in ("u1", "i2", "i4")),
    *(Compression("GZIP_1", dtype) for dtype in ("u1", "i2", "i4", "i8")),
    *(Compression("GZIP_2", dtype) for dtype in ("u1", "i2", "i4", "i8")),
    *(Compression(name, dtype, {"quantize_level": 0}) for name in ("GZIP_1", "GZIP_2")
      for dtype in ("f4", "f8")),
    *(Compression("PLIO_1", dtype) for dtype in ("u1", "i2", "i4")),
    *(Compression("NOCOMPRESS", dtype) for dtype in ("i2", "i4")),
]  # fmt: skip

QUANTISED = [
    Compression(name, dtype, {"quantize_method": method, "dither_seed": 9990})
    for name, dtype in (("RICE_1", "f4"), ("RICE_1", "f8"), ("GZIP_1", "f4"), ("GZIP_2", "f8"))
    for method in (-1, 1, 2)
]

HCOMPRESSED = [
    Compression("HCOMPRESS_1", "i2"),
    Compression("HCOMPRESS_1", "i4"),
    Compression("HCOMPRESS_1", "i2", {"hcomp_scale": 9}),
    Compression("HCOMPRESS_1", "i2", {"hcomp_scale": 9, "hcomp_smooth": 1}),
    Compression("HCOMPRESS_1", "f4", {"quantize_method": 1, "dither_seed": 3}),
]

HCOMPRESS_SHAPES = {
    "one tile": ((37, 53), (37, 53)),
    "odd tiles": ((37, 53), (11, 7)),
    "planes": ((3, 20, 23), (1, 8, 9)),
}


def sky(shape, dtype, seed=5):
    """Make noise with a bright source; what can be negative is, what can be NaN or 0 is too."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[-2], : shape[-1]]
    source = 120 * np.exp(-((x - 20) ** 2 + (y - 9) ** 2) / 30)
    pixels = source + rng.normal(100, 5, shape)
    if np.dtype(dtype).kind == "f":
        pixels[rng.random(shape) < 0.02] = np.nan
        pixels[rng.random(shape) < 0.02] = 0
    return pixels.astype(dtype)


def sections(shape):
    """Give some sections: all, a corner pixel, and four drawn ones."""
    ny, nx = shape[-2:]
    rng = np.random.default_rng(nx)
    yield Section(0, nx, 0, ny)
    yield Section(nx - 1, nx, ny - 1, ny)
    for _ in range(4):
        x_start, x_stop = sorted(map(int, rng.choice(nx + 1, 2, replace=False)))
        y_start, y_stop = sorted(map(int, rng.choice(ny + 1, 2, replace=False)))
        yield Section(x_start, x_stop, y_start, y_stop)


def assert_equals_astropy(file, index=1):
    """Compare sections, in bands of different sizes, with the values that astropy reads."""
    hdu = read_hdus(file)[index]
    with fits.open(io.BytesIO(file), do_not_scale_image_data=True) as hdus:
        expected = hdus[index].data
    for section, band_bytes in zip(sections(expected.shape), cycle((2**20, 1, 3000)), strict=False):
        window = (
            ...,
            slice(section.y_start, section.y_stop),
            slice(section.x_start, section.x_stop),
        )
        pixels = cut(file, hdu, section, band_bytes=band_bytes)
        found = np.frombuffer(pixels, expected.dtype.newbyteorder(">"))
        np.testing.assert_array_equal(found.reshape(expected[window].shape), expected[window])


@pytest.mark.parametrize("layout", SHAPES)
@pytest.mark.parametrize("compression", LOSSLESS, ids=str)
def test_lossless_sections_equal_astropys(compression, layout):
    """Every codec gives back the pixels that were compressed, whatever the tiles."""
    shape, tile_shape = SHAPES[layout]
    pixels = sky(shape, compression.dtype)
    if compression.name != "PLIO_1" and pixels.dtype.kind == "i":
        pixels -= 120
    file = compress(
        pixels, compression_type=compression.name, tile_shape=tile_shape, **compression.options
    )
    assert_equals_astropy(file)
    ny, nx = shape[-2:]
    whole = cut(file, read_hdus(file)[1], Section(0, nx, 0, ny))
    assert whole == pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("layout", SHAPES)
@pytest.mark.parametrize("compression", QUANTISED, ids=str)
def test_quantised_sections_equal_astropys(compression, layout):
    """Quantised floats are restored to the last bit, with each dither; NaN is NaN."""
    shape, tile_shape = SHAPES[layout]
    pixels = sky(shape, compression.dtype)
    file = compress(
        pixels, compression_type=compression.name, tile_shape=tile_shape, **compression.options
    )
    assert_equals_astropy(file)


@pytest.mark.parametrize("layout", HCOMPRESS_SHAPES)
@pytest.mark.parametrize("compression", HCOMPRESSED, ids=str)
def test_hcompressed_sections_equal_astropys(compression, layout):
    """HCOMPRESS_1 equals astropy's, also where it is lossy or smoothed."""
    shape, tile_shape = HCOMPRESS_SHAPES[layout]
    pixels = np.nan_to_num(sky(shape, compression.dtype), nan=7)
    file = compress(
        pixels, compression_type=compression.name, tile_shape=tile_shape, **compression.options
    )
    assert_equals_astropy(file)


def test_nan_payloads_survive_lossless_compression():
    """Floats that are compressed without loss come back bit for bit."""
    pixels = np.arange(100, dtype=">u4").reshape(10, 10) + np.uint32(0x7FC00000)
    file = compress(pixels.view(">f4"), compression_type="GZIP_2", quantize_level=0)
    assert cut(file, read_hdus(file)[1], Section(2, 9, 3, 8)) == pixels[3:8, 2:9].tobytes()


def test_lossy_pixels_do_not_wrap_around():
    """HCOMPRESS_1 may go beyond the ends of the range, which then stay the ends."""
    rng = np.random.default_rng(11)
    pixels = rng.choice(np.array([-32768, -32760, 32760, 32767], "i2"), (32, 32))
    file = compress(pixels, compression_type="HCOMPRESS_1", tile_shape=(32, 32), hcomp_scale=60)
    found = np.frombuffer(cut(file, read_hdus(file)[1], Section(0, 32, 0, 32)), ">i2")
    assert np.abs(found.astype(int) - pixels.ravel()).max() < 1000


def test_unsigned_masks_are_stored_without_their_offset():
    """PLIO_1 pixels of BZERO = 32768 are as cfitsio codes them: the numbers that are meant."""
    pixels = np.arange(0, 30000, 300, "i2").reshape(10, 10)
    file = compress(pixels, compression_type="PLIO_1")
    unsigned = edited(read_hdus(file)[1], BZERO=32768)
    expected = (pixels.astype("i4") - 32768).astype(">i2").tobytes()
    assert cut(file, unsigned, Section(0, 10, 0, 10)) == expected


def test_floats_that_quantise_badly_are_read_from_their_own_column():
    """A tile that is stored as gzipped floats is read beside those that are quantised."""
    pixels = sky((8, 40), "f4")
    pixels[3] = np.geomspace(1e-30, 1e30, 40)
    file = compress(pixels, compression_type="RICE_1", tile_shape=(1, 40))
    assert_equals_astropy(file)
    assert cut(file, read_hdus(file)[1], Section(0, 40, 3, 4)) == pixels[3].astype(">f4").tobytes()


@pytest.mark.parametrize(("dtype", "form"), [(">i2", "PI"), (">f4", "PE"), (">f8", "QD")])
def test_uncompressed_tiles_are_read(dtype, form):
    """A tile of UNCOMPRESSED_DATA is its pixels."""
    pixels = np.arange(40, dtype=dtype).reshape(4, 10)
    columns = [
        fits.Column("COMPRESSED_DATA", "PB", array=np.array([[]] * 4, object)),
        fits.Column("UNCOMPRESSED_DATA", form, array=np.array([*pixels, 0], object)[:4]),
    ]
    table = fits.BinTableHDU.from_columns(columns)
    bitpix = {">i2": 16, ">f4": -32, ">f8": -64}[dtype]
    axes = {"ZNAXIS": 2, "ZNAXIS1": 10, "ZNAXIS2": 4, "ZTILE1": 10, "ZTILE2": 1}
    table.header.update(ZIMAGE=True, ZBITPIX=bitpix, ZCMPTYPE="RICE_1", **axes)
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(buffer)
    file = buffer.getvalue()
    assert cut(file, read_hdus(file)[1], Section(1, 8, 1, 3)) == pixels[1:3, 1:8].tobytes()


def test_parameters_of_all_tiles_may_be_keywords():
    """ZSCALE, ZZERO and ZBLANK as keywords mean the same as columns of one value."""
    file = compress(sky((6, 50), "f4"), compression_type="RICE_1", tile_shape=(6, 50))
    hdu = read_hdus(file)[1]
    with fits.open(io.BytesIO(file), disable_image_compression=True) as hdus:
        scale, zero = float(hdus[1].data["ZSCALE"][0]), float(hdus[1].data["ZZERO"][0])
    columns = {hdu.header.get_str(f"TTYPE{n}"): f"TTYPE{n}" for n in range(1, 5)}
    renamed = {columns["ZSCALE"]: "SPARE1", columns["ZZERO"]: "SPARE2"}
    keywords = edited(hdu, ZSCALE=scale, ZZERO=zero, **renamed)
    section = Section(3, 44, 1, 5)
    assert cut(file, keywords, section) == cut(file, hdu, section)


def test_planes_come_out_one_after_the_other():
    """Tiles that are several planes deep are given plane by plane."""
    pixels = np.arange(4 * 6 * 8, dtype=">i4").reshape(4, 6, 8)
    file = compress(pixels, compression_type="GZIP_1", tile_shape=(3, 4, 5))
    expected = pixels[:, 1:5, 2:7].tobytes()
    assert cut(file, read_hdus(file)[1], Section(2, 7, 1, 5), band_bytes=1) == expected


def tiled(shape, tile_shape, row_bytes=8):
    """Describe an image that no file holds; axes in FITS order."""
    n_tiles = tuple(-(-n // t) for n, t in zip(shape, tile_shape, strict=True))
    table = TileTable(
        start=1000,
        row_bytes=row_bytes,
        n_rows=prod(n_tiles),
        heap=ByteRange(10**6, 10**9),
        tiles={Stored.COMPRESSED: Column(0, "ii", 1)},
        scale=None,
        zero=0.0,
        blank=None,
    )
    return TiledImage(16, shape, tile_shape, n_tiles, Codec("GZIP_1"), "NO_DITHER", 1, table)


AXIS = st.tuples(st.integers(1, 30), st.integers(1, 30))


@given(st.lists(AXIS, min_size=2, max_size=4), st.data())
def test_bands_hold_each_pixel_once_and_in_order(axes, data):
    """The pixels of all bands, one after the other, are the section in FITS order."""
    shape, tile_shape = (tuple(axis) for axis in zip(*axes, strict=True))
    tile_shape = tuple(map(min, shape, tile_shape))
    x, y = (sorted(data.draw(st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True)))
            for n in shape[:2])  # fmt: skip
    section = Section(*x, *y)
    band_bytes = data.draw(st.integers(1, 2**20))
    numbers = np.arange(prod(shape)).reshape(shape[::-1])
    found = []
    for band in plan_bands(
        tiled(shape, tile_shape), section, band_bytes=band_bytes, max_band_bytes=2**40
    ):
        assert band.size > 0
        found += numbers[np.ix_(*reversed(band.pixels))].reshape(-1).tolist()
    window = numbers[..., slice(*y), slice(*x)]
    assert found == window.reshape(-1).tolist()


def test_bands_read_only_the_rows_of_their_tiles():
    """The rows of a narrow section are those of the tiles that it touches, and no others."""
    image = tiled((100, 90), (10, 20))
    section = Section(35, 57, 25, 65)
    bands = list(plan_bands(image, section, band_bytes=1, max_band_bytes=2**20))
    first_rows = [1000 + 8 * (10 * y + 3) for y in (1, 2, 3)]
    assert [band.rows for band in bands] == [[ByteRange(r, r + 3 * 8)] for r in first_rows]


def test_rows_count_tiles_along_the_first_axis_first():
    """FITS 4.0, 10.1: the rows of the table follow the tiles in FITS order."""
    image = tiled((30, 20, 2), (10, 10, 1))
    (band,) = plan_bands(image, Section(5, 25, 0, 20), band_bytes=2**20, max_band_bytes=2**20)
    assert band.row_numbers == list(range(3 * 2 * 2))
    (band, _) = plan_bands(image, Section(15, 25, 12, 20), band_bytes=1, max_band_bytes=2**20)
    assert band.row_numbers == [4, 5]


def test_rows_that_follow_each_other_are_read_at_once():
    """The rows of all tiles of an image are one range."""
    image = tiled((100, 90), (10, 20))
    (band,) = plan_bands(image, Section(0, 100, 0, 90), band_bytes=2**20, max_band_bytes=2**20)
    assert band.rows == [ByteRange(1000, 1000 + 8 * image.table.n_rows)]


def test_tiles_that_are_too_large_are_refused_before_the_first_band():
    """The limit counts a row of tiles, or all planes that a tile is deep."""
    section = Section(0, 100, 0, 90)
    plan_bands(tiled((100, 90), (50, 90)), section, band_bytes=1, max_band_bytes=18_000)
    with pytest.raises(UnsupportedFits, match="18000 bytes"):
        plan_bands(tiled((100, 90), (50, 90)), section, band_bytes=1, max_band_bytes=17_999)
    with pytest.raises(UnsupportedFits, match="too large"):
        plan_bands(tiled((100, 90, 9), (50, 45, 9)), section, band_bytes=1, max_band_bytes=160_000)


def test_tiny_tiles_are_refused_as_large_ones_are():
    """A hostile file of a tile per pixel cannot ask for millions of rows at once."""
    section = Section(0, 10**6, 0, 10**6)
    with pytest.raises(UnsupportedFits, match="too large"):
        plan_bands(tiled((10**6, 10**6), (1, 1)), section, band_bytes=1, max_band_bytes=2**26)


def test_endless_axes_cost_nothing_until_they_are_read():
    """An image of absurdly many planes gives its first band at once."""
    image = tiled((10, 10, 2**40), (10, 10, 1))
    bands = plan_bands(image, Section(0, 10, 0, 10), band_bytes=2**20, max_band_bytes=2**20)
    assert next(bands).pixels == (range(10), range(10), range(1024))


@pytest.mark.parametrize(
    ("length", "offset"),
    [(-1, 0), (10, -1), (10, 10**9 - 10**6), (9 * 100 + 1025, 0), (0, 0)],
    ids=["negative length", "negative offset", "behind the heap", "too long", "missing"],
)
def test_rows_that_point_nowhere_are_refused(length, offset):
    """A tile that cannot be where its row says is never read."""
    (band,) = plan_bands(
        tiled((10, 10), (10, 10)), Section(0, 10, 0, 10), band_bytes=1, max_band_bytes=2**20
    )
    with pytest.raises(CorruptFits, match="tile"):
        locate_tiles(band, np.array([length, offset], ">i4").tobytes())


REAL = [
    "aips_gorilla_sin_b1950_rice_i16.fits",
    "lsstcam_sim_raw_16amps.fits.fz",
    "m13_dss_gzip1.fits",
    "m13_dss_plio.fits",
    "m13_dss_rice.fits",
    "m13_real_rice_quantized_f32.fits",
    "panoptes_solved_tansip_rice.fits.fz",
]


@pytest.mark.parametrize("name", REAL)
def test_sections_of_real_files_equal_astropys(material: Path, name):
    """The first compressed image of each real file is read as astropy reads it."""
    file = (material / "data" / "fits" / name).read_bytes()
    index = next(hdu.index for hdu in read_hdus(file) if is_tiled(hdu))
    assert_equals_astropy(file, index)


def test_a_small_section_of_a_large_image_needs_little_memory(material: Path):
    """A file of 216 kB that unpacks to 264 MB is cut in a fraction of that."""
    path = material / "data" / "fits" / "bok_90prime_staticmask.fits.fz"
    file = path.read_bytes()
    hdu = next(hdu for hdu in read_hdus(file) if is_tiled(hdu))
    tracemalloc.start()
    try:
        pixels = cut(file, hdu, Section(1000, 1100, 3000, 3100), band_bytes=2**16)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 4 * 2**20
    with fits.open(path, do_not_scale_image_data=True) as hdus:
        expected = hdus[hdu.index].section[3000:3100, 1000:1100]
    assert pixels == expected.astype(">i4").tobytes()


def test_the_table_has_a_row_for_each_tile():
    """The description of a file that astropy made is what was asked of astropy."""
    file = compress(sky((37, 53), "i2"), compression_type="RICE_1", tile_shape=(10, 17))
    image = parse_tiled_image(read_hdus(file)[1])
    assert (image.bitpix, image.shape, image.tile_shape) == (16, (53, 37), (17, 10))
    assert image.codec == Codec("RICE_1", block_size=32, pixel_bytes=2)
    assert image.table.n_rows == prod(image.n_tiles) == 16
