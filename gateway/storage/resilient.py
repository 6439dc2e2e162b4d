"""An Engine that wraps an Engine and bears its failures: deadlines, other tries, a breaker.

Only what may pass is tried again: a refused or broken connection, a 5xx or 429, no answer in time.
What is wrong stays wrong: a key that is not accepted, a server that ignores ranges.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import count
from random import uniform
from time import monotonic
from typing import TypeVar

from gateway.config import LimitSettings
from gateway.core.errors import GatewayError, StorageDown, StorageTimeout, TransientFault
from gateway.core.ranges import ByteRange
from gateway.storage.breaker import Breaker
from gateway.storage.effort import EFFORT
from gateway.storage.engine import BUSY, TOO_SLOW, Engine
from gateway.storage.store import Buffer, Entry, ObjectInfo
from gateway.storage.tally import Tally
from gateway.storage.watcher import WATCHER

_Answer = TypeVar("_Answer")
_FIRST_WAIT_S = 0.1  # at most, before the second try; then twice as long each time


class ResilientEngine:
    """The objects of another engine.

    Parameters
    ----------
    engine : Engine
        The storage.
    limits : LimitSettings
        How often and for how long it is tried.
    tally : Tally or None
        Where that is counted.
    """

    def __init__(self, engine: Engine, limits: LimitSettings, tally: Tally | None = None) -> None:
        self._engine = engine
        self._limits = limits
        self._breaker = Breaker(limits.storage_failures, limits.storage_rest_s)
        self.tally = tally or Tally()

    @property
    def max_ranges(self) -> int:
        """How many ranges one request may ask for."""
        return self._engine.max_ranges

    async def head(self, key: str) -> ObjectInfo:
        """Describe the present version of an object."""
        return await self._ask("head", lambda: self._engine.head(key))

    async def get(self, key: str, start: int, stop: int, version: ObjectInfo) -> Buffer:
        """Read bytes."""
        return await self._ask("get", lambda: self._engine.get(key, start, stop, version))

    async def get_ranges(
        self, key: str, ranges: Sequence[ByteRange], version: ObjectInfo
    ) -> Buffer:
        """Read several ranges by one request."""
        return await self._ask("get_ranges", lambda: self._engine.get_ranges(key, ranges, version))

    async def entries(self, key: str, after: str = "") -> AsyncIterator[Entry]:
        """List a folder; after a failure the listing goes on behind its last entry."""
        listing = self._engine.entries(key, after)

        async def next_entry() -> Entry | None:
            nonlocal listing
            try:
                return await anext(listing, None)
            except BaseException:  # it ends a generator
                listing = self._engine.entries(key, after)
                raise

        while (entry := await self._ask("entries", next_entry)) is not None:
            after = entry.mark
            yield entry

    async def probe(self) -> None:
        """Make sure that the storage answers."""
        await self._ask("probe", self._engine.probe)

    async def close(self) -> None:
        """Let go of connections."""
        await self._engine.close()

    async def _ask(self, what: str, question: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """Ask until there is an answer, no time, or no further try."""
        give_up = monotonic() + self._limits.storage_timeout_s
        for tries in count(1):
            self._breaker.check()
            try:
                return await WATCHER.get().watch(what, lambda: self._try(question, give_up))
            except (TransientFault, StorageTimeout) as error:
                asked_s = getattr(error, "retry_after_s", 0.0)
                # "full jitter": those that failed together do not come back together
                wait_s = asked_s + uniform(0, _FIRST_WAIT_S * 2 ** (tries - 1))  # noqa: S311
                in_time = monotonic() + wait_s < give_up
                if asked_s and not in_time:
                    raise StorageDown(BUSY, asked_s) from error
                if not in_time or tries >= self._limits.storage_tries:
                    raise
            self.tally.retries += 1
            EFFORT.get().retries += 1
            await asyncio.sleep(wait_s)
        raise AssertionError  # `count` has no end

    async def _try(self, question: Callable[[], Awaitable[_Answer]], give_up: float) -> _Answer:
        self.tally.tries += 1
        try:
            async with asyncio.timeout(min(give_up - monotonic(), self._limits.storage_try_s)):
                answer = await question()
        except (TransientFault, StorageTimeout, TimeoutError) as error:
            self.tally.failures += 1
            self._breaker.note_failure()
            if isinstance(error, TimeoutError):
                raise StorageTimeout(TOO_SLOW) from error
            raise
        except GatewayError:
            self._breaker.note_answer()
            raise
        self._breaker.note_answer()
        return answer
