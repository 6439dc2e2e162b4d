"""The body of an answer to several ranges: multipart/byteranges (RFC 9110, 14.6). No I/O.

The lengths are known from what was asked for, so that nothing is searched for in the bytes of a
file: each part must be one that was asked for, and the next boundary must stand right behind it.
"""

import re
from collections.abc import Sequence
from email.message import Message

from gateway.core.errors import ShortRead
from gateway.core.ranges import ByteRange
from gateway.storage.engine import SHORT
from gateway.storage.store import Buffer, new_buffer

_FIELDS = rb"[ \t]*\r\n((?:[^\r\n]{1,512}\r\n){1,8})\r\n"
_CONTENT_RANGE = re.compile(rb"^content-range:[ \t]*(.*?)[ \t]*\r$", re.IGNORECASE | re.MULTILINE)
_MAX_OVERHEAD_BYTES = 1024  # of a part


def max_body_bytes(ranges: Sequence[ByteRange]) -> int:
    """Say how long the body of an answer to ranges may be."""
    return sum(each.size for each in ranges) + (len(ranges) + 1) * _MAX_OVERHEAD_BYTES


def read_boundary(content_type: str) -> bytes:
    """Give what lies between the parts.

    Raises
    ------
    ShortRead
        The answer does not consist of parts.
    """
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_boundary()
    if message.get_content_type() != "multipart/byteranges" or not boundary:
        raise ShortRead(SHORT)
    return boundary.encode("latin-1", "replace")


def unpack_parts(body: bytes, boundary: bytes, ranges: Sequence[ByteRange], size: int) -> Buffer:
    """Take the parts out of a body.

    Parameters
    ----------
    body : bytes
        All of it.
    boundary : bytes
        What lies between the parts, without its hyphens.
    ranges : sequence of ByteRange
        What was asked for, each once.
    size : int
        Length of the file.

    Returns
    -------
    bytes-like
        The bytes of the ranges, one behind the other in the order in which they were asked for,
        whatever the order of the parts.

    Raises
    ------
    ShortRead
        The body is anything but all ranges, each once.
    """
    delimiter = b"--" + boundary
    part_head = re.compile(re.escape(delimiter) + _FIELDS)
    places = _places(ranges, size)
    target = new_buffer(sum(each.size for each in ranges))
    position = 2 if body.startswith(b"\r\n") else 0
    while places:
        head = part_head.match(body, position)
        names = _CONTENT_RANGE.findall(head[1]) if head else []
        place = places.pop(names[0], None) if len(names) == 1 else None
        if head is None or place is None:
            raise ShortRead(SHORT)
        data = body[head.end() : head.end() + place.size]
        position = head.end() + place.size + 2
        if len(data) != place.size or body[position - 2 : position] != b"\r\n":
            raise ShortRead(SHORT)
        target[place.start : place.stop] = data
    if body[position:].rstrip(b" \t\r\n") != delimiter + b"--":
        raise ShortRead(SHORT)
    return target


def _places(ranges: Sequence[ByteRange], size: int) -> dict[bytes, ByteRange]:
    """Say where each range is packed, by the Content-Range that its part must have."""
    places: dict[bytes, ByteRange] = {}
    offset = 0
    for each in ranges:
        name = b"bytes %d-%d/%d" % (each.start, each.stop - 1, size)
        places[name] = ByteRange(offset, offset + each.size)
        offset += each.size
    return places
