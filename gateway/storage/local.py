"""A Store on the file system of this machine: rows are copied from memory-mapped files.

Measured on 200 rows of 800 bytes of a 1.5 GB mosaic: 5 to 30 µs from a map, 285 µs by one `pread`
a row. To find the map's pages the first time costs 60 to 600 µs, and as much to let go of them. So
the pages of small sections stay mapped, up to a limit; they are the page cache's, which the kernel
takes back when it needs memory. Those of large sections are let go of at once, and contiguous bytes
and long rows are read without a map.
"""

import asyncio
import errno
import mmap
import os
import stat
from collections import OrderedDict
from collections.abc import AsyncIterator
from pathlib import Path
from weakref import finalize

import numpy as np

from gateway.core.errors import (
    IsFolder,
    NotFound,
    ShortRead,
    SourceChanged,
    StorageUnavailable,
)
from gateway.core.ranges import Block, ByteRange
from gateway.storage.store import Buffer, Entry, ObjectInfo, new_buffer

_stat = os.stat  # a Path costs more than the call
_LONG_ROW = 64 * 1024  # bytes; from here on a call a row costs nothing
_FAULT_AROUND = 64 * 1024  # bytes that the kernel maps around a page that is touched
_LARGE = 256 * 1024  # bytes of a block; a section of more is seldom asked for twice
_PROBES = 2  # rows whose presence in memory is asked for; a file is mostly all there or all not


class LocalStore:
    """The files below a folder.

    Parameters
    ----------
    root : Path
        The folder.
    follow_symlinks : bool
        Whether a link may lead out of the folder.
    mapped_bytes : int
        How many bytes of files may stay mapped.
    open_files : int
        How many files stay open.
    """

    def __init__(
        self, root: Path, *, follow_symlinks: bool, mapped_bytes: int, open_files: int
    ) -> None:
        self._root = os.path.realpath(root)
        self._follow_symlinks = follow_symlinks
        self._mapped_bytes = mapped_bytes
        self._open_files = open_files
        self._files: OrderedDict[str, _File] = OrderedDict()
        self._kept_bytes = 0

    async def open(self, key: str) -> "LocalObject":
        """Open the present version of a file."""
        path = f"{self._root}/{key}"
        with _TRANSLATED:
            status = _stat(path)
            file = self._files.get(path)
            if file is None or file.identity != _identity(status):
                file = self._open(path, status)
                self._keep(path, file)
            self._files.move_to_end(path)
        return LocalObject(file, self)

    async def entries(self, key: str) -> AsyncIterator[Entry]:
        """List a folder."""
        path = f"{self._root}/{key}".rstrip("/") or "/"
        for entry in await asyncio.to_thread(self._scan, path):
            yield entry

    async def probe(self) -> None:
        """Make sure that the folder can be read."""
        with _TRANSLATED:
            await asyncio.to_thread(os.listdir, self._root)

    async def close(self) -> None:
        """Let go of the open files."""
        self._files.clear()

    def _keep(self, path: str, file: "_File") -> None:
        replaced = self._files.pop(path, None)
        self._files[path] = file
        if replaced is None and len(self._files) > self._open_files:
            _, replaced = self._files.popitem(last=False)
        if replaced is not None:  # closed, and so unmapped, when the last request lets go of it
            self._kept_bytes -= replaced.mapped_bytes

    def keep_mapped(self, file: "_File", n_bytes: int) -> None:
        """Count pages that stay mapped; beyond the limit let go of the longest unused file's."""
        n_bytes = min(n_bytes, file.info.size - file.mapped_bytes)
        file.mapped_bytes += n_bytes
        self._kept_bytes += n_bytes
        while self._kept_bytes > self._mapped_bytes:
            oldest = next((f for f in self._files.values() if f.mapped_bytes), file)
            self._kept_bytes = max(0, self._kept_bytes - oldest.mapped_bytes)
            oldest.release_pages()
            if oldest is file:
                return

    def _open(self, path: str, status: os.stat_result) -> "_File":
        if stat.S_ISDIR(status.st_mode):
            raise IsFolder("This is a folder; end its URL with a slash to list it.")
        if not stat.S_ISREG(status.st_mode):
            raise NotFound("There is no such file.")
        file = _File(path)
        # the file that was opened is compared, not its name: a link may change meanwhile
        if not self._follow_symlinks and not self._is_inside(path, file):
            raise NotFound("There is no such file.")
        return file

    def _is_inside(self, path: str, file: "_File") -> bool:
        real = os.path.realpath(path)
        return self._holds(real) and os.path.samestat(_stat(real), os.fstat(file.descriptor))

    def _holds(self, real: str) -> bool:
        return os.path.commonpath((self._root, real)) == self._root

    def _scan(self, path: str) -> list[Entry]:
        with _TRANSLATED:
            if not self._follow_symlinks and not self._holds(os.path.realpath(path)):
                raise NotFound("There is no such folder.")
            with os.scandir(path) as found:
                return [entry for item in found if (entry := self._entry(item)) is not None]

    def _entry(self, item: os.DirEntry[str]) -> Entry | None:
        """Describe a line of a folder; None for what would not be served."""
        try:
            item.name.encode()
            leaves = item.is_symlink() and not self._holds(os.path.realpath(item.path))
            if leaves and not self._follow_symlinks:
                return None
            status = item.stat()
        except (OSError, UnicodeEncodeError):  # a dangling link, or a name that no URL can hold
            return None
        if stat.S_ISDIR(status.st_mode):
            return Entry(item.name, is_folder=True, size=None, modified=status.st_mtime)
        if stat.S_ISREG(status.st_mode):
            return Entry(item.name, is_folder=False, size=status.st_size, modified=status.st_mtime)
        return None


