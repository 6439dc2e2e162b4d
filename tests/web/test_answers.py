"""Lengths, HEAD, validators and ranges of what is answered."""

import asyncio
import gzip
import re
from email import message_from_bytes

import pytest

from gateway.core.ranges import Block
from tests.stores import FakeObject, FakeStore
from tests.web.conftest import Connect
from tests.web.small_archive import CUT, FILE, GZIPPED, IMAGE, PLAIN, ROOT, files

DATE = "Wed, 21 Oct 2015 07:28:00 GMT"
EARLIER, LATER = "Tue, 20 Oct 2015 07:28:00 GMT", "Thu, 22 Oct 2015 07:28:00 GMT"
STREAMED = {"inline_bytes": 0, "chunk_bytes": 4096}
INLINE: dict[str, int] = {}
both_ways = pytest.mark.parametrize("limits", [INLINE, STREAMED], ids=["whole", "streamed"])


@both_ways
@pytest.mark.parametrize("path", [IMAGE, PLAIN, f"{IMAGE}?center=60,50px&size=999px&gzip=0"])
async def test_the_length_is_exact(connect: Connect, path: str, limits: dict[str, int]):
    """A file and a plain cutout say how long they are, however they are sent."""
    client = await connect(files(), limits)
    response = await client.get(path)
    body = await response.read()

    assert response.headers["Content-Length"] == str(len(body))
    assert "Transfer-Encoding" not in response.headers


async def test_a_gzipped_answer_has_a_length_where_it_is_made_whole(connect: Connect):
    """A small gzip answer has a length, a long one is chunked; both have the same content."""
    whole, streamed = await connect(files()), await connect(files(), STREAMED)
    first, second = await whole.get(GZIPPED), await streamed.get(GZIPPED)
    bodies = [await first.read(), await second.read()]

    assert first.headers["Content-Length"] == str(len(bodies[0]))
    assert second.headers["Transfer-Encoding"] == "chunked"
    assert gzip.decompress(bodies[0]) == gzip.decompress(bodies[1])


@both_ways
@pytest.mark.parametrize("path", [IMAGE, PLAIN, GZIPPED, f"{ROOT}/folder/notes.txt"])
async def test_head_has_the_headers_and_reads_no_pixel(
    connect: Connect, path: str, limits: dict[str, int]
):
    """HEAD says what GET would say, and the storage is not asked for any pixel."""
    objects = files()
    client = await connect(objects, limits)
    got = await client.get(path)
    await got.read()
    objects["a.fits"].asked.clear()
    head = await client.head(path)
    differing = {"Date", "X-Request-ID", "Server-Timing"}
    if path == GZIPPED:  # its length is only known when it is made
        differing |= {"Content-Length", "Transfer-Encoding"}
    headers = [{k: v for k, v in r.headers.items() if k not in differing} for r in (got, head)]

    assert await head.read() == b""
    assert (head.status, headers[1]) == (200, headers[0])
    assert "Server-Timing" in head.headers
    assert objects["a.fits"].asked == []


async def test_head_of_a_new_file_reads_its_headers_alone(connect: Connect):
    """HEAD is refused where GET would be: so the layout is read, and nothing behind it."""
    objects = files()
    client = await connect(objects)
    ok = await client.head(GZIPPED)
    refused = await client.head(f"{IMAGE}?center=-500,1px&size=1px")

    assert (ok.status, refused.status) == (200, 500)
    assert objects["a.fits"].reads == 1


@pytest.mark.parametrize("path", [PLAIN, GZIPPED])
async def test_what_comes_together_is_planned_before_any_of_it_is_read(connect: Connect, path: str):
    """The pixels of one cutout do not go through the caches between the plans of two others."""
    steps: list[str] = []

    class Store(FakeStore):
        async def open(self, key: str) -> FakeObject:
            steps.append("open")
            return await super().open(key)

    class Object(FakeObject):
        def read_resident(self, block: Block, target: memoryview) -> bool:
            steps.append("read")
            return super().read_resident(block, target)

    client = await connect(Store({"a.fits": Object(FILE, resident=True)}))
    for _ in range(2):  # the first time the headers are read, and the connections opened
        steps.clear()
        answers = await asyncio.gather(*(client.get(path) for _ in range(3)))
        assert [answer.status for answer in answers] == [200] * 3

    assert steps == ["open"] * 3 + ["read"] * 3


