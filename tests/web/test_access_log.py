"""A line for each request."""

import json
from pathlib import Path

import pytest
from aiohttp import ClientError

from gateway.core.errors import StorageUnavailable
from gateway.web.access_log import AccessLog
from gateway.web.journal import Record
from tests.stores import FakeObject
from tests.web.conftest import Connect
from tests.web.small_archive import FILE, GZIPPED, IMAGE, PLAIN, ROOT, files, get_raw

STREAMED = {"inline_bytes": 0, "chunk_bytes": 4096}


async def write_lines(
    connect: Connect, capsys: pytest.CaptureFixture[str], path: str, form: str, **options
) -> tuple[str, bytes]:
    """Ask for a path and close the gateway, so that the log is written; give it and the body."""
    client = await connect(files(), server={"log_format": form}, **options)
    response = await get_raw(client, path, headers={"X-Request-ID": "the-id"})
    body = await response.read()
    await client.close()
    return capsys.readouterr().err, body


@pytest.mark.parametrize("path", [IMAGE, PLAIN, GZIPPED])
@pytest.mark.parametrize("limits", [{}, STREAMED])
async def test_a_line_of_json(
    connect: Connect, capsys: pytest.CaptureFixture[str], path: str, limits: dict[str, int]
):
    """A program reads from a line what was asked, answered and read."""
    log, body = await write_lines(connect, capsys, path, "json", limits=limits)
    (line,) = [json.loads(line) for line in log.splitlines()]

    assert line["id"] == "the-id"
    assert (line["method"], line["url"], line["status"]) == ("GET", path, 200)
    assert line["bytes"] == len(body)
    assert line["reads"] >= 1
    assert line["read_bytes"] >= 11 * 7 * 2
    assert 11 * 7 * 2 <= line["needed_bytes"] <= line["read_bytes"]
    assert line["collection"] == ROOT
    steps = {"resolve"} if path == IMAGE else {"resolve", "layout", "wcs"}
    assert steps <= set(line["steps_ms"])
    assert 0 < sum(line["steps_ms"].values()) <= line["ms"] + 0.01
    assert line["client"] == "127.0.0.1"
    assert line["broken"] is False
    assert line["ms"] > 0


@pytest.mark.parametrize(
    ("query", "status", "steps"),
    [
        ("format=png", 200, {"resolve", "plan", "read", "encode"}),
        ("format=json", 200, {"resolve", "plan", "read", "measure"}),
        ("view", 200, set()),
        ("center=999,999px&size=1px", 500, set()),
    ],
)
async def test_all_that_is_read_of_a_file_is_told(
    connect: Connect, capsys: pytest.CaptureFixture[str], query: str, status: int, steps: set[str]
):
    """Pictures, pages and refusals have cost reads, too."""
    log, _ = await write_lines(connect, capsys, f"{IMAGE}?{query}", "json")
    (line,) = [json.loads(line) for line in log.splitlines()]

    assert line["status"] == status
    assert line["reads"] >= 1
    assert set(line["steps_ms"]) == steps


async def test_a_line_for_people(connect: Connect, capsys: pytest.CaptureFixture[str]):
    """A person reads the same."""
    log, _ = await write_lines(connect, capsys, IMAGE, "text")

    assert f'the-id 127.0.0.1 "GET {IMAGE}" 200 {len(FILE)} bytes in ' in log
    assert f"1 reads of {len(FILE)} bytes" in log
    assert "BROKEN" not in log


@pytest.mark.parametrize("form", ["text", "json"])
async def test_no_client_forges_a_line(
    connect: Connect, capsys: pytest.CaptureFixture[str], form: str
):
    """A line break in a URL stays the escape that it is."""
    log, _ = await write_lines(connect, capsys, f"{ROOT}/a%0d%0a%22forged", form)

    assert len(log.splitlines()) == 1
    assert "a%0d%0a%22forged" in log


async def test_a_broken_answer_is_marked(connect: Connect, capsys: pytest.CaptureFixture[str]):
    """What was begun and not finished has its status, and a mark."""
    stored = FakeObject(FILE * 9)
    stored.failure, stored.fails_behind = StorageUnavailable("Try again later."), len(FILE)
    client = await connect({"a.fits": stored}, STREAMED)
    response = await client.get(IMAGE)
    with pytest.raises(ClientError):
        await response.read()
    await client.close()

    assert "BROKEN OFF" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("center=-900,9px&size=9px", "does not overlap"),
        ("center=1", "it is required when center is given"),
        ("a%0Ab=1", "no such parameter"),
    ],
)
async def test_what_a_client_was_told(
    connect: Connect, capsys: pytest.CaptureFixture[str], query: str, reason: str
):
    """Who is quoted the id of a refused request finds its reason; no line can be forged by it."""
    text, _ = await write_lines(connect, capsys, f"{IMAGE}?{query}", "text")
    (line,) = text.splitlines()
    log, _ = await write_lines(connect, capsys, f"{IMAGE}?{query}", "json")

    assert reason in line
    assert reason in json.loads(log)["reason"]


def test_a_log_that_cannot_be_written_ends_nothing():
    """On a full disk the lines are lost: the requests were answered, and are counted."""
    record = Record(
        0, "id", "", "GET", "/", "/x", 200, 0, 0, 0, 0, 0, 0, {}, found=True, broken=False
    )
    full = Path("/dev/full").open("w")  # noqa: SIM115 - to close it would write what could not be
    AccessLog("text", full).write([record])

    with pytest.raises(OSError, match="No space left"):
        full.close()
