"""Pages of folders: their order, that they are complete, and what they cost."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.folder_query import Column, FolderQuery
from gateway.listing import Page, read_page
from gateway.storage.store import Entry

ENTRIES = st.lists(
    st.builds(
        Entry,
        name=st.text("ab1", min_size=1, max_size=3),
        is_folder=st.booleans(),
        size=st.none() | st.integers(0, 3),
        modified=st.none() | st.floats(0, 3),
    ),
    unique_by=lambda entry: entry.mark,
)


class Folder:
    """Entries in the order of a store; notes how many were given."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = sorted(entries, key=lambda entry: entry.mark)
        self.n_given = 0

    async def list(self, after: str = ""):
        """Give the entries behind a mark."""
        for entry in self.entries:
            if entry.mark > after:
                self.n_given += 1
                yield entry

    async def read(self, query: FolderQuery, length: int) -> Page:
        """Read a page as the service does."""
        return await read_page(self.list(query.mark), query, length)


@given(
    ENTRIES, st.sampled_from(Column), st.booleans(), st.integers(1, 5), st.text("ab", max_size=2)
)
async def test_all_pages_are_the_sorted_folder(entries, column, descending, length, name):
    """Page after page, each entry that matches comes once, in order, whatever is equal."""
    query: FolderQuery | None = FolderQuery(name, column, descending)
    pages = []
    while query is not None:
        page = await Folder(entries).read(query, length)
        pages.append(page)
        query = page.next

    def value(entry: Entry) -> float:
        found = {Column.SIZE: entry.size, Column.MODIFIED: entry.modified}.get(column, 0)
        return -1 if found is None else found

    wanted = [entry for entry in entries if name in entry.name]
    wanted.sort(key=lambda entry: (value(entry), entry.mark), reverse=descending)
    assert [entry for page in pages for entry in page.entries] == wanted
    assert all(len(page.entries) == length for page in pages[:-1])
    assert pages[0].is_whole == (len(pages) == 1)


@pytest.mark.parametrize("after", [None, (0.0, "0400")])
async def test_a_page_by_name_ends_with_it(after):
    """In the order of names, no more is listed than the page, and one that tells of the next."""
    folder = Folder([Entry(f"{n:04}", False, 1, None) for n in range(1000)])  # noqa: FBT003
    page = await folder.read(FolderQuery(after=after), 100)

    assert folder.n_given == 101
    assert page.next == replace(page.query, after=(0.0, page.entries[-1].mark))
