"""A Store on any fsspec filesystem: exact lengths, our errors, a bounded number of reads at once.

fsspec is how a collection's URL becomes one of these; its asynchronous filesystems are awaited,
the others run in threads.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
from aiohttp import ClientError
from fsspec.asyn import AsyncFileSystem
from fsspec.implementations.http import HTTPFileSystem
from fsspec.spec import AbstractFileSystem

from gateway.core.errors import (
    GatewayError,
    IsFolder,
    NotFound,
    ShortRead,
    StorageTimeout,
    StorageUnavailable,
)
from gateway.core.ranges import Block, plan_reads
from gateway.storage.store import Buffer, Entry, ObjectInfo

_MAX_GAP = 1024 * 1024  # bytes; about what a round trip to S3 costs
_MAX_READ = 8 * 1024 * 1024  # bytes
_AT_ONCE = 8  # reads of one block
_ABSENT = (404, 410)  # what HTTP says of an object that is not there
_UNREADABLE = "The storage could not be read; try again later."


class RemoteStore:
    """The objects below a path of an fsspec filesystem.

    Parameters
    ----------
    filesystem : AbstractFileSystem
        An asynchronous one must have been made with ``asynchronous=True``.
    root : str
        The path, as the filesystem spells it.
    timeout_s : float
        How long one request to the storage may take.
    """

    def __init__(self, filesystem: AbstractFileSystem, root: str, timeout_s: float) -> None:
        self._filesystem = filesystem
        self._root = root.rstrip("/")
        self._timeout_s = timeout_s
        self._over_http = isinstance(filesystem, HTTPFileSystem)

    async def open(self, key: str) -> "RemoteObject":
        """Ask for the present version of an object."""
        path = self._path(key)
        found = await self.call("info", path)
        if found.get("type") == "directory":
            raise IsFolder("This is a folder; end its URL with a slash to list it.")
        return RemoteObject(self, path, _describe(found))

    async def entries(self, key: str) -> AsyncIterator[Entry]:
        """List a folder."""
        path = self._path(key).rstrip("/")
        for found in await self.call("ls", path, detail=True):
            name = found["name"].rstrip("/").rpartition("/")[2]
            if self._over_http:  # links of a page: also to other orders of it, and upwards
                name = unquote(name.partition("?")[0])
            if name not in {"", ".", ".."} and found["name"].strip("/") != path.strip("/"):
                is_folder = found.get("type") == "directory"
                size = None if is_folder else found.get("size")
                yield Entry(name, is_folder, size, _modified(found))

    async def probe(self) -> None:
        """Make sure that the storage answers."""
        await self.call("ls", self._root or "/", detail=False)

    async def close(self) -> None:
        """Close the connections of an asynchronous filesystem."""
        session = getattr(self._filesystem, "_session", None)
        close = getattr(session, "close", None)
        if isinstance(self._filesystem, AsyncFileSystem) and close is not None:
            await close()

    def _path(self, key: str) -> str:
        # a key with "?" or an encoded ".." in it would lead to another place as part of a URL
        return f"{self._root}/{quote(key) if self._over_http else key}"

    async def call(self, method: str, *args: Any, **options: Any) -> Any:
        """Call a method of the filesystem, within the time, with its errors translated."""
        with _translated():
            async with asyncio.timeout(self._timeout_s):
                if isinstance(self._filesystem, AsyncFileSystem):
                    return await getattr(self._filesystem, f"_{method}")(*args, **options)
                call: Callable[..., Any] = getattr(self._filesystem, method)
                return await asyncio.to_thread(call, *args, **options)


class RemoteObject:
    """One version of an object, open for reading by one request."""

    def __init__(self, store: RemoteStore, path: str, info: ObjectInfo) -> None:
        self._store = store
        self._path = path
        self.info = info
        self.reads = 0
        self.bytes_read = 0

    def read_resident(self, block: Block, target: memoryview) -> bool:  # noqa: ARG002
        """Give nothing: all of it is remote."""
        return False

    async def read(self, block: Block) -> Buffer:
        """Read a block by as few requests as pay."""
        if block.span.stop > self.info.size:
            raise ShortRead("The file ends before the bytes that were asked for.")
        parts = list(plan_reads(block, max_gap_bytes=_MAX_GAP, max_read_bytes=_MAX_READ))
        if len(parts) == 1:
            return await self._fetch(parts[0])
        limit = asyncio.Semaphore(_AT_ONCE)

        async def fetch(part: Block) -> Buffer:
            async with limit:
                return await self._fetch(part)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(fetch(part)) for part in parts]
        except* GatewayError as errors:
            raise errors.exceptions[0] from None
        return b"".join(task.result() for task in tasks)

    async def peek(self, start: int, stop: int) -> Buffer:
        """Read a range as far as the object goes."""
        stop = min(stop, self.info.size)
        return await self.read(Block.run(start, stop)) if start < stop else b""

    async def close(self) -> None:
        """Do nothing: connections belong to the store."""

    async def _fetch(self, block: Block) -> Buffer:
        """Read the span of a block and pack its rows."""
        span = block.span
        data = await self._store.call("cat_file", self._path, start=span.start, end=span.stop)
        self.reads += 1
        self.bytes_read += len(data)
        # a server that ignores Range answers with the whole object: every pixel would be shifted
        if len(data) != span.size:
            raise ShortRead("The storage did not answer with the bytes that were asked for.")
        if block.n_rows == 1:
            return bytes(data)
        shape, strides = (block.n_rows, block.row_bytes), (block.row_stride, 1)
        return np.ndarray(shape, np.uint8, data, 0, strides).tobytes()


def _describe(found: dict[str, Any]) -> ObjectInfo:
    size = found.get("size")
    if size is None:
        raise StorageUnavailable("The storage does not tell how long the file is.")
    modified = _modified(found)
    version = found.get("ETag") or found.get("etag") or found.get("version_id") or modified
    return ObjectInfo(int(size), f"{version}-{size}", modified)


def _modified(found: dict[str, Any]) -> float | None:
    """Read the time of the last change, in whichever way a filesystem tells it."""
    for name in ("LastModified", "Last-Modified", "last_modified", "mtime", "updated", "created"):
        value = found.get(name)
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
        if isinstance(value, int | float):
            return float(value)
        if isinstance(value, str):
            try:
                return parsedate_to_datetime(value).timestamp()
            except ValueError:
                continue
    return None


@contextmanager
def _translated() -> Iterator[None]:
    """Translate a filesystem's errors: only its "no such object" is an absent file.

    Filesystems raise what their libraries raise; a 503 over HTTP is no OSError.
    """
    try:
        yield
    except GatewayError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        # over HTTP, fsspec calls absent all that could not be asked for
        cause = error.__cause__
        if isinstance(cause, ClientError) and getattr(cause, "status", None) not in _ABSENT:
            raise StorageUnavailable(_UNREADABLE) from error
        raise NotFound("There is no such file or folder.") from error
    except IsADirectoryError as error:
        raise IsFolder("This is a folder; end its URL with a slash to list it.") from error
    except TimeoutError as error:
        raise StorageTimeout("The storage did not answer in time; try again later.") from error
    except Exception as error:
        raise StorageUnavailable(_UNREADABLE) from error
