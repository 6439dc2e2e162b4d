"""Admission: how much is done at once, for all clients and for each.

Two lanes. Every request takes a place; one that finds none is refused at once. An answer that is
large, to send or to unpack, also waits for a turn among the large ones, so that however many of
them are asked for, the small ones go past them.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass

from gateway.config import LimitSettings
from gateway.core.errors import Overloaded, TooManyRequests
from gateway.web.pace import Pace
from gateway.web.spare_memory import SpareMemory

_AT_ONCE = nullcontext()


@dataclass(slots=True)
class Load:
    """Work that is being done."""

    requests: int = 0
    work_bytes: int = 0

    def has_room(self, work_bytes: int, max_requests: int, max_bytes: int) -> bool:
        """Tell whether more may be begun; what is larger than the limit is done alone."""
        fits = not self.requests or self.work_bytes + work_bytes <= max_bytes
        return fits and self.requests < max_requests

    def add(self, work_bytes: int) -> None:
        """Begin work."""
        self.requests += 1
        self.work_bytes += work_bytes

    def remove(self, work_bytes: int) -> None:
        """End work."""
        self.requests -= 1
        self.work_bytes -= work_bytes


class Admission:
    """The places of one process.

    Parameters
    ----------
    limits : LimitSettings
        How many there are.
    """

    def __init__(self, limits: LimitSettings) -> None:
        self._limits = limits
        self._by_client: dict[str, int] = {}
        self._large_by_client: dict[str, Load] = {}
        self._entrance = asyncio.Lock()  # lets in who came first
        self._room = asyncio.Event()
        self._memory = SpareMemory()
        self.pace = Pace()
        """In which the large ones go on."""
        self.requests = 0
        """Requests that have a place."""
        self.large = Load()
        """Large answers that have their turn."""
        self.waiting = 0
        """Large answers that wait for it."""

    def enter(self, client: str) -> None:
        """Take a place for a request; each must `leave`.

        Raises
        ------
        TooManyRequests, Overloaded
        """
        own = self._by_client.get(client, 0)
        if own >= self._limits.max_client_requests:
            raise _too_many()
        if self.requests >= self._limits.max_requests:
            raise _overloaded()
        self.requests += 1
        self._by_client[client] = own + 1

    def leave(self, client: str) -> None:
        """Give a place back."""
        self.requests -= 1
        own = self._by_client[client] - 1
        if own:
            self._by_client[client] = own
        else:
            del self._by_client[client]

    def turn(self, client: str, work_bytes: int) -> AbstractAsyncContextManager[None]:
        """Give the context in which an answer is made: at once if it is small.

        Parameters
        ----------
        client : str
            Who asks.
        work_bytes : int
            How much is sent, or unpacked, or inflated, whichever is most.

        Raises
        ------
        TooManyRequests, Overloaded
            Where the context is entered.
        """
        if work_bytes <= self._limits.inline_bytes:
            return _AT_ONCE
        return self._turn_of_large(client, work_bytes)

    @asynccontextmanager
    async def _turn_of_large(self, client: str, work_bytes: int) -> AsyncIterator[None]:
        limits = self._limits
        own = self._large_by_client.setdefault(client, Load())
        if not own.has_room(work_bytes, limits.max_client_large, limits.max_client_large_bytes):
            raise _too_many()
        own.add(work_bytes)
        try:
            await self._wait_for_room(work_bytes)
            self._memory.wanted()
            try:
                yield
            finally:
                self.large.remove(work_bytes)
                self._room.set()
                if not self.large.requests:
                    self._memory.unused()
        finally:
            own.remove(work_bytes)
            if not own.requests:
                del self._large_by_client[client]

    async def _wait_for_room(self, work_bytes: int) -> None:
        if self.waiting >= self._limits.max_waiting:
            raise _overloaded()
        self.waiting += 1
        try:
            async with asyncio.timeout(self._limits.max_wait_s), self._entrance:
                while not self._has_room(work_bytes):
                    self._room.clear()
                    await self._room.wait()
                self.large.add(work_bytes)
        except TimeoutError:
            raise _overloaded() from None
        finally:
            self.waiting -= 1

    def _has_room(self, work_bytes: int) -> bool:
        limits = self._limits
        return self.large.has_room(work_bytes, limits.max_large, limits.max_large_bytes)


def _too_many() -> TooManyRequests:
    return TooManyRequests(
        "Your address asks for more at once than the gateway gives to one; "
        "wait until some of your answers have come, then ask again."
    )


def _overloaded() -> Overloaded:
    return Overloaded("The gateway has as much to do as it can; try again in a moment.")
