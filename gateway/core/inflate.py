"""Inflate: the bytes of gzip files, from their beginning or from the middle. No I/O.

RFC 1952 says what a gzip file is: members, one after the other, each a deflate stream (RFC 1951)
between a header and a checksum. Inflating can begin where a deflate block begins, at any bit, for
who knows the 32 KiB that lie before it.
"""

from collections.abc import Iterator

import numpy as np
from isal import isal_zlib

from gateway.core.errors import CorruptFits

MAGIC = b"\x1f\x8b"
WINDOW = 32 * 1024  # how far back a deflate stream refers

Packed = bytes | bytearray | memoryview

_GZIP, _RAW = 31, -15  # the window bits by which zlib asks for a gzip member, or for a bare stream
_PIECE = 256 * 1024  # packed bytes that are given to a member at a time: there may be many members
_MAX_PIECE = 4 * 2**20  # unpacked bytes; smaller pieces cost more: 10 % those of 80 kB
_DAMAGED = "The gzip file is damaged."
_CUT_OFF = "The gzip file is cut off: it ends inside of its data."

_OFFSETS = np.arange(WINDOW)
_LOW, _HIGH = (_OFFSETS & 0xFF).astype(np.uint8), (_OFFSETS >> 8).astype(np.uint8)


def inflate_whole(packed: Packed, max_bytes: int) -> bytes | None:
    """Inflate a whole file, all its members, and check it.

    Parameters
    ----------
    packed : bytes
        The file; what follows its last member and is none is left out, as gzip does.
    max_bytes : int
        The most that is inflated.

    Returns
    -------
    bytes or None
        None if there are more than `max_bytes`.

    Raises
    ------
    CorruptFits
        The file is cut off or damaged, or a checksum or length does not match.
    """
    view, position = memoryview(packed), 0
    parts: list[bytes] = []
    room = max_bytes + 1
    while bytes(view[position : position + len(MAGIC)]) == MAGIC:
        inflater = isal_zlib.decompressobj(wbits=_GZIP)
        while not inflater.eof:
            piece = view[position : position + _PIECE]
            if not piece:
                raise CorruptFits(_CUT_OFF)
            try:
                parts.append(inflater.decompress(piece, room))
            except isal_zlib.error as error:  # type: ignore[misc]  # its stub calls it an object
                raise CorruptFits(_DAMAGED) from error
            room -= len(parts[-1])
            if room == 0:
                return None
            position += len(piece) - len(inflater.unused_data)
    return b"".join(parts)


def inflate_beginning(packed: Packed, n_bytes: int) -> bytes | None:
    """Inflate the first bytes of a file.

    Parameters
    ----------
    packed : bytes
        The beginning of the file.
    n_bytes : int
        How many are inflated.

    Returns
    -------
    bytes or None
        None if they do not lie in the first member, as far as it was given.

    Raises
    ------
    CorruptFits
        The file is damaged.
    """
    try:
        data = isal_zlib.decompressobj(wbits=_GZIP).decompress(packed, n_bytes)
    except isal_zlib.error as error:  # type: ignore[misc]  # its stub calls it an object
        raise CorruptFits(_DAMAGED) from error
    return data if len(data) == n_bytes else None


def inflate_from(packed: Packed, bit: int, window: bytes, n_bytes: int) -> Iterator[bytes]:
    """Inflate from the beginning of a deflate block, 4 MiB at a time at most.

    Parameters
    ----------
    packed : bytes
        From the byte in which the block begins.
    bit : int
        Which bit of that byte is its first, from 0 to 7.
    window : bytes
        The 32 KiB before the block; empty where a member begins.
    n_bytes : int
        How many are inflated.

    Raises
    ------
    CorruptFits
        The stream is damaged, or there are fewer bytes.
    """
    inflater = _begin(packed, bit, window)
    rest: Packed = memoryview(packed)[1:]
    while n_bytes:
        data = _decompress(inflater, rest, min(n_bytes, _MAX_PIECE))
        if not data:
            raise CorruptFits(_CUT_OFF)
        yield data
        n_bytes -= len(data)
        rest = inflater.unconsumed_tail


