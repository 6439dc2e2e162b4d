"""Read plan: from the blocks that are needed of a file to the reads that fetch them. No I/O.

To read the gap between two rows, and throw it away, saves a request. Whether that pays depends on
the storage: 37 kB are soon there from a store in the same building, and take longer than a request
over a line of 200 Mbit/s. So several plans are made, and the cheapest is taken.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gateway.core.ranges import Block, ByteRange, split_block

_FREE_BYTES = 2**20
_PART_BYTES = 100  # around each range in an answer to several


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
    """One range of a file, and what is kept of it."""

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


def plan_requests(
    blocks: Sequence[Block], link: Link, max_read_bytes: int, max_ranges: int
) -> list[tuple[Read, ...]]:
    """Plan the requests for blocks, each of which may ask for several ranges.

    Parameters
    ----------
    blocks, link, max_read_bytes
        As for `plan_reads`; `max_read_bytes` bounds all ranges of a request together.
    max_ranges : int
        How many ranges a request may ask for.

    Returns
    -------
    list of tuple of Read
        The reads that each request does. Those of one request are sorted and lie apart.
    """
    single: list[tuple[Read, ...]] = [(read,) for read in plan_reads(blocks, link, max_read_bytes)]
    if max_ranges == 1 or len(single) < 2:  # noqa: PLR2004
        return single
    narrow = _merge(_cut(blocks, _PART_BYTES, max_read_bytes), _PART_BYTES, max_read_bytes)
    joint = _bundle(narrow, max_read_bytes, max_ranges)
    return min(single, joint, key=lambda requests: _request_seconds(requests, link))


def _bundle(reads: Iterable[Read], max_bytes: int, max_ranges: int) -> list[tuple[Read, ...]]:
    """Put reads into one request that lie apart and are short."""
    requests: list[list[Read]] = []
    n_bytes = 0
    for read in reads:
        last = requests[-1] if requests else []
        n_bytes += read.span.size
        if (
            0 < len(last) < max_ranges
            and n_bytes <= max_bytes
            and read.span.start - last[-1].span.stop > _PART_BYTES  # a server may join others
        ):
            last.append(read)
        else:
            requests.append([read])
            n_bytes = read.span.size
    return [tuple(request) for request in requests]


def _request_seconds(requests: Sequence[Sequence[Read]], link: Link) -> float:
    n_bytes = sum(read.span.size for request in requests for read in request)
    n_parts = sum(len(request) for request in requests if len(request) > 1)
    return link.seconds(len(requests), n_bytes + _PART_BYTES * n_parts)


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
