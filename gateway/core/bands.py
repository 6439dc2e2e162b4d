"""Bands: a section of a compressed image, a few rows of tiles at a time (FITS 4.0, 10.1). No I/O.

One band at a time is in memory: read the rows of the table that `Band.rows` names, `locate_tiles`
in the heap, read their bytes, `decode_band`. The pixels of all bands, one band after the other, are
those of the section, as if the image had never been compressed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.core.codecs import Codec, decode
from gateway.core.errors import UnsupportedFits
from gateway.core.quantization import restore_floats
from gateway.core.ranges import ByteRange
from gateway.core.section import Section
from gateway.core.tile_table import Stored, TileEntry
from gateway.core.tiles import TiledImage

DTYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
"""By BITPIX, big-endian (FITS 4.0, 5)."""

_CODECS = {Stored.GZIPPED: Codec("GZIP_1"), Stored.PLAIN: Codec("NOCOMPRESS")}

# A small tile costs more than its pixels: a row of the table, a read, a call.
_LEAST_TILE_BYTES = 1024
# The longest that compressed tiles are: no codec needs more for a pixel, or for a header.
_MAX_PIXEL_BYTES, _MAX_OVERHEAD_BYTES = 9, 1024


@dataclass(frozen=True, slots=True)
class Band:
    """A box of tiles, and the pixels of it that a section needs; axes in FITS order."""

    image: TiledImage
    tiles: tuple[range, ...]
    """The tiles along each axis."""
    pixels: tuple[range, ...]
    """The pixels along each axis."""

    @property
    def rows(self) -> list[ByteRange]:
        """Where the rows of the table lie in the file that speak of the tiles, in order."""
        ranges: list[ByteRange] = []
        for others in _each(self.tiles[1:]):
            first = self.image.row_of((self.tiles[0].start, *others))
            run = self.image.table.rows(first, first + len(self.tiles[0]))
            if ranges and ranges[-1].stop == run.start:
                run = ByteRange(ranges.pop().start, run.stop)
            ranges.append(run)
        return ranges

    @property
    def size(self) -> int:
        """Number of bytes of the pixels."""
        return prod(len(along) for along in self.pixels) * self.image.pixel_bytes


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile: its place in the image and in the file."""

    row: int
    """Of the table, counted from 0."""
    pixels: tuple[range, ...]
    """The pixels that it holds, along each axis in FITS order."""
    entry: TileEntry

    @property
    def data(self) -> ByteRange:
        """Where its compressed bytes lie in the file."""
        return self.entry.data


