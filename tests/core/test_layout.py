"""Layouts: where HDUs lie, of good files, of strange ones and of hostile ones."""

import io
import warnings
from contextlib import suppress
from pathlib import Path

import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import CorruptFits, UnsupportedFits
from gateway.core.header import BLOCK, CARD
from gateway.core.layout import FitsLayout, LayoutScanner
from gateway.core.ranges import Block, ByteRange
from tests import strategies
from tests.core.cutting import scan
from tests.fits_files import (
    ascii_table,
    card,
    extension,
    header,
    image,
    mandatory,
    mef,
    pixels,
    table,
)

PRIMARY = header(*mandatory(()))


def test_the_hdus_of_a_file_are_found():
    """Kind, name, shape and place of each HDU are what astropy says."""
    last = extension(pixels((50,)), "SPECTRUM")
    file = mef(extension(pixels((3, 20, 30)), "SCI"), table(), ascii_table(), last)
    layout = scan(file)
    with fits.open(io.BytesIO(file)) as expected:
        for hdu, other in zip(layout.hdus, expected, strict=True):
            info = other.fileinfo()
            assert hdu.name == other.name.replace("PRIMARY", "")
            assert hdu.header_range == ByteRange(info["hdrLoc"], info["datLoc"])
            assert hdu.data_range.start == info["datLoc"]
            assert 0 <= info["datSpan"] - hdu.data_range.size < BLOCK
            assert hdu.shape == tuple(other.shape[::-1] if other.is_image else hdu.shape)
    kinds = ["PRIMARY", "IMAGE", "BINTABLE", "TABLE", "IMAGE"]
    assert [hdu.xtension for hdu in layout.hdus] == kinds
    assert [hdu.is_image for hdu in layout.hdus] == [False, True, False, False, True]
    assert [hdu.is_table for hdu in layout.hdus] == [False, False, True, True, False]
    assert layout.hdus[1].bitpix == -32
    assert layout.hdus[1].data_block == Block.run(
        layout.hdus[1].data_range.start, layout.hdus[1].data_range.stop
    )


def test_the_layouts_of_real_files_are_astropys(material: Path):
    """Every HDU of every real, plain file lies where astropy finds it."""
    for path in sorted((material / "data" / "fits").glob("*.f*ts*")):
        file = path.read_bytes()
        if path.name == "verify_bad_simple.fits" or not file.startswith(b"SIMPLE"):
            continue
        found = [hdu.header_range for hdu in scan(file).hdus]
        with (
            warnings.catch_warnings(action="ignore"),  # of what else is wrong in real headers
            fits.open(path, disable_image_compression=True) as expected,
        ):
            places = [other.fileinfo() for other in expected]
        assert found == [ByteRange(p["hdrLoc"], p["datLoc"]) for p in places], path.name


@given(
    st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 60_000)), min_size=1, max_size=4),
    st.sampled_from([b"", b"\0" * 700, b"garbage", b" " * BLOCK, b"XTENSION"[:4]]),
)
@settings(max_examples=40)
def test_headers_and_data_of_any_length_are_found(lengths, trailer):
    """However headers and data fall across reads, the layout is what was written."""
    file, starts = b"", []
    for i, (n_cards, n_bytes) in enumerate(lengths):
        starts.append(len(file))
        cards = mandatory((n_bytes,), xtension="IMAGE" if i else "")
        file += header(*cards, *[card("HISTORY", "long", indicator=" ")] * n_cards)
        file += b"\1" * n_bytes + bytes(-n_bytes % BLOCK)
    if trailer == b"XTEN":
        with pytest.raises(CorruptFits, match="cut off"):
            scan(file + trailer)
        return
    hdus = scan(file + trailer).hdus
    assert [hdu.header_range.start for hdu in hdus] == starts
    assert [hdu.data_range.size for hdu in hdus] == [n_bytes for _, n_bytes in lengths]


@given(st.integers(0, 40_000))
def test_a_file_that_ends_early_has_the_hdus_before_its_end(length):
    """Whatever is cut off, the headers that are there are found, or the damage is told."""
    try:
        hdus = scan(TWO_IMAGES[:length]).hdus
    except CorruptFits:
        starts = [hdu.header_range for hdu in scan(TWO_IMAGES).hdus]
        assert any(place.start <= length < place.stop for place in starts)
    else:
        assert hdus == scan(TWO_IMAGES).hdus[: len(hdus)]


TWO_IMAGES = mef(extension(pixels((40, 50)), "A"), extension(pixels((40, 50)), "B"))


