"""Pace: in which turns answers go on, so that none keeps all others waiting.

To read and to send a chunk takes about a millisecond. When 500 clients asked at once for large
files, one who asked for a small thing had to wait until each of them had had a chunk or two; and
uvloop accepts one connection in each round of the event loop, however long that is.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing
from time import perf_counter
from types import coroutine

from gateway.storage.store import Buffer

_SLICE_S = 0.005  # a step of its own for each chunk would cost a plain answer half of its speed
_MAX_ROUNDS = 32  # that anybody waits for newcomers, who could else keep all others from going on


class Pace:
    """The turns of one process: large answers give way to small ones, and all to newcomers."""

    def __init__(self) -> None:
        self.arrivals = 0
        """Connections that were accepted so far."""
        self._seen = 0
        self._slice_end = 0.0
        self._entrance = asyncio.Lock()  # lets through who came first
        self._steps = asyncio.Lock()

    @property
    def has_newcomers(self) -> bool:
        """Whether connections were accepted, and more may wait for that."""
        return self.arrivals != self._seen

    async def let_in(self) -> None:
        """Wait until the newcomers are accepted, one request after the other."""
        async with self._entrance:
            await self._pass_rounds()

    async def keep(self, chunks: AsyncGenerator[Buffer, None]) -> AsyncGenerator[Buffer, None]:
        """Give chunks, few of all that are given in a round of the event loop."""
        async with aclosing(chunks):
            while True:
                if self.has_newcomers or perf_counter() >= self._slice_end:
                    async with self._steps:
                        await self._pass_rounds()
                        self._slice_end = perf_counter() + _SLICE_S
                chunk = await anext(chunks, None)
                if chunk is None:
                    return
                yield chunk

    async def _pass_rounds(self) -> None:
        """Let a round pass, and more while each brings another connection."""
        for _ in range(_MAX_ROUNDS):
            before = self.arrivals
            await asyncio.sleep(0)
            if self.arrivals == before:
                break
        self._seen = self.arrivals


@coroutine
def keep_step() -> Generator[None, None, None]:
    """Wait until the requests that came together with this one have come as far as it.

    The interpreter is half as fast where other code, or the pixels of a cutout, have just gone
    through the processor's caches: so all that came together are found, then all are planned, all
    read, all sent. A pass of the event loop costs 2 µs; of the 350 that a plain cutout of 200 px
    takes without, these save 60 with 8 connections, and 80 with 32.
    """
    yield  # what `asyncio.sleep(0)` does, by two calls more
