"""An Engine on a web server, by aiohttp: what a server may do wrong is an error, never wrong bytes.

Folders are pages of links, as web servers make them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from math import inf
from time import monotonic
from urllib.parse import quote

from aiohttp import (
    ClientConnectionError,
    ClientError,
    ClientPayloadError,
    ClientResponse,
    ClientSession,
    ClientSSLError,
    TCPConnector,
    hdrs,
)
from yarl import URL

from gateway.config import LimitSettings
from gateway.core.errors import (
    ArchiveError,
    IsFolder,
    ShortRead,
    SourceChanged,
    StorageTimeout,
    StorageUnavailable,
    TransientFault,
)
from gateway.core.ranges import ByteRange
from gateway.storage.engine import (
    ABSENT_STATUS,
    CHANGED,
    FOLDER,
    NO_LENGTH,
    SHORT,
    TOO_SLOW,
    UNREADABLE,
)
from gateway.storage.http_answer import (
    check_range,
    check_status,
    check_version,
    describe,
    is_packed,
    read_exactly,
)
from gateway.storage.links import parse_links
from gateway.storage.multipart import max_body_bytes, read_boundary, unpack_parts
from gateway.storage.store import Buffer, Entry, ObjectInfo
from gateway.storage.watcher import WATCHER

_NO_HEAD = frozenset({405, 501})
_FIRST_REST_S = 60.0  # from asking for several ranges, after a first try that failed
_MAY_PASS = (TransientFault, StorageTimeout, asyncio.CancelledError)


class HttpEngine:
    """The files below a URL.

    Parameters
    ----------
    url : str
        The root; a query is sent with every request.
    headers : mapping of str to str
        Sent with every request.
    limits : LimitSettings
        How long a page may be that lists a folder, and how many ranges one request asks for.
    clock : callable
        Gives seconds.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        limits: LimitSettings,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        root, _, query = url.partition("?")
        self._root = root.rstrip("/")
        self._query = f"?{query}" if query else ""
        self._max_listing_bytes = limits.max_listing_bytes
        self._max_ranges = limits.storage_ranges
        self._headers = {**headers, hdrs.ACCEPT_ENCODING: "identity"}
        self._session: ClientSession | None = None
        self._clock = clock
        self._gives_parts = False
        """Whether the server has answered several ranges well."""
        self._parts_from = 0.0
        """When it may be asked for several, by the clock."""
        self._rest_s = _FIRST_REST_S

    @property
    def max_ranges(self) -> int:
        """Many, unless the server was found not to answer them."""
        return self._max_ranges if self._clock() >= self._parts_from else 1

    async def head(self, key: str) -> ObjectInfo:
        """Describe the present version of a file."""
        async with self._ask(hdrs.METH_HEAD, key) as answer:
            if answer.status not in _NO_HEAD:
                check_status(answer)
                if answer.url.path.endswith("/"):  # it was redirected there
                    raise IsFolder(FOLDER)
                if hdrs.CONTENT_LENGTH in answer.headers:
                    return describe(answer, int(answer.headers[hdrs.CONTENT_LENGTH]))
        return await self._head_by_get(key)

    async def get(self, key: str, start: int, stop: int, version: ObjectInfo) -> Buffer:
        """Read bytes, pinned by If-Match where there is a strong ETag, and compared anyway."""
        async with self._ask_part(key, [ByteRange(start, stop)], version) as answer:
            check_range(answer, key, (start, stop), version.size)
            return await read_exactly(answer, stop - start)

    async def get_ranges(
        self, key: str, ranges: Sequence[ByteRange], version: ObjectInfo
    ) -> Buffer:
        """Read several ranges by one request, unless the server is known not to do that.

        Notes
        -----
        An answer that is wrong tells it for good. A failure that may pass does not: the server may
        be down, the client may have gone. But some servers fail only where they are asked for
        several ranges, so that after a first try that failed they are left alone for a while,
        twice as long each time.
        """
        if self.max_ranges == 1:
            raise ShortRead(SHORT)
        try:
            data = await self._get_parts(key, ranges, version)
        except SourceChanged:
            raise
        except (ArchiveError, asyncio.CancelledError) as error:
            may_pass = isinstance(error, _MAY_PASS)
            if may_pass and self._gives_parts:
                raise
            self._parts_from = self._clock() + self._rest_s if may_pass else inf
            self._rest_s *= 2
            if isinstance(error, asyncio.CancelledError):  # a server may be silent, too
                raise
            raise ShortRead(SHORT) from error
        self._gives_parts = True
        return data

    async def entries(self, key: str, after: str = "") -> AsyncIterator[Entry]:
        """List a folder by the links of its page; their sizes are not known."""
        async with self._ask(hdrs.METH_GET, f"{key}/" if key else "") as answer:
            check_status(answer)
            page = bytearray()
            async for part in answer.content.iter_any():
                page += part
                if len(page) > self._max_listing_bytes:  # a part of it would hide the other files
                    raise StorageUnavailable("The folder is too large to be listed.")
            url = answer.url
        links = await asyncio.to_thread(parse_links, page.decode("utf-8", "replace"), url)
        found = [_entry(name) for name in links]
        for entry in sorted(found, key=lambda entry: entry.mark):
            if entry.mark > after:
                yield entry

    async def probe(self) -> None:
        """Make sure that the root can be asked for."""
        async with self._ask(hdrs.METH_GET, "") as answer:
            check_status(answer)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _head_by_get(self, key: str) -> ObjectInfo:
        """Describe a file by a range of it, for a server that does not do that by HEAD."""
        async with self._ask(hdrs.METH_GET, key, {hdrs.RANGE: "bytes=0-0"}) as answer:
            total = answer.headers.get(hdrs.CONTENT_RANGE, "").rpartition("/")[2]
            # an empty file has no first byte
            if answer.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and total == "0":
                return describe(answer, 0)
            check_status(answer)
            is_part = answer.status == HTTPStatus.PARTIAL_CONTENT
            length = total if is_part else answer.headers.get(hdrs.CONTENT_LENGTH, "")
            if not length.isdecimal():
                raise StorageUnavailable(NO_LENGTH)
            return describe(answer, int(length))

    async def _get_parts(
        self, key: str, ranges: Sequence[ByteRange], version: ObjectInfo
    ) -> Buffer:
        async with self._ask_part(key, ranges, version) as answer:
            if answer.status != HTTPStatus.PARTIAL_CONTENT or is_packed(answer, key):
                raise ShortRead(SHORT)
            boundary = read_boundary(answer.headers.get(hdrs.CONTENT_TYPE, ""))
            body = bytearray()
            async for data in answer.content.iter_any():
                body += data
                if len(body) > max_body_bytes(ranges):
                    raise ShortRead(SHORT)
            return unpack_parts(bytes(body), boundary, ranges, version.size)

    @asynccontextmanager
    async def _ask_part(
        self, key: str, ranges: Sequence[ByteRange], version: ObjectInfo
    ) -> AsyncIterator[ClientResponse]:
        """Ask for ranges of a version."""
        wanted = ",".join(f"{each.start}-{each.stop - 1}" for each in ranges)
        headers: dict[str, str] = {hdrs.RANGE: f"bytes={wanted}"}
        if version.etag and not version.etag.startswith("W/"):
            headers[hdrs.IF_MATCH] = version.etag
        async with self._ask(hdrs.METH_GET, key, headers) as answer:
            if answer.status in ABSENT_STATUS:
                raise SourceChanged(CHANGED)
            check_status(answer)
            check_version(answer, version)
            yield answer

    @asynccontextmanager
    async def _ask(
        self, method: str, key: str, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[ClientResponse]:
        """Send a request; what is not read of the answer is not fetched."""
        if self._session is None:
            self._session = ClientSession(
                headers=self._headers,
                auto_decompress=False,  # what is stored is wanted
                connector=TCPConnector(limit=0),  # RemoteStore bounds the reads
            )
        # a key with "?" or an encoded ".." in it would lead to another place as part of a URL
        url = URL(f"{self._root}/{quote(key)}{self._query}", encoded=True)
        with _translated():
            async with self._session.request(
                method,
                url,
                headers={**(headers or {}), **WATCHER.get().headers()},
                allow_redirects=True,
            ) as answer:
                yield answer


def _entry(name: str) -> Entry:
    return Entry(name.rstrip("/"), name.endswith("/"), size=None, modified=None)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise StorageTimeout(TOO_SLOW) from error
    except ClientSSLError as error:
        raise StorageUnavailable(UNREADABLE) from error
    except (ClientConnectionError, ClientPayloadError, ConnectionError) as error:
        raise TransientFault(UNREADABLE) from error
    except ClientError as error:
        raise StorageUnavailable(UNREADABLE) from error
