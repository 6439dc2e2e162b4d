"""An Engine on any fsspec filesystem; those that are not asynchronous run in threads."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from fsspec.asyn import AsyncFileSystem
from fsspec.spec import AbstractFileSystem

from gateway.core.errors import (
    AccessRefused,
    GatewayError,
    IsFolder,
    NotFound,
    ShortRead,
    SourceChanged,
    StorageTimeout,
    StorageUnavailable,
    TransientFault,
)
from gateway.storage.engine import (
    ABSENT,
    CHANGED,
    FOLDER,
    NO_LENGTH,
    REFUSED,
    SHORT,
    TOO_SLOW,
    UNREADABLE,
    OneRange,
)
from gateway.storage.store import Buffer, Entry, ObjectInfo


class FsspecEngine(OneRange):
    """The objects below a path of an fsspec filesystem.

    Parameters
    ----------
    filesystem : AbstractFileSystem
        An asynchronous one must have been made with ``asynchronous=True``.
    root : str
        The path, as the filesystem spells it.
    """

    def __init__(self, filesystem: AbstractFileSystem, root: str) -> None:
        self._filesystem = filesystem
        self._root = root.rstrip("/")

    async def head(self, key: str) -> ObjectInfo:
        """Describe the present version of an object."""
        self._filesystem.invalidate_cache(self._path(key))
        found = await self._call("info", self._path(key))
        if found.get("type") == "directory":
            raise IsFolder(FOLDER)
        return _describe(found)

    async def get(self, key: str, start: int, stop: int, version: ObjectInfo) -> Buffer:
        """Read bytes, and look again which version is there: no filesystem can pin a read."""
        try:
            data: bytes = await self._call("cat_file", self._path(key), start=start, end=stop)
            now = await self.head(key)
        except NotFound as error:
            raise SourceChanged(CHANGED) from error
        if now.identity != version.identity:
            raise SourceChanged(CHANGED)
        if len(data) != stop - start:
            raise ShortRead(SHORT)
        return data

    async def entries(self, key: str, after: str = "") -> AsyncIterator[Entry]:
        """List a folder; filesystems give all of it at once."""
        path = self._path(key).rstrip("/")
        found = await self._call("ls", path, detail=True)
        listed = (self._entry(each) for each in found if each["name"].strip("/") != path.strip("/"))
        for entry in sorted(listed, key=lambda entry: entry.mark):
            if entry.mark > after and entry.name not in {"", ".", ".."}:
                yield entry

    async def probe(self) -> None:
        """Make sure that the root can be listed."""
        await self._call("ls", self._root or "/", detail=False)

    async def close(self) -> None:
        """Close the connections of an asynchronous filesystem."""
        session = getattr(self._filesystem, "_session", None)
        close = getattr(session, "close", None)
        if isinstance(self._filesystem, AsyncFileSystem) and close is not None:
            await close()

    def _entry(self, found: dict[str, Any]) -> Entry:
        name = found["name"].rstrip("/").rpartition("/")[2]
        is_folder = found.get("type") == "directory"
        return Entry(name, is_folder, None if is_folder else found.get("size"), _modified(found))

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"

    async def _call(self, method: str, *args: Any, **options: Any) -> Any:
        """Call a method of the filesystem, with its errors translated."""
        with _translated():
            if isinstance(self._filesystem, AsyncFileSystem):
                return await getattr(self._filesystem, f"_{method}")(*args, **options)
            call: Callable[..., Any] = getattr(self._filesystem, method)
            return await asyncio.to_thread(call, *args, **options)


def _describe(found: dict[str, Any]) -> ObjectInfo:
    size = found.get("size")
    if size is None:
        raise StorageUnavailable(NO_LENGTH)
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

    Filesystems raise what their libraries raise, which need not be an OSError.
    """
    try:
        yield
    except GatewayError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(ABSENT) from error
    except IsADirectoryError as error:
        raise IsFolder(FOLDER) from error
    except TimeoutError as error:
        raise StorageTimeout(TOO_SLOW) from error
    except PermissionError as error:
        raise AccessRefused(REFUSED) from error
    except ConnectionError as error:
        raise TransientFault(UNREADABLE) from error
    except Exception as error:
        raise StorageUnavailable(UNREADABLE) from error
