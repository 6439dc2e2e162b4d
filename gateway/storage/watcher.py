"""Watchers: who sees the requests to remote storages that are made on behalf of another request.

An engine does not know for whom it asks; the context does, which tasks inherit. What is asked once
for several requests is seen as of the one that came first.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import TypeVar

_Answer = TypeVar("_Answer")
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Watcher:
    """Looks away; others inherit from it."""

    async def watch(self, what: str, question: Callable[[], Awaitable[_Answer]]) -> _Answer:  # noqa: ARG002
        """Ask a storage once.

        Parameters
        ----------
        what : str
            What is asked: the name of the engine's method.
        question : callable
            Asks it.
        """
        return await question()

    def headers(self) -> Mapping[str, str]:
        """Give what a storage that speaks HTTP is told beside the question."""
        return _NO_HEADERS


WATCHER = ContextVar("watcher", default=Watcher())  # noqa: B039 - it has no state
