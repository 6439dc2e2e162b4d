"""A stored object that wraps one and answers in offsets of the unpacked bytes.

Nothing above it knows of gzip. The packed bytes stream through once, forwards, up to the last
byte that is needed; to go back means to begin anew. Memory is bounded: what is unpacked and not
wanted is dropped at once.
"""

import asyncio
from dataclasses import replace

from isal import isal_zlib

from gateway.core.errors import CorruptFits, ShortRead, UnsupportedFits
from gateway.core.ranges import Block
from gateway.storage.store import Buffer, StoredObject

MAGIC = b"\x1f\x8b"
_PACKED = 256 * 1024  # bytes that are read at a time
_UNPACKED = 1024 * 1024  # bytes that are unpacked at a time
_GZIP = 31  # the window bits by which zlib asks for a gzip member, its checksum included


class GzippedObject:
    """The unpacked bytes of a gzip file.

    `info.size` grows as the file is unpacked, and is its length once its end was seen.

    Parameters
    ----------
    packed : StoredObject
        The file; it may have several members, and garbage behind the last (RFC 1952, 2.2).
    max_bytes : int
        How many bytes may be unpacked in all; more are taken for an attack.
    """

    def __init__(self, packed: StoredObject, max_bytes: int) -> None:
        self._packed = packed
        self._max_bytes = max_bytes
        self.info = replace(packed.info, size=0)
        self.read_ahead_bytes = packed.read_ahead_bytes
        self._one_reader = asyncio.Lock()  # there is one position
        self._rewind()

    @property
    def reads(self) -> int:
        """Number of requests to the storage so far."""
        return self._packed.reads

    @property
    def bytes_read(self) -> int:
        """Number of packed bytes that the storage gave so far."""
        return self._packed.bytes_read

    @property
    def bytes_needed(self) -> int:
        """Number of packed bytes that were asked of the file so far."""
        return self._packed.bytes_needed

    def read_resident(self, block: Block, target: memoryview) -> bool:  # noqa: ARG002
        """Give nothing: unpacking takes time."""
        return False

    async def read(self, *blocks: Block) -> Buffer:
        """Unpack blocks."""
        rows = bytearray()
        async with self._one_reader:
            for block in blocks:
                if block.start < self._position:
                    self._rewind()
                for row in range(block.n_rows):
                    await self._take(block.start + row * block.row_stride - self._position, None)
                    await self._take(block.row_bytes, rows)
        if len(rows) != sum(block.size for block in blocks):
            raise ShortRead("The unpacked file ends before the bytes that were asked for.")
        return rows

    async def peek(self, start: int, stop: int) -> Buffer:
        """Unpack a range as far as the file goes."""
        found = bytearray()
        async with self._one_reader:
            if start < self._position:
                self._rewind()
            await self._take(start - self._position, None)
            await self._take(stop - start, found)
        return found

    async def close(self) -> None:
        """Close the packed file."""
        await self._packed.close()

    def _rewind(self) -> None:
        self._inflater = isal_zlib.decompressobj(wbits=_GZIP)
        self._input: bytes | memoryview = b""
        self._offset = 0  # of the next packed byte that is read
        self._position = 0  # of the next unpacked byte that is taken
        self._ready = memoryview(b"")  # unpacked, not yet taken

    async def _take(self, n_bytes: int, into: bytearray | None) -> None:
        """Move on by a number of bytes, or to the end; keep them if there is a place for them."""
        while n_bytes > 0:
            if not self._ready and not await self._unpack():
                return
            taken = min(n_bytes, len(self._ready))
            if into is not None:
                into += self._ready[:taken]
            self._ready = self._ready[taken:]
            self._position += taken
            n_bytes -= taken

    async def _unpack(self) -> bool:
        """Make more bytes ready; tell whether there were any."""
        while not self._input or not await asyncio.to_thread(self._inflate):
            start = self._offset
            if start >= self._packed.info.size:
                if not self._inflater.eof:
                    raise CorruptFits("The gzip file is cut off: it ends inside of its data.")
                return False
            self._offset = min(start + _PACKED, self._packed.info.size)
            packed = await self._packed.read(Block.run(start, self._offset))
            self._input = bytes(self._input) + bytes(packed)
        seen = self._position + len(self._ready)
        if seen > self._max_bytes:
            raise UnsupportedFits(f"The gzip file unpacks to more than {self._max_bytes} bytes.")
        self.info = replace(self.info, size=max(self.info.size, seen))
        return True

    def _inflate(self) -> bool:
        """Unpack from the bytes at hand, over empty members; tell whether that gave any."""
        while not self._inflater.eof or self._next_member():
            inflater = self._inflater
            try:
                self._ready = memoryview(inflater.decompress(self._input, _UNPACKED))
            except isal_zlib.error as error:  # type: ignore[misc]  # its stub calls it an object
                raise CorruptFits("The gzip file is damaged.") from error
            self._input = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
            if self._ready or not inflater.eof:
                return bool(self._ready)
        return False

    def _next_member(self) -> bool:
        """Begin the next member, if the bytes at hand do."""
        if len(self._input) < len(MAGIC):
            return False
        if bytes(self._input[: len(MAGIC)]) != MAGIC:  # garbage: the file ends here
            self._input, self._offset = b"", self._packed.info.size
            return False
        self._inflater = isal_zlib.decompressobj(wbits=_GZIP)
        return True