@given(
    st.one_of(
        st.binary(max_size=300),
        st.lists(strategies.cards, max_size=40).map(lambda cards: header(*mandatory(()), *cards)),
        st.lists(strategies.cards, max_size=40).map(lambda cards: PRIMARY + header(*cards)),
        st.lists(strategies.cards, max_size=40).map(
            lambda cards: PRIMARY + header(*mandatory((3,), xtension="IMAGE")[:2], *cards)
        ),
    )
)
def test_any_bytes_give_a_layout_or_a_refusal(file):
    """Nothing but our two errors comes out of the scanner."""
    with suppress(CorruptFits, UnsupportedFits):
        assert isinstance(scan(file), FitsLayout)


def primary(*cards: bytes, naxis: str = "0", bitpix: str = "8") -> bytes:
    """Write a primary header with numbers as wrong as they are asked for."""
    first = [card("SIMPLE", "T"), card("BITPIX", bitpix), card("NAXIS", naxis)]
    return header(*first, *cards)


CORRUPT = {
    "empty": (b"", "does not begin with SIMPLE"),
    "text": (b"<html>" * 1000, "does not begin with SIMPLE"),
    "a short file": (b"SIMPLE  = ", "does not begin with SIMPLE"),
    "an extension first": (header(*mandatory((), xtension="IMAGE")), "does not begin with SIMPLE"),
    "no END": (header(*mandatory(()), end=b""), "cut off"),
    "misaligned END": (header(*mandatory(()), end=b" END"), "cut off"),
    "END in a comment": (header(*mandatory(()), card("COMMENT", "END", indicator=" "), end=b""),
                         "cut off"),
    "ENDED": (header(*mandatory(()), end=b"ENDED"), "cut off"),
    "no BITPIX": (header(card("SIMPLE", "T"), card("NAXIS", "0")), "BITPIX"),
    "odd BITPIX": (primary(bitpix="12"), "BITPIX"),
    "text BITPIX": (primary(bitpix="'8'"), "BITPIX"),
    "no NAXIS": (header(card("SIMPLE", "T"), card("BITPIX", "8")), "NAXIS"),
    "negative NAXIS": (primary(naxis="-1"), "NAXIS"),
    "NAXIS of 1000": (primary(naxis="1000"), "NAXIS"),
    "endless NAXIS": (primary(naxis="9" * 60), "NAXIS"),
    "infinite NAXIS": (primary(naxis="1E999999"), "NAXIS"),
    "logical NAXIS": (primary(naxis="T"), "NAXIS"),
    "NAXIS without a blank": (header(card("SIMPLE", "T"), card("BITPIX", "8"),
                                     card("NAXIS", "10", indicator="=")), "NAXIS"),
    "999 axes without lengths": (primary(naxis="999"), "999 axes"),
    "a missing axis": (primary(card("NAXIS1", "5"), naxis="2"), "2 axes"),
    "a negative axis": (primary(card("NAXIS1", "-5"), naxis="1"), "1 axes"),
    "a fractional axis": (primary(card("NAXIS1", "2.5"), naxis="1"), "1 axes"),
    "an absurd axis": (primary(card("NAXIS1", "9" * 50), naxis="1"), "more bytes"),
    "absurd axes": (primary(*(card(f"NAXIS{i}", "1E300") for i in range(1, 1000)), naxis="999"),
                    "more bytes"),
    "negative PCOUNT": (PRIMARY + header(*mandatory((5,), xtension="IMAGE")[:-2],
                                         card("PCOUNT", "-8"), card("GCOUNT", "1")), "PCOUNT"),
    "negative GCOUNT": (PRIMARY + header(*mandatory((5,), xtension="IMAGE")[:-2],
                                         card("PCOUNT", "0"), card("GCOUNT", "-1")), "GCOUNT"),
    "absurd GCOUNT": (PRIMARY + header(*mandatory((5,), xtension="IMAGE")[:-2],
                                       card("PCOUNT", "0"), card("GCOUNT", "9" * 30)),
                      "more bytes"),
    "a damaged extension": (PRIMARY + header(card("XTENSION", "'IMAGE'")),
                            "HDU 1 has no valid BITPIX"),
}  # fmt: skip


@pytest.mark.parametrize(("file", "problem"), CORRUPT.values(), ids=CORRUPT)
def test_damage_is_told(file, problem):
    """A header that breaks the standard where it matters is refused in words."""
    with pytest.raises(CorruptFits, match=problem):
        scan(file)


