"""Ways to write world coordinates: projections, distortions, matrices, units and frames."""

import warnings
from dataclasses import dataclass, field

import numpy as np
from astropy.coordinates import (
    FK4,
    FK5,
    BarycentricMeanEcliptic,
    BaseCoordinateFrame,
    Galactic,
    Supergalactic,
)
from astropy.io import fits
from astropy.wcs import WCS

from gateway.core.header import Header
from gateway.core.wcs import ImageWcs, trim
from tests.fits_files import SIP, TAN

J2000 = FK5()
PIXELS = np.array([(1.0, 1.0), (60.25, 50.75), (120.0, 100.0), (17.3, 88.8), (-40.5, 160.0)])


@dataclass(frozen=True)
class Form:
    """A way to write world coordinates."""

    name: str
    cards: dict[str, object]
    """Added to, or in place of, those of a plain TAN; None takes one away."""
    frame: BaseCoordinateFrame = field(default_factory=FK5)
    points: np.ndarray = field(default_factory=lambda: PIXELS)

    def __str__(self):
        return self.name

    @property
    def header(self) -> fits.Header:
        """The cards as a header."""
        return tan(self.cards)

    @property
    def wcs(self) -> WCS:
        """What astropy makes of the header."""
        header = self.header
        if self.name == "TPV without PV":
            header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
        return header_wcs(header)


def tan(cards: dict[str, object]) -> fits.Header:
    """Add cards to those of a plain TAN, or change them, or take them away by None."""
    return fits.Header({key: value for key, value in (TAN | cards).items() if value is not None})


def header_wcs(header: fits.Header, hdus: fits.HDUList | None = None) -> WCS:
    """Make astropy's world coordinates, without its remarks."""
    with warnings.catch_warnings(action="ignore"):
        return WCS(header, hdus)


def projection(code: str, lon: str = "RA--", lat: str = "DEC-", **cards: object) -> dict:
    """Name the axes."""
    return {"CTYPE1": f"{lon:-<4}-{code}", "CTYPE2": f"{lat:-<4}-{code}"} | cards


NO_CDELT = {"CDELT1": None, "CDELT2": None}
CD = {**NO_CDELT, "CD1_1": -2e-4, "CD1_2": 1e-4, "CD2_1": 1.1e-4, "CD2_2": 2.1e-4}
INVERSE = {"AP_ORDER": 2, "AP_2_0": -2e-5, "AP_1_1": -1e-5, "BP_ORDER": 2, "BP_0_2": 3e-5,
           "BP_1_1": -2e-5}  # fmt: skip
PV = {"PV1_0": 0.0, "PV1_1": 1.01, "PV1_2": 0.002, "PV1_4": 0.3, "PV1_6": 0.1, "PV2_1": 0.99,
      "PV2_2": -0.001, "PV2_5": 0.2}  # fmt: skip
ALLSKY = {"CDELT1": -3.0, "CDELT2": 3.0}

