"""HCOMPRESS_1: a tile as an H-transform whose bit planes are coded in quadtrees. No I/O.

FITS 4.0, 10.4.4. The decoder is cfitsio's, as astropy compiles it: a tile of 100x100 takes 0.3 ms,
where whole arrays of numpy took 16. It keeps its place in global variables, without the lock of the
interpreter, and does not know where its input ends; both are seen to here.
"""

import struct
import threading

import numpy as np
from astropy.io.fits.hdu.compressed._compression import (
    CfitsioException,
    decompress_hcompress_1_c,
)
from numpy.typing import NDArray

from gateway.core.errors import CorruptFits
from gateway.core.fence import FencedBytes

_START = struct.Struct(">2s3iq3B")  # magic, rows, columns, scale, sum of the pixels, bit planes
_MAGIC = b"\xdd\x99"
_MAX_PLANES = 62  # keeps every magnitude in 63 bits
_ONE_AT_A_TIME = threading.Lock()


def decode_hcompress(
    data: bytes | memoryview, shape: tuple[int, int], *, smooth: bool
) -> NDArray[np.int32]:
    """Decode a tile.

    Parameters
    ----------
    data : bytes
        The compressed tile.
    shape : tuple of int
        Rows and columns that the tile has.
    smooth : bool
        Whether the coefficients are smoothed, as SMOOTH asks; it matters for lossy tiles only.

    Raises
    ------
    CorruptFits

    Notes
    -----
    A bit plane takes at most six bits for each node of its four quadtrees. A tile of r rows and c
    columns has at most r c / 3 + 2 (r + c) + 64 of them, which bounds what can be read. Where zeros
    behind the tile were read, or may have been, it is decoded again before ones: both give the same
    only if none mattered.
    """
    if len(data) < _START.size:
        raise CorruptFits("An HCOMPRESS_1 tile is shorter than its own header.")
    magic, rows, columns, scale, _, *n_planes = _START.unpack_from(data)
    if magic != _MAGIC or (rows, columns) != shape or max(n_planes) > _MAX_PLANES:
        raise CorruptFits("An HCOMPRESS_1 tile does not begin as a tile of its size must.")
    n_behind = (rows * columns // 4 + 2 * (rows + columns) + 64) * (max(n_planes) + 1)
    fenced = FencedBytes(data, n_behind)
    decoded = _decode(fenced.array, shape, scale, smooth=smooth)
    if not fenced.is_intact:
        fenced.array[len(data) :] = 0xFF
        if decoded != _decode(fenced.array, shape, scale, smooth=smooth):
            raise CorruptFits("An HCOMPRESS_1 tile ends before its last pixel.")
    return np.frombuffer(decoded, np.int32).reshape(shape)


def _decode(data: NDArray[np.uint8], shape: tuple[int, int], scale: int, *, smooth: bool) -> bytes:
    """Decode by cfitsio, with 64 bits for each coefficient."""
    try:
        with _ONE_AT_A_TIME:
            decoded: bytes = decompress_hcompress_1_c(data, *shape, scale, smooth, 8)
    except CfitsioException as error:
        raise CorruptFits("An HCOMPRESS_1 tile is damaged.") from error
    return decoded
