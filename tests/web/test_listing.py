"""Folders and the landing page: their order, their links, and that no name can break them."""

import json
import re
import shlex
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.folder_query import Column, FolderQuery
from gateway.listing import Page
from gateway.storage.store import Entry
from gateway.web.listing import (
    render_folder,
    render_folder_json,
    render_landing,
    stream_folder_json,
    wants_json,
)
from gateway.web.pages import content_security_policy, human_size
from gateway.web.problems import Problem, render_problem

BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"
JSON = "application/json"
FOLDER = "/ibe/data/two mass/"
HEADINGS = {"Name", "Size", "Modified (UTC)"}
MODIFIED = 1729859114.6  # 2024-10-25T12:25:14.6Z
COLLECTIONS = {"/ibe/data/twomass": "Two Micron <All> Sky Survey", "/ibe/data/wise": ""}

NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\x00"), min_size=1, max_size=20
).filter(lambda name: name not in {".", ".."})


class Links(HTMLParser):
    """Collect the links of a page: address and text."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self._open: str | None = None
        self.feed(page.decode())

    def handle_starttag(self, tag, attrs):
        """Begin a link."""
        if tag == "a":
            self.found.append((dict(attrs)["href"], ""))
            self._open = tag

    def handle_endtag(self, tag):
        """End a link."""
        if tag == self._open:
            self._open = None

    def handle_data(self, data):
        """Add to the text of the link."""
        if self._open:
            href, text = self.found[-1]
            self.found[-1] = (href, text + data)


def file(name: str) -> Entry:
    """Make the entry of a file."""
    return Entry(name, is_folder=False, size=2880, modified=MODIFIED)


def folder(name: str) -> Entry:
    """Make the entry of a folder."""
    return Entry(name, is_folder=True, size=None, modified=None)


def follow(path: str, href: str) -> str:
    """Give the decoded path that a client asks for when it follows a link of the page at `path`."""
    target = urlsplit(urljoin(f"https://archive.example{path.replace(' ', '%20')}", href))
    assert (target.netloc, target.query, target.fragment) == ("archive.example", "", "")
    return unquote(target.path)


def whole(*entries: Entry, **query) -> Page:
    """Make a page that shows all there is."""
    return Page(list(entries), FolderQuery(**query), None)


DOWNLOAD = "↓".encode()
HIDDEN = {"", *HEADINGS}


def show(*entries: Entry, path: str = FOLDER) -> bytes:
    """Show all entries of a folder."""
    return render_folder(path, whole(*entries))


def listed(*entries: Entry) -> list[str]:
    """Give the names that a page lists, in order."""
    page = show(*entries).replace(DOWNLOAD, b"")
    texts = [text for href, text in Links(page).found if href.startswith("./")]
    return [text.removesuffix("/") for text in texts if "?" not in text and text not in HIDDEN]


async def stream(*entries: Entry) -> list[bytes]:
    """Give the parts of a listing that is streamed."""

    async def give():
        for entry in entries:
            yield entry

    return [part async for part in stream_folder_json(FOLDER, give())]


@pytest.mark.parametrize("name", ["a.fits", "A.FITS", "b.fit", "c.fts.gz", "d.fits.fz"])
def test_what_can_be_looked_at_has_its_page(name: str):
    """All that is FITS by its name, as everywhere else, is linked to its page."""
    assert f'href="./{name}?view"'.encode() in show(file(name))


async def test_folder_as_json():
    """A program gets name, type, size, time in UTC and link of each entry, whole or streamed."""
    entries = folder("s019"), file("a 1.fits")

    assert json.loads(b"".join(await stream(*entries))) == {
        "path": FOLDER,
        "entries": [
            {"name": "s019", "type": "folder", "size": None, "modified": None, "href": "./s019/"},
            {
                "name": "a 1.fits",
                "type": "file",
                "size": 2880,
                "modified": "2024-10-25T12:25:14Z",
                "href": "./a%201.fits",
            },
        ],
        "next": None,
    }
    assert json.loads(render_folder_json(FOLDER, whole(*entries))) == json.loads(
        b"".join(await stream(*entries))
    )


@pytest.mark.parametrize("n_entries", [0, 1, 254, 255, 256, 257, 1000])
async def test_a_large_folder_is_told_in_parts(n_entries):
    """However many entries there are, the parts are one JSON text, with a line for each."""
    parts = await stream(*(file(f"{n}.fits") for n in range(n_entries)))

    assert len(json.loads(b"".join(parts))["entries"]) == n_entries
    assert b"".join(parts).count(b"\n") == n_entries + 2
    assert len(parts) == 1 + (n_entries + 1) // 256


def test_folder_as_page():
    """A browser gets a readable size with the exact one as its title, and the time in UTC."""
    body = show(file("a.fits"))

    assert b'<td title="2,880 bytes">2.88 kB</td>' in body
    assert b'<time datetime="2024-10-25T12:25:14Z">2024-10-25 12:25</time>' in body
    assert b"1 file, 2.88 kB" in body


@pytest.mark.parametrize("accept", ["", "*/*", "text/html;q=0.5, application/json;q=0.4"])
def test_page_unless_json_is_preferred(accept):
    """Who does not prefer JSON gets a page."""
    assert not wants_json(accept)
    assert render_landing(COLLECTIONS, "http://localhost", accept)[1].startswith("text/html")


def test_empty_folder():
    """A folder without entries says so, and has no example of a cutout."""
    body = show()

    assert b"Nothing is stored in this folder." in body
    assert b"center=" not in body


def test_folders_come_first_and_numbers_count():
    """Folders come before files, and numbers in names are compared as numbers."""
    entries = [file("w10"), file("w9"), file("W9b"), file("w009"), folder("z"), folder("band2")]

    assert listed(*entries) == ["band2", "z", "w009", "w9", "W9b", "w10"]


@given(st.lists(NAMES, unique=True), st.randoms())
def test_order_is_total(names, random):
    """The order of the listing does not depend on the order of the storage."""
    shuffled = random.sample(names, len(names))

    assert listed(*map(file, names)) == listed(*map(file, shuffled))


@given(st.lists(st.integers(0, 10**30), unique=True))
def test_order_of_numbers(numbers):
    """Names that differ in a number are in the order of the number."""
    names = listed(*(file(f"a{number}.fits") for number in numbers))

    assert names == [f"a{number}.fits" for number in sorted(numbers)]


@given(NAMES, st.booleans())
@example(".fits.fz", False)  # noqa: FBT003
def test_links_lead_to_their_entries(name, is_folder):
    """Whatever a name holds, its link asks for it and shows it, on the page and in JSON."""
    entry = folder(name) if is_folder else file(name)
    slash = "/" * is_folder
    page = show(entry)
    data = render_folder_json(FOLDER, whole(entry))
    links = Links(page).found
    href, _ = links[-1]  # an image has its page before it

    assert json.loads(data)["entries"][0]["href"] == href
    assert follow(FOLDER, href) == FOLDER + name + slash
    assert name + slash in [text for _, text in links]


@pytest.mark.parametrize(
    ("name", "href"),
    [
        ("2024-10-25T12:25:14.fits", "./2024-10-25T12:25:14.fits"),
        ("javascript:alert(1)", "./javascript:alert%281%29"),
        ("a#b?c%20d", "./a%23b%3Fc%2520d"),
        ('it\'s $HOME & "more"', "./it%27s%20%24HOME%20%26%20%22more%22"),
        ("..fits", "./..fits"),
        ("\udcff.fits", "./%FF.fits"),
    ],
)
def test_links_are_relative_and_safe_in_a_shell(name, href):
    """A link never is taken for a scheme, keeps bytes that are not UTF-8, and needs no quotes."""
    page = show(file(name))

    assert Links(page).found[-1][0] == href
    assert shlex.quote(href) == href


def test_path_leads_upwards():
    """Home, each ancestor and the parent are links that lead there."""
    path = "/ibe/data/a#1/image/"
    links = [link for link in Links(show(path=path)).found if link[1] not in HEADINGS]

    assert [text for _, text in links] == ["Home", "ibe", "data", "a#1", "../"]
    targets = ["/", "/ibe/", "/ibe/data/", "/ibe/data/a#1/", "/ibe/data/a#1/"]
    assert [follow(path.replace("#", "%23"), href) for href, _ in links] == targets


def test_example_of_a_cutout():
    """The first FITS image of a folder, compressed or not, is the example of a cutout."""
    entries = [file("a.txt"), folder("b.fits"), file("d.fits"), file("c 1.fits.fz")]
    page = show(*entries)
    examples = [link for link in Links(page).found if "center" in link[0]]

    query = "?center=100,100px&size=100px"
    assert examples == [("./c%201.fits.fz" + query, "c 1.fits.fz" + query)]


def test_collections_have_titles():
    """A collection in a listing has its title, escaped; other folders have none."""
    entries = [folder("twomass"), folder("wise")]
    titles = {"twomass": "Two <Micron>", "wise": ""}
    page = render_folder("/ibe/data/", whole(*entries), titles)
    data = render_folder_json("/ibe/data/", whole(*entries), titles)

    assert re.findall(b"<span>(.*?)</span>", page) == [b"Two &lt;Micron&gt;"]
    assert [entry.get("title") for entry in json.loads(data)["entries"]] == ["Two <Micron>", None]


def test_a_page_of_a_large_folder_leads_to_the_others():
    """A page has a link to the first and to the next one, which keep the filter and the order."""
    query = FolderQuery(name="a*", column=Column.SIZE, descending=True, after=(9.0, "a9"))
    following = replace(query, after=(2880.0, "a 1.fits"))
    page = render_folder(FOLDER, Page([file("a 1.fits")], query, following))
    links = {text: href for href, text in Links(page).found}

    assert links["First page"] == "?name=a%2A&sort=-size"
    assert links["Next page"] == "?name=a%2A&sort=-size&after=2880%2Fa+1.fits"
    assert b"The next 1 of many entries" in page


def test_the_last_page_leads_back():
    """Behind the last page there is none."""
    page = render_folder(FOLDER, Page([file("z.fits")], FolderQuery(after=(0, "y")), None))
    links = {text: href for href, text in Links(page).found}

    assert links["First page"] == "./"
    assert "Next page" not in links
    assert b"The last 1 of many entries" in page


def test_a_column_sorts():
    """A column's heading sorts by it, the one that is sorted by turns the order round."""
    page = render_folder(FOLDER, whole(file("a"), column=Column.SIZE, name="w1"))
    links = {text: href for href, text in Links(page).found}

    assert links["Name"] == "?name=w1"
    assert links["Size"] == "?name=w1&sort=-size"
    assert links["Modified (UTC)"] == "?name=w1&sort=modified"
    assert page.count(b" aria-sort=") == 1
    assert b'<th scope="col" aria-sort="ascending"><a href="?name=w1&amp;sort=-size">' in page


