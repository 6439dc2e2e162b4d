"""Spare memory: what the allocator keeps of a busy time is given back when that is over."""

import asyncio
import ctypes

_QUIET_S = 2.0  # to take memory from the system anew costs a large answer a tenth of its time
_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc


class SpareMemory:
    """Gives back what was used by large answers, when there has been none for a while.

    500 clients that took in nothing left 300 to 500 MB behind in a worker that had no use for it.
    """

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    def wanted(self) -> None:
        """Keep it for now: a large answer begins."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def unused(self) -> None:
        """Give it back soon: the last large answer has ended."""
        if _trim is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_QUIET_S, loop.run_in_executor, None, _trim, 0)
