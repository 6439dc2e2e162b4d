"""The engine of buckets, on a real S3 server: the contract, and what goes wrong."""

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import obstore
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from gateway.config import LimitSettings
from gateway.core.errors import (
    AccessRefused,
    GatewayError,
    NotFound,
    SourceChanged,
    StorageUnavailable,
    TransientFault,
)
from gateway.core.ranges import Block
from gateway.storage.engine import Engine
from gateway.storage.engines import open_engine
from gateway.storage.store import Store
from tests.servers import S3Server
from tests.storage.contract import CONTENT, FILES, StoreContract
from tests.storage.engines import make_store

# a memory of versions would hide what the storage says
LIMITS = LimitSettings(identity_age_s=0, storage_tries=1)


@pytest.fixture
def engine(seaweedfs: S3Server) -> Engine:
    """Give the engine of a bucket with the contract's files below a prefix."""
    seaweedfs.put("contract", {f"deep/{name}": content for name, content in FILES.items()})
    return open_engine("s3://contract/deep", seaweedfs.options, LIMITS)


class TestS3(StoreContract):
    """The contract, on S3."""

    @pytest.fixture
    async def store(self, engine: Engine) -> Store:
        """Give a store of the contract's files in a bucket."""
        return make_store(engine)


class TestGoogle(StoreContract):
    """The contract, by the dialect of Google's storage that S3 servers understand, anonymously."""

    @pytest.fixture
    async def store(self, seaweedfs: S3Server) -> Store:
        """Give a store of the contract's files in a public bucket."""
        seaweedfs.put("public", {f"gcs/{name}": content for name, content in FILES.items()})
        options = {"token": "anon", "endpoint_url": seaweedfs.url}
        return make_store(open_engine("gs://public/gcs", options, LIMITS))


async def test_no_byte_of_another_version_is_given(seaweedfs: S3Server, engine: Engine):
    """A read is pinned: an object that is replaced, or gone, has changed."""
    seaweedfs.put("contract", {"deep/replaced.fits": CONTENT})
    version = await engine.head("replaced.fits")
    first = bytes(await engine.get("replaced.fits", 0, 10, version))
    seaweedfs.put("contract", {"deep/replaced.fits": CONTENT[::-1]})

    assert first == CONTENT[:10]
    with pytest.raises(SourceChanged):
        await engine.get("replaced.fits", 0, 10, version)
    obstore.delete(seaweedfs.bucket("contract"), "deep/replaced.fits")
    with pytest.raises(SourceChanged):
        await engine.get("replaced.fits", 0, 10, version)


@pytest.mark.parametrize(
    ("url", "changed", "expected"),
    [
        ("s3://nosuchbucket/x", {}, StorageUnavailable),
        ("s3://contract", {"secret": "wrong"}, AccessRefused),
        ("s3://contract", {"key": "nobody"}, AccessRefused),
        ("s3://contract", {"endpoint_url": "http://127.0.0.1:9"}, TransientFault),
    ],
    ids=["no such bucket", "wrong secret", "wrong key", "refused connection"],
)
async def test_what_cannot_be_read_is_never_not_found(
    seaweedfs: S3Server, url: str, changed: dict[str, str], expected: type[GatewayError]
):
    """A storage that does not let us in, or is not there, is told from an absent file."""
    engine = open_engine(url, {**seaweedfs.options, **changed}, LIMITS)

    with pytest.raises(StorageUnavailable) as caught:
        await engine.head("image.fits")
    assert type(caught.value) is expected
    with pytest.raises(expected):
        await engine.probe()
    with pytest.raises(expected):
        [entry async for entry in engine.entries("deep")]


async def test_anonymous_access_is_one_word(seaweedfs: S3Server):
    """What anyone may read needs no keys, what only some may read does."""
    seaweedfs.put("public", {"image.fits": CONTENT})
    seaweedfs.put("contract", {"image.fits": CONTENT})
    options = {"anon": True, "endpoint_url": seaweedfs.url}
    store = make_store(open_engine("s3://public", options, LIMITS))
    stored = await store.open("image.fits")

    assert bytes(await stored.read(Block.run(3, 9))) == CONTENT[3:9]
    with pytest.raises(NotFound):
        await store.open("missing.fits")
    with pytest.raises(AccessRefused):
        await open_engine("s3://contract", options, LIMITS).head("image.fits")


async def test_keys_come_from_the_environment(
    seaweedfs: S3Server, engine: Engine, monkeypatch: pytest.MonkeyPatch
):
    """What the options do not say is taken from the variables that AWS's own tools read."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweedfs.options["key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweedfs.options["secret"])
    monkeypatch.setenv("AWS_ENDPOINT_URL", seaweedfs.url)
    from_environment = open_engine("s3://contract/deep", {}, LIMITS)

    assert await from_environment.head("image.fits") == await engine.head("image.fits")


async def test_a_large_folder_of_files_is_listed_page_by_page(
    seaweedfs: S3Server, aiohttp_server: Callable[..., Awaitable[TestServer]]
):
    """Who takes the first entries of many asks for a thousand, wherever the listing begins."""
    names, bucket = [f"{n:04}.fits" for n in range(1200)], seaweedfs.bucket("public")
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: obstore.put(bucket, f"many/{name}", b"x"), names))
    requests: list[str] = []

    async def pass_on(request: web.Request) -> web.Response:
        requests.append(request.path_qs)
        async with (
            ClientSession() as session,
            session.get(seaweedfs.url + request.path_qs) as found,
        ):
            return web.Response(body=await found.read(), content_type=found.content_type)

    app = web.Application()
    app.router.add_get("/{path:.*}", pass_on)
    options = {"anon": True, "endpoint_url": str((await aiohttp_server(app)).make_url("/"))}
    engine = open_engine("s3://public/many", options, LIMITS)
    listing = engine.entries("", after="0099.fits")
    first = [(await anext(listing)).name for _ in range(500)]
    n_asked = len(requests)
    everything = [entry.name async for entry in engine.entries("")]

    assert (first, n_asked) == (names[100:600], 1)
    assert everything == names
    assert len(requests) == 1 + 2


async def test_a_folder_below_a_page_of_files_is_found(seaweedfs: S3Server):
    """Folders among files are found, wherever in a listing they come."""
    names, bucket = [f"{n:04}.fits" for n in range(1010)], seaweedfs.bucket("contract")
    with ThreadPoolExecutor(16) as pool:
        keys = [*names, "1005/deep/b.fits"]
        list(pool.map(lambda key: obstore.put(bucket, f"mixed/{key}", b"x"), keys))
    engine = open_engine("s3://contract/mixed", seaweedfs.options, LIMITS)

    everything = [entry.mark async for entry in engine.entries("")]
    assert everything == sorted([*names, "1005/"])
