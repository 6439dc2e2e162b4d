"""World coordinates: sky <-> pixel for one image. No I/O.

Only the cards that describe the primary celestial axes reach wcslib: parsing all of a header costs
five times as much, and what is left out cannot confuse it, be it a spectral axis that it does not
understand or a third axis that it cannot have beside SIP.
"""

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import asin, cos, degrees, isfinite, nan, radians, sin, sqrt

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from gateway.core.errors import NoUsableWcs
from gateway.core.frames import Conversion, conversion_from_j2000, conversion_to_j2000
from gateway.core.header import CARD, Header, parse_value

Points = NDArray[np.float64]
"""Shape (n, 2): x, y in FITS pixel coordinates, or longitude, latitude in degrees."""

# The cards of the primary description; names with a trailing letter are alternates.
_KEPT = re.compile(
    rb"CTYPE[12]|CUNIT[12]|CRVAL[12]|CRPIX[12]|CDELT[12]|CROTA[12]|(?:PC|CD)(?:[12]_[12]|00[12]00[12])"
    rb"|PV[12]_\d+|PS[12]_\d+|PROJP\d|LONPOLE|LATPOLE|RADESYS|RADECSYS|EQUINOX|EPOCH|DATE-OBS|MJD-OBS"
    rb"|[AB]P?_(?:ORDER|DMAX|\d_\d)|CPDIS[12]|CPERR[12]|DP[12]|D2IM.*|WAT\d_\d+|NAXIS[12]?"
)
# Where one of these is not 0, each plane has a sky of its own, which wcslib then refuses.
_LEANING = re.compile(rb"(?:PC|CD)(?:[12]_[3-9]|00[12]00[3-9])")
_SIP = re.compile(rb"[AB]_ORDER")
_PV = re.compile(rb"PV\d_\d+")
# Plate solutions of the Digitized Sky Survey: wcslib prefers them to celestial axes. They have 13
# coefficients; wcslib crashes where one that comes after them is not 0.
_PLATE = re.compile(rb"AMD[XY](?:[1-9]|1[0-3])|PLT.*|PPO\d?.*|CNPIX\d|[XY]PIXELSZ|OBJCT.*")
# Counts of more than a digit are nobody's, and make wcslib crash or fill the memory.
_COUNTS = re.compile(rb"NAXIS|[AB]P?_ORDER")
# So does text in place of a number.
_TEXTS = re.compile(rb"CTYPE.*|CUNIT.*|RADE.*|DATE-OBS|PS.*|CPDIS.*|DP.*|D2IM.*|WAT.*|OBJCT.*")
_EXPONENT = re.compile(rb"(?<=[\d.])[dD](?=[+-]?\d)")  # FITS 4.0, 4.2.4; wcslib reads E alone
_NO_TEXT = re.compile(rb"[^ -~]")  # FITS 4.0, 4.1.2.3 has none; astropy would not read on
_CELESTIAL = re.compile(r"RA--|DEC-|[A-Z]LON|[A-Z]LAT|[A-Z]{2}L[NT]")

# In these projections each position has one place, or wcslib says that it has none; not so where
# they have parameters, or are bent.
_ONE_TO_ONE = frozenset(
    {"TAN", "SIN", "STG", "ARC", "ZEA", "CAR", "CEA", "MER", "SFL", "AIT", "CSC"}
)
_BENDING = re.compile(rb"PV\d|PS\d|PROJP|CPDIS|DP\d|D2IM|WAT|[AB]P?_ORDER")

_NEAR = np.array([(0.0, 0.0), (0.5, 0.0), (0.0, 0.5)])
_MAX_STEPS = 30  # Newton; a distortion that can be inverted takes three to six
_ON_SPOT_PX = 1e-9
_ON_SPOT_DEG = 1e-6
_N_AXES = 2
_PLANE = b"NAXIS   =                    2".ljust(CARD)
_MAX_SCALE_DEG, _MAX_REFERENCE_PX = 360.0, 1e9


def axis_types(header: Header) -> tuple[str, str]:
    """Give CTYPE1 and CTYPE2, empty where absent."""
    return header.get_str("CTYPE1"), header.get_str("CTYPE2")


def has_celestial_axes(header: Header) -> bool:
    """Tell whether the first two axes claim to be a longitude and a latitude."""
    return all(_CELESTIAL.match(ctype) for ctype in axis_types(header))


def has_plate_only(header: Header) -> bool:
    """Tell whether a plate solution is the only description of the sky."""
    # wcslib crashes where it finds only one of the two polynomials
    polynomials = [header.get("AMDX1"), header.get("AMDY1")]
    return not has_celestial_axes(header) and all(isinstance(p, int | float) for p in polynomials)


def describes_sky(header: Header) -> bool:
    """Tell whether an image could be cut at a sky position."""
    return has_celestial_axes(header) or has_plate_only(header)


