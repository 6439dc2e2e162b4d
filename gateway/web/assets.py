"""Assets: the scripts and styles of the pages, and their licences, served from the package.

Their address has a digest of all of them, so that a browser may keep them for ever, and a module
that loads another always gets the one that it was written with.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType

from aiohttp import hdrs, web
from isal import igzip

_TYPES = {".js": "text/javascript", ".css": "text/css", ".txt": "text/plain"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the package."""

    content_type: str
    body: bytes
    packed: bytes
    """The same, gzipped."""


@cache
def load_assets() -> Mapping[str, Asset]:
    """Read the assets, once: by their names, as in ``openseadragon/LICENSE.txt``."""
    found = {}
    for name, file in _walk(files("gateway.web") / "assets", ""):
        body, ending = file.read_bytes(), name[name.rindex(".") :]
        packed = igzip.compress(body, 2)
        found[name] = Asset(f"{_TYPES[ending]}; charset=utf-8", body, packed)
    return MappingProxyType(found)


@cache
def assets_path() -> str:
    """Give the path of the assets, with a slash at its end and none at its beginning."""
    digest = blake2b(digest_size=6)
    for name, asset in sorted(load_assets().items()):
        digest.update(name.encode() + asset.body)
    return f"assets/{digest.hexdigest()}/"


async def get_asset(request: web.Request) -> web.Response:
    """Answer with an asset; the path is one of those that `assets_path` begins."""
    asset = load_assets()[request.rel_url.raw_path.removeprefix(f"/{assets_path()}")]
    headers = {
        hdrs.CONTENT_TYPE: asset.content_type,
        hdrs.CACHE_CONTROL: "public, max-age=31536000, immutable",
        hdrs.VARY: hdrs.ACCEPT_ENCODING,
    }
    if "gzip" not in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
        return web.Response(body=asset.body, headers=headers)
    headers[hdrs.CONTENT_ENCODING] = "gzip"
    return web.Response(body=asset.packed, headers=headers)


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from _walk(item, f"{prefix}{item.name}/")
        else:
            yield f"{prefix}{item.name}", item
