"""Cache file: what may be lost without harm, in one file on disk that all workers share.

It survives what disks do: a folder that cannot be written, a full disk, a damaged file. The gateway
then runs on memory alone and says so in the log, once.
"""

import asyncio
import fcntl
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar
from zlib import crc32

from gateway.storage.blobs import Blobs, DamagedError, NewerError

_LOG = logging.getLogger("gateway")
_LOCKS = 64  # files; two names with one lock only wait for each other
_LOCK_POLL_S = 0.05

T = TypeVar("T")


class CacheFile:
    """Blobs by kind, name and identity, in bounded space on disk.

    Any number of processes may use the folder at once. The disk is waited for in a thread of its
    own; what fails is only told in the log.

    Parameters
    ----------
    folder : Path
        Where the file is; made when it is first needed.
    max_bytes : int
        How much space is taken; 0 for no file.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._path = folder / "cache.sqlite"
        self._max_bytes = max_bytes
        self._blobs: Blobs | None = None
        self._is_open = max_bytes > 0
        self._told: set[str] = set()
        self._thread = ThreadPoolExecutor(1, "cache-file")

    async def is_usable(self) -> bool:
        """Tell whether anything is kept."""
        return await self._do(lambda _: True) is True

    async def get(self, kind: str, name: str, identity: str) -> bytes | None:
        """Give a blob, if it is kept for this identity.

        Parameters
        ----------
        kind : str
            What the blob is; it says the version of its format, too.
        name : str
            Of the file that it was made from, the same in every configuration.
        identity : str
            Of the version of that file.
        """
        return await self._do(lambda blobs: blobs.get(kind, name, identity))

    async def put(self, kind: str, name: str, identity: str, blob: bytes) -> None:
        """Keep a blob, and forget that of any other identity."""
        await self._do(lambda blobs: blobs.put(kind, name, identity, blob))

    async def forget(self, kind: str, name: str) -> None:
        """Drop a blob, whatever its identity."""
        await self._do(lambda blobs: blobs.forget(kind, name))

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[None]:
        """Learn something of a file while no other process that shares the folder does.

        What another has learnt meanwhile is found in the cache then. Where no lock can be had, as
        without a folder, nobody is waited for.
        """
        with ExitStack() as stack:
            if self._is_open:
                path = self._path.with_name(f"learning-{crc32(name.encode()) % _LOCKS:02}.lock")
                with suppress(OSError):
                    lock = stack.enter_context(path.open("w"))
                    while not _take(lock):  # noqa: ASYNC110 - another process has it
                        await asyncio.sleep(_LOCK_POLL_S)
            yield

    async def close(self) -> None:
        """Finish what was begun and close the file; from now on nothing is kept."""
        self._is_open = False
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    async def _do(self, operation: Callable[[Blobs], T]) -> T | None:
        if not self._is_open:
            return None
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._try, operation)

    def _try(self, operation: Callable[[Blobs], T]) -> T | None:
        try:
            blobs = self._open()
            try:
                return operation(blobs)
            except DamagedError as error:
                with self._locked():
                    if blobs.is_in_place():
                        self._set_aside(error)
        except sqlite3.Error as error:
            self._tell(f"The cache file could not be used: {error}.")
        except (DamagedError, NewerError, OSError) as error:
            self._is_open = False
            self._tell(f"There is no cache file, what is learnt is kept in memory: {error}.")
        return None

    def _open(self) -> Blobs:
        """Give the file that is in place: another process may have set ours aside."""
        if self._blobs is None or not self._blobs.is_in_place():
            self._close()
            with self._locked():
                try:
                    self._blobs = Blobs(self._path, self._max_bytes)
                except DamagedError as error:
                    self._set_aside(error)
                    self._blobs = Blobs(self._path, self._max_bytes)
        return self._blobs

    def _set_aside(self, error: DamagedError) -> None:
        """Move a damaged file away, in the place of an earlier one."""
        self._tell(f"The cache file begins anew: {error}.")
        self._path.replace(self._path.with_suffix(".damaged"))
        for journal in ("-wal", "-shm"):
            self._path.with_name(self._path.name + journal).unlink(missing_ok=True)

    def _close(self) -> None:
        if self._blobs is not None:
            self._blobs.close()
            self._blobs = None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Be the only process that opens the file or moves it.

        One that opened a new file beside the journal of an old one would read the two as one.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            _LOG.warning(text)


def _take(lock: IO[str]) -> bool:
    """Lock a file, until it is closed, if no other process has; tell whether it is locked."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
