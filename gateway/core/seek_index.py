"""Seek index: where in a gzip file inflating can begin, for any byte of what it unpacks to. No I/O.

*Packed* offsets count the bytes of the gzip file, *unpacked* ones those that it unpacks to.
"""

import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from isal import isal_zlib

from gateway.core.inflate import WINDOW, Packed, has_end, inflate_from
from gateway.core.ranges import Block, ByteRange

_HEAD = struct.Struct("<QQ?I")  # unpacked and packed size, whether it is whole, points
_POINT = np.dtype([("start", "<u8"), ("bit", "<u8"), ("window_bytes", "<u4")])
_POINT_BYTES = 200  # about what a point takes in memory, without its window
_LEVEL = 2  # of isal; the windows are nearly all zeros


@dataclass(frozen=True, slots=True)
class SeekPoint:
    """The beginning of a deflate block, and what is needed to begin there."""

    start: int
    """Unpacked offset of the first byte."""
    bit: int
    """Packed offset of the first bit, in bits; a block may begin at any."""
    packed_window: bytes
    """The unpacked bytes before, those that are needed, deflated; empty where a member begins."""

    @classmethod
    def with_window(cls, start: int, bit: int, window: bytes) -> "SeekPoint":
        """Make a point from the 32 KiB before it, or from no bytes."""
        return cls(start, bit, isal_zlib.compress(window, _LEVEL) if window else b"")

    @property
    def window(self) -> bytes:
        """The 32 KiB before the point; empty where a member begins."""
        return (
            isal_zlib.decompress(self.packed_window, bufsize=WINDOW) if self.packed_window else b""
        )


@dataclass(frozen=True, slots=True)
class Stretch:
    """Unpacked bytes that are inflated in one go, and the packed ones that are needed for it."""

    point: SeekPoint
    packed: ByteRange
    unpacked: ByteRange
    """Begins with the point."""

    def inflate(self, packed: Packed) -> Iterator[bytes]:
        """Inflate the packed bytes, a piece at a time.

        Raises
        ------
        CorruptFits
        """
        return inflate_from(packed, self.point.bit % 8, self.point.window, self.unpacked.size)

    def has_end(self, packed: Packed) -> bool:
        """Tell whether a member ends with the stretch."""
        return has_end(packed, self.point.bit % 8, self.point.window, self.unpacked.size)


class SeekIndex:
    """The points of a gzip file.

    Parameters
    ----------
    points : sequence of SeekPoint
        In order; the first is the beginning of the first member, and so is one of every other.
    size : int
        Number of unpacked bytes that can be reached.
    packed_size : int
        Length of the gzip file.
    is_whole : bool
        Whether these are all, and their checksums matched.
    """

    def __init__(
        self, points: Sequence[SeekPoint], size: int, packed_size: int, *, is_whole: bool
    ) -> None:
        self.points = points
        self.size = size
        self.is_whole = is_whole
        self._packed_size = packed_size
        self._starts = [*(point.start for point in points), size]

    @property
    def memory_bytes(self) -> int:
        """About how much memory this takes."""
        return sum(len(p.packed_window) + _POINT_BYTES for p in self.points)

    def locate(self, block: Block) -> Iterator[Stretch]:
        """Find what must be inflated for a block: from each point, as far as its rows go.

        Parameters
        ----------
        block : Block
            Ends below `size`.
        """
        first = bisect_right(self._starts, block.start) - 1
        for number in range(first, len(self.points)):
            point, following = self.points[number], self._starts[number + 1]
            if point.start >= block.stop:
                return
            needed = block.within(ByteRange(point.start, following))
            if needed:
                unpacked = ByteRange(point.start, needed.stop)
                yield Stretch(point, self._packed(number, unpacked.size), unpacked)

    def _packed(self, number: int, n_bytes: int) -> ByteRange:
        """Give the packed bytes from a point up to the next, which may lie far behind the last."""
        start = self.points[number].bit // 8
        # more than deflate needs for bytes that cannot be compressed
        stop = min(start + n_bytes + n_bytes // 8 + WINDOW, self._packed_size)
        if number + 1 < len(self.points):
            stop = min(stop, self.points[number + 1].bit // 8 + 1)
        return ByteRange(start, stop)

    def to_bytes(self) -> bytes:
        """Write the index down."""
        rows = [(p.start, p.bit, len(p.packed_window)) for p in self.points]
        windows = b"".join(p.packed_window for p in self.points)
        head = _HEAD.pack(self.size, self._packed_size, self.is_whole, len(rows))
        return head + np.array(rows, _POINT).tobytes() + windows

    @classmethod
    def from_bytes(cls, data: bytes) -> "SeekIndex":
        """Read what `to_bytes` wrote."""
        size, packed_size, is_whole, n_points = _HEAD.unpack_from(data)
        rows = np.frombuffer(data, _POINT, n_points, _HEAD.size)
        stops = _HEAD.size + rows.nbytes + np.cumsum(rows["window_bytes"], dtype=np.int64)
        offsets = [_HEAD.size + rows.nbytes, *stops.tolist()]
        points = [
            SeekPoint(start, bit, data[first:stop])
            for (start, bit, _), (first, stop) in zip(rows.tolist(), pairwise(offsets), strict=True)
        ]
        return cls(points, size, packed_size, is_whole=is_whole)
