"""Listing: a page of a folder, in the order that is wanted and in bounded memory."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from gateway.core.folder_query import Column, FolderQuery, Position, matches
from gateway.core.shortlist import Shortlist
from gateway.storage.store import Entry

_UNKNOWN = -1.0  # what has no size or time comes before all that have


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a folder's entries."""

    entries: list[Entry]
    query: FolderQuery
    """What was asked for."""
    next: FolderQuery | None
    """What to ask for to get the entries behind them; None if there are no more."""

    @property
    def is_whole(self) -> bool:
        """Whether these are all that match."""
        return self.query.after is None and self.next is None


async def read_page(entries: AsyncIterator[Entry], query: FolderQuery, length: int) -> Page:
    """Read a page of a folder.

    In the order of names that ends with the page. Other orders need to see the whole folder, of
    which never more than two pages are held.

    Parameters
    ----------
    entries : asynchronous iterator of Entry
        In the order of their marks; in the order of names, from behind `query.after`.
    query : FolderQuery
        Which are wanted.
    length : int
        How many entries a page has at most.

    Raises
    ------
    NotFound, StorageUnavailable, StorageTimeout
    """

    def position(entry: Entry) -> Position:
        return _position(entry, query.column)

    # one more tells whether there is a next page
    shortlist = Shortlist(length + 1, position, reverse=query.descending)
    n_found = 0
    async for entry in entries:
        if not (matches(entry.name, query.name) and _is_behind(position(entry), query)):
            continue
        shortlist.add(entry)
        n_found += 1
        if query.is_stored_order and n_found > length:
            break
    found = shortlist.items()
    after = position(found[length - 1]) if n_found > length else None
    return Page(found[:length], query, after and replace(query, after=after))


def _position(entry: Entry, column: Column) -> Position:
    """Say where an entry stands in an order."""
    if column is Column.NAME:
        return 0.0, entry.mark
    value = entry.size if column is Column.SIZE else entry.modified
    return _UNKNOWN if value is None else float(value), entry.mark


def _is_behind(position: Position, query: FolderQuery) -> bool:
    if query.after is None:
        return True
    return position < query.after if query.descending else position > query.after