@pytest.mark.parametrize(
    ("file", "limits"),
    [
        (header(*mandatory(()), end=b"").ljust(200_000), {"max_header_bytes": 100_000}),
        (TWO_IMAGES, {"max_hdus": 2}),
        (TWO_IMAGES, {"max_layout_bytes": 2 * 9 * CARD}),
    ],
    ids=["a header without end", "HDUs", "headers"],
)
def test_limits_bound_what_a_file_may_demand(file, limits):
    """A file is refused beyond the limits."""
    with pytest.raises(UnsupportedFits):
        scan(file, **limits)


def test_a_header_without_end_is_not_read_far_beyond_its_limit():
    """The reads double, and stop once the limit is passed."""
    scanner = LayoutScanner(
        read_bytes=2**15, max_header_bytes=10**6, max_layout_bytes=10**7, max_hdus=10
    )
    file = header(*mandatory(()), end=b"").ljust(10**7)
    sizes = []

    def feed_all() -> None:
        while (wanted := scanner.wanted) is not None:
            sizes.append(wanted.size)
            scanner.feed(file[wanted.start : wanted.stop])

    with pytest.raises(UnsupportedFits, match="no END"):
        feed_all()
    assert sum(sizes) <= 4 * 10**6


def test_data_are_jumped_over():
    """A large image is not read to find what follows it."""
    file = image(pixels((1000, 1000), "u1")) + header(*mandatory((), xtension="IMAGE"))
    scanner = LayoutScanner(
        read_bytes=2**15, max_header_bytes=10**6, max_layout_bytes=10**6, max_hdus=10
    )
    total = 0
    while (wanted := scanner.wanted) is not None:
        total += wanted.size
        scanner.feed(memoryview(file)[wanted.start : wanted.stop])
    assert len(scanner.layout.hdus) == 2
    assert total < 10**5


def test_nothing_is_fed_when_nothing_is_wanted():
    """Feeding a scanner that is done is a mistake of the program."""
    scanner = LayoutScanner(
        read_bytes=2**15, max_header_bytes=10**6, max_layout_bytes=10**6, max_hdus=10
    )
    scanner.feed(PRIMARY)
    assert scanner.wanted is None
    with pytest.raises(ValueError, match="nothing is wanted"):
        scanner.feed(PRIMARY)


def test_random_groups_are_measured_and_are_no_image():
    """NAXIS1 = 0 with GROUPS = T counts the other axes, PCOUNT and GCOUNT."""
    groups = [card("GROUPS", "T"), card("PCOUNT", "5"), card("GCOUNT", "7")]
    axes = [card("NAXIS1", "0"), card("NAXIS2", "3"), card("NAXIS3", "4")]
    (hdu,) = scan(primary(*axes, *groups, naxis="3", bitpix="-32").ljust(10**5)).hdus
    assert hdu.data_range.size == 4 * 7 * (5 + 12)
    assert not hdu.is_image


def test_counts_are_reserved_for_extensions():
    """A primary image's PCOUNT and GCOUNT say nothing of its length; an extension's do."""
    counts = [card("PCOUNT", "100"), card("GCOUNT", "2")]
    (hdu,) = scan(primary(card("NAXIS1", "6"), *counts, naxis="1").ljust(10**4)).hdus
    assert hdu.data_range.size == 6
    cards = mandatory((6,), xtension="IMAGE")[:-2]
    assert scan(PRIMARY + header(*cards, *counts)).hdus[1].data_range.size == 2 * 106


@pytest.mark.parametrize(("pcount", "gcount"), [("0", "0"), ("0", "2"), ("3", "1")])
def test_an_image_is_its_pixels_alone(pcount, gcount):
    """An extension that announces more than its array, or less, is no image that can be cut."""
    cards = mandatory((5, 4), xtension="IMAGE")[:-2]
    file = PRIMARY + header(*cards, card("PCOUNT", pcount), card("GCOUNT", gcount))

    assert not scan(file).hdus[1].is_image


def test_an_image_with_an_axis_of_length_zero_is_none():
    """An axis may be empty, however long the others are."""
    axes = [card("NAXIS1", "777777701"), card("NAXIS2", "0")]
    (hdu,) = scan(primary(*axes, naxis="2")).hdus
    assert hdu.data_range.size == 0
    assert not hdu.is_image


def test_bytes_that_are_no_text_do_not_matter():
    """A header of other bytes than ASCII is read where it can be."""
    odd = card("OBJECT", "'\xe9\xff\x00\n'")
    (hdu,) = scan(primary(odd, card("NAXIS1", "5"), naxis="1").ljust(10**4)).hdus
    assert hdu.shape == (5,)
    assert odd in hdu.header.cards
