"""Effort: what is noted of a request while remote storages are asked on its behalf.

An engine does not know for whom it asks; the context does, which tasks inherit. What is asked once
for several requests is noted of the one that came first.
"""

from contextvars import ContextVar


class Effort:
    """What one request has cost beyond the reads that its file counts."""

    __slots__ = ("retries",)

    def __init__(self) -> None:
        self.retries = 0
        """Requests to storages that repeated another."""


EFFORT = ContextVar("effort", default=Effort())  # noqa: B039 - of what no request has asked for
