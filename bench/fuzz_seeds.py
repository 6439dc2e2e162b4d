"""Seeds: the good files and the good requests that `bench.fuzz` begins with."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from astropy.io import fits

from tests.core.compressed import compress
from tests.fits_files import (
    LOOKUP,
    SIP,
    TAN,
    ascii_table,
    extension,
    image,
    lookup_file,
    mef,
    pixels,
    spectrum,
    table,
)

_MOST_BYTES = 120_000
_SMALL = (24, 20)
_PATHS = (
    "good.fits",
    "good.fits.gz",
    "good.fits.fz",
    "missing.fits",
    "",
    "notes.txt",
    "%67ood.fits",
)
_QUERIES = (
    "",
    "?center=10,10px&size=7px",
    "?center=10,10px&size=7px&gzip=0",
    "?center=150.1,2.2&size=10arcsec&gzip=no",
    "?center=150.1%202.2&size=1",
    "?size=5,7%22&center=150.1,2.2deg&hdu=0",
    "?format=png&width=40&stretch=log&cuts=99&cmap=viridis",
    "?format=json",
    "?view",
    "?sort=-size&limit=2&name=g",
    "?thumbnails=1",
)
_HEADERS = (
    "",
    "Range: bytes=0-99\r\n",
    "Range: bytes=0-0,5-9,-20\r\n",
    "If-None-Match: *\r\n",
    'If-Match: "x"\r\nIf-Range: "x"\r\n',
    "If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT\r\n",
    "Accept: text/html\r\nAccept-Encoding: gzip\r\n",
    "Accept: application/json\r\nConnection: close\r\n",
    "Authorization: Bearer 0123456789\r\nX-Forwarded-For: 192.0.2.1\r\n",
    "Content-Length: 5\r\n\r\nhello",
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    "Expect: 100-continue\r\nContent-Length: 3\r\n",
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
)
_OTHERS = (
    *("/", "/healthz", "/readyz", "/metrics", "/ibe/", "/ibe", "/ibe/data", "/favicon.ico", "*"),
    *("/ibe/closed/good.fits?center=10,10px&size=3px", "/ibe/closed/", "/ibe/exactly/good.fits"),
    *("/ibe/data/../data/good.fits", "/ibe/data/%2e%2e/x", "http://x/ibe/data/good.fits"),
)


def make_files(material: Path | None) -> list[bytes]:
    """Make small files of every kind, and take the small ones of the test material."""
    found = list(_make_files())
    if material is not None:
        paths = sorted((material / "data/fits").iterdir())
        found += [p.read_bytes() for p in paths if ".fits" in p.name and _is_small(p)]
    return found


def _is_small(path: Path) -> bool:
    return path.stat().st_size <= _MOST_BYTES


def _make_files() -> Iterator[bytes]:
    noise = pixels(_SMALL)
    yield image(noise, TAN)
    yield image(pixels(_SMALL, "i2"), SIP)
    yield image(pixels((2, 3, *_SMALL), "u1"), TAN)
    yield image(
        noise, TAN | {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "PV1_1": 1.0, "PV2_2": 0.1}
    )
    yield image(
        noise, TAN | {"CTYPE1": "GLON-CAR", "CTYPE2": "GLAT-CAR", "CRPIX1A": 3.0, "LTV1": 2}
    )
    yield lookup_file(20, 24)
    yield mef(fits.PrimaryHDU(noise), table(), ascii_table(), cards=TAN)
    yield mef(extension(noise, "SCI", TAN), extension(pixels(_SMALL, "u1"), "MASK"), table())
    yield mef(*(extension(noise, f"CHIP{n}", TAN | {"CRVAL2": 2.2 + n / 99}) for n in range(3)))
    yield mef(spectrum())
    yield image(noise, LOOKUP)
    yield gzip.compress(image(noise, TAN), 1, mtime=0)
    yield gzip.compress(image(noise, TAN), 1, mtime=0) * 2
    whole = pixels(_SMALL, "i2")
    for kind in ("RICE_1", "GZIP_1", "GZIP_2", "PLIO_1", "HCOMPRESS_1"):
        yield compress(whole, compression_type=kind, tile_shape=(8, 20), header=_header())
    for kind in ("RICE_1", "GZIP_2", "HCOMPRESS_1"):
        options = {"quantize_method": 2, "dither_seed": 7, "quantize_level": 4}
        smooth = np.nan_to_num(noise)
        yield compress(
            smooth, compression_type=kind, tile_shape=(8, 8), header=_header(), **options
        )


def _header() -> fits.Header:
    return fits.Header(TAN)


def make_requests() -> list[bytes]:
    """Make requests of every kind."""
    paths = [f"/ibe/data/{name}{query}" for name in _PATHS for query in _QUERIES]
    paths += _OTHERS
    methods = ("GET", "GET", "GET", "HEAD", "OPTIONS", "POST")
    return [
        f"{methods[n % 6]} {path} HTTP/1.1\r\nHost: x\r\n{_HEADERS[n % len(_HEADERS)]}\r\n".encode()
        for n, path in enumerate(paths * 2)
    ]
