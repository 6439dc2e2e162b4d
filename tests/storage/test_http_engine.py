"""The engine of web servers, on nginx in its moods, good and bad."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from gateway.config import LimitSettings
from gateway.core.errors import (
    AccessRefused,
    GatewayError,
    ShortRead,
    SourceChanged,
    StorageUnavailable,
    TransientFault,
)
from gateway.core.ranges import Block, ByteRange
from gateway.storage.engine import Engine
from gateway.storage.engines import open_engine
from gateway.storage.http_engine import HttpEngine
from gateway.storage.links import parse_links
from gateway.storage.remote import RemoteStore
from gateway.storage.store import ObjectInfo, Store
from tests.servers import run_link, run_nginx
from tests.storage.contract import FILES, StoreContract
from tests.storage.engines import make_store

Connect = Callable[..., Engine]

LARGE = bytes(range(256)) * 2**14
STATIC, NO_RANGES, SLOW, FLAKY, NO_VALIDATORS, PROXY, GZIP, LATE = range(8)


@pytest.fixture(scope="module")
def nginx(material: Path) -> Iterator[int]:
    """Run nginx on the contract's files, and beside them a large one."""
    files = {f"root/{name}": content for name, content in FILES.items()}
    with run_nginx(material, {**files, "large.fits": LARGE}) as port:
        yield port


@pytest.fixture
async def connect(nginx: int) -> AsyncIterator[Connect]:
    """Give a function that makes the engine of a mood; close all of them."""
    engines: list[Engine] = []

    def make(mood: int, folder: str = "", **limits: float) -> Engine:
        url = f"http://127.0.0.1:{nginx + mood}{folder}"
        settings = LimitSettings.model_validate({"identity_age_s": 0, **limits})
        engines.append(open_engine(url, {}, settings))
        return engines[-1]

    yield make
    for engine in engines:
        await engine.close()


class TestNginx(StoreContract):
    """The contract, on a real web server."""

    @pytest.fixture
    async def store(self, connect: Connect) -> Store:
        """Give a store of the contract's files."""
        return make_store(connect(STATIC, "/root"))


@pytest.mark.parametrize("mood", [STATIC, SLOW, FLAKY, NO_VALIDATORS, PROXY, GZIP, LATE])
async def test_every_mood_that_can_gives_the_right_bytes(connect: Connect, mood: int):
    """Slow, flaky, caching, packing and late servers are read, byte for byte."""
    engine = connect(mood, storage_tries=8)
    version = await engine.head("large.fits")

    assert version.size == len(LARGE)
    for start in (0, 12345, 2**20 + 1, len(LARGE) - 30000):
        got = await engine.get("large.fits", start, start + 30000, version)
        assert bytes(got) == LARGE[start : start + 30000]


async def test_a_server_without_ranges_gives_whole_files_or_an_error(connect: Connect):
    """A part is refused, for it would be the wrong bytes; the whole is what was asked for."""
    engine = connect(NO_RANGES)
    version = await engine.head("large.fits")

    assert bytes(await engine.get("large.fits", 0, len(LARGE), version)) == LARGE
    with pytest.raises(ShortRead):
        await engine.get("large.fits", 100, 200, version)


async def test_a_whole_file_is_not_fetched_to_find_out(material: Path, nginx: int):
    """A server that ignores Range is not listened to: its answer is broken off."""
    with run_link(material, nginx + NO_RANGES, mbit=4) as port:
        engine = HttpEngine(f"http://127.0.0.1:{port}", {}, LimitSettings())
        version = await engine.head("large.fits")
        async with asyncio.timeout(5):  # the whole file would take eight seconds
            with pytest.raises(ShortRead):
                await engine.get("large.fits", 100, 200, version)
        await engine.close()


async def test_versions_without_a_validator_are_all_different(connect: Connect):
    """What cannot be told from another version is never taken for the same."""
    engine = connect(NO_VALIDATORS)
    first, second = await engine.head("large.fits"), await engine.head("large.fits")

    assert first.identity != second.identity


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("forbidden", AccessRefused),
        ("login", AccessRefused),
        ("rate", TransientFault),
        ("drop", TransientFault),
    ],
)
async def test_what_could_not_be_read_is_never_absent(
    connect: Connect, path: str, expected: type[GatewayError]
):
    """Each refusal has its own error, and none is "not found"."""
    with pytest.raises(StorageUnavailable) as caught:
        await connect(FLAKY, storage_tries=3).head(path)
    assert type(caught.value) in {expected, TransientFault}


async def test_another_version_is_not_read(connect: Connect):
    """A version is compared by If-Match, by the answer's ETag, its time and its size."""
    engine = connect(STATIC)
    version = await engine.head("large.fits")
    for other in (
        replace(version, etag='"other"'),
        replace(version, etag='W/"other"'),
        replace(version, etag=None, modified=1.0),
        replace(version, size=len(LARGE) - 1),
    ):
        with pytest.raises(SourceChanged):
            await engine.get("large.fits", 0, 10, other)
    with pytest.raises(SourceChanged):
        await engine.get("gone.fits", 0, 10, version)


