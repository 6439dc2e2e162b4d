"""Tallies: what is counted where no request is known."""

from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    """What a remote storage was asked for since the start."""

    tries: int = 0
    """Requests, repeated ones included."""
    retries: int = 0
    """Requests that repeated another."""
    failures: int = 0
    """Requests that failed in a way that may pass, or were not answered in time."""


@dataclass(slots=True)
class LayoutTally:
    """Where layouts were found since the start."""

    memory: int = 0
    disk: int = 0
    read: int = 0
    """From the files themselves."""
