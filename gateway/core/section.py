"""Section: a rectangle of pixels, its clipping, and the bytes of its rows. No I/O."""

from dataclasses import dataclass

from gateway.core.ranges import Block


@dataclass(frozen=True, slots=True)
class Section:
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


def plan_rows(
    section: Section, shape: tuple[int, ...], pixel_bytes: int, data_start: int
) -> list[Block]:
    """Say where the rows of a section lie, a block for each plane of the further axes.

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

    Returns
    -------
    list of Block
        Neighbouring planes are joined where the section leaves no gap between them.
    """
    nx, ny = shape[0], shape[1]
    planes = 1
    for n in shape[2:]:
        planes *= n
    stride = nx * pixel_bytes
    start = data_start + section.y_start * stride + section.x_start * pixel_bytes
    if section.nx == nx:  # full rows leave no gap
        run = section.ny * stride
        if section.ny == ny:
            return [Block.run(start, start + planes * run)]
        return [Block(start, run, ny * stride, planes)]
    row_bytes = section.nx * pixel_bytes
    if section.ny == ny:  # one stride through all planes
        return [Block(start, row_bytes, stride, ny * planes)]
    plane = ny * stride
    return [Block(start + p * plane, row_bytes, stride, section.ny) for p in range(planes)]