async def test_no_part_of_a_listing_is_given_for_all_of_it(nginx: int):
    """A page that is too long is an error: the files behind the cut would seem not to be there."""
    url = f"http://127.0.0.1:{nginx + STATIC}/root"
    limits = LimitSettings.model_construct(max_listing_bytes=100, storage_ranges=1)
    whole, cut = HttpEngine(url, {}, LimitSettings()), HttpEngine(url, {}, limits)
    assert [entry async for entry in whole.entries("")]
    with pytest.raises(StorageUnavailable, match="too large to be listed"):
        assert [entry async for entry in cut.entries("")]
    await whole.close()
    await cut.close()


def test_only_what_lies_in_the_folder_is_an_entry():
    """Other orders, ways up and elsewhere, deeper paths and other hosts are left out."""
    hrefs = [
        *("a.fits", "./b%20c.fits", "sub/", "/data/x/d.fits", "http://h:1/data/x/e.fits"),
        *("?C=N;O=D", "../", "/data/", "/data/x/", "/else/f.fits", "sub/deep.fits", "#top"),
        *("http://other/data/x/g.fits", "https://h:1/data/x/h.fits", "mailto:x@y", "a.fits?q=1"),
        "http://[bad",
    ]
    page = "".join(f'<a href="{href}">x</a>' for href in hrefs) + "<a name='x'>y</a>"

    found = parse_links(page, URL("http://h:1/data/x"))
    assert found == {"a.fits", "b c.fits", "sub/", "d.fits", "e.fits"}


def test_headers_can_be_given_and_nothing_else():
    """A server's key goes into a header; an option that is not understood is named."""
    open_engine("https://h/x", {"client_kwargs": {"headers": {"X-Key": "1"}}}, LimitSettings())
    open_engine("https://h/x", {"headers": {"Authorization": "Bearer x"}}, LimitSettings())

    for options, named in (
        ({"anon": True}, "anon"),
        ({"client_kwargs": {"auth": "x"}}, "client_kwargs.auth"),
    ):
        with pytest.raises(ValueError, match=named):
            open_engine("https://h/x", options, LimitSettings())


ROWS = Block(1000, 500, 20_000, 150)
WANTED = b"".join(LARGE[n : n + 500] for n in range(1000, 1000 + 150 * 20_000, 20_000))


@pytest.mark.parametrize(
    ("mood", "n_reads"),
    [(STATIC, 2), (SLOW, 2), (NO_VALIDATORS, 2), (GZIP, 2), (LATE, 2), (PROXY, 150)],
)
async def test_rows_are_read_by_few_requests_where_that_is_understood(
    connect: Connect, mood: int, n_reads: int
):
    """The first try tells; in any case only the rows are read, and they are right."""
    store = make_store(connect(mood), request_cost_s=0)
    stored = await store.open("large.fits")

    assert bytes(await stored.read(ROWS)) == WANTED
    assert (stored.reads, stored.bytes_read) == (n_reads, ROWS.size)


async def test_flaky_servers_are_asked_for_ranges_too(connect: Connect):
    """What fails is tried again, or read range by range."""
    stored = await make_store(connect(FLAKY, storage_tries=8), request_cost_s=0).open("large.fits")
    for _ in range(5):
        assert bytes(await stored.read(ROWS)) == WANTED
    # a busy machine makes the link seem slow, and gaps cheap
    assert stored.bytes_read >= 5 * ROWS.size


async def test_a_server_that_does_not_know_ranges_is_asked_for_several_once(connect: Connect):
    """It is remembered; so is what it costs."""
    engine = connect(NO_RANGES)
    version = await engine.head("large.fits")
    assert engine.max_ranges > 1
    for _ in range(2):
        with pytest.raises(ShortRead):
            await engine.get_ranges("large.fits", [ByteRange(0, 9), ByteRange(500, 509)], version)
        assert engine.max_ranges == 1


async def test_another_version_is_not_read_in_parts(connect: Connect):
    """Several ranges are pinned as one is; a server that gives parts goes on being asked."""
    engine = connect(STATIC)
    version = await engine.head("large.fits")
    ranges = [ByteRange(0, 9), ByteRange(500, 509)]
    found = await engine.get_ranges("large.fits", ranges, version)
    assert bytes(found) == LARGE[:9] + LARGE[500:509]

    with pytest.raises(SourceChanged):
        await engine.get_ranges("large.fits", ranges, replace(version, etag='"other"'))
    with pytest.raises(SourceChanged):
        await engine.get_ranges("gone.fits", ranges, version)
    assert engine.max_ranges > 1


