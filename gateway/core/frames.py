"""Frames: from J2000 to the celestial frame of an image, and back. No I/O.

ICRS ≡ FK5 J2000 here: the frame tie of 20 mas would move boxes by a pixel against the production
service. Other frames are converted.
"""

from collections.abc import Callable
from math import atan2, cos, degrees, hypot, isnan, radians, sin
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import (
    FK4,
    FK5,
    BarycentricMeanEcliptic,
    BaseCoordinateFrame,
    CartesianRepresentation,
    FK4NoETerms,
    Galactic,
    Supergalactic,
    UnitSphericalRepresentation,
)
from astropy.time import Time
from numpy.typing import NDArray

from gateway.core.errors import NoUsableWcs

Conversion = Callable[[float, float], tuple[float, float]]
"""From longitude and latitude in one frame to those in another, in degrees."""


def conversion_from_j2000(prm: Any) -> Conversion | None:
    """Make the function from J2000 to an image's own frame; None if they are the same.

    Parameters
    ----------
    prm : Wcsprm
        wcslib's description of the image.

    Raises
    ------
    NoUsableWcs
        The frame has no fixed place among the stars.
    """
    frame = _frame(prm)
    if frame is None:
        return None
    if isinstance(frame, FK4):  # its E-terms of aberration are no rotation
        return lambda ra_deg, dec_deg: _transform(frame, ra_deg, dec_deg)
    return _rotate(_rotation(frame))


def conversion_to_j2000(prm: Any) -> Conversion | None:
    """Make the function from an image's own frame to J2000; None if they are the same.

    Parameters
    ----------
    prm : Wcsprm
        wcslib's description of the image.

    Raises
    ------
    NoUsableWcs
        The frame has no fixed place among the stars.
    """
    frame = _frame(prm)
    if frame is None:
        return None
    if isinstance(frame, FK4):
        return lambda lon_deg, lat_deg: _transform_back(frame, lon_deg, lat_deg)
    return _rotate(_rotation(frame).T)


def _rotation(frame: BaseCoordinateFrame) -> NDArray[np.float64]:
    """Give the matrix that turns J2000 into a frame."""
    axes = FK5(CartesianRepresentation(np.eye(3))).transform_to(frame)
    return np.asarray(axes.cartesian.xyz.value)


def _rotate(rotation: NDArray[np.float64]) -> Conversion:
    def rotate(lon_deg: float, lat_deg: float) -> tuple[float, float]:
        lon, lat = radians(lon_deg), radians(lat_deg)
        x, y, z = rotation @ (cos(lat) * cos(lon), cos(lat) * sin(lon), sin(lat))
        return degrees(atan2(y, x)), degrees(atan2(z, hypot(x, y)))

    return rotate


def _transform(frame: BaseCoordinateFrame, ra_deg: float, dec_deg: float) -> tuple[float, float]:
    there = FK5(ra_deg * u.deg, dec_deg * u.deg).transform_to(frame).spherical
    return float(there.lon.deg), float(there.lat.deg)


def _transform_back(
    frame: BaseCoordinateFrame, lon_deg: float, lat_deg: float
) -> tuple[float, float]:
    # not a SkyCoord, which would keep the equinox of where it comes from
    place = UnitSphericalRepresentation(lon_deg * u.deg, lat_deg * u.deg)
    here = frame.realize_frame(place).transform_to(FK5()).spherical
    return float(here.lon.deg), float(here.lat.deg)


def _frame(prm: Any) -> BaseCoordinateFrame | None:
    """Choose the frame of an image's celestial axes; None is J2000.

    Raises
    ------
    NoUsableWcs
        The frame has no fixed place among the stars.

    Notes
    -----
    FITS 4.0, 8.3: RADESYS goes before EQUINOX; without both it is ICRS; with EQUINOX alone it is
    FK4 before 1984 and FK5 from then on. So wcslib has set RADESYS where it was missing.
    """
    kind = prm.lngtyp.strip()
    if kind == "GLON":
        return Galactic()
    if kind == "SLON":
        return Supergalactic()
    equinox = prm.equinox
    if kind == "ELON":
        return BarycentricMeanEcliptic(equinox=_time(equinox, 2000, "jyear"))
    if kind != "RA":
        raise NoUsableWcs(f"Positions on axes of type {kind} are not on the sky of stars.")
    system = prm.radesys.strip().upper()
    if system in {"FK4", "FK4-NO-E"}:
        time = _time(equinox, 1950, "byear")
        return FK4(equinox=time) if system == "FK4" else FK4NoETerms(equinox=time)
    if system == "FK5" and not isnan(equinox) and equinox != 2000:  # noqa: PLR2004
        return FK5(equinox=_time(equinox, 2000, "jyear"))
    return None


def _time(equinox: float, default: float, scale: str) -> Time:
    year = default if isnan(equinox) else equinox
    if not 1500 <= year <= 2500:  # noqa: PLR2004 - precession is a polynomial around J2000
        raise NoUsableWcs(f"The image's equinox, {year:g}, is no year of a catalogue.")
    return Time(year, format=scale)