def test_an_order_that_is_wanted_is_kept():
    """Who sorts gets that order, without folders first."""
    page = render_folder(FOLDER, whole(file("b"), folder("a"), file("c"), descending=True))

    assert [h for h, _ in Links(page).found if h.startswith("./") and h != "./"] == [
        "./b",
        "./a/",
        "./c",
    ]


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        (whole(file("a")), False),
        (whole(*(file(str(n)) for n in range(11))), True),
        (whole(name="<w1>"), True),
        (Page([file("a")], FolderQuery(), FolderQuery(after=(0, "a"))), True),
    ],
    ids=["few entries", "many", "filtered", "paged"],
)
def test_many_entries_can_be_filtered(page, shown):
    """A folder of more than a few entries has a form for a part of a name, which it keeps."""
    body = render_folder(FOLDER, page)

    assert (b'<input type="search" name="name"' in body) is shown
    assert (b'value="&lt;w1&gt;"' in body) is bool(page.query.name)


def test_nothing_matches():
    """A filter that leaves nothing is told from an empty folder."""
    assert b"Nothing here matches." in render_folder(FOLDER, whole(name="w1"))


def test_landing_as_json():
    """A program gets the collections in their order."""
    body, content_type = render_landing(COLLECTIONS, "https://archive.example", JSON)

    assert content_type == JSON
    assert json.loads(body) == {
        "collections": [
            {
                "path": "/ibe/data/twomass/",
                "title": "Two Micron <All> Sky Survey",
                "href": "./ibe/data/twomass/",
            },
            {"path": "/ibe/data/wise/", "title": "", "href": "./ibe/data/wise/"},
        ]
    }


