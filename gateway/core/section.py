"""Section: a rectangle of pixels, its clipping, and the bytes of its rows. No I/O."""

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

from gateway.core.ranges import Block


class Section(NamedTuple):
    """A rectangle of pixels: half-open intervals, counted from 0.

    Examples
    --------
    >>> Section(-16, 74, 3, 10).clip(512, 1024)
    Section(x_start=0, x_stop=74, y_start=3, y_stop=10)
    """

    x_start: int
    """First column (first FITS axis)."""
    x_stop: int
    """Column after the last."""
    y_start: int
    """First row (second FITS axis)."""
    y_stop: int
    """Row after the last."""

    @property
    def nx(self) -> int:
        """Number of columns."""
        return self.x_stop - self.x_start

    @property
    def ny(self) -> int:
        """Number of rows."""
        return self.y_stop - self.y_start

    def clip(self, nx: int, ny: int) -> "Section | None":
        """Give the part inside an image of `nx` columns and `ny` rows, or None if there is none."""
        x_start, x_stop = max(self.x_start, 0), min(self.x_stop, nx)
        y_start, y_stop = max(self.y_start, 0), min(self.y_stop, ny)
        if x_start >= x_stop or y_start >= y_stop:
            return None
        return Section(x_start, x_stop, y_start, y_stop)


class Planes(NamedTuple):
    """The same block in each of equally spaced planes: the bytes of a section of an image."""

    block: Block
    """The rows in the first plane."""
    stride: int
    """Distance from a plane to the next, in bytes."""
    n_planes: int
    """Number of planes: the product of NAXIS3, NAXIS4, …"""

    @classmethod
    def run(cls, start: int, stop: int) -> "Planes":
        """Make the one plane of one row that is the bytes from `start` to `stop`."""
        return cls(Block.run(start, stop), stop - start, 1)

    @property
    def size(self) -> int:
        """Number of bytes in all rows of all planes."""
        return self.block.size * self.n_planes

    @property
    def stop(self) -> int:
        """Offset of the byte after the last, in the file."""
        return self.block.stop + (self.n_planes - 1) * self.stride

    def blocks(self, start: int, stop: int) -> Iterator[tuple[Block, int, int]]:
        """Say which rows hold the packed bytes from `start` to `stop`.

        Yields
        ------
        block : Block
            Whole rows of one plane.
        skip, take : int
            The wanted bytes are ``packed[skip:skip + take]`` of the block's bytes.
        """
        one = self.block
        while start < stop:
            plane, offset = divmod(start, one.size)
            end = min(stop - plane * one.size, one.size)
            if one.n_rows == 1:
                first = one.start + plane * self.stride
                yield Block.run(first + offset, first + end), 0, end - offset
            else:
                row, skip = divmod(offset, one.row_bytes)
                last = -(-end // one.row_bytes)
                part = one.rows(row, last)
                moved = Block(
                    part.start + plane * self.stride, part.row_bytes, part.row_stride, part.n_rows
                )
                yield moved, skip, end - offset
            start = plane * one.size + end


def plan_rows(
    section: Section, shape: tuple[int, ...], pixel_bytes: int, data_start: int
) -> Planes:
    """Say where the rows of a section lie; rows that leave no gap between them are joined.

    Parameters
    ----------
    section : Section
        Inside the image.
    shape : tuple of int
        Axis lengths in FITS order (NAXIS1 first), at least two.
    pixel_bytes : int
        Bytes of one pixel, ``|BITPIX| / 8``.
    data_start : int
        Offset of the first pixel in the file, in bytes.

    Notes
    -----
    FITS 4.0, 3.3.2: the first axis varies most rapidly.
    """
    nx, ny, *others = shape
    x_start, x_stop, y_start, y_stop = section
    n_columns, n_rows, count = x_stop - x_start, y_stop - y_start, prod(others)
    stride = nx * pixel_bytes
    start = data_start + y_start * stride + x_start * pixel_bytes
    if n_columns < nx:
        return Planes(Block(start, n_columns * pixel_bytes, stride, n_rows), ny * stride, count)
    if n_rows < ny:
        return Planes(Block.run(start, start + n_rows * stride), ny * stride, count)
    return Planes.run(start, start + count * ny * stride)
