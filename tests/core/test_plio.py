"""PLIO_1 line lists, written by hand; that astropy's are read is tested in test_bands."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest

from gateway.core.errors import CorruptFits
from gateway.core.plio import decode_plio
from tests.core.compressed import first_tile


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
        (line_list((5, 0)), "fewer pixels"),
        (line_list((8, 1)), "does not exist"),
    ],
    ids=["no header", "cut off", "too long", "a negative run", "an unknown opcode"],
)
def test_damaged_lists_are_corrupt(tile, problem):
    """A list that does not make the tile is refused."""
    with pytest.raises(CorruptFits, match=problem):
        decode_plio(tile, 5)


def test_noise_is_corrupt_or_some_pixels():
    """Any words behind a header end in an error or in the pixels that the standard says."""
    rng = np.random.default_rng(3)
    n_read = 0
    for _ in range(3000):
        opcodes = rng.integers(0, 9 if rng.random() < 0.2 else 8, rng.integers(0, 40))
        operands = rng.integers(0, rng.choice([3, 12, 4096]), len(opcodes))
        with suppress(CorruptFits):
            decoded = decode_plio(line_list(*zip(opcodes, operands, strict=True)), 150)
            expected = interpret(opcodes, operands)
            np.testing.assert_array_equal(decoded[: len(expected)], expected)
            assert len(decoded) == 150
            assert not decoded[len(expected) :].any()
            n_read += 1
    assert n_read > 500


def interpret(opcodes, operands):
    """Follow instructions one by one."""
    pixels, value, place = [], 1, 0
    words = list(zip(opcodes.tolist(), operands.tolist(), strict=True))
    while place < len(words):
        opcode, operand = words[place]
        if opcode == 1:
            place += 1
            high = words[place] if place < len(words) else (0, 0)
            word = (high[0] << 12 | high[1]) - (2**16 if high[0] > 7 else 0)
            value = (word << 12) + operand
        value += {2: operand, 6: operand, 3: -operand, 7: -operand}.get(opcode, 0)
        pixels += {0: [0] * operand, 4: [value] * operand}.get(opcode, [])
        pixels += [0] * (operand - 1) + [value] if opcode == 5 else []
        pixels += [value] if opcode in {6, 7} else []
        place += 1
    return pixels


def test_tiles_are_decoded_in_any_number_of_threads():
    """The decoder keeps nothing between two tiles."""
    rng = np.random.default_rng(5)
    images = [rng.integers(0, n, (60, 60), np.int32) for n in range(10, 90)]
    tiles = [first_tile(image, "PLIO_1") for image in images]
    with ThreadPoolExecutor(8) as pool:
        decoded = list(pool.map(lambda tile: decode_plio(tile, 3600), tiles))

    for found, image in zip(decoded, images, strict=True):
        np.testing.assert_array_equal(found, image.ravel())
