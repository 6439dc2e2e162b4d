"""Whole files of all storages: their bytes, their ranges, and what they cost."""

import random
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest

from tests.deployment import ask
from tests.mirrors import STORAGES, run_mirrors
from tests.running import Gateway
from tests.servers import S3Server
from tests.test_memory import measure

SIZE = 64 * 2**20 + 17
CONTENT = random.Random(1).randbytes(SIZE)  # noqa: S311 - not a secret
GROWTH_BYTES = 150 * 2**20


@pytest.fixture(scope="module")
def gateway(seaweedfs: S3Server, material: Path) -> Iterator[Gateway]:
    """Serve a large file from storages of all kinds."""
    with run_mirrors(seaweedfs, material, "whole", {"large.fits": CONTENT}) as gateway:
        yield gateway


@pytest.fixture(params=STORAGES)
def url(gateway: Gateway, request: pytest.FixtureRequest) -> str:
    """Give the URL of the file in each storage."""
    return f"{gateway.url}/ibe/data/{request.param}/large.fits"


def validators(url: str) -> Message:
    """Ask for the headers of a file."""
    return ask(url, Range="bytes=0-0").headers


def test_all_of_it(url: str):
    """A file comes as it is stored, with its length."""
    answer = ask(url)

    assert (answer.status, answer.headers["Content-Length"]) == (200, str(SIZE))
    assert answer.body == CONTENT
    assert answer.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("0-0", 0, 1),
        ("100-1048999", 100, 1_049_000),
        ("-17", SIZE - 17, SIZE),
        (f"{SIZE - 5}-", SIZE - 5, SIZE),
        (f"5-{SIZE + 5}", 5, SIZE),
    ],
)
def test_a_range_of_it(url: str, asked: str, start: int, stop: int):
    """A range is answered with its bytes, and says which they are."""
    answer = ask(url, Range=f"bytes={asked}")

    assert answer.status == 206
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{SIZE}"
    assert answer.body == CONTENT[start:stop]


def test_several_ranges_of_it(url: str):
    """Several ranges are parts of one answer."""
    answer = ask(url, Range=f"bytes=0-9,5000000-5000009,{SIZE}-")

    assert answer.status == 206
    assert answer.headers["Content-Type"].startswith("multipart/byteranges")
    assert answer.body.count(CONTENT[:10]) == 1
    assert answer.body.count(CONTENT[5_000_000:5_000_010]) == 1


def test_a_range_behind_its_end(url: str):
    """A range of which nothing is there is refused with the length of the file."""
    answer = ask(url, Range=f"bytes={SIZE}-")

    assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{SIZE}")


def test_who_knows_it(url: str):
    """The validators hold: 304, 412, and If-Range with the present version and with another."""
    known = validators(url)
    etag, modified = known["ETag"], known["Last-Modified"]

    def status(**headers: str) -> int:
        return ask(url, **({"Range": "bytes=0-9"} | headers)).status

    assert status(If_None_Match=etag) == status(If_Modified_Since=modified) == 304
    assert status(If_Match='"other"') == 412
    assert status(If_Match=etag) == status(If_Range=etag) == status(If_Range=modified) == 206
    assert status(If_Range='"other"') == 200


def test_its_version_is_told_by_every_storage_in_its_way(gateway: Gateway):
    """The ETag is a strong one of the gateway's, and differs between storages."""
    etags = {validators(f"{gateway.url}/ibe/data/{name}/large.fits")["ETag"] for name in STORAGES}

    assert len(etags) == len(STORAGES)
    assert all(etag.startswith('"') for etag in etags)


@pytest.mark.parametrize("storage", STORAGES)
def test_it_is_never_held(gateway: Gateway, storage: str):
    """Six who download the file at once take much less memory than what they are sent."""
    _, before = measure(gateway, f"/ibe/data/{storage}/")
    lengths, most = measure(gateway, f"/ibe/data/{storage}/large.fits")

    assert lengths == [SIZE] * 6
    assert most - before < GROWTH_BYTES
