"""Storages that fail, through the whole gateway: the right status in time, and no wrong pixel."""

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from astropy.io import fits

from gateway.config import CacheSettings, CollectionSettings, LimitSettings, Settings
from gateway.web.app import build_app
from tests.fits_files import image
from tests.flaky_archive import FlakyArchive
from tests.servers import S3Server, hung_server, run_hadro, run_link

Serve = Callable[..., Awaitable[TestClient]]

SIZE = 1500
PIXELS = np.random.default_rng(7).integers(-9999, 9999, (SIZE, SIZE), np.int16)
FILE = image(PIXELS)
CUT = "/ibe/data/a.fits?center=300,300px&size=40px&gzip=false"


@pytest.fixture
def serve(aiohttp_client: Callable[[TestServer], Awaitable[TestClient]]) -> Serve:
    """Give a function that makes a gateway to a storage, and a client of it."""

    async def make(url: str, options: dict[str, Any], **limits: float) -> TestClient:
        collection = CollectionSettings(path="/ibe/data", url=url, storage_options=options)
        settings = Settings(
            collections=(collection,),
            limits=LimitSettings.model_validate({"identity_age_s": 0, **limits}),
            cache=CacheSettings(max_bytes=0, memory_bytes=0),
        )
        return await aiohttp_client(TestServer(build_app(settings)))

    return make


@pytest.fixture(scope="module")
def archive(seaweedfs: S3Server) -> S3Server:
    """Give an S3 server with the file."""
    seaweedfs.put("faults", {"a.fits": FILE})
    return seaweedfs


async def test_each_request_tells_its_own_retries(
    serve: Serve,
    aiohttp_server: Callable[[web.Application], Awaitable[TestServer]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    """What a storage was asked again is told of the request that had to wait for it."""
    (tmp_path / "a.fits").write_bytes(FILE)
    archive = FlakyArchive(tmp_path)
    server = await aiohttp_server(archive.app())
    client = await serve(str(server.make_url("")), {}, storage_tries=3)
    works = []
    for failures in (2, 0, 9):
        archive.failures = failures
        works.append((await client.get(CUT)).headers.get("Server-Timing", ""))
    metrics = await (await client.get("/metrics")).text()
    await client.close()

    assert [re.findall(r"needed(.*)\"", work) for work in works] == [[", 2 repeated"], [""], []]
    lines = [line for line in capsys.readouterr().err.splitlines() if "center=" in line]
    repeated = re.findall(r", (\d+ repeated)(: '.*')?$", "\n".join(lines), re.MULTILINE)
    refusal = ": 'The storage could not be read; try again later.'"

    assert len(lines) == 3
    assert repeated == [("2 repeated", ""), ("2 repeated", refusal)]
    assert 'ibe_gateway_retried_requests_total{collection="/ibe/data"} 2.0' in metrics


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Make sure that something is done in time."""
    started = monotonic()
    yield
    assert monotonic() - started < seconds


def is_right(body: bytes, x: int, y: int, size: int) -> bool:
    """Tell whether a cutout has the pixels that it should."""
    wanted = PIXELS[y - size // 2 : y + size // 2, x - size // 2 : x + size // 2]
    return np.array_equal(fits.HDUList.fromstring(body)[0].data, wanted)


async def test_cutouts_succeed_though_every_tenth_request_fails(serve: Serve, tmp_path: Path):
    """Under 10 % of "503 SlowDown" at least 99 % of cutouts succeed, and none is wrong."""
    (tmp_path / "faults").mkdir()
    (tmp_path / "faults/a.fits").write_bytes(FILE)
    with run_hadro(tmp_path, "--error-rate", 0.1, "--fault-seed", 11) as server:
        client = await serve("s3://faults", server.options)
        statuses = []
        for n in range(200):
            x, y = 100 + 6 * n, 1400 - 6 * n
            answer = await client.get(f"/ibe/data/a.fits?center={x},{y}px&size=60px&gzip=false")
            statuses.append(answer.status)
            if answer.status == 200:
                assert is_right(await answer.read(), x, y, 60)

    assert statuses.count(200) >= 198
    assert set(statuses) <= {200, 502}


@pytest.mark.parametrize(
    ("url", "changed", "status"),
    [
        ("s3://faults", {"endpoint_url": "http://127.0.0.1:9"}, 502),
        ("s3://faults", {"secret": "wrong"}, 502),
        ("s3://nosuchbucket", {}, 502),
        ("s3://faults/nosuchfolder", {}, 404),
    ],
    ids=["refused connection", "wrong key", "missing bucket", "missing file"],
)
async def test_what_cannot_be_read_is_told(
    serve: Serve, archive: S3Server, url: str, changed: dict[str, str], status: int
):
    """Only a missing file is 404, and nobody waits long for an error."""
    client = await serve(url, {**archive.options, **changed})
    with within(5):
        for path in (CUT, "/ibe/data/a.fits"):
            answer = await client.get(path)
            assert answer.status == status
            assert "127.0.0.1" not in await answer.text()


@pytest.mark.parametrize("scheme", ["s3", "http"])
async def test_a_server_that_hangs_is_given_up(serve: Serve, archive: S3Server, scheme: str):
    """A storage that never answers is 504 after its time, and then 503 at once."""
    with hung_server() as port:
        host = f"http://127.0.0.1:{port}"
        options = {**archive.options, "endpoint_url": host} if scheme == "s3" else {}
        url = "s3://faults" if scheme == "s3" else host
        client = await serve(
            url, options, storage_timeout_s=0.6, storage_try_s=0.2, storage_failures=2
        )
        with within(3):
            first = await client.get(CUT)
        with within(1.5):  # "at once", on a machine that may be busy
            second = await client.get(CUT)

    assert first.status in {503, 504}
    assert second.status == 503
    assert int(second.headers["Retry-After"]) >= 1


async def test_a_link_that_is_cut_now_and_then_does_no_harm(
    serve: Serve, archive: S3Server, material: Path
):
    """Connections that break off after a megabyte cost other tries, and no pixel."""
    with run_link(material, archive.port, cut_after=2**20) as port:
        options = {**archive.options, "endpoint_url": f"http://127.0.0.1:{port}"}
        client = await serve("s3://faults", options, storage_tries=8, max_read_bytes=2**18)
        answer = await client.get("/ibe/data/a.fits?center=700,700px&size=1000px&gzip=false")

        assert answer.status == 200
        assert is_right(await answer.read(), 700, 700, 1000)


async def test_a_link_that_is_always_cut_breaks_the_answer_off(
    serve: Serve, archive: S3Server, material: Path
):
    """What never comes is 502, or a broken connection after the first byte; never half a file."""
    with run_link(material, archive.port, cut_after=100_000) as port:
        options = {**archive.options, "endpoint_url": f"http://127.0.0.1:{port}"}
        client = await serve("s3://faults", options, storage_tries=2)
        with within(20):
            answer = await client.get("/ibe/data/a.fits?center=750,750px&size=1400px&gzip=false")
            assert answer.status in {502, 503}
