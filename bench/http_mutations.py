"""HTTP mutations: connections on which requests are nearly right."""

from collections.abc import Sequence
from random import Random

from bench.mutations import Way, change, cut_off, flip_any

_MOST_BYTES = 400_000

# fmt: off
_TOKENS = (
    b"GET ", b"HEAD ", b"POST ", b"OPTIONS ", b"PRI ", b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2.0",
    b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\x00", b" ", b"\t", b":", b";", b",", b"?", b"&",
    b"=", b"#", b"%00", b"%2e%2e%2f", b"%2F", b"%0d%0a", b"%ff", b"%", b"%zz", b"+", b"..",
    b"/../", b"//", b"/.", b"center=", b"size=", b"gzip=", b"hdu=", b"format=png",
    b"format=json", b"&width=", b"&view", b"stretch=", b"cuts=", b"cmap=", b"px", b"deg",
    b"rad", b"arcsec", b"'", b'"', b"nan", b"inf", b"1e308", b"1e999", b"-1", b"0",
    b"99999999999999999999", b"1_0", b"\xd9\xa3", b"\xff\xfe", b"sort=-size", b"after=",
    b"limit=", b"name=", b"type=", b"expires=", b"signature=", b"Range: bytes=", b"0-", b"-5",
    b"5-1", b"0-0,2-3,-1", b"If-Match: *", b'If-None-Match: W/"x"',
    b"If-Modified-Since: Sat, 99 Foo 2024", b"If-Range: x", b"Accept: application/json;q=nan",
    b"Content-Length: 5", b"Content-Length: 99999999999999999999",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Connection: close",
    b"Connection: upgrade, keep-alive", b"Upgrade: websocket", b"Upgrade: h2c",
    b"Expect: 100-continue", b"Host: ", b"Host: a:b:c", b"X-Forwarded-For: 1.2.3.4, unknown",
    b"Authorization: Bearer x", b"5\r\nhello\r\n0\r\n\r\n", b"ffffffffffffffff\r\n",
    b"-1\r\n", b"0\r\nTrailer: x\r\n\r\n", b"http://[::1", b"http://a@b/",
)
# fmt: on


def mutate_requests(random: Random, pool: Sequence[bytes]) -> bytes:
    """Join one to four requests of a pool, and change them in up to six ways."""
    n_requests = random.choice((1, 1, 1, 2, 4))
    content = bytearray(b"".join(random.choice(pool) for _ in range(n_requests)))
    if random.random() < 0.85:
        change(random, content, _WAYS)
    return bytes(content[:_MOST_BYTES])


def _put_token(random: Random, content: bytearray) -> None:
    at = random.randrange(len(content) + 1)
    content[at : at + random.choice((0, 0, 1, 8))] = random.choice(_TOKENS)


def _put_field(random: Random, content: bytearray) -> None:
    """Add a header field, or what may be one, at the end of a line."""
    ends = [n for n in range(len(content) - 1) if content[n : n + 2] == b"\r\n"]
    at = random.choice(ends) if ends else 0
    content[at:at] = b"\r\n" + random.choice(_TOKENS)


def _put_parameter(random: Random, content: bytearray) -> None:
    at = content.find(b" HTTP/")
    if at > 0:
        joint = random.choice((b"?", b"&", b"&"))
        content[at:at] = joint + random.choice(_TOKENS) + random.choice(_TOKENS)


def _swell(random: Random, content: bytearray) -> None:
    at = random.randrange(len(content) + 1)
    content[at:at] = random.choice(_TOKENS) * random.choice((20, 500, 3000))


def _delete(random: Random, content: bytearray) -> None:
    at = random.randrange(len(content) + 1)
    del content[at : at + random.choice((1, 2, 10))]


def _copy(random: Random, content: bytearray) -> None:
    start, stop = sorted(random.randrange(len(content) + 1) for _ in range(2))
    at = random.randrange(len(content) + 1)
    content[at:at] = content[start:stop]


_WAYS: tuple[Way, ...] = (
    *(_put_token, _put_token, _put_field, _put_field, _put_parameter, _put_parameter),
    *(flip_any, _delete, _copy, _swell, cut_off),
)
