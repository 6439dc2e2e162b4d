"""The public page of the service, sentence by sentence, over HTTP on the demonstration archive.

Each test quotes what it proves.
"""

import gzip
import io
import math
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import numpy as np
import pytest
from aiohttp.test_utils import TestClient, TestServer
from astropy.io import fits
from astropy.wcs import WCS
from yarl import URL

from gateway.config import load_settings
from gateway.web.app import build_app

pytest_plugins = ("tests.demo_archive",)

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


@pytest.fixture
async def client(demo_archive: Path) -> AsyncIterator[TestClient]:
    """Serve the archive as the command `demo` does."""
    collections = [
        {"path": "/ibe/data", "url": str(demo_archive)},
        {"path": "/ibe/data/spherex", "url": str(demo_archive / "spherex"), "gzip": "never"},
    ]
    app = build_app(load_settings(None, {"collections": collections}))
    async with TestClient(TestServer(app)) as client:
        yield client


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


async def get(client: TestClient, url: str) -> Answer:
    """Ask for a URL as it is written."""
    async with client.get(URL(url, encoded=True)) as response:
        assert "Content-Encoding" not in response.headers
        name = response.content_disposition.filename if response.content_disposition else ""
        return Answer(response.status, await response.read(), response.content_type, name or "")


def parent_pixels(archive: Path, path: str) -> np.ndarray:
    """Give the array of a file of the archive."""
    return fits.getdata(archive / path.removeprefix("/ibe/data/"))


def to_pixel(archive: Path, path: str, ra_deg: float, dec_deg: float) -> tuple[float, float]:
    """Give the FITS pixel at a position, by astropy."""
    header = fits.getheader(archive / path.removeprefix("/ibe/data/"))
    x, y = WCS(header).all_world2pix(ra_deg, dec_deg, 1)
    return float(x), float(y)


def center_of(archive: Path, path: str) -> tuple[float, float]:
    """Give the position of the pixel in the middle of a file, by astropy."""
    header = fits.getheader(archive / path.removeprefix("/ibe/data/"))
    middle = (header["NAXIS1"] + 1) // 2, (header["NAXIS2"] + 1) // 2
    ra, dec = WCS(header).all_pix2world(*middle, 1)
    return float(ra), float(dec)


@pytest.mark.parametrize("path", [INTENSITY, UNCERTAINTY])
async def test_a_query_string_asks_for_a_cutout(client: TestClient, demo_archive: Path, path: str):
    """Quote: "one can request a cutout of a FITS image (or gzipped FITS image) by simply appending
    a query string containing the center and size parameters to the image URL".
    """  # noqa: D205, D400, D415
    answer = await get(client, f"{path}?center=300,200px&size=20px")

    assert np.array_equal(answer.pixels, parent_pixels(demo_archive, path)[190:210, 290:310])
