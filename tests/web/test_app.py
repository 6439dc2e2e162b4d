"""The application as a whole: the operator's pages, and its end."""

from pathlib import Path

import pytest

from gateway.config import CollectionSettings, Settings
from gateway.core.errors import StorageUnavailable
from gateway.web.app import SERVICE, build_app
from tests.stores import FakeStore
from tests.web.conftest import Connect
from tests.web.small_archive import files


async def test_health_and_readiness(connect: Connect):
    """A process is alive whatever its storage does, and ready when every storage answers."""
    store = FakeStore(files())
    client = await connect(store)
    before = [(await client.get(path)).status for path in ("/healthz", "/readyz")]
    store.failure = StorageUnavailable("The storage could not be read; try again later.")
    after = [(await client.get(path)).status for path in ("/healthz", "/readyz")]

    assert (before, after) == ([200, 200], [200, 503])


async def test_the_stores_are_closed_with_the_application(connect: Connect):
    """The end of the application is the end of its connections."""
    store = FakeStore(files())
    client = await connect(store)
    await client.close()

    assert store.closed


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/metrics"])
async def test_head_of_the_pages(connect: Connect, path: str):
    """What answers GET answers HEAD."""
    client = await connect(files())

    assert (await client.head(path)).status == (await client.get(path)).status == 200


async def test_nothing_is_asked_for_at_the_start(tmp_path: Path):
    """An archive that is not there yet does not keep the gateway from starting."""
    missing = CollectionSettings(path="/ibe/data/x", url=str(tmp_path / "missing"))
    app = build_app(Settings(collections=(missing,)))

    assert set(app[SERVICE].archive.collections) == {"/ibe/data/x"}
    await app[SERVICE].close()
