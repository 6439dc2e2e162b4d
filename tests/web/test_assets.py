"""The scripts and styles of the pages, as they are served."""

import re

import pytest
from aiohttp.test_utils import TestClient

from gateway.web.assets import assets_path, load_assets
from tests.web.conftest import Connect
from tests.web.small_archive import files

OURS = sorted(name for name in load_assets() if "/" not in name)


@pytest.fixture
async def client(connect: Connect) -> TestClient:
    """Serve a small archive."""
    return await connect(files())


@pytest.mark.parametrize("name", load_assets())
@pytest.mark.parametrize("coding", ["gzip", "identity"])
async def test_an_asset_is_served_for_ever(client, name, coding):
    """It has its type, may be kept for ever, and is gzipped for those who take that."""
    path = f"/{assets_path()}{name}"
    response = await client.get(path, headers={"Accept-Encoding": coding})

    assert await response.read() == load_assets()[name].body
    assert response.headers.get("Content-Encoding", "identity") == coding
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    types = {"js": "text/javascript", "css": "text/css", "txt": "text/plain"}
    assert response.content_type == types[name.rpartition(".")[2]]


async def test_another_version_is_not_found(client):
    """The digest in the address is that of the bytes."""
    assert (await client.get("/assets/000000000000/view.js")).status == 404


def test_what_others_wrote_has_its_licence():
    """The library lies beside its licence, and tells its version."""
    licence = load_assets()["openseadragon/LICENSE.txt"].body
    script = load_assets()["openseadragon/openseadragon.min.js"].body

    assert b"Redistribution and use in source and binary forms" in licence
    assert script.startswith(b"//! openseadragon 6.1.1\n")


@pytest.mark.parametrize("name", OURS)
def test_our_modules_ask_no_other_host(name):
    """No address of another host, and every import is one of the assets."""
    text = load_assets()[name].body.decode()

    assert "//" not in re.sub(r"^\s*//.*|/\*.*?\*/| // .*", "", text, flags=re.MULTILINE)
    for imported in re.findall(r'from "\./([^"]+)"', text):
        assert imported in load_assets()
