"""Unpacker: what is known of gzip files, kept by identity: their bytes, or their seek indexes.

A small file is unpacked once and kept in memory. A larger one is read through once, for its seek
index, which is kept on disk, too. Whoever asks meanwhile waits for the same work, and so do the
other processes that share the disk.
"""

import asyncio
from collections import OrderedDict

from gateway.config import CacheSettings, LimitSettings
from gateway.core.errors import UnsupportedFits
from gateway.core.inflate import inflate_beginning, inflate_whole
from gateway.core.ranges import Block
from gateway.core.seek_index import SeekIndex
from gateway.storage.cache_file import CacheFile
from gateway.storage.gzipped import GzippedObject, Unpacked, UnpackedObject
from gateway.storage.indexer import Indexer
from gateway.storage.store import Buffer, StoredObject

_AT_ONCE = 2  # files that are read through; each takes a thread, and 150 MB at most

_KIND = "seek index 2"  # the number is that of the blob's format
_BEGINNING = 256 * 1024  # bytes, packed and unpacked, that are inflated without an index

_Kept = bytes | SeekIndex


class Unpacker:
    """Opens gzip files, in bounded memory.

    Parameters
    ----------
    settings : CacheSettings
        How much is kept.
    limits : LimitSettings
        What a file may demand.
    cache : CacheFile
        Where seek indexes are kept on disk.
    """

    def __init__(self, settings: CacheSettings, limits: LimitSettings, cache: CacheFile) -> None:
        self._settings = settings
        self._limits = limits
        self._cache = cache
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._kept_bytes = 0
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._small_places = asyncio.Semaphore(limits.small_parents_at_once)

    def recall(self, name: str, packed: StoredObject, size: int) -> StoredObject | None:
        """Open a file that is known, without reading.

        Parameters
        ----------
        name : str
            Of the file.
        packed : StoredObject
            The version of it that is meant.
        size : int
            How many of its unpacked bytes must be within reach, if it has as many.
        """
        key = name, packed.info.identity
        kept = self._kept.get(key)
        if kept is None or not _reaches(kept, size):
            return None
        self._kept.move_to_end(key)
        if isinstance(kept, SeekIndex):
            return GzippedObject(packed, kept, self._limits.inflated_at_once)
        return UnpackedObject(packed, kept)

    async def open(self, name: str, packed: StoredObject, size: int) -> StoredObject:
        """Open a file, as `recall`; what is not known is learnt once for all who ask meanwhile.

        Raises
        ------
        CorruptFits, UnsupportedFits, SourceChanged, StorageUnavailable, StorageTimeout
        """
        key = name, packed.info.identity
        while (found := self.recall(name, packed, size)) is None:
            task = self._running.get(key)
            if task is None:
                task = asyncio.create_task(self._learn(key, packed, size))
                self._running[key] = task
                task.add_done_callback(lambda _: self._running.pop(key))
            await asyncio.shield(task)
        return found

    def is_small(self, packed: StoredObject) -> bool:
        """Tell whether a file may be small enough to be kept unpacked."""
        return packed.info.size <= self._settings.small_parent_bytes

    def explore(self, name: str, packed: StoredObject) -> "ExploredObject":
        """Open a file of which nothing is known, without reading."""
        return ExploredObject(self, name, packed)

    async def forget(self, name: str) -> None:
        """Drop what is known of a file, in memory and on disk."""
        for key in [key for key in self._kept if key[0] == name]:
            self._kept_bytes -= _memory_bytes(self._kept.pop(key))
        await self._cache.forget(_KIND, name)

    async def _learn(self, key: tuple[str, str], packed: StoredObject, size: int) -> None:
        """Unpack a file if it is small, else index it."""
        kept = self._kept.get(key) or await self._find_index(key)
        if kept is None and self.is_small(packed):
            most = self._settings.small_parent_bytes
            async with self._small_places:  # many clients may each ask for another file
                data = await packed.read(Block.run(0, packed.info.size))
                kept = await asyncio.to_thread(inflate_whole, data, most)
            packed = UnpackedObject(packed, data)  # if it is indexed now, it is not read again
        if kept is None or not _reaches(kept, size):
            async with self._cache.alone(key[0]):
                kept = await self._find_index(key)
                if kept is None or not _reaches(kept, size):
                    kept = await self._index(packed, size)
                    await self._cache.put(_KIND, *key, kept.to_bytes())
        self._keep(key, kept)

    async def _find_index(self, key: tuple[str, str]) -> SeekIndex | None:
        """Find an index on disk, where this or another process put it."""
        blob = await self._cache.get(_KIND, *key)
        return SeekIndex.from_bytes(blob) if blob is not None else None

    async def _index(self, packed: StoredObject, size: int) -> SeekIndex:
        most = self._limits.max_inflated_bytes
        if size > most:
            raise UnsupportedFits(
                f"The gzip file should unpack to {size} bytes; at most {most} are unpacked."
            )
        loop = asyncio.get_running_loop()
        async with self._places:
            return await asyncio.to_thread(Indexer(packed, size, most, loop).run)

    def _keep(self, key: tuple[str, str], kept: _Kept) -> None:
        if key in self._kept:
            self._kept_bytes -= _memory_bytes(self._kept.pop(key))
        self._kept[key] = kept
        self._kept_bytes += _memory_bytes(kept)
        while self._kept_bytes > self._settings.unpacked_bytes and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= _memory_bytes(oldest)


class ExploredObject(Unpacked):
    """The unpacked bytes of a file; how it is best read is found out when they are asked for.

    `info.size` is the number of bytes that are known to be there.

    Parameters
    ----------
    unpacker : Unpacker
        Opens the file.
    name : str
        Of the file.
    packed : StoredObject
        The file.
    """

    def __init__(self, unpacker: Unpacker, name: str, packed: StoredObject) -> None:
        super().__init__(packed, 0)
        self._unpacker = unpacker
        self._name = name

    def read_resident(self, block: Block, target: memoryview) -> bool:  # noqa: ARG002
        """Give nothing."""
        return False

    async def read(self, *blocks: Block) -> Buffer:
        """Read blocks, when the file is known so far."""
        stop = max((block.span.stop for block in blocks), default=0)
        return await (await self._reach(stop)).read(*blocks)

    async def peek(self, start: int, stop: int) -> Buffer:
        """Read a range as far as the file goes; the beginning of a large file costs little."""
        if stop <= _BEGINNING and not self.info.size and not self._unpacker.is_small(self._packed):
            beginning = await self._packed.peek(0, _BEGINNING)
            data = await asyncio.to_thread(inflate_beginning, beginning, stop)
            if data is not None:
                return data[start:]
        return await (await self._reach(stop)).peek(start, stop)

    async def _reach(self, size: int) -> StoredObject:
        """Get to know the file, so far."""
        found = await self._unpacker.open(self._name, self._packed, size)
        self.info = found.info
        return found


def _reaches(kept: _Kept, size: int) -> bool:
    return not isinstance(kept, SeekIndex) or kept.is_whole or kept.size >= size


def _memory_bytes(kept: _Kept) -> int:
    return kept.memory_bytes if isinstance(kept, SeekIndex) else len(kept)
