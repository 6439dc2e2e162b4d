"""After the first byte: an answer is whole, or the client sees that it is not."""

import asyncio
import gzip

import pytest
from aiohttp import ClientError, ClientPayloadError, ClientResponse
from aiohttp.test_utils import TestClient

from gateway.core.errors import ShortRead, StorageUnavailable
from gateway.core.ranges import Block
from gateway.storage.store import Buffer
from tests.fits_files import image, pixels
from tests.stores import FakeObject
from tests.web.conftest import Connect
from tests.web.small_archive import ROOT

STREAMED = {"inline_bytes": 0, "chunk_bytes": 4096}
FILE = image(pixels((2000, 2000), "i2"))
WHOLE = f"{ROOT}/a.fits?center=1000,1000px&size=2000px"
PATHS = [
    pytest.param(f"{ROOT}/a.fits", id="file"),
    pytest.param(f"{WHOLE}&gzip=0", id="plain"),
    pytest.param(WHOLE, id="chunked"),
]


async def ask_raw(client: TestClient, request: str) -> bytes:
    """Send a request as it is written; give all that comes until the connection ends."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(request.encode())
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize("path", [WHOLE, f"{ROOT}/"])
async def test_what_has_no_length_ends_with_its_connection(connect: Connect, path: str):
    """A client of HTTP/1.0 sees the end of it by that alone, though it wished to ask again."""
    client = await connect({"a.fits": FakeObject(FILE)}, STREAMED)
    head = f"GET {path} HTTP/1.0\r\nConnection: keep-alive\r\nAccept: application/json\r\n\r\n"
    answer = await ask_raw(client, head)

    assert b"keep-alive" not in answer
    assert answer.startswith(b"HTTP/1.0 200 OK")


async def test_a_version_that_is_not_spoken_is_not_answered_in(connect: Connect):
    """Whatever a client announces, it is told what the answer is written in."""
    client = await connect({"a.fits": FakeObject(FILE)})
    query = "center=9,9px&size=9px"
    lines = f"GET {ROOT}/a.fits?{query} HTTP/2.0\r\nHost: x\r\nConnection: close\r\n\r\n"

    assert (await ask_raw(client, lines)).startswith(b"HTTP/1.1 200 OK")


async def read(response: ClientResponse) -> bytes:
    """Read a body; a connection that stays open without an end is a failure of its own."""
    async with asyncio.timeout(10):
        return await response.read()


async def broken_answers(client) -> float:
    """Ask how many answers were broken off."""
    text = await (await client.get("/metrics")).text()
    name = f'ibe_gateway_broken_total{{collection="{ROOT}"}} '
    lines = [line for line in text.splitlines() if line.startswith(name)]
    return float(lines[0].removeprefix(name)) if lines else 0.0


@pytest.mark.parametrize("path", PATHS)
async def test_a_failure_in_the_middle_breaks_the_connection(connect: Connect, path: str):
    """With a length and without, the client sees an error, and never a short success."""
    stored = FakeObject(FILE)
    stored.failure, stored.fails_behind = StorageUnavailable("Try again later."), len(FILE) // 2
    client = await connect({"a.fits": stored}, STREAMED)
    response = await client.get(path)

    assert response.status == 200
    with pytest.raises(ClientError):
        await read(response)
    assert await broken_answers(client) == 1


@pytest.mark.parametrize("path", PATHS)
async def test_an_unexpected_exception_breaks_it_too(connect: Connect, path: str):
    """A fault of our own in the middle is no short success either."""
    stored = FakeObject(FILE)
    stored.failure, stored.fails_behind = RuntimeError("a fault"), len(FILE) // 2
    client = await connect({"a.fits": stored}, STREAMED)
    response = await client.get(path)

    with pytest.raises(ClientError):
        await read(response)


@pytest.mark.parametrize("path", PATHS)
async def test_a_failure_before_the_first_byte_is_an_answer(connect: Connect, path: str):
    """A storage that fails at once gives an error with its status."""
    stored = FakeObject(FILE)
    client = await connect({"a.fits": stored}, {"inline_bytes": 0})
    await client.head(path)
    stored.failure = ShortRead("The storage did not answer with the bytes that were asked for.")
    response = await client.get(path)

    assert response.status == 502
    assert "did not answer with the bytes" in await response.text()


async def test_a_store_that_gives_too_little_cannot_end_an_answer(connect: Connect):
    """A file that is shorter than announced breaks the connection, even at its very last byte."""
    client = await connect({"a.fits": FakeObject(FILE, announced=len(FILE) + 1)}, STREAMED)
    response = await client.get(f"{ROOT}/a.fits")

    with pytest.raises(ClientPayloadError):
        await read(response)


class Careless(FakeObject):
    """An object that breaks its protocol: the last byte of every read is missing."""

    async def read(self, *blocks: Block) -> Buffer:
        """Give a byte less than was asked for."""
        return (await super().read(*blocks))[:-1]


async def test_what_is_sent_is_counted(connect: Connect):
    """Even if all below is mistaken, an answer of fewer bytes than announced is broken off."""
    client = await connect({"a.fits": Careless(FILE)}, STREAMED)
    response = await client.get(f"{ROOT}/a.fits")

    with pytest.raises(ClientPayloadError):
        await read(response)


@pytest.mark.parametrize("path", PATHS)
async def test_a_client_that_leaves_takes_everything_along(connect: Connect, path: str):
    """Who leaves in the middle leaves no task, no reading and no admission place behind."""
    data = make_noise()
    stored = FakeObject(data)
    client = await connect({"a.fits": stored}, {"max_requests": 1, **STREAMED})
    await client.head(path)
    idle = len(asyncio.all_tasks())
    response = await client.get(path)
    await response.content.readany()
    response.close()
    async with asyncio.timeout(5):
        while await broken_answers(client) < 1:
            pass
    read = stored.bytes_read
    later = await client.get(f"{ROOT}/a.fits", headers={"Range": "bytes=0-9"})

    assert (later.status, await later.read()) == (206, data[:10])
    assert read < len(data)
    assert len(asyncio.all_tasks()) == idle


async def test_a_slow_client_is_waited_for(connect: Connect):
    """The storage is not read faster than the client takes the answer."""
    data = make_noise()
    stored = FakeObject(data)
    client = await connect({"a.fits": stored}, STREAMED)
    response = await client.get(f"{ROOT}/a.fits")
    for _ in range(200):
        await asyncio.sleep(0)
    held = stored.bytes_read
    body = await response.read()

    assert held < len(data) / 2
    assert body == data


async def test_a_request_that_takes_too_long_is_broken_off(connect: Connect):
    """The deadline also holds for a storage that stalls in the middle of an answer."""
    stored = FakeObject(FILE)
    limits = {"request_timeout_s": 0.3, **STREAMED, "chunk_bytes": 2**20}
    client = await connect({"a.fits": stored}, limits)
    await client.head(WHOLE)
    response = await client.get(f"{ROOT}/a.fits")
    stored.gate = asyncio.Event()

    with pytest.raises(ClientError):
        await read(response)


async def test_many_chunks_are_one_gzip_file(connect: Connect):
    """A chunked answer that was not broken off is whole."""
    client = await connect({"a.fits": FakeObject(FILE)}, STREAMED)
    packed = await (await client.get(WHOLE)).read()
    plain = await (await client.get(f"{WHOLE}&gzip=0")).read()

    assert gzip.decompress(packed) == plain


def make_noise() -> bytes:
    """Make an image too large for the buffers of a connection, that no gzip makes smaller."""
    return image(pixels((4000, 3000), "f4"))
