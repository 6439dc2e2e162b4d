"""The images of the demonstration archive: painted sky under headers that are true to it.

Each maker has its own seed, so that a file made again is the same file.
"""

from typing import Any

import numpy as np
from astropy.io import fits
from numpy.random import default_rng
from numpy.typing import NDArray

from gateway.demo_sky import Image, add_spiral, add_stars, observe

Cards = dict[str, Any]

EUCLID_CENTER = (273.4866, 64.3971)
"""RA and Dec of the galaxy, in degrees: the reference point of the mosaic."""

_EUCLID_PX = 1920  # a tenth of a true tile along each axis
_SPHEREX_PX = 2040
_WISE_PX = 1016


def make_euclid_mosaic() -> fits.HDUList:
    """Make a mosaic of 0.1 arcsec pixels with a spiral galaxy at its centre."""
    rng = default_rng(102158277)
    signal = np.zeros((_EUCLID_PX, _EUCLID_PX), np.float32)
    add_stars(signal, rng, count=500, fwhm_px=4.8, faintest=2.5)
    center = (_EUCLID_PX - 1) / 2
    add_spiral(signal, center, center, scale_px=55.0, peak=40.0)
    return _single(observe(rng, signal, variance=1 + 0.02 * signal), _euclid_cards("BGSUB-MOSAIC"))


def make_euclid_background() -> fits.HDUList:
    """Make the smooth background that was taken off the mosaic."""
    y, x = np.ogrid[-1 : 1 : _EUCLID_PX * 1j, -1 : 1 : _EUCLID_PX * 1j]
    background = 31.0 + 0.8 * x - 1.1 * y + 0.5 * x * y + 0.3 * x**2
    return _single(background.astype(np.float32), _euclid_cards("BGMOD"))


def _euclid_cards(product: str) -> Cards:
    return {
        "TELESCOP": ("Euclid", "painted for demonstration"),
        "INSTRUME": "NISP",
        "FILTER": "NIR_H",
        "TILEIDX": (102158277, "tile"),
        "PRODUCT": product,
        "MAGZERO": (30.0, "[mag] AB zero point"),
        **_celestial("TAN", EUCLID_CENTER, (_EUCLID_PX + 1) / 2, (_EUCLID_PX + 1) / 2),
        "CD1_1": (-0.1 / 3600, "[deg/pixel]"),
        "CD1_2": 0.0,
        "CD2_1": 0.0,
        "CD2_2": (0.1 / 3600, "[deg/pixel]"),
        "RADESYS": "ICRS",
        "EQUINOX": 2000.0,
    }


def make_twomass_image() -> fits.HDUList:
    """Make a scan image of 1 arcsec pixels whose outermost pixels saw no sky."""
    rng = default_rng(190056)
    signal = np.full((1024, 512), 530.0, np.float32)
    add_stars(signal, rng, count=350, fwhm_px=2.8, faintest=12.0)
    image = observe(rng, signal, variance=16 + 0.1 * (signal - 530))
    image[:, [0, -1]] = np.nan
    image[[0, -1], :] = np.nan
    cards: Cards = {
        "TELESCOP": ("2MASS", "painted for demonstration"),
        "FILTER": "h",
        "ORDATE": ("000105", "night of the observation, yymmdd"),
        "HEMISPHE": "s",
        "SCANNO": (19, "scan of the night"),
        "BUNIT": "DN",
        "MAGZP": (20.4712, "[mag] zero point"),
        **_celestial("SIN", (83.825767, -43.068275), 256.5, 512.5),
        "CDELT1": (-0.000277777845, "[deg/pixel]"),
        "CDELT2": (0.000277777845, "[deg/pixel]"),
        "CROTA2": (0.0412087, "[deg]"),
        "RADESYS": "FK5",
        "EQUINOX": 2000.0,
    }
    return _single(image, cards)


def make_wise_intensity() -> fits.HDUList:
    """Make a frame of 2.75 arcsec pixels with distortion."""
    intensity, _ = _wise_frame()
    return _single(intensity, _wise_cards("intensity image frame"))