@pytest.mark.parametrize(
    "headers",
    [{"If-None-Match": "*"}, {"If-Modified-Since": LATER}, {"If-Match": '"x"'}],
)
@pytest.mark.parametrize(
    ("wrong", "right", "status"),
    [
        ("center=-900,9px&size=9px", f"{CUT}&gzip=false", 500),
        ("center=-900,9px&size=9px&format=png", f"{CUT}&format=png", 500),
        ("view&hdu=9", "view", 400),
    ],
)
async def test_preconditions_are_for_successes(
    connect: Connect, headers: dict[str, str], wrong: str, right: str, status: int
):
    """What is refused is refused, whatever the client has (RFC 9110, 13.2.1)."""
    client = await connect(files())
    refused = await client.get(f"{IMAGE}?{wrong}", headers=headers)
    answered = await client.get(f"{IMAGE}?{right}", headers=headers)

    assert refused.status == status
    assert answered.status in {304, 412}


@pytest.mark.parametrize(
    ("query", "tells_gzip"),
    [(PLAIN, False), (GZIPPED, True), (f"{IMAGE}?view", True), (f"{GZIPPED}&format=json", True)],
)
async def test_the_etag_tells_settings_apart(connect: Connect, query: str, *, tells_gzip: bool):
    """What an answer depends on beside the file and the question is in its tag."""
    tags = [
        (await (await connect(files(), **options)).get(query)).headers["ETag"]
        for options in ({}, {"box": "ibe"}, {"gzip": "never"})
    ]

    assert tags[0] != tags[1]
    assert (tags[0] != tags[2]) is tells_gzip


async def test_the_etag_tells_versions_apart(connect: Connect):
    """The tag is strong, the same for the same question, another for another one or version."""
    objects = files()
    client = await connect(objects)
    again = f"{IMAGE}?size=11.0,7+pix&gzip=off&center=50,40.0p"
    paths = (PLAIN, again, GZIPPED, f"{IMAGE}?{CUT}&gzip=1", IMAGE, PLAIN.replace("50", "51"))
    tags = [(await client.get(path)).headers["ETag"] for path in paths]
    objects["a.fits"] = FakeObject(FILE, "2")
    later = (await client.get(PLAIN)).headers["ETag"]

    assert all(re.fullmatch(r'"[0-9a-f]+"', tag) for tag in tags)
    assert tags[0] == tags[1]
    assert tags[2] == tags[3]
    assert len({*tags, later}) == 5


@pytest.mark.parametrize("path", [IMAGE, PLAIN, GZIPPED])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": "{etag}"}, 304),
        ({"If-None-Match": 'W/{etag}, "x"'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"x"'}, 200),
        ({"If-None-Match": '"x"', "If-Modified-Since": LATER}, 200),
        ({"If-Modified-Since": DATE}, 304),
        ({"If-Modified-Since": EARLIER}, 200),
        ({"If-Match": "{etag}"}, 200),
        ({"If-Match": "W/{etag}"}, 412),
        ({"If-Match": '"x"'}, 412),
        ({"If-Match": '"x"', "If-None-Match": "{etag}"}, 412),
        ({"If-Unmodified-Since": EARLIER}, 412),
        ({"If-Unmodified-Since": DATE}, 200),
    ],
)
async def test_preconditions(connect: Connect, path: str, headers: dict[str, str], status: int):
    """A precondition is judged before anything is read; a 304 repeats the validators."""
    objects = files()
    client = await connect(objects)
    etag = (await client.head(path)).headers["ETag"]
    objects["a.fits"].asked.clear()
    given = {name: value.format(etag=etag) for name, value in headers.items()}
    for method in ("HEAD", "GET"):
        response = await client.request(method, path, headers=given)

        assert response.status == status
        if status == 304:
            assert (response.headers["ETag"], response.headers["Last-Modified"]) == (etag, DATE)
            assert await response.read() == b""
        if (status, method) == (412, "GET"):
            assert response.headers["X-Request-ID"] in await response.text()
    assert (objects["a.fits"].asked == []) == (status != 200)


@both_ways
@pytest.mark.parametrize("path", [IMAGE, PLAIN])
@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=100-4199", slice(100, 4200)),
        ("bytes=2881-", slice(2881, None)),
        ("bytes=-10", slice(-10, None)),
        ("bytes=-99999", slice(None)),
        ("bytes=5000-99999", slice(5000, None)),
        ("bytes=10-19,15-29", slice(10, 30)),
    ],
)
async def test_a_range(
    connect: Connect, path: str, header: str, part: slice, limits: dict[str, int]
):
    """A range of a file or of a plain cutout is the slice of the whole."""
    client = await connect(files(), limits)
    whole = await (await client.get(path)).read()
    response = await client.get(path, headers={"Range": header})
    body = await response.read()
    start, stop, _ = part.indices(len(whole))

    assert response.status == 206
    assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(whole)}"
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.content_length == len(body)
    assert body == whole[part]


