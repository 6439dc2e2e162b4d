"""A file that is replaced, on a real storage and through the whole gateway: never a mixture."""

import asyncio
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
from aiohttp.test_utils import TestClient, TestServer
from astropy.io import fits

from gateway.config import CacheSettings, CollectionSettings, LimitSettings, Settings
from gateway.web.app import build_app
from tests.fits_files import image
from tests.servers import S3Server

CUT = "?center=60,60px&size=40px&gzip=false"


def plane(value: int, width: int = 128) -> bytes:
    """Make a file whose pixels all tell its version."""
    return image(np.full((128, width), value, np.int16))


@pytest.fixture
async def client(
    seaweedfs: S3Server,
    aiohttp_client: Callable[[TestServer], Awaitable[TestClient]],
) -> TestClient:
    """Give a client of a gateway that believes for long what it saw."""
    collection = CollectionSettings(
        path="/ibe/data", url="s3://replaced", storage_options=seaweedfs.options
    )
    settings = Settings(
        collections=(collection,),
        limits=LimitSettings(identity_age_s=600),
        cache=CacheSettings(max_bytes=0),
    )
    seaweedfs.put("replaced", {"a.fits": plane(0)})
    return await aiohttp_client(TestServer(build_app(settings)))


async def pixels(client: TestClient) -> set[int]:
    """Ask for a cutout, and give the different values of its pixels."""
    answer = await client.get(f"/ibe/data/a.fits{CUT}")
    assert answer.status == 200, await answer.text()
    return set(np.unique(fits.HDUList.fromstring(await answer.read())[0].data).tolist())


async def test_a_memory_that_is_too_old_does_no_harm(client: TestClient, seaweedfs: S3Server):
    """The first request after a change sees the new file, also if it is laid out otherwise."""
    for version, width in enumerate((128, 128, 3000, 128)):
        seaweedfs.put("replaced", {"a.fits": plane(version, width)})

        assert await pixels(client) == {version}
        assert await pixels(client) == {version}


async def test_no_answer_mixes_two_versions(client: TestClient, seaweedfs: S3Server):
    """While a file is replaced again and again, every cutout is of one version."""
    done = False

    async def replace() -> None:
        for version in range(40):
            await asyncio.to_thread(seaweedfs.put, "replaced", {"a.fits": plane(version)})
            await asyncio.sleep(0.01)
        nonlocal done
        done = True

    async def ask() -> list[tuple[int, int]]:
        seen = []
        while not done:
            answer = await client.get(f"/ibe/data/a.fits{CUT}")
            body = await answer.read()
            if answer.status == 200:
                values = np.unique(fits.HDUList.fromstring(body)[0].data)
                seen.append((200, len(values)))
            else:
                seen.append((answer.status, 0))
        return seen

    _, *found = await asyncio.gather(replace(), *(ask() for _ in range(4)))
    answers = [answer for each in found for answer in each]

    assert set(answers) <= {(200, 1), (502, 0)}
    assert (200, 1) in answers
    assert await pixels(client) == {39}
