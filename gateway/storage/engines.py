"""Engines: from a collection's URL to the engine that reads it.

obstore reads S3, Google Cloud Storage and Azure; fsspec's own filesystems read the rest. Why, and
what was measured, is in docs/storage.md.
"""

from fsspec import get_filesystem_class
from fsspec.asyn import AsyncFileSystem
from fsspec.core import url_to_fs
from fsspec.utils import get_protocol

from gateway.storage import buckets
from gateway.storage.buckets import Options, open_bucket
from gateway.storage.engine import Engine
from gateway.storage.fsspec_engine import FsspecEngine
from gateway.storage.obstore_engine import ObstoreEngine


def open_engine(url: str, options: Options, timeout_s: float) -> Engine:
    """Make the engine of a URL; its storage is not asked for anything yet.

    Parameters
    ----------
    url : str
        With any scheme that fsspec knows.
    options : mapping of str to any
        In fsspec's words.
    timeout_s : float
        How long one request to the storage may take.

    Raises
    ------
    ImportError, TypeError, ValueError
        The scheme or an option is not known, or a package is missing; the text says which.
    """
    scheme = get_protocol(url)
    if scheme in buckets.SCHEMES:
        return ObstoreEngine(open_bucket(url, options, timeout_s))
    # not shared with another collection: closing one would close the connections of both
    more = {"skip_instance_cache": True}
    if issubclass(get_filesystem_class(scheme), AsyncFileSystem):
        more["asynchronous"] = True
    filesystem, root = url_to_fs(url, **options, **more)
    return FsspecEngine(filesystem, root, timeout_s)
