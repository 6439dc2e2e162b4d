"""What is asked for: files, cutouts, folders, and what none of them is."""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from aiohttp import ClientPayloadError
from aiohttp.test_utils import TestServer
from yarl import URL

from gateway.config import CollectionSettings, Settings
from gateway.core.errors import SourceChanged, StorageUnavailable
from gateway.web.app import build_app
from tests.fits_files import image
from tests.stores import FakeObject, FakeStore
from tests.web.conftest import Connect
from tests.web.small_archive import (
    CUT,
    DATA,
    FILE,
    GZIPPED,
    IMAGE,
    PIXELS,
    PLAIN,
    ROOT,
    cut_pixels,
    files,
    get_raw,
)

AS_JSON = {"Accept": "application/json"}
NO_OVERLAP = f"{IMAGE}?center=-500,50px&size=10px"


async def test_a_cutout(connect: Connect):
    """A plain cutout is a FITS file of the pixels that were asked for."""
    client = await connect(files())
    response = await client.get(PLAIN)
    body = await response.read()

    assert response.status == 200
    assert response.content_type == "application/fits"
    assert response.content_length == len(body)
    assert np.array_equal(cut_pixels(body), PIXELS)


async def test_a_gzipped_cutout_is_a_gzip_file(connect: Connect):
    """A gzipped cutout is a file of its own type; it never has a Content-Encoding."""
    client = await connect(files())
    response = await client.get(GZIPPED, headers={"Accept-Encoding": "gzip"})
    body = await response.read()
    plain = await (await client.get(PLAIN)).read()

    assert response.content_type == "application/gzip"
    assert "Content-Encoding" not in response.headers
    assert response.content_length == len(body)
    assert gzip.decompress(body) == plain


@pytest.mark.parametrize(
    ("mode", "flag", "gzipped"),
    [
        ("on", "", True),
        ("on", "&gzip=0", False),
        ("on", "&gzip=TRUE", True),
        ("off", "", False),
        ("off", "&gzip=yes", True),
        ("never", "", False),
        ("never", "&gzip=true", False),
    ],
)
async def test_who_decides_about_gzip(connect: Connect, mode: str, flag: str, *, gzipped: bool):
    """The collection has a default that the request may change, unless it is "never"."""
    client = await connect(files(), gzip=mode)
    response = await client.get(f"{IMAGE}?{CUT}{flag}")

    assert (response.content_type == "application/gzip") is gzipped
    assert (await response.read())[:2] == (b"\x1f\x8b" if gzipped else b"SI")


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("a.fits", "a.fits"),
        ("a.fits.gz", "a.fits"),
        ("a.fits.fz", "a.fits"),
        ("A.FIT.GZ", "A.FIT"),
        ("a b;c.fts", "a b;c.fts"),
    ],
)
async def test_the_name_tells_the_truth(connect: Connect, name: str, plain: str):
    """A saved cutout has the parent's name, and .gz if and only if it is gzipped."""
    client = await connect({name: FakeObject(FILE)})
    url = f"{ROOT}/{quote(name)}?{CUT}"
    names = [
        (await client.get(url + flag)).headers["Content-Disposition"] for flag in ("&gzip=0", "")
    ]

    assert names == [f'attachment; filename="{n}"' for n in (plain, f"{plain}.gz")]


async def test_a_name_beyond_ascii_is_given_twice(connect: Connect):
    """Old clients get a name of ASCII, and all others the real one; no quote breaks the header."""
    name = 'µ "é\r\n.fits'
    client = await connect({name: FakeObject(FILE)})
    response = await client.get(f"{ROOT}/{quote(name)}?{CUT}&gzip=0")
    disposition = response.headers["Content-Disposition"]

    assert disposition.startswith('attachment; filename="? _?__.fits"; ')
    assert disposition.endswith(f"filename*=UTF-8''{quote(name, safe='')}")
    assert response.content_disposition.filename == name


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.fits", "application/fits"),
        ("a.fits.fz", "application/fits"),
        ("a.fits.gz", "application/gzip"),
        ("a.tar.gz", "application/gzip"),
        ("a.html", "application/octet-stream"),
    ],
)
async def test_a_file_is_given_as_it_is(connect: Connect, name: str, content_type: str):
    """A file comes byte for byte, with its type, and no browser runs it."""
    client = await connect({name: FakeObject(FILE)})
    response = await client.get(f"{ROOT}/{name}")

    assert await response.read() == FILE
    assert response.content_type == content_type
    assert response.content_length == len(FILE)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Last-Modified"] == "Wed, 21 Oct 2015 07:28:00 GMT"
    assert "Content-Encoding" not in response.headers


