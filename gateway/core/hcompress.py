"""HCOMPRESS_1: a tile as an H-transform whose bit planes are coded in quadtrees. No I/O.

FITS 4.0, 10.4.4, and White, R. L. 1992, in Space and Earth Science Data Compression Workshop. The
transform is done with whole arrays; only the variable-length codes are followed one by one.
"""

import struct
from math import prod
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gateway.core.errors import CorruptFits

_START = struct.Struct(">2s3iq3B")  # magic, rows, columns, scale, sum of the pixels, bit planes
_MAGIC = b"\xdd\x99"
_MAX_PLANES = 62  # keeps every magnitude in 63 bits
_DIRECT, _TREE = 0, 15  # how a bit plane is written

_CODES = (  # of the sixteen 2x2 patterns of bits
    "111110", "000", "001", "1000", "010", "1001", "11010", "11011",
    "011", "11100", "1010", "11101", "1011", "11110", "111111", "1100",
)  # fmt: skip

_CODE_WIDTH = 6  # of the longest

Integers = NDArray[np.int64]
Patterns = NDArray[np.uint8]
_T = TypeVar("_T", bound=np.generic)


def decode_hcompress(data: bytes, shape: tuple[int, int], *, smooth: bool) -> NDArray[np.int32]:
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
    """
    if len(data) < _START.size:
        raise CorruptFits("An HCOMPRESS_1 tile is shorter than its own header.")
    magic, rows, columns, scale, total, *n_planes = _START.unpack_from(data)
    if magic != _MAGIC or (rows, columns) != shape or max(n_planes) > _MAX_PLANES:
        raise CorruptFits("An HCOMPRESS_1 tile does not begin as a tile of its size must.")
    transform = _read_transform(_Bits(data[_START.size :]), shape, n_planes)
    transform[0, 0] = total
    if scale > 1:
        transform *= scale
    _invert(transform, max_change=scale // 2 if smooth else 0)
    return transform.astype(np.int32)


class _Bits:
    """The bits of a stream, taken in order."""

    def __init__(self, data: bytes) -> None:
        self._bytes = np.frombuffer(data, np.uint8)
        self._position = 0
        self._codes, self._lengths = _code_tables()

    def take(self, count: int) -> Patterns:
        """Take single bits."""
        bits = self._peek(count)
        if len(bits) < count:
            raise CorruptFits("An HCOMPRESS_1 tile ends before its last pixel.")
        self._position += count
        return bits

    def take_nybbles(self, count: int) -> Patterns:
        """Take groups of four bits."""
        return self.take(4 * count).reshape(-1, 4) @ np.array([8, 4, 2, 1], np.uint8)

    def take_codes(self, count: int) -> Patterns:
        """Take variable-length codes, and give the patterns that they stand for."""
        # Every position is looked up as if a code began there; then the codes are followed.
        bits = np.pad(self._peek(count * _CODE_WIDTH), (0, _CODE_WIDTH))
        windows = np.zeros(len(bits) - _CODE_WIDTH, np.uint8)
        for i in range(_CODE_WIDTH):
            windows <<= 1
            windows |= bits[i : i + len(windows)]
        lengths = self._lengths[windows].tobytes()
        starts = []
        position = 0
        try:
            for _ in range(count):
                starts.append(position)
                position += lengths[position]
        except IndexError as error:
            raise CorruptFits("An HCOMPRESS_1 tile ends before its last pixel.") from error
        self.take(position)
        return self._codes[windows[starts]]

    def align(self) -> None:
        """Skip to the next byte."""
        self._position += -self._position % 8

    def _peek(self, count: int) -> Patterns:
        """Give the next bits, fewer at the end."""
        byte, bit = divmod(self._position, 8)
        return np.unpackbits(self._bytes[byte : byte + count // 8 + 2])[bit : bit + count]


def _code_tables() -> tuple[Patterns, Patterns]:
    """Give pattern and length of the code that begins each possible run of six bits."""
    patterns, lengths = np.zeros((2, 1 << _CODE_WIDTH), np.uint8)
    for pattern, code in enumerate(_CODES):
        step = 1 << (_CODE_WIDTH - len(code))
        same = slice(int(code, 2) * step, (int(code, 2) + 1) * step)
        patterns[same], lengths[same] = pattern, len(code)
    return patterns, lengths


def _read_transform(bits: _Bits, shape: tuple[int, int], n_planes: list[int]) -> Integers:
    """Read the four quadrants of the coefficients, then their signs."""
    rows, columns = (-(-n // 2) for n in shape)
    transform = np.zeros(shape, np.int64)
    _read_quadrant(bits, transform[:rows, :columns], n_planes[0])
    _read_quadrant(bits, transform[:rows, columns:], n_planes[1])
    _read_quadrant(bits, transform[rows:, :columns], n_planes[1])
    _read_quadrant(bits, transform[rows:, columns:], n_planes[2])
    if bits.take_nybbles(1)[0] != 0:
        raise CorruptFits("An HCOMPRESS_1 tile has more bits than its bit planes need.")
    bits.align()
    flat = transform.reshape(-1)
    coded = np.flatnonzero(flat)
    flat[coded[bits.take(len(coded)) == 1]] *= -1
    return transform


def _read_quadrant(bits: _Bits, quadrant: Integers, n_planes: int) -> None:
    rows, columns = quadrant.shape
    halved = (-(-rows // 2), -(-columns // 2))
    for plane in reversed(range(n_planes)):
        form = bits.take_nybbles(1)[0]
        if form == _DIRECT:
            patterns = bits.take_nybbles(prod(halved)).reshape(halved)
        elif form == _TREE:
            patterns = _read_tree(bits, (rows, columns))
        else:
            raise CorruptFits("An HCOMPRESS_1 tile has a bit plane of an unknown form.")
        quadrant |= _expand(patterns, (rows, columns)).astype(np.int64) << plane


def _read_tree(bits: _Bits, shape: tuple[int, int]) -> Patterns:
    """Read a quadtree from its root to the 2x2 patterns of pixels, the last node first."""
    patterns = bits.take_codes(1).reshape(1, 1)
    for level in range((max(shape) - 1).bit_length() - 1, 0, -1):
        nodes = _expand(patterns, (-(-shape[0] >> level), -(-shape[1] >> level)))
        flat = nodes.reshape(-1)
        used = np.flatnonzero(flat)[::-1]
        flat[used] = bits.take_codes(len(used))
        patterns = nodes
    return patterns


def _expand(patterns: Patterns, shape: tuple[int, int]) -> Patterns:
    """Write each pattern as 2x2 bits."""
    bits = ((patterns & bit != 0).view(np.uint8) for bit in (8, 4, 2, 1))
    return _interleave(*bits)[: shape[0], : shape[1]].copy()


def _invert(a: Integers, *, max_change: int) -> None:
    """Invert an H-transform in place, from the mean of all pixels to the pixels.

    Notes
    -----
    At each level, zones of pixels become 2x2 smaller ones: of the four coefficients of a zone, h0
    is its sum, hx and hy are its differences along the columns and the rows, and hc is its
    curvature. Where a zone hangs over the edge, the coefficients that are not there are zero.
    """
    n_levels = (max(a.shape) - 1).bit_length()
    a[:1, :1] = _round(a[:1, :1], 1 << (n_levels + 1))
    for level in reversed(range(n_levels)):
        block = a[: -(-a.shape[0] >> level), : -(-a.shape[1] >> level)]
        h0, hx, hy, hc = _split(block)
        if max_change:
            _smooth(h0, hx, hy, hc, max_change)
        low, high = 1 << level, 2 << level
        hc = _round(hc, low)
        carry = hc & low
        hx, hy = _round(hx, high), _round(hy, high)
        hx, hy = (np.where(h >= 0, h - carry, h + carry) for h in (hx, hy))
        parity = (hc ^ hx ^ hy) & high
        h0 = h0 + np.where((h0 >= 0) | (carry != 0), carry - parity, parity)
        shift = 1 if level else 2
        zones = _interleave(
            h0 - hx - hy + hc, h0 - hx + hy - hc, h0 + hx - hy - hc, h0 + hx + hy + hc
        )
        block[...] = zones[: block.shape[0], : block.shape[1]] >> shift


def _split(block: Integers) -> tuple[Integers, ...]:
    """Give h0, hx, hy and hc of each zone."""
    padded = np.pad(block, [(0, n % 2) for n in block.shape])
    rows, columns = (n // 2 for n in padded.shape)
    upper, lower = padded[:rows], padded[rows:]
    return upper[:, :columns], lower[:, :columns], upper[:, columns:], lower[:, columns:]


def _interleave(a: NDArray[_T], b: NDArray[_T], c: NDArray[_T], d: NDArray[_T]) -> NDArray[_T]:
    """Give an array of twice the size whose 2x2 zones are ``a b`` above ``c d``."""
    zones = np.empty((2 * a.shape[0], 2 * a.shape[1]), a.dtype)
    zones[0::2, 0::2], zones[0::2, 1::2] = a, b
    zones[1::2, 0::2], zones[1::2, 1::2] = c, d
    return zones


def _round(values: Integers, unit: int) -> Integers:
    """Round to multiples of a power of two, halves away from zero."""
    half = unit >> 1
    return values + np.where(values >= 0, half, max(half - 1, 0)) & -unit


def _smooth(h0: Integers, hx: Integers, hy: Integers, hc: Integers, max_change: int) -> None:
    """Move the differences of inner zones towards what the neighbours' sums suggest, in place."""
    _smooth_slope(h0, hx, max_change)
    _smooth_slope(h0.T, hy.T, max_change)
    inner = slice(1, -1), slice(1, -1)
    middle, x2, y2 = h0[inner], hx[inner] * 2, hy[inner] * 2
    mm, pm, mp, pp = h0[:-2, :-2], h0[2:, :-2], h0[:-2, 2:], h0[2:, 2:]
    steps = (
        (pp - middle, -x2 - y2),
        (middle - pm, x2 - y2),
        (middle - mp, y2 - x2),
        (mm - middle, x2 + y2),
    )
    most = np.minimum.reduce([np.maximum(step, 0) + slope for step, slope in steps]) * 16
    least = np.maximum.reduce([np.minimum(step, 0) + slope for step, slope in steps]) * 16
    _approach(hc[inner], pp + mm - mp - pm, (least, most), 6, max_change)


def _smooth_slope(h0: Integers, difference: Integers, max_change: int) -> None:
    """Smooth the difference along the first axis."""
    before, after = h0[1:-1] - h0[:-2], h0[2:] - h0[1:-1]
    most = np.maximum(np.minimum(before, after), 0) * 4
    least = np.minimum(np.maximum(before, after), 0) * 4
    _approach(difference[1:-1], before + after, (least, most), 3, max_change)


def _approach(
    values: Integers,
    goal: Integers,
    bounds: tuple[Integers, Integers],
    shift: int,
    max_change: int,
) -> None:
    """Move values towards ``goal >> shift``, within bounds that keep the image monotonic."""
    least, most = bounds
    change = np.maximum(np.minimum(goal, most), least) - (values << shift)
    change = change + np.where(change < 0, (1 << shift) - 1, 0) >> shift
    values += np.where(least < most, np.clip(change, -max_change, max_change), 0)
