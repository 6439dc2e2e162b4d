"""Fields: what the heads of many answers have in common, written once.

A head has a dozen fields, of which two or three are not those of the one before. To collect and to
write all of them took 10 of the 250 µs of a small cutout.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from aiohttp import hdrs

from gateway.web.conditional import http_date

Headers = dict[str, str]

SERVER = "ibe-gateway"  # aiohttp would tell the versions
EXPOSED = (
    "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag, Last-Modified, "
    "Retry-After, Server-Timing, X-Request-ID"
)
"""The headers that pages of other origins may read (Fetch standard)."""
_REMEMBERED = 1024  # heads; who asks for one file asks again


class Entity(NamedTuple):
    """What is told of a file, or of what is made of it, whoever asks."""

    modified: float | None
    """Time of the last change, in seconds since 1970 (UTC), if known."""
    cache_control: str
    """Empty if caches may do as they like."""
    media_type: str = ""
    """Empty where nothing is sent."""
    disposition: str = ""
    """Empty if the URL ends with its name."""

    @property
    def headers(self) -> Headers:
        """As the fields of a head."""
        found: Headers = {}
        if self.modified is not None:
            found[hdrs.LAST_MODIFIED] = http_date(self.modified)
        if self.cache_control:
            found[hdrs.CACHE_CONTROL] = self.cache_control
        if self.media_type:
            found[hdrs.CONTENT_TYPE] = self.media_type
        if self.disposition:
            found[hdrs.CONTENT_DISPOSITION] = self.disposition
        return found


class Manners(NamedTuple):
    """What all answers tell, also those that fail: how they are to be treated."""

    varies: bool
    """Whether others may get another answer."""
    is_public: bool
    """Whether the client has shown nothing that opens what is closed."""
    has_cors: bool
    """Whether pages of other origins may read it."""

    @property
    def headers(self) -> Headers:
        """As the fields of a head."""
        found: Headers = {
            hdrs.SERVER: SERVER,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",  # an address may be signed
        }
        if self.varies:
            found[hdrs.VARY] = hdrs.AUTHORIZATION
            if not self.is_public:  # to be asked for again, for a key may end
                found[hdrs.CACHE_CONTROL] = "private, no-cache"
        if self.has_cors:
            found[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*"
            found[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = EXPOSED
        return found


@lru_cache(maxsize=_REMEMBERED)
def write_common(entity: Entity, accept_ranges: str, manners: Manners) -> str:
    """Write what the heads of all answers of a kind about a file have in common.

    Raises
    ------
    ValueError
        A field has a character that would end it.
    """
    ranges = {hdrs.ACCEPT_RANGES: accept_ranges}
    return write_fields(entity.headers | ranges | manners.headers)


def write_fields(headers: Mapping[str, str]) -> str:
    """Write fields, each as a line (RFC 9112, 5).

    Raises
    ------
    ValueError
        A field has a character that would end it.
    """
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if not lines.count("\n") == lines.count("\r") == len(headers) or "\0" in lines:
        raise ValueError("a header field has a character that would end it")
    return lines
