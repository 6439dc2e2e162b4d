"""What happens to every request: its id, admission, deadline, and how errors are told."""

import asyncio
import gzip
import json
import logging

import numpy as np
import pytest
from aiohttp import ClientSession, ClientTimeout, ServerDisconnectedError, TCPConnector, web

from gateway.core.errors import (
    SourceChanged,
    StorageTimeout,
    StorageUnavailable,
)
from gateway.web.app import GATE
from gateway.web.complete import CompleteResponse
from tests.core.compressed import compress
from tests.fits_files import image, pixels
from tests.running import REPOSITORY
from tests.stores import FakeObject, FakeStore
from tests.web.conftest import Connect
from tests.web.small_archive import FILE, GZIPPED, IMAGE, PLAIN, ROOT, files, get_raw

TILED = compress(pixels((100, 100), "i2"), compression_type="RICE_1", tile_shape=(100, 100))
PACKED = gzip.compress(image(np.zeros((3000, 3000), ">i2")), 1)  # more than is kept unpacked
SECRET = "bucket-7, /srv/private, db.internal"
BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"


def hanging() -> FakeObject:
    """Make a file whose reads wait until a test opens the gate."""
    stored = FakeObject(FILE)
    stored.gate = asyncio.Event()
    return stored


async def test_every_answer_has_an_id(connect: Connect):
    """Success and failure have ids, and no two requests share one."""
    client = await connect(files())
    paths = (PLAIN, GZIPPED, IMAGE, f"{ROOT}/", f"{ROOT}/missing", f"{IMAGE}?x=1", "/", "/healthz")
    ids = [(await client.get(path)).headers["X-Request-ID"] for path in paths]

    assert len(set(ids)) == len(paths)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("abc-123_x.y", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("", False),
        ("a b", False),
        ("<script>", False),
        ('a"b', False),
        ("é", False),
    ],
)
async def test_a_plain_id_of_a_proxy_is_kept(connect: Connect, given: str, *, kept: bool):
    """An id that a proxy gave is kept if it is a plain word, or it could forge a log line."""
    client = await connect(files())
    response = await client.get(f"{ROOT}/missing", headers={"X-Request-ID": given})
    used = response.headers["X-Request-ID"]

    assert (used == given) is kept
    assert f"Request {used}" in await response.text()


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (StorageUnavailable("The storage could not be read; try again later."), 502),
        (SourceChanged("The file changed while it was read; ask again."), 502),
        (StorageTimeout("The storage did not answer in time; try again later."), 504),
    ],
)
@pytest.mark.parametrize("path", [IMAGE, PLAIN, f"{ROOT}/"])
async def test_a_failing_storage_is_never_404(
    connect: Connect, failure: Exception, status: int, path: str, caplog: pytest.LogCaptureFixture
):
    """The client is told in a sentence, the log gets the cause with the id."""
    failure.__cause__ = OSError(SECRET)
    store = FakeStore(files())
    store.failure = failure
    client = await connect(store)
    response = await client.get(path)
    text = await response.text()

    assert response.status == status
    assert text == f"{failure}\nRequest {response.headers['X-Request-ID']}\n"
    assert SECRET in caplog.text
    assert response.headers["X-Request-ID"] in caplog.text


@pytest.mark.parametrize("path", [IMAGE, PLAIN, GZIPPED, f"{ROOT}/", f"{ROOT}/missing"])
async def test_an_unexpected_exception_tells_nothing(
    connect: Connect, path: str, caplog: pytest.LogCaptureFixture
):
    """A fault of our own is 500 with one fixed sentence; what it was stands in the log."""
    store = FakeStore(files())
    store.failure = RuntimeError(SECRET)
    client = await connect(store)
    response = await client.get(path)
    text = await response.text()

    assert response.status == 500
    assert text.startswith("The gateway failed;")
    assert not any(word in text for word in (*SECRET.split(), "Traceback", "RuntimeError"))
    assert SECRET in caplog.text