def test_landing_as_page():
    """A browser gets links to the collections and to the health of the server."""
    page, _ = render_landing(COLLECTIONS, "https://archive.example", BROWSER)

    assert [follow("/", href) for href, _ in Links(page).found] == [
        "/ibe/data/twomass/",
        "/ibe/data/wise/",
        "/healthz",
    ]
    assert b"Two Micron &lt;All&gt; Sky Survey" in page


def test_landing_without_collections():
    """A gateway without collections says so."""
    page, _ = render_landing({}, "https://archive.example", BROWSER)

    assert b"No collection is configured yet." in page


def test_landing_shows_commands_that_can_be_pasted():
    """The commands are built from the address of this request and hold it as one word."""
    page, _ = render_landing({"/ibe/it's": ""}, "http://127.0.0.1:8080", BROWSER)
    text = re.sub(r"<[^>]+>", "\n", page.decode()).replace("&amp;", "&").replace("&#39;", "'")
    commands = [line for line in text.splitlines() if re.match("curl|wget", line)]

    root = "http://127.0.0.1:8080/ibe/it%27s/"
    image = root + "path/to/image.fits?center=83.633,22.014deg&size=5arcmin"
    assert commands == [
        f"curl -fOJ '{image}'",
        f"wget --content-disposition '{image}'",
        f"curl -H 'Accept: application/json' {root}",
    ]


