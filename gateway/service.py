"""Service: what the program does. Find a file, plan the answer, stream it.

The core decides, storage fetches, the web answers; here they meet.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from time import perf_counter

from gateway.config import Settings
from gateway.core.errors import CorruptFits, NotFound, TooLarge
from gateway.core.plan import CutoutPlan, Unpacked, plan_cutout, plan_whole
from gateway.core.query import CutoutQuery
from gateway.reading import bands_of, read_chunks, read_now
from gateway.storage.archive import Archive, Collection, open_archive
from gateway.storage.gzipped import GzippedObject
from gateway.storage.index import Known, ParentIndex
from gateway.storage.store import Buffer, Entry, StoredObject


@dataclass(slots=True)
class Source:
    """A file that was found."""

    collection: Collection
    name: str
    """Its URL path."""
    stored: StoredObject

    @property
    def file_name(self) -> str:
        """The last segment of its URL path."""
        return self.name.rpartition("/")[2]


@dataclass(slots=True)
class Answer:
    """A planned answer, and what its bytes are read from."""

    plan: CutoutPlan
    stored: StoredObject
    timings: dict[str, float]
    """Seconds that each step of the planning took."""


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
    """

    def __init__(self, settings: Settings, archive: Archive, index: ParentIndex) -> None:
        self._limits = settings.limits
        self.archive = archive
        self._index = index

    async def open(self, segments: tuple[str, ...]) -> Source:
        """Open the present version of a file.

        Raises
        ------
        NotFound, StorageUnavailable, StorageTimeout
        """
        collection, key = self.archive.resolve(segments)
        stored = await collection.store.open(key)
        return Source(collection, f"{collection.path}/{key}", stored)

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
        stored: StoredObject = source.stored
        index = self._index
        known = index.recall(source.name, stored.info.identity)
        if known is None:
            known = await index.learn(source.name, stored)
        if known.is_gzipped:
            stored = GzippedObject(stored, self._limits.max_inflated_bytes)
        laid_out = perf_counter()
        if query.needs_sky and known.coordinates is None:
            await index.learn_wcs(source.name, known, stored)
        plan = plan_cutout(known.parent, query, source.collection.rule, known.coordinates)
        self._check(plan, known, source.collection.settings.max_cutout_bytes)
        timings = {"layout": laid_out - started, "wcs": perf_counter() - laid_out}
        return Answer(plan, stored, timings)

    async def read_small(self, answer: Answer, start: int, stop: int) -> Buffer | None:
        """Read the bytes of an answer at once if they are few, else give None.

        Raises
        ------
        CorruptFits, ShortRead, SourceChanged, StorageUnavailable, StorageTimeout
        """
        if stop - start > self._limits.inline_bytes:
            return None
        data = read_now(answer.plan, answer.stored, start, stop)
        if data is not None:
            return data
        return b"".join([bytes(chunk) async for chunk in self.read_chunks(answer, start, stop)])

    def read_chunks(self, answer: Answer, start: int, stop: int) -> AsyncGenerator[Buffer, None]:
        """Read the bytes of an answer in order and in bounded memory.

        Raises
        ------
        CorruptFits, ShortRead, SourceChanged, StorageUnavailable, StorageTimeout
        """
        return read_chunks(answer.plan, answer.stored, start, stop, self._limits)

    async def entries(self, segments: tuple[str, ...]) -> tuple[list[Entry], dict[str, str]]:
        """List a folder; collections below it are folders in it.

        Returns
        -------
        entries : list of Entry
        titles : dict of str to str
            Of the folders that are collections, or lead to them.

        Raises
        ------
        NotFound, StorageUnavailable, StorageTimeout
        """
        titles = self.archive.below(segments)
        folders = {name: Entry(name, is_folder=True, size=None, modified=None) for name in titles}
        try:
            collection, key = self.archive.resolve(segments)
            found = [entry async for entry in collection.store.entries(key)]
        except NotFound:
            if not folders:
                raise
            found = []
        return [*folders.values(), *(e for e in found if e.name not in folders)], titles

    async def probe(self) -> None:
        """Make sure that every storage can be reached.

        Raises
        ------
        NotFound, StorageUnavailable, StorageTimeout
        """
        for collection in self.archive.collections.values():
            await collection.store.probe()

    async def close(self) -> None:
        """Close all stores."""
        await self.archive.close()

    def _check(self, plan: CutoutPlan, known: Known, max_bytes: int) -> None:
        """Refuse what is too large, and what the file announces but does not hold."""
        if plan.size > max_bytes:
            raise TooLarge(
                f"The cutout would have {plan.size} bytes; at most {max_bytes} are given: "
                "ask for a smaller size."
            )
        for piece in plan.pieces:
            if piece.stop > known.size:
                raise CorruptFits(
                    "The file is cut off: "
                    f"the requested pixels lie behind its end of {known.size} bytes."
                )
            if isinstance(piece, Unpacked):
                bands_of(piece, self._limits)


def open_service(settings: Settings) -> Service:
    """Make the service of an archive; no storage is asked for anything yet."""
    index = ParentIndex(settings.limits, settings.cache.memory_bytes)
    return Service(settings, open_archive(settings), index)
