"""PLIO_1 line lists, written by hand; that astropy's are read is tested in test_bands."""

import numpy as np
import pytest

from gateway.core.errors import CorruptFits
from gateway.core.plio import decode_plio


def line_list(*instructions):
    """Write a list of (opcode, operand), with the header that IRAF writes today."""
    words = [opcode << 12 | operand for opcode, operand in instructions]
    header = [0, 7, -100, len(words) + 7, 0, 0, 0]
    return np.array([*header, *words], np.int64).astype(">i2").tobytes()


CASES = {
    "zeros": ([(0, 5)], [0, 0, 0, 0, 0]),
    "a run of the first value": ([(4, 5)], [1, 1, 1, 1, 1]),
    "raised and lowered": ([(2, 9), (4, 2), (3, 4), (4, 3)], [10, 10, 6, 6, 6]),
    "set": ([(1, 5), (0, 3), (4, 2), (2, 1), (4, 3)], [12293, 12293, 12294, 12294, 12294]),
    "set twice": ([(1, 5), (0, 0), (6, 1), (1, 7), (0, 0), (4, 4)], [6, 7, 7, 7, 7]),
    "zeros, then one": ([(5, 4), (4, 1)], [0, 0, 0, 1, 1]),
    "raised or lowered for one": ([(6, 4), (7, 2), (6, 1), (0, 2)], [5, 3, 4, 0, 0]),
    "a short list": ([(4, 2)], [1, 1, 0, 0, 0]),
    "an empty list": ([], [0, 0, 0, 0, 0]),
    "a high word that looks like an opcode": ([(1, 2), (1, 0), (4, 5)], [0x1000002] * 5),
}


@pytest.mark.parametrize(("instructions", "pixels"), CASES.values(), ids=CASES)
def test_instructions_write_pixels(instructions, pixels):
    """Each instruction does what the standard says."""
    assert decode_plio(line_list(*instructions), 5).tolist() == pixels


def test_the_first_version_has_a_shorter_header():
    """A third word above zero is the length of the list."""
    words = np.array([0, 0, 5, 4 << 12 | 2, 0 << 12 | 3], ">i2").tobytes()
    assert decode_plio(words, 5).tolist() == [1, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("tile", "problem"),
    [
        (line_list((4, 5))[:6], "shorter than its own header"),
        (line_list((4, 3), (4, 2))[:-2], "ends before"),
        (line_list((4, 6)), "more pixels"),
        (line_list((5, 0)), "more pixels"),
        (line_list((8, 1)), "does not exist"),
    ],
    ids=["no header", "cut off", "too long", "a negative run", "an unknown opcode"],
)
def test_damaged_lists_are_corrupt(tile, problem):
    """A list that does not make the tile is refused."""
    with pytest.raises(CorruptFits, match=problem):
        decode_plio(tile, 5)