@pytest.mark.parametrize(
    "page",
    [
        show(file("a.fits")),
        render_landing(COLLECTIONS, "https://archive.example", BROWSER)[0],
        render_problem(Problem(404, "Not Found", "There is no such file.", "1"), BROWSER)[0],
    ],
    ids=["folder", "landing", "problem"],
)
def test_pages_obey_their_policy(page):
    """The policy admits the one style sheet of each page, and the page needs nothing else."""
    (style,) = re.findall(b"<style>(.*?)</style>", page, re.DOTALL)
    digest = b64encode(sha256(style).digest()).decode()

    assert f"style-src 'sha256-{digest}';" in content_security_policy()
    assert re.search(rb'<script|<img| style=| on\w+=| src=|href="https?:', page) is None
    assert re.findall(rb'<link rel="icon" href="([^,]+),', page) == [b"data:image/svg+xml"]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (2880, "2.88 kB"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (1_474_560_000, "1.47 GB"),
        (5 * 10**12, "5 TB"),
        (12_345 * 10**15, "12,345 PB"),
    ],
)
def test_human_size(size, text):
    """A size has three digits and a decimal unit."""
    assert human_size(size) == text


def test_an_image_opens_as_a_page_and_can_be_downloaded():
    """A FITS file has a link to its page and one to itself; other files only the latter."""
    links = Links(show(file("a 1.fits"), file("b.txt"))).found

    assert links[-3:] == [
        ("./a%201.fits?view", "a 1.fits"),
        ("./a%201.fits", "↓"),
        ("./b.txt", "b.txt"),
    ]


@pytest.mark.parametrize("wanted", [True, False])
def test_thumbnails_are_shown_on_demand(wanted):
    """They are drawn by the gateway as they come into sight, and the link turns them off again."""
    page = whole(file("a 1.fits"), file("b.txt"))
    page = replace(page, query=FolderQuery(thumbnails=wanted))
    text = render_folder(FOLDER, page).decode()

    pictures = re.findall(r'<img class="thumbnail" src="([^"]+)" alt="" loading="lazy">', text)
    assert pictures == ["./a%201.fits?format=png&amp;width=96"] * wanted
    assert ('<a href="./">Hide' if wanted else '<a href="?thumbnails=on">Show') in text
