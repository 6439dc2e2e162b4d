"""Guesses: where headers probably lie, and never more of them than is sensible."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.guess import guess_headers, headers_of, merge
from gateway.core.layout import FitsLayout, Hdu
from gateway.core.ranges import ByteRange
from tests.core.cutting import scan
from tests.rounds import hdu

BLOCK = 2880
PLENTY = 10**9


def lay_out(*sizes: tuple[int, int]) -> tuple[Hdu, ...]:
    """Make a primary HDU and images, each with so many blocks of header and of data."""
    images = (hdu((BLOCK, data), 8, header) for header, data in sizes)
    return scan(hdu((), 8, 1, xtension="") + b"".join(images)).hdus


def is_guessed(guesses: list[ByteRange], place: ByteRange) -> bool:
    """Tell whether a header would be read whole."""
    return any(each.start <= place.start and place.stop <= each.stop for each in guesses)


def test_images_of_one_size_are_found_whatever_their_headers_lengths():
    """After one image, the headers of three more behind the next lie in what is guessed."""
    hdus = lay_out((8, 400), (10, 400), (3, 400), (6, 400), (10, 7))
    guesses = guess_headers(hdus[:2], PLENTY)

    assert all(is_guessed(guesses, hdus[n].header_range) for n in (3, 4, 5))
    assert sum(guess.size for guess in guesses[:3]) < 90 * BLOCK


@pytest.mark.parametrize(
    ("period", "seen", "found"),
    [
        ([(2, 100)], 2, 2),
        ([(2, 100)], 6, 10),
        ([(3, 100), (3, 120), (2, 50)], 6, 6),
        ([(3, 100), (3, 120), (2, 50)], 9, 12),
    ],
)
def test_a_series_goes_on_as_it_did(period: list[tuple[int, int]], seen: int, found: int):
    """What repeated itself is expected to do so twice as often again."""
    hdus = lay_out(*(period * 40)[: seen + found + 1])
    guesses = guess_headers(hdus[: seen + 1], PLENTY)
    expected = [hdu.header_range for hdu in hdus[seen + 2 :]]

    assert [place for place in expected if is_guessed(guesses, place)] == expected


def test_the_end_of_the_file_is_looked_at():
    """Small tables often lie at the end, behind something large."""
    (primary, image) = lay_out((8, 400))

    assert guess_headers((primary, image), PLENTY)[-1] == ByteRange(PLENTY - 2**15, PLENTY)
    assert guess_headers((primary, image), image.data_range.stop) == []
    assert guess_headers((), PLENTY) == []


def test_the_headers_of_a_sibling_are_all_but_the_first():
    """The primary header is read anyway; neighbours are read as one."""
    hdus = lay_out((8, 400), (10, 3), (3, 400))

    assert headers_of(FitsLayout(hdus), PLENTY) == [
        hdus[1].header_range,
        ByteRange(hdus[2].header_range.start, hdus[3].header_range.stop),
    ]


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(0, 200)), max_size=12),
    st.integers(0, 3000 * BLOCK),
)
def test_guesses_are_ordered_and_within_the_file(sizes: list[tuple[int, int]], size: int):
    """Whatever the file is, guesses follow each other, behind the next header's place."""
    hdus = lay_out(*sizes)
    guesses = guess_headers(hdus, size)
    stops = [hdus[-1].data_range.stop, *(guess.stop for guess in guesses)]

    assert all(guess.start < guess.stop <= size for guess in guesses)
    assert all(g.start >= stop for g, stop in zip(guesses, stops, strict=False))
    assert len(guesses) <= 64


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**5)), max_size=20),
    st.integers(0, 10**6),
)
def test_merged_ranges_hold_the_same_bytes(pairs: list[tuple[int, int]], size: int):
    """Every byte within the file that was in a range still is."""
    ranges = [ByteRange(start, start + length) for start, length in pairs]
    merged = merge(ranges, size)
    points = {p for r in ranges for p in (r.start, r.stop - 1) if p < size}

    assert all(any(m.start <= p < m.stop for m in merged) for p in points)
    assert all(m.stop <= size for m in merged)


class Watched(list[Hdu]):
    """HDUs that count how many of them are looked at."""

    looked_at = 0

    def __getitem__(self, index):
        """Count."""
        found = super().__getitem__(index)
        self.looked_at += len(found) if isinstance(index, slice) else 1
        return found

    def __iter__(self):
        """Count all: who iterates looks at each."""
        self.looked_at += len(self)
        return super().__iter__()


@pytest.mark.parametrize("period", [1, 3, 8])
def test_a_guess_costs_no_more_in_a_long_file(period: int):
    """Behind hundreds of HDUs the same is guessed as behind dozens, without a look at all.

    Thousands of HDUs took the square of their number: seconds, for a hostile file.
    """
    hdus = lay_out(*[(2, 100 + n % period) for n in range(50 * period)])
    watched = Watched(hdus)

    assert guess_headers(watched, PLENTY) == guess_headers(hdus[-50:], PLENTY)
    assert watched.looked_at < 100
