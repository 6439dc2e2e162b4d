"""An Engine in memory, for tests: it notes what it is asked for, and fails as it is told."""

import asyncio
from collections.abc import AsyncIterator

from gateway.config import LimitSettings
from gateway.core.errors import NotFound, SourceChanged
from gateway.storage.engine import Engine, OneRange
from gateway.storage.remote import RemoteStore
from gateway.storage.store import Buffer, Entry, ObjectInfo


def make_store(engine: Engine, request_cost_s: float = 0.0005, **limits: float) -> RemoteStore:
    """Make a store on an engine."""
    return RemoteStore(engine, LimitSettings.model_validate(limits), request_cost_s)


class FakeEngine(OneRange):
    """Objects by their keys; each has the number of its version."""

    def __init__(self, **objects: bytes) -> None:
        self.objects = {name: (1, content) for name, content in objects.items()}
        self.asked: list[str] = []
        self.failures: list[Exception | None] = []
        """What the next requests raise, one after the other; None for nothing."""
        self.gate: asyncio.Event | None = None
        """What every request waits for, if there is one."""

    def put(self, key: str, content: bytes) -> None:
        """Replace an object."""
        self.objects[key] = (self.objects[key][0] + 1, content)

    async def head(self, key: str) -> ObjectInfo:
        """Describe an object."""
        await self._note(f"head {key}")
        if key not in self.objects:
            raise NotFound("There is no such file.")
        number, content = self.objects[key]
        return ObjectInfo(len(content), str(number), None)

    async def get(self, key: str, start: int, stop: int, version: ObjectInfo) -> Buffer:
        """Give bytes of a version."""
        await self._note(f"get {key} {start}-{stop}")
        number, content = self.objects[key]
        if str(number) != version.identity:
            raise SourceChanged("The file is another one.")
        return content[start:stop]

    async def entries(self, key: str, after: str = "") -> AsyncIterator[Entry]:
        """List all objects; a failure may come between two of them."""
        await self._note(f"list {key} {after}".rstrip())
        for name in sorted(self.objects):
            if name > after:
                self._fail()
                yield Entry(name, is_folder=False, size=None, modified=None)

    async def probe(self) -> None:
        """Answer."""
        await self._note("probe")

    async def close(self) -> None:
        """Note that it was closed."""
        self.asked.append("close")

    async def _note(self, question: str) -> None:
        self.asked.append(question)
        if self.gate is not None:
            await self.gate.wait()
        self._fail()

    def _fail(self) -> None:
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
