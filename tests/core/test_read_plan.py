"""The read plan: each byte once, within the bounds, and as cheap as any fixed way of reading."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.ranges import Block, ByteRange
from gateway.core.read_plan import Link, Read, max_span, plan_reads, plan_requests
from tests import strategies
from tests.core.cutting import read_rows

MIB = 2**20
MANY_BYTES = 64 * MIB
FILE = bytes(range(256)) * 4

# of a mosaic of 9600 columns of float32, 256 columns of 256 rows
CUTOUT = Block(2880, 1024, 38_400, 256)
NEAR = Link(0.02, 500e6, 0.0005, 128)
NARROW = Link(0.02, 25e6, 0.0005, 128)
FAR = Link(0.08, 125e6, 0.0005, 128)

links = st.builds(
    Link,
    latency_s=st.floats(1e-4, 1),
    bytes_per_s=st.floats(1e3, 1e10),
    request_s=st.floats(0, 1),
    at_once=st.integers(1, 300),
)
large_blocks = st.builds(
    lambda start, row_bytes, gap, n_rows: Block(start, row_bytes, row_bytes + gap, n_rows),
    st.integers(0, 10**9),
    st.integers(1, 10**6),
    st.one_of(st.just(0), st.integers(0, 10**7)),
    st.integers(1, 500),
)


@st.composite
def blocks_in_a_file(draw) -> list[Block]:
    """Draw blocks that do not overlap, in the order of the file."""
    found: list[Block] = []
    end = 0
    for block in draw(st.lists(large_blocks, max_size=4)):
        found.append(Block(end + block.start, block.row_bytes, block.row_stride, block.n_rows))
        end = found[-1].span.stop
    return found


def fetch(file: bytes, reads: list[Read], size: int) -> bytes:
    """Do what a store does with a plan, in memory."""
    target = bytearray(size)
    for read in reads:
        data = file[read.span.start : read.span.stop]
        for part in read.parts:
            rows, shift = part.rows, read.span.start
            moved = Block(rows.start - shift, rows.row_bytes, rows.row_stride, rows.n_rows)
            target[part.offset : part.offset + rows.size] = read_rows(data, moved)
    return bytes(target)


def needed_bytes(read: Read) -> int:
    """Count what is kept of a read."""
    return sum(part.rows.size for part in read.parts)


@given(st.lists(strategies.blocks(), max_size=5), links, st.integers(1, 100))
def test_a_plan_fetches_the_blocks(blocks, link, max_read_bytes):
    """The packed bytes come out, also of blocks that overlap or are in any order."""
    reads = plan_reads(blocks, link, max_read_bytes)
    expected = b"".join(read_rows(FILE, block) for block in blocks)

    assert fetch(FILE, reads, len(expected)) == expected
    assert all(read.span.size <= max_read_bytes for read in reads)


@given(blocks_in_a_file(), links, st.integers(64 * 1024, 4 * MIB))
def test_reads_are_sorted_disjoint_and_bounded(blocks, link, max_read_bytes):
    """No byte is read twice, and no read has more than twice the bytes that it is for and 1 MiB."""
    reads = plan_reads(blocks, link, max_read_bytes)

    assert all(before.span.stop <= after.span.start for before, after in pairwise(reads))
    assert all(read.span.size <= max_read_bytes for read in reads)
    assert all(read.span.size <= 2 * needed_bytes(read) + MIB for read in reads)
    assert sum(map(needed_bytes, reads)) == sum(block.size for block in blocks)


@given(large_blocks, links)
def test_no_fixed_way_of_reading_is_cheaper(block, link):
    """A plan costs no more than each row by itself, nor than all gaps read as far as is allowed."""

    def cost(reads: list[ByteRange]) -> float:
        return link.seconds(len(reads), sum(read.size for read in reads))

    rows = [block.rows(n, n + 1).span for n in range(block.n_rows)]
    n_rows = next(
        n
        for n in range(block.n_rows, 0, -1)
        if n == 1 or block.rows(0, n).span.size <= min(MANY_BYTES, max_span(n * block.row_bytes))
    )
    merged = [
        block.rows(n, min(n + n_rows, block.n_rows)).span for n in range(0, block.n_rows, n_rows)
    ]
    planned = [read.span for read in plan_reads([block], link, MANY_BYTES)]

    assert cost(planned) <= cost(rows) * (1 + 1e-9)
    assert cost(planned) <= cost(merged) * (1 + 1e-9)


@pytest.mark.parametrize(
    ("link", "n_reads"),
    [
        pytest.param(NEAR, 9, id="a gap costs less than a request"),
        pytest.param(NARROW, 256, id="a gap of 37 kB costs 1.5 ms"),
        pytest.param(FAR, 9, id="the latency of 256 requests is paid twice"),
        pytest.param(Link(0.02, 25e6, 0.01, 128), 9, id="requests are paid for"),
        pytest.param(Link(0.0002, 500e6, 0.00001, 128), 256, id="requests cost nearly nothing"),
    ],
)
def test_the_way_of_reading_follows_the_link(link, n_reads):
    """The same cutout is read row by row, or in few long reads, whichever is faster."""
    assert len(plan_reads([CUTOUT], link, 2 * MIB)) == n_reads


def test_few_rows_do_not_share_a_latency():
    """As long as all requests run at once, a gap must cost less than the work of one."""
    few = CUTOUT.rows(0, 40)
    link = Link(0.08, 40e6, 0.0005, 128)  # a gap: 0.93 ms; a request: 0.5, or 1.1 with its share

    assert len(plan_reads([few], link, MIB)) == 40
    assert len(plan_reads([CUTOUT], Link(0.08, 40e6, 0.0005, 32), MIB)) < 20


def test_the_reads_of_a_block_are_equally_long():
    """The last of several reads is not a short one: all end at about the same time."""
    reads = plan_reads([CUTOUT], NEAR, 2 * MIB)
    n_rows = [read.parts[0].rows.n_rows for read in reads]

    assert max(n_rows) - min(n_rows) <= len(reads)


def test_neighbouring_blocks_are_fetched_by_one_read():
    """Tiles that lie near each other, planes of a small cube: one request, gaps included."""
    tiles = [Block.run(1000 * n, 1000 * n + 700) for n in range(50)]

    assert [read.span for read in plan_reads(tiles, NEAR, MIB)] == [ByteRange(0, 49_700)]


def test_a_row_that_is_too_long_is_cut():
    """A read has at most as many bytes as one may have."""
    reads = plan_reads([Block(0, 10 * MIB, 11 * MIB, 2)], NEAR, 4 * MIB)

    assert [read.span.size // MIB for read in reads] == [4, 4, 2, 4, 4, 2]


def test_nothing_is_read_for_nothing():
    """No blocks, no reads."""
    assert plan_reads([], NEAR, MIB) == []


@given(st.lists(strategies.blocks(), max_size=5), links, st.integers(1, 1000), st.integers(1, 9))
def test_requests_for_several_ranges_fetch_the_blocks(blocks, link, max_read_bytes, max_ranges):
    """The packed bytes come out; the ranges of a request are sorted, apart, few and short."""
    requests = plan_requests(blocks, link, max_read_bytes, max_ranges)
    expected = b"".join(read_rows(FILE, block) for block in blocks)

    assert (
        fetch(FILE, [read for request in requests for read in request], len(expected)) == expected
    )
    for request in requests:
        assert 1 <= len(request) <= max_ranges
        assert sum(read.span.size for read in request) <= max_read_bytes
        assert all(before.span.stop < after.span.start for before, after in pairwise(request))


@given(blocks_in_a_file(), links, st.integers(1, 200))
def test_no_request_for_several_ranges_costs_more_than_single_ones(blocks, link, max_ranges):
    """Several ranges are asked for where that is cheaper, the bytes around them included."""

    def cost(requests: list[tuple[Read, ...]]) -> float:
        several = sum(len(request) for request in requests if len(request) > 1)
        n_bytes = sum(read.span.size for request in requests for read in request)
        return link.seconds(len(requests), n_bytes + 100 * several)

    single = plan_reads(blocks, link, MANY_BYTES)
    assert cost(plan_requests(blocks, link, MANY_BYTES, max_ranges)) <= cost(
        [(read,) for read in single]
    )


def test_rows_that_lie_far_apart_are_asked_for_together():
    """256 rows are three requests of a hundred ranges at most, and not a byte of a gap."""
    requests = plan_requests([CUTOUT], NARROW, 2 * MIB, 100)

    assert [len(request) for request in requests] == [100, 100, 56]
    assert sum(read.span.size for request in requests for read in request) == CUTOUT.size
    assert len(plan_requests([CUTOUT], NARROW, 2 * MIB, 1)) == 256
