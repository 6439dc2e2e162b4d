"""What astropy says of a file and of a cutout of it: the judge of the tests on real files."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.coordinates import FK5, ICRS, UnitSphericalRepresentation
from astropy.io import fits
from astropy.wcs import WCS, InconsistentAxisTypesError
from astropy.wcs.utils import wcs_to_celestial_frame

LOOKUP_TABLES = ("D2IMARR", "WCSDVARR")
_DESCRIPTION = ("CTYPE", "CRVAL", "CRPIX", "CDELT", "AMDX")


@contextmanager
def opened(file: Path | bytes) -> Iterator[fits.HDUList]:
    """Open a FITS file, with its pixels as they are stored.

    Real files break the standard in many ways, and astropy warns of each.
    """
    source = io.BytesIO(file) if isinstance(file, bytes) else file
    with (
        warnings.catch_warnings(action="ignore"),
        fits.open(source, do_not_scale_image_data=True, ignore_missing_simple=True) as hdus,
    ):
        yield hdus


def is_image(hdu: fits.ImageHDU) -> bool:
    """Tell whether an HDU is an image of two axes or more."""
    return hdu.is_image and hdu.header["NAXIS"] >= 2 and 0 not in hdu.shape


@dataclass(frozen=True, slots=True)
class Pair:
    """An image of a file, and its section in a cutout."""

    parent: fits.ImageHDU
    cutout: fits.ImageHDU
    x: int
    """Columns of the parent before the section."""
    y: int
    """Rows of the parent before the section."""


def pair_images(parents: fits.HDUList, cutouts: fits.HDUList, x: int, y: int) -> list[Pair]:
    """Find of each image of a cutout the parent, and where in it the section lies.

    The reference pixel tells where. An image without one was cut like the image before it, and
    the first of them at the corner that is given.
    """
    pairs: list[Pair] = []
    rest = iter(parents)
    for cutout in cutouts:
        parent = next(hdu for hdu in rest if _label(hdu) == _label(cutout))
        if not is_image(cutout):
            continue
        if cutout.shape == parent.shape:
            pairs.append(Pair(parent, cutout, 0, 0))
            continue
        if "CRPIX1" in cutout.header and "CRPIX2" in cutout.header:
            x, y = (
                round(parent.header.get(key, 0) - cutout.header[key])
                for key in ("CRPIX1", "CRPIX2")
            )
        pairs.append(Pair(parent, cutout, x, y))
    return pairs


def _label(hdu: fits.ImageHDU) -> tuple[object, ...]:
    """Give what tells an HDU from its neighbours and does not change in a cutout."""
    name = "" if hdu.name == "COMPRESSED_IMAGE" else hdu.name  # a name that the compressor made up
    return name, hdu.ver, hdu.header.get("CRVAL1"), hdu.header.get("DETSEC")


def assert_same_pixels(pair: Pair) -> None:
    """Compare bytes: a NaN has many; of a compressed image there are only values."""
    ny, nx = pair.cutout.shape[-2:]
    section = ..., slice(pair.y, pair.y + ny), slice(pair.x, pair.x + nx)
    if isinstance(pair.parent, fits.CompImageHDU):
        np.testing.assert_array_equal(pair.cutout.data, pair.parent.section[section])
    else:
        assert pair.cutout.data.tobytes() == pair.parent.data[section].tobytes()


def assert_same_sky(pair: Pair, parents: fits.HDUList, cutouts: fits.HDUList) -> None:
    """Compare the sky in the corners and the middle, in every description that there is."""
    ny, nx = pair.cutout.shape[-2:]
    points = [(1, 1), (nx, 1), (1, ny), (nx, ny), ((nx + 1) / 2, (ny + 1) / 2)]
    alternates = {key[-1] for key in pair.parent.header if re.fullmatch("CTYPE1[A-Z]", key)}
    for alternate in [" ", *sorted(alternates)]:
        theirs = read_wcs(pair.parent, parents, alternate)
        if theirs is None:
            continue
        ours = read_wcs(pair.cutout, cutouts, alternate)
        assert ours is not None
        moved = [(x + pair.x, y + pair.y) for x, y in points]
        apart = np.abs(to_world(ours, points) - to_world(theirs, moved))
        assert not np.any(np.minimum(apart, np.abs(apart - 360)) > 1e-9), alternate


def read_wcs(hdu: fits.ImageHDU, hdus: fits.HDUList, alternate: str = " ") -> WCS | None:
    """Read a description with its lookup tables; None if there is none that astropy can read."""
    if not any(f"{keyword}1{alternate.strip()}" in hdu.header for keyword in _DESCRIPTION):
        return None
    header = hdu.header
    if "CTYPE1" in header and "AMDX1" in header:
        header = header.copy()  # wcslib would prefer the plate solution, which SPEC 3 drops
        for pattern in ("AMD*", "PLT*", "PPO*", "CNPIX*", "?PIXELSZ"):
            for keyword in set(header[pattern]):
                del header[keyword]
    with warnings.catch_warnings(action="ignore"):
        try:
            wcs = WCS(header, fobj=hdus, key=alternate)
            to_world(wcs, [(1, 1)])
        except InconsistentAxisTypesError:  # IRAS' projection ATF is older than the standard
            return None
    return wcs


def to_world(wcs: WCS, points: list[tuple[float, float]]) -> np.ndarray:
    """Give the world coordinates of FITS pixels; further axes are at their first pixel."""
    pixels = np.ones((len(points), wcs.naxis))
    pixels[:, :2] = points
    return wcs.all_pix2world(pixels, 1)


def find_sky(hdu: fits.ImageHDU, hdus: fits.HDUList, x: float, y: float) -> FK5 | None:
    """Give the J2000 position of a FITS pixel, with ICRS = FK5 J2000; None if there is none."""
    wcs = read_wcs(hdu, hdus)
    if wcs is None or not wcs.has_celestial:
        return None
    (world,) = to_world(wcs, [(x, y)])
    try:
        frame = wcs_to_celestial_frame(wcs)
    except ValueError:
        return None
    if isinstance(frame, ICRS):
        frame = FK5()
    lon, lat = world[wcs.wcs.lng] * u.deg, world[wcs.wcs.lat] * u.deg
    return frame.realize_frame(UnitSphericalRepresentation(lon, lat)).transform_to(FK5())


def find_fault(hdus: fits.HDUList) -> str:
    """Say what is against the standard, in astropy's words."""
    with warnings.catch_warnings(action="ignore"):
        try:
            hdus.verify("exception")
        except fits.VerifyError as error:
            return str(error)
    return ""
