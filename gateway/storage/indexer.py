"""Indexer: reads a gzip file once, from its beginning, and makes a seek index on the way.

Measured on float32 sky of 370 MB: indexed_gzip (zlib) passes 230 MB/s, checks the checksums, and
took 40 damaged files without harm. rapidgzip is as fast on one core and 1.5 times on two; in our
trials, which never closed the file, the process aborted at exit, and a wrong length in the trailer
passed. The points are read by isal, 1.3 times as fast as by zlib, in as many threads as one likes,
by ranges of the file.
"""

import asyncio
import io
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future

from indexed_gzip import IndexedGzipFile

from gateway.core.errors import CorruptFits, UnsupportedFits
from gateway.core.inflate import WINDOW, blank_unused
from gateway.core.ranges import Block
from gateway.core.seek_index import SeekIndex, SeekPoint
from gateway.storage.store import Buffer, StoredObject

_MIB = 2**20
_LEAST = 1024 * _MIB  # unpacked bytes; there the end is near
_USUAL_RATIO = 8  # unpacked bytes for a packed one; a bomb has 1000
_BEHIND_ALL = 2**62
_MAX_POINTS = 4096  # each of them takes 32 KiB while the index is made
_MAX_MEMBERS = 2**16
_NEW_POINTS = 16  # that are taken over at a time, unless what follows them would be forgotten
_READ = 256 * 1024  # packed bytes that are asked for at a time; they unpack to 264 MB at most
_PART = 4 * _MIB  # packed bytes that are read at a time
_KEPT = 8  # such parts
_MAX_EMPTY_READS = 20  # indexed_gzip asks for ever for what is missing of a header
_HEAD_BYTES, _POINT = 35, struct.Struct("=QQBB")  # of an index that indexed_gzip writes
_DAMAGED = "The gzip file is damaged, or cut off: it does not end as a gzip file must."


