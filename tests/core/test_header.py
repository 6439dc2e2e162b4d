"""Headers: cards are found at their places, and values read as the standard writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.header import Header, pad_to_block, parse_value
from tests import strategies
from tests.fits_files import card


@pytest.mark.parametrize(("size", "padded"), [(0, 0), (1, 2880), (2880, 2880), (2881, 5760)])
def test_units_are_padded_to_blocks(size, padded):
    """A header or data unit is a whole number of blocks of 2880 bytes."""
    assert pad_to_block(size) == padded


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("'RA---TAN'", "RA---TAN"),
        ("   'O''HARA  '  / a name", "O'HARA"),
        ("'  lead  '", "  lead"),
        ("''", ""),
        ("'a / b' / c", "a / b"),
        ("'caf\xe9'", "caf\xe9"),
        ("T".rjust(20), True),
        ("F / no", False),
        ("12".rjust(20), 12),
        ("-7/comment", -7),
        ("+7", 7),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.5E2", 150.0),
        ("1.5D+02", 150.0),
        ("-1d-1", -0.1),
        ("1E999999", float("inf")),
        ("", None),
        (" / undefined", None),
        ("abc", None),
        ("12.5abc", None),
        ("+-5", None),
        ("'no end", None),
        ("0x10", None),
        ("(1, 2)", None),
    ],
)
def test_values_are_read_as_the_standard_writes_them(field, value):
    """Strings, logicals, integers and reals, E or D; what breaks the standard has no value."""
    read = parse_value(card("KEYWORD", field))
    assert read == value
    assert type(read) is type(value)


HEADER = Header(
    b"".join(
        [
            card("NAXIS1", "3"),
            card("COMMENT", "CRPIX1  = 5", indicator=" "),
            card("CRPIX1", "12.5", indicator="="),
            card("CRPIX1", "7."),
            card("CRPIX1", "8."),
            card("EXTNAME", "'SCI'"),
            card("LONG", "1E300"),
            card("FLAG", "T"),
            card("HALF", "1.5"),
        ]
    )
)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("NAXIS1", 3), ("CRPIX1", 7.0), ("NAXIS", None), ("CRPIX", None), ("COMMENT", None)],
)
def test_the_first_card_with_a_keyword_and_a_value_counts(keyword, value):
    """A comment that looks like a card, and a card without a value indicator, are none."""
    assert HEADER.get(keyword) == value


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("NAXIS1", 3), ("CRPIX1", 7), ("LONG", int(1e300)), ("FLAG", -1), ("HALF", -1),
     ("EXTNAME", -1), ("MISSING", -1)],
)  # fmt: skip
def test_an_integer_may_be_written_as_a_real(keyword, value):
    """A whole real is an integer; a logical, a string and a fraction are not."""
    assert HEADER.get_int(keyword, -1) == value


def test_a_string_is_a_string():
    """A number is no string, and an absent card is an empty one."""
    assert HEADER.get_str("EXTNAME") == "SCI"
    assert HEADER.get_str("NAXIS1") == HEADER.get_str("MISSING") == ""


def test_the_cards_come_one_by_one():
    """A header is its cards, and is written with END in whole blocks."""
    assert b"".join(HEADER) == HEADER.cards
    assert [len(each) for each in HEADER] == [80] * 9
    assert HEADER.to_bytes() == (HEADER.cards + b"END").ljust(2880)
    assert len(Header(b" " * 2880).to_bytes()) == 5760
    assert len(Header(b" " * 2800).to_bytes()) == 2880


@given(st.lists(strategies.cards).map(b"".join))
def test_any_bytes_are_a_header(cards):
    """No card makes the reader raise; each keyword has a value of a known type, or none."""
    header = Header(cards)
    for keyword in ("CRPIX1", "NAXIS1", "CTYPE1", "EXTNAME"):
        assert isinstance(header.get(keyword), str | int | float | None)
        assert type(header.get_int(keyword, -1)) is int
        assert isinstance(header.get_str(keyword), str)
