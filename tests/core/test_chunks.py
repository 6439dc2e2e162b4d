"""Chunks: each byte of an answer once and in order, in parts that are not too long."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.chunks import Copied, Rows, plan_chunks
from gateway.core.plan import CutoutPlan, Literal, Stored
from gateway.core.section import Planes
from tests import strategies
from tests.core.cutting import read_rows

FILE = bytes(range(256)) * 4
pieces = st.one_of(
    st.binary(max_size=12).map(Literal),
    strategies.planes().map(lambda planes: Stored(planes, planes.size)),
)


def bytes_of(chunk: Copied) -> bytes:
    """Make a chunk."""
    parts = []
    for part in chunk.parts:
        if isinstance(part, Rows):
            parts.append(read_rows(FILE, part.block)[part.skip : part.skip + part.size])
        else:
            parts.append(part)
    return b"".join(parts)


@given(st.lists(pieces, max_size=5), st.integers(1, 30), st.data())
def test_chunks_are_the_part_of_the_answer(found, chunk_bytes, data):
    """Any part is the slice of the whole, also where a row is longer than a chunk."""
    plan = CutoutPlan(tuple(found), sum(piece.size for piece in found))
    start = data.draw(st.integers(0, plan.size))
    stop = data.draw(st.integers(start, plan.size))
    limits = {"chunk_bytes": chunk_bytes, "max_band_bytes": 1}
    whole = b"".join(bytes_of(chunk) for chunk in plan_chunks(plan, 0, plan.size, **limits))
    chunks = list(plan_chunks(plan, start, stop, **limits))

    assert len(whole) == plan.size
    assert b"".join(bytes_of(chunk) for chunk in chunks) == whole[start:stop]
    assert all(chunk.size == len(bytes_of(chunk)) for chunk in chunks)
    assert all(chunk.size <= max(chunk_bytes, 12) for chunk in chunks)


def test_small_pieces_are_one_chunk():
    """The headers and rows of several HDUs are made together, so that all rows are read at once."""
    plan = CutoutPlan((Literal(b"header"), Stored(Planes.run(10, 20), 10)) * 3, 48)
    (chunk,) = plan_chunks(plan, 0, plan.size, chunk_bytes=100, max_band_bytes=1)

    assert len(chunk.blocks) == 3
