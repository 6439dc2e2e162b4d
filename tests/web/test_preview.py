"""Pictures and their numbers over HTTP."""

import gzip
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from aiohttp.test_utils import TestClient

from gateway.config import load_settings
from gateway.core.header import pad_to_block
from gateway.web.app import build_app
from tests.fits_files import TAN, extension, header, image, mandatory, mef, pixels, table
from tests.stores import FakeObject
from tests.web.conftest import Connect
from tests.web.small_archive import IMAGE, ROOT

DATA = np.arange(40 * 60, dtype="f4").reshape(40, 60)
DATA[30:, :5] = np.nan
FILE = mef(
    extension(DATA, "SCI", TAN | {"BUNIT": "MJy/sr"}),
    extension(pixels((40, 60), "i2"), "MASK"),
    table("SOURCES"),
)


@pytest.fixture
async def client(connect: Connect) -> TestClient:
    """Serve one file of two images and a table."""
    return await connect({"a.fits": FakeObject(FILE), "a.fits.gz": FakeObject(gzip.compress(FILE))})


@pytest.mark.parametrize("name", ["a.fits", "a.fits.gz"])
async def test_a_png_shows_the_image(client, name):
    """The top row is the highest y; NaN is transparent; values grow brighter."""
    response = await client.get(f"{ROOT}/{name}?format=png&stretch=linear&cuts=minmax")
    picture = imagecodecs.png_decode(await response.read())

    assert response.content_type == "image/png"
    assert response.headers["Content-Disposition"] == 'inline; filename="a.fits.png"'
    assert picture.shape == (40, 60, 4)
    np.testing.assert_array_equal(picture[..., 3], np.where(np.isnan(DATA[::-1]), 0, 255))
    seen = picture[::-1, :, 0][np.isfinite(DATA)].astype(int)
    assert (np.diff(seen) >= 0).all()
    assert (seen[0], seen[-1]) == (0, 255)


@pytest.mark.parametrize(
    ("form", "decode"), [("jpeg", imagecodecs.jpeg8_decode), ("webp", imagecodecs.webp_decode)]
)
async def test_other_formats(client, form, decode):
    """The content type tells the format."""
    response = await client.get(f"{IMAGE}?format={form}&width=20&cmap=viridis")

    assert response.content_type == f"image/{form}"
    assert decode(await response.read()).shape[:2] == (14, 20)


async def test_a_part_is_the_part_of_the_whole(client):
    """The cutout that center and size select is what is drawn."""
    style = "format=png&cuts=0,2400&stretch=linear"
    whole = await (await client.get(f"{IMAGE}?{style}")).read()
    part = await (await client.get(f"{IMAGE}?{style}&center=20.5,10.5px&size=10,6px")).read()

    np.testing.assert_array_equal(
        imagecodecs.png_decode(part), imagecodecs.png_decode(whole)[40 - 13 : 40 - 7, 15:25]
    )


async def test_another_hdu_is_drawn_by_its_name(client):
    """The same question with another hdu has another answer, and another tag."""
    first = await client.get(f"{IMAGE}?format=png")
    mask = await client.get(f"{IMAGE}?format=png&hdu=mask")

    assert await first.read() != await mask.read()
    assert first.headers["ETag"] != mask.headers["ETag"]


async def test_the_numbers_of_a_picture(client):
    """JSON says which pixels are shown, their range, the cuts, and where they lie on the sky."""
    query = "format=json&hdu=SCI&center=60.25,20.75px&size=5,4px&cuts=1,9"
    response = await client.get(f"{IMAGE}?{query}")
    found = await response.json()
    picture, cutout = found["picture"], found["cutout"]
    shown = DATA[18:22, 57:60]

    assert {name: picture[name] for name in ("hdu", "name", "x", "y", "width", "height")} == {
        "hdu": 1, "name": "SCI", "x": 58, "y": 19, "width": 3, "height": 4,
    }  # fmt: skip
    assert (picture["minimum"], picture["maximum"]) == (shown.min(), shown.max())
    assert (picture["low"], picture["high"], picture["unit"]) == (1, 9, "MJy/sr")
    assert picture["sky"]["width_deg"] == pytest.approx(3 / 3600, rel=1e-3)
    whole = await client.get(f"{IMAGE}?center=60.25,20.75px&size=5,4px&hdu=SCI&gzip=off")
    assert cutout == {"name": "a.fits.gz", "bytes": len(await whole.read())}


