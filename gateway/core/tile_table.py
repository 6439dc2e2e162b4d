"""Tile table: the binary table that holds a compressed image, a row per tile. No I/O.

FITS 4.0, 10.1.3 says which columns there are, 7.3 how the rows and the heap lie.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from itertools import chain, repeat
from struct import calcsize, iter_unpack
from typing import Any

from gateway.core.errors import CorruptFits, UnsupportedFits
from gateway.core.layout import Hdu
from gateway.core.quantization import Quantization
from gateway.core.ranges import ByteRange

_TABLE_AXES = 2
_MAX_FIELDS = 999
_TFORM = re.compile(r"(\d*)([LXBIJKAEDCMPQ])([LXBIJKAEDCM]?)")
_BYTES = {
    "L": 1, "B": 1, "A": 1, "I": 2, "J": 4, "K": 8, "E": 4, "D": 8, "C": 8, "M": 16, "P": 8, "Q": 16
}  # fmt: skip
_FORMATS = {"B": "B", "I": "h", "J": "i", "K": "q", "E": "f", "D": "d", "P": "ii", "Q": "qq"}
_INTEGERS, _FLOATS, _POINTERS = ("B", "h", "i", "q"), ("f", "d"), ("ii", "qq")


class Stored(Enum):
    """The columns that can hold a tile, in the order in which they are asked."""

    COMPRESSED = "COMPRESSED_DATA"
    GZIPPED = "GZIP_COMPRESSED_DATA"
    """Floats that could not be quantised."""
    PLAIN = "UNCOMPRESSED_DATA"


@dataclass(frozen=True, slots=True)
class Column:
    """Where a value lies in a row."""

    offset: int
    """From the start of the row, in bytes."""
    format: str
    """What `struct` calls it; a pair of length and offset for a tile's bytes in the heap."""
    element_bytes: int
    """What the length of such a pair counts."""

    def read(self, rows: bytes | memoryview, row_bytes: int) -> list[tuple[Any, ...]]:
        """Read the value, or the pair, of each of some rows."""
        value = f">{self.offset}x{self.format}"
        return list(iter_unpack(f"{value}{row_bytes - calcsize(value)}x", rows))


@dataclass(frozen=True, slots=True)
class TileEntry:
    """What a row says of its tile."""

    stored: Stored
    data: ByteRange
    """The compressed bytes in the file."""
    quantization: Quantization | None
    """None where the pixels are stored as they are."""


@dataclass(frozen=True, slots=True)
class TileTable:
    """Where the rows and the tiles of a compressed image lie in the file."""

    start: int
    """Offset of the first row in the file, in bytes."""
    row_bytes: int
    n_rows: int
    heap: ByteRange
    tiles: dict[Stored, Column]
    scale: Column | float | None
    """None where the pixels are stored as they are."""
    zero: Column | float
    blank: Column | int | None
    kept: bytes = b""
    """All rows, where they were read with the headers; else nothing."""

    def rows(self, first: int, stop: int) -> ByteRange:
        """Say where rows lie in the file."""
        return ByteRange(self.start + first * self.row_bytes, self.start + stop * self.row_bytes)

    def select_kept(self, numbers: list[int]) -> bytes:
        """Give the bytes of some of the kept rows, one behind the other."""
        starts = (number * self.row_bytes for number in numbers)
        return b"".join(self.kept[start : start + self.row_bytes] for start in starts)

    def read_entries(self, rows: bytes | memoryview, max_bytes: int) -> list[TileEntry]:
        """Read rows.

        Parameters
        ----------
        rows : bytes
            One behind the other.
        max_bytes : int
            The longest tile that is believed.

        Raises
        ------
        CorruptFits
            A tile has no bytes, too many, or lies outside the heap.
        """
        columns = [
            (stored, column.element_bytes, column.read(rows, self.row_bytes))
            for stored, column in self.tiles.items()
        ]
        entries = []
        for number, quantization in enumerate(self._read_quantizations(rows)):
            stored, size, offset = _find_tile(columns, number)
            start = self.heap.start + offset
            if size < 0 or offset < 0 or size > max_bytes or start + size > self.heap.stop:
                raise CorruptFits("A tile lies outside the heap, or is too long for its pixels.")
            quantised = quantization if stored is Stored.COMPRESSED else None
            entries.append(TileEntry(stored, ByteRange(start, start + size), quantised))
        return entries

    def _read_quantizations(self, rows: bytes | memoryview) -> Iterable[Quantization | None]:
        n_rows = len(rows) // self.row_bytes

        def values(source: Column | float | None) -> Iterable[Any]:
            if isinstance(source, Column):
                return chain.from_iterable(source.read(rows, self.row_bytes))
            return repeat(source, n_rows)

        if self.scale is None:
            return repeat(None, n_rows)
        return map(Quantization, values(self.scale), values(self.zero), values(self.blank))


