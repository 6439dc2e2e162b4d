"""Tile table: the binary table that holds a compressed image, a row per tile. No I/O.

FITS 4.0, 10.1.3 says which columns there are, 7.3 how the rows and the heap lie.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.core.errors import CorruptFits, UnsupportedFits
from gateway.core.layout import Hdu
from gateway.core.quantization import Quantization
from gateway.core.ranges import ByteRange, Integers

_TABLE_AXES = 2
_MAX_FIELDS = 999
_TFORM = re.compile(r"(\d*)([LXBIJKAEDCMPQ])([LXBIJKAEDCM]?)")
_BYTES = {
    "L": 1, "B": 1, "A": 1, "I": 2, "J": 4, "K": 8, "E": 4, "D": 8, "C": 8, "M": 16, "P": 8, "Q": 16
}  # fmt: skip
_DTYPES = {"B": ">u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_POINTERS = {"P": ((0, ">i4"), (4, ">i4")), "Q": ((0, ">i8"), (8, ">i8"))}  # length and offset
_INTEGERS, _FLOATS = (">u1", ">i2", ">i4", ">i8"), (">f4", ">f8")

Rows = NDArray[np.uint8]
"""Of the table: shape (number of rows, bytes of a row)."""


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
    dtype: str
    """What numpy calls the value."""

    def read(self, rows: Rows) -> NDArray[Any]:
        """Read the value of each of some rows."""
        return np.ndarray(len(rows), self.dtype, rows.data, self.offset, rows.strides[0])


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where a pair of values lies in a row: length and offset of a tile's bytes in the heap."""

    length: Column
    offset: Column
    element_bytes: int
    """What the length counts."""


_Columns = dict[str, Column | Pointer]


@dataclass(frozen=True, slots=True)
class TileEntries:
    """What some rows of the table say of their tiles, in order."""

    stored: list[Stored]
    starts: Integers
    """Where the compressed bytes of each lie in the file."""
    sizes: Integers
    """Number of those bytes."""
    quantizations: list[Quantization | None]
    """None for tiles whose pixels are stored as they are."""


@dataclass(frozen=True, slots=True)
class TileTable:
    """Where the rows and the tiles of a compressed image lie in the file."""

    start: int
    """Offset of the first row in the file, in bytes."""
    row_bytes: int
    n_rows: int
    heap: ByteRange
    tiles: dict[Stored, Pointer]
    scale: Column | float | None
    """None where the pixels are stored as they are."""
    zero: Column | float
    blank: Column | int | None
    kept: bytes = b""
    """All rows, where they were read with the headers; else nothing."""

    def rows(self, first: int, stop: int) -> ByteRange:
        """Say where rows lie in the file."""
        return ByteRange(self.start + first * self.row_bytes, self.start + stop * self.row_bytes)

    def select_kept(self, numbers: Integers) -> bytes:
        """Give the bytes of some of the kept rows, one behind the other."""
        rows: Rows = np.frombuffer(self.kept, np.uint8).reshape(-1, self.row_bytes)
        return rows[numbers].tobytes()

    def read_entries(self, data: bytes | memoryview, max_bytes: int) -> TileEntries:
        """Read rows.

        Parameters
        ----------
        data : bytes
            One row behind the other.
        max_bytes : int
            The longest tile that is believed.

        Raises
        ------
        CorruptFits
            A tile has no bytes, too many, or lies outside the heap.
        """
        rows: Rows = np.frombuffer(data, np.uint8).reshape(-1, self.row_bytes)
        starts, sizes = np.zeros((2, len(rows)), np.int64)
        stored = np.empty(len(rows), object)
        missing = np.ones(len(rows), bool)
        for kind, pointer in self.tiles.items():
            lengths = pointer.length.read(rows).astype(np.int64)
            offsets = pointer.offset.read(rows).astype(np.int64)
            found = missing & (lengths != 0)
            wrong = (lengths < 0) | (lengths > max_bytes) | (offsets < 0)
            lengths *= pointer.element_bytes
            wrong |= (lengths > max_bytes) | (offsets > self.heap.size - lengths)
            if (found & wrong).any():
                raise CorruptFits("A tile lies outside the heap, or is too long for its pixels.")
            np.copyto(starts, offsets, where=found)
            np.copyto(sizes, lengths, where=found)
            stored[found] = kind
            missing &= ~found
            if not missing.any():
                break
        else:
            raise CorruptFits(
                "A tile of the compressed image is missing: its row points to no bytes."
            )
        starts += self.heap.start
        quantizations = self._read_quantizations(rows, stored)
        return TileEntries(stored.tolist(), starts, sizes, quantizations)

    def _read_quantizations(self, rows: Rows, stored: NDArray[Any]) -> list[Quantization | None]:
        def values(source: Column | float | None) -> list[Any]:
            if isinstance(source, Column):
                return list(source.read(rows).tolist())
            return [source] * len(rows)

        if self.scale is None:
            return [None] * len(rows)
        parameters = zip(values(self.scale), values(self.zero), values(self.blank), strict=True)
        return [
            Quantization(*each) if kind is Stored.COMPRESSED else None
            for kind, each in zip(stored, parameters, strict=True)
        ]


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
        stored: _pointer(stored.value, columns[stored.value])
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


def _parse_columns(hdu: Hdu, row_bytes: int) -> _Columns:
    """Read names and places of the columns (FITS 4.0, 7.3.1)."""
    columns: _Columns = {}
    offset = 0
    for n in range(1, min(hdu.header.get_int("TFIELDS", 0), _MAX_FIELDS) + 1):
        match = _TFORM.match(hdu.header.get_str(f"TFORM{n}").strip())
        if match is None:
            raise CorruptFits(f"The table of a compressed image has no valid TFORM{n}.")
        width, code, element = int(match[1] or 1), match[2], match[3]
        name = hdu.header.get_str(f"TTYPE{n}").strip().upper()
        if width == 1 and code in _DTYPES:
            columns[name] = Column(offset, _DTYPES[code])
        elif width == 1 and code in _POINTERS:
            length, start = (Column(offset + half, dtype) for half, dtype in _POINTERS[code])
            columns[name] = Pointer(length, start, _BYTES.get(element, 1))
        offset += -(-width // 8) if code == "X" else width * _BYTES[code]
    if offset > row_bytes:
        raise CorruptFits("The columns of a compressed image are wider than its rows.")
    return columns


def _find_float(hdu: Hdu, columns: _Columns, name: str) -> Column | float | None:
    """Find a parameter of the tiles: a column, or a keyword where all tiles have the same."""
    if name in columns:
        return _value(name, columns[name], _FLOATS)
    value = hdu.header.get(name)
    return float(value) if isinstance(value, (int, float)) else None


def _find_blank(hdu: Hdu, columns: _Columns) -> Column | int | None:
    if "ZBLANK" in columns:
        return _value("ZBLANK", columns["ZBLANK"], _INTEGERS)
    value = hdu.header.get("ZBLANK")
    if value is None:
        value = hdu.header.get("BLANK")
    return value if isinstance(value, int) else None


def _value(name: str, column: Column | Pointer, dtypes: tuple[str, ...]) -> Column:
    if not isinstance(column, Column) or column.dtype not in dtypes:
        raise CorruptFits(f"The column {name} of a compressed image has no valid TFORM.")
    return column


def _pointer(name: str, column: Column | Pointer) -> Pointer:
    if not isinstance(column, Pointer):
        raise CorruptFits(f"The column {name} of a compressed image has no valid TFORM.")
    return column
