"""Codecs: from the compressed bytes of one tile to its pixels (FITS 4.0, 10.4). No I/O.

A decoder must survive any bytes. The C decoders of cfitsio, which astropy compiles, read on behind
the end of their input. So Rice comes from imagecodecs, whose overrun is bounded here (180 million
pixels a second, as astropy's); HCOMPRESS_1 is cfitsio's, with its overrun noticed, one tile at a
time (36 million); and PLIO_1 is cfitsio's, of lists that were checked (120 million of noise).
"""

from dataclasses import dataclass
from math import inf, prod
from typing import Any, Literal

import numpy as np
from imagecodecs import RcompError, rcomp_decode
from isal import isal_zlib
from numpy.typing import NDArray

from gateway.core.errors import CorruptFits, UnsupportedFits
from gateway.core.hcompress import decode_hcompress
from gateway.core.plio import decode_plio

CODECS = ("RICE_1", "GZIP_1", "GZIP_2", "PLIO_1", "HCOMPRESS_1", "NOCOMPRESS")
RICE_DTYPES = {1: "u1", 2: "i2", 4: "i4"}

# Bytes that the Rice decoder reads at most for one pixel behind the end of its input, which it
# notices at the end of a block. Set bits end every run of zeros.
_RICE_OVERRUN = 5
_HCOMPRESS_AXES = 2

# About what a tile and each of its pixels take, in nanoseconds. Those of HCOMPRESS_1 take 30, and
# wait as long as another thread decodes one.
_TILE_NS = 10_000
_PIXEL_NS = {
    "RICE_1": 6, "GZIP_1": 4, "GZIP_2": 4, "PLIO_1": 8, "HCOMPRESS_1": inf, "NOCOMPRESS": 1
}  # fmt: skip

Packed = bytes | memoryview
Pixels = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Codec:
    """How the tiles of an image are compressed."""

    name: str
    """One of `CODECS`."""
    block_size: int = 32
    """RICE_1: pixels that share a parameter, > 0."""
    pixel_bytes: int = 4
    """RICE_1: width of the coded integers; 1, 2 or 4."""
    smooth: bool = False
    """HCOMPRESS_1: whether to smooth what lossy compression made blocky."""
    offset: int = 0
    """PLIO_1, which codes no negative pixels: what was added to them."""

    @property
    def is_parallel(self) -> bool:
        """Whether two threads decode more than one.

        The decoder of HCOMPRESS_1 serves one thread at a time, that of PLIO_1 keeps the lock of the
        interpreter.
        """
        return self.name not in {"HCOMPRESS_1", "PLIO_1"}

    def estimate_s(self, n_tiles: int, n_pixels: int) -> float:
        """Say about how long it takes to decode so many tiles and pixels, in seconds."""
        return (n_tiles * _TILE_NS + n_pixels * _PIXEL_NS[self.name]) * 1e-9


def decode(codec: Codec, data: Packed, shape: tuple[int, ...], kind: Literal["i", "f"]) -> Pixels:
    """Decode a tile.

    Parameters
    ----------
    codec : Codec
        How it is compressed.
    data : bytes
        The compressed tile.
    shape : tuple of int
        Its shape, the slowest axis first.
    kind : str
        Whether the compressed pixels are integers or floats. The codecs that compress bytes leave
        the width of a pixel to the length of what they give.

    Raises
    ------
    CorruptFits
        The bytes are not a tile of that shape.
    UnsupportedFits
        HCOMPRESS_1 of a tile that is not two-dimensional.
    """
    n_pixels = prod(shape)
    if codec.name == "GZIP_1":
        return _as_pixels(_inflate(data, 8 * n_pixels), n_pixels, kind).reshape(shape)
    if codec.name == "GZIP_2":
        raw = _unshuffle(_inflate(data, 8 * n_pixels), n_pixels)
        return _as_pixels(raw, n_pixels, kind).reshape(shape)
    if codec.name == "NOCOMPRESS":
        return _as_pixels(data, n_pixels, kind).reshape(shape)
    if kind == "f":
        raise CorruptFits(f"Floats without ZSCALE cannot be compressed by {codec.name}.")
    if codec.name == "HCOMPRESS_1":
        sides = [n for n in shape if n > 1]
        if len(sides) != _HCOMPRESS_AXES:
            raise UnsupportedFits("An HCOMPRESS_1 tile that is not a rectangle cannot be read.")
        return decode_hcompress(data, (sides[0], sides[1]), smooth=codec.smooth).reshape(shape)
    if codec.name == "PLIO_1":
        pixels = decode_plio(data, n_pixels).reshape(shape)
        return pixels - codec.offset if codec.offset else pixels
    return _decode_rice(codec, data, n_pixels).reshape(shape)


def _inflate(data: Packed, max_bytes: int) -> bytes:
    """Unpack a gzip member that must not give more than `max_bytes`."""
    inflater = isal_zlib.decompressobj(wbits=31)
    try:
        raw = inflater.decompress(data, max_bytes + 1)
    except isal_zlib.error as error:  # type: ignore[misc]  # its stub calls it an object
        raise CorruptFits("A gzipped tile is damaged.") from error
    if not inflater.eof or len(raw) > max_bytes:
        raise CorruptFits("A gzipped tile is cut off, or longer than its pixels.")
    return raw


def _as_pixels(raw: Packed | Pixels, n_pixels: int, kind: str) -> Pixels:
    width, rest = divmod(len(raw), n_pixels)
    if rest or width not in ((1, 2, 4, 8) if kind == "i" else (4, 8)):
        raise CorruptFits(f"A tile of {n_pixels} pixels cannot have {len(raw)} bytes.")
    return np.frombuffer(raw, "u1" if width == 1 else f">{kind}{width}")


def _unshuffle(raw: bytes, n_pixels: int) -> Pixels:
    """Put the bytes of each pixel together: GZIP_2 writes the first byte of all pixels first."""
    width, rest = divmod(len(raw), n_pixels)
    if rest:
        raise CorruptFits(f"A tile of {n_pixels} pixels cannot have {len(raw)} bytes.")
    shuffled = np.frombuffer(raw, np.uint8).reshape(width, n_pixels)
    pixels = np.empty((n_pixels, width), np.uint8)
    for number in range(width):  # a seventh of the time of a transposition
        pixels[:, number] = shuffled[number]
    return pixels.reshape(-1)


def _decode_rice(codec: Codec, data: Packed, n_pixels: int) -> Pixels:
    block_size = min(codec.block_size, n_pixels)
    padding = b"\xff" * (block_size + 1) * _RICE_OVERRUN
    try:
        decoded: Pixels = rcomp_decode(
            memoryview(bytes(data) + padding)[: len(data)],  # type: ignore[arg-type]  # any buffer
            shape=(n_pixels,),
            dtype=RICE_DTYPES[codec.pixel_bytes],
            nblock=block_size,
        )
    except RcompError as error:
        raise CorruptFits("A RICE_1 tile ends before its last pixel.") from error
    return decoded
