"""Bands: a section of a compressed image, a few rows of tiles at a time (FITS 4.0, 10.1). No I/O.

One band at a time is in memory. Its pixels are those of whole tiles, which `unpacking` makes. The
pixels of all bands, one band after the other, are those of the section, as if the image had never
been compressed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.core.errors import UnsupportedFits
from gateway.core.ranges import ByteRange, join_ranges
from gateway.core.section import Section
from gateway.core.tiles import TiledImage

DTYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
"""By BITPIX, big-endian (FITS 4.0, 5)."""

# A small tile costs more than its pixels: a row of the table, a read, a call.
_LEAST_TILE_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Band:
    """A box of tiles, and the pixels of it that a section needs; axes in FITS order."""

    image: TiledImage
    tiles: tuple[range, ...]
    """The tiles along each axis."""
    pixels: tuple[range, ...]
    """The pixels along each axis."""

    @property
    def row_numbers(self) -> list[int]:
        """Number the rows of the table that speak of the tiles, from 0, the first axis fastest."""
        numbers, stride = [0], 1
        for along, n_tiles in zip(self.tiles, self.image.n_tiles, strict=True):
            numbers = [index * stride + number for index in along for number in numbers]
            stride *= n_tiles
        return numbers

    @property
    def rows(self) -> list[ByteRange]:
        """Where these rows lie in the file, in order."""
        ranges = [self.image.table.rows(number, number + 1) for number in self.row_numbers]
        return join_ranges(ranges)[0]

    @property
    def size(self) -> int:
        """Number of bytes of the pixels."""
        return prod(len(along) for along in self.pixels) * self.image.pixel_bytes

    def new_pixels(self) -> NDArray[Any]:
        """Make the array of its pixels, the slowest axis first, big-endian; they are not set."""
        return np.empty([len(along) for along in reversed(self.pixels)], DTYPES[self.image.bitpix])


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
