"""What can go wrong, in the archive's words; no HTTP in it.

::

    GatewayError
    ├── RequestError            the caller can mend it
    │   ├── BadParameter        a query parameter is malformed, unknown, repeated or missing
    │   ├── NotFound            there is no such file, folder or collection
    │   │   └── IsFolder        it is a folder where a file was asked for
    │   ├── NoOverlap           the requested area and the image have no pixel in common
    │   ├── TooLarge            the answer would exceed the collection's limit
    │   └── TooManyRequests     the caller asks for too much at once
    └── ArchiveError            the caller cannot
        ├── CorruptFits         the bytes break the FITS standard
        ├── UnsupportedFits     valid FITS, but there is nothing here to cut
        ├── NoUsableWcs         no image has a world coordinate system that can answer
        ├── SourceChanged       the file is not the one that this answer began with
        ├── StorageUnavailable  the storage failed or answered nonsense
        │   ├── ShortRead       the storage gave fewer or more bytes than asked for
        │   ├── AccessRefused   the storage does not let the gateway in
        │   └── TransientFault  the storage failed in a way that may pass
        ├── StorageTimeout      the storage was too slow
        ├── StorageDown         the storage failed so often that it is left alone for a while
        └── Overloaded          too much work is already admitted

*Absent* and *unreadable* are different answers: only a store's own "no such object" is
`NotFound`, for a client fills a 404 with blanks.
"""


class GatewayError(Exception):
    """Anything the gateway refuses; its text is a sentence for the person who asked."""


class RequestError(GatewayError):
    """The caller can mend it."""


class BadParameter(RequestError):
    """A query parameter is malformed, unknown, repeated or missing.

    Parameters
    ----------
    name : str
        The parameter, as the caller wrote it.
    problem : str
        What is wrong with it and what is accepted: a sentence that continues after the name.
    """

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"Parameter {name!r}: {problem}")
        self.name = name


class NotFound(RequestError):
    """There is no such file, folder or collection, or the caller may not know of it."""


class IsFolder(NotFound):
    """It is a folder where a file was asked for."""


class NoOverlap(RequestError):
    """The requested area and the image have no pixel in common."""


class TooLarge(RequestError):
    """The answer would exceed the collection's limit."""


class TooManyRequests(RequestError):
    """The caller asks for more at once than one client is given."""


class ArchiveError(GatewayError):
    """The caller cannot mend it."""


class CorruptFits(ArchiveError):
    """The bytes break the FITS standard, or end before what they announce."""


class UnsupportedFits(ArchiveError):
    """Valid FITS, but there is nothing here that could be cut."""


class NoUsableWcs(ArchiveError):
    """No image of the file can place the requested sky position or angular size."""


class SourceChanged(ArchiveError):
    """The file is not the one that this answer began with."""


class StorageUnavailable(ArchiveError):
    """The storage failed or answered nonsense."""


class ShortRead(StorageUnavailable):
    """The storage gave fewer or more bytes than were asked for."""


class AccessRefused(StorageUnavailable):
    """The storage does not let the gateway in: a wrong key, or none."""


class TransientFault(StorageUnavailable):
    """The storage failed in a way that may pass: it is worth another try.

    Parameters
    ----------
    message : str
        A sentence.
    retry_after_s : float
        How long the storage asks to be left alone, if it does.
    """

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StorageTimeout(ArchiveError):
    """The storage was too slow."""


class StorageDown(ArchiveError):
    """The storage failed so often that it is left alone for a while.

    Parameters
    ----------
    message : str
        A sentence.
    retry_after_s : float
        After how long it is asked again.
    """

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Overloaded(ArchiveError):
    """Too much work is already admitted."""
