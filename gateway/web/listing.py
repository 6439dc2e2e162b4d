"""Folders and the landing page, as HTML for a browser and as JSON for programs. No I/O."""

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from urllib.parse import quote

from gateway.storage.store import Entry
from gateway.web.pages import HTML, render_page
from gateway.web.problems import prefers

JSON = "application/json"

# Works on any image that is larger than 50 pixels, and needs no WCS.
_EXAMPLE_QUERY = "center=100,100px&size=100px"
_FITS_ENDINGS = (".fits", ".fits.gz", ".fits.fz")
_NO_TITLES: Mapping[str, str] = MappingProxyType({})
_DIGITS = re.compile("([0-9]+)")

Record = dict[str, str | int | None]


def render_folder(
    path: str, entries: Iterable[Entry], accept: str, titles: Mapping[str, str] = _NO_TITLES
) -> tuple[bytes, str]:
    """List a folder: its folders, then its files, each in natural order.

    Parameters
    ----------
    path : str
        Decoded path of the URL, with a slash at both ends; not the root, which is the landing page.
    entries : iterable of Entry
        In any order.
    accept : str
        The Accept header; empty if there is none.
    titles : mapping of str to str
        Titles of those folders that are collections, by the name of their entry.

    Returns
    -------
    body : bytes
    content_type : str
    """
    ordered = sorted(entries, key=_order)
    records = [_describe(entry, titles) for entry in ordered]
    if _wants_json(accept):
        return _render_json({"path": path, "entries": records})
    *ancestors, name = path.strip("/").split("/")
    n_folders = sum(entry.is_folder for entry in ordered)
    page = render_page(
        "folder.html",
        path=path,
        name=name,
        home="../" * (len(ancestors) + 1),
        ancestors=[(each, "../" * (len(ancestors) - i)) for i, each in enumerate(ancestors)],
        entries=records,
        n_folders=n_folders,
        n_files=len(ordered) - n_folders,
        total_bytes=sum(entry.size or 0 for entry in ordered),
        example=next((record for record in records if _is_image(record)), None),
        query=_EXAMPLE_QUERY,
    )
    return page, HTML


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
        {"path": f"{path}/", "title": title, "href": f".{_quote(path, '/')}/"}
        for path, title in collections.items()
    ]
    if _wants_json(accept):
        return _render_json({"collections": records})
    root = base_url + _quote(next(iter(collections), "/ibe/data"), "/")
    image = f"{root}/path/to/image.fits?center=83.633,22.014deg&size=5arcmin"
    page = render_page(
        "landing.html",
        collections=records,
        example=shlex.quote(image),
        listing=shlex.quote(f"{root}/"),
    )
    return page, HTML


def _wants_json(accept: str) -> bool:
    return prefers(accept, ("text/html", JSON)) == JSON


def _render_json(value: object) -> tuple[bytes, str]:
    return (json.dumps(value, ensure_ascii=False) + "\n").encode(errors="replace"), JSON


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
        "href": f"./{_quote(entry.name)}" + "/" * entry.is_folder,
    }
    if title := titles.get(entry.name):
        record["title"] = title
    return record


def _format_time(modified: float | None) -> str | None:
    """Write a time as RFC 3339 does, in UTC."""
    if modified is None:
        return None
    return f"{datetime.fromtimestamp(modified, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _quote(name: str, safe: str = "") -> str:
    """Write a name as a segment of a URL.

    Of what a segment may hold as it is (RFC 3986, 3.3), those characters stay that no shell minds:
    people copy these addresses into terminals. A name that is not UTF-8 keeps its bytes.
    """
    return quote(name, safe=f":@+,={safe}", errors="surrogateescape")


def _is_image(record: Record) -> bool:
    return record["type"] == "file" and str(record["name"]).endswith(_FITS_ENDINGS)
