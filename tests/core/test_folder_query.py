"""What may be asked of a folder, and that links ask for it again."""

from contextlib import suppress
from fnmatch import fnmatchcase
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import BadParameter
from gateway.core.folder_query import Column, FolderQuery, matches, parse_folder_query
from gateway.core.query import split_query

MAX_LIMIT = 1000
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def parse(text: str) -> FolderQuery:
    """Read a query string."""
    return parse_folder_query(split_query(text), MAX_LIMIT)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", FolderQuery()),
        ("name=&sort=&limit=&after=", FolderQuery()),
        ("sort=name", FolderQuery()),
        ("name=w1*+b", FolderQuery(name="w1* b")),
        ("sort=-name", FolderQuery(descending=True)),
        ("sort=size", FolderQuery(column=Column.SIZE)),
        ("sort=-modified", FolderQuery(column=Column.MODIFIED, descending=True)),
        ("limit=1000", FolderQuery(limit=1000)),
        ("after=folder/", FolderQuery(after=(0, "folder/"))),
        ("after=-1/a&sort=size", FolderQuery(column=Column.SIZE, after=(-1, "a"))),
        ("sort=modified&after=12.5/a/", FolderQuery(column=Column.MODIFIED, after=(12.5, "a/"))),
    ],
)
def test_what_is_accepted(text, query):
    """Parameters in any order; an empty value, as a form sends it, is none."""
    assert parse(text) == query


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("center=1,2px", "center"),
        ("size=1px", "size"),
        ("gzip=1", "gzip"),
        ("page=2", "page"),
        ("Sort=name", "Sort"),
        ("sort=date", "sort"),
        ("sort=--name", "sort"),
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=1001", "limit"),
        ("limit=1e2", "limit"),
        ("limit=%D9%A3", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("sort=size&after=a", "after"),
        ("sort=size&after=nan/a", "after"),
        ("sort=size&after=1e3/a", "after"),
        ("name=a&name=b", "name"),
    ],
)
def test_what_is_refused(text, named):
    """Whatever is unknown, malformed or repeated is refused by its name."""
    with pytest.raises(BadParameter) as caught:
        parse(text)

    assert caught.value.name == named


@given(
    st.builds(
        FolderQuery,
        TEXTS,
        st.sampled_from(Column),
        st.booleans(),
        st.none() | st.integers(1, MAX_LIMIT),
    ),
    st.none()
    | st.tuples(st.floats(0, 4e9) | st.integers(-1, 2**53).map(float), TEXTS.filter(bool)),
)
def test_a_link_asks_for_what_it_was_made_of(query, after):
    """The link of a query leads to that query again, also in the middle of an order."""
    if after and query.column is Column.NAME:
        after = 0.0, after[1]
    query = FolderQuery(query.name, query.column, query.descending, query.limit, after)

    assert parse(query.href.removeprefix("./").removeprefix("?")) == query


@given(st.dictionaries(TEXTS | st.sampled_from(["name", "sort", "limit", "after"]), TEXTS))
def test_any_text_is_read_or_refused(parameters):
    """No text raises anything but `BadParameter`."""
    with suppress(BadParameter):
        assert parse_folder_query(parameters, MAX_LIMIT).limit != 0


@given(st.text("ab*"), st.text("abAB"))
def test_a_filter_is_a_pattern_without_ends(pattern, name):
    """A filter matches what a shell's pattern with a star at both ends matches, in any case."""
    assert matches(name, pattern) == fnmatchcase(name.lower(), f"*{pattern}*")


def test_links_are_short():
    """What is as it would be anyway is not in a link."""
    assert FolderQuery().href == "./"
    assert parse_qsl(FolderQuery(name="a b", limit=3).href[1:]) == [("name", "a b"), ("limit", "3")]


@pytest.mark.parametrize(("text", "wanted"), [("on", True), ("off", False), ("", False)])
def test_thumbnails_are_a_flag(text, wanted):
    """A flag in any spelling; the links of the page keep it."""
    query = parse_folder_query({"thumbnails": text, "sort": "size"}, 10)

    assert query.thumbnails is wanted
    assert ("thumbnails=on" in query.href) is wanted
    assert "thumbnails" not in query.with_thumbnails(wanted=False).href


def test_a_thumbnail_flag_that_is_none_is_refused():
    """As other flags."""
    with pytest.raises(BadParameter, match="neither true"):
        parse_folder_query({"thumbnails": "maybe"}, 10)