class LocalObject:
    """One version of a file, open for reading."""

    def __init__(self, file: "_File", store: LocalStore) -> None:
        self._file = file
        self._store = store
        self.info = file.info
        self.reads = 0
        self.bytes_read = 0

    def read_resident(self, block: Block, target: memoryview) -> bool:
        """Copy a block if it is in memory."""
        file = self._file
        with _TRANSLATED:
            file.check(block)
            if not file.is_resident(block):
                return False
            self._copy(block, target)
        return True

    async def read(self, block: Block) -> Buffer:
        """Read a block in a thread."""
        with _TRANSLATED:
            self._file.check(block)
            target = new_buffer(block.size)
            await asyncio.to_thread(self._copy, block, target)
        return target

    async def peek(self, start: int, stop: int) -> Buffer:
        """Read a range as far as the file goes."""
        stop = min(stop, self.info.size)
        if start >= stop:
            return b""
        block, target = Block.run(start, stop), new_buffer(stop - start)
        return target if self.read_resident(block, target) else await self.read(block)

    async def close(self) -> None:
        """Do nothing: files stay open for the next request."""

    def _copy(self, block: Block, target: memoryview) -> None:
        self.reads += 1
        self.bytes_read += block.size
        if block.n_rows == 1 or block.row_bytes >= _LONG_ROW:
            self._file.read_rows(block, target)
            return
        self._file.copy_rows(block, target)
        if block.size > _LARGE:
            self._file.release_pages(block.span)
        else:
            mapped = min(block.span.size, block.n_rows * (block.row_bytes + _FAULT_AROUND))
            self._store.keep_mapped(self._file, mapped)


class _File:
    """An open file and its map; both are closed when nobody holds it any more."""

    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, os.O_RDONLY)
        finalize(self, os.close, self.descriptor)
        status = os.fstat(self.descriptor)
        self.identity = _identity(status)
        self.info = ObjectInfo(status.st_size, self.identity, status.st_mtime)
        self.mapped_bytes = 0
        self._map = (
            mmap.mmap(self.descriptor, status.st_size, access=mmap.ACCESS_READ)
            if status.st_size
            else None
        )

    def check(self, block: Block) -> None:
        """Make sure that the file is unchanged: a map of a truncated file kills the process."""
        if _identity(os.fstat(self.descriptor)) != self.identity:
            raise SourceChanged("The file changed while it was read; ask again.")
        if block.span.stop > self.info.size:
            raise ShortRead("The file ends before the bytes that were asked for.")

    def is_resident(self, block: Block) -> bool:
        """Tell whether a sample of the rows is in memory."""
        step = -(-block.n_rows // _PROBES) * block.row_stride
        byte = [bytearray(1)]
        try:
            for offset in range(block.start, block.span.stop, step):
                os.preadv(self.descriptor, byte, offset, os.RWF_NOWAIT)
        except OSError:  # not in memory, or a file system that cannot tell
            return False
        return True

    def copy_rows(self, block: Block, target: memoryview) -> None:
        """Copy rows from the map in one go, without the interpreter's lock."""
        shape = (block.n_rows, block.row_bytes)
        # there is a map: no block of an empty file passes `check`
        rows = np.ndarray(shape, np.uint8, self._map, block.start, (block.row_stride, 1))
        np.copyto(np.ndarray(shape, np.uint8, target), rows)

    def read_rows(self, block: Block, target: memoryview) -> None:
        """Read rows by a call each."""
        for row in range(block.n_rows):
            rest = target[row * block.row_bytes : (row + 1) * block.row_bytes]
            offset = block.start + row * block.row_stride
            while rest:
                got = os.preadv(self.descriptor, [rest], offset)
                if got == 0:
                    raise SourceChanged("The file became shorter while it was read; ask again.")
                rest, offset = rest[got:], offset + got

    def release_pages(self, span: ByteRange | None = None) -> None:
        """Unmap pages, not the file; they stay in the page cache."""
        if self._map is None:
            return
        if span is None:
            self.mapped_bytes = 0
            self._map.madvise(mmap.MADV_DONTNEED)
        else:
            start = span.start - span.start % mmap.PAGESIZE
            self._map.madvise(mmap.MADV_DONTNEED, start, span.stop - start)


def _identity(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"


class _Translation:
    """Translates the system's errors: only its own "no such file" is an absent file."""

    def __enter__(self) -> None:
        """Do nothing: this is a class because a generator would cost 4 µs, twice a request."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if not isinstance(error, OSError):
            return
        absent = isinstance(error, FileNotFoundError | NotADirectoryError)
        if absent or error.errno in {errno.ELOOP, errno.ENAMETOOLONG}:
            raise NotFound("There is no such file or folder.") from error
        raise StorageUnavailable("The file could not be read; try again later.") from error


_TRANSLATED = _Translation()
