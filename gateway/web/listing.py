"""Folders and the landing page, as HTML for a browser and as JSON for programs. No I/O."""

import json
import re
import shlex
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from urllib.parse import quote

from gateway.core.folder_query import Column, FolderQuery
from gateway.core.names import is_fits
from gateway.listing import Page
from gateway.storage.store import Entry
from gateway.web.pages import HTML, render_page
from gateway.web.problems import prefers

JSON = "application/json"

# Works on any image that is larger than 50 pixels, and needs no WCS.
_EXAMPLE_QUERY = "center=100,100px&size=100px"
_TITLES = {Column.NAME: "Name", Column.SIZE: "Size", Column.MODIFIED: "Modified (UTC)"}
_FEW_ENTRIES = 10  # need no filter
_LINES_AT_ONCE = 256  # of JSON: about two milliseconds of work
_NO_TITLES: Mapping[str, str] = MappingProxyType({})
_DIGITS = re.compile("([0-9]+)")

Record = dict[str, str | int | None]


def render_folder(path: str, page: Page, titles: Mapping[str, str] = _NO_TITLES) -> bytes:
    """Show a page of a folder to a person.

    A page that holds the whole folder has its folders first, and counts numbers by their value.

    Parameters
    ----------
    path : str
        Decoded path of the URL, with a slash at both ends; not the root, which is the landing page.
    page : Page
        What is shown.
    titles : mapping of str to str
        Titles of those folders that are collections, by the name of their entry.
    """
    entries = page.entries
    if page.is_whole and page.query.is_stored_order:
        entries = sorted(entries, key=_order)
    records = [_describe(entry, titles) for entry in entries]
    *ancestors, name = path.strip("/").split("/")
    return render_page(
        "folder.html",
        path=path,
        name=name,
        home="../" * (len(ancestors) + 1),
        ancestors=[(each, "../" * (len(ancestors) - i)) for i, each in enumerate(ancestors)],
        entries=records,
        n_folders=sum(entry.is_folder for entry in entries),
        total_bytes=sum(entry.size or 0 for entry in entries),
        example=next((record for record in records if _is_image(record)), None),
        is_image=_is_image,
        cutout=_EXAMPLE_QUERY,
        page=page,
        columns=[_describe_column(column, page.query) for column in Column],
        has_filter=bool(page.query.name) or not page.is_whole or len(entries) > _FEW_ENTRIES,
    )


def render_folder_json(path: str, page: Page, titles: Mapping[str, str] = _NO_TITLES) -> bytes:
    """Tell a page of a folder to a program, and where the next one is."""
    records = [_describe(entry, titles) for entry in page.entries]
    following = page.next.href if page.next else None
    return _render_json({"path": path, "entries": records, "next": following})


async def stream_folder_json(
    path: str, entries: AsyncIterator[Entry], titles: Mapping[str, str] = _NO_TITLES
) -> AsyncGenerator[bytes, None]:
    """Tell a folder to a program, however many entries it has, a line each.

    Parameters
    ----------
    path : str
        Decoded path of the URL, with a slash at both ends.
    entries : asynchronous iterator of Entry
        In the order in which they are told.
    titles : mapping of str to str
        Titles of those folders that are collections, by the name of their entry.
    """
    lines = [f'{{"path": {_dump(path)}, "entries": [']
    separator = "\n"
    async for entry in entries:
        lines.append(separator + _dump(_describe(entry, titles)))
        separator = ",\n"
        if len(lines) >= _LINES_AT_ONCE:
            yield "".join(lines).encode(errors="replace")
            lines.clear()
    lines.append('\n], "next": null}\n')
    yield "".join(lines).encode(errors="replace")


def wants_json(accept: str) -> bool:
    """Tell whether an Accept header prefers JSON to a page."""
    return prefers(accept, ("text/html", JSON)) == JSON


def render_landing(collections: Mapping[str, str], base_url: str, accept: str) -> tuple[bytes, str]:
    """Say what is served here and how to ask for it.

    Parameters
    ----------
    collections : mapping of str to str
        Title, possibly empty, by the path of each collection (``/ibe/data/twomass``), in order.
    base_url : str
        Where the client found us, without a slash at its end: ``https://archive.example``.
    accept : str
        The Accept header; empty if there is none.

    Returns
    -------
    body : bytes
    content_type : str
    """
    records = [
        {"path": f"{path}/", "title": title, "href": f".{quote_segment(path, '/')}/"}
        for path, title in collections.items()
    ]
    if wants_json(accept):
        return _render_json({"collections": records}), JSON
    root = base_url + quote_segment(next(iter(collections), "/ibe/data"), "/")
    image = f"{root}/path/to/image.fits?center=83.633,22.014deg&size=5arcmin"
    page = render_page(
        "landing.html",
        collections=records,
        example=shlex.quote(image),
        listing=shlex.quote(f"{root}/"),
    )
    return page, HTML


def _render_json(value: object) -> bytes:
    return (_dump(value) + "\n").encode(errors="replace")


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _order(entry: Entry) -> tuple[bool, list[tuple[int, str]], str]:
    """Give the key that sorts folders first and ``band2`` before ``band10``."""
    # The pieces alternate: text, digits, text. Longer digits are the larger number.
    pieces = _DIGITS.split(entry.name.casefold())
    pieces[1::2] = [digits.lstrip("0") for digits in pieces[1::2]]
    ranked = [(i % 2 * len(piece), piece) for i, piece in enumerate(pieces)]
    return not entry.is_folder, ranked, entry.name


def _describe(entry: Entry, titles: Mapping[str, str]) -> Record:
    """Say of an entry what both formats say."""
    record: Record = {
        "name": entry.name,
        "type": "folder" if entry.is_folder else "file",
        "size": entry.size,
        "modified": _format_time(entry.modified),
        "href": f"./{quote_segment(entry.name)}" + "/" * entry.is_folder,
    }
    if title := titles.get(entry.name):
        record["title"] = title
    return record


def _describe_column(column: Column, query: FolderQuery) -> dict[str, str]:
    """Say how a column is headed: its title, its order, and the link that turns it round."""
    order = ("descending" if query.descending else "ascending") if column is query.column else ""
    return {
        "title": _TITLES[column],
        "order": order,
        "href": query.sorted_by(column).href,
    }


def _format_time(modified: float | None) -> str | None:
    """Write a time as RFC 3339 does, in UTC."""
    if modified is None:
        return None
    return f"{datetime.fromtimestamp(modified, UTC):%Y-%m-%dT%H:%M:%SZ}"


def quote_segment(name: str, safe: str = "") -> str:
    """Write a name as a segment of a URL.

    Of what a segment may hold as it is (RFC 3986, 3.3), those characters stay that no shell minds:
    people copy these addresses into terminals. A name that is not UTF-8 keeps its bytes.
    """
    return quote(name, safe=f":@+,={safe}", errors="surrogateescape")


def _is_image(record: Record) -> bool:
    return record["type"] == "file" and is_fits(str(record["name"]))
