"""The URLs of the public page, which the demonstration archive has, and how to ask for them."""

import gzip
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from aiohttp.test_utils import TestClient
from astropy.io import fits
from astropy.wcs import WCS
from yarl import URL

EUCLID = "/ibe/data/euclid/q1/MER/102158277/NISP/EUC_MER_"
MOSAIC = EUCLID + "BGSUB-MOSAIC-NIR-H_TILE102158277-797A7D_20241025T122514.635323Z_00.00.fits"
BACKGROUND = EUCLID + "BGMOD-NIR-H_TILE102158277-48F2AF_20241025T122514.635142Z_00.00.fits"
TWOMASS = "/ibe/data/twomass/allsky/allsky/000105s/s019/image/hi0190056.fits.gz"
WISE = "/ibe/data/wise/allsky/4band_p1bm_frm/6a/02206a/149/02206a149-w1-"
INTENSITY = WISE + "int-1b.fits"
UNCERTAINTY = WISE + "unc-1b.fits.gz"
SPHEREX = (
    "/ibe/data/spherex/qr2/level2/2025W20_2B/l2b-v20-2025-247/3/"
    "level2_2025W20_2B_0353_2D3_spx_l2b-v20-2025-247.fits"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    content_type: str
    file_name: str
    """What Content-Disposition suggests; empty without one."""

    @property
    def is_gzipped(self) -> bool:
        """Whether the body is a gzip file."""
        return self.body.startswith(b"\x1f\x8b")

    @property
    def fits(self) -> bytes:
        """The body as a FITS file."""
        assert self.status == 200, self.body.decode()
        return gzip.decompress(self.body) if self.is_gzipped else self.body

    @property
    def pixels(self) -> np.ndarray:
        """The array of its first HDU."""
        return fits.getdata(io.BytesIO(self.fits), 0)


async def get(page: TestClient, url: str) -> Answer:
    """Ask for a URL as it is written."""
    async with page.get(URL(url, encoded=True)) as response:
        assert "Content-Encoding" not in response.headers
        name = response.content_disposition.filename if response.content_disposition else ""
        return Answer(response.status, await response.read(), response.content_type, name or "")


def parent_pixels(archive: Path, path: str) -> np.ndarray:
    """Give the array of a file of the archive."""
    return fits.getdata(archive / path.removeprefix("/ibe/data/"))


def center_of(archive: Path, path: str) -> tuple[float, float]:
    """Give the position of the pixel in the middle of a file, by astropy."""
    header = fits.getheader(archive / path.removeprefix("/ibe/data/"))
    middle = (header["NAXIS1"] + 1) // 2, (header["NAXIS2"] + 1) // 2
    ra, dec = WCS(header).all_pix2world(*middle, 1)
    return float(ra), float(dec)
