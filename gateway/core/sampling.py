"""Sampling: the few pixels of a large section that a picture shows. No I/O.

A picture shows every n-th pixel of every n-th row, so that its cost is that of the picture and not
of the image. Its first row is the top: the highest y, as astronomers look at images.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.core.bands import DTYPES, Band
from gateway.core.cuts import Values
from gateway.core.image import CUT_AXES, Image
from gateway.core.ranges import Block
from gateway.core.section import Section
from gateway.core.tiles import TiledImage


@dataclass(frozen=True, slots=True)
class Sampling:
    """Every `step`-th pixel of a section along both axes, from the middle of the top left step."""

    section: Section
    step: int

    @property
    def columns(self) -> range:
        """The columns of the image that are shown, counted from 0."""
        section = self.section
        offset = min(self.step // 2, (section.nx - 1) % self.step)
        return range(section.x_start + offset, section.x_stop, self.step)

    @property
    def rows(self) -> range:
        """The rows of the image that are shown, counted from 0, upwards."""
        section = self.section
        last = section.y_stop - 1 - min(self.step // 2, (section.ny - 1) % self.step)
        first = section.y_start + (last - section.y_start) % self.step
        return range(first, last + 1, self.step)

    @property
    def nx(self) -> int:
        """Width of the picture."""
        return len(self.columns)

    @property
    def ny(self) -> int:
        """Height of the picture."""
        return len(self.rows)


def plan_sampling(section: Section, width_px: int, max_px: int) -> Sampling:
    """Choose how a section is sampled.

    Parameters
    ----------
    section : Section
        What is shown.
    width_px : int
        The widest that the picture may be; an image is never enlarged.
    max_px : int
        How many pixels the picture may have.
    """
    step = -(-section.nx // width_px)
    while -(-section.nx // step) * -(-section.ny // step) > max_px:
        step *= 2
    return Sampling(section, step)


def row_block(image: Image, sampling: Sampling) -> Block:
    """Say where the rows of the first plane lie, from the first to the last column that is shown.

    They are in the order of the file, upwards.
    """
    row_bytes = image.shape[0] * image.pixel_bytes
    columns, rows = sampling.columns, sampling.rows
    start = image.hdu.data_range.start + rows[0] * row_bytes + columns[0] * image.pixel_bytes
    span = (columns[-1] + 1 - columns[0]) * image.pixel_bytes
    return Block(start, span, sampling.step * row_bytes, len(rows))


def pixel_block(row: Block, image: Image, sampling: Sampling) -> Block:
    """Say where the pixels of a row lie that are shown: those of `row_block` without its gaps."""
    stride = sampling.step * image.pixel_bytes
    return Block(row.start, image.pixel_bytes, stride, sampling.nx)


def take_columns(rows: NDArray[np.uint8], image: Image, sampling: Sampling) -> NDArray[Any]:
    """Take the pixels that are shown out of rows.

    Parameters
    ----------
    rows : ndarray of uint8, shape (n, bytes)
        What `row_block` spans.
    image : Image
        Whose they are.
    sampling : Sampling
        What is shown.
    """
    return rows.view(DTYPES[image.bitpix])[:, :: sampling.step]


def sampled_bands(tiles: TiledImage, sampling: Sampling) -> Iterator[tuple[Band, range]]:
    """Give the rows of tiles that hold rows which are shown, upwards.

    Yields
    ------
    band : Band
        The tiles, and of their pixels those of the first plane from the first row that is shown to
        the last.
    rows : range
        The rows that are shown, counted from the band's first.
    """
    columns, rows = sampling.columns, sampling.rows
    width, height = tiles.tile_shape[:CUT_AXES]
    across = range(columns[0] // width, columns[-1] // width + 1)
    further = (range(1),) * (len(tiles.shape) - CUT_AXES)
    while rows:
        number = rows[0] // height
        count = len(range(rows[0], (number + 1) * height, rows.step))
        here, rows = rows[:count], rows[count:]
        pixels = range(columns[0], columns[-1] + 1), range(here[0], here[-1] + 1)
        band = Band(tiles, (across, range(number, number + 1), *further), (*pixels, *further))
        yield band, range(0, here[-1] - here[0] + 1, here.step)


def to_physical(raw: NDArray[Any], image: Image) -> Values:
    """Give the physical values of pixels: BLANK is NaN, BSCALE and BZERO are applied.

    Notes
    -----
    FITS 4.0, 4.4.2.5 and 5.3. Floats of 32 bits stay so; all others become doubles, in which a
    BZERO loses no digit.
    """
    header = image.header
    scale, zero = _number(header.get("BSCALE"), 1.0), _number(header.get("BZERO"), 0.0)
    is_plain = image.bitpix == -32 and (scale, zero) == (1.0, 0.0)  # noqa: PLR2004
    values: Values = raw.astype(np.float32 if is_plain else np.float64)
    if image.bitpix > 0 and isinstance(blank := header.get("BLANK"), int):
        values[raw == blank] = np.nan
    if (scale, zero) != (1.0, 0.0):
        with np.errstate(over="ignore", invalid="ignore"):
            values *= scale
            values += zero
    return values


def _number(value: object, default: float) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else default  # type: ignore[arg-type]