async def test_an_empty_file_is_a_file(connect: Connect):
    """A file without a byte is answered with none."""
    client = await connect({"empty": FakeObject(b"")})
    response = await client.get(f"{ROOT}/empty")

    assert (response.status, response.content_length, await response.read()) == (200, 0, b"")


@pytest.mark.parametrize(
    ("path", "named"),
    [
        (f"{IMAGE}?center=50,40px", "size"),
        (f"{IMAGE}?size=10px", "center"),
        (f"{IMAGE}?gzip=1", "center"),
        (f"{GZIPPED}&size=10px", "size"),
        (f"{GZIPPED}&extra=1", "extra"),
        (f"{GZIPPED}&gzip=maybe", "gzip"),
        (f"{IMAGE}?center=1,2px&size=-1px", "size"),
        (f"{IMAGE}?center=1,91&size=1", "center"),
        (f"{IMAGE}?download=1", "download"),
        (f"{IMAGE}?=1", "''"),
        (f"{IMAGE}?center=%ff&size=1", "center"),
        (f"{ROOT}/folder/notes.txt?{CUT}", "center"),
        (f"{ROOT}/folder/notes.txt?gzip=0", "gzip"),
        (f"{ROOT}/folder/?{CUT}", "center"),
        (f"{ROOT}/?gzip=1", "gzip"),
        ("/ibe/?x=1", "x"),
        (f"{ROOT}/?sort=colour", "sort"),
        (f"{ROOT}/?limit=0", "limit"),
        (f"{ROOT}/?limit=1001", "limit"),
        (f"{ROOT}/?sort=size&after=a.fits", "after"),
        (f"{ROOT}/?name=a&name=b", "name"),
    ],
)
async def test_a_bad_parameter_is_named(connect: Connect, path: str, named: str):
    """Whatever is malformed, unknown, repeated, missing or out of place is 400 and named."""
    client = await connect(files())
    response = await get_raw(client, path)

    assert response.status == 400
    assert f"Parameter '{named.strip(chr(39))}'" in await response.text()


@pytest.mark.parametrize(
    "path",
    [
        f"{ROOT}/missing.fits",
        f"{ROOT}/missing.fits?{CUT}",
        f"{ROOT}/missing/",
        f"{ROOT}/a.fits/",
        f"{ROOT}/a.fits/b",
        "/ibe/data/y/a.fits",
        "/ibe/y/",
        "/elsewhere",
        "/favicon.ico",
        f"{ROOT}/../x/a.fits",
        f"{ROOT}/%2e%2e/x/a.fits",
        f"{ROOT}/folder%2fnotes.txt",
        f"{ROOT}//a.fits",
        f"{ROOT}/a.fits%00",
        f"{ROOT}/folder%5cnotes.txt",
        f"{ROOT}/%ff",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_is_not_there_is_404(connect: Connect, path: str, method: str):
    """Absent files and folders, and all that could mean another place, are 404."""
    client = await connect(files())
    response = await get_raw(client, path, method)

    assert response.status == 404
    assert "Cache-Control" not in response.headers


@pytest.mark.parametrize("path", [ROOT, f"{ROOT}/folder", "/ibe", "/ibe/data"])
async def test_a_folder_without_its_slash_is_redirected(connect: Connect, path: str):
    """The redirect is relative, so that it also holds behind a proxy that adds a prefix."""
    client = await connect(files())
    response = await get_raw(client, path)
    followed = await client.get(path)

    assert response.status == 301
    assert response.headers["Location"] == f"./{path.rpartition('/')[2]}/"
    assert (followed.status, followed.url.path) == (200, f"{path}/")


async def test_a_redirect_keeps_the_question(connect: Connect):
    """Who asks for a part of a folder without its slash gets that part, or its refusal."""
    client = await connect(files())
    response = await get_raw(client, f"{ROOT}/folder?name=a%20b&sort=size")

    assert response.headers["Location"] == "./folder/?name=a%20b&sort=size"
    assert (await client.get(f"{ROOT}/folder?{CUT}")).status == 400


async def test_folders_are_listed_for_people_and_programs(connect: Connect):
    """A browser gets a page that it may not be led astray by; a program gets JSON."""
    client = await connect(files(), title="The X archive")
    page = await client.get(f"{ROOT}/", headers={"Accept": "text/html,*/*;q=0.8"})
    listing = await client.get(f"{ROOT}/", headers={"Accept": "application/json"})
    above = await client.get("/ibe/data/", headers={"Accept": "application/json"})

    assert page.content_type == "text/html"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert 'href="./a.fits"' in await page.text()
    assert [e["name"] for e in (await listing.json())["entries"]] == ["a.fits", "folder"]
    assert (await above.json())["entries"][0]["title"] == "The X archive"
    assert {r.headers["Vary"] for r in (page, listing, above)} == {"Accept"}


def many_files(n_files: int = 1500) -> dict[str, FakeObject]:
    """Make files of which each is longer than the one before."""
    return {f"{n:04}.fits": FakeObject(bytes(n + 1)) for n in range(n_files)}


async def test_a_program_gets_all_of_a_large_folder(connect: Connect):
    """Without a limit, JSON has every entry, in the order of names."""
    client = await connect(many_files())
    listing = await client.get(f"{ROOT}/", headers=AS_JSON)
    some = await client.get(f"{ROOT}/?name=1*5.f", headers=AS_JSON)
    head = await client.head(f"{ROOT}/", headers=AS_JSON)

    names = [entry["name"] for entry in (await listing.json())["entries"]]
    assert names == sorted(many_files())
    wanted = [name for name in names if "1" in name and "5.f" in name[name.index("1") :]]
    assert [entry["name"] for entry in (await some.json())["entries"]] == wanted
    assert (head.status, head.content_type) == (200, "application/json")


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("", sorted(many_files())),
        ("name", sorted(many_files())),
        ("-name", sorted(many_files(), reverse=True)),
        ("size", sorted(many_files())),
        ("-size", sorted(many_files(), reverse=True)),
        ("-modified", sorted(many_files(), reverse=True)),
    ],
)
async def test_pages_follow_each_other(connect: Connect, sort: str, expected: list[str]):
    """Who follows `next` sees each entry once, in the order that was asked for."""
    client = await connect(many_files())
    url, names = URL(f"/ibe/data/x/?sort={sort}&limit=600"), []
    while True:
        page = await (await client.get(url, headers=AS_JSON)).json()
        names.append([entry["name"] for entry in page["entries"]])
        if page["next"] is None:
            break
        url = url.join(URL(page["next"], encoded=True))

    assert [len(page) for page in names] == [600, 600, 300]
    assert [name for page in names for name in page] == expected