def make_wise_uncertainty() -> fits.HDUList:
    """Make the standard deviation of each pixel of the frame."""
    _, uncertainty = _wise_frame()
    return _single(uncertainty, _wise_cards("uncertainty image frame"))


def _wise_frame() -> tuple[Image, Image]:
    rng = default_rng(2206149)
    signal = np.full((_WISE_PX, _WISE_PX), 9.0, np.float32)
    add_stars(signal, rng, count=900, fwhm_px=2.3, faintest=2.0)
    variance = 0.4 + 0.05 * (signal - 9)
    return observe(rng, signal, variance), np.sqrt(variance)


def _wise_cards(file_type: str) -> Cards:
    return {
        "TELESCOP": ("WISE", "painted for demonstration"),
        "FILETYPE": file_type,
        "WAVELEN": (3.368, "[micron] effective wavelength"),
        "BAND": 1,
        "SCAN": "02206a",
        "FRNUM": (149, "frame of the scan"),
        "BUNIT": "DN",
        "MAGZP": (20.752, "[mag] zero point"),
        **_celestial("SIN-SIP", (70.11452, 19.93771), 508.5, 508.5),
        "CD1_1": (0.000589617, "[deg/pixel]"),
        "CD1_2": -0.000486143,
        "CD2_1": -0.000486143,
        "CD2_2": (-0.000589617, "[deg/pixel]"),
        "RADESYS": "FK5",
        "EQUINOX": 2000.0,
        **_sip("A", p20=1.3e-6, p11=-4.2e-7, p02=6.0e-7),
        **_sip("B", p20=-3.1e-7, p11=1.1e-6, p02=-5.0e-7),
    }


def make_spherex_exposure() -> fits.HDUList:
    """Make a spectral image with its mask, variance, zodiacal light, PSFs and wavelengths."""
    rng = default_rng(202503532)
    y, x = np.ogrid[0 : 1 : _SPHEREX_PX * 1j, 0 : 1 : _SPHEREX_PX * 1j]
    zodi = (0.21 + 0.06 * y + 0.01 * x).astype(np.float32)
    signal = zodi.copy()
    add_stars(signal, rng, count=5000, fwhm_px=1.2, faintest=0.12)
    variance = 4e-4 + 1e-3 * signal
    is_source = signal > zodi + 0.05
    flags = is_source.astype(np.int32) << 21
    flags.flat[rng.integers(flags.size, size=1000)] |= 1 << 7  # hot
    cards = _spherex_cards()
    radiance, squared = {"BUNIT": "MJy / sr"}, {"BUNIT": "MJy2 / sr2"}
    bits = {"HIERARCH MP_HOT": (7, "bit"), "HIERARCH MP_SOURCE": (21, "bit")}
    return fits.HDUList(
        [
            fits.PrimaryHDU(),
            _extension("IMAGE", observe(rng, signal, variance), radiance | cards),
            _extension("FLAGS", flags, bits | cards),
            _extension("VARIANCE", variance, squared | cards),
            _extension("ZODI", zodi, radiance | cards),
            _extension("PSF", _spherex_psfs(), {"OVERSAMP": (10, "samples per pixel")}),
            _spherex_wavelengths(),
        ]
    )


