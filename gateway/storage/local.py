"""A Store on the file system of this machine: folders, links, and files that stay open."""

import asyncio
import errno
import os
import stat
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from gateway.core.errors import IsFolder, NotFound, SourceChanged, StorageUnavailable
from gateway.core.ranges import Block
from gateway.core.shortlist import Shortlist
from gateway.storage.local_file import LocalFile
from gateway.storage.store import Buffer, Entry, new_buffer

_stat = os.stat  # a Path costs more than the call
_MAX_ROWS = 1024  # that are copied in the event loop: about a millisecond
_TRIES = 10  # to open a file that is being replaced
_MARKS_AT_ONCE = 32 * 1024  # of a folder; it is read again for the next ones
_ENTRIES_AT_ONCE = 1000  # that are asked for their size and time


def _look_into(folder: str) -> None:
    """Open a folder to be read, and read nothing: it may have a million files."""
    os.scandir(folder).close()


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
        self._files: OrderedDict[str, LocalFile] = OrderedDict()
        self._mapped_now = 0

    async def open(self, key: str) -> "LocalObject":
        """Open the present version of a file."""
        path = f"{self._root}/{key}"
        try:
            status = _stat(path)
            file = self._files.get(path)
            if file is None or not file.is_version(status):
                file = self._open(path, status)
                self._keep(path, file)
            self._files.move_to_end(path)
        except OSError as error:
            raise _translated(error) from error
        return LocalObject(file, self)

    async def entries(self, key: str, after: str = "") -> AsyncIterator[Entry]:
        """List a folder."""
        path = f"{self._root}/{key}".rstrip("/") or "/"
        marks: list[str] | None = None
        while marks is None or len(marks) == _MARKS_AT_ONCE:
            marks = await asyncio.to_thread(self._scan, path, after)
            for start in range(0, len(marks), _ENTRIES_AT_ONCE):
                batch = marks[start : start + _ENTRIES_AT_ONCE]
                for entry in await asyncio.to_thread(self._describe, path, batch):
                    yield entry
            after = marks[-1] if marks else ""

    async def probe(self) -> None:
        """Make sure that the folder can be read."""
        try:
            await asyncio.to_thread(_look_into, self._root)
        except OSError as error:
            raise _translated(error) from error

    async def close(self) -> None:
        """Let go of the open files."""
        self._files.clear()

    def _keep(self, path: str, file: LocalFile) -> None:
        """Keep a file open; one that goes is closed when the last request lets go of it."""
        self._files[path] = file
        if len(self._files) > self._open_files:
            self._files.popitem(last=False)

    def limit_mapped(self, file: LocalFile) -> None:
        """Count what a file has mapped; beyond the limit let go of the longest unused file's."""
        self._mapped_now += file.newly_mapped()
        if self._mapped_now <= self._mapped_bytes:
            return
        # files that were closed meanwhile are still in the count
        kept = [f for f in self._files.values() if f.mapped_bytes] or [file]
        self._mapped_now = sum(f.mapped_bytes for f in kept)
        if self._mapped_now > self._mapped_bytes:
            self._mapped_now -= kept[0].mapped_bytes
            kept[0].release_pages()

    def _open(self, path: str, status: os.stat_result) -> LocalFile:
        if stat.S_ISDIR(status.st_mode):
            raise IsFolder("This is a folder; end its URL with a slash to list it.")
        if not stat.S_ISREG(status.st_mode):
            raise NotFound("There is no such file.")
        for _ in range(_TRIES):
            with suppress(SourceChanged):
                file = LocalFile(path)
                if self._follow_symlinks or self._is_inside(path, file):
                    return file
        raise SourceChanged("The file is replaced again and again; ask again later.")

    def _is_inside(self, path: str, file: LocalFile) -> bool:
        """Tell whether a name still means a file; raise if it leads out of the root.

        The file that was opened is compared, not its name: a link may change meanwhile, and what
        was there all the time may have been replaced.
        """
        real = os.path.realpath(path)
        if not self._holds(real):
            raise NotFound("There is no such file.")
        return os.path.samestat(_stat(real), os.fstat(file.descriptor))

    def _holds(self, real: str) -> bool:
        return os.path.commonpath((self._root, real)) == self._root

    def _scan(self, path: str, after: str) -> list[str]:
        """Give the next marks of a folder: a folder of any size is listed in bounded memory."""
        marks = Shortlist[str](_MARKS_AT_ONCE)
        try:
            if not self._follow_symlinks and not self._holds(os.path.realpath(path)):
                raise NotFound("There is no such folder.")
            with os.scandir(path) as found:
                for item in found:
                    if (mark := _mark(item)) > after:
                        marks.add(mark)
        except OSError as error:
            raise _translated(error) from error
        return marks.items()

    def _describe(self, folder: str, marks: list[str]) -> list[Entry]:
        """Describe lines of a folder, but for those that would not be served."""
        return [e for mark in marks if (e := self._entry(folder, mark.rstrip("/"))) is not None]

    def _entry(self, folder: str, name: str) -> Entry | None:
        path = f"{folder}/{name}"
        try:
            name.encode()
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                if not self._follow_symlinks and not self._holds(os.path.realpath(path)):
                    return None
                status = _stat(path)
        except (OSError, UnicodeEncodeError):  # a dangling link, or a name that no URL can hold
            return None
        if stat.S_ISDIR(status.st_mode):
            return Entry(name, is_folder=True, size=None, modified=status.st_mtime)
        if stat.S_ISREG(status.st_mode):
            return Entry(name, is_folder=False, size=status.st_size, modified=status.st_mtime)
        return None


