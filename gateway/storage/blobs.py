"""Blobs: a bounded SQLite file of byte strings by kind, name and identity. It waits for the disk.

Never a wrong byte: each blob has a checksum, of what it belongs to and of itself.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

_APPLICATION = 0x69626567  # "ibeg": what `file` and we know our files by
_VERSION = 1
_PAGE_BYTES = 4096
_JOURNAL_BYTES = 4 * 2**20
_BUSY_S = 5.0  # how long another process may write before a blob is given up
_FRESH_S = 3600  # a blob that was used this recently is not marked again: reading should not write

_TABLE = """
CREATE TABLE blobs (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    identity TEXT NOT NULL,
    used INTEGER NOT NULL,
    checksum BLOB NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (kind, name)
)
"""
_GET = "SELECT id, used, checksum, data FROM blobs WHERE kind = ? AND name = ? AND identity = ?"
_PUT = "INSERT INTO blobs (kind, name, identity, used, checksum, data) VALUES (?, ?, ?, ?, ?, ?)"
_MARK = "UPDATE blobs SET used = ? WHERE id = ?"
_FORGET = "DELETE FROM blobs WHERE kind = ? AND name = ?"
_FORGET_LATEST = (  # used at a time that is yet to come: the clock was set back since then
    "DELETE FROM blobs WHERE id = "
    "(SELECT id FROM blobs WHERE used > ? ORDER BY used DESC, id LIMIT 1)"
)
_FORGET_OLDEST = "DELETE FROM blobs WHERE id = (SELECT id FROM blobs ORDER BY used, id LIMIT 1)"

# what SQLite says of a file that is not, or not quite, one of ours
_DAMAGES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


class DamagedError(Exception):
    """The file is damaged, or is not ours: it must make room for a new one."""


class NewerError(Exception):
    """A newer version of the program made the file: it is left alone."""


class Blobs:
    """The blobs of one file; for one thread of any number of processes.

    Parameters
    ----------
    path : Path
        The file; made if it is not there. Only one process may open it at a time.
    max_bytes : int
        How large the file and its journal may grow together.

    Raises
    ------
    DamagedError, NewerError, OSError, sqlite3.Error
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._journal = path.with_name(f"{path.name}-wal")
        self._max_bytes = max_bytes
        # A quarter is the journal's: it is emptied early, but not while others write.
        self._room_bytes = max_bytes * 3 // 4
        self._max_blob_bytes = max_bytes // 8
        self._max_journal_bytes = min(max_bytes // 32, _JOURNAL_BYTES)
        self._connection = sqlite3.connect(path, _BUSY_S, isolation_level=None)
        try:
            with _damage_told():
                self._open()
            self._inode = path.stat().st_ino
        except BaseException:
            self._connection.close()
            raise

    def is_in_place(self) -> bool:
        """Tell whether the file is still the one at its path."""
        try:
            return self._path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def get(self, kind: str, name: str, identity: str) -> bytes | None:
        """Give a blob, if it is there for this identity.

        Raises
        ------
        DamagedError, sqlite3.Error
        """
        with _damage_told():
            row = self._connection.execute(_GET, (kind, name, identity)).fetchone()
            if row is None:
                return None
            number, used, checksum, data = row
            if checksum != _checksum(kind, name, identity, data):
                raise DamagedError("a blob is not what its checksum says")
            now = int(time.time())
            if abs(now - used) > _FRESH_S:
                # a full disk can still be read
                with suppress(sqlite3.OperationalError), self._transaction():
                    self._connection.execute(_MARK, (now, number))
            return bytes(data)

    def put(self, kind: str, name: str, identity: str, data: bytes) -> None:
        """Keep a blob in the place of that of any other identity; those unused longest give way.

        Raises
        ------
        DamagedError, sqlite3.Error
        """
        if len(data) > self._max_blob_bytes:
            return
        checksum = _checksum(kind, name, identity, data)
        with _damage_told(), self._transaction():
            self._connection.execute(_FORGET, (kind, name))
            self._make_room(len(data))
            row = (kind, name, identity, int(time.time()), checksum, data)
            self._connection.execute(_PUT, row)

    def forget(self, kind: str, name: str) -> None:
        """Drop a blob.

        Raises
        ------
        DamagedError, sqlite3.Error
        """
        with _damage_told(), self._transaction():
            self._connection.execute(_FORGET, (kind, name))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _open(self) -> None:
        self._connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may lose the latest
        application, version = self._ask("application_id"), self._ask("user_version")
        if application == version == self._ask("schema_version") == 0:
            self._create()
        elif application != _APPLICATION:
            raise DamagedError("it is another program's file")
        elif version > _VERSION:
            raise NewerError("a newer ibe-gateway made the file")
        elif version < _VERSION:
            raise DamagedError("an older ibe-gateway made the file")
        self._connection.execute("PRAGMA wal_autocheckpoint = 0")
        self._shrink()

    def _create(self) -> None:
        for pragma in (
            f"page_size = {_PAGE_BYTES}",
            "auto_vacuum = INCREMENTAL",
            "journal_mode = WAL",  # readers and a writer do not wait for each other
        ):
            self._connection.execute(f"PRAGMA {pragma}")
        with self._transaction():
            self._connection.execute(_TABLE)
            self._connection.execute("CREATE INDEX blobs_used ON blobs (used)")
            self._connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            self._connection.execute(f"PRAGMA user_version = {_VERSION}")

    def _shrink(self) -> None:
        """Give back what a former bound allowed and this one does not."""
        if self._ask("page_count") * _PAGE_BYTES > self._max_bytes:
            with self._transaction():
                self._make_room(0)
            # as a script: execute() would free a single page, for it gives no row to fetch
            self._connection.executescript(
                "PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)"
            )

    def _make_room(self, n_bytes: int) -> None:
        while self._used_bytes() + n_bytes > self._room_bytes:
            if self._connection.execute(_FORGET_LATEST, (int(time.time()),)).rowcount:
                continue
            if not self._connection.execute(_FORGET_OLDEST).rowcount:
                return

    def _bound_journal(self) -> None:
        """Empty a journal that is too long, when nobody reads it.

        SQLite's own way waits for nobody: with three busy processes the journal grew without end.
        """
        with suppress(FileNotFoundError):  # another process emptied it and was the last to close
            if self._journal.stat().st_size > self._max_journal_bytes:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _used_bytes(self) -> int:
        return (self._ask("page_count") - self._ask("freelist_count")) * _PAGE_BYTES

    def _ask(self, pragma: str) -> int:
        (value,) = self._connection.execute(f"PRAGMA {pragma}").fetchone()
        return int(value)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Do all or nothing; one process at a time."""
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:
            yield
        self._bound_journal()


def _checksum(kind: str, name: str, identity: str, data: bytes) -> bytes:
    digest = blake2b(f"{kind}\0{name}\0{identity}\0".encode(), digest_size=16)
    digest.update(data)
    return digest.digest()


@contextmanager
def _damage_told() -> Iterator[None]:
    """Tell damage from what may be well the next time: a full disk, a lock."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without its extension
        if code in _DAMAGES:
            raise DamagedError(str(error)) from error
        raise
