"""Byte ranges and blocks: each byte once, in order, within the limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.ranges import Block, ByteRange, plan_reads, split_block
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


@given(strategies.blocks(), st.integers(0, 12), st.integers(1, 100))
def test_planned_reads_give_each_byte_once(block, max_gap_bytes, max_read_bytes):
    """The reads hold the block's bytes, in order, none spans more than the limit."""
    reads = list(plan_reads(block, max_gap_bytes=max_gap_bytes, max_read_bytes=max_read_bytes))
    assert b"".join(read_rows(FILE, part) for part in reads) == read_rows(FILE, block)
    assert all(part.span.size <= max_read_bytes for part in reads)


@pytest.mark.parametrize(
    ("max_gap_bytes", "max_read_bytes", "rows"),
    [
        (5, 1000, [1, 1, 1, 1]),  # the gap is too wide
        (6, 1000, [4]),
        (6, 33, [3, 1]),  # two gaps and three rows are 24 bytes, four rows 34
        (6, 4, [1, 1, 1, 1]),
        (6, 3, [1] * 8),  # each row in two runs
    ],
)
def test_a_gap_is_read_where_it_is_cheaper_than_a_round_trip(max_gap_bytes, max_read_bytes, rows):
    """Rows are merged if their gap is small, as far as one read may reach."""
    block = Block(start=0, row_bytes=4, row_stride=10, n_rows=4)
    reads = plan_reads(block, max_gap_bytes=max_gap_bytes, max_read_bytes=max_read_bytes)
    assert [part.n_rows for part in reads] == rows
