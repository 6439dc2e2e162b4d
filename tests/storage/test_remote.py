"""The store on other filesystems: the contract in memory and over HTTP, and storages that fail."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from html import escape
from urllib.parse import quote

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from fsspec.implementations.memory import MemoryFileSystem

from gateway.config import CollectionSettings, LimitSettings
from gateway.core.errors import (
    GatewayError,
    NotFound,
    ShortRead,
    StorageTimeout,
    StorageUnavailable,
)
from gateway.core.ranges import Block
from gateway.storage.archive import open_store
from gateway.storage.store import Store
from tests.storage.contract import CONTENT, FILES, StoreContract

Mood = Callable[[bytes, int, int], Awaitable[web.StreamResponse]]
Connect = Callable[..., Store]
StartServer = Callable[[web.Application], Awaitable[TestServer]]


class Origin:
    """An HTTP server of files, with ranges and listings, that can be told to misbehave."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = dict(files)
        self.asked: list[str] = []
        self.mood: Mood | None = None
        self.refusal: Callable[[], Awaitable[web.StreamResponse]] | None = None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a file, a range of it, or a listing."""
        key = request.match_info["key"]
        self.asked.append(f"{request.method} {key} {request.headers.get('Range', '')}".strip())
        if self.refusal is not None:
            return await self.refusal()
        if key in self.files and not request.query_string:
            return await self._give(request, self.files[key])
        folder = f"{key.rstrip('/')}/".removeprefix("/")
        below = {name.removeprefix(folder) for name in self.files if name.startswith(folder)}
        if not below:
            raise web.HTTPNotFound
        if not request.path.endswith("/"):
            raise web.HTTPMovedPermanently(f"{request.path}/")
        links_out = ["../", "../../", "?C=N;O=D", "/elsewhere/"]  # what a listing also has
        names = {name.partition("/")[0] + "/" * ("/" in name) for name in below}
        hrefs = [*links_out, *(quote(name) for name in names)]
        links = (f'<a href="{escape(href)}">link</a>' for href in hrefs)
        return web.Response(text="\n".join(links), content_type="text/html")

    async def _give(self, request: web.Request, content: bytes) -> web.StreamResponse:
        headers = {"ETag": f'"{hash(content):x}"', "Accept-Ranges": "bytes"}
        headers["Last-Modified"] = "Wed, 21 Oct 2015 07:28:00 GMT"
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range", ""))
        if wanted is None:
            return web.Response(body=content, headers=headers)
        start, stop = int(wanted[1]), int(wanted[2]) + 1
        if self.mood is not None:
            return await self.mood(content, start, stop)
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
        return web.Response(status=206, body=content[start:stop], headers=headers)


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Give a function that makes the store of a URL, as a collection does; close all of them."""
    stores: list[Store] = []

    def make(url: str, timeout_s: float = 10.0) -> Store:
        collection = CollectionSettings(path="/ibe/data/remote", url=url)
        limits = LimitSettings(storage_timeout_s=timeout_s, identity_age_s=0)
        stores.append(open_store(collection, limits))
        return stores[-1]

    yield make
    for store in stores:
        await store.close()


@pytest.fixture
async def origin(aiohttp_server: StartServer) -> tuple[Origin, str]:
    """Start an HTTP origin of the contract's files; give it and its URL."""
    origin = Origin(FILES)
    app = web.Application()
    app.router.add_get("/{root:root/?}{key:.*}", origin.answer)
    server = await aiohttp_server(app)
    return origin, str(server.make_url("/root"))


class TestMemory(StoreContract):
    """The contract, on a filesystem of fsspec that is not asynchronous."""

    @pytest.fixture
    async def store(self, connect: Connect) -> AsyncIterator[Store]:
        """Give a store of the contract's files in memory."""
        filesystem = MemoryFileSystem()
        for name, content in FILES.items():
            filesystem.pipe(f"/contract/{name}", content)
        yield connect("memory://contract")
        filesystem.rm("/contract", recursive=True)


class TestHttp(StoreContract):
    """The contract, over HTTP."""

    @pytest.fixture
    async def store(self, connect: Connect, origin: tuple[Origin, str]) -> Store:
        """Give a store of the contract's files behind an HTTP server."""
        return connect(origin[1])

    async def test_the_time_of_the_last_change_is_known(self, store: Store):
        """Last-Modified is passed on, in whichever letters the filesystem gives it."""
        assert (await store.open("image.fits")).info.modified == 1445412480

    @pytest.mark.parametrize("key", ["%2e%2e/secret", "%2E%2E/secret", "folder/%2e%2e/x"])
    async def test_no_key_leaves_the_root(self, store: Store, origin: tuple[Origin, str], key: str):
        """A segment that was encoded twice is a name for the server, not the way up."""
        with pytest.raises(NotFound):
            await store.open(key)

        assert {asked.split()[1] for asked in origin[0].asked} == {key}

    async def test_gaps_are_read_where_that_saves_requests(self, store: Store):
        """Thirty rows that lie near each other are one request to the server."""
        stored = await store.open("image.fits")
        await stored.read(Block(17, 5, 300, 30))

        assert (stored.reads, stored.bytes_read) == (1, 29 * 300 + 5)

    async def test_many_requests_of_one_block(self, store: Store, origin: tuple[Origin, str]):
        """Rows too far from each other are read by requests of their own, in order."""
        content = bytes(n % 251 for n in range(40)) * 2**17
        origin[0].files["wide"] = content
        block = Block(3, 10, 2**20 + 11, 4)
        stored = await store.open("wide")
        rows = bytes(await stored.read(block))

        assert stored.reads == 4
        assert rows == b"".join(content[3 + n * block.row_stride :][:10] for n in range(4))