async def test_errors_in_three_formats(connect: Connect):
    """A browser gets a page, who asks for JSON a problem (RFC 9457), and all others text."""
    client = await connect(files())
    url, given = f"{IMAGE}?center=<b>&size=1", {"X-Request-ID": "the-id"}
    text = await client.get(url, headers={"Accept": "*/*", **given})
    page = await client.get(url, headers={"Accept": BROWSER, **given})
    problem = await client.get(url, headers={"Accept": "application/json", **given})
    body = json.loads(await problem.text())

    assert [r.status for r in (text, page, problem)] == [400] * 3
    assert (text.content_type, page.content_type) == ("text/plain", "text/html")
    assert problem.content_type == "application/problem+json"
    assert (await text.text()).startswith("Parameter 'center': '<b>' is malformed")
    assert "&lt;b&gt;" in await page.text()
    assert "the-id" in await page.text()
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert body["status"] == 400
    assert body["request_id"] == "the-id"
    assert {r.headers["Vary"] for r in (text, page, problem)} == {"Accept"}


async def test_a_range_that_cannot_be_satisfied_is_a_problem_too(connect: Connect):
    """Also a 416 has a body in the format that was asked for."""
    client = await connect(files())
    headers = {"Range": "bytes=99999-", "Accept": "application/json"}
    response = await client.get(IMAGE, headers=headers)

    assert response.status == 416
    assert json.loads(await response.text())["title"] == "Range Not Satisfiable"
    assert response.headers["Content-Range"] == f"bytes */{len(FILE)}"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "PROPFIND", "TRACE"])
@pytest.mark.parametrize("path", [IMAGE, PLAIN, "/", "/healthz", "/metrics", "/elsewhere"])
async def test_other_methods_are_405(connect: Connect, method: str, path: str):
    """Nothing can be changed here; the answer names what is allowed."""
    client = await connect(files())
    response = await client.request(method, path)

    assert response.status == 405
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert "Only GET, HEAD and OPTIONS" in await response.text()


async def test_what_is_too_much_is_refused_at_once(connect: Connect):
    """Beyond the limit is 503 with Retry-After; the operator's pages and who waits are served."""
    objects = {"a.fits": FakeObject(FILE), "slow.fits": hanging()}
    client = await connect(objects, {"max_requests": 2, "retry_after_s": 7})
    waiting = [asyncio.create_task(client.get(f"{ROOT}/slow.fits")) for _ in range(2)]
    for _ in waiting:
        await objects["slow.fits"].arrivals.acquire()
    refused = await client.get(IMAGE)
    health = [(await client.get(path)).status for path in ("/healthz", "/readyz", "/metrics")]
    objects["slow.fits"].gate.set()
    bodies = [await (await task).read() for task in waiting]

    assert (refused.status, refused.headers["Retry-After"]) == (503, "7")
    assert "try again in a moment" in await refused.text()
    assert health == [200, 200, 200]
    assert bodies == [FILE, FILE]
    assert (await client.get(IMAGE)).status == 200


@pytest.mark.parametrize("cors", [True, False])
async def test_pages_of_other_origins_can_read_a_refusal(connect: Connect, *, cors: bool):
    """A 503 that comes before the path is looked at has the headers of its collection."""
    slow = hanging()
    client = await connect({"slow.fits": slow}, {"max_requests": 1}, cors=cors)
    waiting = asyncio.create_task(client.get(f"{ROOT}/slow.fits"))
    await slow.arrivals.acquire()
    refused = await client.get(f"{ROOT}/missing")
    slow.gate.set()
    await (await waiting).read()

    assert refused.status == 503
    assert refused.headers.get("Access-Control-Allow-Origin") == ("*" if cors else None)
    exposed = refused.headers.get("Access-Control-Expose-Headers", "")
    assert ("Retry-After" in exposed) is cors


async def test_one_client_is_told_that_it_asks_too_much(connect: Connect):
    """Beyond its own bound a client gets 429 with Retry-After; another gets its answer."""
    objects = {"a.fits": FakeObject(FILE), "slow.fits": hanging()}
    limits = {"max_client_requests": 1, "retry_after_s": 7}
    client = await connect(objects, limits, {"trusted_proxies": ("127.0.0.0/8",)})
    me, other = ({"X-Forwarded-For": f"192.0.2.{n}"} for n in (1, 2))
    waiting = asyncio.create_task(client.get(f"{ROOT}/slow.fits", headers=me))
    await objects["slow.fits"].arrivals.acquire()
    refused = await client.get(IMAGE, headers=me)
    given = await client.get(IMAGE, headers=other)
    objects["slow.fits"].gate.set()
    await (await waiting).read()

    assert (refused.status, refused.headers["Retry-After"]) == (429, "7")
    assert "Your address asks for more" in await refused.text()
    assert given.status == 200


