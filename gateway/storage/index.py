"""Index: what is known of files, kept by identity: their HDUs and their world coordinates.

Headers are read and parsed once for each version of a file, however many ask for it at once.
"""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from gateway.config import LimitSettings
from gateway.core.coordinates import Coordinates
from gateway.core.errors import NoUsableWcs, UnsupportedFits
from gateway.core.image import Parent, describe_parent
from gateway.core.layout import Hdu, LayoutScanner
from gateway.core.wcs import ImageWcs, LookupTable
from gateway.storage.gzipped import MAGIC, GzippedObject
from gateway.storage.store import StoredObject

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
        How much is kept.
    """

    def __init__(self, limits: LimitSettings, memory_bytes: int) -> None:
        self._limits = limits
        self._memory_bytes = memory_bytes
        self._kept_bytes = 0
        self._kept: OrderedDict[tuple[str, str], Known] = OrderedDict()
        self._running: dict[tuple[str, str, str], asyncio.Task[Known]] = {}

    def recall(self, name: str, identity: str) -> Known | None:
        """Give what is known of a version of a file, without reading."""
        known = self._kept.get((name, identity))
        if known is not None:
            self._kept.move_to_end((name, identity))
        return known

    async def learn(self, name: str, stored: StoredObject) -> Known:
        """Read the headers of a file, once for all who ask meanwhile.

        Raises
        ------
        CorruptFits, UnsupportedFits, StorageUnavailable, StorageTimeout, SourceChanged
        """
        identity = stored.info.identity
        known = await self._once((name, identity, "layout"), lambda: self._scan(stored))
        if (name, identity) not in self._kept:
            self._keep((name, identity), known)
        return known

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

    async def _scan(self, stored: StoredObject) -> Known:
        is_gzipped = bytes(await stored.peek(0, len(MAGIC))) == MAGIC
        if is_gzipped:
            stored = GzippedObject(stored, self._limits.max_inflated_bytes)
        scanner = LayoutScanner(
            max_header_bytes=self._limits.max_header_bytes,
            max_layout_bytes=self._limits.max_layout_bytes,
            max_hdus=self._limits.max_hdus,
        )
        while (wanted := scanner.wanted) is not None:
            scanner.feed(await stored.peek(wanted.start, wanted.stop))
        parent = await asyncio.to_thread(describe_parent, scanner.layout)
        return Known(parent, stored.info.size, is_gzipped)

    async def _parse_wcs(self, known: Known, stored: StoredObject) -> Known:
        found: dict[bytes, ImageWcs | NoUsableWcs] = {}
        images = {i.wcs_cards: i for i in known.parent.images.values() if i.celestial}
        for cards, image in images.items():
            tables = [
                await self._read_table(hdu, stored)
                for hdu in known.parent.layout.hdus
                if image.hdu.index in known.parent.lookups.get(hdu.index, ())
            ]
            found[cards] = await asyncio.to_thread(_parse, cards, tables)
        known.coordinates = await asyncio.to_thread(Coordinates, known.parent, found)
        return known

    async def _read_table(self, hdu: Hdu, stored: StoredObject) -> LookupTable:
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
