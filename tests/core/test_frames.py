"""Frames: from J2000 to the frame of an image, against published numbers."""

import pytest
from astropy.wcs import Wcsprm

from gateway.core.errors import NoUsableWcs
from gateway.core.frames import conversion_from_j2000, conversion_to_j2000


def axes(kinds: str = "RA DEC", radesys: str = "", equinox: float | None = None) -> Wcsprm:
    """Describe celestial axes."""
    prm = Wcsprm(naxis=2)
    prm.ctype = [f"{kind:-<5}TAN" for kind in kinds.split()]
    prm.radesys = radesys
    if equinox is not None:
        prm.equinox = equinox
    prm.set()
    return prm


@pytest.mark.parametrize(
    ("radesys", "equinox"),
    [("", None), ("ICRS", None), ("ICRS", 1950.0), ("FK5", None), ("FK5", 2000.0), ("", 2000.0),
     ("icrs ", None), ("GAPPT", None)],
)  # fmt: skip
def test_icrs_and_fk5_of_j2000_are_the_same(radesys, equinox):
    """There is no frame tie; RADESYS goes before EQUINOX; what is unknown is taken for ICRS."""
    assert conversion_from_j2000(axes(radesys=radesys, equinox=equinox)) is None


GALACTIC_POLE = (192.859481, 27.128251)
CASES = {
    # Blaauw et al. 1960, and its J2000 equivalent (Hipparcos, Vol. 1, 1.5.3)
    "the galactic pole": (axes("GLON GLAT"), GALACTIC_POLE, (None, 90), 1e-5),
    "the galactic centre": (axes("GLON GLAT"), (266.40499, -28.93617), (0, 0), 2e-5),
    # de Vaucouleurs et al. 1991
    "the supergalactic pole": (axes("SLON SLAT"), (283.754, 15.709), (None, 90), 1e-3),
    # the obliquity of J2000, 23.4392911 degrees (Lieske 1979)
    "the pole of the ecliptic": (axes("ELON ELAT"), (270, 66.5607089), (None, 90), 3e-5),
    "the summer solstice": (axes("ELON ELAT"), (90, 23.4392911), (90, 0), 3e-5),
    # general precession, 50.29 arcsec a year
    "an ecliptic of date": (axes("ELON ELAT", equinox=2010.0), (0, 0), (0.13970, 0), 2e-4),
    # the definition of galactic coordinates in B1950 has no E-terms
    "the galactic pole in B1950": (
        axes(radesys="FK4-NO-E", equinox=1950.0), GALACTIC_POLE, (192.25, 27.4), 1e-5),
    # 3C 273 in the Third Cambridge Revised Catalogue and today
    "3C 273 in B1950": (axes(radesys="FK4"), (187.277915, 2.052388), (186.63854, 2.32869), 1e-4),
    "3C 273 before 1984": (axes(equinox=1950.0), (187.277915, 2.052388), (186.63854, 2.32869),
                           1e-4),
    # m = 46.124, n = 20.043 arcsec a year
    "the equinox of 1975": (axes(radesys="FK5", equinox=1975.0), (0, 0), (359.67969, -0.13919),
                            6e-5),
    "an equinox after 1984": (axes(equinox=1990.0), (0, 0), (359.87187, -0.05568), 2e-5),
}  # fmt: skip


@pytest.mark.parametrize(("prm", "j2000", "expected", "tolerance_deg"), CASES.values(), ids=CASES)
def test_other_frames_are_converted(prm, j2000, expected, tolerance_deg):
    """Published positions come out in the frame of the image."""
    lon_deg, lat_deg = conversion_from_j2000(prm)(*j2000)
    assert lat_deg == pytest.approx(expected[1], abs=tolerance_deg)
    if expected[0] is not None:
        difference = (lon_deg - expected[0] + 180) % 360 - 180
        assert difference == pytest.approx(0, abs=tolerance_deg)


@pytest.mark.parametrize("prm", [case[0] for case in CASES.values()], ids=CASES)
def test_there_and_back_is_the_same_place(prm):
    """The way to J2000 undoes the way from it, to 0.1 milliarcseconds."""
    ra_deg, dec_deg = conversion_to_j2000(prm)(*conversion_from_j2000(prm)(123.4, -56.7))

    assert (ra_deg % 360, dec_deg) == pytest.approx((123.4, -56.7), abs=2e-8)


def test_j2000_needs_no_way_back():
    """There is no frame tie in this direction either."""
    assert conversion_to_j2000(axes(radesys="ICRS")) is None


def test_the_e_terms_of_aberration_are_taken_into_account():
    """FK4 and FK4-NO-E differ by up to 0.35 arcsec."""
    with_terms = conversion_from_j2000(axes(radesys="FK4"))(100, 30)
    without = conversion_from_j2000(axes(radesys="FK4-NO-E"))(100, 30)
    gap_arcsec = 3600 * max(abs(a - b) for a, b in zip(with_terms, without, strict=True))
    assert 0.05 < gap_arcsec < 0.5


@pytest.mark.parametrize("equinox", [0.0, -1e300, 1e300, float("inf")])
@pytest.mark.parametrize("radesys", ["FK4", "FK5"])
def test_an_absurd_equinox_is_refused(radesys, equinox):
    """Precession is a polynomial: far from today it means nothing."""
    with pytest.raises(NoUsableWcs, match="equinox"):
        conversion_from_j2000(axes(radesys=radesys, equinox=equinox))


@pytest.mark.parametrize("kinds", ["TLON TLAT", "HLON HLAT", "XLON XLAT"])
def test_axes_that_are_not_on_the_sky_of_stars_are_refused(kinds):
    """Places on the Earth or the Sun have no right ascension."""
    with pytest.raises(NoUsableWcs, match="not on the sky of stars"):
        conversion_from_j2000(axes(kinds))
