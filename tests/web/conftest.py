"""The gateway over a fake store, and a client of it."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.config import CollectionSettings, LimitSettings, Settings
from gateway.config_server import ServerSettings
from gateway.core.box import BoxRule
from gateway.storage.archive import Archive, Collection
from gateway.web.app import SERVICE, build_app
from gateway.web.worker import Runner
from tests.stores import FakeObject, FakeStore

Connect = Callable[..., Awaitable[TestClient]]


class Server(TestServer):
    """A server as the gateway runs it: aiohttp's own for tests cancels handlers."""

    async def _make_runner(self, **_: Any) -> web.AppRunner:
        return Runner(self.app, 1000, access_log=None)


@pytest.fixture
def connect(aiohttp_client: Callable[..., Awaitable[TestClient]]) -> Connect:
    """Give a function that starts the gateway over objects, and gives a client of it."""

    async def start(
        objects: dict[str, FakeObject] | FakeStore,
        limits: dict[str, Any] | None = None,
        server: dict[str, Any] | None = None,
        **options: Any,
    ) -> TestClient:
        store = objects if isinstance(objects, FakeStore) else FakeStore(objects)
        collection = CollectionSettings(path="/ibe/data/x", url="memory://x", **options)
        settings = Settings(
            limits=LimitSettings(**(limits or {})),
            server=ServerSettings(**(server or {})),
            collections=(collection,),
        )
        app = build_app(settings)
        found = Collection(collection, store, BoxRule(collection.box))
        app[SERVICE].archive = Archive({collection.path: found})
        return await aiohttp_client(Server(app))

    return start