def plan_bands(
    image: TiledImage, section: Section, *, band_bytes: int, max_band_bytes: int
) -> Iterator[Band]:
    """Cut a section, with all planes of further axes, into bands.

    Parameters
    ----------
    image : TiledImage
        What is cut, of at least two axes.
    section : Section
        Inside the image.
    band_bytes : int
        What a band should have at most, unless a single row of tiles has more. Bands are measured
        in pixels of whole tiles.
    max_band_bytes : int
        What no band may exceed.

    Raises
    ------
    UnsupportedFits
        The tiles are too large; raised before the first band.

    Notes
    -----
    The pixels must come out in FITS order, the first axis fastest. So a band is the whole section
    along its first axes, some tiles along the next, and one tile along the others: some rows of
    tiles of a plane, or some planes. Tiles that are several planes deep need all rows at once.
    """
    wanted = (
        range(section.x_start, section.x_stop),
        range(section.y_start, section.y_stop),
        *(range(n) for n in image.shape[2:]),
    )
    tiles = tuple(
        range(pixels.start // t, -(-pixels.stop // t))
        for pixels, t in zip(wanted, image.tile_shape, strict=True)
    )
    axis = max([1, *(i for i, t in enumerate(image.tile_shape) if t > 1)])
    tile_bytes = max(prod(image.tile_shape) * image.pixel_bytes, _LEAST_TILE_BYTES)
    least = tile_bytes * prod(len(along) for along in tiles[:axis])
    if least > max_band_bytes:
        raise UnsupportedFits(
            f"The tiles of the compressed image are too large: {least} bytes are needed at once, "
            f"and at most {max_band_bytes} are allowed."
        )
    while axis + 1 < len(tiles) and least * len(tiles[axis]) <= band_bytes:
        least *= len(tiles[axis])
        axis += 1
    return _iterate_bands(image, wanted, tiles, axis, max(1, band_bytes // least))


def _iterate_bands(
    image: TiledImage,
    wanted: tuple[range, ...],
    tiles: tuple[range, ...],
    axis: int,
    step: int,
) -> Iterator[Band]:
    """Give bands of `step` tiles along an axis, and one tile along those behind it."""
    for others in _each(tiles[axis + 1 :]):
        for first in range(0, len(tiles[axis]), step):
            box = (
                *tiles[:axis],
                tiles[axis][first : first + step],
                *(range(index, index + 1) for index in others),
            )
            pixels = tuple(
                _overlap(range(along.start * t, along.stop * t), want)
                for along, t, want in zip(box, image.tile_shape, wanted, strict=True)
            )
            yield Band(image, box, pixels)


def locate_tiles(band: Band, rows: bytes) -> list[Tile]:
    """Find the tiles of a band in the file.

    Parameters
    ----------
    band : Band
        What is wanted.
    rows : bytes
        The rows of the table that `Band.rows` names, one after the other.

    Raises
    ------
    CorruptFits
        A row points to no tile, or to bytes that cannot be one.
    """
    image, row_bytes = band.image, band.image.table.row_bytes
    tiles = []
    for place, index in enumerate(_each(band.tiles)):
        pixels = tuple(
            range(i * t, min((i + 1) * t, n))
            for i, t, n in zip(index, image.tile_shape, image.shape, strict=True)
        )
        max_bytes = prod(map(len, pixels)) * _MAX_PIXEL_BYTES + _MAX_OVERHEAD_BYTES
        row = rows[place * row_bytes : (place + 1) * row_bytes]
        entry = image.table.read_entry(row, max_bytes)
        tiles.append(Tile(image.row_of(index), pixels, entry))
    return tiles


def decode_band(band: Band, tiles: Sequence[Tile], data: Sequence[bytes]) -> bytes:
    """Decode the pixels of a band.

    Parameters
    ----------
    band : Band
        What is wanted.
    tiles : sequence of Tile
        As `locate_tiles` gave them.
    data : sequence of bytes
        The compressed bytes of each.

    Returns
    -------
    bytes
        The pixels in FITS order, big-endian, of the image's BITPIX.

    Raises
    ------
    CorruptFits
        The bytes of a tile cannot be decoded.
    """
    pixels = np.empty(_array_shape(band.pixels), DTYPES[band.image.bitpix])
    for tile, compressed in zip(tiles, data, strict=True):
        target, source = [], []
        for want, have in zip(reversed(band.pixels), reversed(tile.pixels), strict=True):
            both = _overlap(want, have)
            target.append(slice(both.start - want.start, both.stop - want.start))
            source.append(slice(both.start - have.start, both.stop - have.start))
        decoded = _decode_tile(band.image, tile, compressed)
        with np.errstate(over="ignore"):  # a float64 that is infinite as a float32
            pixels[tuple(target)] = decoded[tuple(source)]
    return pixels.tobytes()


def _decode_tile(image: TiledImage, tile: Tile, data: bytes) -> NDArray[Any]:
    shape, entry = _array_shape(tile.pixels), tile.entry
    codec = _CODECS.get(entry.stored, image.codec)
    if image.bitpix > 0:
        values = decode(codec, data, shape, "i")
        if values.itemsize > image.pixel_bytes:
            # Lossy HCOMPRESS_1 goes beyond the ends of the range, and must not wrap around there.
            ends = np.iinfo(DTYPES[image.bitpix])
            values = np.clip(values, ends.min, ends.max)
        return values
    quantization = entry.quantization if entry.stored is Stored.COMPRESSED else None
    if quantization is None or image.dither == "NONE":
        return decode(codec, data, shape, "f")
    values = decode(codec, data, shape, "i")
    return restore_floats(values, quantization, image.dither, tile.row + image.dither_seed)


def _array_shape(pixels: tuple[range, ...]) -> tuple[int, ...]:
    return tuple(len(along) for along in reversed(pixels))


def _overlap(one: range, other: range) -> range:
    return range(max(one.start, other.start), min(one.stop, other.stop))


def _each(axes: tuple[range, ...]) -> Iterator[tuple[int, ...]]:
    """Give all points of a box, the first axis fastest; the axes may be too long for a list."""
    for number in range(prod(map(len, axes))):
        point, rest = [], number
        for along in axes:
            rest, index = divmod(rest, len(along))
            point.append(along[index])
        yield tuple(point)
