"""Deadlines: ends requests that take too long.

All have the same time, so the first to begin is the first to end, and one timer serves them all:
`asyncio.timeout`, which sets one for each, costs a small cutout a tenth more.
"""

import asyncio
from contextvars import Context
from typing import Any

Task = asyncio.Task[Any]


class Deadlines:
    """The tasks of an event loop that must end in time.

    Parameters
    ----------
    seconds : float
        How long each may take.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due: dict[Task, float] = {}  # by the loop's clock, in the order of their beginning
        self._late: set[Task] = set()
        self._is_watching = False

    def begin(self, task: Task) -> None:
        """Let the time of a task begin."""
        loop = task.get_loop()
        self._due[task] = loop.time() + self._seconds
        if not self._is_watching:
            self._is_watching = True
            # in a context of its own: that of the request would keep its file open until then
            loop.call_later(self._seconds, self._watch, loop, context=Context())

    def end(self, task: Task) -> bool:
        """Let a task go; tell whether it was cancelled for being late."""
        self._due.pop(task, None)
        if task not in self._late:
            return False
        self._late.remove(task)
        task.uncancel()
        return True

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel the tasks whose time is over, and come back for the next."""
        now = loop.time()
        for task, due in list(self._due.items()):
            if due > now:
                loop.call_at(due, self._watch, loop)
                return
            del self._due[task]
            self._late.add(task)
            task.cancel()
        self._is_watching = False
