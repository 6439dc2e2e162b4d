"""Unpacking: from the tiles of a band to its pixels (FITS 4.0, 10.1). No I/O.

Read the rows of the table that `Band.rows` names, if they are not kept, `locate_tiles`, read what
`Tiles.runs` names, and `unpack` the tiles, some by one thread and some by another.
"""

from dataclasses import dataclass
from itertools import islice, product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.core.bands import DTYPES, Band
from gateway.core.codecs import Codec, Packed, decode
from gateway.core.quantization import restore_floats
from gateway.core.ranges import ByteRange, join_ranges
from gateway.core.tile_table import Stored, TileEntry

_CODECS = {Stored.GZIPPED: Codec("GZIP_1"), Stored.PLAIN: Codec("NOCOMPRESS")}

# The longest that compressed tiles are: no codec needs more for a pixel, or for a header.
_MAX_PIXEL_BYTES, _MAX_OVERHEAD_BYTES = 9, 1024


@dataclass(frozen=True, slots=True)
class Tiles:
    """The tiles of a band, the first axis fastest."""

    band: Band
    numbers: list[int]
    """Of their rows in the table, counted from 0."""
    entries: list[TileEntry]
    """What these rows say."""
    runs: list[ByteRange]
    """Where their compressed bytes lie in the file; neighbours are one run, as they mostly are."""
    offsets: list[int]
    """Where the bytes of each tile begin in those of all runs, one behind the other."""

    def __len__(self) -> int:
        return len(self.numbers)


def locate_tiles(band: Band, rows: Packed | None) -> Tiles:
    """Find the tiles of a band in the file.

    Parameters
    ----------
    band : Band
        What is wanted.
    rows : bytes
        The rows of the table that `Band.rows` names, one after the other; None if they are kept.

    Raises
    ------
    CorruptFits
        A row points to no tile, or to bytes that cannot be one.
    """
    table, numbers = band.image.table, band.row_numbers
    max_bytes = prod(band.image.tile_shape) * _MAX_PIXEL_BYTES + _MAX_OVERHEAD_BYTES
    rows = table.select_kept(numbers) if rows is None else rows
    entries = table.read_entries(rows, max_bytes)
    runs, offsets = join_ranges([entry.data for entry in entries])
    return Tiles(band, numbers, entries, runs, offsets)


def unpack(tiles: Tiles, packed: Packed, part: range, pixels: NDArray[Any]) -> None:
    """Decode some tiles of a band.

    Parameters
    ----------
    tiles : Tiles
        As `locate_tiles` gave them.
    packed : bytes
        Those of all `Tiles.runs`, one behind the other.
    part : range
        Which of them are decoded.
    pixels : ndarray
        Those of the band, as `Band.new_pixels` makes them. They are set where the tiles lie.

    Raises
    ------
    CorruptFits
        The bytes of a tile cannot be decoded.
    """
    image = tiles.band.image
    along = zip(tiles.band.tiles, tiles.band.pixels, image.tile_shape, image.shape, strict=True)
    axes = [_place_tiles(*axis) for axis in along]
    places = islice(product(*reversed(axes)), part.start, part.stop)
    with np.errstate(over="ignore"):  # a float64 that is infinite as a float32
        for number, place in zip(part, places, strict=True):
            start = tiles.offsets[number]
            data = packed[start : start + tiles.entries[number].data.size]
            target, source, shape = zip(*place, strict=True)
            pixels[target] = _decode_tile(tiles, number, data, shape)[source]


def _place_tiles(
    indices: range, wanted: range, tile_length: int, length: int
) -> list[tuple[slice, slice, int]]:
    """Say of the tiles along an axis which of the wanted pixels are which of theirs.

    Returns
    -------
    list of (target, source, length)
        A part of the wanted pixels, the same part of the tile's, and the number of the tile's.
    """
    places = []
    for index in indices:
        start, stop = index * tile_length, min((index + 1) * tile_length, length)
        first, last = max(start, wanted.start), min(stop, wanted.stop)
        target = slice(first - wanted.start, last - wanted.start)
        places.append((target, slice(first - start, last - start), stop - start))
    return places


def _decode_tile(tiles: Tiles, number: int, packed: Packed, shape: tuple[int, ...]) -> NDArray[Any]:
    image, entry = tiles.band.image, tiles.entries[number]
    codec = _CODECS.get(entry.stored, image.codec)
    if image.bitpix > 0:
        values = decode(codec, packed, shape, "i")
        if values.itemsize > image.pixel_bytes:
            # Lossy HCOMPRESS_1 goes beyond the ends of the range, and must not wrap around there.
            ends = np.iinfo(DTYPES[image.bitpix])
            values = np.clip(values, ends.min, ends.max)
        return values
    if entry.quantization is None or image.dither == "NONE":
        return decode(codec, packed, shape, "f")
    values = decode(codec, packed, shape, "i")
    seed = tiles.numbers[number] + image.dither_seed
    return restore_floats(values, entry.quantization, image.dither, seed)
