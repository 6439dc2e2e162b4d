"""A layout as bytes, for the disk: all headers as they are, and what else the file said.

That is how long it is unpacked, and the rows that say where the tiles of compressed images lie.

Where HDUs lie follows from their headers, so that nothing in a blob can contradict them.
"""

import struct
from dataclasses import dataclass, field

from isal import isal_zlib

from gateway.core.header import Header, pad_to_block
from gateway.core.layout import FitsLayout, Hdu, parse_hdu

_HEAD = struct.Struct("<?QI")  # gzipped, unpacked size, number of HDUs
_LEVEL = 1


@dataclass(frozen=True, slots=True)
class FileLayout:
    """What a file is, before anything is made of it."""

    layout: FitsLayout
    size: int
    """Length in bytes, unpacked."""
    is_gzipped: bool
    tables: dict[int, bytes] = field(default_factory=dict)
    """The rows of compressed images, where they are few, by the index of the HDU."""


def pack_layout(found: FileLayout) -> bytes:
    """Write down a layout."""
    cards = [hdu.header.cards for hdu in found.layout.hdus]
    rows = [found.tables.get(hdu.index, b"") for hdu in found.layout.hdus]
    lengths = struct.pack(f"<{2 * len(cards)}I", *map(len, cards), *map(len, rows))
    head = _HEAD.pack(found.is_gzipped, found.size, len(cards))
    return isal_zlib.compress(b"".join((head, lengths, *cards, *rows)), _LEVEL)


def unpack_layout(blob: bytes) -> FileLayout:
    """Read what `pack_layout` wrote."""
    data = isal_zlib.decompress(blob)
    is_gzipped, size, count = _HEAD.unpack_from(data)
    lengths = struct.unpack_from(f"<{2 * count}I", data, _HEAD.size)
    offset = _HEAD.size + 2 * 4 * count
    hdus: list[Hdu] = []
    start = 0
    for index, length in enumerate(lengths[:count]):
        hdu = parse_hdu(index, Header(data[offset : offset + length]), start)
        hdus.append(hdu)
        start = hdu.data_range.start + pad_to_block(hdu.data_range.size)
        offset += length
    tables: dict[int, bytes] = {}
    for index, length in enumerate(lengths[count:]):
        if length:
            tables[index] = data[offset : offset + length]
            offset += length
    return FileLayout(FitsLayout(tuple(hdus)), size, is_gzipped, tables)