def has_end(packed: Packed, bit: int, window: bytes, n_bytes: int) -> bool:
    """Tell whether a member ends after as many bytes, as `inflate_from` gives them."""
    data, at_end = _inflate_raw(packed, bit, window, n_bytes + 1)
    return at_end and len(data) == n_bytes


def blank_unused(packed: Packed, bit: int, window: bytes) -> bytes:
    """Blank the bytes of a window to which the stream behind it never refers.

    Nearly all, in images: of a block of float32 sky 700 of 32768 are left, which pack into 1 kB
    instead of 27.

    Notes
    -----
    Only the next 32 KiB can refer to the window. Inflated behind a window that holds the low bytes
    of its own offsets, and behind one that holds the high bytes, they name what they refer to; and
    they do so where it matters what the window holds.
    """
    data = [
        np.frombuffer(_inflate_raw(packed, bit, marks.tobytes(), WINDOW)[0], np.uint8)
        for marks in (_LOW, ~_LOW, _HIGH)
    ]
    low, inverse, high = data
    refers = low != inverse
    used = low[refers].astype(np.intp) | high[refers].astype(np.intp) << 8
    blanked = np.zeros(WINDOW, np.uint8)
    blanked[used] = np.frombuffer(window, np.uint8)[used]
    return blanked.tobytes()


def _inflate_raw(packed: Packed, bit: int, window: bytes, max_bytes: int) -> tuple[bytes, bool]:
    """Inflate a bare stream; tell whether it ended."""
    inflater = _begin(packed, bit, window)
    return _decompress(inflater, memoryview(packed)[1:], max_bytes), inflater.eof


def _begin(packed: Packed, bit: int, window: bytes) -> isal_zlib.Decompress:
    """Begin to inflate at a bit of the first byte."""
    inflater = isal_zlib.decompressobj(wbits=_RAW, zdict=window)
    filler, filler_bits = _FILLERS[bit], (1 << bit) - 1
    first = bytes(packed[:1])
    if bit and first:
        first = filler[:-1] + bytes([filler[-1] | first[0] & ~filler_bits])
    _decompress(inflater, first, 1)  # no byte comes out of so few bits
    return inflater


def _decompress(inflater: isal_zlib.Decompress, packed: Packed, max_bytes: int) -> bytes:
    try:
        return inflater.decompress(packed, max_bytes)
    except isal_zlib.error as error:  # type: ignore[misc]  # its stub calls it an object
        raise CorruptFits(_DAMAGED) from error


def _make_fillers() -> list[bytes]:
    """Make deflate blocks that are empty and end at each bit of a byte.

    What begins within a byte can only be inflated behind something that ends there: to shift it
    would not do, for stored blocks begin with whole bytes.
    """
    fixed = "0100000000"  # not the last, type 1, end of block
    # Not the last, type 2, numbers of codes; the lengths of the codes for code lengths 18, 0 and 1
    # are 2, 1 and 2; 255 literals without a code, then one and the end of block with one of one
    # bit, and no distance; end of block. All in all an odd number of bits.
    lengths = ["000"] * 18
    lengths[2], lengths[3], lengths[17] = "010", "100", "010"
    zeros = "11" + f"{138 - 11:07b}"[::-1] + "11" + f"{117 - 11:07b}"[::-1]
    dynamic = "00100000000000111" + "".join(lengths) + zeros + "101001"
    fillers = [b""] * 8
    for bits in [fixed * n for n in range(4)] + [dynamic + fixed * n for n in range(4)]:
        number, size = int(bits[::-1] or "0", 2), -(-len(bits) // 8)
        fillers[len(bits) % 8] = number.to_bytes(size, "little")
    return fillers


_FILLERS = _make_fillers()