def _find_tile(
    columns: Iterable[tuple[Stored, int, list[tuple[Any, ...]]]], number: int
) -> tuple[Stored, int, int]:
    """Find the first column that holds a tile; give it, the tile's size and its offset."""
    for stored, element_bytes, pointers in columns:
        length, offset = pointers[number]
        if length:
            return stored, length * element_bytes, offset
    raise CorruptFits("A tile of the compressed image is missing: its row points to no bytes.")


def parse_tile_table(hdu: Hdu, kept: bytes = b"") -> TileTable:
    """Read where the tiles of a compressed image lie.

    Parameters
    ----------
    hdu : Hdu
        The table.
    kept : bytes
        All its rows, or nothing if they are to be read when they are needed.

    Raises
    ------
    CorruptFits
        The table breaks the standard.
    UnsupportedFits
        Its tiles have a mask of null pixels.
    """
    if len(hdu.shape) != _TABLE_AXES:
        raise CorruptFits("The table of a compressed image has not two axes.")
    row_bytes, n_rows = hdu.shape
    columns = _parse_columns(hdu, row_bytes)
    if "NULL_PIXEL_MASK" in columns:
        raise UnsupportedFits("Compressed images with a mask of null pixels are not supported.")
    tiles = {
        stored: _checked(stored.value, columns[stored.value], _POINTERS)
        for stored in Stored
        if stored.value in columns
    }
    if not tiles:
        raise CorruptFits("The table of a compressed image has no column of tiles.")
    heap_offset = hdu.header.get_int("THEAP", row_bytes * n_rows)
    if not row_bytes * n_rows <= heap_offset <= hdu.data_range.size:
        raise CorruptFits("THEAP points outside the data of a compressed image.")
    return TileTable(
        start=hdu.data_range.start,
        row_bytes=row_bytes,
        n_rows=n_rows,
        heap=ByteRange(hdu.data_range.start + heap_offset, hdu.data_range.stop),
        tiles=tiles,
        scale=_find_float(hdu, columns, "ZSCALE"),
        zero=_find_float(hdu, columns, "ZZERO") or 0.0,
        blank=_find_blank(hdu, columns),
        kept=kept,
    )


def _parse_columns(hdu: Hdu, row_bytes: int) -> dict[str, Column]:
    """Read names and places of the columns (FITS 4.0, 7.3.1)."""
    columns: dict[str, Column] = {}
    offset = 0
    for n in range(1, min(hdu.header.get_int("TFIELDS", 0), _MAX_FIELDS) + 1):
        match = _TFORM.match(hdu.header.get_str(f"TFORM{n}").strip())
        if match is None:
            raise CorruptFits(f"The table of a compressed image has no valid TFORM{n}.")
        width, code, element = int(match[1] or 1), match[2], match[3]
        name = hdu.header.get_str(f"TTYPE{n}").strip().upper()
        if width == 1 and code in _FORMATS:
            columns[name] = Column(offset, _FORMATS[code], _BYTES.get(element, 1))
        offset += -(-width // 8) if code == "X" else width * _BYTES[code]
    if offset > row_bytes:
        raise CorruptFits("The columns of a compressed image are wider than its rows.")
    return columns


def _find_float(hdu: Hdu, columns: dict[str, Column], name: str) -> Column | float | None:
    """Find a parameter of the tiles: a column, or a keyword where all tiles have the same."""
    if name in columns:
        return _checked(name, columns[name], _FLOATS)
    value = hdu.header.get(name)
    return float(value) if isinstance(value, (int, float)) else None


def _find_blank(hdu: Hdu, columns: dict[str, Column]) -> Column | int | None:
    if "ZBLANK" in columns:
        return _checked("ZBLANK", columns["ZBLANK"], _INTEGERS)
    value = hdu.header.get("ZBLANK")
    if value is None:
        value = hdu.header.get("BLANK")
    return value if isinstance(value, int) else None


def _checked(name: str, column: Column, formats: tuple[str, ...]) -> Column:
    if column.format not in formats:
        raise CorruptFits(f"The column {name} of a compressed image has no valid TFORM.")
    return column