@pytest.mark.parametrize(
    ("file", "query"),
    [
        (FILE, ""),
        (FILE, "?center=50,40px&size=90px"),
        (TILED, "?center=50,40px&size=9px"),
        (PACKED, "?center=50,40px&size=9px"),
    ],
    ids=["whole file", "cutout", "large tiles", "large gzip file"],
)
async def test_large_answers_wait_for_their_turn(connect: Connect, file: bytes, query: str):
    """Whole files, and cutouts that are much to send, unpack or inflate; small ones go past."""
    slow = FakeObject(file)
    objects = {"a.fits": FakeObject(FILE), "slow.fits": slow}
    limits = {"inline_bytes": 10_000, "max_large": 1, "max_wait_s": 0.05}
    client = await connect(objects, limits)
    assert (await client.get(f"{ROOT}/slow.fits{query}")).status == 200  # its layout is known now
    slow.gate = asyncio.Event()
    url = f"{ROOT}/slow.fits{query}"
    first, second = (asyncio.create_task(client.get(url)) for _ in range(2))
    done, _ = await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
    small = await client.get(PLAIN)
    slow.gate.set()

    assert [task.result().status for task in done] == [503]
    assert small.status == 200
    assert sorted([(await first).status, (await second).status]) == [200, 503]


async def test_every_place_is_given_back(connect: Connect):
    """Successes, refusals and faults all leave their place to the next."""
    store = FakeStore(files())
    client = await connect(store, {"max_requests": 1})
    paths = (PLAIN, f"{IMAGE}?x=1", f"{ROOT}/missing", f"{ROOT}/", ROOT, "/", IMAGE)
    for _ in range(3):
        statuses = [(await get_raw(client, path)).status for path in paths]
    store.failure = RuntimeError("a fault")
    faults = {(await client.get(IMAGE)).status for _ in range(3)}

    assert statuses == [200, 400, 404, 200, 301, 200, 200]
    assert faults == {500}


async def test_a_request_has_a_deadline(connect: Connect):
    """A storage that never answers is 504 when the time is up, and the place is free again."""
    client = await connect({"a.fits": hanging()}, {"request_timeout_s": 0.1, "max_requests": 1})
    responses = [await client.get(path) for path in (IMAGE, PLAIN)]

    assert [response.status for response in responses] == [504, 504]
    assert "took too long" in await responses[0].text()
    assert (await client.get("/")).status == 200


async def test_a_request_that_is_cancelled_is_told_of(
    connect: Connect, capsys: pytest.CaptureFixture[str]
):
    """What a worker that ends waits for no longer is counted as broken off, and logged."""
    stored = hanging()
    client = await connect({"a.fits": stored})
    asking = asyncio.create_task(client.get(PLAIN))
    await stored.arrivals.acquire()
    (connection,) = client.server.runner.server.connections
    connection._current_request.task.cancel()
    with pytest.raises(ServerDisconnectedError):
        await asking
    metrics = await (await client.get("/metrics")).text()
    await client.close()

    assert f'ibe_gateway_broken_total{{collection="{ROOT}"}} 1.0' in metrics
    assert "BROKEN OFF" in capsys.readouterr().err


async def test_a_storage_that_hangs_up_is_no_client_that_is_gone(
    connect: Connect, caplog: pytest.LogCaptureFixture
):
    """An error that no store should let through is ours, and is logged with its traceback."""
    store = FakeStore(files())
    store.failure = ConnectionResetError("by the storage")
    client = await connect(store)

    assert (await client.get(PLAIN)).status == 500
    assert "by the storage" in caplog.text