def _spherex_cards() -> Cards:
    alternates: Cards = {
        "WCSNAMEA": "0-based active pixel coordinates",
        "WCSNAMEW": "Approximate wavelength and bandwidth",
        "CNAME1W": "Wavelength",
        "CNAME2W": "Bandwidth",
    }
    for axis, name in ((1, "X"), (2, "Y")):
        alternates |= {
            f"CTYPE{axis}A": "LINEAR",
            f"CUNIT{axis}A": "pixel",
            f"CRPIX{axis}A": 1.0,
            f"CRVAL{axis}A": 0.0,
            f"CDELT{axis}A": 1.0,
            f"CTYPE{axis}W": ("WAVE-TAB", "looked up in the table below"),
            f"CUNIT{axis}W": "um",
            f"CRPIX{axis}W": 1.0,
            f"CRVAL{axis}W": 1.0,
            f"CDELT{axis}W": 1.0,
            f"PS{axis}_0W": ("WCS-WAVE", "extension"),
            f"PS{axis}_1W": ("VALUES", "column of coordinates"),
            f"PS{axis}_2W": (name, "column of pixel positions"),
            f"PV{axis}_3W": (axis, "place in VALUES"),
        }
    return {
        "TELESCOP": ("SPHEREx", "painted for demonstration"),
        "DETECTOR": 3,
        "HIERARCH SPS_TARGET": (87514, "target of the survey plan"),
        "RADESYS": "ICRS",
        **_celestial("TAN-SIP", (268.2131452, 65.8102371), 1020.5, 1020.5),
        "PC1_1": 0.00155173,
        "PC1_2": 0.00069088,
        "PC2_1": 0.00069088,
        "PC2_2": -0.00155173,
        "CDELT1": 1.0,
        "CDELT2": 1.0,
        **_sip("A", p20=4.1e-7, p11=1.0e-6, p02=3.5e-7),
        **_sip("B", p20=1.6e-6, p11=1.9e-7, p02=5.0e-7),
        **alternates,
    }


def _spherex_psfs() -> Image:
    """Draw the PSF in each of 11 x 11 zones, ten samples per pixel: shape (121, 41, 41)."""
    sigma = np.linspace(4.6, 5.4, 121)[:, None, None]
    y, x = np.ogrid[-20:21, -20:21]
    psfs: Image = np.exp(-(x**2 + y**2) / (2 * sigma**2)).astype(np.float32)
    psfs /= psfs.sum(axis=(1, 2), keepdims=True)
    return psfs


def _spherex_wavelengths() -> fits.BinTableHDU:
    """Tabulate wavelength and bandwidth, in micrometres, at 9 x 14 pixels of the detector."""
    x = np.linspace(1, _SPHEREX_PX, 9).round()
    y = np.linspace(1, _SPHEREX_PX, 14).round()
    bow = 0.02 * (x / _SPHEREX_PX - 0.5) ** 2
    wavelength = 1.64 * (2.42 / 1.64) ** (y[:, None] / _SPHEREX_PX) + bow
    values = np.stack([wavelength, wavelength / 41], axis=-1)
    columns = [
        fits.Column("X", "9J", array=x[None]),
        fits.Column("Y", "14J", array=y[None]),
        fits.Column("VALUES", "252E", dim="(2,9,14)", array=values[None]),
    ]
    return fits.BinTableHDU.from_columns(columns, name="WCS-WAVE")


def _celestial(projection: str, crval: tuple[float, float], crpix1: float, crpix2: float) -> Cards:
    """Write the cards of a reference point."""
    return {
        "CTYPE1": "RA---" + projection,
        "CTYPE2": "DEC--" + projection,
        "CUNIT1": "deg",
        "CUNIT2": "deg",
        "CRVAL1": (crval[0], "[deg]"),
        "CRVAL2": (crval[1], "[deg]"),
        "CRPIX1": crpix1,
        "CRPIX2": crpix2,
    }


def _sip(axis: str, *, p20: float, p11: float, p02: float) -> Cards:
    """Write a quadratic distortion and its inverse.

    The negated polynomial inverts so weak a distortion to better than 0.02 pixel.
    """
    terms = {"2_0": p20, "1_1": p11, "0_2": p02}
    return {
        f"{axis}_ORDER": 2,
        **{f"{axis}_{term}": value for term, value in terms.items()},
        f"{axis}P_ORDER": 2,
        **{f"{axis}P_{term}": -value for term, value in terms.items()},
    }


def _single(image: Image, cards: Cards) -> fits.HDUList:
    hdu = fits.PrimaryHDU(image)
    hdu.header.update(cards)
    return fits.HDUList([hdu])


def _extension(name: str, data: NDArray[Any], cards: Cards) -> fits.ImageHDU:
    hdu = fits.ImageHDU(data, name=name)
    hdu.header.update(cards)
    return hdu
