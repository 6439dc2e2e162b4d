"""Edited headers: what moves with the corner, and that all else stays byte for byte."""

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.edit import make_template, move_reference, without_data
from gateway.core.header import CARD, Header
from tests import strategies
from tests.fits_files import card, mandatory

PLANE = mandatory((120, 100))
CORNER = {"nx": 20, "ny": 10, "x_start": 30, "y_start": 7}


def edit(*cards: bytes, **corner: int) -> list[bytes]:
    """Edit the header of a plane of 120 x 100 pixels; give the cards behind the mandatory ones."""
    template = make_template(Header(b"".join([*PLANE, *cards])))
    written = template.render(**(CORNER | corner))
    assert len(written) % 2880 == 0
    found = [written[i : i + CARD] for i in range(0, len(written), CARD)]
    end = found.index(b"END".ljust(CARD))
    assert not b"".join(found[end + 1 :]).strip()
    return found[len(PLANE) : end]


def test_the_axes_get_the_lengths_of_the_cutout():
    """NAXIS1 and NAXIS2 change, a comment stays where it is, other axes and cards stay."""
    cards = [*mandatory((120, 100, 3))]
    cards[3] = card("NAXIS1", f"{120:20} / columns")
    written = make_template(Header(b"".join(cards))).render(**CORNER)
    expected = [*cards[:3], card("NAXIS1", f"{20:20} / columns"), card("NAXIS2", f"{10:20}")]
    assert written == (b"".join([*expected, cards[5]]) + b"END").ljust(2880)


def test_the_first_of_two_lengths_is_the_one_that_counts():
    """A repeated NAXIS1 stays: readers take the first."""
    repeated = card("NAXIS1", f"{99:20}")
    template = make_template(Header(b"".join([*PLANE, repeated])))
    assert template.render(**CORNER).startswith(
        b"".join([*PLANE[:3], card("NAXIS1", f"{20:20}"), card("NAXIS2", f"{10:20}"), repeated])
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            card("CRPIX1", "               60.25 / pix"),
            card("CRPIX1", "               30.25 / pix"),
        ),
        (card("CRPIX2", "               50.75"), card("CRPIX2", "               43.75")),
        (card("CRPIX1A", "                60.0"), card("CRPIX1A", "                30.0")),
        (card("CRPIX2Z", "                   5"), card("CRPIX2Z", "                  -2")),
        (card("CRPIX1", "60.25"), card("CRPIX1", "30.25")),
        (card("CRPIX1", "1/c"), card("CRPIX1", "-29/c")),
        (card("CRPIX1", "6.025E+01 / c"), card("CRPIX1", "    30.25 / c")),
        (card("CRPIX1", "6.025D+01 / c"), card("CRPIX1", "    30.25 / c")),
        (card("CRPIX1", "3E5 / c"), card("CRPIX1", "299970 / c")),
        (card("CRPIX1", ".5"), card("CRPIX1", "-29.5")),
        (card("CRPIX1", "30."), card("CRPIX1", "  0")),
        (card("CRPIX1", "30.000000000000004 /"), card("CRPIX1", f"{'4.0E-15':>18} /")),
        (card("CRPIX1", "3E+30 /"), card("CRPIX1", "3.000000000000000000000000000E+30 /")),
        (card("CRPIX1"), card("CRPIX1", "                 -30")),
        (card("CRPIX1", f"{'':21}/ none"), card("CRPIX1", "                 -30 / none")),
        (card("CRPIX1", "/ none"), card("CRPIX1", "-30/ none")),
        (card("LTV1", "               -10.0"), card("LTV1", "               -40.0")),
        (card("LTV2", "                   0"), card("LTV2", "                  -7")),
    ],
)
def test_numbers_that_are_counted_from_the_corner_move(before, after):
    """CRPIX, alternates too, and LTV go down by the corner; all digits and comments are kept."""
    assert edit(before) == [after]


@pytest.mark.parametrize(
    "untouched",
    [
        card("CRPIX3", "5.0"),
        card("CRPIX1AB", "5.0"),
        card("CRPIX1", "'text'"),
        card("CRPIX1", "T"),
        card("CRPIX1", "NaN"),
        card("CRPIX1", "1E9999999"),
        card("CRPIX1", "1E99999999999999999999"),
        card("CRPIX1", "5.0", indicator="="),
        card("CRPIX1", "5.0", indicator="  "),
        card("LTV3", "5.0"),
        card("LTM1_1", "1.0"),
        card("CRPIX1", "12.5abc"),
        card("A_2_0", "1.0E-5"),
        card("PV1_1", "1.0"),
        card("CD1_3A", "1.0"),
        card("COMMENT", "CRPIX1  = 5.0", indicator="  "),
        card("HISTORY", "CHECKSUM= 'x'", indicator=" "),
        card("HIERARCH", "ESO CRPIX1 = 5.0", indicator=" "),
        card("", ""),
        b"\xff" * CARD,
        b"\n" * CARD,
    ],
)
def test_all_other_cards_stay_byte_for_byte(untouched):
    """What is not counted from the corner, and what is no number, stays, however it is written."""
    assert edit(untouched) == [untouched]


def test_nothing_but_the_lengths_changes_at_the_first_pixel():
    """A cutout of the image's own corner keeps every digit, and gets no card."""
    cards = [card("CRPIX1", "6.025D+01 / c"), card("CTYPE1", "'RA---TAN'"), card("CRPIX2")]
    assert edit(*cards, x_start=0, y_start=0) == cards


def test_a_repeated_reference_moves_wherever_it_stands():
    """Whichever of two cards a reader takes, it is right."""
    cards = [card("CRPIX1", "35"), card("EXPTIME", "5.0"), card("CRPIX1", "36")]
    assert edit(*cards) == [card("CRPIX1", " 5"), cards[1], card("CRPIX1", " 6")]


