"""Layouts: found on disk, where this or another process put them, or else read from the file."""

import asyncio
from functools import partial

from gateway.config import LimitSettings
from gateway.core.guess import headers_of
from gateway.core.layout import FitsLayout, LayoutScanner
from gateway.core.ranges import Block
from gateway.core.tiles import is_tiled, table_rows
from gateway.storage.cache_file import CacheFile
from gateway.storage.headers import is_far, read_headers
from gateway.storage.layout_blob import FileLayout, pack_layout, unpack_layout
from gateway.storage.siblings import Siblings
from gateway.storage.store import StoredObject
from gateway.storage.unpacker import Unpacker

_KIND = "layout 2"  # the number is that of the blob's format
_MAX_TABLES = 256 * 1024  # bytes of the rows that are kept with a layout: those of 8,000 tiles


class Layouts:
    """The layouts of files, by place and identity.

    Parameters
    ----------
    limits : LimitSettings
        What a file may demand.
    cache : CacheFile
        Where they are kept.
    unpacker : Unpacker
        Opens what turns out to be a gzip file.
    """

    def __init__(self, limits: LimitSettings, cache: CacheFile, unpacker: Unpacker) -> None:
        self._unpacker = unpacker
        self._limits = limits
        self._cache = cache
        self._siblings = Siblings(cache)

    async def is_kept(self, name: str, identity: str) -> bool:
        """Tell whether a layout is on disk."""
        return await self._cache.get(_KIND, name, identity) is not None

    async def recall(self, name: str, identity: str) -> FileLayout | None:
        """Find a layout on disk.

        Parameters
        ----------
        name : str
            The file's place: the same in every configuration.
        identity : str
            Of the version of the file.
        """
        blob = await self._cache.get(_KIND, name, identity)
        if blob is None:
            return None
        return await asyncio.to_thread(unpack_layout, blob)

    async def read(self, name: str, stored: StoredObject, family: str) -> FileLayout:
        """Read the headers of a file, and keep its layout on disk.

        Parameters
        ----------
        name : str
            The file's place.
        stored : StoredObject
            The file.
        family : str
            Its collection: files of one size in it are probably alike.

        Raises
        ------
        CorruptFits, UnsupportedFits, ShortRead, SourceChanged, StorageUnavailable, StorageTimeout
        """
        scanner = LayoutScanner(
            read_bytes=self._limits.header_read_bytes,
            max_header_bytes=self._limits.max_header_bytes,
            max_layout_bytes=self._limits.max_layout_bytes,
            max_hdus=self._limits.max_hdus,
        )
        size, identity, far = stored.info.size, stored.info.identity, is_far(stored)
        likely = await self._siblings.recall(family, size) if far else ()
        unpack = partial(self._unpacker.explore, name)
        seen = await read_headers(stored, scanner, likely, unpack, self._limits.guessed_bytes)
        is_gzipped = seen is not stored
        if is_gzipped:
            stop = max(hdu.data_range.stop for hdu in scanner.layout.hdus)
            seen = await self._unpacker.open(name, stored, stop)
        elif far:
            await self._siblings.note(family, size, headers_of(scanner.layout, size))
        tables = await _read_tables(scanner.layout, seen)
        found = FileLayout(scanner.layout, seen.info.size, is_gzipped, tables)
        blob = await asyncio.to_thread(pack_layout, found)
        await self._cache.put(_KIND, name, identity, blob)
        return found

    async def forget(self, name: str) -> None:
        """Drop the layout of a file."""
        await self._cache.forget(_KIND, name)
        await self._unpacker.forget(name)


async def _read_tables(layout: FitsLayout, stored: StoredObject) -> dict[int, bytes]:
    """Read the rows of all compressed images of a file, if they are few, in one round."""
    tables = {hdu.index: table_rows(hdu) for hdu in layout.hdus if is_tiled(hdu)}
    tables = {index: rows for index, rows in tables.items() if rows.size}
    n_bytes = sum(rows.size for rows in tables.values())
    stop = max((rows.stop for rows in tables.values()), default=0)
    if not 0 < n_bytes <= _MAX_TABLES or stop > stored.info.size:
        return {}
    packed = memoryview(await stored.read(*(Block.run(r.start, r.stop) for r in tables.values())))
    found = {}
    for index, rows in tables.items():
        found[index], packed = bytes(packed[: rows.size]), packed[rows.size :]
    return found