class Indexer:
    """Reads a gzip file and notes where inflating can begin; for one use, in a thread.

    Parameters
    ----------
    packed : StoredObject
        The file.
    stop : int
        How many unpacked bytes must be reached, if there are as many. More are read, to come to
        the end of all but bombs: only there the checksums are known, and nothing is read again.
    max_bytes : int
        How many may be reached.
    loop : asyncio.AbstractEventLoop
        Where the file is read.
    """

    def __init__(
        self, packed: StoredObject, stop: int, max_bytes: int, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._file = _PackedFile(packed, loop, self._look)
        self._packed_size = packed.info.size
        enough = max(2 * stop, _LEAST, _USUAL_RATIO * packed.info.size)
        self._enough = min(enough, max_bytes)
        self._gzip = IndexedGzipFile(
            fileobj=self._file,
            spacing=max(_MIB, self._enough // _MAX_POINTS),
            window_size=WINDOW,
            readbuf_size=_READ,
        )
        self._points: list[SeekPoint] = []
        self._looked_at = 0  # the packed offset

    def run(self) -> SeekIndex:
        """Make the index.

        Raises
        ------
        CorruptFits, UnsupportedFits, ShortRead, SourceChanged, StorageUnavailable, StorageTimeout
        """
        try:
            size = self._gzip.seek(_BEHIND_ALL)
        except (OSError, ValueError, SystemError) as error:  # what it raises of damaged files
            if isinstance(self._file.failure, _Enough):
                return self._make_index(self._points[-1].start, is_whole=False)
            raise self._file.failure or CorruptFits(_DAMAGED) from error
        self._note_points(size)
        index = self._make_index(size, is_whole=True)
        self._check_end(index)
        return index

    def _make_index(self, size: int, *, is_whole: bool) -> SeekIndex:
        return SeekIndex(self._points, size, self._packed_size, is_whole=is_whole)

    def _look(self) -> None:
        """Take over what was found meanwhile; called before each read."""
        n_new, position = self._gzip.raw.npoints - len(self._points), self._file.tell()
        are_few = n_new < _NEW_POINTS or n_new < len(self._points) // 8
        if not n_new or (are_few and position - self._looked_at < (_KEPT - 2) * _PART):
            return
        self._looked_at = position
        self._note_points(_BEHIND_ALL)
        if self._points[-1].start > self._enough:
            raise _Enough
        if len(self._points) > _MAX_MEMBERS:
            raise UnsupportedFits(f"The gzip file has more than {_MAX_MEMBERS} members.")

    def _note_points(self, size: int) -> None:
        found = _Export(self._points)
        self._gzip.export_index(fileobj=found)
        for packed_offset, start, n_bits, window in found.points():
            if start >= size:  # the end, which is written as a point
                break
            bit = 8 * packed_offset - n_bits
            used = b""
            if window:
                following = self._file.read_range(bit // 8, bit // 8 + 2 * WINDOW)
                used = blank_unused(following, bit % 8, window)
            self._points.append(SeekPoint.with_window(start, bit, used))

    def _check_end(self, index: SeekIndex) -> None:
        """Make sure that the last member ends where the bytes do, which is taken for granted."""
        if not self._points:
            return
        for stretch in index.locate(Block.run(self._points[-1].start, index.size)):
            packed = self._file.read_range(stretch.packed.start, stretch.packed.stop)
            if not stretch.has_end(packed):
                raise CorruptFits(_DAMAGED)


class _Enough(Exception):
    """As much was read as is needed."""


class _PackedFile(io.RawIOBase):
    """A stored object as a file for a thread; it is read ahead, and the latest bytes are kept."""

    def __init__(
        self,
        packed: StoredObject,
        loop: asyncio.AbstractEventLoop,
        before_read: Callable[[], None],
    ) -> None:
        super().__init__()
        self._packed = packed
        self._loop = loop
        self._before_read = before_read
        self._position = self._empty_reads = 0
        self._kept: OrderedDict[int, Future[Buffer]] = OrderedDict()
        self.failure: Exception | None = None
        """Why a read failed, if one did: C code can only be told that it did."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to an offset."""
        origins = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}
        self._position = origins[whence] + offset
        return self._position

    def tell(self) -> int:
        """Give the offset of the next byte."""
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Read bytes, fewer at the end."""
        stop = self._size if size < 0 else self._position + size
        try:
            self._before_read()
            data = self.read_range(self._position, stop)
        except Exception as error:
            self.failure = error
            raise OSError from error
        self._position += len(data)
        self._empty_reads = 0 if data else self._empty_reads + 1
        if self._empty_reads > _MAX_EMPTY_READS:
            raise OSError
        return data

    def read_range(self, start: int, stop: int) -> bytes:
        """Read a range as far as the file goes, wherever one has got to."""
        stop = min(stop, self._size)
        parts = []
        for number in range(start // _PART, -(-stop // _PART)):
            data, offset = self._get(number), number * _PART
            parts.append(memoryview(data)[max(start - offset, 0) : stop - offset])
        return b"".join(parts)

    @property
    def _size(self) -> int:
        return self._packed.info.size

    def _get(self, number: int) -> Buffer:
        """Wait for a part of the file, and begin to read the next."""
        for each in (number, number + 1):
            if each not in self._kept and each * _PART < self._size:
                stop = min((each + 1) * _PART, self._size)
                reading = self._packed.read(Block.run(each * _PART, stop))
                self._kept[each] = asyncio.run_coroutine_threadsafe(reading, self._loop)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return self._kept[number].result()


class _Export(io.RawIOBase):
    """Takes an index as indexed_gzip writes it, but for the windows of points that are known.

    Its format: id, version, flags, packed and unpacked size, spacing, size of a window, number of
    points; then for each point its packed and its unpacked offset, how many bits of the byte before
    belong to it, and whether it has a window; then the windows.
    """

    def __init__(self, known: Sequence[SeekPoint]) -> None:
        super().__init__()
        self._n_known = len(known)
        self._n_to_pass = sum(1 for point in known if point.packed_window)
        self._rows = bytearray()
        self._windows: list[bytes] = []

    def write(self, data: Buffer) -> int:  # type: ignore[override]  # not of any buffer
        """Take a number, or a window."""
        if len(data) != WINDOW:
            self._rows += data
        elif self._n_to_pass:
            self._n_to_pass -= 1
        else:
            self._windows.append(bytes(data))
        return len(data)

    def points(self) -> Iterator[tuple[int, int, int, bytes]]:
        """Give the packed and the unpacked offset, the bits and the window of each new point."""
        windows = iter(self._windows)
        rows = _POINT.iter_unpack(memoryview(self._rows)[_HEAD_BYTES:])
        for number, (packed_offset, start, n_bits, has_window) in enumerate(rows):
            if number >= self._n_known:
                window = next(windows) if has_window else b""
                yield packed_offset, start, n_bits, window
