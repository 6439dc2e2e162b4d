"""Builders of small FITS files as bytes: whole ones by astropy, broken ones card by card."""

import io
import warnings
from collections.abc import Mapping

import numpy as np
from astropy.io import fits

from gateway.core.header import BLOCK, CARD

NX, NY = 120, 100
"""The size of an image where a test names no other."""

TAN = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRPIX1": 60.25,
    "CRPIX2": 50.75,
    "CRVAL1": 150.1,
    "CRVAL2": 2.2,
    "CDELT1": -1 / 3600,
    "CDELT2": 1 / 3600,
}
"""A gnomonic projection with pixels of one arcsecond, north up."""

SIP = TAN | {
    "CTYPE1": "RA---TAN-SIP",
    "CTYPE2": "DEC--TAN-SIP",
    "A_ORDER": 2,
    "A_2_0": 2e-5,
    "A_1_1": 1e-5,
    "B_ORDER": 2,
    "B_0_2": -3e-5,
    "B_1_1": 2e-5,
}
"""The same, distorted, without the inverse polynomials AP and BP."""

LOOKUP = TAN | {
    "CPDIS1": "LOOKUP",
    "CPDIS2": "LOOKUP",
    "D2IMDIS1": "LOOKUP",
}
"""The same, distorted by the tables that `lookup_file` adds."""


def pixels(shape: tuple[int, ...] = (NY, NX), dtype: str = "f4", seed: int = 1) -> np.ndarray:
    """Draw noise; floats have a few NaN."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind != "f":
        return rng.integers(0, 200, shape).astype(dtype)
    drawn = rng.normal(100, 10, shape).astype(dtype)
    drawn[rng.random(shape) < 0.02] = np.nan
    return drawn


def image(data: np.ndarray | None = None, cards: Mapping[str, object] | None = None) -> bytes:
    """Make a file of one image."""
    return mef(fits.PrimaryHDU(pixels() if data is None else data), cards=cards or {})


def extension(data: np.ndarray, name: str, cards: Mapping[str, object] | None = None):
    """Make an image extension."""
    hdu = fits.ImageHDU(data, name=name)
    hdu.header.update(cards or {})
    return hdu


def spectrum(n: int = 50) -> fits.PrimaryHDU:
    """Make an array of one axis."""
    return fits.PrimaryHDU(pixels((n,)))


def table(name: str = "SOURCES") -> fits.BinTableHDU:
    """Make a small table."""
    columns = [fits.Column("ra", "D", array=[1.0, 2.0]), fits.Column("id", "J", array=[1, 2])]
    return fits.BinTableHDU.from_columns(columns, name=name)


def ascii_table(name: str = "TEXT") -> fits.TableHDU:
    """Make a table in characters; its padding is blanks."""
    columns = [fits.Column("flux", "E15.7", array=[1.0, 2.0], ascii=True)]
    return fits.TableHDU.from_columns(columns, name=name)


def mef(*hdus, cards: Mapping[str, object] | None = None) -> bytes:
    """Make a file of several HDUs; the cards go into the first."""
    if not isinstance(hdus[0], fits.PrimaryHDU):
        hdus = (fits.PrimaryHDU(), *hdus)
    hdus[0].header.update(cards or {})
    buffer = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):  # long keywords become HIERARCH cards
        fits.HDUList(list(hdus)).writeto(buffer)
    return buffer.getvalue()


def lookup_file(nx: int = NX, ny: int = NY) -> bytes:
    """Make an image whose sky is bent by three lookup tables (CPDIS1, CPDIS2 and D2IMDIS1)."""
    science = extension(pixels((ny, nx)), "SCI", LOOKUP)
    for number, axis, record in ((1, 1, "DP1"), (2, 2, "DP2"), (1, 1, "D2IM1")):
        for text in (f"EXTVER: {number}", "NAXES: 2", "AXIS.1: 1", "AXIS.2: 2"):
            science.header.append((record, text), end=True)
        assert axis in {1, 2}
    tables = []
    for seed, (name, version) in enumerate((("WCSDVARR", 1), ("WCSDVARR", 2), ("D2IMARR", 1))):
        rng = np.random.default_rng(seed)
        step_x, step_y = 9.5, 16
        drawn = rng.uniform(-0.7, 0.7, (ny // 16 + 2, nx // 9 + 2)).astype("f4")
        found = extension(drawn, name, {"CRPIX1": 1, "CRPIX2": 1, "CRVAL1": 1, "CRVAL2": 1})
        found.header.update({"EXTVER": version, "CDELT1": step_x, "CDELT2": step_y})
        tables.append(found)
    return mef(science, *tables)


def card(keyword: str, field: str = "", *, indicator: str = "= ") -> bytes:
    """Write one card, as wrong as it is asked for; `field` is all behind the value indicator."""
    return (keyword.ljust(8) + indicator + field).encode("latin-1").ljust(CARD)[:CARD]


def header(*cards: bytes, end: bytes = b"END") -> bytes:
    """Write a header from its cards."""
    text = b"".join(cards) + end
    return text.ljust(-(-len(text) // BLOCK) * BLOCK)


def mandatory(shape: tuple[int, ...], bitpix: int = 8, *, xtension: str = "") -> list[bytes]:
    """Write the mandatory cards of a primary header, or of an extension's."""
    first = card("XTENSION", f"'{xtension:8}'") if xtension else card("SIMPLE", f"{'T':>20}")
    axes = [card(f"NAXIS{i}", f"{n:20}") for i, n in enumerate(shape, 1)]
    counts = [card("PCOUNT", f"{0:20}"), card("GCOUNT", f"{1:20}")] if xtension else []
    return [
        first,
        card("BITPIX", f"{bitpix:20}"),
        card("NAXIS", f"{len(shape):20}"),
        *axes,
        *counts,
    ]
