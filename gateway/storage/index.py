"""Index: what is known of files, kept by identity: their HDUs and their world coordinates.

Headers are read once for each version of a file, however many ask for it at once; then they are
found in memory, or on disk by another process or after a restart.
"""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

from gateway.config import LimitSettings
from gateway.core.coordinates import Coordinates
from gateway.core.errors import CorruptFits, NoUsableWcs, UnsupportedFits
from gateway.core.image import Parent, describe_parent
from gateway.core.layout import Hdu
from gateway.core.wcs import ImageWcs, LookupTable
from gateway.storage.layouts import Layouts
from gateway.storage.store import StoredObject
from gateway.storage.tally import LayoutTally

_WCS_BYTES = 20_000  # about what astropy keeps for one image

# Parsing a header is not safe in two threads, nor for two objects: wcslib's scanners are shared.
_PARSING = threading.Lock()


@dataclass(slots=True)
class Known:
    """What is known of one version of a file."""

    parent: Parent
    size: int
    """Length in bytes, unpacked."""
    is_gzipped: bool
    coordinates: Coordinates | None = None
    """Of its images, once somebody asked for a place on the sky."""
    is_cut_off: bool = field(init=False)
    """Whether it announces more than it holds."""

    def __post_init__(self) -> None:
        self.is_cut_off = any(h.data_range.stop > self.size for h in self.parent.layout.hdus)

    @property
    def memory_bytes(self) -> int:
        """About how much memory this takes, its coordinates included."""
        different = {image.wcs_cards for image in self.parent.images.values()}
        return self.parent.memory_bytes + _WCS_BYTES * len(different)


class ParentIndex:
    """Keeps what is known of files, in bounded memory.

    Parameters
    ----------
    limits : LimitSettings
        What a file may demand.
    memory_bytes : int
        How much is kept in memory.
    layouts : Layouts
        Where they come from: the disk, or the files.

    Notes
    -----
    Files are named by their place: that of their collection in storage, and their key in it.
    """

    def __init__(self, limits: LimitSettings, memory_bytes: int, layouts: Layouts) -> None:
        self._limits = limits
        self._layouts = layouts
        self._memory_bytes = memory_bytes
        self._kept_bytes = 0
        self.found = LayoutTally()
        self._kept: OrderedDict[tuple[str, str], Known] = OrderedDict()
        self._running: dict[tuple[str, str, str], asyncio.Task[Known]] = {}

    def recall(self, name: str, identity: str) -> Known | None:
        """Give what is known of a version of a file, without reading."""
        known = self._kept.get((name, identity))
        if known is not None:
            self._kept.move_to_end((name, identity))
            self.found.memory += 1
        return known

    async def learn(self, name: str, stored: StoredObject, family: str) -> Known:
        """Find the headers of a file on disk or read them, once for all who ask meanwhile.

        Parameters
        ----------
        name : str
            The file's place.
        stored : StoredObject
            The file.
        family : str
            Its collection: files of one size in it are probably alike.

        Raises
        ------
        CorruptFits, UnsupportedFits, StorageUnavailable, StorageTimeout, SourceChanged
        """
        identity = stored.info.identity
        key = (name, identity, "layout")
        known = await self._once(key, lambda: self._learn(name, stored, family))
        if (name, identity) not in self._kept:
            self._keep((name, identity), known)
        return known

    async def is_kept(self, name: str, identity: str) -> bool:
        """Tell whether the layout of a version of a file is on disk."""
        return await self._layouts.is_kept(name, identity)

    async def forget(self, name: str) -> None:
        """Drop what is known of a file, in memory and on disk: it is not what it was."""
        for key in [key for key in self._kept if key[0] == name]:
            self._kept_bytes -= self._kept.pop(key).memory_bytes
        await self._layouts.forget(name)

    async def learn_wcs(self, name: str, known: Known, stored: StoredObject) -> None:
        """Make the world coordinates of all images of a file."""
        key = (name, stored.info.identity, "wcs")
        # again, if the work that was joined was for one that has been forgotten and learnt anew
        while known.coordinates is None:
            await self._once(key, lambda: self._parse_wcs(known, stored))

    async def _once(
        self, key: tuple[str, str, str], work: Callable[[], Coroutine[Any, Any, Known]]
    ) -> Known:
        """Join the work that is under way for a key, or begin it; a caller may leave it."""
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(work())
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key))
        return await asyncio.shield(task)

    def _keep(self, key: tuple[str, str], known: Known) -> None:
        self._kept[key] = known
        self._kept_bytes += known.memory_bytes
        while self._kept_bytes > self._memory_bytes and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= oldest.memory_bytes

    async def _learn(self, name: str, stored: StoredObject, family: str) -> Known:
        found = await self._layouts.recall(name, stored.info.identity)
        if found is None:
            found = await self._layouts.read(name, stored, family)
            self.found.read += 1
        else:
            self.found.disk += 1
        parent = await asyncio.to_thread(describe_parent, found.layout, found.tables)
        return Known(parent, found.size, found.is_gzipped)

    async def _parse_wcs(self, known: Known, stored: StoredObject) -> Known:
        found: dict[bytes, ImageWcs | NoUsableWcs] = {}
        images = {i.wcs_cards: i for i in known.parent.images.values() if i.celestial}
        for cards, image in images.items():
            tables = [
                await self._read_table(hdu, known.size, stored)
                for hdu in known.parent.layout.hdus
                if image.hdu.index in known.parent.lookups.get(hdu.index, ())
            ]
            found[cards] = await asyncio.to_thread(_parse, cards, tables)
        known.coordinates = await asyncio.to_thread(Coordinates, known.parent, found)
        return known

    async def _read_table(self, hdu: Hdu, size: int, stored: StoredObject) -> LookupTable:
        if not hdu.is_image or hdu.data_range.stop > size:
            raise CorruptFits(f"The distortion table of HDU {hdu.index} is empty or cut off.")
        if hdu.data_range.size > self._limits.max_layout_bytes:
            raise UnsupportedFits(
                f"The distortion table of HDU {hdu.index} has {hdu.data_range.size} bytes; "
                f"at most {self._limits.max_layout_bytes} are read."
            )
        return LookupTable(hdu.header, bytes(await stored.read(hdu.data_block)))


def _parse(cards: bytes, tables: Iterable[LookupTable]) -> ImageWcs | NoUsableWcs:
    with _PARSING:
        try:
            return ImageWcs(cards, tables)
        except NoUsableWcs as error:
            return error
