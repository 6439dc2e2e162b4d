"""Effort: what is noted of a request while remote storages are asked on its behalf.

An engine does not know for whom it asks; the context does, which tasks inherit. What is asked once
for several requests is noted of the one that came first.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol


class Effort(Protocol):
    """Whatever is to be noted of."""

    retries: int
    """Requests to storages that repeated another."""


@dataclass(slots=True)
class _Unnoticed:
    """What no request has asked for."""

    retries: int = 0


EFFORT: ContextVar[Effort] = ContextVar("effort", default=_Unnoticed())  # noqa: B039 - never read