FORMS = [
    Form("TAN", {}),
    Form("SIN", projection("SIN")),
    Form("NCP", projection("NCP", CRVAL2=60.0)),
    Form("ZEA", projection("ZEA")),
    Form("STG", projection("STG")),
    Form("ZPN", projection("ZPN", PV2_1=1.0, PV2_3=40.0)),
    Form("CAR", projection("CAR", CRVAL2=0.0, CRPIX2=-7000.0)),
    Form("SFL", projection("SFL")),
    Form("GLS", projection("GLS", CRVAL2=0.0, CRPIX2=-7000.0)),
    Form("AIT", projection("AIT", **ALLSKY), points=PIXELS[1:2]),
    Form("MOL", projection("MOL", **ALLSKY), points=PIXELS[1:2]),
    Form("CEA", projection("CEA", PV2_1=1.0, **ALLSKY), points=PIXELS[1:2]),
    Form("HPX", projection("HPX", CRVAL1=0.0, CRVAL2=0.0, **ALLSKY), points=PIXELS[1:2]),
    Form("XPH", projection("XPH", CRVAL1=0.0, CRVAL2=90.0), points=PIXELS[1:4]),
    Form("COE", projection("COE", PV2_1=45.0, PV2_2=25.0)),
    Form("TAN-SIP", SIP),
    Form("TAN-SIP with AP and BP", SIP | INVERSE),
    Form("SIN-SIP", SIP | projection("SIN-SIP")),
    Form("SIP and no suffix", {k: v for k, v in SIP.items() if "CTYPE" not in k}),
    Form("SIP of odd orders", SIP | {"A_ORDER": 4, "A_0_3": 1e-8, "B_ORDER": 3, "B_3_0": 2e-8}),
    Form("TPV", CD | projection("TPV", **PV)),
    Form("TPV with CDELT", projection("TPV", PV1_1=1.01, PV1_2=0.002, PV2_1=0.99)),
    Form("TPV without PV", projection("TPV")),
    Form("SCAMP's TAN with PV", CD | PV),
    Form("CD", CD),
    Form("CD and a stray CDELT", CD | {"CDELT1": 1.0, "CDELT2": 1.0}),
    Form("CD with zeros left out", NO_CDELT | {"CD1_1": -2e-4, "CD2_2": 2e-4}),
    Form("PC", {"PC1_1": 0.8, "PC1_2": -0.6, "PC2_1": 0.6, "PC2_2": 0.8}),
    Form("old PC", {"PC001001": 0.8, "PC001002": -0.6, "PC002001": 0.6, "PC002002": 0.8}),
    Form("CROTA2", {"CROTA2": 33.0}),
    Form("CUNIT", {"CUNIT1": "arcsec", "CUNIT2": "arcsec", "CDELT1": -1.0, "CDELT2": 1.0,
                   "CRVAL1": 540360.0, "CRVAL2": 7920.0}),
    Form("no CRPIX", {"CRPIX1": None, "CRPIX2": None}),
    Form("swapped axes", {"CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN", "CRVAL1": 2.2,
                          "CRVAL2": 150.1}),
    Form("the pole", {"CRVAL2": 90.0}),
    Form("near the pole", {"CRVAL2": -89.998}),
    Form("the wrap of right ascension", {"CRVAL1": 0.001}),
    Form("LONPOLE and LATPOLE", {"LONPOLE": 120.0, "LATPOLE": 10.0}),
    Form("WCSAXES and a third axis", {"WCSAXES": 3, "CTYPE3": "FREQ", "CRVAL3": 1e9, "CDELT3": 1.0,
                                      "CRPIX3": 1.0}),
    Form("an alternate", {"CTYPE1A": "LINEAR", "CRVAL1A": 5.0, "CRPIX1A": 3.0, "CDELT1A": 1.0}),
    Form("ICRS", {"RADESYS": "ICRS"}),
    Form("FK5 of 1975", {"RADESYS": "FK5", "EQUINOX": 1975.0}, FK5(equinox="J1975")),
    Form("B1950", {"EQUINOX": 1950.0}, FK4(equinox="B1950")),
    Form("EPOCH", {"EPOCH": 1950.0}, FK4(equinox="B1950")),
    Form("RADECSYS", {"RADECSYS": "FK4"}, FK4(equinox="B1950")),
    Form("ICRS goes before EQUINOX", {"RADESYS": "ICRS", "EQUINOX": 1950.0}),
    Form("galactic", projection("TAN", "GLON", "GLAT"), Galactic()),
    Form("galactic CAR", projection("CAR", "GLON", "GLAT", CRVAL2=0.0), Galactic()),
    Form("supergalactic", projection("TAN", "SLON", "SLAT"), Supergalactic()),
    Form("ecliptic", projection("TAN", "ELON", "ELAT"), BarycentricMeanEcliptic(equinox="J2000")),
]  # fmt: skip


def image_wcs(header: fits.Header) -> ImageWcs:
    """Make the world coordinates of a header."""
    return ImageWcs(trim(Header("".join(each.image for each in header.cards).encode())))
