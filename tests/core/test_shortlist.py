"""The shortlist: the first items, and no more than twice as many held."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.shortlist import Shortlist


@given(st.lists(st.integers()), st.integers(1, 10), st.booleans(), st.booleans())
def test_it_has_the_first_items_and_holds_few(items, length, reverse, negated):
    """It gives what sorting all would give, and never holds twice as many as it keeps."""
    key = int.__neg__ if negated else None
    shortlist = Shortlist(length, key, reverse=reverse)
    for item in items:
        shortlist.add(item)
        assert len(shortlist._items) < 2 * length

    assert shortlist.items() == sorted(items, key=key, reverse=reverse)[:length]
