"""Requests as they were sent to the production program, and the status of our answers."""

import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from gateway.config import load_settings
from gateway.web.app import build_app
from tests.conftest import find_material
from tests.core.compressed import read_hdus
from tests.recorded_answers import RecordedExchange, read_exchanges


@dataclass(frozen=True, slots=True)
class Difference:
    """A deliberate difference: what we answer instead, and why."""

    reason: str
    status: int
    requests: tuple[str, ...]
    """Path and query, below the root of the data."""
    method: str = "GET"
    shape: tuple[int, ...] = ()
    """What we cut instead; empty where only the status differs."""

    def is_of(self, exchange: RecordedExchange) -> bool:
        """Tell whether this is the difference of an exchange."""
        return exchange.method == self.method and exchange.path_and_query in self.requests


IMAGE = "made/tan_icrs_cd.fits"
CUTOUT = f"{IMAGE}?center=100,80pix&size=10pix"

DIFFERENCES = (
    Difference(
        "nan, inf and hex floats are 400.",
        400,
        (
            f"{IMAGE}?center=nan,80pix&size=10pix&gzip=false",
            f"{IMAGE}?center=inf,80pix&size=10pix&gzip=false",
            f"{IMAGE}?center=100,80pix&size=nanpix&gzip=false",
            f"{IMAGE}?center=100,80pix&size=-infpix&gzip=false",
        ),
    ),
    Difference(
        "A negative size is 400 in every mix of units.",
        400,
        tuple(f"{IMAGE}?center=100,80pix&size=-{n}pix&gzip=false" for n in (1, 5, 20)),
    ),
    Difference(
        "An unknown unit is 400: a NUL is part of it, and does not end it.",
        400,
        (f"{IMAGE}?center=100,80pix%00&size=10pix&gzip=false",),
    ),
    Difference(
        "An unknown parameter is 400 and names itself, also where it has no value.",
        400,
        (f"{IMAGE}?foo", f"{CUTOUT}&policy=ACCESS_DENIED"),
    ),
    Difference(
        "One pixel where an exact edge lies within 0.03 px of a half: here it lies on it.",
        200,
        tuple(
            f"{IMAGE}?center=83,-5&size={size}&gzip=false"
            for size in (
                *("60%22", "1'", "60asec", "60arcsec", "60a-sec", "60asecond", "60arcseconds"),
                *("1amin", "1arcminute"),
            )
        ),
        shape=(7, 7),
    ),
    Difference(
        "404: no path leads out of its collection, and an empty segment is none.",
        404,
        (
            "../oracle.py",
            "made/%2e%2e/syn/tan_icrs_cd.fits?center=100,80pix&size=10pix",
            "/syn/tan_icrs_cd.fits?center=100,80pix&size=10pix",
            "/syn/tan_icrs_cd.fits",
        ),
    ),
    Difference(
        "A collection serves all of its files; what is not for all is not put there.",
        200,
        ("real/MANIFEST.tsv",),
    ),
    Difference(
        "404 goes before 400: there is no such file.",
        404,
        ("real/sdss_reproj_r.fits.bz2?center=100,80pix&size=10pix",),
    ),
    Difference(
        "405 for what is not GET, HEAD or OPTIONS.", 405, (CUTOUT, IMAGE, f"{IMAGE}?a=1"), "POST"
    ),
    Difference("405 for what is not GET, HEAD or OPTIONS.", 405, (CUTOUT,), "DELETE"),
    Difference("OPTIONS says what is allowed, and has no body.", 204, (CUTOUT,), "OPTIONS"),
)


@pytest.fixture
async def client(material: Path, made: Path) -> AsyncIterator[TestClient]:
    """Serve the material; `syn` is a second name of the made files, as it was there."""
    folders = {"made": made, "syn": made, "real": material / "data/fits"}
    collections = [
        {"path": f"/ibe/data/{name}", "url": str(folder), "box": "ibe"}
        for name, folder in folders.items()
    ]
    app = build_app(load_settings(None, {"collections": collections}))
    async with TestClient(TestServer(app)) as client:
        yield client


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each recorded exchange; without the material one, which then says so."""
    if "exchange" in metafunc.fixturenames:
        material = find_material()
        exchanges = list(read_exchanges(material)) if material.is_dir() else [None]
        ids = [f"{n}-{e.method} {e.path_and_query}" if e else "" for n, e in enumerate(exchanges)]
        metafunc.parametrize("exchange", exchanges, ids=ids)


async def test_status_is_that_of_the_production_program(
    client: TestClient, exchange: RecordedExchange
):
    """Each request gets the recorded status and shape, but for the differences listed above."""
    difference = next((each for each in DIFFERENCES if each.is_of(exchange)), None)
    expected_status = difference.status if difference else exchange.status
    expected_shape = (difference and difference.shape) or exchange.shape
    url = URL(f"{client.make_url('/ibe/data/')}{exchange.path_and_query}", encoded=True)
    length = int(exchange.headers.get("Content-Length", 0))
    headers = {k: v for k, v in exchange.headers.items() if k != "Content-Length"}

    async with client.session.request(
        exchange.method, url, headers=headers, data=bytes(length) or None, allow_redirects=False
    ) as response:
        answer = await response.read()

    assert response.status == expected_status
    if expected_status == 200 and expected_shape and exchange.method == "GET":
        assert read_image_shape(answer) == expected_shape


def test_each_difference_is_there(material: Path):
    """A difference that is listed was recorded otherwise: the list holds no excuses."""
    exchanges = list(read_exchanges(material))

    for difference in DIFFERENCES:
        recorded = [each for each in exchanges if difference.is_of(each)]
        same = [e for e in recorded if (e.status, e.shape) == (difference.status, difference.shape)]
        assert {each.path_and_query for each in recorded} == set(difference.requests)
        assert not same


def read_image_shape(answer: bytes) -> tuple[int, ...]:
    """Give NAXIS1 and NAXIS2 of an image, which may be gzipped."""
    data = gzip.decompress(answer) if answer.startswith(b"\x1f\x8b") else answer
    return read_hdus(data)[0].shape[:2]
