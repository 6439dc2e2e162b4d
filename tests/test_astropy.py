"""Astropy's own way to cut from URLs, on a gateway's files and on its cutouts."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS

from gateway.config import settings_for_source
from gateway.web.app import build_app
from gateway.web.middleware import Handler
from tests.fits_files import TAN, image, pixels

DATA = pixels((1000, 1000))
READ_AHEAD = {"block_size": 20_000}


@dataclass
class Served:
    """A file at a gateway."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    """Of the answers."""
    n_bytes: int = 0
    """Of the bodies that were announced."""

    def note(self, request: web.Request, response: web.StreamResponse) -> None:
        """Note an answer."""
        self.statuses.append(response.status)
        if request.method == "GET":
            self.n_bytes += response.content_length or 0


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """Serve an image of 4 MB, and note what is answered."""
    (tmp_path / "a.fits").write_bytes(image(DATA, TAN))
    noted = Served()
    app = build_app(settings_for_source(str(tmp_path)))

    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        noted.note(request, response)
        return response

    app.middlewares.append(note)
    async with TestServer(app) as server:
        noted.url = str(server.make_url("/ibe/data/a.fits"))
        yield noted


async def test_a_section_of_a_whole_file(served: Served):
    """`Cutout2D` of a remote section has the right pixels and reads few of the others."""

    def cut() -> Cutout2D:
        with fits.open(served.url, use_fsspec=True, fsspec_kwargs=READ_AHEAD) as hdus:
            center = SkyCoord(TAN["CRVAL1"], TAN["CRVAL2"], unit="deg")
            return Cutout2D(hdus[0].section, center, (40, 30), wcs=WCS(hdus[0].header))

    cutout = await asyncio.to_thread(cut)

    assert np.array_equal(cutout.data, DATA[30:70, 45:75], equal_nan=True)
    assert set(served.statuses) == {200, 206}
    assert served.n_bytes < DATA.nbytes / 10


async def test_a_section_of_a_cutout(served: Served):
    """A plain cutout is a remote file like any other, that can be read by ranges."""
    url = f"{served.url}?center=500,500px&size=800px&gzip=false"

    def read() -> np.ndarray:
        with fits.open(url, use_fsspec=True, fsspec_kwargs=READ_AHEAD) as hdus:
            return hdus[0].section[100:110, 200:220]

    found = await asyncio.to_thread(read)

    assert np.array_equal(found, DATA[200:210, 300:320], equal_nan=True)
    assert served.n_bytes < DATA.nbytes / 10


async def test_a_cutout_is_opened_by_its_url(served: Served):
    """`fits.open` takes the URL of a cutout, gzipped as it is by default."""

    def read() -> np.ndarray:
        return fits.getdata(f"{served.url}?center=500,500px&size=20px", cache=False)

    assert np.array_equal(await asyncio.to_thread(read), DATA[490:510, 490:510], equal_nan=True)