def trim(header: Header) -> bytes:
    """Keep the cards that `ImageWcs` is made from, mended where wcslib would misread them.

    Images with equal trimmed cards have equal world coordinates.
    """
    plate = has_plate_only(header)
    cards = [
        card
        for card in header
        if _KEPT.fullmatch(card[:8].rstrip())
        or (plate and _PLATE.fullmatch(card[:8].rstrip()))
        or (_LEANING.fullmatch(card[:8].rstrip()) and parse_value(card))
    ]
    cards = [_mend(card) for card in cards if _is_harmless(card)]
    names = [card[:8].rstrip() for card in cards]
    if any(_SIP.fullmatch(name) for name in names):
        # PTF: the distortion stands twice, as SIP and as PV; wcslib would apply both
        cards = [card for card in cards if not _PV.match(card)]
    elif not any(_PV.fullmatch(name) for name in names):
        cards = [
            card.replace(b"-TPV", b"-TAN", 1) if card.startswith(b"CTYPE") else card
            for card in cards
        ]
    return _NO_TEXT.sub(b" ", b"".join(cards))


def _mend(card: bytes) -> bytes:
    """Write an exponent as wcslib reads it, and let an image of several planes be one plane."""
    value = parse_value(card)
    if isinstance(value, float):
        return card[:10] + _EXPONENT.sub(b"E", card[10:], count=1)
    return _PLANE if card.startswith(b"NAXIS   ") and value != _N_AXES else card


def _is_harmless(card: bytes) -> bool:
    name, value = card[:8].rstrip(), parse_value(card)
    if _COUNTS.fullmatch(name):
        return value in range(10)
    return not isinstance(value, str) or _TEXTS.fullmatch(name) is not None


def lookup_tables(header: Header) -> frozenset[tuple[str, int]]:
    """Name the tables that an image's distortion refers to: EXTNAME and EXTVER of each.

    Notes
    -----
    The convention of Distortion Paper IV as astropy reads it: ``CPDISj = 'LOOKUP'`` with
    ``DPj = 'EXTVER: n'``, ``D2IMDISj = 'LOOKUP'`` with ``D2IMj = 'EXTVER: n'``.
    """
    tables = set()
    for kind, record, name in (("CPDIS", "DP", "WCSDVARR"), ("D2IMDIS", "D2IM", "D2IMARR")):
        for axis in (1, 2):
            if header.get_str(f"{kind}{axis}").upper() != "LOOKUP":
                continue
            pattern = rb"%s%d +=? *'EXTVER: *(\d+)" % (record.encode(), axis)
            version = next((m[1] for card in header if (m := re.match(pattern, card))), b"1")
            tables.add((name, int(version)))
    return frozenset(tables)


@dataclass(frozen=True, slots=True)
class LookupTable:
    """A distortion table of a file: the header and the bytes of its data unit."""

    header: Header
    data: bytes


