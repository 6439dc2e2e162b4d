"""Service: what the program does. Find a file, plan the answer, stream it.

The core decides, storage fetches, the web answers; here they meet.
"""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from time import perf_counter

from gateway.access import OPERATOR, Viewer
from gateway.config import Settings
from gateway.core.errors import CorruptFits, NotFound, TooLarge
from gateway.core.folder_query import FolderQuery, matches
from gateway.core.plan import CutoutPlan, Unpacked, plan_cutout, plan_whole
from gateway.core.query import CutoutQuery
from gateway.listing import Page, read_page
from gateway.reading import bands_of, read_chunks, read_now
from gateway.storage.archive import Archive, Collection, open_archive
from gateway.storage.cache_file import CacheFile
from gateway.storage.gzipped import GzippedObject
from gateway.storage.index import Known, ParentIndex
from gateway.storage.layouts import Layouts
from gateway.storage.store import Buffer, Entry, StoredObject
from gateway.storage.tally import LayoutTally
from gateway.storage.unpacker import Unpacker

# when the steps of an answer began and ended, by their names, as `perf_counter` tells it
Timings = dict[str, tuple[float, float]]


@dataclass(slots=True)
class Source:
    """A file that was found."""

    collection: Collection
    key: str
    """Its path in the collection."""
    stored: StoredObject

    @property
    def name(self) -> str:
        """Its URL path."""
        return f"{self.collection.path}/{self.key}"

    @property
    def place(self) -> str:
        """What the index calls it, in every configuration."""
        return f"{self.collection.settings.place}/{self.key}"

    @property
    def file_name(self) -> str:
        """The last segment of its URL path."""
        return self.key.rpartition("/")[2]


@dataclass(slots=True)
class Answer:
    """A planned answer, and what its bytes are read from."""

    plan: CutoutPlan
    stored: StoredObject
    timings: Timings
    inflated_bytes: int = 0
    """How much of a gzipped parent is inflated for it."""


