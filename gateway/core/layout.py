"""Layout: where each header-data unit (HDU) of a FITS file lies. No I/O.

`LayoutScanner` says which bytes it wants, is fed, and never reads: headers are parsed, and data
units are jumped over by their computed lengths (FITS 4.0, chapters 3 and 4).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from gateway.core.errors import CorruptFits, UnsupportedFits
from gateway.core.header import BLOCK, CARD, Header, pad_to_block
from gateway.core.ranges import Block, ByteRange

_BITPIX = (8, 16, 32, 64, -32, -64)  # FITS 4.0, 4.4.1.1
_MAX_NAXIS = 999
_MAX_BYTES = 2**62  # no file is longer; keeps absurd axes from becoming absurd numbers
_END = b"END     "


@dataclass(frozen=True, slots=True)
class Hdu:
    """One header-data unit: where it lies and what it is."""

    index: int
    """0 for the primary HDU."""
    xtension: str
    """``PRIMARY``, ``IMAGE``, ``BINTABLE``, ``TABLE`` or what else XTENSION says."""
    header: Header
    header_range: ByteRange
    """From the first card to the end of the block that holds END."""
    data_range: ByteRange
    """The data unit without its padding; it may end behind the end of a truncated file."""
    bitpix: int
    """8, 16, 32, 64, -32 or -64 (FITS 4.0, 4.4.1.1)."""
    shape: tuple[int, ...]
    """NAXIS1, NAXIS2, …: the fastest axis first."""

    @property
    def name(self) -> str:
        """EXTNAME, or an empty string."""
        return self.header.get_str("EXTNAME")

    @property
    def is_image(self) -> bool:
        """Whether the data unit is an array of pixels that is not empty, and nothing else.

        A table has ``NAXIS = 2`` too, random groups (FITS 4.0, 6) have ``NAXIS1 = 0``, and behind
        an image extension with a PCOUNT or GCOUNT of its own lies what no cutout could take along.
        """
        if self.xtension not in {"PRIMARY", "IMAGE"} or not self.shape:
            return False
        return self.data_range.size == prod(self.shape) * abs(self.bitpix) // 8 > 0

    @property
    def is_table(self) -> bool:
        """Whether the data unit is a table, ASCII or binary."""
        return self.xtension in {"TABLE", "BINTABLE"}

    @property
    def data_block(self) -> Block:
        """The data unit as a block."""
        return Block.run(self.data_range.start, self.data_range.stop)


@dataclass(frozen=True, slots=True)
class FitsLayout:
    """All HDUs of a file, in order."""

    hdus: tuple[Hdu, ...]


class LayoutScanner:
    """Finds the HDUs of a file from the bytes that it asks for.

    Ask `wanted`, read that range as far as the file goes, `feed` it, until `wanted` is None; then
    take `layout`.

    Parameters
    ----------
    max_header_bytes : int
        The longest header that is read.
    max_layout_bytes : int
        The longest sum of all headers.
    max_hdus : int
        The largest number of HDUs.
    """

    def __init__(
        self, *, read_bytes: int, max_header_bytes: int, max_layout_bytes: int, max_hdus: int
    ) -> None:
        self._read_bytes = read_bytes
        self._max_header_bytes = max_header_bytes
        self._max_layout_bytes = max_layout_bytes
        self._max_hdus = max_hdus
        self._hdus: list[Hdu] = []
        self._layout_bytes = 0
        self._next = 0  # where the header that is looked for begins
        self._header = b""  # what of it was fed
        self.wanted: ByteRange | None = ByteRange(0, read_bytes)

    @property
    def hdus(self) -> Sequence[Hdu]:
        """What was found so far."""
        return self._hdus

    @property
    def layout(self) -> FitsLayout:
        """All HDUs, when nothing is wanted any more."""
        return FitsLayout(tuple(self._hdus))

    def feed(self, data: bytes | bytearray | memoryview, *, at_end: bool | None = None) -> None:
        """Take bytes from the start of what is wanted.

        Parameters
        ----------
        data : bytes-like
            Any number of them, more than are wanted, too.
        at_end : bool or None
            Whether the file ends behind them; None if it does when they are fewer than wanted.

        Raises
        ------
        CorruptFits
            This is no FITS file, or a header is damaged or has no end.
        UnsupportedFits
            A limit is exceeded.
        """
        if self.wanted is None:
            raise ValueError("nothing is wanted")
        self._header += bytes(data)
        if at_end is None:
            at_end = len(data) < self.wanted.size
        self.wanted = self._scan(at_end=at_end)

    def _scan(self, *, at_end: bool) -> ByteRange | None:
        """Take all complete headers; give the range that is needed to go on."""
        while True:
            if not self._begins_hdu(at_end=at_end):
                return None
            length = _find_end(self._header)
            if length < 0:
                return self._more(at_end=at_end)
            self._add(length)
            step = self._next - self._hdus[-1].header_range.start
            if step >= len(self._header):
                self._header = b""
                if at_end:
                    return None
                return ByteRange(self._next, self._next + self._read_bytes)
            self._header = self._header[step:]

    def _begins_hdu(self, *, at_end: bool) -> bool:
        """Tell whether a header follows; what else may follow the last HDU is not ours."""
        if self._hdus:
            return self._header.startswith(b"XTENSION"[: len(self._header)] or b"-")
        if not self._header.startswith(b"SIMPLE  ="[: max(len(self._header), 1)]) or (
            at_end and len(self._header) < BLOCK
        ):
            raise CorruptFits("This is not a FITS file: it does not begin with SIMPLE.")
        return True

    def _more(self, *, at_end: bool) -> ByteRange:
        if at_end:
            raise CorruptFits(f"The header of HDU {len(self._hdus)} is cut off: it has no END.")
        have = len(self._header)
        if have > self._max_header_bytes:
            raise UnsupportedFits(
                f"The header of HDU {len(self._hdus)} has no END in its first {have} bytes; "
                f"at most {self._max_header_bytes} are read."
            )
        start = self._next + have
        return ByteRange(start, start + max(have, self._read_bytes))

    def _add(self, length: int) -> None:
        self._layout_bytes += length
        if self._layout_bytes > self._max_layout_bytes or len(self._hdus) >= self._max_hdus:
            raise UnsupportedFits(
                f"The file has more than {self._max_hdus} HDUs, "
                f"or more than {self._max_layout_bytes} bytes of headers."
            )
        hdu = parse_hdu(len(self._hdus), Header(self._header[:length]), self._next)
        self._hdus.append(hdu)
        self._next = hdu.data_range.start + pad_to_block(hdu.data_range.size)


def _find_end(header: bytes) -> int:
    """Give the offset of the END card, or -1."""
    offset = header.find(_END)
    while offset >= 0 and offset % CARD:
        offset = header.find(_END, offset + 1)
    return offset


def parse_hdu(index: int, header: Header, start: int) -> Hdu:
    """Read from a header what its HDU is and where its data lie.

    Parameters
    ----------
    index : int
        0 for the primary HDU.
    header : Header
        All of it.
    start : int
        Where it begins in the file.

    Raises
    ------
    CorruptFits
    """
    xtension = header.get_str("XTENSION").rstrip().upper() if index else "PRIMARY"
    bitpix, naxis = header.get_int("BITPIX", 0), header.get_int("NAXIS", -1)
    if bitpix not in _BITPIX:
        raise CorruptFits(f"HDU {index} has no valid BITPIX.")
    if not 0 <= naxis <= _MAX_NAXIS:
        raise CorruptFits(f"HDU {index} has no valid NAXIS.")
    shape = tuple(header.get_int(f"NAXIS{n}", -1) for n in range(1, naxis + 1))
    if any(n < 0 for n in shape):
        raise CorruptFits(f"HDU {index} has no valid length for each of its {naxis} axes.")
    data_start = start + pad_to_block(len(header.cards) + CARD)
    return Hdu(
        index=index,
        xtension=xtension,
        header=header,
        header_range=ByteRange(start, data_start),
        data_range=ByteRange(data_start, data_start + _data_bytes(index, header, bitpix, shape)),
        bitpix=bitpix,
        shape=shape,
    )


def _data_bytes(index: int, header: Header, bitpix: int, shape: tuple[int, ...]) -> int:
    """Compute the length of a data unit (FITS 4.0, equations 1, 2 and 4)."""
    if not shape:
        return 0
    pcount, gcount = header.get_int("PCOUNT", 0), header.get_int("GCOUNT", 1)
    if pcount < 0 or gcount < 0:
        raise CorruptFits(f"HDU {index} has a negative PCOUNT or GCOUNT.")
    groups = index == 0 and shape[0] == 0 and header.get("GROUPS") is True
    if index == 0 and not groups:
        pcount, gcount = 0, 1  # reserved for extensions and random groups
    size = abs(bitpix) // 8 * gcount * (pcount + prod(shape[1:] if groups else shape))
    if size > _MAX_BYTES:
        raise CorruptFits(f"HDU {index} announces more bytes than any file has.")
    return size
