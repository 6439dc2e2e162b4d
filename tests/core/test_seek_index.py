"""Seek indexes: what must be inflated for which bytes, and how an index is written down."""

import zlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.inflate import WINDOW
from gateway.core.ranges import Block, ByteRange
from gateway.core.seek_index import SeekIndex, SeekPoint

STEP = 40_000
CONTENT = np.random.default_rng(5).normal(100, 3, 75_000).astype(">f4").tobytes()
MEMBER_STARTS = (0, 4 * STEP)
HEADER = b"headhead10"  # stands for those of a member, which an index passes over


def make_index() -> tuple[SeekIndex, bytes]:
    """Make an index of two members, with a point at each 40,000 bytes, and the file."""
    packed, points = b"", []
    for start in range(0, len(CONTENT), STEP):
        is_first = start in MEMBER_STARTS
        if is_first:
            packed += HEADER
            packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        window = b"" if is_first else CONTENT[start - WINDOW : start]
        points.append(SeekPoint.with_window(start, 8 * len(packed), window))
        packed += packer.compress(CONTENT[start : start + STEP])
        is_last = start + STEP in MEMBER_STARTS or start + STEP >= len(CONTENT)
        packed += packer.flush(zlib.Z_FINISH if is_last else zlib.Z_SYNC_FLUSH)
    return SeekIndex(points, len(CONTENT), len(packed), is_whole=True), packed


INDEX, PACKED = make_index()


def unpack(index: SeekIndex, wanted: ByteRange) -> bytes:
    """Inflate a range by an index."""
    stretches = list(index.locate(Block.run(wanted.start, wanted.stop)))
    parts = [b"".join(s.inflate(PACKED[s.packed.start : s.packed.stop])) for s in stretches]
    start = wanted.start - stretches[0].unpacked.start
    return b"".join(parts)[start : start + wanted.size]


@given(start=st.integers(0, len(CONTENT) - 1), data=st.data())
def test_any_range_is_inflated_from_the_point_before_it(start: int, data: st.DataObject):
    """Any range comes out right, from the nearest point, of no more packed bytes than needed."""
    stop = data.draw(st.integers(start + 1, len(CONTENT)))
    stretches = list(INDEX.locate(Block.run(start, stop)))

    assert unpack(INDEX, ByteRange(start, stop)) == CONTENT[start:stop]
    assert start - STEP < stretches[0].unpacked.start <= start
    assert stretches[-1].unpacked.stop == stop
    assert sum(s.packed.size for s in stretches) < (stop - start + 2 * STEP)


def test_an_index_is_read_as_it_was_written():
    """What was written down is the same index; the windows take little space."""
    written = INDEX.to_bytes()
    again = SeekIndex.from_bytes(written)

    assert again.points == INDEX.points
    assert (again.size, again.is_whole) == (INDEX.size, True)
    assert unpack(again, ByteRange(99_999, 250_000)) == CONTENT[99_999:250_000]
    assert len(written) <= again.memory_bytes


def test_points_between_rows_are_passed_over():
    """What lies between two rows far from each other is not inflated."""
    block = Block(start=STEP // 2, row_bytes=STEP, row_stride=3 * STEP, n_rows=2)
    stretches = list(INDEX.locate(block))

    assert [s.unpacked.start // STEP for s in stretches] == [0, 1, 3, 4]
    assert [s.unpacked.stop - s.point.start for s in stretches] == [STEP, STEP // 2] * 2


def test_a_point_far_behind_is_not_read_up_to():
    """What lies between the last byte and the next point is read only as far as it may matter.

    Garbage behind the last member may be long.
    """
    index = SeekIndex(INDEX.points, INDEX.size, len(PACKED) + 10**9, is_whole=True)
    (stretch,) = index.locate(Block.run(len(CONTENT) - 10, len(CONTENT)))

    assert stretch.packed.size < 2 * STEP + WINDOW
