"""Archive: from the path of a URL to a collection, its store and a key.

Collections are the only way to storage: no path leads out of one, and no request names a host, a
bucket or a scheme.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote_to_bytes

from fsspec.core import url_to_fs
from fsspec.utils import get_protocol

from gateway.access import OPERATOR, PUBLIC, Viewer
from gateway.config import CollectionSettings, ConfigurationError, LimitSettings, Settings
from gateway.core.box import BoxRule
from gateway.core.errors import NotFound
from gateway.storage.engines import open_engine
from gateway.storage.local import LocalStore
from gateway.storage.remote import RemoteStore
from gateway.storage.store import Store
from gateway.storage.tally import Tally

_FORBIDDEN = frozenset({"", ".", ".."})
_FORBIDDEN_CHARACTERS = frozenset("/\\\0")
_LOCAL = ("file", "local")
_REMEMBERED = 1024  # paths that were asked for; who asks for one file asks again


@dataclass(frozen=True, slots=True)
class Collection:
    """A URL prefix, the storage behind it, and its rules."""

    settings: CollectionSettings
    store: Store
    rule: BoxRule
    tally: Tally = field(default_factory=Tally)

    @property
    def path(self) -> str:
        """The URL prefix, without a slash at its end."""
        return self.settings.path


class Archive:
    """All collections.

    Parameters
    ----------
    collections : iterable of Collection
        With different paths.
    """

    def __init__(self, collections: Mapping[str, Collection]) -> None:
        self.collections = dict(sorted(collections.items()))
        self._by_segments = {tuple(path[1:].split("/")): c for path, c in collections.items()}
        self._locate = lru_cache(maxsize=_REMEMBERED)(self._find_longest)

    def find(self, segments: tuple[str, ...], viewer: Viewer) -> Collection | None:
        """Find the collection with the longest prefix of a path that a viewer may know of."""
        collection, _ = self._locate(segments)
        while collection is not None and not viewer.may_see(collection.settings.access, ""):
            outer = collection.path[1:].split("/")[:-1]
            collection, _ = self._locate(tuple(outer))
        return collection

    def public_name(self, path: str) -> str:
        """Give the path of a collection as anybody may know it."""
        collection = self.collections.get(path)
        is_open = collection is None or PUBLIC.may_see(collection.settings.access, "")
        return path if is_open else "(closed)"

    def resolve(
        self, segments: tuple[str, ...], viewer: Viewer = OPERATOR
    ) -> tuple[Collection, str]:
        """Find the collection with the longest prefix of a path, and the key below it.

        Raises
        ------
        NotFound
            No collection holds the path, or the viewer may not see it.
        """
        collection, key = self._locate(segments)
        # what is closed hides what an outer collection may have of the same name
        if collection is None or not viewer.may_see(collection.settings.access, key):
            raise NotFound("There is no such file or folder here.")
        return collection, key

    def below(self, segments: tuple[str, ...], viewer: Viewer = OPERATOR) -> dict[str, str]:
        """Name the folders that lead to collections, with the titles of those that are one.

        Parameters
        ----------
        segments : tuple of str
            A prefix of collections, or a folder in one.
        viewer : Viewer
            Who may see them.
        """
        depth = len(segments)
        found: dict[str, str] = {}
        for path, collection in self._by_segments.items():
            is_below = path[:depth] == segments and len(path) > depth
            if is_below and viewer.may_see(collection.settings.access, ""):
                title = collection.settings.title if len(path) == depth + 1 else ""
                found[path[depth]] = found.get(path[depth]) or title
        return found

    def _find_longest(self, segments: tuple[str, ...]) -> tuple[Collection | None, str]:
        """Find the collection with the longest prefix of a path, and the key below it."""
        for length in range(len(segments), 0, -1):
            collection = self._by_segments.get(segments[:length])
            if collection is not None:
                return collection, "/".join(segments[length:])
        return None, ""

    async def close(self) -> None:
        """Close all stores."""
        for collection in self.collections.values():
            await collection.store.close()


@lru_cache(maxsize=_REMEMBERED)
def parse_path(path: str) -> tuple[str, ...]:
    """Decode the path of a URL into its segments; the last is empty for a folder.

    Raises
    ------
    NotFound
        It has a segment that could mean another place: an empty one, a dot or two, one with an
        encoded slash or NUL, or one that is not UTF-8.
    """
    segments = path.removeprefix("/").split("/")
    if "%" in path:
        try:
            segments = [unquote_to_bytes(segment).decode() for segment in segments]
        except UnicodeDecodeError as error:
            raise NotFound("There is no such file or folder here.") from error
    inner = segments if segments[-1] else segments[:-1]
    if not (_FORBIDDEN.isdisjoint(inner) and _FORBIDDEN_CHARACTERS.isdisjoint("".join(inner))):
        raise NotFound("There is no such file or folder here.")
    return tuple(segments)


def open_archive(settings: Settings) -> Archive:
    """Make the stores of all collections; none of them is asked for anything yet."""
    collections = {}
    for each in settings.collections:
        tally = Tally()
        store = open_store(each, settings.limits, tally)
        collections[each.path] = Collection(each, store, BoxRule(each.box), tally)
    return Archive(collections)


def open_store(
    collection: CollectionSettings, limits: LimitSettings, tally: Tally | None = None
) -> Store:
    """Make the store of a collection from its URL.

    Raises
    ------
    ConfigurationError
        No filesystem is known for the URL, the package that it needs is not installed, or an
        option is not understood.
    """
    options = collection.storage_options
    try:
        if get_protocol(collection.url) in _LOCAL:
            return _open_folder(collection, limits)
        engine = open_engine(collection.url, options, limits, tally)
        return RemoteStore(engine, limits, collection.request_cost_s)
    except (ImportError, TypeError, ValueError) as error:
        raise ConfigurationError(f"The url of {collection.path} cannot be used: {error}") from error


def _open_folder(collection: CollectionSettings, limits: LimitSettings) -> LocalStore:
    if collection.storage_options:
        raise ValueError("storage_options: a folder has none")
    return LocalStore(
        Path(url_to_fs(collection.url)[1]),
        follow_symlinks=collection.follow_symlinks,
        mapped_bytes=limits.mapped_bytes,
        open_files=limits.open_files,
    )
