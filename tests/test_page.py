"""What the public page says of cutouts, sentence by sentence. Each test quotes what it proves."""

import io
import re
from itertools import product
from pathlib import Path
from urllib.parse import urljoin

import numpy as np
import pytest
from aiohttp.test_utils import TestClient
from astropy.io import fits
from astropy.wcs import WCS

from tests.page import (
    BACKGROUND,
    INTENSITY,
    MOSAIC,
    SPHEREX,
    TWOMASS,
    UNCERTAINTY,
    center_of,
    get,
    parent_pixels,
)

pytest_plugins = ("tests.demo_archive",)


@pytest.mark.parametrize("path", [INTENSITY, UNCERTAINTY])
async def test_a_query_string_makes_a_cutout(page: TestClient, demo_archive: Path, path: str):
    """A query string after the URL of a plain or a gzipped file asks for a part of it.

    "one can request a cutout of a FITS image (or gzipped FITS image) by simply appending a query
    string containing the center and size parameters to the image URL"
    """
    answer = await get(page, f"{path}?center=300,200px&size=20px")

    assert np.array_equal(answer.pixels, parent_pixels(demo_archive, path)[190:210, 290:310])


async def test_pixels_and_angles_may_be_mixed(page: TestClient, demo_archive: Path):
    """The four mixes of units select the same pixels.

    "The center position and the size of the cutout can be specified either in terms of pixels or
    angles"; "The units of the position and size parameters do not have to be the same"
    """
    ra, dec = center_of(demo_archive, TWOMASS)
    centers, sizes = ("256,512pix", f"{ra!r},{dec!r}deg"), ("90pix", "90arcsec")

    answers = {
        (await get(page, f"{TWOMASS}?center={center}&size={size}")).fits
        for center, size in product(centers, sizes)
    }

    assert len(answers) == 1


@pytest.mark.parametrize("path", [MOSAIC, BACKGROUND, TWOMASS, INTENSITY, UNCERTAINTY])
async def test_cutouts_are_gzipped_by_default(page: TestClient, path: str):
    """Whatever the parent is, its cutout is a gzip file, and is called so.

    "Most cutouts are gzipped by default and will have the extension '.fits.gz'"; "will return
    cutouts in gzipped form by default, regardless of whether the parent image is compressed or
    not"; "the default suggested file name, which will be the name of the parent image"
    """
    answer = await get(page, f"{path}?center=100,100px&size=9px")

    assert answer.is_gzipped
    assert answer.content_type == "application/gzip"
    assert answer.file_name == path.rpartition("/")[2].removesuffix(".gz") + ".gz"


@pytest.mark.parametrize("path", [INTENSITY, UNCERTAINTY])
async def test_uncompressed_cutouts(page: TestClient, path: str):
    """The file is a plain one, and is called so.

    "adding gzip=false to the parameters will cause an uncompressed FITS image to be returned"
    """
    answer = await get(page, f"{path}?center=100,100px&size=9px&gzip=false")

    assert answer.body.startswith(b"SIMPLE  =")
    assert answer.content_type == "application/fits"
    assert answer.file_name == path.rpartition("/")[2].removesuffix(".gz")


@pytest.mark.parametrize("flag", ["", "&gzip=true", "&gzip=false"])
async def test_spherex_is_never_gzipped(page: TestClient, flag: str):
    """The flag is accepted, and changes nothing.

    "Unlike cutouts from other data sets, SPHEREx cutouts will not be gzipped."
    """
    answer = await get(page, f"{SPHEREX}?center=1020,1020pix&size=100pix{flag}")

    assert answer.body.startswith(b"SIMPLE  =")
    assert answer.file_name == SPHEREX.rpartition("/")[2]


async def test_all_extensions_are_cut_alike(page: TestClient, demo_archive: Path):
    """All images of the sky have the same 100 x 100 pixels, and no extension is missing.

    "a 100 x 100 pixel cutout is made from a SPHEREx image"; "All extensions are cut out in the
    same way, so the cutout returned will also be a MEF file with the same number of extensions"
    """
    answer = await get(page, f"{SPHEREX}?center=1020,1020pix&size=100pix")

    path = demo_archive / SPHEREX.removeprefix("/ibe/data/")
    with fits.open(io.BytesIO(answer.fits)) as cutout, fits.open(path) as parent:
        assert [hdu.name for hdu in cutout] == [hdu.name for hdu in parent]
        for name in ("IMAGE", "FLAGS", "VARIANCE", "ZODI"):
            section = parent[name].data[970:1070, 970:1070]
            assert cutout[name].data.tobytes() == section.tobytes()


