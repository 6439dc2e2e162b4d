"""Cutouts of real files through the whole HTTP stack, with astropy as the judge."""

import csv
import gzip
import io
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from math import floor
from pathlib import Path

import astropy.units as u
import pytest
from aiohttp.test_utils import TestClient, TestServer
from astropy.coordinates import SkyCoord
from astropy.io import fits

from gateway.config import settings_for_source
from gateway.web.app import build_app
from tests.astropy_judge import (
    LOOKUP_TABLES,
    assert_same_pixels,
    assert_same_sky,
    find_fault,
    find_sky,
    is_image,
    opened,
    pair_images,
)
from tests.conftest import find_material

NO_IMAGE = {
    "aips_random_groups.fits": (500, "no image of two or more axes"),
    "aips_uvfits_naxis2_0_zerowidth.fits": (500, "no image of two or more axes"),
    "rosat_im1_unixcompress.fits.Z": (400, "only FITS images can be cut"),
}
COPIED = ("verify_bad_simple.fits", "wmap_healpix_table_noimage.fits")


@pytest.fixture(scope="session")
def folder(material: Path) -> Path:
    """Give the folder of real files."""
    return material / "data/fits"


@pytest.fixture
async def client(folder: Path) -> AsyncIterator[TestClient]:
    """Serve the real files, by the default rules."""
    app = build_app(settings_for_source(str(folder)))
    async with TestClient(TestServer(app)) as client:
        yield client


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each real file; without the material one, which then says so."""
    folder = find_material() / "data/fits"
    if "name" in metafunc.fixturenames:
        listed = {path.name for path in folder.glob("*.fits*")}
        names = sorted(listed - NO_IMAGE.keys() - set(COPIED))
        metafunc.parametrize("name", names or [""])
    for fixture, table in (("probe", "WCS_PROBE.tsv"), ("golden", "GOLDEN_POINTS.tsv")):
        if fixture in metafunc.fixturenames:
            rows = [row for row in read_table(folder / table) if is_probed(row)]
            ids = [f"{row['file']}-{n}" for n, row in enumerate(rows)]
            metafunc.parametrize(fixture, rows or [{}], ids=ids or [""])


async def cut(client: TestClient, name: str, query: str) -> bytes:
    """Ask for a cutout, which must be given."""
    async with client.get(f"/ibe/data/{name}?{query}") as response:
        body = await response.read()
        assert response.status == 200, body.decode()
        return body


@dataclass(frozen=True, slots=True)
class Request:
    """A cutout to ask for, and where it lies in the image that it was made for."""

    query: str
    image: int
    """Index of the HDU."""
    columns: tuple[int, int]
    """First column, counted from 0, and the one behind the last."""
    rows: tuple[int, int]


def exact(center: float, size_px: int, length: int) -> tuple[int, int]:
    """Give the pixels of `box = "exact"`, clipped, of a centre in FITS coordinates."""
    return max(floor(center - size_px / 2), 0), min(floor(center + size_px / 2), length)


def plan_requests(hdus: fits.HDUList) -> Iterator[Request]:
    """Ask in pixels for the middle of a file's first image and its corner, and for its sky."""
    image = next(index for index, hdu in enumerate(hdus) if is_image(hdu))
    ny, nx = hdus[image].shape[-2:]
    x, y = (nx + 1) // 2, (ny + 1) // 2
    yield Request(f"center={x},{y}px&size=20,14px", image, exact(x, 20, nx), exact(y, 14, ny))
    yield Request(f"center={nx},1px&size=9,12px", image, exact(nx, 9, nx), exact(1, 12, ny))

    for image, hdu in enumerate(hdus):
        if (
            is_image(hdu)
            and hdu.name not in LOOKUP_TABLES
            and find_sky(hdu, hdus, 1, 1) is not None
        ):
            yield from _plan_sky_requests(hdus, image)
            return


def _plan_sky_requests(hdus: fits.HDUList, image: int) -> Iterator[Request]:
    hdu = hdus[image]
    ny, nx = hdu.shape[-2:]
    x, y = (nx + 1) // 2, (ny + 1) // 2
    middle, left, right, low, high = (
        find_sky(hdu, hdus, x + dx, y + dy)
        for dx, dy in ((0, 0), (-0.5, 0), (0.5, 0), (0, -0.5), (0, 0.5))
    )
    center = f"center={float(middle.ra.deg)!r},{float(middle.dec.deg)!r}"
    width, height = 5 * left.separation(right).arcsec, 7 * low.separation(high).arcsec
    for size in ("5,7px", f"{float(width)!r},{float(height)!r}arcsec"):
        yield Request(f"{center}&size={size}", image, exact(x, 5, nx), exact(y, 7, ny))


