"""Targets: the files that are cut, made once in a folder, and the field of each that is used."""

import os
from dataclasses import dataclass
from math import cos, radians
from pathlib import Path
from typing import BinaryIO

import numpy as np
from astropy.io import fits

CENTER_DEG = (150.1, 2.2)
_SCALE_DEG = 0.1 / 3600
_MARGIN_PX = 510  # half of the largest cutout, and what the sky bends along the edge of a field
_N_CARDS = 100  # about the median of the headers of survey images; libraries parse all of them

_MOSAIC_PX = 19_500
_SPARSE_PX = {"1 GB": 16_384, "64 GB": 131_072}
_DETECTOR_PX, _PITCH_PX, _PER_ROW = 512, 600, 32
_N_FRAMES, _FRAME_PX = 20, 2048
_STRIP_ROWS = 256
_BLOCK_BYTES = 2880


@dataclass(frozen=True, slots=True)
class Centers:
    """A rectangle that centres are drawn from, evenly."""

    x: tuple[float, float]
    y: tuple[float, float]
    unit: str
    """As in a query: ``px`` or ``deg``."""


@dataclass(frozen=True, slots=True)
class Target:
    """A file, and its field: a square about the reference point of one of its images."""

    path: Path
    title: str
    n_extensions: int
    """Number of images after an empty primary HDU; 0 where the primary HDU is the image."""
    width_px: int
    """Of the image, which is a square."""
    reference_px: float
    """CRPIX1 and CRPIX2, where the sky position is `CENTER_DEG`."""
    reach_px: float
    """How far from there the centres of cutouts lie, along each axis."""

    @property
    def hdu(self) -> int:
        """Index of the image with the field: the one in the middle."""
        return (self.n_extensions + 1) // 2

    @property
    def field(self) -> slice:
        """The pixels that cutouts are made of, along each axis, from 0."""
        reach, middle = self.reach_px + _MARGIN_PX, self.reference_px - 0.5
        return slice(max(int(middle - reach), 0), min(int(middle + reach), self.width_px))

    def centers(self, *, on_sky: bool) -> Centers:
        """Give where the centres lie, on the sky or in FITS pixel coordinates."""
        if not on_sky:
            interval = (self.reference_px - self.reach_px, self.reference_px + self.reach_px)
            return Centers(interval, interval, "px")
        ra_deg, dec_deg = CENTER_DEG
        reach_deg = self.reach_px * _SCALE_DEG
        reach_ra_deg = reach_deg / cos(radians(dec_deg))
        return Centers(
            (ra_deg - reach_ra_deg, ra_deg + reach_ra_deg),
            (dec_deg - reach_deg, dec_deg + reach_deg),
            "deg",
        )


def make_mosaic(folder: Path) -> Target:
    """Make a mosaic of 1.5 GB."""
    width = _MOSAIC_PX
    middle = (width + 1) / 2
    return _make(Target(folder / "mosaic.fits", "1.5 GB", 0, width, middle, middle - _MARGIN_PX))


def make_sparse(folder: Path) -> list[Target]:
    """Make images of 1 GB and 64 GB with equal fields near their far ends; the rest are holes."""
    return [
        _make(Target(folder / f"sparse-{width}.fits", title, 0, width, width - 1050, 500))
        for title, width in _SPARSE_PX.items()
    ]


def make_detectors(folder: Path) -> list[Target]:
    """Make exposures of 1 and of 1,000 detectors with equal fields, inside of one detector."""
    width, middle = _DETECTOR_PX, (_DETECTOR_PX + 1) / 2
    return [
        _make(Target(folder / f"detectors-{n}.fits", title, n, width, middle, 100))
        for n, title in ((1, "1 image HDU"), (1000, "1,000 image HDUs"))
    ]


def make_frames(folder: Path) -> list[Target]:
    """Make 20 images of 17 MB of the same field."""
    width, middle = _FRAME_PX, (_FRAME_PX + 1) / 2
    reach = middle - _MARGIN_PX
    return [
        _make(Target(folder / f"frame-{n:02}.fits", "17 MB", 0, width, middle, reach))
        for n in range(_N_FRAMES)
    ]


def bring_into_memory(target: Target) -> None:
    """Read a field, so that the disk takes no part in what is measured.

    What was just written lies in memory in small pieces; an archive's files were read, in large
    ones, which the processor finds faster: a cutout then takes a tenth less.
    """
    with target.path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    with fits.open(target.path, mode="denywrite") as hdus:
        np.max(hdus[target.hdu].data[target.field, target.field])


def _make(target: Target) -> Target:
    """Write a target's file if it is not there."""
    if not target.path.exists():
        part = target.path.with_suffix(".part")
        with part.open("wb") as file:
            _write(target, file)
        part.replace(target.path)
    return target


def _write(target: Target, file: BinaryIO) -> None:
    if target.n_extensions:
        file.write(fits.PrimaryHDU().header.tostring().encode())
    end = 0
    for hdu in range(min(target.n_extensions, 1), target.n_extensions + 1):
        file.write(_header(target, hdu).tostring().encode())
        start = file.tell()
        if hdu == target.hdu:
            _write_field(target, file, start)
        end = start + -(-(4 * target.width_px**2) // _BLOCK_BYTES) * _BLOCK_BYTES
        file.seek(end)
    file.truncate(end)


def _header(target: Target, hdu: int) -> fits.Header:
    """Describe an image; detectors lie in rows, side by side on the sky."""
    row, column = divmod(hdu, _PER_ROW)
    own_row, own_column = divmod(target.hdu, _PER_ROW)
    kind = ("XTENSION", "IMAGE") if target.n_extensions else ("SIMPLE", True)
    cards = [
        kind,
        ("BITPIX", -32),
        ("NAXIS", 2),
        ("NAXIS1", target.width_px),
        ("NAXIS2", target.width_px),
        *((("PCOUNT", 0), ("GCOUNT", 1)) if target.n_extensions else ()),
        ("CTYPE1", "RA---TAN"),
        ("CTYPE2", "DEC--TAN"),
        ("CRVAL1", CENTER_DEG[0]),
        ("CRVAL2", CENTER_DEG[1]),
        ("CRPIX1", target.reference_px + (own_column - column) * _PITCH_PX),
        ("CRPIX2", target.reference_px + (own_row - row) * _PITCH_PX),
        ("CD1_1", -_SCALE_DEG),
        ("CD1_2", 0.0),
        ("CD2_1", 0.0),
        ("CD2_2", _SCALE_DEG),
        ("RADESYS", "ICRS"),
    ]
    others = [(f"KEY{n:03}", n / 7, "one of many") for n in range(_N_CARDS - len(cards))]
    return fits.Header([*cards, *others])


def _write_field(target: Target, file: BinaryIO, start: int) -> None:
    """Write noise about zero, as of a sky whose background was taken off, by strips of rows."""
    rng, field = np.random.default_rng(1), target.field
    for first in range(field.start, field.stop, _STRIP_ROWS):
        shape = (min(_STRIP_ROWS, field.stop - first), field.stop - field.start)
        strip = rng.standard_normal(shape, np.float32).astype(">f4")
        for row, pixels in enumerate(strip, first):
            file.seek(start + 4 * (row * target.width_px + field.start))
            file.write(pixels.data)
