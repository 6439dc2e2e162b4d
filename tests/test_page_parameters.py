"""What the public page says of the query parameters, sentence by sentence."""

import math
import re
from itertools import permutations
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient

from tests.page import INTENSITY, center_of, get, parent_pixels

pytest_plugins = ("tests.demo_archive",)


@pytest.mark.parametrize(
    "query", ["center=70,20", "size=200pix", "gzip=false", "center=70,20&gzip=false"]
)
async def test_center_and_size_are_required(page: TestClient, query: str):
    """Without one of the two, or both, the request is refused.

    "At a minimum, the center and size parameters must be specified."
    """
    assert (await get(page, f"{INTENSITY}?{query}")).status == 400


async def test_the_order_does_not_matter(page: TestClient):
    """Every order of the three parameters gives the same answer.

    "The order of the parameters is not important."
    """
    parameters = ("center=300,200px", "size=9px", "gzip=false")

    answers = {
        (await get(page, f"{INTENSITY}?{'&'.join(order)}")).fits
        for order in permutations(parameters)
    }

    assert len(answers) == 1


@pytest.mark.parametrize("unit", ["px", "pix", "pixels"])
async def test_a_center_in_pixels(page: TestClient, demo_archive: Path, unit: str):
    """The centre is a FITS pixel: the first is number 1.

    "If units is set to px, pix or pixels, then x,y are interpreted as the pixel space coordinates
    of the desired cutout center."
    """
    answer = await get(page, f"{INTENSITY}?center=1,2{unit}&size=1{unit}")

    assert answer.pixels == parent_pixels(demo_archive, INTENSITY)[1, 0]


async def test_a_center_on_the_sky(page: TestClient, demo_archive: Path):
    """Degrees, radians and no unit at all mean the same right ascension and declination.

    "If units are angular (rad, deg, etc...), then x,y are interpreted as the J2000 right ascension
    (x) and declination (y)"; "If no units are specified, degrees are assumed."
    """
    ra, dec = center_of(demo_archive, INTENSITY)
    centers = (
        f"{ra!r},{dec!r}",
        f"{ra!r},{dec!r}deg",
        f"{math.radians(ra)!r},{math.radians(dec)!r}rad",
        f"{ra * 60!r},{dec * 60!r}arcmin",
    )

    answers = [await get(page, f"{INTENSITY}?center={center}&size=1px") for center in centers]

    expected = parent_pixels(demo_archive, INTENSITY)[507, 507]
    assert [float(answer.pixels[0, 0]) for answer in answers] == [expected] * 4


async def test_right_ascensions_are_reduced(page: TestClient, demo_archive: Path):
    """Whole turns change nothing.

    "right ascensions are range-reduced, so any value will do"
    """
    ra, dec = center_of(demo_archive, INTENSITY)

    answers = {
        (await get(page, f"{INTENSITY}?center={ra + turns * 360!r},{dec!r}&size=9px")).fits
        for turns in (-10, -1, 0, 1, 10)
    }

    assert len(answers) == 1


@pytest.mark.parametrize("center", ["70,90.001", "70,-91deg", "1,1.6rad", "70,5401arcmin"])
async def test_declinations_beyond_the_poles(page: TestClient, center: str):
    """Such a position does not exist.

    "Declinations outside of [-90, 90] degrees are illegal"
    """
    assert (await get(page, f"{INTENSITY}?center={center}&size=9px")).status == 400


@pytest.mark.parametrize(
    ("center", "status"),
    [("10,10deg", 500), ("10,10", 500), ("3.141,1.56rad", 500), ("300.5,120px", 200)],
)
async def test_examples_of_centers(page: TestClient, center: str, status: int):
    """All examples are understood; three of them lie elsewhere on the sky.

    "center=10,10deg", "center=10,10", "center=3.141,1.56rad", "center=300.5,120px"
    """
    assert (await get(page, f"{INTENSITY}?center={center}&size=9px")).status == status


@pytest.mark.parametrize(
    ("size", "rows", "columns"),
    [
        ("0.1", 131, 131),
        ("200px", 200, 200),
        ("100,200px", 200, 100),
        ("3arcmin", 65, 65),
        ("30,45arcsec", 16, 11),
    ],
)
async def test_examples_of_sizes(page: TestClient, size: str, rows: int, columns: int):
    """The examples mean what they say, at 2.75 arcsec per pixel.

    "The first size value (x) is taken to be the full-width of the desired cutout along the first
    image axis (NAXIS1), and the second (y) [...] the full-height along the second axis (NAXIS2).
    If only one size value is specified, it is used as both"; "the default is degrees"
    """
    answer = await get(page, f"{INTENSITY}?center=300.5,120px&size={size}")

    assert answer.pixels.shape == (rows, columns)


async def test_units_of_sizes(page: TestClient):
    """One size in all of the page's units gives one answer, also in the forgiven spellings.

    "Units can be pixels (px, pix, pixels) or angular (arcsec, arcmin, deg, rad)"; "Parsing of unit
    specifications is fairly forgiving, e.g. radians, asec, ", arcminutes and ' are all
    recognized."
    """
    radians = math.radians(180 / 3600)
    sizes = (
        *("65px", "65pix", "65pixels", "180arcsec", "180asec", "180%22", "3arcmin", "3arcminutes"),
        *("3'", "0.05", "0.05deg", f"{radians!r}rad", f"{radians!r}radians"),
    )

    answers = {
        (await get(page, f"{INTENSITY}?center=300,120px&size={size}")).fits for size in sizes
    }

    assert len(answers) == 1


@pytest.mark.parametrize(
    ("flags", "gzipped"),
    [
        (("1", "on", "t", "true", "y", "yes"), True),
        (("0", "off", "f", "false", "n", "no"), False),
    ],
)
async def test_gzip_flags(page: TestClient, flags: tuple[str, ...], gzipped: bool):  # noqa: FBT001
    """All spellings of the page say it.

    "Compression can also be explicitly requested with: gzip=1, gzip=on, gzip=t[rue], gzip=y[es]";
    "To download uncompressed images, pass: gzip=0, gzip=off, [...] gzip=n[o]"
    """
    for flag in flags:
        answer = await get(page, f"{INTENSITY}?center=300,120px&size=9px&gzip={flag}")
        assert answer.is_gzipped == gzipped


@pytest.mark.parametrize(
    "query",
    [
        *("center=70,20furlongs&size=9px", "center=70deg,20deg&size=9px"),
        *("center=70,20&size=9parsec", "center=70,20&size=9px9", "center=70,20&size=9px,9px"),
        *(
            "center=70&size=9px",
            "center=70,20,3&size=9px",
            "center=a,b&size=9px",
            "center=&size=9px",
        ),
        *("center=70,20&size=", "center=70,20&size=1,2,3px", "center=70,20&size=big"),
        *("center=70,20&size=-9px", "center=70,20&size=9,-9px", "center=70,20&size=-0.1"),
        *(
            "center=9,9px&size=-9px",
            "center=9,9px&size=-9arcsec",
            "center=70,20&size=9px&gzip=maybe",
        ),
    ],
)
async def test_malformed_parameters(page: TestClient, query: str):
    """Each is refused with a sentence that names the parameter.

    "Malformed unit specifications and illegal sizes or coordinates will result in an HTTP 400 Bad
    Request response."; "Negative sizes are illegal."
    """
    answer = await get(page, f"{INTENSITY}?{query}")

    assert answer.status == 400
    assert re.match(rb"Parameter '(center|size|gzip)': .+\.\n", answer.body)
