"""Samples: the pixels that a picture shows, read in bounded memory."""

import asyncio
from itertools import islice
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.band_reading import read_band
from gateway.config import LimitSettings
from gateway.core.bands import DTYPES, Band
from gateway.core.errors import CorruptFits, GatewayError, TooLarge, UnsupportedFits
from gateway.core.image import CUT_AXES, Image
from gateway.core.ranges import split_block
from gateway.core.sampling import Sampling, pixel_block, row_block, sampled_bands, take_columns
from gateway.core.tiles import TiledImage
from gateway.storage.gzipped import GzippedObject
from gateway.storage.store import StoredObject

_BANDS_AT_ONCE = 8  # rows of tiles that are unpacked
_ROWS_IN_A_ROW = 128  # that are copied before others get their turn: about a millisecond


def check_samples(
    image: Image, sampling: Sampling, stored: StoredObject, size: int, limits: LimitSettings
) -> None:
    """Make sure that a picture can be drawn, before it is begun.

    Parameters
    ----------
    image : Image
        What is drawn.
    sampling : Sampling
        The part of it that is drawn.
    stored : StoredObject
        What it is read from.
    size : int
        Length of the file, in bytes.
    limits : LimitSettings
        What a picture may cost.

    Raises
    ------
    CorruptFits, TooLarge
    """
    if image.tiles is None:
        rows = row_block(image, sampling)
        needed, stop = rows.size, rows.span.stop
        if isinstance(stored, GzippedObject):
            needed = max(needed, stored.inflated_bytes([rows]))
    else:
        band_bytes, n_bands = _measure_bands(image.tiles, sampling)
        if band_bytes > limits.max_band_bytes:
            raise UnsupportedFits(
                f"The tiles of the compressed image are too large: {band_bytes} bytes are needed "
                f"at once, and at most {limits.max_band_bytes} are allowed."
            )
        needed, stop = band_bytes * n_bands, image.tiles.table.heap.stop
    if stop > size:
        raise CorruptFits(
            f"The file is cut off: the requested pixels lie behind its end of {size} bytes."
        )
    if needed > limits.max_sampled_bytes:
        raise TooLarge(
            f"The picture needs {needed} bytes of the image; at most {limits.max_sampled_bytes} "
            "are read for one: ask for a smaller size, or a smaller width."
        )


def _measure_bands(tiles: TiledImage, sampling: Sampling) -> tuple[int, int]:
    """Give the unpacked bytes of a row of tiles, and how many rows of tiles a picture needs."""
    width, height = tiles.tile_shape[:CUT_AXES]
    columns, rows = sampling.columns, sampling.rows
    across = columns[-1] // width - columns[0] // width + 1
    upwards = min(rows[-1] // height - rows[0] // height + 1, len(rows))
    return across * prod(tiles.tile_shape) * tiles.pixel_bytes, upwards


async def read_samples(
    image: Image, sampling: Sampling, stored: StoredObject, at_once_bytes: int
) -> NDArray[Any]:
    """Read the pixels that a picture shows.

    Parameters
    ----------
    image : Image
        What is drawn.
    sampling : Sampling
        The part of it that is drawn.
    stored : StoredObject
        What it is read from.
    at_once_bytes : int
        How much of it is read, or unpacked, at a time.

    Returns
    -------
    ndarray, shape (ny, nx)
        As they are in the file, of the image's BITPIX; the first row is the top.

    Raises
    ------
    CorruptFits, ShortRead, SourceChanged, StorageUnavailable, StorageTimeout
    """
    found = np.empty((sampling.ny, sampling.nx), DTYPES[image.bitpix])
    if image.tiles is not None:
        band_bytes, _ = _measure_bands(image.tiles, sampling)
        at_once = min(_BANDS_AT_ONCE, max(1, at_once_bytes // band_bytes))
        await _unpack(image.tiles, sampling, stored, found, at_once)
    else:
        done = await _copy_resident(image, sampling, stored, found)
        if done < sampling.ny:
            await _read_rows(image, sampling, stored, found[done:], at_once_bytes)
    return found[::-1]


async def _copy_resident(
    image: Image, sampling: Sampling, stored: StoredObject, found: NDArray[Any]
) -> int:
    """Copy single pixels as far as rows are in memory; give the number of rows."""
    rows = row_block(image, sampling)
    target = found.view(np.uint8)
    for number in range(sampling.ny):
        pixels = pixel_block(rows.rows(number, number + 1), image, sampling)
        if not stored.read_resident(pixels, target[number].data):
            return number
        if number % _ROWS_IN_A_ROW == _ROWS_IN_A_ROW - 1:
            await asyncio.sleep(0)
    return sampling.ny


async def _read_rows(
    image: Image,
    sampling: Sampling,
    stored: StoredObject,
    found: NDArray[Any],
    at_once_bytes: int,
) -> None:
    """Read the last rows whole: their pixels lie too close together to be worth a read each."""
    rows = row_block(image, sampling)
    # a row is never cut: the largest has fewer bytes than a picture may need
    part_bytes = max(at_once_bytes, rows.row_bytes)
    for part in split_block(rows.rows(rows.n_rows - len(found), rows.n_rows), part_bytes):
        data = await stored.read(part)
        whole = np.frombuffer(data, np.uint8).reshape(part.n_rows, part.row_bytes)
        found[: part.n_rows] = take_columns(whole, image, sampling)
        found = found[part.n_rows :]


async def _unpack(
    tiles: TiledImage, sampling: Sampling, stored: StoredObject, found: NDArray[Any], at_once: int
) -> None:
    """Unpack rows of tiles, some at once."""

    async def unpack(band: Band, rows: range, target: NDArray[Any]) -> None:
        data = await read_band(band, stored)
        shape = len(band.pixels[1]), len(band.pixels[0])
        pixels = np.frombuffer(data, DTYPES[tiles.bitpix]).reshape(shape)
        target[:] = pixels[rows.start : rows.stop : rows.step, :: sampling.step]

    first = 0
    bands = sampled_bands(tiles, sampling)
    while group := list(islice(bands, at_once)):
        try:
            async with asyncio.TaskGroup() as together:
                for band, rows in group:
                    target = found[first : first + len(rows)]
                    together.create_task(unpack(band, rows, target))
                    first += len(rows)
        except* GatewayError as errors:
            raise errors.exceptions[0] from errors.exceptions[0].__cause__