class LocalObject:
    """One version of a file, open for reading by one request."""

    __slots__ = ("_file", "_store", "bytes_read", "info", "read_ahead_bytes", "reads")

    def __init__(self, file: LocalFile, store: LocalStore) -> None:
        self._file = file
        self._store = store
        self.info = file.info
        self.read_ahead_bytes = 0  # the kernel does it
        self.reads = 0
        self.bytes_read = 0

    @property
    def bytes_needed(self) -> int:
        """Number of bytes that were asked for so far: no gap is read."""
        return self.bytes_read

    def read_resident(self, block: Block, target: memoryview) -> bool:
        """Copy a block if it is in memory."""
        try:
            self._file.check(block)
            if not self._file.copy_resident(block, target):
                return False
            self._file.check(block)  # it may have been overwritten meanwhile
        except OSError as error:
            raise _translated(error) from error
        self._count(block)
        return True

    async def read(self, *blocks: Block) -> Buffer:
        """Read blocks, in a thread where they are not in memory."""
        found = new_buffer(sum(block.size for block in blocks))
        offset = 0
        for block in blocks:
            target = found[offset : offset + block.size]
            offset += block.size
            try:
                self._file.check(block)
                if block.n_rows > _MAX_ROWS or not self._file.copy_resident(block, target):
                    await asyncio.to_thread(self._file.copy, block, target)
                self._file.check(block)  # it may have been overwritten meanwhile
            except OSError as error:
                raise _translated(error) from error
            self._count(block)
        return found

    async def peek(self, start: int, stop: int) -> Buffer:
        """Read a range as far as the file goes."""
        stop = min(stop, self.info.size)
        return await self.read(Block.run(start, stop)) if start < stop else b""

    async def close(self) -> None:
        """Do nothing: files stay open for the next request."""

    def _count(self, block: Block) -> None:
        self.reads += 1
        self.bytes_read += block.size
        self._store.limit_mapped(self._file)


def _mark(item: os.DirEntry[str]) -> str:
    try:
        return f"{item.name}/" if item.is_dir() else item.name
    except OSError:  # a link that leads round in a circle
        return item.name


def _translated(error: OSError) -> NotFound | StorageUnavailable:
    """Translate the system's errors: only its own "no such file" is an absent file.

    A context manager would do it in one place, and cost each request two calls more, twice.
    """
    absent = isinstance(error, FileNotFoundError | NotADirectoryError)
    if absent or error.errno in {errno.ELOOP, errno.ENAMETOOLONG}:
        return NotFound("There is no such file or folder.")
    return StorageUnavailable("The file could not be read; try again later.")
