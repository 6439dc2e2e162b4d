"""Libraries: what one would write instead of asking the gateway, at its shortest.

Each opens the file anew, as a script or a simple service does, and gives gzipped FITS.
"""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from time import perf_counter, process_time

import fitsio
import numpy as np
from astrocut import fits_cut
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS

from bench.load import Rate
from bench.targets import Target

Cut = Callable[[Path, float, float, int], bytes]
"""File, centre, size in pixels -> a gzipped FITS file."""


@dataclass(frozen=True, slots=True)
class Library:
    """A way to make a cutout."""

    title: str
    cut: Cut
    on_sky: bool
    """Whether it takes a centre on the sky."""


def cut_by_astropy(path: Path, ra_deg: float, dec_deg: float, size_px: int, level: int) -> bytes:
    """Cut as the documentation of `Cutout2D` does."""
    with fits.open(path) as hdus:
        image = hdus[0]
        center = SkyCoord(ra_deg, dec_deg, unit="deg")
        cutout = Cutout2D(image.data, center, size_px, wcs=WCS(image.header))
        header = image.header.copy()
        header.update(cutout.wcs.to_header())
        buffer = BytesIO()
        fits.PrimaryHDU(cutout.data, header).writeto(buffer)
    return gzip.compress(buffer.getvalue(), level)


def cut_by_astropy_6(path: Path, ra_deg: float, dec_deg: float, size_px: int) -> bytes:
    """Cut, and deflate at the level that most programs use."""
    return cut_by_astropy(path, ra_deg, dec_deg, size_px, 6)


def cut_by_astropy_1(path: Path, ra_deg: float, dec_deg: float, size_px: int) -> bytes:
    """Cut, and deflate at the fastest level."""
    return cut_by_astropy(path, ra_deg, dec_deg, size_px, 1)


def cut_by_astrocut(path: Path, ra_deg: float, dec_deg: float, size_px: int) -> bytes:
    """Cut as astrocut does, which is made for the archive at MAST."""
    center = SkyCoord(ra_deg, dec_deg, unit="deg")
    buffer = BytesIO()
    fits_cut([str(path)], center, size_px, memory_only=True)[0].writeto(buffer)
    return gzip.compress(buffer.getvalue(), 1)


def cut_by_fitsio(path: Path, x_px: float, y_px: float, size_px: int) -> bytes:
    """Read a section and write it; fitsio knows no sky."""
    x, y = int(x_px) - size_px // 2, int(y_px) - size_px // 2
    with fitsio.FITS(str(path)) as parent:
        header = parent[0].read_header()
        pixels = parent[0][y : y + size_px, x : x + size_px]
    header["CRPIX1"] -= x
    header["CRPIX2"] -= y
    with fitsio.FITS("mem://", "rw") as cutout:
        cutout.write(pixels, header=header)
        data = cutout.read_raw()
    return gzip.compress(data, 1)


LIBRARIES = (
    Library("astropy `Cutout2D`, gzip 6", cut_by_astropy_6, on_sky=True),
    Library("astropy `Cutout2D`, gzip 1", cut_by_astropy_1, on_sky=True),
    Library("astrocut `fits_cut`, gzip 1", cut_by_astrocut, on_sky=True),
    Library("fitsio (CFITSIO), gzip 1", cut_by_fitsio, on_sky=False),
)


def measure_library(
    library: Library, target: Target, size_px: int, *, seconds: float, seed: int
) -> Rate:
    """Make cutouts in this process for some seconds; end the program if one has a wrong shape."""
    rng, centers = np.random.default_rng(seed), target.centers(on_sky=library.on_sky)
    n_made, answer, started, used = 0, b"", perf_counter(), process_time()
    while perf_counter() - started < seconds:
        x, y = rng.uniform(*centers.x), rng.uniform(*centers.y)
        answer = library.cut(target.path, x, y, size_px)
        n_made += 1
    elapsed_s, used_s = perf_counter() - started, process_time() - used
    with fits.open(BytesIO(gzip.decompress(answer))) as hdus:
        if hdus[-1].data.shape != (size_px, size_px):
            raise SystemExit(f"{library.title} gave another shape: {hdus[-1].data.shape}")
    return Rate(n_made / elapsed_s, used_s / n_made)