@pytest.mark.parametrize(
    ("described", "corner", "added"),
    [
        ([card("CTYPE1", "'RA---TAN'")], {}, [("CRPIX1", -30)]),
        ([card("CRVAL2", "1.0")], {}, [("CRPIX2", -7)]),
        ([card("CDELT1B", "1.0")], {}, [("CRPIX1B", -30)]),
        ([card("CD1_1", "1.0"), card("PC2_2C", "1.0")], {}, [("CRPIX1", -30), ("CRPIX2C", -7)]),
        ([card("PC1_2B", "1.0")], {}, [("CRPIX1B", -30), ("CRPIX2B", -7)]),
        ([card("CUNIT1D", "'deg'")], {}, [("CRPIX1D", -30)]),
        ([card("CTYPE1", "''"), card("CTYPE2", "''")], {"y_start": 0}, [("CRPIX1", -30)]),
        ([card("CTYPE1", "''"), card("CTYPE2", "''")], {"x_start": 0, "y_start": 0}, []),
        ([card("CTYPE1", "''"), card("CRPIX1", "'text'")], {}, []),
        ([card("CTYPE3", "'FREQ'"), card("EQUINOX", "2000")], {}, []),
    ],
)
def test_a_missing_reference_is_added_only_where_it_must_move(described, corner, added):
    """CRPIX is 0 by default: a description without it gets one if its axis begins elsewhere."""
    expected = [card(keyword, f"{value:20}") for keyword, value in added]
    assert edit(*described, **corner) == described + expected


def test_checksums_are_dropped():
    """CHECKSUM and DATASUM would be wrong."""
    kept = card("CHECKVER", "'COMPLEMENT'")
    assert edit(card("CHECKSUM", "'abc'"), kept, card("DATASUM", "'12'")) == [kept]


def test_a_plate_counts_pixels_from_its_corner():
    """Of the Digitized Sky Survey's plates, CNPIX goes up by the corner."""
    cards = [card("CNPIX1", "                6000"), card("CNPIX2", "                 100")]
    moved = [card("CNPIX1", "                6030"), card("CNPIX2", "                 107")]
    assert edit(*cards) == moved


@given(
    cards=st.lists(strategies.cards, max_size=20),
    corner=st.integers(0, 10**9),
)
@example(cards=[card("CRPIX1", "1E999999"), card("LTV1", "-9E999999")], corner=10**9)
def test_any_header_can_be_edited(cards, corner):
    """No card makes the editor raise; what does not move stays, and in order."""
    template = make_template(Header(b"".join([*PLANE, *cards])))
    written = template.render(7, 8, corner, corner)
    assert len(written) % 2880 == 0
    found = [written[i : i + CARD] for i in range(0, len(written), CARD)]
    kept = [each for each in cards if each[:8] not in {b"CHECKSUM", b"DATASUM "}]
    for new, old in zip(found[len(PLANE) :], kept, strict=False):
        assert new == old or (
            new[:8] == old[:8] and new[:5] in {b"CRPIX", b"LTV1 ", b"LTV2 ", b"CNPIX"}
        )


@given(
    st.decimals(-(10**6), 10**6, places=9),
    st.integers(0, 10**5),
    st.integers(0, 10**5),
)
def test_a_cutout_of_a_cutout_has_the_reference_of_the_inner_one(value, first, second):
    """Moving twice is moving once, to the last digit."""
    (once,) = edit(card("CRPIX1", f"{value}"), x_start=first + second)
    (outer,) = edit(card("CRPIX1", f"{value}"), x_start=first)
    (inner,) = edit(outer, x_start=second)
    assert Decimal(once[10:].decode()) == Decimal(inner[10:].decode())
    assert Decimal(once[10:].decode()) == value - first - second


def test_a_primary_header_without_its_image_has_no_axes():
    """The lengths of the axes and the checksums go, NAXIS is 0, the rest stays."""
    cards = [*mandatory((120, 100)), card("NAXIS1X", "5"), card("CHECKSUM", "'a'")]
    cards += [card("DATASUM", "'b'"), card("OBJECT", "'M 31'")]
    header = without_data(Header(b"".join(cards)))
    expected = [cards[0], cards[1], card("NAXIS", f"{0:20}"), cards[5], cards[8]]
    assert list(header) == expected


def test_the_reference_of_a_lookup_table_moves_with_the_corner():
    """CRPIX alone goes up by the corner in table steps; the checksums go."""
    cards = [card("CRPIX1", "1.0"), card("CRPIX2", "1"), card("LTV1", "5"), card("CHECKSUM", "'a'")]
    header = move_reference(Header(b"".join([*PLANE, *cards])), Decimal("2.5"), Decimal(-3))
    moved = [card("CRPIX1", "3.5"), card("CRPIX2", "-2"), card("LTV1", "5")]
    assert list(header) == [*PLANE, *moved]


def test_a_card_that_moves_gets_its_value_indicator():
    """A blank that is missing behind the equals sign is not kept missing."""
    header = move_reference(Header(b"CRPIX1  =1.25".ljust(CARD)), Decimal(10), Decimal(0))
    assert header.cards.startswith(b"CRPIX1  = ")


def test_a_missing_reference_of_a_lookup_table_is_added():
    """An axis without CRPIX refers to pixel 0."""
    header = move_reference(Header(b"".join(PLANE)), Decimal("2.5"), Decimal(1))
    added = [card("CRPIX1", f"{'2.5':>20}"), card("CRPIX2", f"{'1':>20}")]
    assert list(header) == [*PLANE, *added]
