"""Breaker: leaves a storage alone that failed many times in a row, so that nobody waits for it."""

from time import monotonic

from gateway.core.errors import StorageDown


class Breaker:
    """Counts failures in a row.

    Parameters
    ----------
    max_failures : int
        After how many the storage is left alone.
    rest_s : float
        For how long; then one request after the other may try it, until one is answered.
    """

    def __init__(self, max_failures: int, rest_s: float) -> None:
        self._max_failures = max_failures
        self._rest_s = rest_s
        self._failures = 0
        self._rests_until = 0.0

    def check(self) -> None:
        """Let a request through, or not.

        Raises
        ------
        StorageDown
        """
        if self._failures < self._max_failures:
            return
        now = monotonic()
        if now < self._rests_until:
            raise StorageDown(
                "The storage does not answer at present; try again later.", self._rests_until - now
            )
        self._rests_until = now + self._rest_s  # for all others, while this one tries

    def note_answer(self) -> None:
        """Note that the storage answered, be it with an error."""
        self._failures = 0

    def note_failure(self) -> None:
        """Note that the storage failed."""
        self._failures += 1
        if self._failures >= self._max_failures:
            self._rests_until = monotonic() + self._rest_s