async def test_a_browser_gets_a_page_of_a_large_folder(connect: Connect):
    """A page has as many lines as the settings say, and leads to the next."""
    client = await connect(many_files(), limits={"page_entries": 100})
    first = await (await client.get(f"{ROOT}/")).text()
    second = await (await client.get(f"{ROOT}/?after=0099.fits")).text()

    assert (first.count('.fits?view"'), second.count('.fits?view"')) == (100, 100)
    assert 'href="?after=0099.fits"' in first
    assert 'href="./0100.fits"' in second


async def test_a_listing_that_fails_in_the_middle_is_broken_off(connect: Connect):
    """Half a listing is never taken for a whole one; one that fails at once is an error."""

    class Failing(FakeStore):
        """Fails before it comes to an entry."""

        async def entries(self, key, after=""):
            """List a folder up to that entry."""
            async for entry in super().entries(key, after):
                if entry.name == "1000.fits":
                    raise StorageUnavailable("The storage could not be read; try again later.")
                yield entry

    client = await connect(Failing(many_files()))
    with pytest.raises(ClientPayloadError):
        await (await client.get(f"{ROOT}/", headers=AS_JSON)).read()
    page = await client.get(f"{ROOT}/?after=0999.fits", headers=AS_JSON)

    assert page.status == 502


async def test_the_landing_page_shows_what_is_served(connect: Connect):
    """The root names the collections, and the address under which it was found."""
    client = await connect(files(), title="The X archive")
    page = await (await client.get("/")).text()
    listing = await client.get("/", headers={"Accept": "application/json"})

    assert f"http://{client.host}:{client.port}{ROOT}/" in page
    assert json.loads(await listing.text())["collections"][0]["title"] == "The X archive"


@pytest.mark.parametrize(
    ("told", "scheme"), [("https", "https"), ("http", "http"), ("javascript", "http"), ("", "http")]
)
async def test_the_landing_page_knows_that_a_proxy_speaks_tls(
    connect: Connect, told: str, scheme: str
):
    """The commands on the page have the scheme that a proxy names, if it is one of the web's."""
    client = await connect(files())
    response = await client.get("/", headers={"X-Forwarded-Proto": told})

    assert f"{scheme}://{client.host}:{client.port}{ROOT}/" in await response.text()