@pytest.mark.parametrize("path", [IMAGE, PLAIN])
async def test_several_ranges(connect: Connect, path: str):
    """Several ranges come as parts that a parser of mail understands, of the length announced."""
    client = await connect(files())
    whole = await (await client.get(path)).read()
    response = await client.get(path, headers={"Range": "bytes=5000-5009, 0-3, -2"})
    body = await response.read()
    kind = response.headers["Content-Type"]
    message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
    parts = [part.get_payload(decode=True) for part in message.get_payload()]
    ranges = [part["Content-Range"] for part in message.get_payload()]

    assert (response.status, response.content_length) == (206, len(body))
    assert "Content-Range" not in response.headers
    assert parts == [whole[5000:5010], whole[:4], whole[-2:]]
    assert ranges[0] == f"bytes 5000-5009/{len(whole)}"
    assert {part.get_content_type() for part in message.get_payload()} == {"application/fits"}


async def test_a_range_of_a_cutout_reads_only_its_rows(connect: Connect):
    """Two rows of a cutout cost two rows of the file."""
    objects = files()
    client = await connect(objects)
    await client.get(PLAIN)
    objects["a.fits"].asked.clear()
    row = 11 * 2
    span = f"bytes={2880 + 2 * row}-{2880 + 4 * row - 1}"
    response = await client.get(PLAIN, headers={"Range": span})
    await response.read()
    asked = objects["a.fits"].asked
    objects["a.fits"].asked = []
    await (await client.get(PLAIN, headers={"Range": "bytes=0-2879"})).read()

    assert sum(block.size for block in asked) == 2 * row
    assert objects["a.fits"].asked == []


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("bytes=99999-", 416),
        ("bytes=-0", 416),
        ("bytes=5-1", 200),
        ("pixels=0-1", 200),
        ("bytes=" + ",".join(f"{n * 3}-{n * 3}" for n in range(40)), 200),
    ],
)
async def test_a_range_that_selects_nothing(connect: Connect, header: str, status: int):
    """Beyond the end is 416 with the length; what is malformed or too much is the whole file."""
    client = await connect(files())
    response = await client.get(IMAGE, headers={"Range": header})

    assert response.status == status
    assert response.headers.get("Content-Range", f"bytes */{len(FILE)}") == f"bytes */{len(FILE)}"
    assert ("Content-Range" in response.headers) == (status == 416)


@pytest.mark.parametrize("path", [IMAGE, PLAIN])
async def test_if_range(connect: Connect, path: str):
    """A range counts only for the version that the client knows."""
    client = await connect(files())
    etag = (await client.head(path)).headers["ETag"]
    statuses = [
        (await client.get(path, headers={"Range": "bytes=0-9", "If-Range": known})).status
        for known in (etag, f"W/{etag}", '"x"', DATE, LATER)
    ]

    assert statuses == [206, 200, 200, 206, 200]


async def test_head_ignores_range(connect: Connect):
    """Range is defined for GET alone (RFC 9110, 14.2)."""
    client = await connect(files())
    response = await client.head(IMAGE, headers={"Range": "bytes=0-9"})

    assert (response.status, response.content_length) == (200, len(FILE))


@both_ways
async def test_a_gzipped_cutout_has_no_ranges(connect: Connect, limits: dict[str, int]):
    """Where the bytes of a gzip answer lie is only known when all are made."""
    client = await connect(files(), limits)
    response = await client.get(GZIPPED, headers={"Range": "bytes=0-9"})

    assert response.status == 200
    assert response.headers["Accept-Ranges"] == "none"
    assert gzip.decompress(await response.read()).startswith(b"SIMPLE")


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        (IMAGE, {"resolve", "read", "storage"}),
        (PLAIN, {"resolve", "layout", "wcs", "read", "storage"}),
        (GZIPPED, {"resolve", "layout", "wcs", "read", "encode", "storage"}),
    ],
)
async def test_server_timing(connect: Connect, path: str, steps: set[str]):
    """Every answer says where its time went, and what the storage was asked for."""
    client = await connect(files())
    timing = (await client.get(path)).headers["Server-Timing"]
    found = dict(step.split(";", 1) for step in timing.split(", ", len(steps) - 1))

    assert set(found) == steps
    assert all(re.fullmatch(r"dur=\d+\.\d+", found[name]) for name in steps - {"storage"})
    assert re.fullmatch(r'desc="\d+ reads, \d+ bytes, \d+ needed"', found["storage"])
