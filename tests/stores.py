"""A Store in memory, for tests: it notes what it is asked for, and fails as it is told."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from gateway.config import CacheSettings, LimitSettings
from gateway.core.errors import IsFolder, NotFound, ShortRead
from gateway.core.ranges import Block
from gateway.storage.cache_file import CacheFile
from gateway.storage.store import Buffer, Entry, ObjectInfo
from gateway.storage.unpacker import Unpacker

MODIFIED = 1445412480.25  # Wed, 21 Oct 2015 07:28:00 GMT, and a bit


def make_unpacker(
    cache: CacheFile | None = None,
    max_bytes: int = 2**40,
    *,
    small_parent_bytes: int = 2**20,
    unpacked_bytes: int = 2**30,
    **limits: int,
) -> Unpacker:
    """Make an unpacker that knows nothing, by default without a file on disk."""
    settings = CacheSettings(unpacked_bytes=unpacked_bytes, small_parent_bytes=small_parent_bytes)
    demands = LimitSettings(max_inflated_bytes=max_bytes, **limits)
    return Unpacker(settings, demands, cache or CacheFile(Path("nowhere"), 0))


class FakeObject:
    """One version of a file.

    Parameters
    ----------
    content : bytes
        What it holds.
    identity : str
        Differs for another version.
    resident : bool
        Whether it is given without waiting.
    announced : int or None
        The length that it claims to have, if not that of its content.
    read_ahead_bytes : int
        How far ahead of the client it wants to be read.
    """

    def __init__(
        self,
        content: bytes,
        identity: str = "1",
        *,
        resident: bool = False,
        announced: int | None = None,
        read_ahead_bytes: int = 0,
    ) -> None:
        self.content = content
        self.info = ObjectInfo(announced or len(content), identity, MODIFIED)
        self.resident = resident
        self.read_ahead_bytes = read_ahead_bytes
        self.asked: list[Block] = []
        self.reads = 0
        self.bytes_read = 0
        self.gate: asyncio.Event | None = None
        """What every read waits for, if there is one."""
        self.arrivals = asyncio.Semaphore(0)
        """Is released whenever a read comes to the gate."""
        self.failure: Exception | None = None
        """What is raised by a read."""
        self.fails_behind = 0
        """How far can be read in spite of the failure, in bytes."""

    def read_resident(self, block: Block, target: memoryview) -> bool:
        """Copy a block, if the object is resident."""
        if self.resident:
            target[:] = self._pack(block)
        return self.resident

    @property
    def bytes_needed(self) -> int:
        """As many as were read."""
        return self.bytes_read

    async def read(self, *blocks: Block) -> Buffer:
        """Give blocks, after the gate was opened."""
        if self.gate is not None:
            self.arrivals.release()
            await self.gate.wait()
        return b"".join(self._pack(block) for block in blocks)

    async def peek(self, start: int, stop: int) -> Buffer:
        """Give a range as far as the content goes."""
        stop = min(stop, self.info.size)
        return await self.read(Block.run(start, stop)) if start < stop else b""

    async def close(self) -> None:
        """Do nothing."""

    def _pack(self, block: Block) -> bytes:
        self.asked.append(block)
        self.reads += 1
        self.bytes_read += block.size
        if self.failure is not None and block.span.stop > self.fails_behind:
            raise self.failure
        rows = (block.start + n * block.row_stride for n in range(block.n_rows))
        packed = b"".join(self.content[start : start + block.row_bytes] for start in rows)
        if len(packed) != block.size:
            raise ShortRead("The file ends before the bytes that were asked for.")
        return packed


class FakeStore:
    """Objects by their keys; a test may change `objects` between two requests."""

    def __init__(self, objects: dict[str, FakeObject]) -> None:
        self.objects = objects
        self.failure: Exception | None = None
        """What is raised by all but a read."""
        self.closed = False

    async def open(self, key: str) -> FakeObject:
        """Give the object itself, so that a test sees what it was asked for."""
        self._fail()
        if key in self.objects:
            return self.objects[key]
        if not key or any(name.startswith(f"{key}/") for name in self.objects):
            raise IsFolder("This is a folder; end its URL with a slash to list it.")
        raise NotFound("There is no such file.")

    async def entries(self, key: str, after: str = "") -> AsyncIterator[Entry]:
        """List a folder."""
        self._fail()
        folder = f"{key}/" if key else ""
        below = {n.removeprefix(folder): o for n, o in self.objects.items() if n.startswith(folder)}
        if not below:
            raise NotFound("There is no such folder.")
        marks = {name.partition("/")[0] + "/" * ("/" in name) for name in below}
        for mark in sorted(mark for mark in marks if mark > after):
            if mark in below:
                size = below[mark].info.size
                yield Entry(mark, is_folder=False, size=size, modified=MODIFIED)
            else:
                yield Entry(mark[:-1], is_folder=True, size=None, modified=None)

    async def probe(self) -> None:
        """Fail, if that was told."""
        self._fail()

    async def close(self) -> None:
        """Note that it was closed."""
        self.closed = True

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure
