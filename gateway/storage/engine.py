"""The Engine protocol: one remote storage, asked for single things and nothing more.

What is read, in which parts and how many at once, is decided above it; what is tried again, beside
it. An engine answers truly or raises one of our errors: it is where those of its library end.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from gateway.core.errors import ShortRead
from gateway.core.ranges import ByteRange
from gateway.storage.store import Buffer, Entry, ObjectInfo

ABSENT = "There is no such file or folder."
FOLDER = "This is a folder; end its URL with a slash to list it."
UNREADABLE = "The storage could not be read; try again later."
TOO_SLOW = "The storage did not answer in time; try again later."
CHANGED = "The file was replaced while it was read; ask for it again."
REFUSED = "The storage does not let the gateway in; tell those who run it."
SHORT = "The storage did not answer with the bytes that were asked for."
BUSY = "The storage has as much to do as it can; try again later."
NO_LENGTH = "The storage does not tell how long the file is."

# What HTTP, and what speaks over it, says of an object or a caller.
ABSENT_STATUS = frozenset({404, 410})
ACCESS_STATUS = frozenset({401, 403, 407})
TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


class Engine(Protocol):
    """The objects below one place of a storage, named by keys without a leading slash."""

    @property
    def max_ranges(self) -> int:
        """How many ranges one request may ask for, as far as is known."""

    async def head(self, key: str) -> ObjectInfo:
        """Describe the present version of an object.

        Raises
        ------
        NotFound
            The storage says that there is no such object; `IsFolder` if it is a folder.
        StorageUnavailable, StorageTimeout
            The storage could not say.
        """

    async def get(self, key: str, start: int, stop: int, version: ObjectInfo) -> Buffer:
        """Read the bytes from `start` up to, not including, `stop` by one request.

        Parameters
        ----------
        key : str
            The object.
        start, stop : int
            Within the object: 0 <= start < stop <= version.size.
        version : ObjectInfo
            What `head` said. No byte of another version is given.

        Returns
        -------
        bytes-like
            Exactly ``stop - start`` bytes.

        Raises
        ------
        SourceChanged
            The object is not that version any more, or is gone.
        ShortRead, StorageUnavailable, StorageTimeout
            The storage failed, or gave something else.
        """

    async def get_ranges(
        self, key: str, ranges: Sequence[ByteRange], version: ObjectInfo
    ) -> Buffer:
        """Read several ranges, `max_ranges` at most, by one request.

        Parameters
        ----------
        key : str
            The object.
        ranges : sequence of ByteRange
            In the order of the object, and apart from each other.
        version : ObjectInfo
            What `head` said. No byte of another version is given.

        Returns
        -------
        bytes-like
            Exactly the bytes of the ranges, one behind the other.

        Raises
        ------
        ShortRead
            The storage does not do that: `get` them.
        SourceChanged, StorageUnavailable, StorageTimeout
            As for `get`.
        """

    def entries(self, key: str, after: str = "") -> AsyncIterator[Entry]:
        """List a folder in the order of the entries' marks, a page at a time.

        Parameters
        ----------
        key : str
            The folder; empty for the root.
        after : str
            The mark behind which the listing begins; empty for all of it.

        Raises
        ------
        NotFound
            There is no such folder.
        StorageUnavailable, StorageTimeout
            The storage could not say.
        """

    async def probe(self) -> None:
        """Make sure that the storage answers.

        Raises
        ------
        NotFound, StorageUnavailable, StorageTimeout
        """

    async def close(self) -> None:
        """Let go of connections."""


class OneRange:
    """What an engine inherits that asks for one range at a time, as most do."""

    max_ranges = 1

    async def get_ranges(
        self,
        key: str,  # noqa: ARG002
        ranges: Sequence[ByteRange],  # noqa: ARG002
        version: ObjectInfo,  # noqa: ARG002
    ) -> Buffer:
        """Refuse."""
        raise ShortRead(SHORT)