async def test_refusals_of_requests_do_not_fill_the_log(
    connect: Connect, caplog: pytest.LogCaptureFixture
):
    """What a caller can mend is no warning for who runs the gateway."""
    caplog.set_level(logging.INFO)
    client = await connect(files())
    for path in (f"{ROOT}/missing", f"{IMAGE}?x=1", f"{IMAGE}?center=-99,1px&size=1px"):
        await client.get(path)

    assert caplog.records == []


@pytest.mark.parametrize(
    ("request_line", "said"),
    [
        (b"GET /\xff\x00 HTTP/1.1\r\nBad Header", b"no request of HTTP/1.1"),
        (b"GET /%s HTTP/1.1" % (b"x" * 9000), b"bytes: use a shorter URL"),
        (b"GET / HTTP/1.1\r\nCookie: %s" % (b"x" * 9000), b"A line of the request has more than"),
        (b"FOO / HTTP/1.1", b"no request of HTTP/1.1"),
    ],
)
async def test_what_aiohttp_refuses_names_nothing(
    connect: Connect, request_line: bytes, said: bytes
):
    """What cannot be read as a request is 400 with a sentence, without a word of the inside."""
    client = await connect(files())
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(request_line + b"\r\n\r\n")
    answer = (await reader.read()).decode("latin-1")
    writer.close()
    await writer.wait_closed()

    assert answer.startswith("HTTP/1.0 400")
    assert answer.endswith("\n")
    assert said.decode() in answer
    assert "aiohttp" not in answer
    assert "Server: ibe-gateway\r\n" in answer
    assert "Traceback" not in answer
    assert str(REPOSITORY) not in answer
    assert (await client.get(IMAGE)).status == 200


@pytest.mark.parametrize("limits", [{}, {"inline_bytes": 0}], ids=["small", "streamed"])
@pytest.mark.parametrize("path", [PLAIN, GZIPPED, IMAGE, f"{ROOT}/missing"])
async def test_who_is_answered_while_the_worker_leaves_off_is_told(
    connect: Connect, path: str, limits: dict[str, int]
):
    """The next question must go elsewhere: the connection will be closed."""
    client = await connect(files(), limits)
    before = await client.get(path)
    client.app[GATE].drain()
    after = await client.get(path)

    assert "Connection" not in before.headers
    assert after.headers["Connection"] == "close"
    assert await after.read()


async def test_what_fails_behind_an_answer_adds_none(aiohttp_raw_server):
    """An error of ours between the last byte and the next request breaks the connection."""

    async def answer_and_fail(request: web.BaseRequest) -> web.StreamResponse:
        response = CompleteResponse(200, "")
        response.begin_head(request, "")
        response.send(request, b"whole", "")
        raise RuntimeError("late")

    server = await aiohttp_raw_server(answer_and_fail)
    async with ClientSession(connector=TCPConnector(limit=1)) as session:
        for _ in range(3):
            async with session.get(server.make_url("/")) as response:
                assert response.status == 200
                assert await response.read() == b"whole"


async def test_who_leaves_before_the_answer_is_no_failure_of_ours(connect: Connect):
    """A client that has gone is counted as an answer that was broken off, not as a 500."""
    stored = hanging()
    client = await connect({"a.fits": stored})
    with pytest.raises(TimeoutError):
        await client.get(PLAIN, timeout=ClientTimeout(total=0.2))
    stored.gate.set()
    async with asyncio.timeout(10):
        # nobody tells when it is counted
        while 'status="200"' not in (  # noqa: ASYNC110
            text := await (await client.get("/metrics")).text()
        ):
            await asyncio.sleep(0.01)

    assert f'ibe_gateway_broken_total{{collection="{ROOT}"}} 1.0' in text
    assert 'status="500"' not in text


async def test_an_answer_that_began_before_the_worker_leaves_off_tells_it_too(connect: Connect):
    """However long the storage takes: what counts is when the head is sent."""
    stored = FakeObject(FILE)
    client = await connect({"a.fits": stored})
    await client.get(PLAIN)  # from now on only pixels are read, when the head is begun
    stored.gate = asyncio.Event()
    asking = asyncio.create_task(client.get(PLAIN))
    await stored.arrivals.acquire()
    client.app[GATE].drain()
    stored.gate.set()

    assert (await asking).headers["Connection"] == "close"