async def test_other_pages_may_read_the_answers(connect: Connect):
    """CORS: successes, errors and listings of a public collection, and what a viewer needs."""
    client = await connect(files())
    paths = (PLAIN, GZIPPED, IMAGE, NO_OVERLAP, f"{IMAGE}?x=1", f"{ROOT}/", f"{ROOT}/missing")
    answers = [await client.get(path, headers={"Origin": "https://viewer"}) for path in paths]
    exposed = set(answers[0].headers["Access-Control-Expose-Headers"].split(", "))

    assert {a.headers.get("Access-Control-Allow-Origin") for a in answers} == {"*"}
    assert {"Content-Disposition", "Content-Length", "Content-Range", "ETag"} <= exposed


async def test_a_preflight_is_answered(connect: Connect):
    """A browser may ask what it may ask: GET and HEAD, with any header such as Range."""
    client = await connect(files())
    response = await client.options(IMAGE, headers={"Access-Control-Request-Method": "GET"})

    assert response.status == 204
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "GET" in response.headers["Access-Control-Allow-Methods"]
    assert response.headers["Access-Control-Allow-Headers"] == "*, Authorization"
    assert (await client.options("/elsewhere")).headers["Allow"] == "GET, HEAD, OPTIONS"


async def test_a_collection_may_forbid_other_pages(connect: Connect):
    """With ``cors = false`` no answer lets another origin in."""
    client = await connect(files(), cors=False)
    answers = [await client.get(PLAIN), await client.options(IMAGE), await client.get(f"{ROOT}/")]

    assert not any("Access-Control-Allow-Origin" in answer.headers for answer in answers)


@pytest.mark.parametrize("cache_control", ["public, max-age=60", ""])
async def test_only_successes_are_cached(connect: Connect, cache_control: str):
    """Cache-Control is the collection's, on successes and their 304, and nowhere else."""
    client = await connect(files(), cache_control=cache_control)
    etag = (await client.get(PLAIN)).headers["ETag"]
    good = [
        await client.get(PLAIN),
        await client.get(IMAGE),
        await client.get(PLAIN, headers={"Range": "bytes=0-9"}),
        await client.get(PLAIN, headers={"If-None-Match": etag}),
    ]
    bad = [
        await client.get(NO_OVERLAP),
        await client.get(f"{ROOT}/missing"),
        await client.get(PLAIN, headers={"If-Match": '"x"'}),
        await client.get(PLAIN, headers={"Range": "bytes=99999-"}),
    ]

    assert {answer.headers.get("Cache-Control", "") for answer in good} == {cache_control}
    assert not any("Cache-Control" in answer.headers for answer in bad)


@pytest.mark.parametrize(("setting", "status"), [({}, 500), ({"no_overlap_status": 422}, 422)])
async def test_no_overlap(connect: Connect, setting: dict[str, int], status: int):
    """No pixel in common is 500, as the public page says, or what is configured."""
    client = await connect(files(), server=setting)
    response = await client.get(NO_OVERLAP)

    assert response.status == status
    assert "overlap" in await response.text() or "in common" in await response.text()


async def test_too_large_is_413(connect: Connect):
    """The message gives the size and the limit."""
    client = await connect(files(), max_cutout_bytes=2880)
    response = await client.get(GZIPPED)

    assert response.status == 413
    assert "5760 bytes; at most 2880" in await response.text()


@pytest.mark.parametrize("follow", [False, True])
async def test_links_out_of_a_collection(aiohttp_client, tmp_path: Path, *, follow: bool):
    """A link that leaves the folder is 404 and not listed, unless it may be followed."""
    (tmp_path / "root").mkdir()
    (tmp_path / "secret.fits").write_bytes(FILE)
    (tmp_path / "root/link.fits").symlink_to("../secret.fits")
    collection = CollectionSettings(path=ROOT, url=str(tmp_path / "root"), follow_symlinks=follow)
    server = TestServer(build_app(Settings(collections=(collection,))))
    client = await aiohttp_client(server)
    listing = await client.get(f"{ROOT}/", headers={"Accept": "application/json"})

    assert len((await listing.json())["entries"]) == follow
    for query in ("", f"?{CUT}"):
        assert (await client.get(f"{ROOT}/link.fits{query}")).status == (200 if follow else 404)


async def test_a_file_that_changed_is_seen_as_it_is_now(connect: Connect):
    """Even if its identity is the same, its layout is not that of the former file any more."""
    objects = files()
    client = await connect(objects)
    assert (await client.get(PLAIN)).status == 200
    wider = np.pad(DATA, ((0, 0), (0, 1000)))
    objects["a.fits"].content = image(wider)
    objects["a.fits"].info = replace(objects["a.fits"].info, size=len(image(wider)))
    objects["a.fits"].failure = SourceChanged("The file changed while it was read; ask again.")

    assert (await client.get(PLAIN)).status == 502
    objects["a.fits"].failure = None
    assert np.array_equal(cut_pixels(await (await client.get(PLAIN)).read()), PIXELS)