class Service:
    """The gateway without the web.

    Parameters
    ----------
    settings : Settings
        What is allowed.
    archive : Archive
        Where the files are.
    index : ParentIndex
        What is known of them.
    unpacker : Unpacker
        Opens those that are gzipped.
    cache : CacheFile
        What of that is on disk.
    """

    def __init__(
        self,
        settings: Settings,
        archive: Archive,
        index: ParentIndex,
        unpacker: Unpacker,
        cache: CacheFile,
    ) -> None:
        self._limits = settings.limits
        self.archive = archive
        self._index = index
        self._unpacker = unpacker
        self._cache = cache

    @property
    def layouts_found(self) -> LayoutTally:
        """Where layouts were found."""
        return self._index.found

    async def open(self, segments: tuple[str, ...], viewer: Viewer = OPERATOR) -> Source:
        """Open the present version of a file.

        Raises
        ------
        NotFound, StorageUnavailable, StorageTimeout
        """
        collection, key = self.archive.resolve(segments, viewer)
        stored = await collection.store.open(key)
        return Source(collection, key, stored)

    def plan_file(self, source: Source) -> Answer:
        """Plan the answer that is the file itself."""
        return Answer(plan_whole(source.stored.info.size), source.stored, {})

    async def plan_cutout(self, source: Source, query: CutoutQuery) -> Answer:
        """Plan a cutout: the last point where anything can be refused.

        Raises
        ------
        NoOverlap, NoUsableWcs, CorruptFits, UnsupportedFits, TooLarge
        StorageUnavailable, StorageTimeout, SourceChanged
        """
        started = perf_counter()
        known, stored = await self._learn(source)
        laid_out = perf_counter()
        if query.needs_sky and known.coordinates is None:
            await self._index.learn_wcs(source.place, known, stored)
        plan = plan_cutout(known.parent, query, source.collection.rule, known.coordinates)
        self._check(plan, known, source.collection.settings.max_cutout_bytes)
        timings = {"layout": (started, laid_out), "wcs": (laid_out, perf_counter())}
        answer = Answer(plan, stored, timings)
        if isinstance(stored, GzippedObject):
            answer.inflated_bytes = stored.inflated_bytes(plan.blocks())
        return answer

    async def know(self, source: Source, *, needs_sky: bool) -> tuple[Known, StoredObject]:
        """Give what is known of a file, and the file as it is when it is unpacked.

        Raises
        ------
        CorruptFits, UnsupportedFits, StorageUnavailable, StorageTimeout, SourceChanged
        """
        known, stored = await self._learn(source)
        if needs_sky and known.coordinates is None:
            await self._index.learn_wcs(source.place, known, stored)
        return known, stored

    async def has_cache(self) -> bool:
        """Tell whether what is learnt outlives the process."""
        return await self._cache.is_usable()

    async def prepare(self, source: Source) -> bool:
        """Learn what is kept on disk of a file, if that is not there; tell whether it was not.

        Raises
        ------
        CorruptFits, UnsupportedFits, StorageUnavailable, StorageTimeout, SourceChanged
        """
        if await self._index.is_kept(source.place, source.stored.info.identity):
            return False
        await self._learn(source)
        return True

    async def forget(self, source: Source) -> None:
        """Drop what is known of a file that turned out to be another one."""
        await self._index.forget(source.place)

    def read_now(self, answer: Answer, start: int, stop: int) -> Buffer | None:
        """Give the bytes of an answer if that needs no waiting, else None.

        Raises
        ------
        CorruptFits, SourceChanged, StorageUnavailable
        """
        return read_now(answer.plan, answer.stored, start, stop, self._limits)

    async def read_small(self, answer: Answer, start: int, stop: int) -> Buffer:
        """Read the bytes of an answer, which are few.

        Raises
        ------
        CorruptFits, ShortRead, SourceChanged, StorageUnavailable, StorageTimeout
        """
        async with aclosing(self.read_chunks(answer, start, stop)) as chunks:
            return b"".join([bytes(chunk) async for chunk in chunks])

    def read_chunks(self, answer: Answer, start: int, stop: int) -> AsyncGenerator[Buffer, None]:
        """Read the bytes of an answer in order and in bounded memory.

        Raises
        ------
        CorruptFits, ShortRead, SourceChanged, StorageUnavailable, StorageTimeout
        """
        return read_chunks(answer.plan, answer.stored, start, stop, self._limits)

    async def read_page(
        self, segments: tuple[str, ...], query: FolderQuery, viewer: Viewer = OPERATOR
    ) -> Page:
        """Read a page of a folder.

        Raises
        ------
        NotFound, StorageUnavailable, StorageTimeout
        """
        length = query.limit or self._limits.page_entries
        return await read_page(self._list(segments, query.mark, viewer), query, length)

    async def entries(
        self, segments: tuple[str, ...], query: FolderQuery, viewer: Viewer = OPERATOR
    ) -> AsyncGenerator[Entry, None]:
        """Give those entries of a folder that match, all of them, in the order of their marks.

        Raises
        ------
        NotFound, StorageUnavailable, StorageTimeout
        """
        async for entry in self._list(segments, query.mark, viewer):
            if matches(entry.name, query.name):
                yield entry

    async def probe(self) -> None:
        """Make sure that every storage can be reached.

        Raises
        ------
        NotFound, StorageUnavailable, StorageTimeout
        """
        for collection in self.archive.collections.values():
            await collection.store.probe()

    async def close(self) -> None:
        """Close all stores, and the cache."""
        await self.archive.close()
        await self._cache.close()

    async def _list(
        self, segments: tuple[str, ...], after: str, viewer: Viewer
    ) -> AsyncIterator[Entry]:
        """List a folder behind a mark; collections below it are folders in it."""
        names = self.archive.below(segments, viewer)
        covered = self.archive.below(segments)  # seen or not, they hide folders of the storage
        folders = [Entry(name, is_folder=True, size=None, modified=None) for name in names]
        waiting = deque(sorted((e for e in folders if e.mark > after), key=lambda e: e.mark))
        try:
            collection, key = self.archive.resolve(segments, viewer)
            folder, rules = f"{key}/" if key else "", collection.settings.access
            async for entry in collection.store.entries(key, after):
                while waiting and waiting[0].mark < entry.mark:
                    yield waiting.popleft()
                if entry.name not in covered and viewer.may_see(rules, folder + entry.name):
                    yield entry
        except NotFound:
            if not names:
                raise
        for entry in waiting:
            yield entry

    async def _learn(self, source: Source) -> tuple[Known, StoredObject]:
        """Give what is known of a file but for the sky, and the file as it is unpacked."""
        stored: StoredObject = source.stored
        known = self._index.recall(source.place, stored.info.identity)
        if known is None:
            family = source.collection.settings.place
            known = await self._index.learn(source.place, stored, family)
        if known.is_gzipped:
            stored = await self._unpacker.open(source.place, stored, known.size)
        return known, stored

    def _check(self, plan: CutoutPlan, known: Known, max_bytes: int) -> None:
        """Refuse what is too large, and what the file announces but does not hold."""
        if plan.size > max_bytes:
            raise TooLarge(
                f"The cutout would have {plan.size} bytes; at most {max_bytes} are given: "
                "ask for a smaller size."
            )
        if known.is_cut_off and any(piece.stop > known.size for piece in plan.pieces):
            raise CorruptFits(
                "The file is cut off: "
                f"the requested pixels lie behind its end of {known.size} bytes."
            )
        for piece in plan.pieces:
            if isinstance(piece, Unpacked):
                bands_of(piece, self._limits)


def open_service(settings: Settings) -> Service:
    """Make the service of an archive; no storage is asked for anything yet."""
    cache = CacheFile(settings.cache.dir, settings.cache.max_bytes)
    unpacker = Unpacker(settings.cache, settings.limits, cache)
    layouts = Layouts(settings.limits, cache, unpacker)
    index = ParentIndex(settings.limits, settings.cache.memory_bytes, layouts)
    return Service(settings, open_archive(settings), index, unpacker, cache)
