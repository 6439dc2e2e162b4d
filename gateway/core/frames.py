"""Frames: from J2000 to the celestial frame of an image. No I/O.

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
)
from astropy.time import Time

from gateway.core.errors import NoUsableWcs


def conversion_from_j2000(prm: Any) -> Callable[[float, float], tuple[float, float]]:
    """Make the function from J2000 right ascension and declination to an image's own frame."""
    frame = _frame(prm)
    if frame is None:
        return lambda ra_deg, dec_deg: (ra_deg, dec_deg)
    if isinstance(frame, FK4):  # its E-terms of aberration are no rotation
        return lambda ra_deg, dec_deg: _transform(frame, ra_deg, dec_deg)
    axes = FK5(CartesianRepresentation(np.eye(3))).transform_to(frame)
    rotation = axes.cartesian.xyz.value

    def rotate(ra_deg: float, dec_deg: float) -> tuple[float, float]:
        ra, dec = radians(ra_deg), radians(dec_deg)
        x, y, z = rotation @ (cos(dec) * cos(ra), cos(dec) * sin(ra), sin(dec))
        return degrees(atan2(y, x)), degrees(atan2(z, hypot(x, y)))

    return rotate


def _transform(frame: BaseCoordinateFrame, ra_deg: float, dec_deg: float) -> tuple[float, float]:
    there = FK5(ra_deg * u.deg, dec_deg * u.deg).transform_to(frame).spherical
    return float(there.lon.deg), float(there.lat.deg)


def _frame(prm: Any) -> BaseCoordinateFrame | None:
    """Choose the frame of an image's celestial axes; None is J2000.

    Raises
    ------
    NoUsableWcs
        The frame has no fixed place among the stars.

    Notes
    -----
    FITS 4.0, 8.3: RADESYS goes before EQUINOX; without both it is ICRS; with EQUINOX alone it is
    FK4 before 1984 and FK5 from then on.
    """
    kind = prm.lngtyp.strip()
    if kind == "GLON":
        return Galactic()
    if kind == "SLON":
        return Supergalactic()
    equinox = prm.equinox
    if kind == "ELON":
        return BarycentricMeanEcliptic(
            equinox=Time(2000 if isnan(equinox) else equinox, format="jyear")
        )
    if kind != "RA":
        raise NoUsableWcs(f"Positions on axes of type {kind} are not on the sky of stars.")
    system = prm.radesys.strip().upper()
    if not system:
        system = "ICRS" if isnan(equinox) else "FK4" if equinox < 1984 else "FK5"  # noqa: PLR2004
    if system in {"FK4", "FK4-NO-E"}:
        time = Time(1950 if isnan(equinox) else equinox, format="byear")
        return FK4(equinox=time) if system == "FK4" else FK4NoETerms(equinox=time)
    if system == "FK5" and not isnan(equinox) and equinox != 2000:  # noqa: PLR2004
        return FK5(equinox=Time(equinox, format="jyear"))
    return None
