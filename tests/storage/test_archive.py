"""From the path of a URL to a collection and a key: the longest prefix, and no way out."""

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import CollectionSettings, ConfigurationError, LimitSettings, Settings
from gateway.core.box import BoxRule
from gateway.core.errors import NotFound
from gateway.storage.archive import Archive, Collection, open_archive, open_store, parse_path
from gateway.storage.local import LocalStore
from gateway.storage.remote import RemoteStore
from tests.stores import FakeStore

NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\\\0"), min_size=1, max_size=20
).filter(lambda name: name not in {".", ".."})


def make_archive(**titles: str) -> Archive:
    """Make an archive of empty collections; underscores in the names stand for slashes."""
    collections = {}
    for name, title in titles.items():
        path = f"/ibe/{name.replace('_', '/')}"
        settings = CollectionSettings(path=path, url="memory://x", title=title)
        collections[path] = Collection(settings, FakeStore({}), BoxRule.EXACT)
    return Archive(collections)


ARCHIVE = make_archive(data="All", data_wise="WISE", data_wise_neo="", other_a_b="Deep")


@pytest.mark.parametrize(
    ("path", "collection", "key"),
    [
        ("/ibe/data/x.fits", "/ibe/data", "x.fits"),
        ("/ibe/data", "/ibe/data", ""),
        ("/ibe/data/wise", "/ibe/data/wise", ""),
        ("/ibe/data/wise/a/b.fits", "/ibe/data/wise", "a/b.fits"),
        ("/ibe/data/wise/neo/b.fits", "/ibe/data/wise/neo", "b.fits"),
        ("/ibe/data/wise2/b.fits", "/ibe/data", "wise2/b.fits"),
        ("/ibe/other/a/b/c", "/ibe/other/a/b", "c"),
    ],
)
def test_the_longest_prefix_wins(path: str, collection: str, key: str):
    """Of two collections that hold a path, the more special one is asked; names match whole."""
    found, found_key = ARCHIVE.resolve(parse_path(path))

    assert (found.path, found_key) == (collection, key)


@pytest.mark.parametrize("path", ["/", "/ibe", "/ibe/", "/ibe/other/a/x", "/data/x", "/x"])
def test_there_is_no_storage_outside_of_collections(path: str):
    """What no collection holds is not found."""
    with pytest.raises(NotFound):
        ARCHIVE.resolve(parse_path(path))


def test_prefixes_of_collections_are_folders():
    """A prefix names the folders that lead to collections; titles stand at the collections."""
    assert ARCHIVE.below(("ibe",)) == {"data": "All", "other": ""}
    assert ARCHIVE.below(("ibe", "data")) == {"wise": "WISE"}
    assert ARCHIVE.below(("ibe", "other")) == {"a": ""}
    assert ARCHIVE.below(("ibe", "other", "a", "b")) == {}


@pytest.mark.parametrize(
    "path",
    [
        "/ibe/data/../secret",
        "/ibe/data/./x",
        "/ibe/data/..",
        "/ibe/data/%2e%2e/secret",
        "/ibe/data/%2E./secret",
        "/ibe/data/%2e/x",
        "/ibe/data/..%2fsecret",
        "/ibe/data/a%2Fb",
        "/ibe/data/%2f",
        "/ibe/data/a%00.fits",
        "/ibe/data/a\0.fits",
        "/ibe/data/a%5Cb",
        "/ibe/data/..%5c..%5csecret",
        "/ibe/data/a\\b",
        "/ibe/data//etc/passwd",
        "/ibe//data/x",
        "//ibe/data/x",
        "/ibe/data/x//",
        "/ibe/data/%ff",
        "/ibe/data/%c0%ae%c0%ae/secret",
    ],
)
def test_what_could_mean_another_place_is_not_found(path: str):
    """Dots, slashes, backslashes, NUL, empty segments and bad UTF-8 lead nowhere."""
    with pytest.raises(NotFound):
        parse_path(path)


@given(st.lists(NAMES, min_size=1, max_size=5))
def test_every_other_name_is_itself(names: list[str]):
    """Any name that a file may have comes back as it is, decoded once."""
    assert parse_path("/" + "/".join(quote(name, safe="") for name in names)) == tuple(names)


@given(st.text(max_size=60))
def test_any_text_is_a_path_or_not_found(text: str):
    """No path makes another error, and no segment of a good one leads upwards."""
    try:
        segments = parse_path(f"/{text}")
    except NotFound:
        return

    assert not {"..", "."} & set(segments)
    assert not any(set("/\0\\") & set(segment) for segment in segments)


def test_stores_are_made_from_urls(tmp_path: Path):
    """A folder and a file:// URL are local; all other schemes are remote."""
    stores = [
        open_store(CollectionSettings(path="/ibe/x", url=url), LimitSettings())
        for url in (str(tmp_path), f"file://{tmp_path}", "memory://x", "http://127.0.0.1:9/x")
    ]

    assert [type(each) for each in stores] == [LocalStore, LocalStore, RemoteStore, RemoteStore]


def test_a_url_of_no_known_scheme_is_refused():
    """A scheme that no filesystem speaks is found out at the start."""
    with pytest.raises(ConfigurationError, match="nosuchscheme"):
        open_store(CollectionSettings(path="/ibe/x", url="nosuchscheme://x"), LimitSettings())


async def test_the_archive_of_settings(tmp_path: Path):
    """Every collection of the settings is there, with its rule; closing closes all of them."""
    archive = open_archive(
        Settings(
            collections=(
                CollectionSettings(path="/ibe/data/b", url=str(tmp_path), box="ibe"),
                CollectionSettings(path="/ibe/data/a", url="memory://x"),
            )
        )
    )
    await archive.close()
    await ARCHIVE.close()

    assert {path: each.rule for path, each in archive.collections.items()} == {
        "/ibe/data/a": BoxRule.EXACT,
        "/ibe/data/b": BoxRule.IBE,
    }
    assert all(each.store.closed for each in ARCHIVE.collections.values())
