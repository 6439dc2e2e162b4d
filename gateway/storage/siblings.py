"""Siblings: where the headers of files of one size in one collection lay, to guess the next's."""

import struct
from collections import OrderedDict
from collections.abc import Sequence

from gateway.core.ranges import ByteRange
from gateway.storage.cache_file import CacheFile

_KIND = "headers 1"
_MAX_KEPT = 256
_RANGE = struct.Struct("<QQ")


class Siblings:
    """Ranges of headers, by collection and size of the file: a few in memory, all on disk.

    Parameters
    ----------
    cache : CacheFile
        What is kept on disk.
    """

    def __init__(self, cache: CacheFile) -> None:
        self._cache = cache
        self._kept: OrderedDict[str, Sequence[ByteRange]] = OrderedDict()

    async def recall(self, family: str, size: int) -> Sequence[ByteRange]:
        """Say where headers lay in the latest file of a size; nothing, if there was none."""
        name = f"{family} {size}"
        if name not in self._kept:
            blob = await self._cache.get(_KIND, name, "") or b""
            self._keep(name, [ByteRange(*pair) for pair in _RANGE.iter_unpack(blob)])
        return self._kept[name]

    async def note(self, family: str, size: int, headers: Sequence[ByteRange]) -> None:
        """Remember where headers lie in a file of a size."""
        name = f"{family} {size}"
        if headers != self._kept.get(name):
            self._keep(name, headers)
            blob = b"".join(_RANGE.pack(each.start, each.stop) for each in headers)
            await self._cache.put(_KIND, name, "", blob)

    def _keep(self, name: str, headers: Sequence[ByteRange]) -> None:
        self._kept[name] = headers
        self._kept.move_to_end(name)
        if len(self._kept) > _MAX_KEPT:
            self._kept.popitem(last=False)