async def test_the_longest_request_is_short_enough(connect: Connect):
    """As many ranges as may be, far into a large file, are less than 4 KiB of a request."""
    most = connect(STATIC).max_ranges
    assert len(f"Range: bytes={','.join([f'{10**17}-{10**17 + 9}'] * most)}") < 4096


class PartsServer:
    """Gives two ranges of a file, or does with the request what it is told to."""

    def __init__(self) -> None:
        self.mood = "well"
        self.arrivals = asyncio.Semaphore(0)

    async def answer(self, _: web.Request) -> web.Response:
        """Answer as the mood is."""
        self.arrivals.release()
        if self.mood == "silent":
            await asyncio.Event().wait()
        if self.mood != "well":
            status, body, headers = BAD_ANSWERS[self.mood]
            return web.Response(status=status, body=body, headers=headers)
        size = len(LARGE)
        parts = [
            b"--b\r\nContent-Range: bytes %d-%d/%d\r\n\r\n" % (each.start, each.stop - 1, size)
            + LARGE[each.start : each.stop]
            + b"\r\n"
            for each in TWO
        ]
        return web.Response(status=206, body=b"".join([*parts, b"--b--"]), headers=PARTS)


@pytest.mark.parametrize("mood", ["failing", "silent"])
async def test_a_first_try_that_fails_in_passing_is_not_the_last(mood: str):
    """A 503, or a client that goes, means a rest, each twice as long; a wrong answer is the end."""
    server, now_s = PartsServer(), 1000.0
    app = web.Application()
    app.router.add_get("/a", server.answer)

    async def ask(mood: str) -> bytes:
        server.mood = mood
        question = asyncio.create_task(
            engine.get_ranges("a", TWO, ObjectInfo(len(LARGE), "", None))
        )
        await server.arrivals.acquire()
        if mood == "silent":
            question.cancel()
        return bytes(await question)

    async with TestServer(app) as running:
        engine = HttpEngine(str(running.make_url("")), {}, LimitSettings(), lambda: now_s)
        for rest_s in (60, 120):
            with pytest.raises((ShortRead, asyncio.CancelledError)):
                await ask(mood)
            now_s += rest_s - 1
            assert engine.max_ranges == 1
            now_s += 1
            assert engine.max_ranges > 1
        assert await ask("well") == LARGE[:9] + LARGE[500:509]
        with pytest.raises(TransientFault):
            await ask("failing")
        assert engine.max_ranges > 1
        with pytest.raises(ShortRead):
            await ask("first")
        now_s += 10**9
        assert engine.max_ranges == 1
        await engine.close()


PARTS = {"Content-Type": "multipart/byteranges; boundary=b"}
TWO = [ByteRange(0, 9), ByteRange(500, 509)]
BAD_ANSWERS: dict[str, tuple[int, bytes, dict[str, str]]] = {
    "refused": (400, b"", {}),
    "forbidden": (403, b"", {}),
    "unsatisfied": (416, b"", {}),
    "failing": (500, b"", {}),
    "first": (206, LARGE[1000:1500], {"Content-Range": f"bytes 1000-1499/{len(LARGE)}"}),
    "endless": (206, LARGE, PARTS),
    "empty": (206, b"--b--", PARTS),
    "packed": (206, b"--b--", {**PARTS, "Content-Encoding": "br"}),
}


async def serve_parts_badly(request: web.Request) -> web.Response:
    """Answer one range well, and several in the way that the file is called."""
    ranges, name = request.headers.get("Range", ""), request.match_info["name"]
    if "," in ranges and name == "silent":
        await asyncio.Event().wait()
    if "," in ranges and name == "broken":
        request.transport.abort()
    if "," in ranges and name in BAD_ANSWERS:
        status, body, headers = BAD_ANSWERS[name]
        return web.Response(status=status, body=body, headers=headers)
    if not ranges:
        return web.Response(body=LARGE)
    headers = {"Content-Range": f"{ranges.replace('=', ' ')}/{len(LARGE)}"}
    span = slice(0) if "," in ranges else request.http_range
    return web.Response(status=206, body=LARGE[span], headers=headers)


@pytest.mark.parametrize("name", [*BAD_ANSWERS, "silent", "broken"])
async def test_a_bad_answer_to_several_ranges_is_made_good_by_single_ones(name: str):
    """Whatever a server makes of several ranges, the rows are right, and it is tried once."""
    app = web.Application()
    app.router.add_get("/{name}", serve_parts_badly)
    async with TestServer(app) as server:
        # the silent one is waited for; on a busy machine the others take their time, too
        limits = LimitSettings(storage_try_s=2 if name == "silent" else 30)
        engine = open_engine(str(server.make_url("/")), {}, limits)
        stored = await RemoteStore(engine, limits, 0).open(name)

        assert bytes(await stored.read(ROWS)) == WANTED
        assert stored.reads == ROWS.n_rows
        assert engine.max_ranges == 1
        await engine.close()
