"""A storage that is far away: it counts in how many rounds it was asked, one after the other."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from gateway.core.errors import NotFound, StorageUnavailable
from gateway.storage.engine import OneRange
from gateway.storage.store import Buffer, Entry, ObjectInfo
from tests.fits_files import card, header, mandatory

LATENCY_S = 0.004


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for."""

    round: int
    """1, or one more than that of the latest request that had been answered before."""
    start: int
    stop: int
    """Both 0 if the object was only described."""


class FarEngine(OneRange):
    """Objects in memory, each answer some milliseconds away.

    Parameters
    ----------
    objects : dict of str to bytes
        By their keys; a test may change them.
    latency_s : float
        How long each request takes.
    """

    def __init__(self, objects: dict[str, bytes], latency_s: float = LATENCY_S) -> None:
        self.objects = objects
        self.requests: list[Request] = []
        self.unreadable: set[int] = set()
        """Where a read that begins there fails."""
        self.most_at_once = 0
        """The number of requests that were waited for at one time."""
        self._waiting = 0
        self._latency_s = latency_s
        self._answered = 0

    @property
    def rounds(self) -> int:
        """The number of round trips that had to be waited for, one after the other."""
        return max((request.round for request in self.requests), default=0)

    @property
    def bytes_read(self) -> int:
        """The number of bytes that were given."""
        return sum(request.stop - request.start for request in self.requests)

    def begin(self) -> None:
        """Count anew."""
        self.requests, self._answered = [], 0

    async def head(self, key: str) -> ObjectInfo:
        """Describe an object; its identity is its content's."""
        if key not in self.objects:
            raise NotFound("There is no such file or folder.")
        await self._wait(0, 0)
        return ObjectInfo(len(self.objects[key]), f"{hash(self.objects[key])}", None)

    async def get(self, key: str, start: int, stop: int, version: ObjectInfo) -> Buffer:
        """Give bytes of an object."""
        assert 0 <= start < stop <= version.size
        await self._wait(start, stop)
        if start in self.unreadable:
            raise StorageUnavailable("The storage could not be read; try again later.")
        return self.objects[key][start:stop]

    async def entries(self, key: str, after: str = "") -> AsyncIterator[Entry]:
        """List a folder without folders."""
        for name in sorted(self.objects):
            if name > after and not key:
                size = len(self.objects[name])
                yield Entry(name, is_folder=False, size=size, modified=None)

    async def probe(self) -> None:
        """Answer."""

    async def close(self) -> None:
        """Do nothing."""

    async def _wait(self, start: int, stop: int) -> None:
        request = Request(self._answered + 1, start, stop)
        self.requests.append(request)
        self._waiting += 1
        self.most_at_once = max(self.most_at_once, self._waiting)
        await asyncio.sleep(self._latency_s)
        self._waiting -= 1
        self._answered = max(self._answered, request.round)


def hdu(shape: tuple[int, ...], bitpix: int, n_blocks: int, *, xtension: str = "IMAGE") -> bytes:
    """Make an HDU of zeros whose header has a number of blocks; primary if `xtension` is empty."""
    cards = mandatory(shape, bitpix, xtension=xtension)
    cards += [card("HISTORY", "long", indicator=" ")] * (36 * n_blocks - 1 - len(cards))
    size = abs(bitpix) // 8
    for axis in shape:
        size *= axis
    return header(*cards) + bytes(-(-size // 2880) * 2880 if shape else 0)


def spherex_file(*, image_blocks: int = 8) -> bytes:
    """Make a file in the shape of SPHEREx's: seven HDUs, four of them images of one size."""
    side = (2040, 2040)
    return b"".join(
        (
            hdu((), 8, 1, xtension=""),
            hdu(side, -32, image_blocks),  # IMAGE
            hdu(side, 32, 9),  # FLAGS
            hdu(side, -32, 7),  # VARIANCE
            hdu(side, -32, 7),  # ZODI
            hdu((101, 101, 121), -32, 2),  # PSF
            hdu((1100, 1), 8, 1, xtension="BINTABLE"),  # WCS-WAVE
        )
    )
