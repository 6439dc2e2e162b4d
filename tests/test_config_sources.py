from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config_sources import Place, find_line


@dataclass(frozen=True)
class Written:
    """A text, and the line of it where a place is written."""

    id: str
    text: str
    place: Place
    line: int


WRITTEN = [
    Written("a key", "a = 1\nb = 2\n", ("b",), 2),
    Written("a key without an end of line", "a = 1\nb = 2", ("b",), 2),
    Written("below comments", "# b = 1\n\n# [b]\nb = 2\n", ("b",), 4),
    Written("quoted keys", "[\"s\"]\n'b' = 1\n", ("s", "b"), 2),
    Written("dotted keys", "s.a = 1\ns.b = 2\n", ("s", "b"), 2),
    Written("a table", "[s]\na = 1\n[t]\na = 1\n", ("t",), 3),
    Written("a key of a later table", "[s]\na = 1\n[t]\na = 1\n", ("t", "a"), 4),
    Written("an inline table", "a = 1\ns = { a = 1, b = 2 }\n", ("s", "b"), 2),
    Written("the second of an array", "[[c]]\na = 1\n[[c]]\na = 1\n", ("c", 1, "a"), 4),
    Written(
        "a table in an array", "[[c]]\n[c.o]\na = 1\n[[c]]\n[c.o]\na = 1\n", ("c", 1, "o", "a"), 6
    ),
    Written("a key that is missing", "[[c]]\na = 1\n[[c]]\nb = 1\n", ("c", 1, "a"), 3),
    Written("an array over lines", "x = 1\nc = [\n  1,\n  2,\n]\ny = 1\n", ("c", 1), 2),
    Written("behind a string over lines", 's = """\nb = 1\n[t]\n"""\nb = 2\n', ("b",), 5),
    Written("in a string only", 's = """\nb = 1\n"""\n', ("s", "b"), 1),
    Written("lines that Python would split", "s = 'a\u2028b'\nb = 1\n", ("b",), 2),
]


@pytest.mark.parametrize("case", WRITTEN, ids=lambda case: case.id)
def test_find_line(case):
    """A place is found on the line where its statement begins, or else where its parent's does."""
    assert find_line(case.text, case.place) == case.line


@given(
    st.lists(
        st.sampled_from(["", "# k3 = 1", "{k} = 1", "{k} = [\n  1,\n]", '{k} = """\nk0 = 1\n"""']),
        min_size=1,
        max_size=12,
    )
)
def test_every_statement_is_found(statements):
    """Each key of any text is found on the line on which it was written."""
    lines: list[str] = []
    written = {}
    for number, statement in enumerate(statements):
        if "{k}" in statement:
            written[f"k{number}"] = len(lines) + 1
        lines += statement.format(k=f"k{number}").split("\n")

    found = {key: find_line("\n".join(lines), (key,)) for key in written}

    assert found == written
