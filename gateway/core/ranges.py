"""Byte ranges, and strided blocks of bytes. No I/O."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple


class ByteRange(NamedTuple):
    """The bytes from `start` up to, not including, `stop`."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self.stop - self.start


class Block(NamedTuple):
    """Equally long, equally spaced runs of bytes: the rows of a section of an image.

    A run of consecutive bytes is a block of one row. The rows of a block, packed without their
    gaps, are `size` bytes.

    Examples
    --------
    >>> Block(start=100, row_bytes=4, row_stride=10, n_rows=3).span
    ByteRange(start=100, stop=124)
    """

    start: int
    """Offset of the first row in the file, in bytes."""
    row_bytes: int
    """Length of each row, > 0."""
    row_stride: int
    """Distance from the start of a row to the start of the next, >= `row_bytes`."""
    n_rows: int
    """Number of rows, > 0."""

    @classmethod
    def run(cls, start: int, stop: int) -> "Block":
        """Make the block of one row that is the bytes from `start` to `stop`."""
        return cls(start, stop - start, stop - start, 1)

    @property
    def size(self) -> int:
        """Number of bytes in the rows."""
        return self.row_bytes * self.n_rows

    @property
    def stop(self) -> int:
        """Offset of the byte after the last row, in the file."""
        return self.start + (self.n_rows - 1) * self.row_stride + self.row_bytes

    @property
    def span(self) -> ByteRange:
        """The bytes from the first of the first row to the last of the last, gaps included."""
        return ByteRange(self.start, self.stop)

    def rows(self, first: int, stop: int) -> "Block":
        """Give the rows from `first` up to, not including, `stop`."""
        start = self.start + first * self.row_stride
        return Block(start, self.row_bytes, self.row_stride, stop - first)

    def within(self, part: ByteRange) -> ByteRange | None:
        """Give where a part of the file holds bytes of the rows: from the first to the last.

        Examples
        --------
        >>> Block(start=100, row_bytes=4, row_stride=10, n_rows=3).within(ByteRange(105, 112))
        ByteRange(start=110, stop=112)
        """
        first = max((part.start - self.start - self.row_bytes) // self.row_stride + 1, 0)
        last = min((part.stop - self.start - 1) // self.row_stride, self.n_rows - 1)
        if first > last:
            return None
        found = self.rows(first, last + 1).span
        return ByteRange(max(found.start, part.start), min(found.stop, part.stop))


def split_block(block: Block, max_bytes: int) -> Iterator[Block]:
    """Cut a block into blocks of at most `max_bytes`, in order.

    Rows stay whole where they fit: a longer row is cut into runs.
    """
    if block.row_bytes <= max_bytes:
        step = max_bytes // block.row_bytes
        for first in range(0, block.n_rows, step):
            yield block.rows(first, min(first + step, block.n_rows))
        return
    for row in range(block.n_rows):
        start = block.start + row * block.row_stride
        stop = start + block.row_bytes
        for offset in range(start, stop, max_bytes):
            yield Block.run(offset, min(offset + max_bytes, stop))


def join_ranges(ranges: Sequence[ByteRange]) -> tuple[list[ByteRange], list[int]]:
    """Join ranges that touch or overlap.

    Returns
    -------
    joined : list of ByteRange
        In order.
    offsets : list of int
        Where each range begins in the bytes of all that are joined, one behind the other.

    Examples
    --------
    >>> ranges = [ByteRange(5, 9), ByteRange(0, 3), ByteRange(3, 4), ByteRange(6, 7)]
    >>> join_ranges(ranges)
    ([ByteRange(start=0, stop=4), ByteRange(start=5, stop=9)], [4, 0, 3, 5])
    """
    joined: list[ByteRange] = []
    offsets = [0] * len(ranges)
    first = stop = shift = 0  # of the last joined range; its offset less its start
    for number in sorted(range(len(ranges)), key=lambda number: ranges[number].start):
        each = ranges[number]
        if not joined or each.start > stop:
            shift += stop - each.start
            first, stop = each.start, each.stop
            joined.append(each)
        elif each.stop > stop:
            stop = each.stop
            joined[-1] = ByteRange(first, stop)
        offsets[number] = each.start + shift
    return joined, offsets
