"""A small archive for the tests of the web, and what its cutouts are."""

import io

import numpy as np
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from astropy.io import fits
from yarl import URL

from tests.fits_files import TAN, image, pixels
from tests.stores import FakeObject

ROOT = "/ibe/data/x"
IMAGE = f"{ROOT}/a.fits"
CUT = "center=50,40px&size=11,7px"
PLAIN = f"{IMAGE}?{CUT}&gzip=false"
GZIPPED = f"{IMAGE}?{CUT}"
DATA = pixels(dtype="i2")
FILE = image(DATA, TAN)
PIXELS = DATA[36:43, 44:55]


def files(**options) -> dict[str, FakeObject]:
    """Make the one image, and a text beside it."""
    return {
        "a.fits": FakeObject(FILE, **options),
        "folder/notes.txt": FakeObject(b"notes", "n", **options),
    }


def cut_pixels(body: bytes) -> np.ndarray:
    """Read a cutout as a client does, strictly."""
    with fits.open(io.BytesIO(body)) as hdus:
        hdus.verify("exception")
        return hdus[0].data


async def get_raw(client: TestClient, path: str, method: str = "GET", **options) -> ClientResponse:
    """Ask for a path exactly as it is written."""
    url = URL(f"http://{client.host}:{client.port}{path}", encoded=True)
    return await client.session.request(method, url, allow_redirects=False, **options)
