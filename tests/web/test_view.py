"""The page of a file, and the same as JSON; what its scripts do is in test_browser.py."""

import gzip
import json
import re

import pytest
from aiohttp.test_utils import TestClient

from gateway.web.assets import assets_path, load_assets
from tests.fits_files import TAN, extension, mef, pixels, spectrum, table
from tests.stores import FakeObject
from tests.web.conftest import Connect
from tests.web.small_archive import IMAGE, ROOT, get_raw

FILE = mef(
    extension(pixels((40, 60)), "SCI", TAN | {"OBJECT": "</script><b>"}),
    table("SOURCES"),
    extension(pixels((3, 40, 60), "i2"), "CUBE"),
)
JSON = {"Accept": "application/json"}


@pytest.fixture
async def client(connect: Connect) -> TestClient:
    """Serve a file of two images and a table, and one without an image."""
    return await connect(
        {
            "a.fits": FakeObject(FILE),
            "a/b.fits.gz": FakeObject(gzip.compress(FILE)),
            "s.fits": FakeObject(mef(spectrum())),
            "<i>&.fits": FakeObject(FILE),
        },
        gzip="never",
        box="ibe",
    )


async def test_the_file_is_described(client):
    """JSON tells its HDUs, and the rules of its collection."""
    found = await (await client.get(f"{IMAGE}?view", headers=JSON)).json()

    assert {name: found[name] for name in ("path", "size", "box", "gzip")} == {
        "path": IMAGE, "size": len(FILE), "box": "ibe", "gzip": "never",
    }  # fmt: skip
    assert [(h["hdu"], h["name"], h["type"], h["is_image"], h["shape"]) for h in found["hdus"]] == [
        (0, "", "image", False, []),
        (1, "SCI", "image", True, [60, 40]),
        (2, "SOURCES", "table", False, [12, 2]),
        (3, "CUBE", "image", True, [60, 40, 3]),
    ]
    assert "header" not in found


@pytest.mark.parametrize("hdu", ["SOURCES", "2"])
async def test_one_header_is_told(client, hdu):
    """Its cards, as they are."""
    found = await (await client.get(f"{IMAGE}?view&hdu={hdu}", headers=JSON)).json()

    assert found["header"][0].startswith("XTENSION= 'BINTABLE'")
    assert len(found["header"]) == len({card[:8] for card in found["header"]})


async def test_the_page_knows_its_file_and_its_way_home(client):
    """Its links are relative, so that it also works behind a proxy that adds a prefix."""
    response = await client.get(f"{ROOT}/a/b.fits.gz?view")
    page = await response.text()

    assert response.content_type == "text/html"
    assert '<a href="../../../../">Home</a>' in page
    assert '<a href="../">x</a>' in page
    assert '<a href="./">a</a>' in page
    assert '<a href="./b.fits.gz" download>' in page
    (data,) = re.findall(r'<script type="application/json" id="file">(.*)</script>', page)
    assert json.loads(data)["hdus"][1]["name"] == "SCI"


@pytest.mark.parametrize(
    ("query", "chosen"), [("view", "1"), ("view&hdu=2", "2"), ("view&hdu=0", "0")]
)
async def test_the_page_opens_at_the_hdu_that_is_asked_for(client, query: str, chosen: str):
    """Who names an HDU in the address sees it, and not the first image."""
    page = await (await client.get(f"{ROOT}/a/b.fits.gz?{query}")).text()

    assert re.findall(r'<option value="(\d+)" selected', page) == [chosen]


async def test_the_page_loads_only_from_here(client):
    """Its policy admits our scripts and styles, and nothing that is inline."""
    response = await client.get(f"{IMAGE}?view")
    page = await response.text()
    policy = dict(
        part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; ")
    )

    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in str(policy)
    loaded = re.findall(r'(?:src|href)="[./]*(assets/[^"]+)"', page)
    assert len(loaded) == 3
    assert all(path.removeprefix(assets_path()) in load_assets() for path in loaded)
    assert re.search(r"<script>| on\w+=| style=", page) is None


async def test_names_are_text(client):
    """What a file is called, and what stands in its header, is never markup."""
    response = await get_raw(client, f"{ROOT}/%3Ci%3E&.fits?view&hdu=1")
    page = await response.text()

    assert "<i>" not in page
    assert "</script><b>" not in page


async def test_a_file_without_an_image_has_a_page(client):
    """Its header can be read; there is nothing to look at."""
    page = await (await client.get(f"{ROOT}/s.fits?view")).text()

    assert 'id="stage"' not in page
    assert 'id="cards"' in page


async def test_a_page_is_revalidated(client):
    """Page and JSON have tags of their own, and are asked for again each time."""
    page, data = await client.get(f"{IMAGE}?view"), await client.get(f"{IMAGE}?view", headers=JSON)
    tag = page.headers["ETag"]
    again = await client.get(f"{IMAGE}?view", headers={"If-None-Match": tag})

    assert again.status == 304
    assert data.headers["ETag"] != tag
    assert page.headers["Vary"] == "Accept"
    assert page.headers["Cache-Control"] == again.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("view=1", "it has no value"),
        ("view&center=1,2", "does not go with view"),
        ("view&hdu=1,2", "shows one header"),
        ("view&hdu=9", "the file has HDUs"),
    ],
)
async def test_what_does_not_go_with_a_page_is_refused(client, query, text):
    """As strictly as other queries."""
    response = await client.get(f"{IMAGE}?{query}")

    assert response.status == 400
    assert text in await response.text()
