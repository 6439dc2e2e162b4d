"""Seek index: where in a gzip file inflating can begin, for any byte of what it unpacks to. No I/O.

*Packed* offsets count the bytes of the gzip file, *unpacked* ones those that it unpacks to.
"""

import struct
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from isal import isal_zlib

from gateway.core.inflate import WINDOW, Packed, has_end, inflate_from
from gateway.core.ranges import ByteRange

_HEAD = struct.Struct("<QQ?I")  # unpacked and packed size, whether it is whole, points
_CHECKSUM = struct.Struct("<I")  # of what follows
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

    def inflate(self, packed: Packed) -> bytes:
        """Inflate the packed bytes.

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
        self._starts = [point.start for point in points]

    @property
    def memory_bytes(self) -> int:
        """About how much memory this takes."""
        return sum(len(p.packed_window) + _POINT_BYTES for p in self.points)

    def locate(self, wanted: ByteRange) -> Iterator[Stretch]:
        """Find what must be inflated for unpacked bytes; a member's bytes in one stretch.

        Parameters
        ----------
        wanted : ByteRange
            Not empty, and below `size`.
        """
        first = bisect_right(self._starts, wanted.start) - 1
        stop = bisect_left(self._starts, wanted.stop)
        while first < stop:
            point, last = self.points[first], first + 1
            while last < stop and self.points[last].packed_window:
                last += 1
            unpacked = ByteRange(point.start, wanted.stop)
            if last < stop:
                unpacked = ByteRange(point.start, self.points[last].start)
            yield Stretch(point, self._packed(point, last, unpacked.size), unpacked)
            first = last

    def _packed(self, point: SeekPoint, following: int, n_bytes: int) -> ByteRange:
        """Give the packed bytes from a point up to another, which may lie far behind the last."""
        # more than deflate needs for bytes that cannot be compressed
        stop = min(point.bit // 8 + n_bytes + n_bytes // 8 + WINDOW, self._packed_size)
        if following < len(self.points):
            stop = min(stop, self.points[following].bit // 8 + 1)
        return ByteRange(point.bit // 8, stop)

    def to_bytes(self) -> bytes:
        """Write the index down."""
        rows = [(p.start, p.bit, len(p.packed_window)) for p in self.points]
        windows = b"".join(p.packed_window for p in self.points)
        head = _HEAD.pack(self.size, self._packed_size, self.is_whole, len(rows))
        body = head + np.array(rows, _POINT).tobytes() + windows
        return _CHECKSUM.pack(zlib.crc32(body)) + body

    @classmethod
    def from_bytes(cls, data: bytes) -> "SeekIndex | None":
        """Read what `to_bytes` wrote; None if it is something else."""
        if len(data) < _CHECKSUM.size + _HEAD.size:
            return None
        body = data[_CHECKSUM.size :]
        if _CHECKSUM.unpack_from(data)[0] != zlib.crc32(body):
            return None
        size, packed_size, is_whole, n_points = _HEAD.unpack_from(body)
        points, offset = [], _HEAD.size + n_points * _POINT.itemsize
        for start, bit, window_bytes in np.frombuffer(body, _POINT, n_points, _HEAD.size).tolist():
            points.append(SeekPoint(start, bit, body[offset : offset + window_bytes]))
            offset += window_bytes
        return cls(points, size, packed_size, is_whole=is_whole)
