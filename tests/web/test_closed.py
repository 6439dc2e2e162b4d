"""What may not be seen is, in every answer, not there."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient

from gateway.config import CollectionSettings, LimitSettings, Settings
from gateway.config_server import ServerSettings
from gateway.core.box import BoxRule
from gateway.keys import make_token, sign_url
from gateway.storage.archive import Archive, Collection
from gateway.web.app import SERVICE, build_app
from tests.stores import FakeObject, FakeStore
from tests.web.conftest import Server
from tests.web.small_archive import CUT, FILE, get_raw

TOKEN, DIGEST = make_token()
BEARER = {"Authorization": f"Bearer {TOKEN}"}
KEY = "a key that nobody else in the world knows"
OPEN, CLOSED, NIGHT = "/ibe/data", "/ibe/data/closed", "/ibe/data/night"
RULE = {"tokens": (DIGEST,)}
SETTINGS = Settings(
    server=ServerSettings(signing_keys=("another key, which was in use before", KEY)[::-1]),
    collections=(
        CollectionSettings(path=OPEN, url="memory://a", access=({"paths": "night/*", **RULE},)),
        CollectionSettings(path=CLOSED, url="memory://b", title="Closed", access=(RULE,)),
    ),
)
FULL = LimitSettings(max_requests=1)
OBJECTS = {
    OPEN: {"a.fits": FILE, "night/a.fits": FILE, "closed/shadow.fits": FILE},
    CLOSED: {"a.fits": FILE, "deep/b.txt": b"text"},
}
FILES = [f"{CLOSED}/a.fits", f"{CLOSED}/deep/b.txt", f"{NIGHT}/a.fits"]
PARTS = [f"{CLOSED}/a.fits?{part}" for part in (CUT, f"{CUT}&format=png", "format=json", "view")]
FOLDERS = [f"{CLOSED}/", f"{CLOSED}/deep/", f"{NIGHT}/"]
WITHOUT_SLASH = [CLOSED, NIGHT, f"{CLOSED}/deep"]
NONSENSE = [f"{CLOSED}/a.fits?center=1", f"{CLOSED}/?limit=x", f"{NIGHT}/a.fits?x=1&x=2"]
ALL = [*FILES, *PARTS, *FOLDERS, *WITHOUT_SLASH, *NONSENSE, f"{CLOSED}/shadow.fits"]
ACCEPTS = ("*/*", "text/html", "application/json")


Connect = Callable[..., Awaitable[TestClient]]


@pytest.fixture
async def client(aiohttp_client: Connect) -> TestClient:
    """Give a client of the archive."""
    return await serve(aiohttp_client)


async def serve(aiohttp_client: Connect, settings: Settings = SETTINGS) -> TestClient:
    """Serve an open collection, and in its folders a closed one and a closed night."""
    app = build_app(settings)
    app[SERVICE].archive = Archive(
        {
            each.path: Collection(
                each,
                FakeStore({key: FakeObject(body) for key, body in OBJECTS[each.path].items()}),
                BoxRule(each.box),
            )
            for each in SETTINGS.collections
        }
    )
    return await aiohttp_client(Server(app))


async def tell(response: ClientResponse) -> dict[str, Any]:
    """Give all of an answer but for the time."""
    headers = [(name, value) for name, value in response.headers.items() if name != "Date"]
    body = await response.text(errors="replace")
    return {"status": response.status, "headers": headers, "body": body}


@pytest.mark.parametrize("accept", ACCEPTS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_closed_is_as_absent(client: TestClient, method: str, accept: str):
    """Whatever is asked, every byte is as if there were no such thing, to a wrong key also."""
    for wrong in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Basic {TOKEN}"}):
        headers = {"Accept": accept, "X-Request-ID": "the-id", **wrong}
        for path in ALL:
            absent = path.replace("/closed", "/abcdef").replace("/night", "/abcde")
            answers = [
                await tell(await get_raw(client, each, method, headers=headers))
                for each in (path, absent)
            ]
            told = json.dumps(answers[0]).replace("closed", "abcdef").replace("night", "abcde")
            assert told == json.dumps(answers[1]), path
            assert answers[0]["status"] in {204, 400, 404}


@pytest.mark.parametrize("accept", ACCEPTS)
@pytest.mark.parametrize("path", ["/", "/ibe/", f"{OPEN}/", f"{OPEN}/?sort=size&limit=1"])
async def test_no_list_names_what_is_closed(client: TestClient, path: str, accept: str):
    """Neither pages nor JSON name it; with the token they do."""
    public = await (await client.get(path, headers={"Accept": accept})).text()
    opened = await (await client.get(path, headers={"Accept": accept, **BEARER})).text()

    assert not re.search("closed|night|Closed|shadow", public)
    assert path in {"/ibe/", f"{OPEN}/?sort=size&limit=1"} or re.search("closed", opened)


async def test_the_metrics_do_not_name_a_closed_collection(client: TestClient):
    """What is closed is counted together, and what was refused as if it led nowhere."""
    for headers in ({}, BEARER):
        await (await client.get(FILES[0], headers=headers)).read()
    text = await (await client.get("/metrics")).text()

    assert CLOSED not in text
    assert 'ibe_gateway_requests_total{collection="(closed)",status="200"} 1.0' in text
    assert f'ibe_gateway_requests_total{{collection="{OPEN}",status="404"}} 1.0' in text


@pytest.mark.parametrize("path", [*FILES, *PARTS, *FOLDERS])
async def test_a_token_opens(client: TestClient, path: str):
    """With its token all of it is there, and no cache may keep it for others."""
    response = await client.get(path, headers=BEARER)

    assert response.status == 200
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert "Authorization" in response.headers.getall("Vary")


async def test_what_a_token_opened_is_not_told_others(client: TestClient):
    """Heads are remembered by who asks: a cache may keep the open file, and not the closed one."""
    for _ in range(2):
        for headers, kept in ((BEARER, "private, no-cache"), ({}, "public, max-age=3600")):
            response = await client.get(f"{OPEN}/a.fits?{CUT}", headers=headers)

            assert response.headers.getall("Cache-Control") == [kept]
            assert response.headers.getall("Vary") == ["Authorization"]


@pytest.mark.parametrize("path", [*FILES, *PARTS, *FOLDERS])
async def test_a_signed_url_opens(client: TestClient, path: str):
    """Who has the URL has what it leads to, and nothing else."""
    signed = sign_url(path, timedelta(hours=1), SETTINGS)
    response = await get_raw(client, signed)

    assert response.status == 200
    assert response.headers["Cache-Control"] == "private, no-cache"
    for wrong in (
        signed.replace("?", "x?", 1),
        signed.replace("expires=", "expires=9"),
        signed[:-1] + ("0" if signed[-1] != "0" else "1"),
        signed.replace("size=11", "size=12") + "0" * ("size" not in signed),
        sign_url(path, timedelta(seconds=-1), SETTINGS),
        re.sub("signature=.*", "signature=", signed),
        re.sub("signature=.*", "signature=%C3%A9", signed),
    ):
        assert (await get_raw(client, wrong)).status == 404, wrong


async def test_a_signature_does_not_stand_in_the_way_of_what_is_public(client: TestClient):
    """A link that was signed while something was closed holds when it is public."""
    response = await get_raw(
        client, sign_url(f"{OPEN}/a.fits?{CUT}", timedelta(seconds=-1), SETTINGS)
    )

    assert response.status == 200
    assert response.headers["Cache-Control"].startswith("public")


async def test_the_log_has_no_key(aiohttp_client: Connect, capsys: pytest.CaptureFixture[str]):
    """Neither a token nor a signature is written anywhere."""
    client = await serve(aiohttp_client)
    signed = sign_url(FILES[0], timedelta(hours=1), SETTINGS)
    await (await get_raw(client, signed)).read()
    await (await get_raw(client, FILES[0], headers=BEARER)).read()
    await client.close()
    log = capsys.readouterr().err

    assert log.count("/closed/a.fits") == 2
    assert TOKEN not in log
    assert signed[-64:] not in log
    assert "signature=…" in log


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        (FILES[0], "format=png", 200),
        (FILES[0], "format=json&center=50,40px&size=3px", 200),
        (FILES[0], "view&hdu=0", 200),
        (FILES[0], "", 404),
        (FILES[0], CUT, 404),
        (FILES[0], f"{CUT}&format=fits", 404),
        (FILES[2], "format=png", 404),
        (f"{CLOSED}/", "", 404),
    ],
)
async def test_the_signature_of_a_page_opens_its_pictures_alone(
    client: TestClient, path: str, query: str, status: int
):
    """They, their numbers and the headers are what it shows; nothing else, and of no other file."""
    ticket = sign_url(f"{FILES[0]}?view", timedelta(hours=1), SETTINGS).partition("&")[2]
    found = await get_raw(client, f"{path}?{query}&{ticket}".replace("?&", "?"))
    without = await get_raw(client, f"{path}?{query}")
    other = sign_url(f"{FILES[0]}?format=png", timedelta(hours=1), SETTINGS).partition("&")[2]
    page = await get_raw(client, f"{FILES[0]}?view&{other}")

    assert (found.status, without.status, page.status) == (status, 404, 404)
    assert found.headers["Referrer-Policy"] == "no-referrer"


async def test_a_page_that_all_may_see_needs_no_ticket(client: TestClient):
    """Where the file is public, a signature changes nothing, and is not handed on."""
    signed = sign_url(f"{OPEN}/a.fits?view", timedelta(hours=1), SETTINGS)
    page = await (await get_raw(client, signed)).text()

    assert "signature" not in page
    assert "Download the whole file" in page


async def test_a_viewer_in_a_browser_may_send_its_token(client: TestClient):
    """A preflight brings no token, and lets one through, wherever it asks."""
    asked = {"Access-Control-Request-Headers": "authorization", "Origin": "https://viewer"}
    for path in (FILES[0], f"{OPEN}/a.fits", "/elsewhere"):
        response = await client.options(path, headers=asked)

        assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
        assert response.headers["Access-Control-Allow-Origin"] == "*"
    opened = await client.get(FILES[0], headers=BEARER)
    assert opened.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("path", [FILES[0], FILES[2], f"{OPEN}/a.fits", "/elsewhere"])
async def test_a_viewer_in_a_browser_can_read_why_it_is_refused(aiohttp_client: Connect, path: str):
    """What is refused before a key is looked at tells other origins when to come back."""
    client = await serve(aiohttp_client, SETTINGS.model_copy(update={"limits": FULL}))
    slow = client.app[SERVICE].archive.collections[OPEN].store.objects["a.fits"]
    slow.gate = asyncio.Event()
    waiting = asyncio.create_task(client.get(f"{OPEN}/a.fits"))
    await slow.arrivals.acquire()
    refused = await client.get(path, headers=BEARER)
    slow.gate.set()
    await waiting

    assert (refused.status, refused.headers["Retry-After"]) == (503, "2")
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    assert "Retry-After" in refused.headers["Access-Control-Expose-Headers"]
