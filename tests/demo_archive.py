"""The demonstration archive as a fixture, made once for the whole run of the tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from gateway.config import load_settings
from gateway.demo import make_archive
from gateway.web.app import build_app


@pytest.fixture(scope="session")
def demo_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the archive; tests only read it."""
    folder = tmp_path_factory.mktemp("demo-archive")
    make_archive(folder, lambda _: None)
    return folder


@pytest.fixture
async def page(demo_archive: Path) -> AsyncIterator[TestClient]:
    """Serve the archive as the command `demo` does."""
    collections = [
        {"path": "/ibe/data", "url": str(demo_archive)},
        {"path": "/ibe/data/spherex", "url": str(demo_archive / "spherex"), "gzip": "never"},
    ]
    app = build_app(load_settings(None, {"collections": collections}))
    async with TestClient(TestServer(app)) as page:
        yield page