class ImageWcs:
    """Sky <-> pixel for one image.

    Not safe for use by two threads at once.

    Parameters
    ----------
    trimmed : bytes
        What `trim` gave.
    tables : iterable of LookupTable
        What the image's `lookup_tables` are.

    Raises
    ------
    NoUsableWcs
        The cards describe no celestial axes, or describe them wrongly.
    """

    def __init__(self, trimmed: bytes, tables: Iterable[LookupTable] = ()) -> None:
        try:
            # what wcslib and astropy mend they announce as warnings; nobody is there to read
            with warnings.catch_warnings(action="ignore"):
                header = fits.Header.fromstring(trimmed)
                hdus = [fits.ImageHDU.fromstring(t.header.to_bytes() + t.data) for t in tables]
                wcs = WCS(header, fobj=fits.HDUList([fits.PrimaryHDU(), *hdus]), naxis=None)
                wcs = wcs.sub([1, 2]) if wcs.naxis > _N_AXES else wcs
                wcs.wcs.set()
        except Exception as error:  # wcslib's errors have no useful common ancestor
            raise NoUsableWcs("The image's world coordinate system is damaged.") from error
        prm = wcs.wcs
        if sorted((prm.lng, prm.lat)) != [0, 1]:
            raise NoUsableWcs("The image's first two axes are not celestial.")
        self._wcs = wcs
        self._prm = prm
        self._lng, self._lat = prm.lng, prm.lat
        self._distorted = wcs.has_distortion
        self._may_fold = _may_fold(trimmed, header, wcs)
        self._world = np.empty((1, 2))
        self._from_j2000 = conversion_from_j2000(prm)

    @property
    def is_j2000(self) -> bool:
        """Whether the image's own frame is J2000."""
        return self._from_j2000 is None

    def to_pixel(self, ra_deg: float, dec_deg: float) -> tuple[float, float]:
        """Find the pixel at a J2000 position.

        Returns
        -------
        x, y : float
            FITS pixel coordinates; they may lie far outside of the image.

        Raises
        ------
        NoUsableWcs
            The position has no place in the image's projection.
        """
        if self._from_j2000 is not None:
            ra_deg, dec_deg = self._from_j2000(ra_deg, dec_deg)
        world = self._world
        world[0, self._lng], world[0, self._lat] = ra_deg, dec_deg
        pixel = self._prm.s2p(world, 1)["pixcrd"]
        if self._distorted:
            pixel = self._undistort(pixel)
        ((x, y),) = pixel.tolist()
        is_there = isfinite(x) and isfinite(y)
        if is_there and self._may_fold:
            # TNX, ZPX and TPV have no horizon, and a distortion folds over far from its image: the
            # antipode must not be served as the centre
            lon_deg, lat_deg = self.to_sky(pixel).tolist()[0]
            is_there = _distance_deg(lon_deg, lat_deg, ra_deg, dec_deg) < _ON_SPOT_DEG
        if not is_there:
            raise NoUsableWcs("The centre cannot be projected onto the image.")
        return x, y

    def to_sky(self, pixels: Points) -> Points:
        """Give longitude and latitude in the image's own frame; NaN where there is no sky.

        Parameters
        ----------
        pixels : ndarray of float64, shape (n, 2)
            FITS pixel coordinates.
        """
        focal = self._wcs.pix2foc(pixels, 1) if self._distorted else pixels
        world = self._prm.p2s(focal, 1)["world"]
        return world if self._lng == 0 else world[:, ::-1]  # type: ignore[no-any-return]

    def to_j2000(self, x: float, y: float) -> tuple[float, float] | None:
        """Give the J2000 position of a place in FITS pixel coordinates; None if it is no sky."""
        lon_deg, lat_deg = map(float, self.to_sky(np.array([[x, y]], np.float64))[0])
        if not (isfinite(lon_deg) and isfinite(lat_deg)):
            return None
        if self._to_j2000 is not None:
            lon_deg, lat_deg = self._to_j2000(lon_deg, lat_deg)
        return lon_deg % 360, lat_deg

    @cached_property
    def _to_j2000(self) -> Conversion | None:
        return conversion_to_j2000(self._prm)

    @np.errstate(invalid="ignore", over="ignore")  # numbers of a hostile header
    def _undistort(self, focal: Points) -> Points:
        """Invert the distortion by Newton's method, whether or not AP and BP are there."""
        pixel = focal.copy()
        for _ in range(_MAX_STEPS):
            there = self._wcs.pix2foc(pixel + _NEAR, 1)
            jacobian = (there[1:] - there[0]).T * 2
            try:
                step = np.linalg.solve(jacobian, focal[0] - there[0])
            except np.linalg.LinAlgError:
                break
            pixel = pixel + step
            if not np.isfinite(step).all():
                break
            if np.abs(step).max() < _ON_SPOT_PX:
                return pixel
        return np.full((1, 2), np.nan)


@np.errstate(invalid="ignore", over="ignore")  # numbers of a hostile header
def _may_fold(trimmed: bytes, header: fits.Header, wcs: WCS) -> bool:
    """Tell whether several positions on the sky may have the same pixel."""
    is_bent = any(_BENDING.match(trimmed, i) for i in range(0, len(trimmed), CARD))
    # wcslib changes the name of one that it knows by another
    is_plain = str(header.get("CTYPE1", ""))[-3:] in _ONE_TO_ONE
    # beyond these numbers all pixels are one
    scale_deg, reference_px = np.abs(wcs.pixel_scale_matrix), np.abs(wcs.wcs.crpix)
    is_sane = bool((scale_deg < _MAX_SCALE_DEG).all() and (reference_px < _MAX_REFERENCE_PX).all())
    return is_bent or not is_plain or not is_sane


def _distance_deg(lon_1: float, lat_1: float, lon_2: float, lat_2: float) -> float:
    """Give one great-circle distance: `separation_deg` for a tenth of its cost."""
    d_lon, d_lat = radians(lon_1 - lon_2) / 2, radians(lat_1 - lat_2) / 2
    h = sin(d_lat) ** 2 + cos(radians(lat_1)) * cos(radians(lat_2)) * sin(d_lon) ** 2
    return degrees(2 * asin(sqrt(min(h, 1.0)))) if isfinite(h) else nan


def separation_deg(a: Points, b: Points) -> Points:
    """Give the great-circle distances between positions, precise also for the smallest."""
    a, b = np.radians(a), np.radians(b)
    d_lon, d_lat = (a[:, 0] - b[:, 0]) / 2, (a[:, 1] - b[:, 1]) / 2
    h = np.sin(d_lat) ** 2 + np.cos(a[:, 1]) * np.cos(b[:, 1]) * np.sin(d_lon) ** 2
    return np.degrees(2 * np.arcsin(np.sqrt(np.minimum(h, 1.0))))  # type: ignore[no-any-return]
