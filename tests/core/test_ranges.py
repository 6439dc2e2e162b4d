"""Byte ranges and blocks: each byte once and in order."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.ranges import Block, ByteRange, join_ranges, split_block
from tests import strategies
from tests.core.cutting import read_rows

FILE = bytes(range(256)) * 2


def test_the_size_of_a_range_is_its_length():
    """The interval is half-open."""
    assert ByteRange(3, 10).size == 7


def test_a_run_is_a_block_of_one_row():
    """Consecutive bytes are one row without gaps."""
    run = Block.run(5, 12)
    assert (run.size, run.span, run.n_rows) == (7, ByteRange(5, 12), 1)


def test_a_block_counts_its_rows_and_spans_their_gaps():
    """The size is that of the rows, the span that of what lies between them too."""
    block = Block(start=100, row_bytes=4, row_stride=10, n_rows=3)
    assert (block.size, block.span) == (12, ByteRange(100, 124))
    assert block.rows(1, 3) == Block(110, 4, 10, 2)


@given(strategies.blocks(), st.integers(1, 100))
def test_a_block_is_split_into_parts_that_fit(block, max_bytes):
    """The parts hold the block's bytes, in order, none more than the limit."""
    parts = list(split_block(block, max_bytes))
    assert all(0 < part.size <= max_bytes for part in parts)
    assert b"".join(read_rows(FILE, part) for part in parts) == read_rows(FILE, block)


def test_rows_stay_whole_where_they_fit():
    """Ten bytes hold two rows of four."""
    parts = list(split_block(Block(0, 4, 6, 5), 10))
    assert [part.n_rows for part in parts] == [2, 2, 1]


_ranges = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=12).map(
    lambda pairs: [ByteRange(start, start + size) for start, size in pairs]
)


@given(_ranges)
def test_joined_ranges_hold_the_same_bytes(ranges):
    """Each byte lies in one of the joined ranges, between which there are gaps, and is found."""
    joined, offsets = join_ranges(ranges)
    held = [byte for each in joined for byte in range(each.start, each.stop)]

    assert held == sorted({byte for each in ranges for byte in range(each.start, each.stop)})
    assert all(before.stop < after.start for before, after in pairwise(joined))
    for each, offset in zip(ranges, offsets, strict=True):
        assert held[offset : offset + each.size] == list(range(each.start, each.stop))
