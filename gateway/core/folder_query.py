"""Folder query: what a request wants to see of a folder, strictly. No I/O."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from urllib.parse import urlencode

from gateway.core.errors import BadParameter
from gateway.core.query import parse_flag

_ACCEPTED = "name, sort, limit, after and thumbnails"
_OF_IMAGES = ("center", "size", "gzip")
_POSITION = re.compile(r"(-?[0-9]{1,20}(?:\.[0-9]{1,20})?(?:e[+-][0-9]{1,3})?)/(.*)", re.DOTALL)


class Column(Enum):
    """What entries can be sorted by."""

    NAME = "name"
    SIZE = "size"
    MODIFIED = "modified"


Position = tuple[float, str]
"""Where an entry stands in an order: its value, 0 in the order of names, and its mark."""


@dataclass(frozen=True, slots=True)
class FolderQuery:
    """Which entries of a folder are wanted, and in which order."""

    name: str = ""
    """Part of the names that are wanted, in any case; ``*`` stands for any characters."""
    column: Column = Column.NAME
    """What they are sorted by; equal ones by name."""
    descending: bool = False
    limit: int | None = None
    """How many entries a page has; None where the query leaves it open."""
    after: Position | None = None
    """The last entry of the page before."""
    thumbnails: bool = False
    """Whether a person wants to see the images."""

    @property
    def is_stored_order(self) -> bool:
        """Whether entries are wanted in the order in which stores give them."""
        return self.column is Column.NAME and not self.descending

    @property
    def mark(self) -> str:
        """Where a store begins to list: behind the page before, in the order of stores."""
        return self.after[1] if self.after and self.is_stored_order else ""

    def from_beginning(self) -> "FolderQuery":
        """Ask for the first page."""
        return replace(self, after=None)

    def sorted_by(self, column: Column) -> "FolderQuery":
        """Ask for another order, or for this one turned round, from its beginning."""
        descending = column is self.column and not self.descending
        return replace(self, column=column, descending=descending, after=None)

    def with_thumbnails(self, *, wanted: bool) -> "FolderQuery":
        """Ask for the same with pictures, or without."""
        return replace(self, thumbnails=wanted)

    @property
    def sort(self) -> str:
        """The order as a parameter; empty for that of stores."""
        return "" if self.is_stored_order else f"{'-' * self.descending}{self.column.value}"

    @property
    def href(self) -> str:
        """The link to it, on a page of the folder."""
        parameters = {
            "name": self.name,
            "sort": self.sort,
            "limit": self.limit or "",
            "after": _write_position(self.column, self.after) if self.after else "",
            "thumbnails": "on" if self.thumbnails else "",
        }
        given = {name: value for name, value in parameters.items() if value}
        return f"?{urlencode(given)}" if given else "./"


def parse_folder_query(parameters: Mapping[str, str], max_limit: int) -> FolderQuery:
    """Read the parameters of a folder; an empty value is none, as a form sends it.

    Raises
    ------
    BadParameter
        A parameter is malformed or unknown.
    """
    name, column, descending, limit, after, thumbnails = "", Column.NAME, False, None, "", False
    for parameter, value in parameters.items():
        match parameter:
            case "name":
                name = value
            case "sort":
                column, descending = _parse_sort(value)
            case "limit":
                limit = _parse_limit(value, max_limit)
            case "after":
                after = value
            case "thumbnails":
                thumbnails = bool(value) and parse_flag("thumbnails", value)
            case _:
                raise BadParameter(parameter, _refusal(parameter))
    position = _parse_position(column, after) if after else None
    return FolderQuery(name, column, descending, limit, position, thumbnails)


def matches(name: str, wanted: str) -> bool:
    """Tell whether a name has the parts of a pattern in their order.

    Examples
    --------
    >>> matches("02206a149-W1-int-1b.fits", "w1*.fits")
    True
    """
    name, start = name.casefold(), 0
    for part in wanted.casefold().split("*"):
        found = name.find(part, start)
        if found < 0:
            return False
        start = found + len(part)
    return True


def _refusal(parameter: str) -> str:
    if parameter in _OF_IMAGES:
        return f"a folder cannot be cut; cut a FITS image in it. A folder takes {_ACCEPTED}."
    return f"there is no such parameter of a folder; it takes {_ACCEPTED}."


def _parse_sort(text: str) -> tuple[Column, bool]:
    try:
        return Column(text.removeprefix("-") or "name"), text.startswith("-")
    except ValueError:
        raise BadParameter(
            "sort", "a folder is sorted by name, size or modified; -size has the largest first."
        ) from None


def _parse_limit(text: str, max_limit: int) -> int | None:
    if not text:
        return None
    if not (re.fullmatch("[0-9]{1,9}", text) and 1 <= int(text) <= max_limit):
        raise BadParameter("limit", f"it is a number from 1 to {max_limit}.")
    return int(text)


def _parse_position(column: Column, text: str) -> Position:
    if column is Column.NAME:
        return 0.0, text
    match = _POSITION.fullmatch(text)
    if match is None:
        raise BadParameter("after", "take it from the next page of a listing with the same sort.")
    return float(match[1]), match[2]


def _write_position(column: Column, position: Position) -> str:
    value, mark = position
    return mark if column is Column.NAME else f"{value:.17g}/{mark}"