async def test_cutouts_equal_their_parent(client: TestClient, folder: Path, name: str):
    """Cutouts hold the parent's pixels, bit for bit, at the parent's place on the sky."""
    with opened(folder / name) as parents:
        for request in plan_requests(parents):
            answer = await cut(client, name, f"{request.query}&gzip=false")
            packed = await cut(client, name, request.query)
            assert gzip.decompress(packed) == answer
            with opened(answer) as cutouts:
                x, y = request.columns[0], request.rows[0]
                pairs = pair_images(parents, cutouts, x, y)
                (asked,) = (p for p in pairs if p.parent is parents[request.image])
                assert (asked.x, asked.x + asked.cutout.shape[-1]) == request.columns
                assert (asked.y, asked.y + asked.cutout.shape[-2]) == request.rows
                for pair in pairs:
                    assert_same_pixels(pair)
                    if pair.parent.name not in LOOKUP_TABLES:
                        assert_same_sky(pair, parents, cutouts)


async def test_cutouts_are_as_valid_as_their_parent(client: TestClient, folder: Path, name: str):
    """What a cutout adds to a file's faults is nothing: it verifies if its parent does."""
    answer = await cut(client, name, "center=1,1px&size=4px&gzip=false")

    with opened(folder / name) as parents, opened(answer) as cutouts:
        assert find_fault(cutouts) == "" or find_fault(parents) != ""


def read_table(path: Path) -> list[dict[str, str]]:
    """Read a table of the material; no rows without it."""
    if not path.is_file():
        return []
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def is_probed(row: dict[str, str]) -> bool:
    """Tell whether a row is of an image that we can cut, with a position that astropy knows."""
    return row["file"] not in NO_IMAGE and row.get("frame") != ""


async def test_a_position_lies_in_its_pixel(
    client: TestClient, folder: Path, probe: dict[str, str]
):
    """The sky position that astropy gives for a pixel is answered with this pixel's box."""
    native = probe["frame"] == "fk5:2000.0"  # ICRS = FK5 J2000: no frame tie of 20 mas
    ra, dec = (
        probe[key] for key in (("frame_lon", "frame_lat") if native else ("ra_icrs", "dec_icrs"))
    )
    x, y = (float(number) + 1 for number in probe["center_pix0"].split(","))
    # an odd size for a pixel's middle and an even one for its edge: either is half a pixel off
    width, height = (5 if number.is_integer() else 4 for number in (x, y))
    query = f"center={ra},{dec}&size={width},{height}px&gzip=false"

    answer = await cut(client, probe["file"], query)

    with opened(folder / probe["file"]) as parents, opened(answer) as cutouts:
        parent = parents[int(probe["hdu"])]
        (pair,) = (p for p in pair_images(parents, cutouts, 0, 0) if p.parent is parent)
        ny, nx = parent.shape[-2:]
        assert (pair.x, pair.x + pair.cutout.shape[-1]) == exact(x, width, nx)
        assert (pair.y, pair.y + pair.cutout.shape[-2]) == exact(y, height, ny)


async def test_a_position_has_its_value(client: TestClient, golden: dict[str, str]):
    """One pixel at a position has the value that an independent program found there."""
    position = SkyCoord(golden["ra_hms"], golden["dec_dms"], unit=(u.hourangle, u.deg))
    center = f"{float(position.ra.deg)!r},{float(position.dec.deg)!r}"

    answer = await cut(client, golden["file"], f"center={center}&size=1px&gzip=false")

    pixels = fits.getdata(io.BytesIO(answer))
    assert pixels.shape == (1, 1)
    assert pixels[0, 0] == pytest.approx(float(golden["pixel_value"]), rel=5e-6)


@pytest.mark.parametrize("refused", NO_IMAGE)
async def test_a_file_without_image_is_refused(client: TestClient, folder: Path, refused: str):
    """Random groups, an array of no width and a .Z file are refused, with the reason."""
    status, sentence = NO_IMAGE[refused]
    assert (folder / refused).is_file()

    async with client.get(f"/ibe/data/{refused}?center=9,9px&size=9px") as response:
        text = await response.text()

    assert response.status == status
    assert sentence in text


@pytest.mark.parametrize("copied", COPIED)
async def test_a_file_without_arrays_is_copied(client: TestClient, folder: Path, copied: str):
    """A file of tables, or of headers alone, comes back as it is."""
    answer = await cut(client, copied, "center=9,9px&size=9px&gzip=false")

    assert answer == (folder / copied).read_bytes()
