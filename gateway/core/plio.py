"""PLIO_1: a tile of a mask as an IRAF line list (FITS 4.0, 10.4.3). No I/O.

A line list is a header and 16-bit instructions: four bits of opcode, twelve of operand. They write
runs of zeros and of a value, which they raise, lower or set. What they do not write is zero.
"""

import numpy as np
from numpy.typing import NDArray

from gateway.core.errors import CorruptFits

_ZEROS, _SET, _RAISE, _LOWER, _RUN, _ZEROS_THEN_ONE, _RAISE_ONE, _LOWER_ONE = range(8)
_LEAST_WORDS = 5  # of the header
_FIRST_VERSION_HEADER = 3  # of a format that gave its length in the third word

Integers = NDArray[np.int32]


def decode_plio(data: bytes, n_pixels: int) -> Integers:
    """Decode a tile.

    Parameters
    ----------
    data : bytes
        The compressed tile.
    n_pixels : int
        Number of its pixels.

    Raises
    ------
    CorruptFits
    """
    opcodes, operands, highs = _parse_instructions(data)
    raised, lowered = np.isin(opcodes, (_RAISE, _RAISE_ONE)), np.isin(opcodes, (_LOWER, _LOWER_ONE))
    sums = np.cumsum(np.select([raised, lowered], [operands, -operands]), dtype=np.int32)
    # The value is 1 at first; after it was set, the sums count from there.
    order = np.arange(len(opcodes))
    last_set = np.maximum.accumulate(np.where(opcodes == _SET, order, -1))
    origins = (highs << 12) + operands - sums
    values = sums + np.where(last_set >= 0, origins[last_set], 1)
    n_zeros = np.select([opcodes == _ZEROS, opcodes == _ZEROS_THEN_ONE], [operands, operands - 1])
    n_values = np.select([opcodes == _RUN, opcodes >= _ZEROS_THEN_ONE], [operands, 1])
    runs = np.column_stack([n_zeros, n_values]).reshape(-1)
    if runs.sum() > n_pixels or (runs < 0).any():
        raise CorruptFits("A PLIO_1 tile has more pixels than its size.")
    written = np.repeat(np.column_stack([np.zeros_like(values), values]).reshape(-1), runs)
    return np.pad(written, (0, n_pixels - len(written)))


def _parse_instructions(data: bytes) -> tuple[Integers, Integers, Integers]:
    """Give opcode, operand and the word that follows, which belongs to an instruction that sets."""
    words = np.frombuffer(data[: len(data) // 2 * 2], ">i2").astype(np.int32)
    if len(words) < _LEAST_WORDS:
        raise CorruptFits("A PLIO_1 tile is shorter than its own header.")
    if words[2] > 0:
        first, stop = _FIRST_VERSION_HEADER, int(words[2])
    else:
        first, stop = int(words[1]), int(words[4] << 15 | words[3])
    if not 0 <= first <= stop <= len(words):
        raise CorruptFits("A PLIO_1 tile ends before its last pixel.")
    words = np.append(words[first:stop], np.int32(0))
    is_instruction = np.ones(len(words), bool)
    for i in np.flatnonzero(words >> 12 == _SET):
        if is_instruction[i]:
            is_instruction[i + 1] = False
    places = np.flatnonzero(is_instruction[:-1])
    if (words[places] < 0).any():
        raise CorruptFits("A PLIO_1 tile has an instruction that does not exist.")
    return words[places] >> 12, words[places] & 0xFFF, words[places + 1]