async def test_the_value_of_one_pixel(client):
    """A size of zero is one pixel: its value, or null, and its place."""
    for x, y, value in ((11, 6, 310.0), (1, 40, None)):
        response = await client.get(f"{IMAGE}?format=json&center={x},{y}px&size=0px")
        picture = (await response.json())["picture"]

        assert (picture["x"], picture["y"], picture["minimum"]) == (x, y, value)


async def test_an_image_without_sky_has_numbers(connect):
    """Its place on the sky is null, and so is the cutout of a whole image."""
    client = await connect({"a.fits": FakeObject(image(pixels()))})
    found = await (await client.get(f"{IMAGE}?format=json")).json()

    assert found["picture"]["sky"] is None
    assert "cutout" not in found


async def test_a_picture_is_revalidated_without_being_drawn(client):
    """The tag is strong, and equal questions have equal tags."""
    response = await client.get(f"{IMAGE}?format=png&width=10")
    headers = {"If-None-Match": response.headers["ETag"]}
    again = await client.get(f"{IMAGE}?width=10&format=png", headers=headers)

    assert again.status == 304
    assert again.headers["ETag"] == response.headers["ETag"]
    assert response.headers["Cache-Control"] == "public, max-age=3600"
    assert "encode;dur=" in response.headers["Server-Timing"]


async def test_head_draws_nothing(client):
    """The headers are those of GET, but for a length that nobody knows yet."""
    got = await client.get(f"{IMAGE}?format=png")
    head = await client.head(f"{IMAGE}?format=png")

    assert head.status == 200
    for name in ("ETag", "Content-Type", "Content-Disposition", "Last-Modified"):
        assert head.headers[name] == got.headers[name]
    assert await head.read() == b""


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("format=gif", 400, "png, jpeg, webp or json"),
        ("format=png&hdu=SOURCES", 400, "no image of two or more axes"),
        ("format=png&hdu=0", 400, "no image of two or more axes"),
        ("format=png&hdu=7", 400, "the file has HDUs 0, 1 SCI, 2 MASK, 3 SOURCES"),
        ("format=png&center=-100,5px&size=3px", 500, "does not overlap"),
        ("format=png&center=1,91&size=3px", 400, "declination"),
        ("stretch=log", 400, "add format=png"),
    ],
)
async def test_what_cannot_be_drawn_is_refused(client, query, status, text):
    """With the status of the contract, and a sentence that helps."""
    response = await client.get(f"{IMAGE}?{query}")

    assert response.status == status
    assert text in await response.text()


async def test_a_file_without_images_cannot_be_drawn(connect):
    """A table is no picture."""
    client = await connect({"a.fits": FakeObject(mef(table()))})
    response = await client.get(f"{IMAGE}?format=png")

    assert response.status == 500
    assert "no image of two or more axes" in await response.text()


async def test_a_mosaic_is_seen_from_some_of_its_rows(aiohttp_client, tmp_path: Path):
    """A picture reads at most the rows that it shows, and those in memory pixel by pixel."""
    side, step = 4800, 75
    start = header(*mandatory((side, side), -32))
    with (tmp_path / "mosaic.fits").open("wb") as file:
        file.write(start)
        file.truncate(len(start) + pad_to_block(side * side * 4))
    collection = {"path": "/ibe/data/x", "url": str(tmp_path)}
    client = await aiohttp_client(build_app(load_settings(None, {"collections": [collection]})))

    n_rows = side // step
    for most in (n_rows * side * 4, n_rows * n_rows * 4):
        response = await client.get(f"{ROOT}/mosaic.fits?format=png&width=64")
        picture = imagecodecs.png_decode(await response.read())
        n_bytes = response.headers["Server-Timing"].rpartition(" reads, ")[2].partition(" ")[0]

        assert picture.shape[:2] == (n_rows, n_rows)
        assert int(n_bytes) < most + 100_000


@pytest.mark.parametrize(("name", "status"), [("a.fits", 200), ("a.fits.gz", 413)])
async def test_a_picture_may_not_inflate_too_much(connect: Connect, name: str, status: int):
    """Ten rows are little to read, but of a gzip file all that lies before each is inflated."""
    file = image(np.zeros((3000, 3000), ">i2"))
    files = {"a.fits": FakeObject(file), "a.fits.gz": FakeObject(gzip.compress(file, 1))}
    client = await connect(files, {"max_sampled_bytes": 2**20})

    assert (await client.get(f"{ROOT}/{name}?format=png&width=10")).status == status
