"""What a web server's answer says, and whether it may be believed (RFC 9110)."""

import asyncio
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from secrets import token_hex
from time import time

from aiohttp import ClientResponse, hdrs

from gateway.core.errors import (
    AccessRefused,
    NotFound,
    ShortRead,
    SourceChanged,
    StorageUnavailable,
    TransientFault,
)
from gateway.storage.engine import (
    ABSENT,
    ABSENT_STATUS,
    ACCESS_STATUS,
    CHANGED,
    REFUSED,
    SHORT,
    TRANSIENT_STATUS,
    UNREADABLE,
)
from gateway.storage.store import ObjectInfo

_PACKED = (".gz", ".Z", ".bz2", ".xz")  # a server may call what such a file is a Content-Encoding


def check_status(answer: ClientResponse) -> None:
    """Refuse what is no success: only 404 and 410 speak of an absent file."""
    status = answer.status
    if status in ABSENT_STATUS:
        raise NotFound(ABSENT)
    if status in ACCESS_STATUS:
        raise AccessRefused(REFUSED)
    if status == HTTPStatus.PRECONDITION_FAILED:
        raise SourceChanged(CHANGED)
    if status in TRANSIENT_STATUS:
        raise TransientFault(UNREADABLE, _seconds(answer.headers.get(hdrs.RETRY_AFTER, "")))
    if status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
        raise StorageUnavailable(UNREADABLE)


def check_version(answer: ClientResponse, version: ObjectInfo) -> None:
    """Compare what the answer tells of its version: not every server knows If-Match."""
    found = describe(answer, version.size)
    if found.etag and version.etag:
        same = found.etag == version.etag
    else:
        same = None in (found.modified, version.modified) or found.modified == version.modified
    total = answer.headers.get(hdrs.CONTENT_RANGE, "").rpartition("/")[2]
    if not same or (total.isdecimal() and int(total) != version.size):
        raise SourceChanged(CHANGED)


def check_range(answer: ClientResponse, key: str, wanted: tuple[int, int], size: int) -> None:
    """Refuse other bytes than those that were asked for, before they are fetched."""
    start, stop = wanted
    sent = answer.headers.get(hdrs.CONTENT_RANGE, "").partition("/")[0]
    is_part = answer.status == HTTPStatus.PARTIAL_CONTENT and sent == f"bytes {start}-{stop - 1}"
    # a server that ignores Range answers with the whole file: every pixel would be shifted
    is_whole = answer.status == HTTPStatus.OK and wanted == (0, size)
    length = answer.headers.get(hdrs.CONTENT_LENGTH, str(stop - start))
    if not (is_part or is_whole) or is_packed(answer, key) or length != str(stop - start):
        raise ShortRead(SHORT)


def is_packed(answer: ClientResponse, key: str) -> bool:
    """Tell whether the bytes are not those of the file."""
    encoding = answer.headers.get(hdrs.CONTENT_ENCODING, "identity")
    return encoding != "identity" and not key.endswith(_PACKED)


async def read_exactly(answer: ClientResponse, size: int) -> bytes:
    """Read as many bytes as were asked for, and see that there are no more."""
    try:
        data = await answer.content.readexactly(size)
    except asyncio.IncompleteReadError as error:
        raise TransientFault(UNREADABLE) from error
    if await answer.content.read(1):
        raise ShortRead(SHORT)
    return data


def describe(answer: ClientResponse, size: int) -> ObjectInfo:
    """Give what an answer tells of the version of its file."""
    etag = answer.headers.get(hdrs.ETAG)
    modified = _date(answer.headers.get(hdrs.LAST_MODIFIED, ""))
    # without a validator, nobody can tell one version from the next: each is taken for a new one
    version = etag or modified or f"unknown {token_hex(8)}"
    return ObjectInfo(size, f"{version}-{size}", modified, etag)


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None


def _seconds(retry_after: str) -> float:
    """Read Retry-After: a number of seconds, or a date (RFC 9110, 10.2.3)."""
    if retry_after.isdecimal():
        return float(retry_after)
    date = _date(retry_after)
    return 0.0 if date is None else max(0.0, date - time())
