"""Unpack header: from the table of a compressed image back to the header of the image. No I/O.

FITS 4.0, 10.1: the compressor kept the image's own cards, renamed those that a table needs itself,
and added its own. Here the first stay as they are, byte for byte; the others are undone.
"""

import re

from gateway.core.header import CARD, Header, Value, parse_value

_TABLE = re.compile(
    rb"XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|TFIELDS|THEAP|CHECKSUM|DATASUM"
    rb"|T(TYPE|FORM|UNIT|SCAL|ZERO|NULL|DISP|DIM)\d+"
)
_COMPRESSION = re.compile(
    rb"Z(IMAGE|SIMPLE|TENSION|EXTEND|BLOCKED|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|HECKSUM|DATASUM"
    rb"|CMPTYPE|TILE\d+|NAME\d+|VAL\d+|MASKCMP|QUANTIZ|DITHER0|SCALE|ZERO|BLANK)"
)
_MADE_UP_NAME = "COMPRESSED_IMAGE"


def unpack_header(table: Header) -> Header:
    """Make the header of the image extension that a table was made of.

    Parameters
    ----------
    table : Header
        Of a compressed image, one that `parse_tiled_image` accepts.

    Notes
    -----
    FITS 4.0, 4.4.1.2: the mandatory cards stand first and in order. A compressed image is always
    an extension, so an image that once was the first of its file stays one; EXTEND, which must not
    appear in an extension (4.4.2.1), is not restored. ZBLANK is the compressor's: the image's own
    BLANK is among the cards that stay. The checksums would be those of another file.
    """
    n_axes = table.get_int("ZNAXIS", 0)
    mandatory = [
        _restored(table, "XTENSION", "IMAGE", b"'IMAGE   '           / Image extension"),
        _restored(table, "BITPIX"),
        _restored(table, "NAXIS"),
        *(_restored(table, f"NAXIS{n}") for n in range(1, n_axes + 1)),
        _restored(table, "PCOUNT", 0, b"                   0 / number of parameters"),
        _restored(table, "GCOUNT", 1, b"                   1 / number of groups"),
    ]
    return Header(b"".join(mandatory) + b"".join(card for card in table if _is_own(card)))


def _restored(
    table: Header, keyword: str, required: Value = None, default: bytes | None = None
) -> bytes:
    """Give a card its own keyword again; write the default where it has not the required value."""
    renamed = "ZTENSION" if keyword == "XTENSION" else f"Z{keyword}"
    offset = table.find(renamed)
    field = table.cards[offset + 10 : offset + CARD]
    if default is not None and table.get(renamed) != required:
        field = default
    return (keyword.ljust(8).encode() + b"= " + field).ljust(CARD)


def _is_own(card: bytes) -> bool:
    """Tell whether a card was the image's own before it was compressed."""
    keyword = card[:8].rstrip()
    if keyword == b"EXTNAME":
        return parse_value(card) != _MADE_UP_NAME
    return not (_TABLE.fullmatch(keyword) or _COMPRESSION.fullmatch(keyword))