async def _ignore_range(content: bytes, *_: int) -> web.StreamResponse:
    return web.Response(body=content)


async def _give_too_little(content: bytes, start: int, stop: int) -> web.StreamResponse:
    return web.Response(status=206, body=content[start : stop - 1])


async def _give_too_much(content: bytes, start: int, stop: int) -> web.StreamResponse:
    return web.Response(status=206, body=content[start : stop + 1])


async def _refuse_range(*_: object) -> web.StreamResponse:
    return web.Response(status=416)


async def _be_unavailable(*_: object) -> web.StreamResponse:
    return web.Response(status=503, text="SlowDown")


async def _forbid(*_: object) -> web.StreamResponse:
    return web.Response(status=403)


async def _hang(*_: object) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


MOODS = [
    pytest.param(_ignore_range, ShortRead, id="Range is ignored"),
    pytest.param(_give_too_little, ShortRead, id="too little"),
    pytest.param(_give_too_much, ShortRead, id="too much"),
    pytest.param(_refuse_range, StorageUnavailable, id="416"),
    pytest.param(_be_unavailable, StorageUnavailable, id="503"),
    pytest.param(_hang, StorageTimeout, id="hangs"),
]


@pytest.mark.parametrize(("mood", "expected"), MOODS)
@pytest.mark.parametrize("block", [Block.run(10, 20), Block(0, 10, 2**20 + 11, 4)])
async def test_a_bad_answer_is_an_error_and_never_wrong_bytes(
    connect: Connect,
    origin: tuple[Origin, str],
    mood: Mood,
    expected: type[GatewayError],
    block: Block,
):
    """An origin that breaks the rules is told from an absent file, for one read or many."""
    origin[0].files["wide"] = bytes(2**23)
    store = connect(origin[1], timeout_s=0.2 if mood is _hang else 10)
    stored = await store.open("wide")
    origin[0].mood = mood

    with pytest.raises(expected):
        await stored.read(block)


async def test_the_cause_of_a_failure_is_kept(connect: Connect, origin: tuple[Origin, str]):
    """The log can tell it, whether a read was one request or several."""
    origin[0].files["wide"] = bytes(2**23)
    stored = await connect(origin[1], timeout_s=0.2).open("wide")
    origin[0].mood = _hang
    causes = []
    for block in (Block.run(10, 20), Block(0, 10, 2**20 + 11, 4)):
        with pytest.raises(StorageTimeout) as failed:
            await stored.read(block)
        causes.append(type(failed.value.__cause__))

    assert causes[0] is causes[1]
    assert issubclass(causes[0], TimeoutError)


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [(_be_unavailable, StorageUnavailable), (_forbid, StorageUnavailable), (_hang, StorageTimeout)],
)
async def test_a_storage_that_cannot_say_is_never_not_found(
    connect: Connect,
    origin: tuple[Origin, str],
    refusal: Callable[[], Awaitable[web.StreamResponse]],
    expected: type[GatewayError],
):
    """A file, a listing and a probe that could not be read are not absent."""
    store = connect(origin[1], timeout_s=0.2 if refusal is _hang else 10)
    origin[0].refusal = refusal

    with pytest.raises(expected):
        await store.open("image.fits")
    with pytest.raises(expected):
        [entry async for entry in store.entries("folder")]
    with pytest.raises(expected):
        await store.probe()


async def test_a_server_that_is_not_there_is_unavailable(connect: Connect):
    """A refused connection is not an absent file."""
    store = connect("http://127.0.0.1:9/root")

    with pytest.raises(StorageUnavailable):
        await store.open("image.fits")


async def test_a_length_that_is_not_told_is_refused(connect: Connect, origin: tuple[Origin, str]):
    """Without a length no answer can be planned: a chunked file is refused, not guessed."""

    async def stream() -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        return response

    store = connect(origin[1])
    origin[0].refusal = stream

    with pytest.raises(StorageUnavailable):
        await store.open("image.fits")


async def test_a_closed_store_does_not_close_another(connect: Connect, origin: tuple[Origin, str]):
    """Two collections with one URL do not share connections that one of them closes."""
    first, second = connect(origin[1]), connect(origin[1])
    await first.open("image.fits")
    await second.open("image.fits")
    await first.close()

    assert (await second.open("image.fits")).info.size == len(CONTENT)


async def test_an_object_that_is_replaced_has_another_identity(
    connect: Connect, origin: tuple[Origin, str]
):
    """The ETag of the origin is part of the identity."""
    store = connect(origin[1])
    before = (await store.open("image.fits")).info
    origin[0].files["image.fits"] = CONTENT[::-1]
    after = (await store.open("image.fits")).info

    assert before.size == after.size
    assert before.identity != after.identity
