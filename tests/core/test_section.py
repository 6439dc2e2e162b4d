"""Sections: clipping, and where their bytes lie."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.ranges import Block
from gateway.core.section import Planes, Section, plan_rows
from tests import strategies
from tests.core.cutting import read_rows

FILE = bytes(range(256)) * 8


def read_planes(file: bytes, planes: Planes, start: int, stop: int) -> bytes:
    """Read the packed bytes from `start` to `stop`."""
    return b"".join(
        read_rows(file, block)[skip : skip + take]
        for block, skip, take in planes.blocks(start, stop)
    )


@pytest.mark.parametrize(
    ("section", "clipped"),
    [
        (Section(2, 5, 3, 7), Section(2, 5, 3, 7)),
        (Section(-5, 50, -5, 50), Section(0, 10, 0, 20)),
        (Section(9, 12, 19, 25), Section(9, 10, 19, 20)),
        (Section(-3, 1, -3, 1), Section(0, 1, 0, 1)),
        (Section(-3, 0, 0, 5), None),
        (Section(10, 12, 0, 5), None),
        (Section(0, 5, -2, 0), None),
        (Section(0, 5, 20, 21), None),
    ],
)
def test_a_section_is_clipped_to_its_image(section, clipped):
    """What remains lies inside of 10 columns and 20 rows; nothing remains of what touches it."""
    assert section.clip(10, 20) == clipped


def test_a_section_counts_columns_and_rows():
    """The intervals are half-open."""
    assert (Section(2, 5, 3, 7).nx, Section(2, 5, 3, 7).ny) == (3, 4)


@given(
    strategies.image_sections,
    st.lists(st.integers(1, 3), max_size=2),
    st.sampled_from(["u1", ">i2", ">f8"]),
)
def test_the_rows_of_a_section_are_those_of_an_array(drawn, further_axes, dtype):
    """The planned bytes are the slice of the array, all planes of further axes included."""
    (nx, ny), section = drawn
    array = np.arange(nx * ny * int(np.prod(further_axes))).astype(dtype)
    array = array.reshape((*further_axes[::-1], ny, nx))
    shape = (nx, ny, *further_axes)
    planes = plan_rows(section, shape, array.itemsize, data_start=11)
    expected = array[..., section.y_start : section.y_stop, section.x_start : section.x_stop]
    file = bytes(11) + array.tobytes()
    assert planes.size == expected.nbytes
    assert planes.stop <= len(file)
    assert read_planes(file, planes, 0, planes.size) == expected.tobytes()


@pytest.mark.parametrize(
    ("section", "planes"),
    [
        (Section(2, 5, 1, 4), Planes(Block(124, 6, 20, 3), 160, 7)),
        (Section(0, 10, 1, 4), Planes(Block.run(120, 180), 160, 7)),
        (Section(0, 10, 0, 8), Planes.run(100, 100 + 7 * 160)),
    ],
    ids=["columns", "whole rows", "whole planes"],
)
def test_rows_without_gaps_are_joined(section, planes):
    """Whole rows of a plane are one run, and whole planes too."""
    assert plan_rows(section, (10, 8, 7), 2, 100) == planes


@given(strategies.planes(), st.data())
def test_any_part_of_planes_is_the_slice_of_the_whole(planes, data):
    """Each byte comes once, in order, from whichever byte to whichever."""
    start = data.draw(st.integers(0, planes.size))
    stop = data.draw(st.integers(start, planes.size))
    whole = b"".join(
        read_rows(FILE[plane * planes.stride :], planes.block) for plane in range(planes.n_planes)
    )
    assert read_planes(FILE, planes, 0, planes.size) == whole
    assert read_planes(FILE, planes, start, stop) == whole[start:stop]


@given(strategies.planes(), st.data())
def test_no_row_is_read_that_is_not_wanted(planes, data):
    """Each block that is read holds a wanted byte in its first row and in its last."""
    start = data.draw(st.integers(0, planes.size - 1))
    stop = data.draw(st.integers(start + 1, planes.size))
    for block, skip, take in planes.blocks(start, stop):
        assert skip < block.row_bytes
        assert block.size - block.row_bytes < skip + take <= block.size
