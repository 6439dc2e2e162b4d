"""Read plan: from the blocks that are needed of a file to the reads that fetch them. No I/O.

To read the gap between two rows, and throw it away, saves a request. Whether that pays depends on
the storage: 37 kB are soon there from a store in the same building, and take longer than a request
over a line of 200 Mbit/s. So several plans are made, and the cheapest is taken.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gateway.core.ranges import Block, ByteRange, split_block

_FREE_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Link:
    """What it costs to read from a storage."""

    latency_s: float
    """Time from a request to the first byte of its answer."""
    bytes_per_s: float
    """Bandwidth of all reads together."""
    request_s: float
    """What each request costs beside: the work that it makes, and its price."""
    at_once: int
    """How many reads run at a time."""

    def seconds(self, n_reads: int, n_bytes: int) -> float:
        """Estimate how long reads take, their price included."""
        rounds = max(1.0, n_reads / self.at_once)
        return rounds * self.latency_s + n_reads * self.request_s + n_bytes / self.bytes_per_s


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that a read fetches."""

    rows: Block
    offset: int
    """Where they begin among the packed bytes of all blocks."""


@dataclass(frozen=True, slots=True)
class Read:
    """One request to a storage, and what is kept of its answer."""

    span: ByteRange
    parts: tuple[Part, ...]


def max_span(needed_bytes: int) -> int:
    """Say how long a read may be that fetches so many bytes: no estimate is trusted further."""
    return 2 * needed_bytes + _FREE_BYTES


def plan_reads(blocks: Sequence[Block], link: Link, max_read_bytes: int) -> list[Read]:
    """Plan the reads of blocks so that they cost least.

    Parameters
    ----------
    blocks : sequence of Block
        What is needed, in the order in which it is packed.
    link : Link
        What reads cost.
    max_read_bytes : int
        The longest read; a longer row is cut.

    Returns
    -------
    list of Read
        In the order of the file. They do not overlap where the blocks do not.

    Notes
    -----
    Rows are mostly equally spaced, so that all gaps are read or none; few plans need be compared.
    A gap is worth reading if it takes less time than a request; if there are more requests than
    run at once, also than a request's share of the latency.
    """
    gap_worths_s = (0.0, link.request_s, link.request_s + link.latency_s / link.at_once)
    plans = (
        _merge(_cut(blocks, max_gap, max_read_bytes), max_gap, max_read_bytes)
        for max_gap in (int(seconds * link.bytes_per_s) for seconds in gap_worths_s)
    )
    return min(plans, key=lambda plan: link.seconds(len(plan), sum(r.span.size for r in plan)))


def _cut(blocks: Iterable[Block], max_gap: int, max_read_bytes: int) -> Iterator[Part]:
    """Cut blocks into parts that a read each may fetch."""
    offset = 0
    for block in blocks:
        for rows in _cut_block(block, max_gap, max_read_bytes):
            yield Part(rows, offset)
            offset += rows.size


def _cut_block(block: Block, max_gap: int, max_read_bytes: int) -> Iterator[Block]:
    if block.row_bytes > max_read_bytes:
        yield from split_block(block, max_read_bytes)
        return
    n_reads = -(-block.n_rows // _rows_per_read(block, max_gap, max_read_bytes))
    step = -(-block.n_rows // n_reads)  # equally long reads end together
    for first in range(0, block.n_rows, step):
        yield block.rows(first, min(first + step, block.n_rows))


def _rows_per_read(block: Block, max_gap: int, max_read_bytes: int) -> int:
    gap = block.row_stride - block.row_bytes
    if gap > max_gap:
        return 1
    n_rows = (max_read_bytes + gap) // block.row_stride
    surplus = gap - block.row_bytes  # by which each row takes a read nearer to its `max_span`
    if surplus > 0:
        n_rows = min(n_rows, (_FREE_BYTES + gap) // surplus)
    return max(1, n_rows)


def _merge(parts: Iterable[Part], max_gap: int, max_read_bytes: int) -> list[Read]:
    """Fetch neighbouring parts by one read."""
    reads: list[Read] = []
    span, run, needed_bytes = ByteRange(0, 0), list[Part](), 0
    for part in sorted(parts, key=lambda part: part.rows.start):
        own = part.rows.span
        joined = ByteRange(span.start, max(span.stop, own.stop))
        limit = min(max_read_bytes, max_span(needed_bytes + part.rows.size))
        if run and own.start - span.stop <= max_gap and joined.size <= limit:
            span = joined
        else:
            if run:
                reads.append(Read(span, tuple(run)))
            span, run, needed_bytes = own, [], 0
        run.append(part)
        needed_bytes += part.rows.size
    return [*reads, Read(span, tuple(run))] if run else reads