async def test_axes_stay_those_of_the_parent(page: TestClient, demo_archive: Path):
    """A rotated image is not turned: the pixels and the matrix of its sky are those it has.

    "the axes of cutouts are always aligned with the axes of the parent image"; "This would be the
    case even if the cutout was specified in terms of RA and Dec, and an angular size."
    """
    path = demo_archive / SPHEREX.removeprefix("/ibe/data/")
    with fits.open(path) as parent:
        image = parent["IMAGE"]
        ra, dec = WCS(image.header, parent).all_pix2world(600, 900, 1)
        answer = await get(page, f"{SPHEREX}?center={ra},{dec}&size=300arcsec")

        with fits.open(io.BytesIO(answer.fits)) as hdus:
            cutout = hdus["IMAGE"]
            x, y = (int(image.header[k] - cutout.header[k]) for k in ("CRPIX1", "CRPIX2"))
            ny, nx = cutout.shape
            section = image.data[y : y + ny, x : x + nx]
            assert x < 600 < x + nx < 700
            assert y < 900 < y + ny < 1000
            assert cutout.data.tobytes() == section.tobytes()
            assert cutout.header["P[CV]*"] == image.header["P[CV]*"]


async def test_the_two_clipped_urls_are_one_cutout(page: TestClient):
    """Both URLs of the page return 74 of the 90 columns, and all 90 rows.

    "the following two URLs will both return the same cutout"; "it will be clipped to the portion
    that intersects the parent image"
    """
    by_pixel = await get(page, f"{TWOMASS}?center=29,176pix&size=90arcsec")
    by_sky = await get(page, f"{TWOMASS}?center=83.9124,-43.1616deg&size=90pix")

    assert by_pixel.fits == by_sky.fits
    assert by_pixel.pixels.shape == (90, 74)


async def test_the_center_may_be_outside(page: TestClient):
    """49 pixels beyond the edge, one column is left.

    "the cutout center does not even need to be within the parent image"; "a cutout with just a
    single column of pixels (all NaNs as they are from the edge of the image)"
    """
    answer = await get(page, f"{TWOMASS}?center=-49,175pix&size=100pix")

    assert answer.pixels.shape == (100, 1)
    assert np.isnan(answer.pixels).all()


async def test_no_overlap_is_an_error(page: TestClient):
    """50 pixels beyond the edge, nothing is left.

    "If the cutout center was moved one more pixel away from the image edge, then the request would
    instead return a 500 Internal Server Error"
    """
    answer = await get(page, f"{TWOMASS}?center=-50,175pix&size=100pix")

    assert answer.status == 500
    assert b"does not overlap" in answer.body


async def test_image_and_uncertainty_are_cut_alike(page: TestClient):
    """Both URLs of the page return the same 200 x 200 pixels of sky, uncompressed.

    "The URLs below extract identical cutout areas from the image and the uncertainty image.";
    "we have also chosen to override the default gzipping behavior"
    """
    answers = [
        await get(page, f"{path}?center=70,20&size=200pix&gzip=false")
        for path in (INTENSITY, UNCERTAINTY)
    ]

    headers = [fits.getheader(io.BytesIO(answer.body)) for answer in answers]
    assert [answer.pixels.shape for answer in answers] == [(200, 200)] * 2
    assert headers[0]["CRPIX*"] == headers[1]["CRPIX*"]


async def test_urls_are_found_by_looking_around(page: TestClient):
    """From the folder /ibe/data/ links lead to every image, and each can be cut.

    "The image access URLs can be copied from your browser after navigating to the desired image in
    the IBE data directory tree."
    """
    url = "/ibe/data/"
    for segment in INTENSITY.removeprefix(url).split("/"):
        async with page.get(url, headers={"Accept": "text/html"}) as response:
            links = re.findall(r'href="([^"]+)"', await response.text())
        (link,) = (each for each in links if each.strip("./") == segment)
        url = urljoin(url, link)

    assert url == INTENSITY
