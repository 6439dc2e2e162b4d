"""Engines: from a collection's URL to the engine that reads it.

obstore reads S3, Google Cloud Storage and Azure, aiohttp web servers, and fsspec's own filesystems
read the rest. Why, and what was measured, is in docs/storage.md.
"""

from fsspec import get_filesystem_class
from fsspec.asyn import AsyncFileSystem
from fsspec.core import url_to_fs
from fsspec.utils import get_protocol

from gateway.config import LimitSettings
from gateway.storage import buckets
from gateway.storage.buckets import Options, open_bucket
from gateway.storage.engine import Engine
from gateway.storage.fsspec_engine import FsspecEngine
from gateway.storage.http_engine import HttpEngine
from gateway.storage.obstore_engine import ObstoreEngine
from gateway.storage.remembering import RememberingEngine
from gateway.storage.resilient import ResilientEngine
from gateway.storage.tally import Tally

_HTTP = ("http", "https")


def open_engine(
    url: str, options: Options, limits: LimitSettings, tally: Tally | None = None
) -> Engine:
    """Make the engine of a URL, with all that wraps it; its storage is not asked for anything yet.

    Parameters
    ----------
    url : str
        With any scheme that fsspec knows.
    options : mapping of str to any
        In fsspec's words.
    limits : LimitSettings
        How long it may take, how often it is tried, and how long it is remembered.
    tally : Tally or None
        Where tries are counted.

    Raises
    ------
    ImportError, TypeError, ValueError
        The scheme or an option is not known, or a package is missing; the text says which.
    """
    engine = ResilientEngine(_open_bare(url, options, limits), limits, tally)
    return RememberingEngine(engine, limits.identity_age_s, limits.remembered_files)


def _open_bare(url: str, options: Options, limits: LimitSettings) -> Engine:
    scheme = get_protocol(url)
    if scheme in buckets.SCHEMES:
        return ObstoreEngine(open_bucket(url, options, limits.storage_timeout_s))
    if scheme in _HTTP:
        return HttpEngine(url, _read_headers(options), limits)
    # not shared with another collection: closing one would close the connections of both
    more = {"skip_instance_cache": True}
    if issubclass(get_filesystem_class(scheme), AsyncFileSystem):
        more["asynchronous"] = True
    filesystem, root = url_to_fs(url, **options, **more)
    return FsspecEngine(filesystem, root)


def _read_headers(options: Options) -> dict[str, str]:
    """Give the headers that fsspec takes as ``headers``, or as ``client_kwargs.headers``."""
    client = options.get("client_kwargs", {})
    unknown = sorted({*options} - {"headers", "client_kwargs"})
    unknown += sorted(f"client_kwargs.{name}" for name in {*client} - {"headers"})
    if unknown:
        raise ValueError(f"storage_options: {unknown[0]} is not understood; known: headers")
    return {**client.get("headers", {}), **options.get("headers", {})}
