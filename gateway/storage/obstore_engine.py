"""An Engine on S3, Google Cloud Storage and Azure, by obstore: requests are made outside of Python.

What obstore raises has few classes and a long text: the text tells what a class does not.
"""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import obstore
from obstore.exceptions import (
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import AzureStore, GCSStore, S3Store

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
    ACCESS_STATUS,
    CHANGED,
    FOLDER,
    REFUSED,
    SHORT,
    TOO_SLOW,
    TRANSIENT_STATUS,
    UNREADABLE,
    OneRange,
)
from gateway.storage.store import Buffer, Entry, ObjectInfo

_PAGE = 1000  # objects; what S3 lists at once
_STATUS = re.compile(r"non-2xx status code: (\d{3})")
_QUERY = re.compile(r"(https?://[^\s?]*)\?\S+")
_TIMEOUT = "kind: Timeout"
_CONNECTION = "HttpError {"  # refused, reset, cut off, or not HTTP at all
_OTHER_BYTES = re.compile(r"source: (NotPartial|UnexpectedRange)")  # the server ignored Range


class ObstoreEngine(OneRange):
    """The objects below a prefix of a bucket.

    Parameters
    ----------
    bucket : S3Store, GCSStore or AzureStore
        With its prefix, and without retries.
    """

    def __init__(self, bucket: S3Store | GCSStore | AzureStore) -> None:
        self._bucket = bucket

    async def head(self, key: str) -> ObjectInfo:
        """Describe the present version of an object."""
        if not key:
            raise IsFolder(FOLDER)
        try:
            with _translated():
                found = await obstore.head_async(self._bucket, key)
        except NotFound:
            await self._find_folder(key)
            raise
        return _describe(found)

    async def get(self, key: str, start: int, stop: int, version: ObjectInfo) -> Buffer:
        """Read bytes, pinned by If-Match and by the ETag of the answer: not all stores know both.

        A version id is not used to pin: to read by it is another permission.
        """
        try:
            with _translated():
                found = await obstore.get_async(
                    self._bucket,
                    key,
                    options={"range": (start, stop), "if_match": version.etag},
                )
                if _describe(found.meta).identity != version.identity:
                    raise SourceChanged(CHANGED)
                data = memoryview(await found.bytes_async())
        except NotFound as error:
            raise SourceChanged(CHANGED) from error
        if len(data) != stop - start:
            raise ShortRead(SHORT)
        return data

    async def entries(self, key: str, after: str = "") -> AsyncIterator[Entry]:
        """List a folder: one of files alone page by page, any other at once.

        obstore pages what lies below a folder, however deep, and does not page with a delimiter.
        """
        folder = f"{key}/" if key else ""
        pages = obstore.list(self._bucket, key or None, offset=folder + after, chunk_size=_PAGE)
        n_listed = 0
        while objects := await _read_page(pages):
            if any(_is_deep(folder, each) for each in objects):
                break
            n_listed += len(objects)
            for entry in map(_entry, objects):
                if entry.mark > after:
                    yield entry
                    after = entry.mark
        else:
            if n_listed:
                return
        for entry in await self._list_whole(key):
            if entry.mark > after:
                yield entry

    async def probe(self) -> None:
        """Make sure that the bucket can be listed."""
        with _translated():
            async for _ in obstore.list(self._bucket, chunk_size=1):
                return

    async def close(self) -> None:
        """Do nothing: connections are closed when the last object of the store goes."""

    async def _list_whole(self, key: str) -> list[Entry]:
        """List a folder at once."""
        with _translated():
            found = await obstore.list_with_delimiter_async(self._bucket, key or None)
        entries = [_entry(each) for each in found["objects"]]
        entries += [
            Entry(_last(path), is_folder=True, size=None, modified=None)
            for path in found["common_prefixes"]
        ]
        if key and not entries:
            raise NotFound(ABSENT)
        return sorted(entries, key=lambda entry: entry.mark)

    async def _find_folder(self, key: str) -> None:
        """Say why an object is not there, which the answer to a HEAD does not.

        Raises
        ------
        IsFolder
            There are objects below it.
        StorageUnavailable
            There is no such bucket.
        """
        try:
            with _translated():
                async for _ in obstore.list(self._bucket, key, chunk_size=1):
                    raise IsFolder(FOLDER)
        except AccessRefused:  # to list is another permission: the bucket is there
            return


def _describe(found: "obstore.ObjectMeta") -> ObjectInfo:
    modified = found["last_modified"].timestamp()
    etag, size = found["e_tag"], found["size"]
    return ObjectInfo(size, f"{etag or modified}-{size}", modified, etag)


def _entry(found: "obstore.ObjectMeta") -> Entry:
    modified = found["last_modified"].timestamp()
    return Entry(_last(found["path"]), is_folder=False, size=found["size"], modified=modified)


async def _read_page(pages: "AsyncIterator[Sequence[obstore.ObjectMeta]]") -> list[Any]:
    with _translated():
        async for page in pages:  # anext with a default fails on what obstore gives
            return list(page)
    return []


def _is_deep(folder: str, found: "obstore.ObjectMeta") -> bool:
    """Tell whether an object is not simply a file of a folder.

    The object that stands for a folder below is empty, and obstore takes the slash off its name.
    """
    return "/" in found["path"].removeprefix(folder) or not found["size"]


def _last(path: str) -> str:
    return path.rpartition("/")[2]


@contextmanager
def _translated() -> Iterator[None]:
    """Translate obstore's errors: only the store's "no such object" is an absent file."""
    try:
        yield
    except GatewayError:
        raise
    except (NotFoundError, FileNotFoundError) as error:
        raise NotFound(ABSENT) from _shortened(error)
    except PreconditionError as error:
        raise SourceChanged(CHANGED) from _shortened(error)
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise AccessRefused(REFUSED) from _shortened(error)
    except BaseError as error:
        raise _classify(str(error)) from _shortened(error)


def _classify(text: str) -> GatewayError:
    status = _STATUS.search(text)
    if status and int(status[1]) in ACCESS_STATUS:
        return AccessRefused(REFUSED)
    if status and int(status[1]) in TRANSIENT_STATUS:
        return TransientFault(UNREADABLE)
    if _TIMEOUT in text:
        return StorageTimeout(TOO_SLOW)
    if _CONNECTION in text:
        return TransientFault(UNREADABLE)
    return ShortRead(SHORT) if _OTHER_BYTES.search(text) else StorageUnavailable(UNREADABLE)


def _shortened(error: BaseException) -> Exception:
    """Give what a log should hold: the first line, without the query that may be a key."""
    return RuntimeError(_QUERY.sub(r"\1?…", str(error).partition("\n")[0]))
