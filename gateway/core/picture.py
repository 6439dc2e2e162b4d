"""Picture: levels and colours -> the bytes of a PNG, JPEG or WebP. No I/O.

Measured on 1000 x 1000 levels of noise: this PNG takes 2 ms, Pillow's 40 to 50, JPEG 4. A PNG has a
palette, so that no pixel is more than a byte, and level 0 of it is transparent.
"""

import struct
import zlib

import imagecodecs
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

CONTENT_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
"""By the name of the format."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BITS, _PALETTE = 8, 3
_QUALITY = 90


def encode_picture(levels: NDArray[np.uint8], colors: NDArray[np.uint8], form: str) -> bytes:
    """Write a picture.

    Parameters
    ----------
    levels : ndarray of uint8, shape (ny, nx)
        The first row is the top; 0 is no value.
    colors : ndarray of uint8, shape (256, 3)
        Of each level.
    form : str
        One of `CONTENT_TYPES`. No value is transparent, but for JPEG, which knows no such thing.
    """
    if form == "png":
        return _encode_png(levels, colors)
    if form == "jpeg":
        return bytes(imagecodecs.jpeg8_encode(colors[levels], level=_QUALITY))
    rgba = np.full((256, 4), 255, np.uint8)
    rgba[:, :3] = colors
    rgba[0, 3] = 0
    return bytes(imagecodecs.webp_encode(rgba[levels], level=_QUALITY, lossless=False, method=0))


def _encode_png(levels: NDArray[np.uint8], colors: NDArray[np.uint8]) -> bytes:
    """Write a PNG (ISO/IEC 15948) of indexed colours; every row has filter type 0."""
    ny, nx = levels.shape
    rows = np.zeros((ny, nx + 1), np.uint8)
    rows[:, 1:] = levels
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", nx, ny, _BITS, _PALETTE, 0, 0, 0)),
        (b"PLTE", colors.tobytes()),
        (b"tRNS", b"\0"),
        (b"IDAT", isal_zlib.compress(rows, 1)),
        (b"IEND", b""),
    )
    return _PNG_SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(kind))
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)
