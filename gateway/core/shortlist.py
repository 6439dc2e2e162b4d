"""Shortlist: the first of many items in an order, without holding the many. No I/O."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")


class Shortlist(Generic[Item]):
    """Keeps the first items, in an order, of all that it is given.

    It never holds more than twice as many as it keeps.

    Parameters
    ----------
    length : int, >= 1
        How many it keeps.
    key : callable or None
        What the items are ordered by; None for themselves.
    reverse : bool
        Whether the largest come first.

    Examples
    --------
    >>> shortlist = Shortlist(2)
    >>> for item in (3, 1, 2):
    ...     shortlist.add(item)
    >>> shortlist.items()
    [1, 2]
    """

    def __init__(
        self, length: int, key: Callable[[Item], Any] | None = None, *, reverse: bool = False
    ) -> None:
        self._length = length
        self._key = key
        self._reverse = reverse
        self._items: list[Item] = []

    def add(self, item: Item) -> None:
        """Take an item into account."""
        self._items.append(item)
        if len(self._items) >= 2 * self._length:
            self._shorten()

    def items(self) -> list[Item]:
        """Give the items that are kept, in order."""
        self._shorten()
        return self._items

    def _shorten(self) -> None:
        # what is in order already costs a sort next to nothing
        self._items.sort(key=self._key, reverse=self._reverse)
        del self._items[self._length :]
