"""Tiles: what the header of a tile-compressed image says (FITS 4.0, 10.1). No I/O."""

from dataclasses import dataclass
from itertools import count, takewhile
from math import prod

from gateway.core.codecs import CODECS, RICE_DTYPES, Codec
from gateway.core.errors import CorruptFits, UnsupportedFits
from gateway.core.header import Header
from gateway.core.layout import Hdu
from gateway.core.quantization import DITHERS
from gateway.core.ranges import ByteRange
from gateway.core.tile_table import TileTable, parse_tile_table

_BITPIX = (8, 16, 32, 64, -32, -64)
_MAX_AXES = 999
_MAX_LENGTH = 2**62  # no axis is longer; keeps absurd lengths from becoming absurd numbers
# Unsigned 16-bit pixels (FITS 4.0, 5.2.5). The standard is silent on their PLIO_1; cfitsio, which
# writes such files, codes them without the offset that BZERO takes back.
_UNSIGNED_BITPIX, _UNSIGNED_ZERO = 16, 2**15


@dataclass(frozen=True, slots=True)
class TiledImage:
    """An image that is stored as a table of compressed tiles; axes in FITS order."""

    bitpix: int
    """Of the image, not of its table; so are the following."""
    shape: tuple[int, ...]
    """NAXIS1, NAXIS2, …: at least one."""
    tile_shape: tuple[int, ...]
    """Of all tiles but those at the far edges, which end with the image."""
    n_tiles: tuple[int, ...]
    """Number of tiles along each axis."""
    codec: Codec
    dither: str
    """How floats were quantised, where they were: one of `DITHERS`, or ``NONE``."""
    dither_seed: int
    table: TileTable

    @property
    def pixel_bytes(self) -> int:
        """Bytes of one pixel."""
        return abs(self.bitpix) // 8


def is_tiled(hdu: Hdu) -> bool:
    """Tell whether an HDU is a compressed image."""
    return hdu.xtension == "BINTABLE" and hdu.header.get("ZIMAGE") is True


def table_rows(hdu: Hdu) -> ByteRange:
    """Say where the rows of the table of a compressed image lie, as far as its header says."""
    return ByteRange(hdu.data_range.start, hdu.data_range.start + prod(hdu.shape))


def parse_tiled_image(hdu: Hdu, rows: bytes = b"") -> TiledImage:
    """Read the header of a compressed image.

    Parameters
    ----------
    hdu : Hdu
        The image.
    rows : bytes
        Of its table, all or none.

    Raises
    ------
    CorruptFits
        It breaks the standard, or the table has not one row for each tile.
    UnsupportedFits
        The compression is none of the standard's.
    """
    header = hdu.header
    bitpix, n_axes = header.get_int("ZBITPIX", 0), header.get_int("ZNAXIS", 0)
    if bitpix not in _BITPIX or not 1 <= n_axes <= _MAX_AXES:
        raise CorruptFits("A compressed image has no valid ZBITPIX or ZNAXIS.")
    shape, tile_shape = _parse_shapes(header, n_axes)
    dither = header.get_str("ZQUANTIZ").strip().upper() or "NO_DITHER"
    if dither not in (*DITHERS, "NONE"):
        raise UnsupportedFits(f"Compressed floats with ZQUANTIZ = {dither!r} are not supported.")
    image = TiledImage(
        bitpix=bitpix,
        shape=shape,
        tile_shape=tile_shape,
        n_tiles=tuple(-(-n // t) for n, t in zip(shape, tile_shape, strict=True)),
        codec=_parse_codec(header, bitpix),
        dither=dither,
        dither_seed=header.get_int("ZDITHER0", 1),
        table=parse_tile_table(hdu, rows),
    )
    if prod(image.n_tiles) != image.table.n_rows:
        raise CorruptFits(
            f"A compressed image of {prod(image.n_tiles)} tiles has {image.table.n_rows} rows."
        )
    return image


def _parse_shapes(header: Header, n_axes: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Read the lengths of the image's axes and of its tiles; the default tile is a row."""
    axes = range(1, n_axes + 1)
    shape = [header.get_int(f"ZNAXIS{n}", 0) for n in axes]
    tile_shape = [header.get_int(f"ZTILE{n}", shape[0] if n == 1 else 1) for n in axes]
    if not all(0 < n <= _MAX_LENGTH for n in shape + tile_shape):
        raise CorruptFits("A compressed image has no valid length for each axis and its tiles.")
    return tuple(shape), tuple(map(min, shape, tile_shape))


def _parse_codec(header: Header, bitpix: int) -> Codec:
    """Read the compression and its parameters (FITS 4.0, 10.1.2 and 10.4)."""
    name = header.get_str("ZCMPTYPE").strip().upper()
    name = "RICE_1" if name == "RICE_ONE" else name
    if name not in CODECS:
        raise UnsupportedFits(f"Images compressed by ZCMPTYPE = {name!r} are not supported.")
    names = takewhile(bool, (header.get_str(f"ZNAME{n}").strip().upper() for n in count(1)))
    parameters = {parameter: header.get(f"ZVAL{n}") for n, parameter in enumerate(names, 1)}
    if name == "PLIO_1" and bitpix == _UNSIGNED_BITPIX and header.get("BZERO") == _UNSIGNED_ZERO:
        return Codec(name, offset=_UNSIGNED_ZERO)
    if name != "RICE_1":
        return Codec(name, smooth=bool(parameters.get("SMOOTH")))
    block_size, pixel_bytes = parameters.get("BLOCKSIZE", 32), parameters.get("BYTEPIX", 4)
    if not isinstance(block_size, int) or block_size < 1 or pixel_bytes not in RICE_DTYPES:
        raise UnsupportedFits(
            f"RICE_1 with BLOCKSIZE = {block_size} and BYTEPIX = {pixel_bytes} is not supported."
        )
    return Codec(name, block_size, int(pixel_bytes))
